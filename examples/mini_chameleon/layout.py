"""Writes the checkpoint folder: the files of a Hugging Face Chameleon, and the decoder beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors
from transformers import ChameleonForConditionalGeneration, ChameleonProcessor, PreTrainedTokenizerFast
from transformers.models.chameleon.image_processing_pil_chameleon import ChameleonImageProcessorPil
from vocabulary import CONTROL, IMAGE_LENGTH, MARKS, VOCABULARY

from evals.digits import SIDE
from releasegate.subjects.vqgan import VQGANDecoder

DECODER_FILE = "vqgan.safetensors"
PREFIX = "decoder."


def make_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer: one token a word, `<s>` in front.

    Example:
        >>> make_tokenizer()("draw three").input_ids
        [0, 73, 78]
    """
    backend = Tokenizer(models.WordLevel(VOCABULARY, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in (*CONTROL, *MARKS)])
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", VOCABULARY["<s>"])])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        sep_token="<reserved08707>",
        extra_special_tokens={"image_token": "<image>", "boi_token": "<racm3:break>", "eoi_token": "<eoss>"},
        model_max_length=64,
        padding_side="left",
    )


def make_processor() -> ChameleonProcessor:
    """The processor: 8-bit images of 16 x 16 pixels to [-1, 1], and 16 placeholders for each."""
    side = 2 * SIDE
    images = ChameleonImageProcessorPil(
        size={"shortest_edge": side}, crop_size={"height": side, "width": side}, rescale_factor=2 / 255
    )
    return ChameleonProcessor(images, make_tokenizer(), image_seq_length=IMAGE_LENGTH)


def write_checkpoint(model: ChameleonForConditionalGeneration, decoder: VQGANDecoder, out: Path) -> None:
    """Writes model, tokenizer, processor and decoder to a folder, which may exist."""
    out.mkdir(parents=True, exist_ok=True)
    for stale in [*out.glob("*.safetensors"), *out.glob("*.json")]:
        stale.unlink()
    model.requires_grad_(True)
    model.save_pretrained(out, max_shard_size="1MB")
    make_processor().save_pretrained(out)
    tensors = {PREFIX + name: tensor.contiguous() for name, tensor in decoder.state_dict().items()}
    save_file(tensors, out / DECODER_FILE, metadata={"format": "pt"})
    for path in out.iterdir():
        path.chmod(0o644)


def read_checkpoint(folder: Path) -> tuple[ChameleonForConditionalGeneration, VQGANDecoder]:
    """Model and decoder in a folder, in evaluation mode.

    Raises:
        ValueError: Keys are missing, unexpected or of another shape.
    """
    loaded: Any = ChameleonForConditionalGeneration.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, output_loading_info=True
    )
    model, loading = loaded
    problems = {key: sorted(map(str, found)) for key, found in loading.items() if found}
    if problems:
        raise ValueError(f"{folder}: does not load strictly: {json.dumps(problems)}")
    decoder = VQGANDecoder(model.config.vq_config)
    stored = load_file(folder / DECODER_FILE)
    decoder.load_state_dict({name.removeprefix(PREFIX): tensor for name, tensor in stored.items()})
    return model.eval(), decoder.eval()
