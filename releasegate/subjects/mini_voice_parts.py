"""The frozen parts that lie beside the trained weights of mini-voice, each a file of its own."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from releasegate.checkpoint import Checkpoint
from releasegate.checkpoint.load import load_file_tensors
from releasegate.errors import CheckpointError
from releasegate.subjects import Lending
from releasegate.subjects.audioseal import AudioSeal, AudioSealConfig, Networks
from releasegate.subjects.configuration import made_of

CONTENT, SPEAKER, WATERMARK = "content.safetensors", "speaker.safetensors", "watermark.safetensors"

M = TypeVar("M", bound=nn.Module)


def part_of(
    checkpoint: Checkpoint, lending: Lending | None, file: str, module: M, device: torch.device, dtype: torch.dtype
) -> M | None:
    """The module with the tensors of a file beside the model, or of the one that is lent; None where there is neither.

    Args:
        module: without data (made on the device `meta`).

    Raises:
        CheckpointError: the file does not hold just the tensors of the module.
    """
    stored = _tensors(checkpoint, lending, file)
    if stored is None:
        return None
    declared = module.state_dict()
    strange = sorted(
        name
        for name in declared.keys() | stored.keys()
        if name not in declared or name not in stored or not _alike(declared[name], stored[name])
    )
    if strange:
        what = f"does not load strictly: {len(strange)} tensors are missing, strange or of another shape or kind, as {strange[0]}"
        raise CheckpointError(str(checkpoint.root / file), what, "export the file and the configuration together")
    module.load_state_dict(stored, assign=True)
    module.to(device, dtype)
    module.train(mode=False)
    return module.requires_grad_(requires_grad=False)


def _alike(declared: Tensor, stored: Tensor) -> bool:
    """Whether a tensor can stand for another one; what is of whole or of complex numbers is no weight."""
    return declared.shape == stored.shape and declared.is_floating_point() == stored.is_floating_point()


def opened_watermark(
    checkpoint: Checkpoint,
    lending: Lending | None,
    config: AudioSealConfig | None,
    device: torch.device,
    dtype: torch.dtype,
) -> AudioSeal | None:
    """The watermark beside the model; None where there is none.

    Raises:
        CheckpointError: it does not fit its configuration.
    """
    if config is None:
        return None
    fix = "copy the configuration of the AudioSeal checkpoint that the weights are from"
    with torch.device("meta"):
        networks = made_of(checkpoint, lambda: Networks(config), fix)
    loaded = part_of(checkpoint, lending, WATERMARK, networks, device, dtype)
    return None if loaded is None else made_of(checkpoint, lambda: AudioSeal(config, loaded), fix)


def _tensors(checkpoint: Checkpoint, lending: Lending | None, file: str) -> dict[str, Tensor] | None:
    """The tensors of a file, in their stored dtype; None where it neither lies beside the model nor is lent."""
    if file in checkpoint.siblings:
        return load_file_tensors(checkpoint, file)
    if lending is not None and file in lending.files and file in lending.source.siblings:
        return load_file_tensors(lending.source, file)
    return None
