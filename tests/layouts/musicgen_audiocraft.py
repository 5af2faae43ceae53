"""MusicGen's melody model as audiocraft stores it: `state_dict.bin` and `compression_state_dict.bin`.

Names and shapes: `LMModel` and `ChromaExtractor` of audiocraft 1.3.0 (sdist; instantiated with stand-ins for the parts
that need demucs and T5, neither of which is part of the state). Files and keys: audiocraft's `models/loaders.py` and
`utils/export.py` (read); `xp.cfg` is YAML text. What a melody enters through is `condition_provider.conditioners.self_wav`,
with the window of its spectrogram. That the whole model is in half precision is unverified, as is the compression
model's form: the public release may hold `{"pretrained": ...}` in its place, as here.
"""

from __future__ import annotations

from tests.layouts.layout import CARD, Contents, Shapes, Size, typed, under
from tests.layouts.torch_parts import linear, norm

CODEBOOKS = 4


def contents(size: Size) -> Contents:
    """The files."""
    width, layers, codes, text, window = (1536, 48, 2048, 768, 2**14) if size == "real" else (64, 2, 32, 32, 64)
    state = {
        "best_state": typed(_language_model(width, layers, codes, text, window), "F16"),
        "xp.cfg": _CONFIG.format(width=width, layers=layers, codes=codes, heads=width // 64 or 1),
        "version": "1.3.0",
        "exported": True,
    }
    codec = {"pretrained": "facebook/encodec_32khz", "exported": True, "version": "1.3.0"}
    return Contents(
        torch={"state_dict.bin": state, "compression_state_dict.bin": codec},
        texts=dict(CARD),
    )


def _language_model(width: int, layers: int, codes: int, text: int, window: int) -> Shapes:
    shapes: Shapes = {
        **under("condition_provider.conditioners.self_wav", linear("output_proj", width, 12, bias=True)),
        "condition_provider.conditioners.self_wav.chroma.spec.window": (window,),
        **under("condition_provider.conditioners.description", linear("output_proj", width, text, bias=True)),
    }
    for number in range(CODEBOOKS):
        shapes[f"emb.{number}.weight"] = (codes + 1, width)
    one = {
        "self_attn.in_proj_weight": (3 * width, width),
        **linear("self_attn.out_proj", width, width),
        **linear("linear1", 4 * width, width),
        **linear("linear2", width, 4 * width),
        **norm("norm1", width, bias=True),
        **norm("norm2", width, bias=True),
    }
    for number in range(layers):
        shapes |= under(f"transformer.layers.{number}", one)
    shapes |= norm("out_norm", width, bias=True)
    for number in range(CODEBOOKS):
        shapes[f"linears.{number}.weight"] = (codes, width)
    return shapes


_CONFIG = """\
lm_model: transformer_lm
transformer_lm:
  dim: {width}
  num_heads: {heads}
  num_layers: {layers}
  n_q: 4
  card: {codes}
fuser:
  sum: []
  prepend: [self_wav, description]
  cross: []
  input_interpolate: []
conditioners:
  self_wav:
    model: chroma_stem
    chroma_stem:
      n_chroma: 12
      radix2_exp: 14
  description:
    model: t5
    t5:
      name: t5-base
"""
