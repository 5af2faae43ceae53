"""A run or a strip that would lie in a checkpoint, around it, or in another run is refused before anything is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from releasegate.__main__ import run
from releasegate.repository import receipt_path
from tests.tiny_checkpoints import WIDE, bytes_of, tiny, write_recipes
from tests.tiny_repository import Tiny

NESTED = "and the source lie in one another"


def said(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    """What a call says that must be refused."""
    assert run(arguments) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("command", ["gate", "rehearse", "plan"])
@pytest.mark.parametrize(
    "place", ["checkpoint/run", "checkpoint", ".", "link/run", "real/inner", "real/evidence/inner"]
)
def test_a_run_where_it_may_not_lie_is_refused_and_spends_nothing(
    made: Tiny, capsys: pytest.CaptureFixture[str], command: str, place: str
) -> None:
    model = made.checkpoint.rename(made.root / "checkpoint")
    (made.root / "link").symlink_to(model)
    (made.root / "real").mkdir()
    (made.root / "real" / "plan.json").write_text('{"schema":"releasegate/plan/v1"}')
    out = made.root / place
    what = f"lies in the run folder {made.root / 'real'}" if place.startswith("real") else NESTED
    opening = "--open" if command == "plan" else "--out"
    more = ["--rehearse"] if command == "rehearse" else []
    before = bytes_of(made.root)
    name = "plan" if command == "plan" else "gate"
    error = said(capsys, [name, str(made.policy), "--model", str(model), opening, str(out), "-q", *more])
    assert error.splitlines()[0] == f"{out}: {what}"
    assert bytes_of(made.root) == before
    assert os.path.isdir(out) == (place in ("checkpoint", "."))


@pytest.mark.parametrize("kind", ["stripped", "tensors", "config", "nested"])
@pytest.mark.parametrize("more", [[], ["--plan-only"]])
def test_a_strip_into_a_checkpoint_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, more: list[str]
) -> None:
    write_recipes(tmp_path)
    (tmp_path / "evals").mkdir()
    source, other = tiny().write(tmp_path / "model"), tmp_path / "other"
    (other / "deep").mkdir(parents=True)
    match kind:
        case "stripped":
            (tmp_path / "other.receipt.json").write_text("{}")
        case "config":
            (other / "config.json").write_text('{"model_type": "toy"}')
        case _:
            (other / "model.safetensors").touch()
    out = other / "deep" / "out" if kind == "nested" else other / "out"
    before = bytes_of(tmp_path)
    command = ["strip", str(source), "--recipe", WIDE, "--repo", str(tmp_path), "-q"]
    error = said(capsys, [*command, "--out", str(out), *more])
    assert error.startswith(f"{out}: lies in {other}, ")
    assert error.endswith("\n  fix: choose a place outside of it\n")
    assert bytes_of(tmp_path) == before


@pytest.mark.parametrize("text", ['{"editor": "vi"}', "[]", "no JSON", "[" * 100_000, ""])
def test_another_programs_config_above_a_strip_does_not_matter(tmp_path: Path, text: str) -> None:
    write_recipes(tmp_path)
    (tmp_path / "evals").mkdir()
    source = tiny().write(tmp_path / "model")
    (tmp_path / "config.json").write_text(text)
    command = ["strip", str(source), "--recipe", WIDE, "--repo", str(tmp_path), "-q"]
    assert run([*command, "--out", str(tmp_path / "out")]) == 0


@pytest.mark.usefixtures("quick_report")
def test_a_receipt_whose_folder_was_removed_from_a_run_does_not_stop_its_strip(made: Tiny) -> None:
    assert run(["plan", str(made.policy), "--model", str(made.checkpoint), "--open", str(made.run.root), "-q"]) == 0
    receipt_path(made.run.stripped).write_text("of a folder that was removed, as a message said")
    assert run(made.gate("-q")) == 0
    assert made.run.receipt() is not None
