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
from transformers.pytorch_utils import Conv1D

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
        "auto_mapping", "base_model_name_or_path", "fan_in_fan_out", "inference_mode", "lora_dropout", "megatron_config",
        "megatron_core", "peft_version", "qalora_group_size", "revision", "runtime_config", "task_type",
    }
)  # fmt: skip
"""Keys that change nothing about what a trained adapter adds; how a layer stores its weight, its own class says."""
_STARTS = (True, False, None, "gaussian", "orthogonal", "eva")
"""Ways to begin an adapter that leave the base as it is."""
EVERYWHERE = "all-linear"
MOST_ALPHA = 1 << 20


class Scale(NamedTuple):
    """What a configuration says of all layers.

    Attributes:
        rank: of every pair.
        factor: of the product.
        layers: names of the layers that it is on, or their last parts; None for every linear layer but the head.
    """

    rank: int
    factor: float
    layers: tuple[str, ...] | None

    def covers(self, module: str, head: str | None) -> bool:
        """Whether a layer is one of them; on others PEFT leaves an adapter's tensors aside."""
        if self.layers is None:
            return module != head
        return any(module == layer or module.endswith(f".{layer}") for layer in self.layers)


def apply_adapter(model: PreTrainedModel, checkpoint: Checkpoint) -> None:
    """Nothing; the checkpoint's adapter is in the weights of `model`.

    Raises:
        CheckpointError: it does more than add pairs of low rank to the weights of linear layers, or fits no such layer.
    """
    where = str(checkpoint.root / CONFIG)
    scale = read_scale(read_json_object(checkpoint.root / CONFIG), where)
    where = str(checkpoint.root / WEIGHTS)
    head = next((name for name, one in model.named_modules() if one is model.get_output_embeddings()), None)
    for module, (a, b) in _pairs(load_file_tensors(checkpoint, WEIGHTS), where).items():
        if not scale.covers(module, head):
            what = f"adapts {module[:200]!a}, which is none of the target_modules of its configuration"
            raise CheckpointError(where, what, "export the adapter again")
        _add(model, module, a, b, scale, where)


def read_scale(config: Mapping[str, Any], where: str) -> Scale:
    """What the configuration of an adapter says.

    Raises:
        CheckpointError: it asks for something else than pairs of low rank.
    """
    read = {"peft_type", "r", "lora_alpha", "use_rslora", "bias", "target_modules", "init_lora_weights"}
    kind, bias = config.get("peft_type"), config.get("bias", "none")
    if kind != "LORA" or bias != "none":
        what = f"is an adapter of the type {str(kind)[:40]!r} with bias {str(bias)[:40]!r}, and plain LORA is read"
        raise CheckpointError(where, what, FIX)
    for key, value in config.items():
        if key not in read | _IDLE and value not in (None, False, "", [], {}):
            raise CheckpointError(where, f"uses {key[:80]!a}, which is not read", FIX)
    if config.get("init_lora_weights") not in _STARTS:
        what = f"began as {str(config['init_lora_weights'])[:40]!a}, which may change the base too"
        raise CheckpointError(where, what, FIX)
    rank, alpha, rooted = config.get("r"), config.get("lora_alpha"), config.get("use_rslora", False)
    if (
        type(rank) is not int
        or not 1 <= rank <= 1 << 16
        or not isinstance(alpha, int | float)
        or isinstance(alpha, bool)
        or not abs(alpha) <= MOST_ALPHA
        or not isinstance(rooted, bool)
    ):
        what = "does not state r and lora_alpha as numbers, or use_rslora as true or false"
        raise CheckpointError(where, what, "export the adapter again")
    return Scale(rank, alpha / (math.sqrt(rank) if rooted else rank), _layers(config.get("target_modules"), where))


def _layers(stated: Any, where: str) -> tuple[str, ...] | None:
    """The layers that an adapter is on, as `Scale` has them."""
    if stated == EVERYWHERE:
        return None
    if isinstance(stated, list) and stated and all(isinstance(one, str) and one for one in stated):
        return tuple(stated)
    raise CheckpointError(where, "does not list its target_modules by name", "list them, or merge the adapter")


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
        layer: Any = model.get_submodule(module)
    except AttributeError:
        layer = None
    if not isinstance(layer, nn.Linear | Conv1D):
        raise CheckpointError(where, f"adapts {module[:200]!a}, which is no linear layer of the base", FIX)
    if any(one is not layer and getattr(one, "weight", None) is layer.weight for one in model.modules()):
        layer.weight = nn.Parameter(layer.weight.detach().clone(), requires_grad=False)  # the adapter is on it alone
    weight, turned = layer.weight, isinstance(layer, Conv1D)  # the latter stores [in, out]
    wide, narrow = weight.shape[::-1] if turned else weight.shape
    if a.shape != (scale.rank, narrow) or b.shape != (wide, scale.rank):
        what = (
            f"adapts {module} by {list(a.shape)} and {list(b.shape)}, and rank {scale.rank} of it is {wide} by {narrow}"
        )
        raise CheckpointError(where, what, "export base and adapter together")
    product = scale.factor * (b.to(weight.device).float() @ a.to(weight.device).float())
    if not bool(torch.isfinite(product).all()):
        raise CheckpointError(where, f"holds for {module} what is no finite number", "export the adapter again")
    with torch.no_grad():
        weight.copy_(weight.float() + (product.T if turned else product))
