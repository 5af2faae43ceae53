"""EnCodec, the audio codec of MusicGen.

Names and shapes: `EncodecModel` of transformers (instantiated), which keeps the places of the activations between the
convolutions in its numbering.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.layouts.layout import Shapes
from tests.layouts.torch_parts import lstm, weight_normed


@dataclass(frozen=True)
class Codec:
    """Sizes: channels of the first stage, the stages' ratios, width and number of the codes, codebooks, LSTM layers."""

    filters: int
    ratios: tuple[int, ...]
    width: int
    codes: int
    codebooks: int
    lstm_layers: int

    def config(self) -> dict[str, Any]:
        """The `audio_encoder` part of a config. The bandwidth is what makes the number of codebooks."""
        rate = 32000
        frames = rate
        for ratio in self.ratios:
            frames //= ratio
        bits = (self.codes - 1).bit_length()
        return {
            "model_type": "encodec",
            "audio_channels": 1,
            "codebook_dim": self.width,
            "codebook_size": self.codes,
            "hidden_size": self.width,
            "norm_type": "weight_norm",
            "num_filters": self.filters,
            "num_lstm_layers": self.lstm_layers,
            "num_residual_layers": 1,
            "sampling_rate": rate,
            "target_bandwidths": [self.codebooks * frames * bits / 1000],
            "upsampling_ratios": list(self.ratios),
            "use_causal_conv": False,
            "use_conv_shortcut": False,
        }


MUSICGEN = Codec(64, (8, 5, 4, 4), 128, 2048, 4, 2)
TINY = Codec(4, (4, 2), 16, 32, 4, 1)


def codec_tensors(codec: Codec) -> Shapes:
    """Encoder, decoder and codebooks."""
    return {**_encoder(codec), **_decoder(codec), **_codebooks(codec)}


def _encoder(codec: Codec) -> Shapes:
    shapes = _conv("encoder.layers.0", codec.filters, 1, 7)
    place, width = 1, codec.filters
    for ratio in reversed(codec.ratios):
        shapes |= _residual(f"encoder.layers.{place}", width)
        shapes |= _conv(f"encoder.layers.{place + 2}", 2 * width, width, 2 * ratio)
        place, width = place + 3, 2 * width
    shapes |= lstm(f"encoder.layers.{place}.lstm", width, codec.lstm_layers)
    return shapes | _conv(f"encoder.layers.{place + 2}", codec.width, width, 7)


def _decoder(codec: Codec) -> Shapes:
    width = codec.filters * 2 ** len(codec.ratios)
    shapes = _conv("decoder.layers.0", width, codec.width, 7) | lstm("decoder.layers.1.lstm", width, codec.lstm_layers)
    place = 3
    for ratio in codec.ratios:
        shapes |= weight_normed(f"decoder.layers.{place}.conv", width, width // 2, 2 * ratio, bias=width // 2)
        place, width = place + 3, width // 2
        shapes |= _residual(f"decoder.layers.{place - 2}", width)
    return shapes | _conv(f"decoder.layers.{place}", 1, width, 7)


def _codebooks(codec: Codec) -> Shapes:
    shapes: Shapes = {}
    for number in range(codec.codebooks):
        name = f"quantizer.layers.{number}.codebook"
        shapes |= {f"{name}.inited": (1,), f"{name}.cluster_size": (codec.codes,)}
        shapes |= dict.fromkeys((f"{name}.embed", f"{name}.embed_avg"), (codec.codes, codec.width))
    return shapes


def _residual(name: str, width: int) -> Shapes:
    return {**_conv(f"{name}.block.1", width // 2, width, 3), **_conv(f"{name}.block.3", width, width // 2, 1)}


def _conv(name: str, wide: int, narrow: int, kernel: int) -> Shapes:
    return weight_normed(f"{name}.conv", wide, narrow, kernel, bias=wide)
