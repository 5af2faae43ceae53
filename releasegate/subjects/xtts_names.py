"""XTTS's tensors under the names that they have while speaking: without prefix, second names and parametrised weight norm."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from releasegate.errors import CheckpointError

PREFIX = "model."
"""How all names begin where a `model.pth` was converted as it was."""
INFERENCE = "gpt.gpt_inference."
SECOND: Mapping[str, str] = {
    "transformer.wte.weight": "gpt.mel_embedding.weight",
    "transformer.": "gpt.gpt.",
    "pos_embedding.": "gpt.mel_pos_embedding.",
    "embeddings.": "gpt.mel_embedding.",
    "final_norm.": "gpt.final_norm.",
    "lm_head.0.": "gpt.final_norm.",
    "lm_head.1.": "gpt.mel_head.",
}
"""Under `gpt.gpt_inference.`, of a model that was saved after it had spoken: beginnings of names, and of the first names."""
LENGTH, DIRECTION = ".parametrizations.weight.original0", ".parametrizations.weight.original1"
"""Of a weight under weight norm."""
_FIX = "convert the published files with examples/xtts/convert.py"


def plain_names(stored: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """The tensors under the names of the networks of this package.

    Args:
        stored: by the names in the checkpoint.
        where: the checkpoint, for messages.

    Raises:
        CheckpointError: a second name holds other values than the first, or half of a weight is missing.
    """
    whole = all(name.startswith(PREFIX) for name in stored)
    tensors = {name.removeprefix(PREFIX) if whole else name: tensor for name, tensor in stored.items()}
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        first = first_name(name)
        if first is not None:
            if first not in tensors or not torch.equal(tensors[first], tensor):
                raise CheckpointError(where, f"has {name} with other values than {first}, which it repeats", _FIX)
        elif name.endswith(LENGTH):
            plain = name.removesuffix(LENGTH)
            direction = tensors.get(f"{plain}{DIRECTION}")
            if direction is None or direction.ndim != tensor.ndim or direction.shape[0] != tensor.shape[0]:
                raise CheckpointError(where, f"has {name} without the direction that goes with it", _FIX)
            found[f"{plain}.weight"] = torch._weight_norm(direction.float(), tensor.float(), 0)
        elif not name.endswith(DIRECTION) or f"{name.removesuffix(DIRECTION)}{LENGTH}" not in tensors:
            found[name] = tensor
    return found


def first_name(name: str) -> str | None:
    """The name that `name` is a second one for, if it is."""
    if name == "gpt.gpt.wte.weight":
        return "gpt.mel_embedding.weight"
    if not name.startswith(INFERENCE):
        return None
    rest = name.removeprefix(INFERENCE)
    begin = next((begin for begin in SECOND if rest.startswith(begin)), None)
    return None if begin is None else SECOND[begin] + rest.removeprefix(begin)
