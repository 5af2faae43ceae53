"""A source that is cut off or does not agree with its index: one clear error, and nothing is left behind."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from releasegate.__main__ import run
from releasegate.checkpoint import read_contents
from releasegate.errors import StripError
from releasegate.stripping import plan_strip, write_strip
from tests.tiny_checkpoints import VOCABULARY, chameleon_recipe, tiny

RECIPE = "chameleon-hf/image_generation"
SECOND, INDEX = "model-00002-of-00002.safetensors", "model.safetensors.index.json"
ROOT = Path(__file__).parents[2]


def cut(name: str, left: int) -> Callable[[Path], None]:
    return lambda root: os.truncate(root / name, left)


def index(change: Callable[[dict[str, str]], object]) -> Callable[[Path], None]:
    def changed(root: Path) -> None:
        data = json.loads((root / INDEX).read_text())
        change(data["weight_map"])
        (root / INDEX).write_text(json.dumps(data))

    return changed


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "a_shard_cut_in_its_data": (cut(SECOND, 6000), f"{SECOND}: is cut off: its tensors need"),
    "a_shard_cut_in_its_header": (cut(SECOND, 100), f"{SECOND}: is cut off inside its header"),
    "a_shard_cut_to_nothing": (cut(SECOND, 0), f"{SECOND}: is too short for a safetensors file"),
    "an_index_cut_off": (cut(INDEX, 200), f"{INDEX}: is not valid JSON"),
    "an_index_that_names_too_much": (index(lambda places: places.update(more=SECOND)), "names tensor 'more'"),
    "an_index_that_names_too_little": (index(lambda places: places.popitem()), f"{INDEX}: does not name tensor"),
    "an_index_that_leads_outside": (index(lambda places: places.update(more=f"../{SECOND}")), "is not the name of a"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_source_is_refused_and_nothing_is_left(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tiny().write(tmp_path / "model")
    change, what = BROKEN[name]
    change(root)
    command = ["strip", str(root), "--recipe", RECIPE, "--repo", str(ROOT), "--out", str(tmp_path / "out"), "-q"]
    assert run(command) == 2
    said = capsys.readouterr().err
    assert what in said
    assert said.count("  fix: ") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def without_card(root: Path) -> None:
    (root / "README.md").unlink()


def other_tokens(root: Path) -> None:
    (root / "tokenizer.json").write_text('{"model": {"vocab": {"IMGIMGXZ": 12}}}')


@pytest.mark.parametrize("change", [without_card, other_tokens])
def test_a_source_that_changes_after_it_was_planned_for_is_refused(
    change: Callable[[Path], None], tmp_path: Path
) -> None:
    """Without digests too: rows were chosen by the names of tokens, and the output would give them other names."""
    control = tiny()
    del control.config["vocabulary_map"]
    control.texts["tokenizer.json"] = json.dumps({"model": {"vocab": VOCABULARY}})
    contents = read_contents(control.write(tmp_path / "model"))
    plan = plan_strip(contents, [chameleon_recipe()])
    change(tmp_path / "model")
    with pytest.raises(StripError, match="changed since the checkpoint was opened"):
        write_strip(contents, plan, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
