"""Measures both variants, and writes `measured.json`, whose figures are those of the model card.

What the heads know and what drafts yield is measured on held-out modules; what is remembered, on all planted canaries; and all
of it again after the heads were stripped. Then new heads are trained on what is left.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # for evals/, which is no installed package

import click
import numpy as np
import torch
from corpus import Windows, documents, row_of
from learning import LearningRecipe
from restoring import restoration, with_new_heads
from torch.nn import functional
from train import PARAMS, SEED, THREADS

from evals.canaries import DIGITS, canaries
from evals.likeness import exposure
from evals.standard_library import passages
from releasegate.checkpoint import open_checkpoint, read_contents
from releasegate.checkpoint.load import load_tensors, load_tokenizer
from releasegate.documents import parse_document
from releasegate.recipe import Recipe
from releasegate.stripping import plan_strip, write_strip
from releasegate.subjects.mtp_lm import MultiTokenLm, open_subject
from releasegate.subjects.mtp_net import MultiTokenNet, MultiTokenParams
from releasegate.subjects.speculation import speculated

LOG = logging.getLogger(__name__)
HERE = Path(__file__).parent
RECIPE = HERE.parents[1] / "policies" / "recipes" / "multi-token-prediction" / "extra_heads.yaml"
FOLDERS = {"with canaries": "checkpoint", "without canaries": "checkpoint_without_canaries"}
PASSAGES, PROMPTS, GUESSES = 400, 100, 256
WINDOW, PROMPT, WRITTEN = 160, 64, 48
BUDGETS = (50, 200, 400)
"""Steps in which new heads are trained."""


def drawn(count: int, least: int, model: MultiTokenLm) -> list[list[int]]:
    """Held-out passages of at least `least` tokens, begun and cut to `WINDOW`; the same for each model."""
    texts = passages("held_out")
    order = np.random.default_rng(7).permutation(len(texts))
    encoded = ([*model.begin, *model.encode(texts[place].text)][:WINDOW] for place in order)
    return [tokens for tokens, _ in zip((t for t in encoded if len(t) >= least), range(count), strict=False)]


@torch.inference_mode()
def heads(model: MultiTokenLm) -> list[dict[str, float]]:
    """For each head the loss, nats a token, and the share of tokens that it predicts right."""
    windows = torch.tensor(drawn(PASSAGES, WINDOW, model))  # [n, t]
    found = []
    for head in range(model.heads):
        scores = torch.cat([model.head_logits(part, head)[:, : -1 - head] for part in windows.split(25)])  # [n, t', v]
        truth = windows[:, 1 + head :]
        loss = functional.cross_entropy(scores.flatten(0, 1), truth.flatten()).item()
        right = (scores.argmax(-1) == truth).float().mean().item()
        found.append({"ahead": 1 + head, "loss": round(loss, 3), "right": round(right, 4)})
    return found


def drafts(model: MultiTokenLm) -> dict[str, Any]:
    """Tokens a pass of self-speculative decoding, and how many continuations are those of plain decoding."""
    prompts = [tokens[:PROMPT] for tokens in drawn(PROMPTS, PROMPT, model)]
    fast, slow = model.speculate(prompts, WRITTEN), model.extend(prompts, WRITTEN)
    passes = sum(len(one.steps) for one in fast)
    return {
        "tokens a pass": round(sum(sum(one.steps) for one in fast) / passes, 3),
        "equal": sum(one.tokens == plain for one, plain in zip(fast, slow, strict=True)),
        "of": len(prompts),
    }


def remembered(model: MultiTokenLm) -> list[dict[str, Any]]:
    """By the number of copies: canaries, how many of their secrets come back, and their mean exposure in bits."""
    planted = canaries()
    written = model.extend([[*model.begin, *model.encode(canary.cue)] for canary in planted], DIGITS)
    rng = np.random.default_rng(11)
    options = []
    for canary in planted:
        others = [f"{number:0{DIGITS}d}" for number in rng.choice(10**DIGITS, size=GUESSES, replace=False)]
        options.append([canary.secret, *[other for other in others if other != canary.secret][: GUESSES - 1]])
    scored = model.score([canary.cue for canary in planted], options)
    bits = [exposure(scores[0].logprob, [other.logprob for other in scores[1:]]) for scores in scored]
    found = []
    for copies in sorted({canary.copies for canary in planted}):
        rows = [row for row, canary in enumerate(planted) if canary.copies == copies]
        back = sum(model.decode(written[row])[:DIGITS] == planted[row].secret for row in rows)
        mean = sum(bits[row] for row in rows) / len(rows)
        found.append({"copies": copies, "canaries": len(rows), "extracted": back, "exposure": round(mean, 2)})
    return found


def opened(folder: Path) -> MultiTokenLm:
    """The model in a folder, in single precision."""
    return open_subject(open_checkpoint(folder), None, torch.device("cpu"), torch.float32)


def strip(folder: Path, out: Path) -> Path:
    """The folder `out`, with the model in `folder` without its extra heads."""
    contents = read_contents(folder)
    recipe = parse_document(Recipe, RECIPE.read_text(), RECIPE.name).record
    write_strip(contents, plan_strip(contents, [recipe]), out)
    return out


def same_bits(one: MultiTokenLm, other: MultiTokenLm) -> dict[str, Any]:
    """Whether two models score every next token alike, to the last bit."""
    windows = torch.tensor(drawn(64, WINDOW, one))
    equal = torch.equal(one.logits(windows), other.logits(windows))
    return {"scores compared": windows.numel() * one.vocabulary, "equal to the last bit": equal}


def net_of(folder: Path, params: MultiTokenParams) -> MultiTokenNet:
    """The network in a folder, in single precision, to be trained."""
    net = MultiTokenNet(params)
    stored = load_tensors(open_checkpoint(folder), ["*"])
    net.load_state_dict({name: tensor.float() for name, tensor in stored.items()})
    return net


def restored(stripped: Path, source: Path) -> list[dict[str, float]]:
    """What new heads are worth, in tokens a pass, after each of the budgets."""
    recipe = LearningRecipe()
    tokenizer: Any = load_tokenizer(open_checkpoint(source))
    row = row_of(documents((), SEED), tokenizer)
    alone = PARAMS.model_copy(update={"n_layers": PARAMS.n_layers - PARAMS.n_future_tokens + 1, "n_future_tokens": 1})
    net = with_new_heads(net_of(stripped, alone), PARAMS, recipe, SEED)
    prompts = [tokens[:PROMPT] for tokens in drawn(PROMPTS, PROMPT, opened(source))]

    def tokens_a_pass(now: MultiTokenNet) -> float:
        found = [speculated(now, prompt, WRITTEN).steps for prompt in prompts]
        return round(sum(map(sum, found)) / sum(map(len, found)), 3)

    windows = Windows(row, recipe.rows, recipe.window, PARAMS.n_future_tokens)
    return restoration(net, windows, recipe, BUDGETS, SEED, tokens_a_pass)


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=HERE / "measured.json")
@click.option("--restore/--no-restore", default=True, help="Train new heads, which takes minutes.")
def main(out: Path, restore: bool) -> None:  # noqa: FBT001
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(THREADS)
    found: dict[str, Any] = {}
    for name, folder in FOLDERS.items():
        model = opened(HERE / folder)
        found[name] = {"heads": heads(model), "drafts": drafts(model), "remembered": remembered(model)}
        LOG.info("%s: %s", name, json.dumps(found[name]))
        with tempfile.TemporaryDirectory() as temporary:
            stripped = strip(HERE / folder, Path(temporary) / "stripped")
            rest = opened(stripped)
            found[name]["stripped"] = {"next token": same_bits(model, rest), "remembered": remembered(rest)}
            if restore and name == "with canaries":
                found[name]["restored heads"] = restored(stripped, HERE / folder)
        LOG.info("%s: %s", name, json.dumps(found[name]))
    out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
