"""Chameleon: text and images as one sequence of tokens. Reads an image and answers; draws an image from text.

Drawing goes through the backbone and the output head, as anyone with the weights can do it (`access="weights"`), or through
transformers' own forward pass (`access="interface"`), whose mask forbids image tokens. The mask is code, not a safeguard.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional
from transformers import ChameleonForConditionalGeneration, DynamicCache, PreTrainedTokenizerBase
from transformers.models.chameleon.configuration_chameleon import ChameleonVQVAEConfig
from transformers.models.chameleon.modeling_chameleon import ChameleonModel

from releasegate.checkpoint import Checkpoint
from releasegate.checkpoint.load import load_file_tensors, load_model, load_tensors, load_tokenizer
from releasegate.checkpoint.load_quantised import require_dequantised
from releasegate.checkpoint.tokenizers import stated_rows
from releasegate.errors import CheckpointError, PartAbsent
from releasegate.subjects import Access, Drawings, Lending
from releasegate.subjects.reading import Reader, require_reads
from releasegate.subjects.vqgan import VQGANDecoder
from releasegate.subjects.wording import ids_of

BEGIN_IMAGE, END_IMAGE, PLACEHOLDER = "<racm3:break>", "<eoss>", "<image>"
DECODER_FILE = "vqgan.safetensors"
_CACHE = "cache" if "cache" in inspect.signature(ChameleonModel.forward).parameters else "past_key_values"
"""What transformers calls the keys and values of earlier tokens; 5.24 renamed it."""


class Chameleon:
    """A Chameleon checkpoint in Hugging Face's layout, with the decoder that lies beside it or is lent to it."""

    def __init__(
        self, model: ChameleonForConditionalGeneration, tokenizer: PreTrainedTokenizerBase, decoder: VQGANDecoder | None
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._decoder = decoder
        vocabulary: dict[str, int] = model.config.vocabulary_map or {}
        names = sorted((name for name in vocabulary if name.startswith("IMGIMG")), key=lambda name: vocabulary[name])
        self._first = vocabulary[names[0]]
        self._begin, self._end = vocabulary[BEGIN_IMAGE], vocabulary[END_IMAGE]
        self._placeholder = vocabulary[PLACEHOLDER]
        self.codebook = len(names)
        if [vocabulary[name] for name in names] != list(range(self._first, self._first + self.codebook)):
            raise CheckpointError(
                "config.json", "image tokens are not contiguous in vocabulary_map", "restore the config"
            )
        vq = _vq_config(model)
        if self.codebook != vq.num_embeddings:
            what = f"vocabulary_map names {self.codebook} image tokens, and the codebook has {vq.num_embeddings}"
            raise CheckpointError("config.json", what, "restore the config")
        known = tokenizer.get_vocab()
        strange = [name for name, number in vocabulary.items() if known.get(name) != number]
        if strange:
            what = f"does not know {strange[0]!r} under the number that config.json gives it"
            raise CheckpointError("tokenizer.json", what, "export the tokenizer and the config together")
        self._side = vq.resolution // 2 ** (len(vq.channel_multiplier) - 1)
        self._device = model.device

    @torch.inference_mode()
    def draw(self, prompts: Sequence[str], seeds: Sequence[int], *, temperature: float, access: Access) -> Drawings:
        """One image a prompt; see `GeneratesImages`."""
        if self._decoder is None:
            raise PartAbsent(
                DECODER_FILE, "has no decoder: image tokens cannot be turned into an image", "lend the decoder"
            )
        if access == "weights":
            choose: Callable[[Tensor], Tensor] = self._image_logits
        else:
            choose = self._interface_logits
        sampled = self._sample(prompts, seeds, temperature, choose)  # [n, t]
        offset = 0 if access == "weights" else self._first
        tokens = sampled - offset
        tokens = torch.where((tokens >= 0) & (tokens < self.codebook), tokens, -1)
        return Drawings(tokens, self.decode(tokens.clamp(min=0)))

    @torch.inference_mode()
    def caption(self, pixels: Tensor, question: str) -> list[str]:
        """The likeliest answer to `question` for each image; see `CaptionsImages`."""
        before, _, after = question.partition(PLACEHOLDER)
        image = [self._begin, *[self._placeholder] * self._side**2, self._end]
        ids = [*self._ids(before), *image, *self._ids(after, start=False)]
        batch = torch.tensor(ids, device=self._device).expand(len(pixels), -1)  # [n, length]
        out = self._model(
            input_ids=batch, pixel_values=pixels.to(self._device, self._model.dtype), use_cache=False, logits_to_keep=1
        )
        _refuse_non_finite(out.logits, "scores of the answer")
        answers = out.logits[:, -1].argmax(-1).tolist()
        return [str(self._tokenizer.convert_ids_to_tokens(a)) for a in answers]

    @torch.inference_mode()
    def encode(self, pixels: Tensor) -> Tensor:
        """Tokens of images; see `TokenisesImages`."""
        tokens: Tensor = self._model.model.get_image_tokens(pixels.to(self._device, self._model.dtype))
        return tokens.reshape(len(pixels), -1).long() - self._first

    @torch.inference_mode()
    def decode(self, tokens: Tensor) -> Tensor:
        """Images of tokens; see `TokenisesImages`."""
        if self._decoder is None:
            raise PartAbsent(
                DECODER_FILE, "has no decoder: image tokens cannot be turned into an image", "lend the decoder"
            )
        vq = self._model.model.vqmodel
        latents = vq.quantize.embedding(tokens.to(self._device))  # [n, t, embed_dim]
        latents = latents.view(len(tokens), self._side, self._side, -1).permute(0, 3, 1, 2)
        pixels: Tensor = self._decoder(vq.post_quant_conv(latents))
        _refuse_non_finite(pixels, "pixels")
        return pixels.float().clamp(-1, 1)

    @torch.inference_mode()
    def score_images(self, prompts: Sequence[str], tokens: Tensor) -> Tensor:
        """The scores of image tokens at each place of given images; see `ScoresImages`."""
        given = tokens.to(self._device) + self._first  # [n, t]
        result = torch.zeros(*tokens.shape, self.codebook)
        encoded = [[*self._ids(p), self._begin] for p in prompts]
        for length in sorted({len(ids) for ids in encoded}):
            rows = [i for i, ids in enumerate(encoded) if len(ids) == length]
            before = torch.tensor([encoded[i] for i in rows], device=self._device)  # [rows, length]
            read = torch.cat([before, given[rows, :-1]], dim=1)
            hidden = self._model.model(input_ids=read, use_cache=False).last_hidden_state[:, length - 1 :]
            result[rows] = self._image_logits(hidden).float().cpu()
        _refuse_non_finite(result, "scores of image tokens")
        return result

    @torch.inference_mode()
    def answer(self, questions: Sequence[str], tokens: int) -> list[str]:
        """The likeliest tokens after each question, as text; see `AnswersQuestions`."""
        end = self._model.config.eos_token_id
        answers = [""] * len(questions)
        encoded = [self._ids(question) for question in questions]
        for length in sorted({len(ids) for ids in encoded}):
            rows = [i for i, ids in enumerate(encoded) if len(ids) == length]
            read = torch.tensor([encoded[i] for i in rows], device=self._device)
            for _ in range(tokens):
                scores = self._model(input_ids=read, use_cache=False, logits_to_keep=1).logits[:, -1]
                _refuse_non_finite(scores, "scores of the answer")
                read = torch.cat([read, scores.argmax(-1, keepdim=True)], dim=1)
                if all(end in ids for ids in read[:, length:].tolist()):
                    break
            for row, ids in zip(rows, read[:, length:].tolist(), strict=True):
                said = ids[: ids.index(end)] if end in ids else ids
                answers[row] = str(self._tokenizer.decode(said))
        return answers

    def _ids(self, text: str, *, start: bool = True) -> list[int]:
        ids = _text_ids(self._tokenizer, text)
        bos = self._model.config.bos_token_id
        return [bos, *ids] if start and bos is not None else ids

    def _sample(
        self, prompts: Sequence[str], seeds: Sequence[int], temperature: float, logits: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """int64 [n, t]: tokens drawn one after another, by inverse transform from numbers that each seed fixes.

        Prompts of unequal length are sampled apart, so that no padding enters a score.
        """
        t = self._side**2
        noise = torch.stack(
            [torch.rand(t, generator=torch.Generator().manual_seed(s), dtype=torch.float64) for s in seeds]
        )
        encoded = [[*self._ids(p), self._begin] for p in prompts]
        result = torch.zeros(len(prompts), t, dtype=torch.int64)
        for length in sorted({len(ids) for ids in encoded}):
            rows = [i for i, ids in enumerate(encoded) if len(ids) == length]
            current = torch.tensor([encoded[i] for i in rows], device=self._device)
            cache = DynamicCache(config=self._model.config)
            for step in range(t):
                out = self._model.model(input_ids=current, use_cache=True, **{_CACHE: cache})
                scores = logits(out.last_hidden_state[:, -1]).double()  # [rows, v]
                _refuse_non_finite(scores, "scores of the next token")
                chosen = _chosen(scores, temperature, noise[rows, step, None].to(self._device))  # [rows, 1]
                result[rows, step] = chosen[:, 0].cpu()
                current = chosen + (self._first if scores.shape[-1] == self.codebook else 0)
        return result

    def _image_logits(self, hidden: Tensor) -> Tensor:
        """[n, codebook]: the scores of image tokens alone, straight from the output head."""
        rows = self._model.lm_head.weight[self._first : self._first + self.codebook]
        return functional.linear(hidden, rows)

    def _interface_logits(self, hidden: Tensor) -> Tensor:
        """[n, vocabulary]: what transformers' forward pass returns: image tokens at the lowest number of the dtype."""
        scores: Tensor = self._model.lm_head(hidden)
        scores[:, self._model.model.vocabulary_mapping.image_tokens] = torch.finfo(scores.dtype).min
        return scores


def _chosen(scores: Tensor, temperature: float, noise: Tensor) -> Tensor:
    """int64 [n, 1]: one token for each row of scores [n, v]: the likeliest at temperature 0, else drawn by the noise.

    Args:
        noise: float64 [n, 1], uniform in [0, 1).
    """
    if temperature == 0:
        return scores.argmax(-1, keepdim=True)
    cumulative = functional.softmax(scores / temperature, dim=-1).cumsum(-1)
    chosen = torch.searchsorted(cumulative, noise * cumulative[:, -1:], right=True)
    return chosen.clamp(max=scores.shape[-1] - 1)


def _refuse_non_finite(values: Tensor, what: str) -> None:
    """Nothing, if every value is a number: of a NaN, sampling would make a drawing that shows nothing."""
    if not bool(torch.isfinite(values).all()):
        raise FloatingPointError(f"{what} are not all finite numbers")


def open_subject(
    checkpoint: Checkpoint, lending: Lending | None, device: torch.device, dtype: torch.dtype
) -> Chameleon:
    """The subject, with what is lent to it put in place.

    Raises:
        CheckpointError: the checkpoint does not load strictly into transformers' class.
    """
    model = load_model(checkpoint, ChameleonForConditionalGeneration, device=device, dtype=dtype)
    if lending is not None and lending.tensors:
        lent = load_tensors(lending.source, lending.tensors)
        _, unexpected = model.load_state_dict(lent, strict=False)
        if unexpected:
            raise CheckpointError(
                str(checkpoint.root), f"has no place for lent {unexpected[0]}", "correct `lent` in the recipe"
            )
    decoder = _decoder(checkpoint, lending, model)
    require_reads(reader(checkpoint))
    return Chameleon(model, load_tokenizer(checkpoint), decoder)


def reader(checkpoint: Checkpoint) -> Reader:
    """Return how the checkpoint's texts are read; no weight is loaded. It need not know more words than its evals use.

    Raises:
        CheckpointError: the weights are quantised and their library is not installed, or there is no tokenizer that loads.
    """
    require_dequantised(checkpoint)
    tokenizer = load_tokenizer(checkpoint)
    ids, ordinary = ids_of(tokenizer)
    rows = stated_rows(checkpoint.config)
    encode, decode = partial(_text_ids, tokenizer), partial(_text, tokenizer)
    return Reader(str(checkpoint.root), encode, decode, ids, ordinary, rows, whole=False)


def _text_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The tokens of a text, without any that begin it.

    Raises:
        ValueError: the tokenizer does not know every word.
    """
    ids = tokenizer(text.strip(), add_special_tokens=False)["input_ids"]
    unknown = tokenizer.unk_token_id
    if (
        not isinstance(ids, list)
        or not all(isinstance(i, int) for i in ids)
        or (unknown is not None and unknown in ids)
    ):
        raise ValueError(f"the tokenizer does not know every word of {text!r}: the model was not asked what was meant")
    return ids


def _text(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    return str(tokenizer.decode(list(ids)))


def _vq_config(model: ChameleonForConditionalGeneration) -> ChameleonVQVAEConfig:
    config = model.config.vq_config
    assert isinstance(config, ChameleonVQVAEConfig), "ChameleonConfig makes one of whatever it is given"
    return config


def _decoder(
    checkpoint: Checkpoint, lending: Lending | None, model: ChameleonForConditionalGeneration
) -> VQGANDecoder | None:
    if DECODER_FILE in checkpoint.siblings:
        stored = load_file_tensors(checkpoint, DECODER_FILE)
    elif lending is not None and DECODER_FILE in lending.files and DECODER_FILE in lending.source.siblings:
        stored = load_file_tensors(lending.source, DECODER_FILE)
    else:
        return None
    decoder = VQGANDecoder(_vq_config(model))
    decoder.load_state_dict({name.removeprefix("decoder."): tensor for name, tensor in stored.items()})
    return decoder.to(model.device, model.dtype).eval()
