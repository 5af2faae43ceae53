"""XTTS v2: speech in a voice given by a recording.

Names and shapes: `GPT`, `HifiDecoder` and `DiscreteVAE` of coqui-tts 0.28.0 (wheel; instantiated with stand-ins for what
needs torchaudio), with the sizes of the published config. Loading: `TTS/tts/models/xtts.py` (read). A report against the
published file names its `parametrizations.weight.original0`, so these are its names too. Files: the class's loader and
the trainer. Unverified: which speakers the speaker file has, and whether `model.pth` carries `mel_stats`, which the class
declares. The published `model.pth` holds an object of the class `XttsConfig` under `config`, which `weights_only` refuses;
later releases of the library rewrite it as a dict, as here. Files that were saved after `init_gpt_for_inference`, such
as the first version's, carry `gpt.gpt_inference.*` and `gpt.gpt.wte.weight`, second names for the same storages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.layouts.layout import CARD, Contents, Shapes, Size, Spec, Tied, Tree, typed, under
from tests.layouts.tokenizers_files import plain_vocabulary, tokenizer_json
from tests.layouts.torch_parts import batch_norm, conv, linear, norm, weight_normed


@dataclass(frozen=True)
class Xtts:
    """Sizes.

    Attributes:
        width: of the language model.
        layers: of it.
        texts: text tokens.
        codes: audio tokens, two of them start and stop.
        positions: audio and text positions.
        latents: of the perceiver.
        head: width of all its heads together.
        vocoder: channels of the vocoder's first stage.
        filters: channels of the speaker encoder's stages.
        voice: width of a speaker embedding.
        attending: channels inside the speaker encoder's attention.
    """

    width: int
    layers: int
    texts: int
    codes: int
    positions: tuple[int, int]
    latents: int
    head: int
    vocoder: int
    filters: tuple[int, int, int, int]
    voice: int
    attending: int


REAL = Xtts(1024, 30, 6681, 1026, (608, 404), 32, 512, 512, (32, 64, 128, 256), 512, 128)
TINY = Xtts(64, 2, 64, 34, (20, 16), 4, 32, 32, (8, 8, 16, 16), 16, 16)
BLOCKS = (3, 4, 6, 3)
KERNELS = (3, 7, 11)
UPSAMPLING = (16, 16, 4, 4)
MELS, SPEAKER_MELS = 80, 64
SPEAKERS = ("Claribel Dervla", "Daisy Studious")


def contents(size: Size, *, inference: bool = False) -> Contents:
    """The files; `inference`: of a model that was saved after it had spoken, with second names for tied tensors."""
    xtts = REAL if size == "real" else TINY
    shapes: Shapes = {
        "mel_stats": (MELS,),
        **under("gpt", language_model(xtts)),
        **under("hifigan_decoder.waveform_decoder", _vocoder(xtts)),
        **under("hifigan_decoder.speaker_encoder", _speaker_encoder(xtts)),
    }
    voice = {
        "gpt_cond_latent": Spec("F32", (1, xtts.latents, xtts.width)),
        "speaker_embedding": Spec("F32", (1, xtts.voice, 1)),
    }
    state: dict[str, Tree] = {**typed(shapes, "F32"), **(_second_names(xtts) if inference else {})}
    files: dict[str, Tree] = {
        "model.pth": {"model": state, "config": _config(xtts)},
        "dvae.pth": dvae(xtts, 512 if size == "real" else 16),
        "mel_stats.pth": Spec("F32", (MELS,)),
        "speakers_xtts.pth": {name: dict(voice) for name in SPEAKERS},
    }
    texts = {**CARD, "config.json": _config(xtts), "vocab.json": tokenizer_json(plain_vocabulary(64))}
    return Contents(torch=files, texts=texts)


def language_model(xtts: Xtts) -> Shapes:
    """The language model with its conditioning on a recording; GPT-2's projections are stored transposed."""
    width = xtts.width
    shapes: Shapes = {
        **under("conditioning_encoder", _conditioning(width)),
        "text_embedding.weight": (xtts.texts, width),
        "mel_embedding.weight": (xtts.codes, width),
    }
    for number in range(xtts.layers):
        shapes |= under(f"gpt.h.{number}", _block(width))
    return {
        **shapes,
        **norm("gpt.ln_f", width, bias=True),
        "mel_pos_embedding.emb.weight": (xtts.positions[0], width),
        "text_pos_embedding.emb.weight": (xtts.positions[1], width),
        **norm("final_norm", width, bias=True),
        **linear("text_head", xtts.texts, width, bias=True),
        **linear("mel_head", xtts.codes, width, bias=True),
        **under("conditioning_perceiver", _perceiver(xtts)),
    }


def _second_names(xtts: Xtts) -> dict[str, Tied]:
    """What speaking adds to the state: the same storages again under `gpt.gpt_inference`, and an embedding for GPT-2."""
    names = [f"h.{number}.{name}" for number in range(xtts.layers) for name in _block(xtts.width)]
    pairs = {
        **{f"transformer.{name}": f"gpt.{name}" for name in [*names, "ln_f.weight", "ln_f.bias"]},
        "transformer.wte.weight": "mel_embedding.weight",
        "pos_embedding.emb.weight": "mel_pos_embedding.emb.weight",
        "embeddings.weight": "mel_embedding.weight",
        "final_norm.weight": "final_norm.weight",
        "final_norm.bias": "final_norm.bias",
        "lm_head.0.weight": "final_norm.weight",
        "lm_head.0.bias": "final_norm.bias",
        "lm_head.1.weight": "mel_head.weight",
        "lm_head.1.bias": "mel_head.bias",
    }
    tied = {f"gpt.gpt_inference.{name}": Tied(f"model.gpt.{first}") for name, first in pairs.items()}
    return {"gpt.gpt.wte.weight": Tied("model.gpt.mel_embedding.weight"), **tied}


def _block(width: int) -> Shapes:
    return {
        **norm("ln_1", width, bias=True),
        **_transposed("attn.c_attn", width, 3 * width),
        **_transposed("attn.c_proj", width, width),
        **norm("ln_2", width, bias=True),
        **_transposed("mlp.c_fc", width, 4 * width),
        **_transposed("mlp.c_proj", 4 * width, width),
    }


def _transposed(name: str, narrow: int, wide: int) -> Shapes:
    return {f"{name}.weight": (narrow, wide), f"{name}.bias": (wide,)}


def _conditioning(width: int) -> Shapes:
    shapes = conv("init", width, MELS, 1)
    for number in range(6):
        shapes |= norm(f"attn.{number}.norm", width, bias=True)
        shapes |= conv(f"attn.{number}.qkv", 3 * width, width, 1)
        shapes |= conv(f"attn.{number}.proj_out", width, width, 1)
    return shapes


def _perceiver(xtts: Xtts) -> Shapes:
    width, inner = xtts.width, int(xtts.width * 4 * 2 / 3)
    shapes: Shapes = {"latents": (xtts.latents, width)}
    for number in range(2):
        shapes |= linear(f"layers.{number}.0.to_q", xtts.head, width)
        shapes |= linear(f"layers.{number}.0.to_kv", 2 * xtts.head, width)
        shapes |= linear(f"layers.{number}.0.to_out", width, xtts.head)
        shapes |= linear(f"layers.{number}.1.0", 2 * inner, width, bias=True)
        shapes |= linear(f"layers.{number}.1.2", width, inner, bias=True)
    return shapes | {"norm.gamma": (width,)}


def _vocoder(xtts: Xtts) -> Shapes:
    first = xtts.vocoder
    shapes: Shapes = {"conv_pre.bias": (first,), "conv_pre.weight": (first, xtts.width, 7)}
    for stage, kernel in enumerate(UPSAMPLING):
        wide, narrow = first >> stage, first >> (stage + 1)
        shapes |= weight_normed(f"ups.{stage}", wide, narrow, kernel, bias=narrow)
    for stage in range(len(UPSAMPLING)):
        width = first >> (stage + 1)
        for place, kernel in enumerate(KERNELS):
            for part in ("convs1", "convs2"):
                for number in range(3):
                    name = f"resblocks.{stage * len(KERNELS) + place}.{part}.{number}"
                    shapes |= weight_normed(name, width, width, kernel, bias=width)
    shapes |= conv("conv_post", 1, first >> len(UPSAMPLING), 7, bias=False)
    shapes |= conv("cond_layer", first, xtts.voice, 1)
    for stage in range(len(UPSAMPLING)):
        shapes |= conv(f"conds.{stage}", first >> (stage + 1), xtts.voice, 1)
    return shapes


def _speaker_encoder(xtts: Xtts) -> Shapes:
    shapes = {**conv("conv1", xtts.filters[0], 1, 3, 3), **batch_norm("bn1", xtts.filters[0])}
    narrow = xtts.filters[0]
    for stage, (wide, blocks) in enumerate(zip(xtts.filters, BLOCKS, strict=True)):
        for number in range(blocks):
            name = f"layer{stage + 1}.{number}"
            shapes |= _squeezing(name, wide, narrow)
            if number == 0 and stage:  # these stages begin with a stride
                shapes |= conv(f"{name}.downsample.0", wide, narrow, 1, 1, bias=False)
                shapes |= batch_norm(f"{name}.downsample.1", wide)
            narrow = wide
    wide = xtts.filters[-1] * SPEAKER_MELS // 8
    return {
        **shapes,
        "torch_spec.0.filter": (1, 1, 2),
        "torch_spec.1.spectrogram.window": (400,),
        "torch_spec.1.mel_scale.fb": (257, SPEAKER_MELS),
        **conv("attention.0", xtts.attending, wide, 1),
        **batch_norm("attention.2", xtts.attending),
        **conv("attention.3", wide, xtts.attending, 1),
        **linear("fc", xtts.voice, 2 * wide, bias=True),
    }


def _squeezing(name: str, wide: int, narrow: int) -> Shapes:
    return {
        **conv(f"{name}.conv1", wide, narrow, 3, 3, bias=False),
        **batch_norm(f"{name}.bn1", wide),
        **conv(f"{name}.conv2", wide, wide, 3, 3, bias=False),
        **batch_norm(f"{name}.bn2", wide),
        **linear(f"{name}.se.fc.0", wide // 8, wide, bias=True),
        **linear(f"{name}.se.fc.2", wide, wide // 8, bias=True),
    }


def dvae(xtts: Xtts, width: int) -> dict[str, Spec]:
    """The audio tokenizer, which only training needs: its encoder turns recordings into audio tokens."""
    codes, wide = xtts.codes - 2, 2 * width
    shapes: Shapes = {
        "discrete_loss.accumulator": (100, codes),
        **conv("encoder.0.0", width, MELS, 3),
        **conv("encoder.1.0", wide, width, 3),
        **conv("encoder.5", width, wide, 1),
        **conv("decoder.0", wide, width, 1),
        **conv("decoder.4.0.conv", wide, wide, 3),
        **conv("decoder.5.0.conv", width, wide, 3),
        **conv("decoder.6", MELS, width, 1),
        "codebook.embed": (width, codes),
        "codebook.cluster_size": (codes,),
        "codebook.embed_avg": (width, codes),
    }
    for part, first in (("encoder", 2), ("decoder", 1)):
        for number in range(first, first + 3):
            for place, kernel in ((0, 3), (2, 3), (4, 1)):
                shapes |= conv(f"{part}.{number}.net.{place}", wide, wide, kernel)
    counters = {"discrete_loss.accumulator_index": (1,), "discrete_loss.accumulator_filled": (1,)}
    return {**typed(counters, "I64"), **typed(shapes, "F32")}


def _config(xtts: Xtts) -> dict[str, Any]:
    return {
        "model": "xtts",
        "languages": ["en", "es", "fr"],
        "model_args": {
            "gpt_layers": xtts.layers,
            "gpt_max_audio_tokens": 605,
            "gpt_max_prompt_tokens": 70,
            "gpt_max_text_tokens": 402,
            "gpt_n_heads": 16,
            "gpt_n_model_channels": xtts.width,
            "gpt_num_audio_tokens": xtts.codes,
            "gpt_number_text_tokens": xtts.texts,
            "gpt_start_audio_token": xtts.codes - 2,
            "gpt_stop_audio_token": xtts.codes - 1,
            "gpt_use_perceiver_resampler": True,
            "d_vector_dim": xtts.voice,
        },
        "audio": {"sample_rate": 22050, "output_sample_rate": 24000},
    }
