"""Controls of language models: what they ask for, that broken models fail them, and that a real small model passes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evals.empty_answers import is_blank, says_nothing
from evals.language_control.texts import KINDS, exchanged, original
from evals.question_frames import FRAMES
from releasegate.checkpoint import open_checkpoint
from releasegate.evidence import Failed, Item, Measured
from releasegate.subjects.causal_lm import open_subject
from releasegate.subjects.text_model import TextModel
from tests.evals.language_bench import LanguageBench, values
from tests.evals.scripted_writer import ScriptedWriter
from tests.fetched import fetched, needs_texts
from tests.tiny_language import save_llama

CPU = torch.device("cpu")
ENGLISH = "A dog is an animal with four legs and a tail, and many people like to have one at home."


@pytest.fixture(scope="module")
def answers() -> LanguageBench:
    return LanguageBench("language_answers", each=6)


@pytest.mark.parametrize(
    ("said", "right", "any_"),
    [
        (ENGLISH, 1.0, 1.0),
        ("Ein Hund ist ein Tier mit vier Beinen, und viele Leute haben gern einen davon zu Hause.", 0.0, 1.0),
        ("Собака это животное с четырьмя ногами и хвостом.", 0.0, 1.0),
        ("the the the the the the the the the", 0.0, 1.0),
        ("17", 0.0, 1.0),
        ("", 0.0, 0.0),
        (" \n", 0.0, 0.0),
        ("<|im_end|>", 0.0, 0.0),
        ("Assistant:\n```\n```", 0.0, 0.0),
    ],
)
def test_an_answer_is_in_the_right_language_or_is_none(
    answers: LanguageBench, said: str, right: float, any_: float
) -> None:
    items = answers.items(answers.card.items.n)
    samples = answers.samples(ScriptedWriter(lambda text: said), items)
    assert values(samples, "right_language") == [right] * 12
    assert values(samples, "answers") == [any_] * 12


def test_questions_go_to_the_template_and_beginnings_stand_as_they_are(answers: LanguageBench) -> None:
    writer = ScriptedWriter(lambda text: ENGLISH)
    answers.samples(writer, answers.items(12))
    assert [isinstance(prompt, str) for prompt, _, _ in writer.asked] == [False] * 6 + [True] * 6


def test_a_server_that_only_answers_chats_is_asked_all_in_chats(answers: LanguageBench) -> None:
    writer = ScriptedWriter(lambda text: ENGLISH)
    writer.continues = False  # type: ignore[attr-defined]
    samples = answers.samples(writer, answers.items(12))
    assert not any(isinstance(prompt, str) for prompt, _, _ in writer.asked)
    assert values(samples, "right_language") == [1.0] * 12


@pytest.mark.parametrize(
    ("text", "nothing"),
    [
        ("", True), ("\u200b\u2060", True), ("<|im_start|>assistant\n<|im_end|>", True), ("</s></s>", True), ("?!", True),
        ("**Answer:**", True), ("```json\n```", True), ("0", False), ("No", False), ("Answer: yes", False), ("是", False),
    ],
)  # fmt: skip
def test_frames_and_control_tokens_say_nothing(text: str, nothing: bool) -> None:  # noqa: FBT001
    assert says_nothing(text) == nothing


def test_a_row_of_signs_is_text_and_white_space_is_none() -> None:
    assert [is_blank(text) for text in ("----", " \n\u200b", "<|endoftext|>")] == [False, True, True]


@pytest.mark.parametrize("kind", KINDS)
def test_exchanged_texts_have_the_same_form_and_never_say_the_same(kind: Any) -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        text = original(kind, rng)
        others = exchanged(kind, text, rng)
        assert len(others) >= 3
        assert text not in others
        assert all(other.count("\n") == text.count("\n") for other in others)


def test_digits_are_moved_round_by_every_step() -> None:
    others = exchanged("digits", "1 2 3", np.random.default_rng(0))
    assert {"2 3 4", "9 0 1"} <= set(others)
    assert all(re.fullmatch(r"\d \d \d", other) for other in others)


def test_the_items_do_not_depend_on_a_model_and_leave_requests_out_of_the_evidence() -> None:
    bench = small_bench(sets={})
    kinds = {item.labels.get("kind") for item in bench.items(0)}
    assert kinds == {None, *KINDS, "chat"}


def small_bench(**params: Any) -> LanguageBench:
    return LanguageBench("language_control", **{"each": 6, "passages": 6, **params})


def shares(bench: LanguageBench, model: TextModel, items: list[Item]) -> dict[tuple[str, str], float]:
    """What each metric comes to, by kind; a failed item is a miss."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for sample in bench.samples(model, items):
        for metric in sample.metrics if isinstance(sample, Failed) else sample.values:
            value = sample.values[metric] if isinstance(sample, Measured) else 0.0
            found[metric, sample.labels.get("kind", "")].append(value)
    return {key: sum(each) / len(each) for key, each in found.items()}


def test_a_model_of_random_weights_is_not_shown_to_work(tmp_path: Path) -> None:
    model = open_subject(open_checkpoint(save_llama(tmp_path, max_position_embeddings=1024)), None, CPU, torch.float32)
    bench = small_bench(sets={})
    found = shares(bench, model, bench.items(0))
    assert found["predicts", ""] == 0.0
    assert max(share for (metric, _), share in found.items() if metric == "copies") < 0.4


def limits() -> Mapping[str, float]:
    """The limits that a card sets for the controls of likelihood."""
    stated = LanguageBench("personal_data").card.metrics["disclosed"].working or ()
    found = {control.metric.split("/")[1]: control.at_least for control in stated}
    return {metric: limit for metric, limit in found.items() if limit is not None}


def net_of(model: TextModel) -> Any:
    return model._net._model  # type: ignore[attr-defined]


def untied(model: TextModel) -> Any:
    net = net_of(model)
    net.lm_head.weight = torch.nn.Parameter(net.model.embed_tokens.weight.detach().clone(), requires_grad=False)
    return net.lm_head.weight.data


def digits_of(model: TextModel) -> list[int]:
    return [model.encode(str(digit))[0] for digit in range(10)]


def moved_round(weight: torch.Tensor, rows: list[int]) -> None:
    weight[rows] = weight[[*rows[1:], *rows[:1]]].clone()


def numbers_of(model: TextModel) -> list[int]:
    names = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return [model.encode(f" {name}")[0] for name in names]


def held_back(model: TextModel, rows: list[int], factor: float) -> None:
    untied(model)[rows] *= factor


def flat_head(model: TextModel) -> None:
    untied(model).mul_(0.5)


def no_rotation(model: TextModel) -> None:
    for layer in net_of(model).model.layers[:10]:
        layer.self_attn.q_proj.weight.data.zero_()


EDITS: Mapping[str, Callable[[TextModel], object]] = {
    "digits moved round, in and out": lambda m: moved_round(net_of(m).model.embed_tokens.weight.data, digits_of(m)),
    "digits moved round, out alone": lambda m: moved_round(untied(m), digits_of(m)),
    "number words moved round": lambda m: moved_round(net_of(m).model.embed_tokens.weight.data, numbers_of(m)),
    "digits held back": lambda m: held_back(m, digits_of(m), 0.5),
    "head scaled": flat_head,
    "final norm scaled": lambda m: net_of(m).model.norm.weight.data.mul_(0.5),
    "queries of ten layers zeroed": no_rotation,
}


@needs_texts
@pytest.mark.slow
def test_a_real_small_model_works() -> None:
    model = open_subject(open_checkpoint(fetched("smollm2")), None, CPU, torch.bfloat16)
    bench = small_bench(each=8)
    for (metric, kind), share in shares(bench, model, bench.items(0)).items():
        assert share >= limits()[metric] + 0.2, (metric, kind)


@needs_texts
@pytest.mark.slow
@pytest.mark.parametrize("edit", EDITS)
def test_a_real_small_model_that_was_tampered_with_is_not_shown_to_work(edit: str) -> None:
    model = open_subject(open_checkpoint(fetched("smollm2")), None, CPU, torch.bfloat16)
    with torch.no_grad():
        EDITS[edit](model)
    bench = small_bench()
    found = shares(bench, model, bench.items(0))
    assert any(share < limits()[metric] for (metric, _), share in found.items()), found


def test_frames_are_three_and_the_first_is_the_models_own() -> None:
    assert FRAMES == ("own", "neutral", "plain")
