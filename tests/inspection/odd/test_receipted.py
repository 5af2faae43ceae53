"""What a strip of this gate did is not odd; a receipt that does not say the truth exempts nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from releasegate.checkpoint import open_checkpoint
from releasegate.inspection.doubting import doubts_of
from releasegate.plan import Doubt
from releasegate.repository import GateRepository
from releasegate.repository.receipts import receipt_path
from releasegate.stripping import plan_strip, write_strip

ROOT = Path(__file__).parents[3]
POLICY = ROOT / "policies" / "mini-chameleon.yaml"


@pytest.fixture(scope="module")
def stripped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mini-Chameleon without image generation, its receipt beside it."""
    target = tmp_path_factory.mktemp("out") / "stripped"
    recipe = GateRepository.around(POLICY).recipe("chameleon-hf/image_generation")
    source = open_checkpoint(ROOT / "examples" / "mini_chameleon" / "checkpoint")
    write_strip(source, plan_strip(source, [recipe]), target)
    return target


def doubted(root: Path) -> tuple[Doubt, ...]:
    policy = GateRepository.around(POLICY).read_policy(POLICY).record
    return doubts_of(open_checkpoint(root), policy)


def test_what_the_receipt_lists_is_not_odd(stripped: Path) -> None:
    assert json.loads((stripped / "generation_config.json").read_text())["suppress_tokens"]
    assert doubted(stripped) == ()


def test_without_its_receipt_the_same_checkpoint_is_doubted(stripped: Path, tmp_path: Path) -> None:
    shutil.copytree(stripped, tmp_path / "stripped")
    assert {doubt.place.split(": ")[-1] for doubt in doubted(tmp_path / "stripped")} >= {"suppress_tokens"}


def test_a_receipt_does_not_exempt_rows_that_hold_something(stripped: Path, tmp_path: Path) -> None:
    root = tmp_path / "stripped"
    shutil.copytree(stripped, root)
    for path in root.glob("model*.safetensors"):
        held = load_file(path)
        if "lm_head.weight" in held:
            held["lm_head.weight"][4:68] = 0.001 * np.random.default_rng(1).standard_normal((64, 96))
            save_file(held, path, metadata={"format": "pt"})
    digest = open_checkpoint(root)
    receipt = json.loads(receipt_path(stripped).read_text())
    receipt["output"] = json.loads(digest.manifest.text())
    receipt["output_digest"] = digest.digest
    receipt_path(root).write_text(json.dumps(receipt))
    assert any(doubt.place.endswith("lm_head.weight") for doubt in doubted(root))
