"""AudioSeal: a localized watermark for speech, with a message. The networks are the classes of the package `audioseal`.

A checkpoint folder has `config.json` and the tensors `generator.*` and `detector.*`, called as in the state dicts of those
classes. `examples/audioseal/convert.py` makes one of the published files; `examples/mini_audioseal` trains one.

What the package's convenience functions do and this does not: `detect_watermark` returns the share of samples above .5
rather than a probability, and a generator that is given no message draws one and keeps it for every later clip.
"""

from __future__ import annotations

import os
import warnings
from math import prod
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from releasegate.checkpoint import Checkpoint
from releasegate.checkpoint.load import load_module
from releasegate.errors import UsageError
from releasegate.records import Record
from releasegate.subjects import Detection, Lending
from releasegate.subjects.configuration import contradiction, made_of, read_configuration
from releasegate.subjects.envelope import Envelope

os.environ.setdefault("NO_TORCH_COMPILE", "1")  # read at the first import of the package; compiling takes minutes
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it uses torch.jit.script
    from audioseal.builder import (
        AudioSealDetectorConfig,
        AudioSealWMConfig,
        DecoderConfig,
        DetectorConfig,
        SEANetConfig,
        create_detector,
        create_generator,
    )

    from releasegate.subjects.audioseal_head import Head

STRENGTH = 1.0
"""What the watermark is multiplied by where the configuration names no envelope: as published."""
SAMPLES = 200_000
"""Samples, of all clips together, that are worked on at once on a processor: its caches hold their states."""

Size = Annotated[int, Field(gt=0, le=4096)]
Kernel = Annotated[int, Field(gt=0, le=64)]
Few = Annotated[int, Field(ge=0, le=10)]
WIDEST = 4096
"""Channels of the widest layer; the published models have 512."""
LONGEST_HOP = 1 << 14
"""Samples that a frame of the encoder may stand for; the published models' stands for 320."""
FARTHEST = 1 << 14
"""Samples that a dilated kernel may reach over: each clip is padded by as many, in every channel."""


class Elu(Record):
    """The parameters of the activation."""

    alpha: Annotated[float, Field(gt=0, le=10)] = 1.0


class SEANet(Record):
    """The sizes of a SEANet, as the package calls them."""

    channels: Literal[1]
    dimension: Size
    n_filters: Size
    n_residual_layers: Few
    ratios: Annotated[tuple[Kernel, ...], Field(min_length=1, max_length=8)]
    activation: Literal["ELU"]
    activation_params: Elu
    norm: Literal["none"]
    """Weights are stored as they are used: weight norm has been merged into them."""
    norm_params: Annotated[dict[str, float], Field(max_length=16)]
    kernel_size: Kernel
    last_kernel_size: Kernel
    residual_kernel_size: Kernel
    dilation_base: Kernel
    causal: bool
    pad_mode: Literal["constant", "reflect", "replicate"]
    true_skip: bool
    compress: Size
    lstm: Few
    disable_norm_outer_blocks: Few

    @model_validator(mode="after")
    def _sizes(self) -> SEANet:
        widest = self.n_filters << len(self.ratios)
        if widest > WIDEST:
            raise contradiction(f"n_filters and ratios come to {widest} channels, of at most {WIDEST}")
        if prod(self.ratios) > LONGEST_HOP:
            raise contradiction(f"ratios come to {prod(self.ratios)} samples a frame, of at most {LONGEST_HOP}")
        reach = (self.residual_kernel_size - 1) * self.dilation_base ** max(self.n_residual_layers - 1, 0)
        if reach > FARTHEST:
            raise contradiction(f"the residual layers reach over {reach} samples, of at most {FARTHEST}")
        if self.compress > self.n_filters:
            raise contradiction(f"compress is {self.compress}, and would leave nothing of {self.n_filters} n_filters")
        if self.disable_norm_outer_blocks > len(self.ratios) + 2:
            blocks = len(self.ratios) + 2
            raise contradiction(f"disable_norm_outer_blocks is {self.disable_norm_outer_blocks}, of {blocks} blocks")
        return self


class DecoderPart(Record):
    """What the generator's decoder has besides."""

    final_activation: Literal["Tanh"] | None = None
    final_activation_params: Annotated[dict[str, float], Field(max_length=0)] | None = None
    """Tanh has none."""
    trim_right_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0


class GeneratorPart(Record):
    """The network that makes the mark."""

    seanet: SEANet
    decoder: DecoderPart

    @model_validator(mode="after")
    def _trimmed(self) -> GeneratorPart:
        if not self.seanet.causal and self.decoder.trim_right_ratio != 1:
            raise contradiction("only a causal decoder has a trim_right_ratio other than 1")
        return self


class DetectorPart(Record):
    """The network that finds it."""

    seanet: SEANet
    output_dim: Literal[32] = 32
    """Channels before the last layer; the package knows no other number."""


class AudioSealConfig(Record):
    """What stands in `config.json`."""

    model_type: Literal["audioseal"]
    sample_rate: Annotated[int, Field(ge=4000, le=192_000)]
    """Samples a second of the audio that it takes."""
    nbits: Annotated[int, Field(gt=0, le=64)]
    """Bits of the message."""
    generator: GeneratorPart
    detector: DetectorPart
    envelope: Envelope | None = None
    """How the mark is scaled to the speech; None for the published models, whose mark is added as it is."""


class Networks(nn.Module):
    """The package's generator and detector, by the names that their tensors have in a checkpoint."""

    def __init__(self, config: AudioSealConfig) -> None:
        super().__init__()
        made, found = config.generator.model_dump(), config.detector.model_dump()
        self.generator = create_generator(
            AudioSealWMConfig(config.nbits, _seanet(made["seanet"]), DecoderConfig(**made["decoder"]))
        )
        self.detector = create_detector(
            AudioSealDetectorConfig(config.nbits, _seanet(found["seanet"]), DetectorConfig(found["output_dim"]))
        )


def _seanet(sizes: dict[str, object]) -> SEANetConfig:
    return SEANetConfig(**sizes | {"ratios": list(sizes["ratios"])})  # type: ignore[call-overload]


class AudioSeal:
    """An AudioSeal checkpoint. It computes on the device of its weights."""

    rule = "mean probability over samples"

    def __init__(self, config: AudioSealConfig, networks: Networks) -> None:
        self._config = config
        self._networks = networks
        self._head = Head(networks.detector)
        self._weight = next(networks.parameters())
        self.rate = config.sample_rate
        self.bits = config.nbits

    def mark(self, audio: Tensor, messages: Tensor) -> Tensor:
        """The marked clips; see `WatermarksAudio`.

        Raises:
            UsageError: there is not one message of `bits` bits for each clip.
        """
        if tuple(messages.shape) != (len(audio), self.bits):
            what = f"has messages of shape {list(messages.shape)} for {len(audio)} clips"
            raise UsageError("messages", what, f"give each clip a message of {self.bits} bits")
        audio, messages = audio.to(self._weight.device), messages.to(self._weight.device)
        rows = self._rows(audio)
        pairs = zip(audio.split(rows), messages.split(rows), strict=True)
        return torch.cat([self._marked(part, sent) for part, sent in pairs])

    def _marked(self, audio: Tensor, messages: Tensor) -> Tensor:
        given = audio[:, None].to(self._weight.dtype)  # [n, 1, t]
        generator: Any = self._networks.generator  # torch knows no types of submodules
        hidden = generator.msg_processor(generator.encoder.model(given), messages)  # [n, dimension, frames]
        watermark = generator.decoder.model(hidden)[:, 0, : audio.shape[1]].float()  # [n, t]
        envelope = self._config.envelope
        scaled = STRENGTH * watermark if envelope is None else envelope.fitted(watermark, audio)
        return (audio + scaled).clamp(-1, 1)

    def detect(self, audio: Tensor) -> Detection:
        """What the detector says; see `WatermarksAudio`. A clip that is not finite gets NaN throughout."""
        audio = audio.to(self._weight.device)
        found = [self._found(part) for part in audio.split(self._rows(audio))]
        presence, bits = (torch.cat(parts) for parts in zip(*found, strict=True))
        strange = ~torch.isfinite(audio).all(dim=1, keepdim=True)  # [n, 1]
        presence, bits = presence.masked_fill(strange, torch.nan), bits.masked_fill(strange, torch.nan)
        return Detection(presence.mean(dim=1), presence, bits)

    def _found(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """float32 [n, t] and [n, bits], in [0, 1]."""
        layers: Any = self._networks.detector.detector
        hidden = layers[0].model(audio[:, None].to(self._weight.dtype))  # [n, dimension, frames]
        samples = audio.shape[1]
        return self._head.presence(hidden, samples), self._head.message(hidden, samples)

    def _rows(self, audio: Tensor) -> int:
        """How many clips are worked on at once."""
        return max(1, SAMPLES // audio.shape[1]) if audio.device.type == "cpu" else max(1, len(audio))


def open_subject(
    checkpoint: Checkpoint, lending: Lending | None, device: torch.device, dtype: torch.dtype
) -> AudioSeal:
    """The subject; nothing can be lent to it.

    Raises:
        CheckpointError: the configuration is not AudioSeal's, or the tensors do not fit it strictly.
    """
    fix = "convert the published files with examples/audioseal/convert.py, or compare with examples/mini_audioseal"
    config = read_configuration(checkpoint, AudioSealConfig, fix)
    with torch.device("meta"):  # nothing is drawn for weights that are about to be replaced
        networks = made_of(checkpoint, lambda: Networks(config), fix)
    networks = load_module(checkpoint, networks, device=device, dtype=dtype).requires_grad_(requires_grad=False)
    return made_of(checkpoint, lambda: AudioSeal(config, networks), fix)
