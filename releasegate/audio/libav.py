"""One clip through a codec of libav, in memory: encoded into packets, and decoded from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Codec:
    """A codec, by the names that libav has for it.

    Attributes:
        encoder: what encodes it.
        decoder: what decodes it.
        sample_format: what the encoder is fed, `fltp`, `flt` or `s16`.
        options: of the encoder.
    """

    encoder: str
    decoder: str
    sample_format: str
    options: Mapping[str, str] = field(default_factory=dict)


class Coded(NamedTuple):
    """What came back from a codec.

    Attributes:
        samples: float32 [t'], from the first that the decoder gave: the delay of the codec may be in front.
        rate: samples a second of those.
        bits: how many the packets hold.
    """

    samples: NDArray[np.float32]
    rate: int
    bits: int


def code(av: ModuleType, codec: Codec, samples: NDArray[np.float32], rate: int, bit_rate: int | None) -> Coded:
    """A clip encoded and decoded again.

    There is no container between the two, so nothing but the codec's own packets is kept, or counted.

    Args:
        av: PyAV.
        samples: float32 [t] in [-1, 1].
        rate: samples a second; one that the codec has.
        bit_rate: bits a second; None for a codec that has but one.
    """
    encoder = av.CodecContext.create(codec.encoder, "w")
    encoder.format, encoder.layout, encoder.sample_rate = codec.sample_format, "mono", rate
    encoder.time_base, encoder.thread_count, encoder.options = Fraction(1, rate), 1, dict(codec.options)
    if bit_rate is not None:
        encoder.bit_rate = bit_rate
    packets = [*encoder.encode(_frame(av, codec, samples, rate)), *encoder.encode(None)]
    decoder = av.CodecContext.create(codec.decoder, "r")
    decoder.layout, decoder.sample_rate, decoder.thread_count = "mono", rate, 1
    if encoder.extradata:
        decoder.extradata = encoder.extradata
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    decoded = np.concatenate([_samples(frame) for frame in frames])
    return Coded(decoded, frames[0].sample_rate, 8 * sum(packet.size for packet in packets))


def _frame(av: ModuleType, codec: Codec, samples: NDArray[np.float32], rate: int) -> Any:
    fed = samples if codec.sample_format != "s16" else np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(fed[None], format=codec.sample_format, layout="mono")
    frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
    return frame


def _samples(frame: Any) -> NDArray[np.float32]:
    samples: NDArray[Any] = frame.to_ndarray().reshape(-1)
    return (samples / 32768 if samples.dtype == np.int16 else samples).astype(np.float32)
