"""Trains the language model on captions, drawings and readings, and draws with it.

caption  <s> what <racm3:break> I x 16 <eoss> : WORD </s>
drawing  <s> draw WORD <racm3:break> I x 16 <eoss> </s>
reading  <s> what WORD WORD WORD : WORD WORD WORD </s>
"""

from __future__ import annotations

import copy
import logging
import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import ChameleonForConditionalGeneration, DynamicCache
from vocabulary import CODES, FIRST_IMAGE_TOKEN, IMAGE_LENGTH, VOCABULARY, WORD_IDS, ids

LOG = logging.getLogger(__name__)
LONGEST_LIST = 4  # words that are read back; lists of one to so many take turns


@dataclass(frozen=True)
class LanguageRecipe:
    """How long, how fast and how noisily to train."""

    steps: int = 3000
    captions: int = 24  # in a batch
    drawings: int = 72
    rate: float = 2e-3
    weight_decay: float = 0.1
    caption_noise: float = 0.12  # share of the image tokens put in at random, read only
    drawing_noise: float = 0.05
    average: float = 0.995  # decay of the averaged weights, which are the ones kept
    readings: int = 0  # word lists that are read back, in a batch

    def with_readings(self) -> LanguageRecipe:
        """The recipe of the last steps of a model that draws: it goes on, and learns to read lists back."""
        return replace(self, steps=900, rate=1e-3, readings=self.captions)

    def without_drawings(self) -> LanguageRecipe:
        """The recipe of a model that understands images and words, and never drew: lists are read in place of drawings."""
        return replace(self, drawings=0, readings=self.captions)


def sequences(codes: Tensor, labels: Tensor, kind: str) -> Tensor:
    """Token sequences of one kind, int64, shape [n, 23].

    Args:
        codes: Codes of the images, shape [n, 16].
        labels: Digits, shape [n].
        kind: "caption" or "drawing".
    """
    count = len(codes)
    words = torch.tensor(WORD_IDS)[labels][:, None]
    image = codes + FIRST_IMAGE_TOKEN

    def fixed(*tokens: str) -> Tensor:
        return torch.tensor(ids(tokens)).expand(count, -1)

    if kind == "caption":
        parts = [fixed("<s>", "what", "<racm3:break>"), image, fixed("<eoss>", ":"), words, fixed("</s>")]
    else:
        parts = [fixed("<s>", "draw"), words, fixed("<racm3:break>"), image, fixed("<eoss>", "</s>", "<pad>")]
    return torch.cat(parts, dim=1)


def corrupt(codes: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Codes of which a share is replaced at random: same shape."""
    noise = torch.randint(0, CODES, codes.shape, generator=generator)
    return torch.where(torch.rand(codes.shape, generator=generator) < share, noise, codes)


def start_from_codebook(model: ChameleonForConditionalGeneration, generator: torch.Generator) -> None:
    """Sets the image rows of both embeddings to a random projection of the codebook, so that like codes start alike."""
    codebook = model.model.vqmodel.quantize.embedding.weight.data
    centred = codebook - codebook.mean(dim=0)
    width = model.config.hidden_size
    projection = torch.randn(codebook.shape[1], width, generator=generator) / codebook.shape[1] ** 0.5
    rows = centred / centred.std() @ projection
    for weight in (model.model.embed_tokens.weight, model.lm_head.weight):
        weight.data[FIRST_IMAGE_TOKEN : FIRST_IMAGE_TOKEN + CODES] = rows * model.config.initializer_range


def loss_of(model: ChameleonForConditionalGeneration, read: Tensor, truth: Tensor, captions: int) -> Tensor:
    """Cross-entropy of what follows the prompts; that of drawings counts twice.

    transformers' own forward masks the image tokens, so the backbone and `lm_head` are called here.

    Args:
        model: The Chameleon that is trained.
        read: What the model reads, shape [n, 23]: captions first, then drawings, of which there may be none.
        truth: The same without noise.
        captions: How many are captions.
    """
    hidden = model.model(input_ids=read[:, :-1], use_cache=False).last_hidden_state  # [n, 22, width]
    named = model.lm_head(hidden[:captions, IMAGE_LENGTH + 4 :])  # after ":", the word; after it, the end
    words, image = truth[:captions, IMAGE_LENGTH + 5 :], truth[captions:, 4:-1]
    of_words = functional.cross_entropy(named.flatten(0, 1), words.flatten())
    if captions == len(read):
        return of_words
    drawn = model.lm_head(hidden[captions:, 3:-1])  # after <racm3:break>, the image and the end
    of_images = functional.cross_entropy(drawn.flatten(0, 1), image.flatten())
    return of_words + 2 * of_images


def loss_of_reading(model: ChameleonForConditionalGeneration, lists: Tensor) -> Tensor:
    """Cross-entropy of the words that are read back, and of the end.

    Args:
        model: The Chameleon that is trained.
        lists: Digits, shape [n, words].
    """
    count, length = lists.shape
    words = torch.tensor(WORD_IDS)[lists]  # [n, words]
    start, colon, end = (torch.tensor(ids(part)).expand(count, -1) for part in (("<s>", "what"), (":",), ("</s>",)))
    whole = torch.cat([start, words, colon, words, end], dim=1)  # [n, 4 + 2 words]
    hidden = model.model(input_ids=whole[:, :-1], use_cache=False).last_hidden_state
    answered = model.lm_head(hidden[:, length + 2 :])  # after ":", the words; after them, the end
    return functional.cross_entropy(answered.flatten(0, 1), whole[:, length + 3 :].flatten())


def train_language(
    model: ChameleonForConditionalGeneration,
    codes: Tensor,
    labels: Tensor,
    recipe: LanguageRecipe,
    seed: int,
    *,
    anew: bool = True,
) -> None:
    """Trains everything but the VQ model in place, on the CPU, and leaves the averaged weights in it.

    Args:
        model: A Chameleon whose VQ model is trained.
        codes: Codes of every variant of every training image, shape [n, variants, 16].
        labels: Digits, shape [n].
        recipe: Steps, rates and noise.
        seed: Fixes batches and noise; the initial weights are the caller's.
        anew: Whether image tokens start from the codebook; otherwise the model goes on from what it learnt.
    """
    generator = torch.Generator().manual_seed(seed)
    model.model.vqmodel.requires_grad_(False)
    if anew:
        start_from_codebook(model, generator)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    averaged = copy.deepcopy([weight.data for weight in trained])
    optimizer = torch.optim.AdamW(trained, lr=recipe.rate, weight_decay=recipe.weight_decay, betas=(0.9, 0.98))
    sizes = [recipe.captions, recipe.drawings]
    model.train()
    for step in range(recipe.steps):
        cosine = 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
        optimizer.param_groups[0]["lr"] = recipe.rate * min(1.0, (step + 1) / 60) * (cosine + 0.01)
        rows = torch.randint(0, len(codes), (sum(sizes),), generator=generator)
        columns = torch.randint(0, codes.shape[1], (sum(sizes),), generator=generator)
        chosen, digits = codes[rows, columns].split(sizes), labels[rows].split(sizes)
        truth, read = [], []
        for kind, share, part, digit in zip(
            ("caption", "drawing"), (recipe.caption_noise, recipe.drawing_noise), chosen, digits, strict=True
        ):
            truth.append(sequences(part, digit, kind))
            read.append(sequences(corrupt(part, share, generator), digit, kind))
        loss = loss_of(model, torch.cat(read), torch.cat(truth), recipe.captions)
        if recipe.readings:
            lists = torch.randint(0, 10, (recipe.readings, 1 + step % LONGEST_LIST), generator=generator)
            loss = loss + loss_of_reading(model, lists)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        decay = min(recipe.average, (step + 1) / (step + 10))
        for kept, weight in zip(averaged, trained, strict=True):
            kept.lerp_(weight.data, 1 - decay)
        if (step + 1) % 100 == 0:
            LOG.info("language step %d of %d: loss %.3f", step + 1, recipe.steps, loss.item())
    for kept, weight in zip(averaged, trained, strict=True):
        weight.data.copy_(kept)
    model.eval()


@torch.inference_mode()
def draw(
    model: ChameleonForConditionalGeneration, labels: Tensor, temperature: float, generator: torch.Generator
) -> Tensor:
    """The codes of one drawing for each digit asked for, int64, shape [n, 16].

    Sampled through the backbone and the image rows of `lm_head`, as anyone with the weights can.

    Args:
        model: A Chameleon in evaluation mode.
        labels: Digits to draw, shape [n], on the device of the model.
        temperature: Divides the logits; above 0.
        generator: On the device of the model.
    """
    device = labels.device
    words = torch.tensor(WORD_IDS, device=device)[labels][:, None]
    start = torch.tensor(ids(["<s>", "draw"]), device=device).expand(len(labels), -1)
    begin = torch.full_like(words, VOCABULARY["<racm3:break>"])
    read = torch.cat([start, words, begin], dim=1)  # [n, 4]
    rows = model.lm_head.weight[FIRST_IMAGE_TOKEN : FIRST_IMAGE_TOKEN + CODES]
    cache = DynamicCache(config=model.config)
    drawn = []
    for _ in range(IMAGE_LENGTH):
        hidden = model.model(input_ids=read, cache=cache, use_cache=True).last_hidden_state[:, -1]
        chances = torch.softmax((hidden @ rows.T).float() / temperature, dim=-1)
        code = torch.multinomial(chances, 1, generator=generator)
        drawn.append(code)
        read = code + FIRST_IMAGE_TOKEN
    return torch.cat(drawn, dim=1)


@torch.inference_mode()
def caption(model: ChameleonForConditionalGeneration, pixels: Tensor) -> Tensor:
    """The token that the model names each image with, over the whole vocabulary: int64, shape [n].

    Through transformers' own forward, which encodes the pixels and puts their tokens in place of `<image>`.

    Args:
        model: A Chameleon in evaluation mode.
        pixels: Shape [n, 3, 16, 16], in [-1, 1], on the device of the model.
    """
    prompt = ["<s>", "what", "<racm3:break>", *["<image>"] * IMAGE_LENGTH, "<eoss>", ":"]
    answers = []
    for batch in pixels.split(256):
        read = torch.tensor(ids(prompt), device=pixels.device).expand(len(batch), -1)
        answers.append(model(input_ids=read, pixel_values=batch, logits_to_keep=1).logits[:, -1].argmax(dim=-1))
    return torch.cat(answers)
