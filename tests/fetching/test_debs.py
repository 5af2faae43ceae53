"""Fetching recordings: packages that dpkg made, handed out by an apt-get of a few lines."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from releasegate.__main__ import run

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")

APT = """#!/bin/sh
[ "$1" = download ] && cp "{folder}/$2.deb" . 2>/dev/null || {{ echo "E: Unable to locate package $2" >&2; exit 100; }}
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gate repository whose lists name one recording of one package, which apt-get has."""
    package = tmp_path / "made"
    (package / "DEBIAN").mkdir(parents=True)
    (package / "DEBIAN" / "control").write_text(
        "Package: some-speech\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.org>\nDescription: speech\n"
    )
    (package / "usr").mkdir()
    (package / "usr" / "a.wav").write_bytes(b"sound")
    (tmp_path / "debs").mkdir()
    subprocess.run(["dpkg-deb", "-b", package, tmp_path / "debs" / "some-speech.deb"], check=True, capture_output=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "apt-get").write_text(APT.format(folder=tmp_path / "debs"))
    (tmp_path / "bin" / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.delenv("RELEASEGATE_SPEECH", raising=False)
    top = tmp_path / "repo"
    (top / "policies").mkdir(parents=True)
    (top / "evals").mkdir()
    for name in ("speech", "voices"):
        digest = hashlib.sha256(b"sound").hexdigest()
        (top / "evals" / f"{name}.csv").write_text(f"package,path,sha256\nsome-speech,usr/a.wav,{digest}\n")
    return top


def test_a_package_is_unpacked_into_a_folder_of_its_own(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fetch", "speech", "--repo", str(repository)]) == 0
    said = capsys.readouterr()
    assert said.err == "fetching some-speech\n", "once, though two lists name it"
    assert (repository / "runs" / "speech" / "some-speech" / "usr" / "a.wav").read_bytes() == b"sound"


def test_a_recording_with_other_bytes_is_refused(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "evals" / "voices.csv").write_text(f"package,path,sha256\nsome-speech,usr/a.wav,{'0' * 64}\n")
    assert run(["fetch", "speech", "--repo", str(repository)]) == 2
    assert "1 files are not those listed, the first is some-speech/usr/a.wav" in capsys.readouterr().err


def test_a_package_that_apt_does_not_know_is_named(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "evals" / "voices.csv").write_text(f"package,path,sha256\nother,usr/a.wav,{'0' * 64}\n")
    assert run(["fetch", "speech", "--repo", str(repository)]) == 2
    err = capsys.readouterr().err
    assert "other: cannot be downloaded: E: Unable to locate package other\n  fix: apt-get update" in err


def test_where_there_is_no_apt_the_remedy_says_where_to_run_it(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert run(["fetch", "speech", "--repo", str(repository)]) == 2
    assert "apt-get, dpkg-deb: are not here: the recordings are in Debian packages\n  fix: run this on" in (
        capsys.readouterr().err
    )
