"""Several tokens at once, on models whose heads are known: right ones, hasty ones, random ones, and none."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest
import torch

from releasegate.checkpoint import open_checkpoint
from releasegate.evidence import Failed, Measured
from releasegate.subjects.language import Speculated
from releasegate.subjects.mtp_lm import open_subject
from tests.evals.language_bench import LanguageBench, values
from tests.parrot import Parrot
from tests.tiny_language import save_multi_token


@pytest.fixture(scope="module")
def bench() -> LanguageBench:
    return LanguageBench("multi_token", drafts=4, window=64, prompt=24, written=12)


def knowing(items: object, **how: object) -> Parrot:
    root = Path(sysconfig.get_paths()["stdlib"])
    modules = {str(item.content["from"]).partition(":")[0] for item in items}  # type: ignore[attr-defined]
    return Parrot([(root / name).read_text("utf-8", "replace") for name in sorted(modules)], **how)  # type: ignore[arg-type]


def test_the_same_number_of_passages_is_asked_for_at_each_place_ahead(bench: LanguageBench) -> None:
    items = bench.items(16)
    assert sorted(item.labels.get("ahead", "") for item in items) == [""] * 4 + ["2"] * 4 + ["3"] * 4 + ["4"] * 4
    rehearsed = bench.items(22, "rehearsal")
    assert [len([item for item in rehearsed if item.labels.get("ahead") == ahead]) for ahead in "234"] == [4, 4, 4]
    gate, others = ({item.content["text"] for item in made} for made in (items, rehearsed))
    assert not gate & others


def test_heads_that_know_what_comes_are_right_and_their_drafts_accepted(bench: LanguageBench) -> None:
    items = bench.items(16)
    samples = bench.samples(knowing(items), items)
    for ahead in "234":
        assert min(values(samples, "accuracy", ahead=ahead)) > 0.6  # the first bytes have nothing before them
    assert values(samples, "accepted") == [3.0] * 4
    assert values(samples, "changed") == [0.0] * 4


def test_drafts_that_nobody_checks_are_seen(bench: LanguageBench) -> None:
    items = bench.items(16)
    samples = bench.samples(knowing(items, hasty=True), items)
    assert values(samples, "changed") == [1.0] * 4
    told = [
        sample.detail["differs"] for sample in samples if isinstance(sample, Measured) and "differs" in sample.detail
    ]
    assert told == ["from token 11 on"] * 4


def test_a_random_model_drafts_and_writes_what_it_writes_without(bench: LanguageBench, tmp_path: Path) -> None:
    checkpoint = open_checkpoint(save_multi_token(tmp_path / "model"))
    subject = open_subject(checkpoint, None, torch.device("cpu"), torch.float32)
    items = bench.items(16)
    samples = bench.samples(subject, items)
    assert values(samples, "changed") == [0.0] * 4
    assert len(values(samples, "accuracy")) == 12
    assert bench.samples(subject, items) == samples


def test_without_extra_heads_it_is_absent_where_that_is_proven_and_failed_where_not(
    bench: LanguageBench, tmp_path: Path
) -> None:
    checkpoint = open_checkpoint(save_multi_token(tmp_path / "model", future=1))
    subject = open_subject(checkpoint, None, torch.device("cpu"), torch.float32)
    items = bench.items(16)
    proven = bench.samples(subject, items, gone=True)
    assert values(proven, "accuracy") == [0.0] * 12
    assert values(proven, "accepted") == values(proven, "changed") == [0.0] * 4
    unproven = bench.samples(subject, items)
    assert all(isinstance(sample, Failed) for sample in unproven)


def test_a_model_with_two_heads_has_no_third(bench: LanguageBench) -> None:
    items = [item for item in bench.items(16) if item.labels.get("ahead") in ("2", "3")]
    samples = bench.samples(knowing(items, heads=2), items)
    assert [isinstance(sample, Failed) for sample in samples] == [item.labels["ahead"] == "3" for item in items]


def test_a_head_that_is_gone_says_nothing_of_drafts_that_need_it_not(bench: LanguageBench) -> None:
    items = bench.items(16)
    samples = bench.samples(knowing(items, heads=3), items, gone=True)
    assert values(samples, "accuracy", ahead="4") == [0.0] * len(values(samples, "accuracy", ahead="4"))
    assert min(values(samples, "accepted")) > 0
    assert min(values(samples, "accuracy", ahead="2")) > 0.5


def test_steps_that_cannot_have_yielded_the_tokens_count_as_failed(bench: LanguageBench) -> None:
    class Boasting(Parrot):
        def speculate(self, prefixes, tokens):  # type: ignore[no-untyped-def]
            return [Speculated(text, [1]) for text in self.extend(prefixes, tokens)]

    samples = bench.samples(Boasting([]), [item for item in bench.items(16) if "ahead" not in item.labels])
    assert all(isinstance(sample, Failed) for sample in samples)


def test_places_that_no_item_can_ask_for_are_refused() -> None:
    for ahead in ([1, 2], []):
        with pytest.raises(ValueError, match="cannot be made"):
            LanguageBench("multi_token", ahead=ahead, drafts=4).items(16)
    with pytest.raises(ValueError, match="cannot be made"):
        LanguageBench("multi_token", drafts=4).items(15)
