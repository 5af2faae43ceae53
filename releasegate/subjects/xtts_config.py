"""What XTTS's `config.json` says, as far as cloning reads it, and what the tensors themselves say of their sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator
from torch import Tensor

from releasegate.errors import CheckpointError
from releasegate.records import Record
from releasegate.subjects.configuration import contradiction

Count = Annotated[int, Field(gt=0, le=1 << 16)]
Rate = Annotated[int, Field(ge=8000, le=96_000)]
STRIDE, HOP = 1024, 256
"""Samples at `input_sample_rate` that an audio token stands for, and that a frame of the vocoder does."""
_FIX = "export weights and configuration together"


class _Read(Record):
    """A part of the configuration; training left much else in it."""

    model_config = ConfigDict(extra="ignore")


class Arguments(_Read):
    """`model_args`, with the library's own defaults for what is left out."""

    gpt_layers: Annotated[int, Field(gt=0, le=256)] = 30
    gpt_n_model_channels: Annotated[int, Field(gt=0, le=1 << 14)] = 1024
    gpt_n_heads: Annotated[int, Field(gt=0, le=256)] = 16
    gpt_max_audio_tokens: Count = 605
    gpt_max_text_tokens: Count = 402
    gpt_num_audio_tokens: Count = 8194
    gpt_start_audio_token: Count = 8192
    gpt_stop_audio_token: Count = 8193
    gpt_code_stride_len: Literal[1024] = 1024
    gpt_use_perceiver_resampler: Literal[True]
    """Version 2; version 1 has none, and another conditioning."""
    input_sample_rate: Literal[22050] = 22050
    output_sample_rate: Rate = 24000
    output_hop_length: Literal[256] = 256
    cond_d_vector_in_each_upsampling_layer: Literal[True] = True

    @model_validator(mode="after")
    def _sizes(self) -> Arguments:
        if self.gpt_n_model_channels % self.gpt_n_heads:
            what = f"gpt_n_model_channels is {self.gpt_n_model_channels}, no multiple of {self.gpt_n_heads} heads"
            raise contradiction(what)
        if max(self.gpt_start_audio_token, self.gpt_stop_audio_token) >= self.gpt_num_audio_tokens:
            raise contradiction(f"start and stop are not among {self.gpt_num_audio_tokens} audio tokens")
        if self.gpt_max_audio_tokens <= 3:
            raise contradiction("gpt_max_audio_tokens leaves no audio token to be said")
        return self

    @property
    def most_said(self) -> int:
        """Audio tokens that one clone may have: the library keeps three places."""
        return self.gpt_max_audio_tokens - 3


class XttsConfig(_Read):
    """What stands in `config.json`."""

    model: Literal["xtts"]
    model_args: Arguments
    languages: Annotated[tuple[str, ...], Field(min_length=1)]
    temperature: Annotated[float, Field(gt=0, le=10)] = 0.85
    repetition_penalty: Annotated[float, Field(ge=1, le=100)] = 2.0
    top_k: Annotated[int, Field(ge=0)] = 50
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.85
    gpt_cond_len: Annotated[int, Field(gt=0, le=600)] = 12
    """Seconds of the prompt that the language model hears."""
    gpt_cond_chunk_len: Annotated[int, Field(gt=0, le=600)] = 4
    """Seconds of the pieces in which it hears them."""
    max_ref_len: Annotated[int, Field(gt=0, le=600)] = 10
    """Seconds of the prompt that the speaker encoder hears, and the language model at most."""
    sound_norm_refs: bool = False
    """Whether prompts are scaled to a peak of .75."""


@dataclass(frozen=True)
class Sizes:
    """Sizes that the library fixes in its code and no configuration names: they are read off the tensors.

    Attributes:
        texts: text tokens.
        positions: of audio, of text.
        latents: of the perceiver.
        attended: width of all its heads together.
        vocoder: channels of its first stage.
        filters: channels of the speaker encoder's stages.
        attending: channels inside its attention.
        voice: width of a speaker embedding.
    """

    texts: int
    positions: tuple[int, int]
    latents: int
    attended: int
    vocoder: int
    filters: tuple[int, ...]
    attending: int
    voice: int


def sizes_of(tensors: Mapping[str, Tensor], config: Arguments, where: str) -> Sizes:
    """The sizes of the tensors, which are named as the library names them.

    Raises:
        CheckpointError: one that tells a size is missing, has no such dimension, or is too small for the configuration.
    """

    def rows(name: str) -> int:
        found = tensors.get(name)
        if found is None or not found.ndim or not 0 < found.shape[0] <= 1 << 20:
            raise CheckpointError(where, f"has no {name} that tells a size", _FIX)
        return int(found.shape[0])

    encoder = "hifigan_decoder.speaker_encoder"
    found = Sizes(
        texts=rows("gpt.text_embedding.weight"),
        positions=(rows("gpt.mel_pos_embedding.emb.weight"), rows("gpt.text_pos_embedding.emb.weight")),
        latents=rows("gpt.conditioning_perceiver.latents"),
        attended=rows("gpt.conditioning_perceiver.layers.0.0.to_q.weight"),
        vocoder=rows("hifigan_decoder.waveform_decoder.conv_pre.bias"),
        filters=tuple(rows(f"{encoder}.layer{stage}.0.conv1.weight") for stage in (1, 2, 3, 4)),
        attending=rows(f"{encoder}.attention.0.bias"),
        voice=rows(f"{encoder}.fc.bias"),
    )
    for held, wanted, what in (
        (found.positions[0], config.most_said + 1, "gpt_max_audio_tokens"),
        (found.positions[1], config.gpt_max_text_tokens, "gpt_max_text_tokens"),
    ):
        if held < wanted:
            raise CheckpointError(where, f"has {held} positions, and {what} asks for {wanted}", _FIX)
    if found.attended % 8 or found.vocoder % 16 or any(width % 8 for width in found.filters):
        raise CheckpointError(where, f"has tensors of sizes that make no network: {found}", _FIX)
    return found
