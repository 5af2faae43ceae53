"""Parts of a checkpoint that a subject leaves unused are told with their share, and shipped models have none."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from releasegate.checkpoint import open_checkpoint
from releasegate.inspection.doubting import doubts_of
from releasegate.subjects.unread import UnreadPart, unread_parts

EXAMPLES = Path(__file__).parents[2] / "examples"


def folder(root: Path, config: dict[str, Any], *files: dict[str, tuple[int, ...]]) -> Path:
    """A checkpoint with tensors of these shapes; the second file and those after it lie beside the model."""
    root.mkdir()
    (root / "config.json").write_text(json.dumps(config))
    for number, shapes in enumerate(files):
        drawn = np.random.default_rng(number)
        held = {name: drawn.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
        save_file(held, root / (f"beside-{number}.safetensors" if number else "model.safetensors"))
    return root


def parts(root: Path, subject: str = "causal-lm") -> tuple[UnreadPart, ...]:
    return unread_parts(subject, open_checkpoint(root))


TEXT = {
    "model.layers.0.mlp.up_proj.weight": (10, 10),
    "lm_head.weight": (10, 10),
    "model.embed_tokens.weight": (10, 10),
}


def test_the_towers_of_a_model_that_sees_are_parts_with_their_shares(tmp_path: Path) -> None:
    shapes = {
        "model.language_model.layers.0.mlp.up_proj.weight": (10, 10),
        "model.language_model.embed_tokens.weight": (10, 10),
        "model.vision_tower.encoder.layers.0.mlp.fc1.weight": (20, 10),
        "model.multi_modal_projector.mm_input_projection_weight": (10, 10),
    }
    root = folder(tmp_path / "model", {"model_type": "gemma3", "text_config": {"model_type": "gemma3_text"}}, shapes)
    found = parts(root)
    assert [(one.name, one.tensors, one.share) for one in found] == [
        ("multi_modal_projector", 1, 0.2),
        ("vision_tower", 1, 0.4),
    ]
    policy: Any = SimpleNamespace(model=SimpleNamespace(subject="causal-lm"))
    doubts = [doubt for doubt in doubts_of(open_checkpoint(root), policy) if doubt.kind == "unmeasured_part"]
    assert [(doubt.part, doubt.share) for doubt in doubts] == [("multi_modal_projector", 0.2), ("vision_tower", 0.4)]
    assert all("accepts" in doubt.remedy for doubt in doubts)


@pytest.mark.parametrize(
    "name", ["visual.blocks.0.attn.qkv.weight", "talker.model.layers.0.mlp.up_proj.weight", "medusa_heads.0.weight"]
)
def test_any_part_that_is_no_text_model_is_told(tmp_path: Path, name: str) -> None:
    (found,) = parts(folder(tmp_path / "model", {"model_type": "qwen2"}, {**TEXT, name: (10, 10)}))
    assert (found.name, found.share) == (name.split(".")[0], 0.25)


def test_layers_beyond_those_that_the_configuration_counts_are_told(tmp_path: Path) -> None:
    config = {"model_type": "deepseek_v3", "num_hidden_layers": 1}
    (found,) = parts(folder(tmp_path / "model", config, {**TEXT, "model.layers.1.mlp.up_proj.weight": (10, 10)}))
    assert (found.name, found.share) == ("layers_beyond", 0.25)


def test_a_file_of_tensors_that_the_subject_does_not_open_is_told(tmp_path: Path) -> None:
    (found,) = parts(folder(tmp_path / "model", {"model_type": "llama"}, TEXT, {"a.weight": (10, 10)}))
    assert (found.name, found.place, found.share) == ("beside-1.safetensors", "beside-1.safetensors", 0.25)


def test_a_head_that_is_stored_and_tied_away_is_told(tmp_path: Path) -> None:
    (found,) = parts(folder(tmp_path / "model", {"model_type": "llama", "tie_word_embeddings": True}, TEXT))
    assert found.name == "lm_head"
    assert parts(folder(tmp_path / "untied", {"model_type": "llama", "tie_word_embeddings": False}, TEXT)) == ()


@pytest.mark.parametrize(
    ("subject", "root"),
    [
        ("chameleon", "mini_chameleon/checkpoint"),
        ("mtp-lm", "mini_mtp/checkpoint"),
        ("mini_voice", "mini_voice/checkpoint"),
        ("mini_voice", "mini_voice/marked"),
        ("audioseal", "mini_audioseal/checkpoint"),
    ],
)
def test_a_subject_of_this_repository_leaves_nothing_of_its_own_model_unused(subject: str, root: str) -> None:
    assert parts(EXAMPLES / root, subject) == ()


def test_of_a_program_nothing_is_said(tmp_path: Path) -> None:
    assert parts(folder(tmp_path / "model", {"model_type": "llama"}, TEXT, {"a.weight": (10, 10)}), "command") == ()


def causal_names() -> dict[str, list[str]]:
    """Names of the tensors of small models of text, as transformers makes them."""
    import torch
    from transformers import CONFIG_MAPPING
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING as CLASSES

    found = {}
    for kind in ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "phi", "phi3", "gpt2", "gpt_neox", "opt",
                 "bloom", "falcon",
                 "cohere", "granite", "olmo2", "starcoder2", "mamba", "stablelm", "mpt", "codegen", "gptj"):  # fmt: skip
        config = CONFIG_MAPPING[kind]()
        for key in ("num_hidden_layers", "n_layer", "n_layers"):
            if hasattr(config, key):
                setattr(config, key, 1)
        with torch.device("meta"):
            found[kind] = list(CLASSES[type(config)](config).state_dict())
    return found


def test_models_of_text_alone_have_no_part_that_is_unused() -> None:
    from releasegate.subjects.unread import _part

    assert {kind: {_part(name) for name in names} - {None} for kind, names in causal_names().items()} == {
        kind: set() for kind in causal_names()
    }
