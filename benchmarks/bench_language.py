"""How fast a language model is measured: tokens a second, beside lm-evaluation-harness and a plain loop of `generate`.

The same weights in the same dtype, the same prompts, as many threads, and batches of as many tokens. Four things are timed:
options with a prompt each; four options of some ten tokens to a prompt as long as a question with worked examples; four options
of one token to a prompt, which lm-eval too computes once; and answers. The sides take turns, round by round. Log-likelihoods and
answers are compared too. Prompts are passages of Python's standard library. Needs
`pip install 'releasegate[peers]'`, and `make texts` for the real model (`--tiny` takes one with random weights, whose speed says
nothing).

    python benchmarks/bench_language.py [--items N] [--rounds N] [--threads N] [--dtype D] [--tiny] [--processor]
"""

from __future__ import annotations

import argparse
import inspect
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # for tests/, which is no installed package

import argparse as argparse_source
import ast
import json.decoder
import re
import textwrap

import torch

from evals.texts import text_file
from releasegate.checkpoint import open_checkpoint
from releasegate.checkpoint.load import load_causal_model, load_tokenizer
from releasegate.subjects import Answer, Decoding, NoAnswer
from releasegate.subjects.causal_lm import TransformersNet, ends_of
from releasegate.subjects.causal_net import Budget
from releasegate.subjects.text_model import TextModel
from releasegate.subjects.wording import Wording

ROWS, LONGEST, TOKENS = 16, 256, 32
"""Rows of lm-eval's batches, characters of a prompt, tokens of an answer."""
WORKED = 1200
"""Characters of a prompt with worked examples."""
WANTED = {"unrelated": 1.0, "shared": 3.0, "letters": 1.0, "answers": 3.0}
"""How many times as fast as the other side each part is to be."""


def passages(count: int, longest: int = LONGEST) -> list[tuple[str, list[str]]]:
    """Prompts, and four texts each that may follow, the true one first.

    They are cut before a space, where no tokenizer joins the two: there lm-eval reads the prompt's own tokens, and releasegate
    those that prompt and option have together.
    """
    text = "".join(inspect.getsource(module) for module in (argparse_source, ast, json.decoder, textwrap, statistics))
    words = [found.end() for found in re.finditer(r"\w(?= \w)", text) if longest < found.end() < len(text) - 100]
    cuts = words[:: max(1, len(words) // count)][:count]
    pieces = [text[cut : text.index(" ", cut + 40)] for cut in cuts]
    least = longest // 3
    lengths = [least + 137 * number % (longest - least) for number in range(len(cuts))]
    prompts = [text[cut - length : cut] for cut, length in zip(cuts, lengths, strict=True)]
    return [
        (prompt, [pieces[(number + shift) % len(cuts)] for shift in range(4)]) for number, prompt in enumerate(prompts)
    ]


def checkpoint_root(folder: Path, *, tiny: bool) -> Path:
    """A folder with the model.

    Raises:
        NotFound: the real one was not fetched.
    """
    if tiny:
        from tests.tiny_language import save_llama

        return save_llama(folder / "tiny", max_position_embeddings=512)
    return text_file("smollm2-gguf").parent


class Sides:
    """Both sides, over the same weights."""

    def __init__(self, root: Path, dtype: torch.dtype) -> None:
        checkpoint = open_checkpoint(root)
        self.model = load_causal_model(checkpoint, device=torch.device("cpu"), dtype=dtype)
        self.tokenizer: Any = load_tokenizer(checkpoint)
        self.tokenizer.pad_token = self.tokenizer.pad_token or self.tokenizer.eos_token
        self.mine = TextModel(
            TransformersNet(self.model), Wording(self.tokenizer, ends_of(self.model)), Budget(ROWS * LONGEST // 2)
        )
        self._theirs: Any = None

    def scored(self, items: Sequence[tuple[str, list[str]]]) -> list[float]:
        """Log-likelihoods by releasegate."""
        found = self.mine.score([prompt for prompt, _ in items], [options for _, options in items])
        return [score.logprob for scores in found if not isinstance(scores, NoAnswer) for score in scores]

    def scored_by_lm_eval(self, items: Sequence[tuple[str, list[str]]]) -> list[float]:
        """Log-likelihoods by lm-eval's `hf` backend."""
        from lm_eval.api.instance import Instance
        from lm_eval.models.huggingface import HFLM

        if self._theirs is None:
            self._theirs = HFLM(pretrained=self.model, tokenizer=self.tokenizer, batch_size=ROWS, device="cpu")
        asked = [
            Instance(request_type="loglikelihood", doc={}, arguments=(prompt, option), idx=0)
            for prompt, options in items
            for option in options
        ]
        return [float(score) for score, _ in self._theirs.loglikelihood(asked, disable_tqdm=True)]

    def answered(self, prompts: Sequence[str]) -> list[str]:
        """Answers by releasegate."""
        found = self.mine.generate(prompts, [0] * len(prompts), Decoding(TOKENS))
        return [answer.text for answer in found if isinstance(answer, Answer)]

    def answered_one_by_one(self, prompts: Sequence[str]) -> list[str]:
        """Answers by a plain loop of transformers' `generate`."""
        texts = []
        for prompt in prompts:
            given = self.tokenizer(prompt, return_tensors="pt")
            with torch.inference_mode():
                (out,) = self.model.generate(**given, max_new_tokens=TOKENS, do_sample=False)
            texts.append(self.tokenizer.decode(out[given["input_ids"].shape[1] :], skip_special_tokens=True))
        return texts


def timed(call: Callable[[], Any], clock: Callable[[], float]) -> tuple[float, Any]:
    """Seconds by a clock, and what came of it."""
    begun = clock()
    found = call()
    return clock() - begun, found


def main() -> None:
    """Prints, for each part, tokens a second of both sides, their ratio, and by how much the results differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument(
        "--processor",
        action="store_true",
        help="seconds of the processor, for a machine that is busy with other things",
    )
    asked = parser.parse_args()
    absent = [name for name in ("lm_eval", "accelerate", "gguf") if find_spec(name) is None]
    if absent:
        raise SystemExit(f"{', '.join(absent)} is not installed\nfix: pip install 'releasegate[dev,peers]'")
    torch.set_num_threads(asked.threads)
    clock = time.process_time if asked.processor else time.perf_counter
    with tempfile.TemporaryDirectory() as folder:
        sides = Sides(checkpoint_root(Path(folder), tiny=asked.tiny), getattr(torch, asked.dtype))
    items = passages(asked.items)
    single = [(prompt, options[:1]) for prompt, options in items]
    shared = passages(asked.items // 4, WORKED)
    letters = [(prompt, [" A", " B", " C", " D"]) for prompt, _ in shared]
    prompts = [prompt for prompt, _ in items[: asked.items // 2]]
    parts: dict[str, tuple[Callable[[], Any], Callable[[], Any], int]] = {
        "unrelated": (lambda: sides.scored(single), lambda: sides.scored_by_lm_eval(single), _length(sides, single)),
        "shared": (lambda: sides.scored(shared), lambda: sides.scored_by_lm_eval(shared), _length(sides, shared)),
        "letters": (lambda: sides.scored(letters), lambda: sides.scored_by_lm_eval(letters), _length(sides, letters)),
        "answers": (
            lambda: sides.answered(prompts),
            lambda: sides.answered_one_by_one(prompts),
            TOKENS * len(prompts),
        ),
    }
    sys.stdout.write(f"{'':<12}{'releasegate':>14}{'other':>10}{'ratio':>8}{'wanted':>8}  difference\n")
    for name, (mine, other, tokens) in parts.items():
        pairs = [(timed(mine, clock), timed(other, clock)) for _ in range(asked.rounds)]
        seconds = statistics.median(a[0] for a, _ in pairs), statistics.median(b[0] for _, b in pairs)
        (_, one), (_, two) = pairs[0]
        apart = (
            f"{sum(a != b for a, b in zip(one, two, strict=True))} of {len(one)} texts"
            if name == "answers"
            else f"{max(abs(a - b) for a, b in zip(one, two, strict=True)):.1e} nat at most"
        )
        ratio = seconds[1] / seconds[0]
        rates = f"{tokens / seconds[0]:>8.0f} tok/s{tokens / seconds[1]:>10.0f}"
        sys.stdout.write(f"{name:<12}{rates}{ratio:>8.2f}{WANTED[name]:>8.1f}  {apart}\n")


def _length(sides: Sides, items: Sequence[tuple[str, list[str]]]) -> int:
    """Tokens of all prompts with each of their options."""
    return sum(len(sides.mine.encode(prompt + option)) for prompt, options in items for option in options)


if __name__ == "__main__":
    main()
