"""`strip` and `verify` at the command line: what they print, what they need, and what they refuse."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from releasegate.__main__ import run
from releasegate.receipt import TIER_MEANS
from tests.tiny_checkpoints import WIDE, bytes_of, chameleon_recipe, tiny, write_recipes

FIRST = "model-00001-of-00002.safetensors"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkpoint in a gate repository that has a recipe for it."""
    (tmp_path / "policies").mkdir()
    write_recipes(tmp_path)
    (tmp_path / "evals").mkdir()
    return tiny().write(tmp_path / "model")


DIGEST = chameleon_recipe().digest().removeprefix("sha256:")[:12]


def strip(root: Path, *more: str) -> int:
    return run(["strip", str(root), "--recipe", WIDE, "--repo", str(root.parent), "-q", *more])


def test_what_was_done_is_told_with_the_tier_in_words(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = root.with_name("out")
    assert strip(root, "--out", str(out), "--verify-written") == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        f"{out}: 1 tensor rows zeroed, 7 tensors untouched, 2 tensors zero filled",
        "files left out: vqgan.safetensors",
        "residual: lm_head.weight, model.embed_tokens.weight, model.vqmodel.encoder.*, model.vqmodel.quant_conv.*, "
        "model.vqmodel.quantize.embedding.weight, model.layers.{<num_hidden_layers}.*",
        f"recipe: {WIDE} (sha256 {DIGEST}), a recipe of your own: it names 8 rows of lm_head.weight, "
        "2 tensors of model.vqmodel.post_quant_conv, 1 file",
        f"tier: {TIER_MEANS['named_weights_absent']}",
        "read back from disk and compared: 6 files",
        f"receipt: {out}.receipt.json",
        "not checked: what else stands under the names that stay (wide): the recipe has no `keep.exactly`, and the "
        "configuration names no class (architectures)",
        "not checked: what these files and settings mean: config.json (num_hidden_layers, tie_word_embeddings, "
        "vocab_size, vocabulary_map, vq_config)",
        f"not checked: that it loads (`releasegate verify {out} --loads`)",
    ]
    assert said.err == ""
    assert run(["verify", str(out), "--source", str(root), "-q"]) == 0


def test_a_plan_is_told_and_nothing_is_written(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = bytes_of(root.parent)
    assert strip(root, "--plan-only") == 0
    size = sum(path.stat().st_size for path in root.iterdir())
    left = size - (root / "vqgan.safetensors").stat().st_size
    said = capsys.readouterr().out.splitlines()
    residual = chameleon_recipe().residual
    assert said == [
        "rows zeroed: 1 tensor, 1,024 bytes",
        "  lm_head.weight",
        "untouched: 7 tensors, 12,000 bytes",
        "zero filled: 2 tensors, 384 bytes",
        "  model.vqmodel.post_quant_conv.bias",
        "  model.vqmodel.post_quant_conv.weight",
        "files left out: vqgan.safetensors (4,872 bytes)",
        "files converted: none",
        "files edited: generation_config.json",
        "files kept: README.md, config.json, model.safetensors.index.json",
        f"residual: {len(residual)}",
        *(f"  {one.pattern}: {' '.join(one.why.split())}" for one in residual),
        "lent when it is measured: model.vqmodel.post_quant_conv.bias, model.vqmodel.post_quant_conv.weight, vqgan.safetensors",
        f"recipe: {WIDE} (sha256 {DIGEST}), a recipe of your own",
        f"size: {size:,} bytes become {left:,}; room needed: {left:,} bytes",
        "not checked: what else stands under the names that stay (wide): the recipe has no `keep.exactly`, and the "
        "configuration names no class (architectures)",
        "not checked here: the search for copies of what goes, and for texts that still offer it",
    ]
    assert bytes_of(root.parent) == before


def test_a_plan_as_json_names_every_tensor_that_changes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert strip(root, "--plan-only", "--out", str(root.with_name("out")), "--format", "json") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["outcomes"]["rows_zeroed"] == {"tensors": 1, "size": 1024}
    assert data["tensors"] == {
        "lm_head.weight": "rows_zeroed",
        "model.vqmodel.post_quant_conv.bias": "zero_filled",
        "model.vqmodel.post_quant_conv.weight": "zero_filled",
    }
    assert data["left_out"] == {"vqgan.safetensors": 4872}
    assert data["kept"] == ["README.md", "config.json", "model.safetensors.index.json"]
    assert not root.with_name("out").exists()


def test_a_plan_for_a_place_that_is_taken_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = root.with_name("out")
    out.mkdir()
    assert strip(root, "--plan-only", "--out", str(out)) == 2
    assert capsys.readouterr().err.startswith(f"{out}: exists already\n")


def test_a_plan_that_names_more_than_twenty_tensors_says_how_many_more(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {f"model.vqmodel.decoder.{n}.weight": np.ones((2, 2), np.float32) for n in range(23)}
    save_file(more, root / "extra.safetensors")
    made = chameleon_recipe().plain()
    made["edits"].append({"drop": "extra.safetensors:*", "expect": 23})
    place = root.parent / "policies" / "recipes" / f"{WIDE}.yaml"
    place.write_text(json.dumps(made))
    assert strip(root, "--plan-only") == 0
    said = capsys.readouterr().out
    assert said.count("  extra.safetensors:model.vqmodel.decoder") == 20
    assert "  … and 3 more (--format json lists all)" in said


def test_a_strip_without_a_place_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert strip(root) == 2
    assert capsys.readouterr().err == (
        "releasegate strip: has no --out\n  fix: name the folder that shall come to be, or --plan-only\n"
    )


def test_links_are_made_to_read_only_files_alone(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = root.with_name("out")
    for more in (["--plan-only"], []):
        assert strip(root, "--out", str(out), "--link-untouched", *more) == 2
        assert "would be shared with the output, and may be written to" in capsys.readouterr().err
    for path in root.iterdir():
        path.chmod(0o444)
    assert strip(root, "--out", str(out), "--link-untouched") == 0
    assert os.path.samefile(root / "config.json", out / "config.json")
    assert not os.path.samefile(root / FIRST, out / FIRST)
    assert run(["verify", str(out), "--source", str(root), "-q"]) == 0


def test_stages_are_named_where_nobody_watches(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["strip", str(root), "--recipe", WIDE, "--repo", str(root.parent), "--out", str(root.with_name("out"))]
    assert run([*command, "--verify-written"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(" (")[0] for line in said] == ["strip", "read back", "search"]
