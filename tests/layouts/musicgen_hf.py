"""MusicGen in Hugging Face's layout: by text, and with a melody to follow.

Names and shapes: `MusicgenForConditionalGeneration` and `MusicgenMelodyForConditionalGeneration` of transformers,
instantiated and saved; saving leaves out the text encoder's second name for its embedding. Sizes are musicgen-small's
and musicgen-melody's (300 M and 1.5 B, as in the public configs of audiocraft). The melody enters through
`audio_enc_to_dec_proj` alone: chroma are computed, not learnt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.layouts.encodec import MUSICGEN, TINY, Codec, codec_tensors
from tests.layouts.layout import CARD, Contents, Shapes, Size, sharded, typed, under
from tests.layouts.tokenizers_files import plain_vocabulary, tokenizer_json
from tests.layouts.torch_parts import linear, norm


@dataclass(frozen=True)
class Musicgen:
    """Sizes: width, layers, heads of the decoder; width, layers, heads, inner width and vocabulary of T5; the codec."""

    width: int
    layers: int
    heads: int
    text: tuple[int, int, int, int, int]
    codec: Codec


T5_BASE = (768, 12, 12, 3072, 32128)
TINY_T5 = (32, 2, 2, 64, 64)
CHROMA = 12


def contents(size: Size, *, melody: bool) -> Contents:
    """The files of musicgen-small, or of musicgen-melody."""
    if size == "tiny":
        sizes = Musicgen(64, 2, 4, TINY_T5, TINY)
    else:
        sizes = Musicgen(1536, 48, 24, T5_BASE, MUSICGEN) if melody else Musicgen(1024, 24, 16, T5_BASE, MUSICGEN)
    shapes: Shapes = {
        **under("text_encoder", _t5(sizes.text)),
        **under("audio_encoder", codec_tensors(sizes.codec)),
        **under("decoder", _decoder(sizes, crossed=not melody)),
        **linear("enc_to_dec_proj", sizes.width, sizes.text[0], bias=True),
    }
    if melody:
        shapes |= linear("audio_enc_to_dec_proj", sizes.width, CHROMA, bias=True)
    limit = 5 * 10**9 if size == "real" else 10**6
    return sharded(typed(shapes, "F32"), limit).joined(Contents(texts=_texts(sizes, melody=melody)))


def _t5(sizes: tuple[int, int, int, int, int]) -> Shapes:
    width, layers, heads, inner, vocabulary = sizes
    shapes: Shapes = {"shared.weight": (vocabulary, width)}
    for number in range(layers):
        attending: Shapes = {}
        for part in "qkvo":
            attending |= linear(f"layer.0.SelfAttention.{part}", width, width)
        if number == 0:
            attending["layer.0.SelfAttention.relative_attention_bias.weight"] = (32, heads)
        attending |= norm("layer.0.layer_norm", width)
        attending |= linear("layer.1.DenseReluDense.wi", inner, width)
        attending |= linear("layer.1.DenseReluDense.wo", width, inner)
        attending |= norm("layer.1.layer_norm", width)
        shapes |= under(f"encoder.block.{number}", attending)
    return shapes | norm("encoder.final_layer_norm", width)


def _decoder(sizes: Musicgen, *, crossed: bool) -> Shapes:
    width, codec = sizes.width, sizes.codec
    one: Shapes = {}
    for attending in ("self_attn", *(("encoder_attn",) if crossed else ())):
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            one |= linear(f"{attending}.{part}", width, width)
        one |= norm(f"{attending}_layer_norm", width, bias=True)
    one |= linear("fc1", 4 * width, width) | linear("fc2", width, 4 * width)
    one |= norm("final_layer_norm", width, bias=True)
    shapes: Shapes = {}
    for number in range(codec.codebooks):
        shapes[f"model.decoder.embed_tokens.{number}.weight"] = (codec.codes + 1, width)
        shapes[f"lm_heads.{number}.weight"] = (codec.codes, width)
    for number in range(sizes.layers):
        shapes |= under(f"model.decoder.layers.{number}", one)
    return shapes | norm("model.decoder.layer_norm", width, bias=True)


def _texts(sizes: Musicgen, *, melody: bool) -> dict[str, Any]:
    width, layers, heads, inner, vocabulary = sizes.text
    kind = "musicgen_melody" if melody else "musicgen"
    config = {
        "architectures": ["MusicgenMelodyForConditionalGeneration" if melody else "MusicgenForConditionalGeneration"],
        "model_type": kind,
        "dtype": "float32",
        **({"num_chroma": CHROMA, "chroma_length": 235} if melody else {}),
        "text_encoder": {
            "model_type": "t5",
            "d_ff": inner,
            "d_kv": width // heads,
            "d_model": width,
            "num_heads": heads,
            "num_layers": layers,
            "vocab_size": vocabulary,
        },
        "audio_encoder": sizes.codec.config(),
        "decoder": {
            "model_type": f"{kind}_decoder",
            "bos_token_id": sizes.codec.codes,
            "ffn_dim": 4 * sizes.width,
            "hidden_size": sizes.width,
            "num_attention_heads": sizes.heads,
            "num_codebooks": sizes.codec.codebooks,
            "num_hidden_layers": sizes.layers,
            "pad_token_id": sizes.codec.codes,
            "vocab_size": sizes.codec.codes,
        },
    }
    extractor = "MusicgenMelodyFeatureExtractor" if melody else "EncodecFeatureExtractor"
    return {
        **CARD,
        "config.json": config,
        "generation_config.json": {"decoder_start_token_id": sizes.codec.codes, "guidance_scale": 3.0},
        "preprocessor_config.json": {"feature_extractor_type": extractor, "sampling_rate": 32000},
        "tokenizer.json": tokenizer_json(plain_vocabulary(64), ("</s>",)),
        "tokenizer_config.json": {"tokenizer_class": "T5Tokenizer"},
    }
