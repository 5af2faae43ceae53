"""A LoRA adapter over a model of transformers, put into its weights.

The adapter is that of PEFT: to the weight W of a linear layer it adds `scale x B A`, with `scale = alpha / r`, or `alpha` over
the root of r where it says `use_rslora` (Hu et al. 2021, arXiv 2106.09685; Kalajdzievski 2023, arXiv 2312.03732). Whatever
else PEFT can do is refused: to leave it out would be to measure another model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from releasegate.checkpoint import Checkpoint
from releasegate.checkpoint.files import read_json_object
from releasegate.checkpoint.layouts import ADAPTER
from releasegate.checkpoint.load import load_file_tensors
from releasegate.errors import CheckpointError

CONFIG, WEIGHTS = ADAPTER
FIX = "merge it into the base model with the library that made it, and measure that"
_NAME = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])(?:\.default)?\.weight")
_IDLE = frozenset(
    {
        "auto_mapping", "base_model_name_or_path", "exclude_modules", "inference_mode", "init_lora_weights",
        "layers_pattern", "layers_to_transform", "lora_dropout", "megatron_config", "megatron_core", "peft_version",
        "qalora_group_size", "revision", "runtime_config", "target_modules", "task_type",
    }
)  # fmt: skip
"""Keys that change nothing about what a trained adapter adds; which layers it is on, its tensors say."""


class Scale(NamedTuple):
    """What a configuration says of all layers.

    Attributes:
        rank: of every pair.
        factor: of the product.
        turned: whether weights are stored as [in, out].
    """

    rank: int
    factor: float
    turned: bool


def apply_adapter(model: PreTrainedModel, checkpoint: Checkpoint) -> None:
    """Nothing; the checkpoint's adapter is in the weights of `model`.

    Raises:
        CheckpointError: it does more than add pairs of low rank to the weights of linear layers, or fits no such layer.
    """
    where = str(checkpoint.root / CONFIG)
    scale = read_scale(read_json_object(checkpoint.root / CONFIG), where)
    for module, (a, b) in _pairs(load_file_tensors(checkpoint, WEIGHTS), str(checkpoint.root / WEIGHTS)).items():
        _add(model, module, a, b, scale, str(checkpoint.root / WEIGHTS))


def read_scale(config: Mapping[str, Any], where: str) -> Scale:
    """What the configuration of an adapter says.

    Raises:
        CheckpointError: it asks for something else than pairs of low rank.
    """
    read = {"peft_type", "r", "lora_alpha", "use_rslora", "fan_in_fan_out", "bias"}
    kind, bias = config.get("peft_type"), config.get("bias", "none")
    if kind != "LORA" or bias != "none":
        what = f"is an adapter of the type {str(kind)[:40]!r} with bias {str(bias)[:40]!r}, and plain LORA is read"
        raise CheckpointError(where, what, FIX)
    for key, value in config.items():
        if key not in read | _IDLE and value not in (None, False, "", [], {}):
            raise CheckpointError(where, f"uses {key[:80]!a}, which is not read", FIX)
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if (
        type(rank) is not int
        or not 1 <= rank <= 1 << 16
        or not isinstance(alpha, int | float)
        or isinstance(alpha, bool)
    ):
        raise CheckpointError(where, "does not state r and lora_alpha as numbers", "export the adapter again")
    factor = alpha / (math.sqrt(rank) if config.get("use_rslora") is True else rank)
    return Scale(rank, factor, config.get("fan_in_fan_out") is True)


def _pairs(tensors: Mapping[str, Tensor], where: str) -> dict[str, tuple[Tensor, Tensor]]:
    """A and B by the name of the layer that they belong to."""
    sides: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        found = _NAME.fullmatch(name)
        if found is None:
            raise CheckpointError(where, f"holds {name[:200]!a}, which belongs to no linear layer", FIX)
        sides.setdefault(found["module"], {})[found["side"]] = tensor
    for module, pair in sides.items():
        if set(pair) != {"A", "B"}:
            raise CheckpointError(where, f"has half a pair for {module[:200]!a}", "export the adapter again")
    return {module: (pair["A"], pair["B"]) for module, pair in sides.items()}


def _add(model: PreTrainedModel, module: str, a: Tensor, b: Tensor, scale: Scale, where: str) -> None:
    """Nothing; one product is in one weight."""
    try:
        weight = model.get_submodule(module).weight
    except AttributeError:
        weight = None
    if not isinstance(weight, nn.Parameter) or weight.ndim != 2:
        raise CheckpointError(where, f"adapts {module[:200]!a}, which is no linear layer of the base", FIX)
    wide, narrow = weight.shape if not scale.turned else weight.shape[::-1]
    if a.shape != (scale.rank, narrow) or b.shape != (wide, scale.rank):
        what = (
            f"adapts {module} by {list(a.shape)} and {list(b.shape)}, and rank {scale.rank} of it is {wide} by {narrow}"
        )
        raise CheckpointError(where, what, "export base and adapter together")
    product = scale.factor * (b.to(weight.device).float() @ a.to(weight.device).float())
    if not bool(torch.isfinite(product).all()):
        raise CheckpointError(where, f"holds for {module} what is no finite number", "export the adapter again")
    with torch.no_grad():
        weight.copy_(weight.float() + (product.T if scale.turned else product))
