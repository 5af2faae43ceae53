"""Paths that lead nowhere, onto a file, or are empty are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from releasegate.__main__ import run
from tests.tiny_repository import Tiny


def said(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    assert run(arguments) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("name", ["notes.md", "notes.md/inner"])
@pytest.mark.parametrize("command", [["keygen", "alice", "--out"], ["init"]])
def test_a_folder_onto_a_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str], name: str
) -> None:
    (tmp_path / "notes.md").write_text("mine")
    error = said(capsys, [*command, str(tmp_path / name)])
    assert error == f"{tmp_path / 'notes.md'}: is a file, where a folder is wanted\n  fix: choose another place\n"
    assert (tmp_path / "notes.md").read_text() == "mine"


def test_a_run_onto_a_file_is_refused(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    made.run.root.write_text("mine")
    error = said(capsys, made.gate("-q"))
    assert error == f"{made.run.root}: is a file, where a folder is wanted\n  fix: choose another place\n"


@pytest.mark.parametrize("exists", ["", "is"])
def test_verify_names_the_folder_before_its_receipt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], exists: str
) -> None:
    place = tmp_path / "nowhere"
    if exists:
        place.write_text("")
    what = "is a file, where a folder is wanted" if exists else "there is no such folder"
    assert said(capsys, ["verify", str(place)]) == (
        f"{place}: {what}\n  fix: name the folder of the stripped checkpoint\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect", ""],
        ["strip", "x", "--recipe", "a/b", "--out", ""],
        ["verify", ""],
        ["list", "--repo", ""],
        ["init", ""],
    ],
)
def test_an_empty_path_is_not_the_folder_one_stands_in(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert "is empty: name a file or folder" in said(capsys, arguments)


def test_what_is_no_ledger_is_said_to_be_none(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    notes = made.root / "notes.md"
    notes.write_text("# Notes\n")
    for verb in ("show", "verify"):
        error = said(capsys, ["ledger", verb, "tiny", "--ledger", str(notes), "--repo", str(made.root)])
        assert error.startswith(f"{notes}: is no ledger: no line of it is one\n  fix: name the ledger's own file;")
