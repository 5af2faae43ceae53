"""Clean checkpoints are stripped and verified: what the classes of transformers save, whatever the form, is refused by nothing.

Each is stripped by `releasegate strip`, compared with its source by `releasegate verify --source`, and laid out in its class
by `releasegate verify --loads`. Each takes three to six seconds, so all but a few are slow.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import transformers

from releasegate.__main__ import run
from releasegate.checkpoint import Contents, read_contents
from tests.stripping.real_models import DTYPES, OTHERS, save_layout, save_other, write_layout
from tests.stripping.shipped import RECIPES

OF_CLASSES = {
    "chameleon-hf": "chameleon-hf/image_generation",
    "chameleon-hf-30b": "chameleon-hf/image_generation",
    "deepseek-v3-bf16": "deepseek_v3-hf/extra_heads",
    "glm4-moe": "glm4_moe-hf/extra_heads",
    "qwen3-next": "qwen3_next-hf/extra_heads",
    "janus-hf": "janus-hf/image_generation",
    "lora": "llama-hf/lora_adapter",
    "trainer": "llama-hf/training_state",
    "ema-inside": "llama-hf/training_state",
    "ema-beside": "llama-hf/training_state",
    "mixtral": "mixtral-hf/expert",
    "qwen3-moe": "qwen3_moe-hf/expert",
    "musicgen-melody-hf": "musicgen_melody-hf/self_conditioning",
}
WRITTEN = {
    "chameleon-original": "chameleon-original/image_generation",
    "chameleon-original-30b": "chameleon-original/image_generation",
    "chameleon-original-training": "chameleon-original/image_generation",
    "multi-token": "multi-token-prediction/extra_heads",
    "musicgen-audiocraft": "audiocraft/self_conditioning",
    "xtts": "xtts/voice_cloning",
    "xtts-inference": "xtts/voice_cloning",
}
"""Layouts of which no library is at hand; how many files they have is theirs."""
FAST = {
    ("chameleon-hf", "BF16", True),
    ("mixtral", "F32", False),
    ("multi-token", "F32", False),
    ("gpt2", "BF16", True),
}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """transformers says nothing of what it saves."""
    shown = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    yield
    transformers.utils.logging.set_verbosity(shown)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A gate repository with the recipes that ship."""
    shutil.copytree(RECIPES, tmp_path / "policies" / "recipes")
    (tmp_path / "evals").mkdir()
    return tmp_path


def passes(root: Path, recipe: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What `verify --source` says of the strip of `model` by `recipe`; both ended with 0 and complained of nothing."""
    source, out = str(root / "model"), str(root / "out")
    code = run(["strip", source, "--recipe", recipe, "--repo", str(root), "--out", out, "-q"])
    assert (code, capsys.readouterr().err) == (0, "")
    code = run(["verify", out, "--source", source, "--repo", str(root), "-q", "--format", "json"])
    said = capsys.readouterr()
    assert (code, said.err) == (0, "")
    found: dict[str, Any] = json.loads(said.out)
    return found


def loads(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing; its class takes all of it."""
    code = run(["verify", str(root / "out"), "--repo", str(root), "--loads", "-q"])
    said = capsys.readouterr()
    assert (code, said.err) == (0, "")
    assert any(line.startswith("ok: it loads into ") for line in said.out.splitlines())


def marked(names: Iterator[str] | list[str], many: tuple[bool, ...]) -> list[Any]:
    """Each name, in each dtype, in one file and in several; slow but for a few."""
    every = [(name, dtype, sharded) for name in names for dtype in DTYPES for sharded in many]
    return [pytest.param(*one, marks=[] if one in FAST else [pytest.mark.slow]) for one in every]


@pytest.mark.parametrize(("layout", "dtype", "sharded"), marked(list(OF_CLASSES), (False, True)))
def test_what_a_class_saves_is_stripped_by_the_recipe_that_ships(
    layout: str, dtype: str, sharded: bool, root: Path, capsys: pytest.CaptureFixture[str]  # noqa: FBT001
) -> None:  # fmt: skip
    save_layout(layout, dtype, root / "model", sharded=sharded)
    assert (len(read_contents(root / "model").shards) > 2) == sharded
    assert passes(root, OF_CLASSES[layout], capsys)["tier"] == "weights_absent"
    loads(root, capsys)


@pytest.mark.parametrize(("layout", "dtype", "sharded"), marked(list(WRITTEN), (False,)))
def test_what_has_no_class_is_stripped_by_the_recipe_that_ships(
    layout: str, dtype: str, sharded: bool, root: Path, capsys: pytest.CaptureFixture[str]  # noqa: FBT001
) -> None:  # fmt: skip
    write_layout(layout, dtype, root / "model")
    file = root / "policies" / "recipes" / f"{WRITTEN[layout]}.yaml"
    if layout.startswith("chameleon-original"):
        images = 'expect: {tensor: "tokenizer/vqgan.ckpt:state_dict.quantize.embedding.weight"}'
        assert images in file.read_text()
    assert passes(root, WRITTEN[layout], capsys)["tier"] == "weights_absent"


def largest(contents: Contents) -> str:
    """The largest matrix of the last layer that lies in one: a projection of its attention or feed-forward part."""
    inside = {name: place.entry for name, place in contents.tensors.items() if ".1." in name}
    return max(inside, key=lambda name: (inside[name].size, name))


def embedding(contents: Contents) -> str:
    """The largest matrix of all, which is that of the tokens, or the first one of a model of images or sounds."""
    matrices = {name: place.entry for name, place in contents.tensors.items() if len(place.entry.shape) == 2}
    return max(matrices, key=lambda name: (matrices[name].size, name))


def whole_matrix(contents: Contents) -> dict[str, Any]:
    """A matrix of a layer, filled with zeros."""
    return {"zero_fill": largest(contents), "expect": 1}


def some_rows(contents: Contents) -> dict[str, Any]:
    """Four rows of it, filled with zeros."""
    return {"zero_rows": largest(contents), "rows": {"ids": [[3, 6]]}, "expect": 4}


DRAFTS: list[Callable[[Contents], dict[str, Any]]] = [whole_matrix, some_rows]


def draft(contents: Contents, edit: dict[str, Any]) -> dict[str, Any]:
    """A recipe that does this one edit and keeps everything else, exactly as the class declares it."""
    goes = next(iter(edit.values()))
    partial = "rows" in edit
    files = set(contents.sizes) - {*contents.shards, contents.index_file}
    return {
        "schema": "releasegate/recipe/v1",
        "id": f"{contents.layout}/drafted",
        "title": "A draft",
        "rationale": "One matrix goes.",
        "layout": contents.layout,
        "edits": [edit],
        "keep": {"exactly": "class", "tensors": sorted(set(contents.tensors) - {goes}), "files": sorted(files)},
        "residual": [{"tensors": goes, "why": "Its other rows stay."}] if partial else [],
    }


@pytest.mark.parametrize("edit", DRAFTS, ids=["whole", "rows"])
@pytest.mark.parametrize(("model_type", "dtype", "sharded"), marked(list(OTHERS), (False, True)))
def test_what_another_class_saves_is_stripped_by_a_drafted_recipe(
    model_type: str,
    dtype: str,
    sharded: bool,  # noqa: FBT001
    edit: Callable[[Contents], dict[str, Any]],
    root: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    contents = read_contents(save_other(model_type, dtype, root / "model", sharded=sharded))
    recipe = draft(contents, edit(contents))
    file = root / "policies" / "recipes" / f"{recipe['id']}.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(recipe))
    assert passes(root, recipe["id"], capsys)["tier"] == "weights_absent"
    loads(root, capsys)


def test_twenty_other_types_are_tried() -> None:
    assert len(OTHERS) >= 20
