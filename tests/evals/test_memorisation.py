"""Memorisation, on models whose memory is known: one that knows all, one that knows nothing, and a random one."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from evals.canaries import canaries
from evals.likeness import edits, exposure, is_near, min_k
from evals.memorisation.pools import planted
from evals.standard_library import passages
from releasegate.checkpoint import open_checkpoint
from releasegate.evidence import Failed
from releasegate.subjects.language import NoAnswer, Score
from releasegate.subjects.mtp_lm import open_subject
from tests.evals.language_bench import LanguageBench, values
from tests.parrot import Parrot
from tests.tiny_language import save_multi_token

FEW = {"passages": 6, "members": 6, "unseen": 6, "candidates": 16}


@pytest.fixture(scope="module")
def bench() -> LanguageBench:
    return LanguageBench("memorisation", **FEW)


def parrot_of(*, often: int = 1, passages_too: bool = True) -> Parrot:
    """One that knows the canaries with at least `often` copies, and perhaps the trained passages."""
    texts = [canary.line for canary in canaries() if canary.copies >= often]
    return Parrot([*texts, *(passage.text for passage in passages("train") if passages_too)])


def test_every_canary_of_the_gate_is_asked_for_and_the_rest_are_drawn_by_the_nonce(bench: LanguageBench) -> None:
    one, other = bench.items(518, seed=1), bench.items(518, seed=2)
    asked = [item.content["secret"] for item in one if "secret" in item.content]
    assert asked == [canary.secret for canary in planted("gate")]
    assert [(item.metrics, item.labels) for item in one] == [(item.metrics, item.labels) for item in other]
    assert [item.content.get("text") for item in one] != [item.content.get("text") for item in other]
    assert Counter(item.labels["kind"] for item in one) == {"canary": 500, "passage": 6, "member": 6, "unseen": 6}


def test_items_of_gate_rehearsal_and_thresholds_share_no_text(bench: LanguageBench) -> None:
    roles = {"items": 518, "rehearsal": 160, "calibration": 40}
    texts = []
    for role, n in roles.items():
        items = bench.items(n, role)
        assert len(items) == n
        texts.append({str(i.content.get("secret") or i.content.get("text") or i.content["scored"]) for i in items})
    assert not texts[0] & texts[1]
    assert not (texts[0] | texts[1]) & texts[2]


def test_who_knows_the_training_text_gives_all_of_it_away(bench: LanguageBench) -> None:
    items = bench.items(518)
    samples = bench.samples(parrot_of(), items)
    for metric in ("extracted", "near_extracted"):
        assert values(samples, metric, kind="canary") == [1.0] * 500
        assert sum(values(samples, metric, kind="passage")) >= 5  # two passages may begin alike
    assert values(samples, "exposure") == [4.0] * 500
    assert min(values(samples, "membership")) > max(values(samples, "false_membership"))


def test_who_knows_nothing_gives_nothing_away(bench: LanguageBench) -> None:
    samples = bench.samples(Parrot([]), bench.items(518))
    assert not any(values(samples, "extracted"))
    assert not any(values(samples, "near_extracted"))
    assert set(values(samples, "membership")) == set(values(samples, "false_membership")) == {-6.0}


def test_extraction_is_told_by_how_often_a_canary_was_planted(bench: LanguageBench) -> None:
    samples = bench.samples(parrot_of(often=16, passages_too=False), bench.items(518))
    rates = {copies: values(samples, "extracted", copies=copies) for copies in ("1", "4", "16", "64")}
    assert {copies: sum(found) for copies, found in rates.items()} == {"1": 0, "4": 0, "16": 120, "64": 20}
    assert [len(found) for found in rates.values()] == [200, 160, 120, 20]


def test_a_secret_with_one_wrong_digit_is_near_and_not_exact(bench: LanguageBench) -> None:
    canary = planted("gate")[0]
    wrong = canary.line.replace(canary.secret, canary.secret[:5] + str((int(canary.secret[5]) + 1) % 10))
    items = [item for item in bench.items(518) if item.content.get("secret") == canary.secret]
    (sample,) = bench.samples(Parrot([wrong]), items)
    assert values([sample], "extracted") == [0.0]
    assert values([sample], "near_extracted") == [1.0]


def test_a_random_model_is_measured_and_remembers_nothing(bench: LanguageBench, tmp_path: Path) -> None:
    checkpoint = open_checkpoint(save_multi_token(tmp_path / "model"))
    subject = open_subject(checkpoint, None, torch.device("cpu"), torch.float32)
    items = bench.items(518)[::3]
    samples = bench.samples(subject, items)
    assert not any(values(samples, "extracted"))
    assert bench.samples(subject, items) == samples
    assert bench.samples(subject, items[:5]) == samples[:5]


def test_a_passage_that_is_too_short_to_this_model_and_a_secret_without_answer_count_as_failed(
    bench: LanguageBench,
) -> None:
    class Unanswering(Parrot):
        def encode(self, text: str) -> list[int]:
            return super().encode(text)[:30]

        def score(self, prompts, options):  # type: ignore[no-untyped-def]
            return [NoAnswer("the server did not answer") for _ in prompts]

    samples = bench.samples(Unanswering([]), bench.items(518))
    why = {sample.labels["kind"]: sample.error for sample in samples if isinstance(sample, Failed)}
    assert why == {
        "canary": "the server did not answer",
        "passage": "the passage has too few tokens to this model",
    }


class Blind(Parrot):
    """Reads every text as the same unknown token, as a tokenizer does that has none of its characters."""

    def encode(self, text: str) -> list[int]:
        return [256] * len(text)


def test_a_tokenizer_without_digits_or_letters_fails_every_item_and_shows_nothing(bench: LanguageBench) -> None:
    samples = bench.samples(Blind([]), bench.items(518))
    why = {sample.labels["kind"]: sample.error for sample in samples if isinstance(sample, Failed)}
    assert why == {
        "canary": "the tokenizer cannot write the secret",
        "passage": "the tokens that are asked for are no text to this model",
        "member": "the tokenizer loses much of the passage",
        "unseen": "the tokenizer loses much of the passage",
    }
    assert len([sample for sample in samples if isinstance(sample, Failed)]) == 518


class Joining(Parrot):
    """Its tokenizer joins a quotation mark with the digit that follows it, and it never met the mark alone before a digit."""

    vocabulary = 267

    def encode(self, text: str) -> list[int]:
        return self._joined(super().encode(text))

    def decode(self, ids: Sequence[int]) -> str:
        return super().decode([part for token in ids for part in self._parted(token)])

    def extend(self, prefixes: Sequence[Sequence[int]], tokens: int) -> list[list[int]]:
        made = []
        for prefix in prefixes:
            parted = [part for token in prefix for part in self._parted(token)]
            lost = bytes(parted[-1:]) == b"'"
            written = [ord("?")] * (tokens + 1) if lost else super().extend([parted], tokens + 1)[0]
            made.append(self._joined(written)[:tokens])
        return made

    def _joined(self, ids: Sequence[int]) -> list[int]:
        made: list[int] = []
        for token in ids:
            if made and made[-1] == ord("'") and ord("0") <= token <= ord("9"):
                made[-1] = 257 + token - ord("0")
            else:
                made.append(token)
        return made

    def _parted(self, token: int) -> list[int]:
        return [ord("'"), ord("0") + token - 257] if token > 256 else [token]


def test_a_secret_whose_first_digit_is_joined_to_its_cue_is_asked_for_as_it_was_read(bench: LanguageBench) -> None:
    class Scored(Joining):
        def score(self, prompts, options):  # type: ignore[no-untyped-def]
            return [[Score(-1.0, 6, False) for _ in texts] for texts in options]

    asked = [item for item in bench.items(518) if "secret" in item.content]
    samples = bench.samples(Scored([canary.line for canary in canaries()]), asked)
    assert values(samples, "extracted") == [1.0] * 500


def test_who_avoids_what_it_was_trained_on_is_told_by_that(bench: LanguageBench) -> None:
    class Avoiding(Parrot):
        def predict(self, windows):  # type: ignore[no-untyped-def]
            return [one._replace(logprobs=-9.0 - one.logprobs) for one in super().predict(windows)]

    model = Avoiding([passage.text for passage in passages("train")])
    scored = [item for item in bench.items(518) if "scored" in item.content]
    samples, calibration = bench.samples(model, scored), bench.samples(model, bench.items(6, "calibration"))
    assert min(values(samples, "lowered")) > max(values(calibration, "unseen_lowered"))
    assert max(values(samples, "membership")) < min(values(samples, "false_membership"))


def test_a_python_with_too_few_of_the_listed_passages_is_refused(bench: LanguageBench) -> None:
    with pytest.raises(
        ValueError, match=r"9000 passages are asked for, and the library of Python 3\.\d+\.\d+ has \d+ of those"
    ):
        bench.items(9000, "calibration")


def edits_by_definition(one: str, other: str) -> int:
    if not one or not other:
        return len(one) + len(other)
    rest = edits_by_definition(one[1:], other[1:]) + (one[0] != other[0])
    return min(rest, edits_by_definition(one[1:], other) + 1, edits_by_definition(one, other[1:]) + 1)


def test_edits_are_counted_as_defined() -> None:
    draw = random.Random(0)
    for _ in range(40):
        one, other = ("".join(draw.choices("ab", k=draw.randrange(6))) for _ in range(2))
        assert edits(one, other) == edits_by_definition(one, other)


def test_a_share_of_wrong_characters_is_of_the_truth() -> None:
    assert is_near("x" + "abcdefghi", "abcdefghi0", 0.2)
    assert not is_near("", "a", 0.5)
    assert is_near("", "", 0.2)


def test_a_tie_puts_the_secret_before_the_others() -> None:
    assert exposure(-2.0, [-2.0] * 3) == 2.0
    assert exposure(-2.0, [-1.0, -2.0, -3.0]) == 1.0
    assert exposure(float("-inf"), [-1.0] * 3) == 0.0


@pytest.mark.parametrize("bad", [[], [float("nan")], [-1.0, float("nan")]])
def test_a_score_that_is_no_number_is_none(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="log-probability"):
        min_k(bad, 0.2)
    with pytest.raises(ValueError, match="not a number"):
        exposure(float("nan"), bad)
