"""Public texts word for word, on models whose memory is known: one that knows all, one that knows nothing, odd ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from evals.verbatim.made_up import made_up
from evals.verbatim.texts import KINDS, LIST, parse_passages
from releasegate.checkpoint import open_checkpoint
from releasegate.errors import DocumentError, NotFound
from releasegate.evidence import Failed, Item, Measured
from releasegate.spans import parse_spans
from releasegate.subjects.mtp_lm import open_subject
from tests.evals.language_bench import LanguageBench, values
from tests.parrot import Parrot

EQUAL = dict.fromkeys((*KINDS, "made_up"), 1)
MINI_MTP = Path(__file__).parents[2] / "examples" / "mini_mtp" / "checkpoint"


@pytest.fixture(scope="module")
def bench() -> LanguageBench:
    return LanguageBench("verbatim", parts=EQUAL)


class Forgetful(Parrot):
    """Reads every text as the same unknown token, as a tokenizer does that has none of its characters."""

    def encode(self, text: str) -> list[int]:
        return [256] * len(text)


class Slack(Parrot):
    """Knows the text, and gets every tenth token wrong."""

    def extend(self, prefixes: Sequence[Sequence[int]], tokens: int) -> list[list[int]]:
        return [[ord("~") if i % 10 == 9 else t for i, t in enumerate(row)] for row in super().extend(prefixes, tokens)]


def known(items: Sequence[Item]) -> list[str]:
    """The public texts of these items."""
    return [str(item.content["text"]) for item in items if item.labels["kind"] in KINDS]


def test_kinds_and_control_are_drawn_in_equal_parts_by_the_nonce(bench: LanguageBench) -> None:
    one, other = bench.items(40, seed=1), bench.items(40, seed=2)
    assert Counter(item.labels["kind"] for item in one) == dict.fromkeys((*KINDS, "made_up"), 10)
    assert [(item.metrics, item.labels) for item in one] == [(item.metrics, item.labels) for item in other]
    assert {item.content["text"] for item in one} != {item.content["text"] for item in other}
    assert len({item.content["text"] for item in one}) == 40


def test_gates_and_rehearsals_share_no_passage(bench: LanguageBench) -> None:
    pools = [
        {i.content["text"] for seed in range(5) for i in bench.items(240, role, seed) if i.labels["kind"] in KINDS}
        for role in ("items", "rehearsal")
    ]
    assert not pools[0] & pools[1]


def test_who_knows_the_texts_gives_them_back_and_cannot_know_the_control(bench: LanguageBench) -> None:
    items = bench.items(40)
    samples = bench.samples(Parrot(known(items)), items)
    assert sum(values(samples, "extracted")) >= 27  # of 30: where 50 bytes stand twice, it goes on at the first place
    assert sum(values(samples, "near_extracted")) >= 27
    for sample in samples:
        assert isinstance(sample, Measured)
        truth, written = sample.detail["truth"], sample.detail["written"]
        spans = parse_spans(sample.detail.get("written.spans", "[]"), len(written)) or ()
        end = spans[0].end if spans else 0
        assert truth[:end] == written[:end]
        assert truth[end : end + 1] != written[end : end + 1] or end == len(truth) == len(written)


def test_who_knows_nothing_gives_nothing_back(bench: LanguageBench) -> None:
    samples = bench.samples(Parrot(["nothing of the kind"]), bench.items(40))
    assert values(samples, "near_extracted") == [0.0] * 30
    assert sum(values(samples, "agreed")) < 3


def test_a_few_wrong_characters_are_near_and_not_exact(bench: LanguageBench) -> None:
    items = bench.items(40)
    samples = bench.samples(Slack(known(items)), items)
    assert values(samples, "extracted") == [0.0] * 30
    assert sum(values(samples, "near_extracted")) >= 27


def test_a_tokenizer_that_loses_the_text_fails_every_item_and_shows_nothing(bench: LanguageBench) -> None:
    samples = bench.samples(Forgetful([]), bench.items(8))
    assert all(isinstance(sample, Failed) and "no text to this model" in sample.error for sample in samples)


def test_a_text_that_is_too_short_for_the_model_is_a_failed_item() -> None:
    long = LanguageBench("verbatim", prefix=5000, parts=EQUAL)
    samples = long.samples(Parrot([]), long.items(4))
    assert all(isinstance(sample, Failed) and "too few tokens" in sample.error for sample in samples)


def test_the_small_model_knows_its_own_library_no_better_than_chance_allows(bench: LanguageBench) -> None:
    model = open_subject(open_checkpoint(MINI_MTP), None, torch.device("cpu"), torch.float32)
    samples = bench.samples(model, bench.items(40))
    assert sum(values(samples, "extracted")) <= 3
    assert sum(values(samples, "control_extracted")) == 0


def test_this_machine_has_passages_enough_for_gates_and_rehearsals(bench: LanguageBench) -> None:
    assert len(bench.items(240)) == len(bench.items(240, "rehearsal")) == 240
    with pytest.raises(NotFound, match=r"4000 passages of licence are asked for, and this machine has \d+ of those"):
        bench.items(16000)
    with pytest.raises(ValueError, match="41 items are not 4 equal parts"):
        bench.items(41)


def test_what_policies_gate_has_most_of_the_items() -> None:
    shipped = LanguageBench("verbatim")
    counts = Counter(item.labels["kind"] for item in shipped.items(shipped.card.items.n))
    assert counts == {"licence": 40, "documentation": 400, "source": 400, "made_up": 40}
    assert len(shipped.items(shipped.card.items.rehearsal or 0, "rehearsal")) == 44


class Blank(Parrot):
    """Writes white space alone."""

    def extend(self, prefixes: Sequence[Sequence[int]], tokens: int) -> list[list[int]]:
        return [[ord(" ")] * tokens for _ in prefixes]


def test_who_writes_white_space_is_not_shown_to_recite_nothing(bench: LanguageBench) -> None:
    samples = bench.samples(Blank([]), bench.items(8))
    for metric in ("extracted", "near_extracted", "agreed"):
        assert values(samples, metric) == [1.0] * 6
        assert values(samples, f"control_{metric}") == [1.0] * 2


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "x:1: lists no passage"),
        ("kind,digest\n", "x:1: lists no passage"),
        ("digest,kind\n0123456789abcdef,licence\n", "x:1: lists no passage"),
        ("kind,digest\nlicence,0123\n", "x:2: is no passage"),
        ("kind,digest\nlicense,0123456789abcdef\n", "x:2: is no passage"),
        ("\ufeffkind,digest\nlicence,0123456789abcdef\n", "x:1: lists no passage"),
        ("kind,digest\nlicence,0123456789abcdef\n\n", "x:3: is no passage"),
    ],
)
def test_a_list_with_a_bad_line_is_refused(text: str, error: str) -> None:
    with pytest.raises(DocumentError, match=error):
        parse_passages(text, "x")


def test_the_shipped_list_is_sorted_and_names_each_passage_once() -> None:
    lines = LIST.read_text().splitlines()[1:]
    assert lines == sorted(set(lines))


def test_made_up_texts_differ_and_consist_of_words_that_come_back() -> None:
    one, other = (made_up(np.random.default_rng(seed), 1400) for seed in (1, 2))
    assert len(one) >= 1400
    assert one != other
    assert max(Counter(one.split()).values()) > 3
