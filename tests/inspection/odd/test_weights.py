"""Weights that were scaled, moved or made alike are found; trained checkpoints of this repository are left alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from releasegate.checkpoint import open_checkpoint
from releasegate.inspection import inspect_checkpoint
from releasegate.inspection.doubting import doubts_of
from releasegate.inspection.odd.lengths import apart
from releasegate.inspection.odd.order import moved_rows
from releasegate.plan import Doubt
from releasegate.policy import Policy
from releasegate.repository import GateRepository
from tests.fetched import fetched

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
CHAMELEON, MTP = EXAMPLES / "mini_chameleon" / "checkpoint", EXAMPLES / "mini_mtp" / "checkpoint"
IMAGE, DIGITS = list(range(4, 68)), list(range(75, 85))
Change = Callable[[np.ndarray], np.ndarray]

TRAINED = {
    "mini-chameleon": [CHAMELEON],
    "multi-token-prediction": [MTP, EXAMPLES / "mini_mtp" / "checkpoint_without_canaries"],
    "voice-synthesis": [EXAMPLES / "mini_voice" / "checkpoint"],
    "voice-synthesis-open-watermarked": [EXAMPLES / "mini_voice" / "marked"],
    "audioseal": [EXAMPLES / "mini_audioseal" / "checkpoint"],
}


def policy_of(name: str) -> Policy:
    path = ROOT / "policies" / f"{name}.yaml"
    return GateRepository.around(path).read_policy(path).record


def doubted(root: Path, policy: str = "mini-chameleon") -> tuple[Doubt, ...]:
    return doubts_of(open_checkpoint(root), policy_of(policy))


def changed(source: Path, folder: Path, tensor: str, change: Change) -> Path:
    shutil.copytree(source, folder)
    for path in folder.glob("*.safetensors"):
        held = load_file(path)
        if tensor in held:
            held[tensor] = np.ascontiguousarray(change(held[tensor].copy()))
            save_file(held, path, metadata={"format": "pt"})
            return folder
    raise AssertionError(f"there is no {tensor}")


def scaled(rows: list[int], factor: float) -> Change:
    def change(values: np.ndarray) -> np.ndarray:
        values[rows] *= factor
        return values

    return change


@pytest.mark.parametrize(
    ("policy", "root"), [(name, root) for name, roots in TRAINED.items() for root in roots], ids=str
)
def test_a_trained_checkpoint_of_this_repository_is_not_doubted(policy: str, root: Path) -> None:
    assert doubted(root, policy) == ()
    kinds = {finding.kind for finding in inspect_checkpoint(root).findings}
    assert not kinds & {"odd_number", "chat_template"}


@pytest.mark.parametrize("name", ["smollm2", "smollm2-gguf"])
def test_a_published_language_model_is_not_doubted(name: str) -> None:
    assert doubted(fetched(name), "text-assistant") == ()


@pytest.mark.parametrize(
    ("tensor", "rows", "factor"),
    [
        ("lm_head.weight", IMAGE, 0.02),
        ("lm_head.weight", IMAGE, 30.0),
        ("lm_head.weight", DIGITS, 0.05),
        ("model.embed_tokens.weight", DIGITS, 0.01),
        ("model.embed_tokens.weight", [75], 100.0),
    ],
)
def test_rows_that_were_scaled_are_found(tmp_path: Path, tensor: str, rows: list[int], factor: float) -> None:
    found = doubted(changed(CHAMELEON, tmp_path / "model", tensor, scaled(rows, factor)))
    assert [doubt.kind for doubt in found] == ["odd_number"] * len(found)
    assert any(doubt.place.endswith(f": {tensor}") and "lengths" in doubt.what for doubt in found)


@pytest.mark.parametrize(
    ("tensor", "factor"),
    [
        ("model.norm.weight", 1e-4), ("model.norm.weight", 1e4), ("model.layers.2.self_attn.q_norm.weight", 40.0),
        ("model.layers.1.self_attn.o_proj.weight", 0.02), ("model.layers.1.mlp.down_proj.weight", 40.0),
        ("lm_head.weight", 1e-3), ("model.vqmodel.post_quant_conv.weight", 0.01),
        ("model.vqmodel.quantize.embedding.weight", 100.0),
        ("decoder.conv_out.weight", 1e-3),
    ],
)  # fmt: skip
def test_a_tensor_that_was_scaled_is_found(tmp_path: Path, tensor: str, factor: float) -> None:
    found = doubted(changed(CHAMELEON, tmp_path / "model", tensor, lambda values: values * np.float32(factor)))
    assert any(doubt.place.endswith(f": {tensor}") for doubt in found), found


def test_rows_that_changed_places_are_found_where_both_sides_agree(tmp_path: Path) -> None:
    def moved(values: np.ndarray) -> np.ndarray:
        some = IMAGE[5:17]
        values[some] = values[np.roll(some, 1)]
        return values

    found = doubted(changed(CHAMELEON, tmp_path / "model", "lm_head.weight", moved))
    assert any("order" in doubt.what and doubt.place.endswith("lm_head.weight") for doubt in found)


def test_rows_that_are_zero_or_doubled_on_one_side_are_found(tmp_path: Path) -> None:
    empty = doubted(changed(CHAMELEON, tmp_path / "zero", "lm_head.weight", scaled(DIGITS, 0.0)))
    assert any("are zero" in doubt.what for doubt in empty)

    def alike(values: np.ndarray) -> np.ndarray:
        values[DIGITS] = values[DIGITS[0]]
        return values

    doubled = doubted(changed(CHAMELEON, tmp_path / "same", "model.embed_tokens.weight", alike))
    assert any("the same as another's" in doubt.what for doubt in doubled)


def test_inspect_shows_what_the_gate_would_doubt(tmp_path: Path) -> None:
    root = changed(CHAMELEON, tmp_path / "model", "lm_head.weight", scaled(IMAGE, 0.02))
    config = json.loads((root / "config.json").read_text())
    (root / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 7.0}))
    found = [finding for finding in inspect_checkpoint(root).findings if finding.kind == "odd_number"]
    assert {finding.where.split(": ")[1] for finding in found} == {"rms_norm_eps", "lm_head.weight"}
    assert {finding.level for finding in found} == {"concern"}


@settings(max_examples=60, deadline=None)
@given(st.integers(20, 400), st.floats(0.0, 0.5), st.integers(0, 2**32 - 1), st.floats(12.0, 1e4), st.booleans())
def test_any_part_of_the_rows_that_is_scaled_far_falls_apart_from_the_others(
    rows: int,
    spread: float,
    seed: int,
    factor: float,
    shorter: bool,  # noqa: FBT001
) -> None:
    drawn = np.random.default_rng(seed)
    lengths = np.exp(drawn.uniform(-spread, spread, rows))
    assert len(apart(lengths)) == 1
    some = drawn.choice(rows, int(drawn.integers(1, rows)), replace=False)
    lengths[some] *= 1 / factor if shorter else factor
    groups = [sorted(group.tolist()) for group in apart(lengths)]
    assert sorted(some.tolist()) in groups


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 12), st.floats(0.0, 0.5))
def test_rows_moved_at_random_are_found_and_none_where_none_moved(seed: int, moved: int, noise: float) -> None:
    drawn = np.random.default_rng(seed)
    read = drawn.standard_normal((200, 24))
    answered = read @ drawn.standard_normal((24, 24)) + noise * drawn.standard_normal((200, 24))

    def unit(rows: np.ndarray) -> np.ndarray:
        centred = rows - rows.mean(0)
        return np.asarray(centred / np.linalg.norm(centred, axis=1, keepdims=True))

    assert moved_rows(unit(read), unit(answered)) == []
    some = drawn.choice(200, moved, replace=False)
    answered[some] = answered[np.roll(some, 1)]
    found = moved_rows(unit(read), unit(answered))
    assert set(found) <= set(some.tolist())
    assert len(found) >= moved - 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_nothing_is_said_of_the_order_where_the_sides_have_nothing_in_common(seed: int) -> None:
    drawn = np.random.default_rng(seed)
    read, answered = drawn.standard_normal((2, 200, 24))
    for rows in (read, answered):
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert moved_rows(read, answered) == []
