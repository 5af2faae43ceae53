"""What an inspection prints: counted in words that agree, and no concern where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from releasegate.__main__ import run
from tests.tiny_checkpoints import RECIPES, tiny


def called(capsys: pytest.CaptureFixture[str], root: Path, *more: str) -> tuple[int, str]:
    code = run(["inspect", str(root), "-q", *more])
    return code, capsys.readouterr().out


def findings(capsys: pytest.CaptureFixture[str], root: Path, *more: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(called(capsys, root, "--format", "json", *more)[1])["findings"]
    return found


def test_one_file_and_one_tensor_are_not_counted_as_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tiny().write(tmp_path / "model")
    save_file({"odd": np.ones(1, np.float32)}, root / "one.safetensors")
    _, out = called(capsys, root / "one.safetensors")
    assert f"1 file of {(root / 'one.safetensors').stat().st_size} bytes" in out
    assert "model: 1 tensor, 1 parameter, 4 bytes" in out
    _, out = called(capsys, root)
    assert "unaccounted for: 0 tensors, 1 file: one.safetensors" in out
    assert "and holds a tensor of 4 bytes: it is published all the same: odd" in out


def test_a_file_that_a_fitting_recipe_names_is_no_concern(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tiny().write(tmp_path / "model")
    (found,) = [one for one in findings(capsys, root) if one["kind"] == "not_in_index"]
    assert (found["level"], found["fix"]) == ("note", "recipe chameleon-hf/image_generation accounts for it")
    save_file({"odd": np.ones(1, np.float32)}, root / "one.safetensors")  # which no recipe names
    levels = [one["level"] for one in findings(capsys, root) if one["kind"] == "not_in_index"]
    assert levels == ["concern", "concern"]


@pytest.mark.parametrize(
    ("content", "pickled"),
    [(b"hello\n", False), (b"", False), (b"PK\3\4rest", True), (b"\x80\2}q\0.", True), (b"(dp0\n.", True)],
)
def test_only_what_may_be_a_pickle_is_said_to_be_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, *, pickled: bool
) -> None:
    root = tiny().write(tmp_path / "model")
    (root / "training_args.bin").write_bytes(content)
    kinds = [one["kind"] for one in findings(capsys, root) if one["where"] == "training_args.bin"]
    assert ("pickle" in kinds) == pickled
    assert "training_state" in kinds


def test_the_state_of_a_generator_is_not_quantised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tiny().write(tmp_path / "model")
    state = {"rng": np.arange(9, dtype=np.uint8), "cuda_rng_state": np.ones(9, np.uint8)}
    save_file(state, root / "s.safetensors")
    assert "quantised" not in [one["kind"] for one in findings(capsys, root)]
    save_file({**state, "q": np.ones(9, np.uint8)}, root / "s.safetensors")
    assert [one["names"] for one in findings(capsys, root) if one["kind"] == "quantised"] == [["q"]]


def test_versions_that_torch_notes_of_modules_are_no_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    root = tiny().write(tmp_path / "model")
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    torch.save(module.state_dict(), root / "extra.pt")
    assert "values" not in [one["kind"] for one in findings(capsys, root)]
    torch.save({"state": module.state_dict(), "epoch": 3}, root / "extra.pt")
    assert [one["names"] for one in findings(capsys, root) if one["kind"] == "values"] == [["epoch"]]


def test_what_is_said_of_the_folder_has_no_place_before_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tiny().write(tmp_path / "model")
    save_file({"a": np.ones(5, np.float32), "b": np.ones(5, np.float32)}, root / "s.safetensors")
    _, out = called(capsys, root, "--duplicates")
    assert "note    constant: hold one value over and over" in out


def test_a_recipe_that_takes_nothing_away_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "model"
    root.mkdir()
    (root / "config.json").write_text(json.dumps({"model_type": "llama", "num_hidden_layers": 1}))
    save_file({"model.norm.weight": np.ones(4, np.float32)}, root / "model.safetensors")
    repository = str(RECIPES.parents[1])
    _, out = called(capsys, root, "--repo", repository)
    idle = "accounts for every tensor and file by name, and takes nothing away from this checkpoint"
    assert f"recipe llama-hf/training_state: {idle}" in out
    (root / "trainer_state.json").write_text("{}")
    _, out = called(capsys, root, "--repo", repository)
    assert "recipe llama-hf/training_state: accounts for every tensor and file by name\n" in out


def test_a_repository_that_is_named_and_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tiny().write(tmp_path / "model")
    for place, what, fix in (
        (tmp_path, "lies in no gate repository", "name one with --repo, or make one"),
        (tmp_path / "nowhere", "no such file or folder", "check the path"),
    ):
        assert run(["inspect", str(root), "-q", "--repo", str(place)]) == 2
        error = capsys.readouterr().err
        assert what in error
        assert fix in error
