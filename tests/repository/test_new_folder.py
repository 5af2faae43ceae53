"""A new folder: there with everything, or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from releasegate.errors import UsageError
from releasegate.repository.new_folder import new_folder, require_free


def test_it_has_its_name_once_everything_is_written(tmp_path: Path):
    with new_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("a")
        assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "a").read_text() == "a"


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_fails_leaves_nothing(tmp_path: Path, error: type[BaseException]):
    def fail() -> None:
        with new_folder(tmp_path / "out") as folder:
            (folder / "a").write_text("a")
            raise error

    with pytest.raises(error):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_what_has_come_to_be_meanwhile_is_left_alone(tmp_path: Path):
    with pytest.raises(UsageError, match="meanwhile"), new_folder(tmp_path / "out"):
        (tmp_path / "out").mkdir()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_place_is_refused_before_anything_is_written(tmp_path: Path):
    require_free(tmp_path / "out", tmp_path / "a.wav")
    for name, make in (("file", Path.touch), ("folder", Path.mkdir), ("link", lambda p: p.symlink_to("nowhere"))):
        make(tmp_path / name)
        with pytest.raises(UsageError, match="exists already"):
            require_free(tmp_path / name, tmp_path / "a.wav")
    with pytest.raises(UsageError, match="is not a folder"):
        require_free(tmp_path / "no" / "out", tmp_path / "a.wav")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").touch()
    with pytest.raises(UsageError, match="holds a model's files"):
        require_free(tmp_path / "model" / "out", tmp_path / "a.wav")
