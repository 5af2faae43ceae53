"""`verify --loads`: strips that are what their receipts say, and that nobody can load, are refused; the others are not.

A child process that imports transformers takes seconds, so most are slow; `tests/checkpoint/test_loadable.py` has more.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from releasegate.__main__ import run
from releasegate.stripping.planning import plan as planning
from releasegate.stripping.planning.exact import Accounting
from tests.layouts import LAYOUTS
from tests.stripping.shipped import RECIPES

QUERY = "model.layers.1.self_attn.q_proj.weight"
EDITS: dict[str, tuple[dict[str, Any], str]] = {
    "a tensor dropped that the class declares": (
        {"drop": QUERY, "expect": 1},
        f"1 tensor is missing, the first {QUERY}\n"
        "  fix: zero-fill what the class declares in place of dropping it, or correct the configuration that counts it\n",
    ),
    "fewer layers counted than there are": (
        {"set": "config.json", "key": "num_hidden_layers", "value": 1},
        "9 tensors are unexpected, the first model.layers.1.input_layernorm.weight\n"
        "  fix: drop what the class does not declare, or correct the configuration that counts it\n",
    ),
    "another size of the vocabulary": (
        {"set": "config.json", "key": "vocab_size", "value": 7},
        "2 tensors are of another shape than it declares, the first lm_head.weight ([64, 64] and [7, 64])\n"
        "  fix: let the recipe set the configuration to the shapes that are left\n",
    ),
}


def asked(root: Path, layout: str, recipe: str) -> tuple[Path, list[str]]:
    """A tiny checkpoint of `layout`, and the command that strips it into `out` beside it."""
    (root / "evals").mkdir()
    source = LAYOUTS[layout].write(root / "model")
    return source, ["strip", str(source), "--recipe", recipe, "--repo", str(root), "--out", str(root / "out"), "-q"]


def mistaken(root: Path, edit: dict[str, Any]) -> tuple[Path, list[str]]:
    """A tiny Llama, and the command that strips it of its head and by that edit."""
    files = LAYOUTS["llama"].contents("tiny")
    names = {name for tensors in files.safetensors.values() for name in tensors}
    others = [name for name in files.texts if "index" not in name and name != edit.get("set")]
    recipe = {
        "schema": "releasegate/recipe/v1",
        "id": "llama-hf/mistaken",
        "title": "A strip that was thought through badly",
        "rationale": "What is left is to be looked at.",
        "layout": "llama-hf",
        "edits": [edit, {"zero_fill": "lm_head.weight", "expect": 1}],
        "keep": {
            "tensors": sorted(names - {edit.get("drop", ""), "lm_head.weight"}),
            "files": others,
        },
    }
    (root / "policies" / "recipes" / "llama-hf").mkdir(parents=True)
    (root / "policies" / "recipes" / "llama-hf" / "mistaken.yaml").write_text(json.dumps(recipe))
    return asked(root, "llama", "llama-hf/mistaken")


def strip_shipped(root: Path, layout: str, recipe: str) -> Path:
    """A tiny checkpoint stripped by a recipe that ships."""
    shutil.copytree(RECIPES, root / "policies" / "recipes")
    source, command = asked(root, layout, recipe)
    assert run(command) == 0
    assert run(["verify", str(root / "out"), "--source", str(source), "-q"]) == 0
    return root / "out"


@pytest.mark.parametrize(
    "mistake", [name if "dropped" in name else pytest.param(name, marks=pytest.mark.slow) for name in EDITS]
)
def test_a_strip_that_nobody_can_load_is_refused(
    mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `strip` itself; and by `verify`, for a strip of before what stays was accounted for."""
    edit, said = EDITS[mistake]
    source, command = mistaken(tmp_path, edit)
    assert run(command) == 2
    assert capsys.readouterr().err == (
        f"recipe llama-hf/mistaken: would leave what does not load into LlamaForCausalLM strictly: {said}"
    )
    out = source.with_name("out")
    assert not out.exists()
    with monkeypatch.context() as before:
        before.setattr(planning, "account", lambda *_: Accounting(wide="nothing was accounted for"))
        assert run(command) == 0
    assert run(["verify", str(out), "--source", str(source), "-q"]) == 0
    capsys.readouterr()
    assert run(["verify", str(out), "--loads", "-q"]) == 2
    shown = capsys.readouterr()
    assert shown.err == f"{out / 'config.json'}: does not load into LlamaForCausalLM strictly: {said}"
    assert shown.out == ""


@pytest.mark.slow
def test_a_strip_that_loads_is_told_with_its_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = strip_shipped(tmp_path, "mixtral", "mixtral-hf/expert")
    capsys.readouterr()
    assert run(["verify", str(out), "--loads", "-q"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("ok: it loads into MixtralForCausalLM of transformers 5.")
    assert run(["verify", str(out), "--loads", "-q", "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["checks"][-1] == last.removeprefix("ok: ")
    assert data["not_checked"] == []


def test_a_layout_without_a_library_is_incomplete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = strip_shipped(tmp_path, "multi-token", "multi-token-prediction/extra_heads")
    capsys.readouterr()
    why = "that it loads: no library of the layout multi-token-prediction is installed"
    assert run(["verify", str(out), "--loads", "-q"]) == 3
    assert capsys.readouterr().out.splitlines()[-1] == f"not checked: {why}"
    assert run(["verify", str(out), "--loads", "-q", "--format", "json"]) == 3
    assert json.loads(capsys.readouterr().out)["not_checked"] == [why]
    assert run(["verify", str(out), "-q", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["not_checked"] == [
        "that it loads: it was not held against a class when it was stripped; ask with --loads"
    ]
