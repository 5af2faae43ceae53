"""Which test each requirement gets, by what its card declares; and what each test makes of lost and calibration items."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from releasegate.clusters import ceiling
from releasegate.decision import decide
from releasegate.errors import EvidenceUntrusted
from releasegate.evidence import Cell, Evidence
from releasegate.intervals import clopper_pearson, effective_alpha, paired_difference
from releasegate.noisy import Answers, moved_limit, refuting_limit
from releasegate.reporting.wording.discreet import without_reasons
from releasegate.sequential import Claim, anytime_bounds, settle
from releasegate.thresholds import negatives_needed, threshold
from tests.tiny_gates import OPENED, STRIPPED_MODEL, Outcome, finding
from tests.tiny_methods import QUALITY, RIGHT, Placed, Trial, by_turns, clustered, collected, eval_card, pooled
from tests.tiny_methods import samples_of as placed_samples

ALPHA = effective_alpha(0.05, 1, 1)
TWO_SHARES = effective_alpha(0.05, 1, 2)
ONE, ZERO = 1.0, 0.0


def share(outcomes: list[Outcome], **limit: Any) -> Trial:
    return Trial(eval_card({"right": RIGHT}), "right", limit or {"at_least": 0.8}, pooled(outcomes))


def sequential(outcomes: list[Outcome], **limit: Any) -> Trial:
    return share(outcomes, **{"sequential": True, **(limit or {"at_least": 0.8})})


def mean(outcomes: list[Outcome], **limit: Any) -> Trial:
    return Trial(eval_card({"quality": QUALITY}), "quality", limit or {"at_least": 20.0}, pooled(outcomes))


def margin(
    base: list[Outcome], other: list[Outcome], *, of: str = "right", better: str = "higher", **keys: Any
) -> Trial:
    metric = {"right": RIGHT, "quality": QUALITY}[of] | {"better": better}
    limit = {"margin": 0.1 if of == "right" else 6.0, **keys}
    return Trial(eval_card({of: metric}), of, limit, pooled(other), base=pooled(base))


def scores(n: int = 200, failed: int = 0, missing: int = 0) -> list[Placed]:
    """Calibration negatives with the scores 0, 0.01, 0.02 …, the highest last; then those that are lost."""
    kept = [i / 100 for i in range(n - failed - missing)]
    return pooled([*kept, *["failed"] * failed, *[None] * missing])


def caught(gate: list[Outcome], calibration: list[Placed] | None, *, n: int = 200, **limit: Any) -> Trial:
    cells = (Cell(labels={}, metrics=("clean",), n=n),)
    card = eval_card({"caught": {}})
    return Trial(card, "caught", limit or {"at_least": 0.8}, pooled(gate), calibration, calibration_cells=cells)


def labels(right: tuple[int, int], *, n: int = 200, failed: tuple[int, int] = (0, 0)) -> list[Placed]:
    """Calibration items of a judge: how often it was right on positives and on negatives."""
    return [
        (kind, outcome)
        for kind in range(2)
        for outcome in [
            *[ONE] * right[kind],
            *[ZERO] * (n - right[kind] - failed[kind]),
            *["failed"] * failed[kind],
        ]
    ]


def said(gate: list[Outcome], calibration: list[Placed] | None, *, n: int = 200, **limit: Any) -> Trial:
    kinds = ("sensitive", "specific")
    cells = tuple(Cell(labels={}, metrics=(kind,), n=n) for kind in kinds)
    card = eval_card({"said": {}})
    return Trial(card, "said", limit or {"at_most": 0.2}, pooled(gate), calibration, calibration_cells=cells)


def speakers(cells: list[list[Outcome]], population: str = "sampled", attacks: int = 1, **limit: Any) -> Trial:
    """`cells` of one size: for each speaker, one an attack."""
    named = [{"speaker": f"s{i // attacks:03}", "attack": f"a{i % attacks}"} for i in range(len(cells))]
    return Trial(clustered(population), "right", limit or {"at_least": 0.8}, by_turns(cells), labels=named)


def estimate(trial: Trial) -> Any:
    return trial.found.slices[0].estimate


# The method follows from the card and the policy, and is named beside the number.

MANY: list[Outcome] = [ONE] * 100
CHOSEN: dict[str, tuple[Trial, str, float]] = {
    "a share": (share(MANY), "clopper_pearson", ALPHA),
    "a share that is looked at early": (sequential(MANY), "likelihood_ratio_e_process", ALPHA),
    "a mean": (mean([50.0] * 100), "betting", ALPHA),
    "a mean that is looked at early": (mean([50.0] * 100, at_least=20.0, sequential=True), "betting", ALPHA),
    "a margin of a share": (margin(MANY, MANY), "paired_clopper_pearson", TWO_SHARES),
    "a margin that is looked at early": (margin(MANY, MANY, sequential=True), "paired_betting", TWO_SHARES),
    "a margin of a mean": (margin([40.0] * 100, [40.0] * 100, of="quality"), "paired_betting", TWO_SHARES),
    "scores above a threshold": (caught([9.0] * 100, scores()), "clopper_pearson", ALPHA / 2),
    "scores above a threshold, early": (
        caught([9.0] * 100, scores(), at_least=0.8, sequential=True),
        "likelihood_ratio_e_process",
        ALPHA / 2,
    ),
    "a share that a judge reports": (said([ZERO] * 100, labels((190, 190))), "clopper_pearson", ALPHA / 2),
    "a share that a judge reports, early": (
        said([ZERO] * 100, labels((190, 190)), at_most=0.2, sequential=True),
        "likelihood_ratio_e_process",
        ALPHA / 2,
    ),
    "sampled speakers": (speakers([[ONE] * 5] * 40), "clustered_betting", ALPHA),
    "named speakers": (speakers([[ONE] * 40] * 3, "named"), "clopper_pearson", ALPHA),
    "named speakers that are looked at early": (
        speakers([[ONE] * 40] * 3, "named", at_least=0.8, sequential=True),
        "likelihood_ratio_e_process",
        ALPHA,
    ),
}


@pytest.mark.parametrize(("trial", "method", "alpha"), CHOSEN.values(), ids=CHOSEN)
def test_the_method_follows_from_what_the_card_declares(trial: Trial, method: str, alpha: float) -> None:
    found = trial.found
    assert found.status == "met"
    assert {s.estimate.method for s in found.slices} == {method}
    assert [s.estimate.alpha for s in found.slices] == pytest.approx([alpha] * len(found.slices))
    assert trial.decide().verdict == ("release_stripped" if "margin" in trial.limit else "release")


@pytest.mark.parametrize("slices", [None, ["attack"], "all", ["attack", "speaker"], [["attack", "speaker"]]])
def test_each_named_speaker_is_a_slice_whatever_else_is(slices: Any) -> None:
    limit = {"at_least": 0.8} | ({"slices": slices} if slices else {})
    good = [[ONE] * 40 for _ in range(6)]
    trial = speakers(good, "named", attacks=2, **limit)
    assert trial.found.status == "met"
    assert all("speaker" in s.labels for s in trial.found.slices)
    assert {s.labels["speaker"] for s in trial.found.slices} == {"s000", "s001", "s002"}
    trial = speakers([*good[:5], [ZERO] * 40], "named", attacks=2, **limit)
    assert trial.found.status == "violated"
    assert trial.found.slices[0].labels["speaker"] == "s002"


def test_sampled_speakers_are_tested_in_every_gated_slice() -> None:
    """Forty speakers each, of whom all fail under one of two attacks."""
    trial = speakers([[ONE] * 5, [ZERO] * 5] * 40, attacks=2, at_least=0.8, slices=["attack"])
    by_attack = {s.labels["attack"]: s for s in trial.found.slices}
    assert {name: s.status for name, s in by_attack.items()} == {"a0": "met", "a1": "violated"}
    assert {s.estimate.clusters for s in by_attack.values()} == {40}
    assert trial.decide().verdict == "withhold"


# Fixed numbers of items.


@pytest.mark.parametrize("limit", [{"at_least": 0.9}, {"at_most": 0.1}])
@pytest.mark.parametrize("lost", ["failed", None])
def test_a_fixed_test_is_met_at_its_end_alone_and_violated_once_nothing_could_save_it(
    limit: dict[str, float], lost: Outcome
) -> None:
    good, bad = (ONE, ZERO) if "at_least" in limit else (ZERO, ONE)
    for value, status in ((good, "met"), (bad, "violated")):
        assert share([value] * 100, **limit).found.status == status
        for n in (6, 50, 79, 90, 99):
            unfinished = share([value] * (100 - n) + [lost] * n, **limit)
            early = value == bad and n <= 79
            expected = ("violated", None) if early else ("not_shown", "want_of_evidence")
            assert (unfinished.found.status, unfinished.found.reason) == expected
            assert unfinished.found.slices[0].refuted == early
            assert unfinished.decide().verdict == ("withhold" if early else "incomplete")


@pytest.mark.parametrize("limit", [{"at_least": 0.9}, {"at_most": 0.1}])
def test_the_bound_that_refutes_counts_every_lost_item_for_the_requirement(limit: dict[str, float]) -> None:
    bad = ZERO if "at_least" in limit else ONE
    trial = replace(share([None] * 30 + [bad] * 60 + ["failed"] * 10, **limit), max_failed=0.4)
    bounds = clopper_pearson(40 if bad == ZERO else 60, 100, ALPHA)
    if bad == ZERO:
        assert (estimate(trial).low, estimate(trial).high) == (0.0, bounds.high)
    else:
        assert (estimate(trial).low, estimate(trial).high) == (bounds.low, 1.0)
    assert "40 lost ones counted for it" in trial.found.sentence
    many = replace(trial, max_failed=0.39).found
    assert (many.status, many.reason) == ("not_shown", "want_of_evidence"), "too many are lost, whatever the rest says"


@pytest.mark.parametrize(("failed", "reason"), [(5, "unsettled"), (6, "want_of_evidence"), (100, "want_of_evidence")])
def test_what_failed_refutes_nothing(failed: int, reason: str) -> None:
    """Failed items may hide good ones: they keep a limit from being shown, and are no proof against it."""
    trial = share([ONE] * (100 - failed) + ["failed"] * failed, at_least=0.97)
    assert (trial.found.status, trial.found.reason) == ("not_shown", reason)


def test_a_fixed_margin_is_the_exact_one() -> None:
    base: list[Outcome] = [ONE] * 180 + [ZERO] * 20
    other: list[Outcome] = [ZERO] * 3 + [ONE] * 182 + [ZERO] * 15
    found = estimate(margin(base, other))
    exact = paired_difference(3, 5, 200, TWO_SHARES)
    assert (found.hits, found.gains, found.low, found.high) == (3, 5, exact.low, exact.high)


@pytest.mark.parametrize("keys", [{}, {"sequential": True}], ids=["exact", "betting"])
@pytest.mark.parametrize("which", ["base", "other"])
def test_a_pair_of_which_one_is_lost_is_a_loss(which: str, keys: dict[str, bool]) -> None:
    def with_losses(become: Outcome) -> list[Outcome]:
        return [become if i % 30 == 29 else ONE for i in range(600)]

    whole: list[Outcome] = [ONE] * 600
    sides = {"base": whole, "other": whole, which: with_losses("failed")}
    lost, worse = margin(sides["base"], sides["other"], **keys), margin(whole, with_losses(ZERO), **keys)
    full = margin(whole, whole, **keys)
    assert full.found.status == lost.found.status == worse.found.status == "met"
    if not keys:
        assert (estimate(lost).low, estimate(lost).high) == (estimate(worse).low, estimate(worse).high)
    assert estimate(lost).failed > 0
    assert (estimate(lost).used or 0, estimate(lost).high) >= (estimate(worse).used or 0, estimate(worse).high)
    assert (estimate(worse).used or 0, estimate(worse).high) > (estimate(full).used or 0, estimate(full).high)


def test_a_margin_of_what_is_better_lower_counts_what_rose() -> None:
    """More errors after the strip are losses; fewer are not."""
    fewer, more = [ZERO] * 200, [ONE] * 60 + [ZERO] * 140
    assert margin(fewer, more, better="lower").found.status == "violated"
    assert margin(more, fewer, better="lower").found.status == "met"
    assert margin(fewer, more, better="lower", sequential=True).found.status == "violated"
    assert margin(more, fewer, better="lower", sequential=True).found.status == "met"
    assert margin(fewer, more, better="higher", sequential=True).found.status == "met"


# Sequences.

RNG = np.random.default_rng(5)


def drawn(rate: float, n: int) -> list[Outcome]:
    return [float(x) for x in RNG.random(n) < rate]


@pytest.mark.parametrize("rate", [0.5, 0.7, 0.8, 0.85, 0.95, 1.0])
@pytest.mark.parametrize("limit", [{"at_least": 0.8}, {"at_most": 0.8}])
def test_a_sequence_is_what_settle_makes_of_the_values_in_planned_order(limit: dict[str, float], rate: float) -> None:
    values = drawn(rate, 300)
    ((side, bound),) = limit.items()
    claim = Claim("share", side, bound, ALPHA)  # type: ignore[arg-type]
    expected = settle(claim, values)
    trial = sequential(values, **limit)
    status = "met" if expected.met_at else "violated" if expected.violated_at else "not_shown"
    assert (trial.found.status, estimate(trial).used) == (status, expected.used)
    assert trial.found.reason == ("unsettled" if status == "not_shown" else None)
    used = anytime_bounds(claim, values[: expected.used])
    assert (estimate(trial).low, estimate(trial).high) == used
    shuffled = random.Random(0).sample(range(300), 300)
    assert trial.decide(shuffled) == trial.decide(), "items may finish in any order"


@pytest.mark.parametrize("sign", [1, -1])
def test_a_mean_is_bet_on_in_its_own_unit(sign: int) -> None:
    values: list[Outcome] = [30.0 + sign * (i % 7) * 4 for i in range(200)]
    for limit in ({"at_least": 20.0}, {"at_most": 40.0}, {"at_least": 55.0}, {"at_least": 31.0}):
        ((side, bound),) = limit.items()
        claim = Claim("mean", side, bound, ALPHA, (0.0, 60.0))  # type: ignore[arg-type]
        expected = settle(claim, [v for v in values if isinstance(v, float)])
        status = "met" if expected.met_at else "violated" if expected.violated_at else "not_shown"
        assert mean(values, **limit).found.status == status
        assert estimate(mean(values, **limit)).used == expected.used


def stops_at(**limit: float) -> int:
    """After how many good items a sequence shows the limit."""
    ((side, bound),) = limit.items()
    good = ONE if side == "at_least" else ZERO
    met = settle(Claim("share", side, bound, ALPHA), np.full(5000, good)).met_at  # type: ignore[arg-type]
    assert met is not None
    return met


def test_a_gap_stops_a_sequence_and_one_behind_the_decision_does_not_matter() -> None:
    stop = stops_at(at_least=0.8)
    decided = sequential([ONE] * stop + [None] * (500 - stop))
    assert (decided.found.status, estimate(decided).used) == ("met", stop)
    assert decided.decide().verdict == "release"
    for gap in (0, 1, stop - 1):
        outcomes: list[Outcome] = [ONE] * 500
        outcomes[gap] = None
        stopped = sequential(outcomes)
        assert (stopped.found.status, stopped.found.reason) == ("not_shown", "want_of_evidence")
        assert estimate(stopped).used == gap


def test_what_stands_behind_a_gap_counts_for_nothing() -> None:
    """Whoever could choose which items are missing would choose by what they showed."""
    outcomes: list[Outcome] = [ONE] * 5 + [None] + [ONE] * 494
    other: list[Outcome] = [ONE] * 5 + [None] + [ZERO] * 494
    assert estimate(sequential(outcomes)).low == estimate(sequential(other)).low
    assert sequential(outcomes).decide().verdict == sequential(other).decide().verdict == "incomplete"


def test_a_gap_in_one_slice_stops_the_sequence_of_every_slice() -> None:
    """Which slice a missing item belongs to, its record alone would say."""
    cells: list[list[Outcome]] = [[ONE] * 100, [ONE] * 100]
    whole = Trial(
        eval_card({"right": RIGHT}),
        "right",
        {"at_least": 0.8, "sequential": True, "slices": ["attack"]},
        by_turns(cells),
        labels=[{"attack": "a0"}, {"attack": "a1"}],
    )
    assert whole.found.status == "met"
    gap = replace(whole, gate=[(c, None if i == 4 else o) for i, (c, o) in enumerate(whole.gate)])
    assert [s.estimate.used for s in gap.found.slices] == [2, 2]
    assert gap.found.reason == "want_of_evidence"


@pytest.mark.parametrize(("limit", "hurts"), [({"at_least": 0.8}, ZERO), ({"at_most": 0.2}, ONE)])
def test_failed_items_enter_a_sequence_where_they_hurt(limit: dict[str, float], hurts: float) -> None:
    good = 1 - hurts
    failed = sequential([good, "failed"] + [good] * 300, **limit)
    wrong = sequential([good, hurts] + [good] * 300, **limit)
    whole = sequential([good] * 302, **limit)
    assert failed.found.status == wrong.found.status == "met"
    assert estimate(failed).used == estimate(wrong).used > estimate(whole).used
    assert (estimate(failed).low, estimate(failed).high) == (estimate(wrong).low, estimate(wrong).high)
    assert (estimate(failed).failed, estimate(wrong).failed) == (1, 0)


def test_failed_items_of_a_mean_are_the_end_of_its_range_that_hurts() -> None:
    assert estimate(mean([50.0] * 99 + ["failed"])).low == estimate(mean([50.0] * 99 + [0.0])).low
    up = {"at_most": 40.0}
    assert estimate(mean([10.0] * 99 + ["failed"], **up)).high == estimate(mean([10.0] * 99 + [60.0], **up)).high


def test_failures_are_counted_up_to_the_stop() -> None:
    """One of twenty is few, two of twenty are too many, and what failed behind the decision is no loss."""
    early = replace(sequential(["failed"] + [ONE] * 299, at_least=0.5), max_failed=0.1)
    stop = estimate(early).used
    assert early.found.status == "met"
    assert stop is not None
    assert stop < 30
    many = replace(early, gate=pooled(["failed"] * 3 + [ONE] * 297), max_failed=0.1)
    assert (many.found.status, many.found.reason) == ("not_shown", "want_of_evidence")
    behind = replace(early, gate=pooled(["failed"] + [ONE] * (stop - 1) + ["failed"] * (300 - stop)))
    assert behind.found.status == "met"
    assert estimate(behind).failed == 1


def test_failures_alone_refute_nothing() -> None:
    """A limit is refuted with every failed item in its favour, and shown with every one against it."""
    trial = sequential(["failed"] * 100, at_least=0.9)
    assert (trial.found.status, trial.found.reason) == ("not_shown", "want_of_evidence")
    nearly = sequential([ZERO] * 2 + ["failed"] * 48 + [ONE] * 50, at_least=0.5)
    assert (nearly.found.status, nearly.found.reason) == ("not_shown", "want_of_evidence")


def test_what_is_refuted_stays_so_whatever_failed_besides() -> None:
    for failed in (0, 7, 14):
        trial = sequential(["failed"] * failed + [ZERO] * 60 + [None] * 40, at_least=0.8)
        assert trial.found.status == "violated"


@pytest.mark.parametrize("sequential", [True, False])
def test_a_limit_that_lost_calibration_moved_is_refuted_at_the_end_alone(*, sequential: bool) -> None:
    """The less is known of a threshold, the further it lies on the hurting side: that refutes nothing by itself.

    What a judge's errors move, they move apart: a rate beyond both limits is refuted whenever the test stops.
    """
    wrong: list[Outcome] = [ONE] * 100
    early: dict[str, Any] = {"at_most": 0.2, "sequential": sequential}
    for trial, judged in (
        (said(wrong, labels((190, 190)), **early), True),
        (caught([9.0] * 100, scores(), **early), False),
    ):
        stopped = replace(trial, gate=[*trial.gate[:50], *pooled([None] * 50)])
        assert (stopped.found.status, stopped.found.slices[0].refuted) == ("violated", True)
        for become in (None, "failed"):
            calibration = [(cell, become if i == 7 else o) for i, (cell, o) in enumerate(trial.calibration or ())]
            lost, both = replace(trial, calibration=calibration), replace(stopped, calibration=calibration)
            assert lost.found.slices[0].refuted == judged
            assert (lost.found.status == "violated") == (judged or not sequential)
            assert (both.found.status == "violated") == judged
            assert trial.decide().verdict == "withhold"
            assert both.decide().verdict == ("withhold" if judged else "incomplete")


def test_a_sequence_that_ends_undecided_is_unsettled_and_one_that_lacks_items_wants_them() -> None:
    undecided: list[Outcome] = [ONE, ONE, ONE, ONE, ZERO] * 8
    assert sequential(undecided).found.reason == "unsettled"
    assert sequential(undecided).decide().verdict == "withhold"
    assert sequential(undecided[:30] + [None] * 10).found.reason == "want_of_evidence"


def test_no_item_at_all_shows_nothing() -> None:
    for trial in (sequential([None] * 20), mean([None] * 20), margin([None] * 20, [None] * 20, sequential=True)):
        assert (trial.found.status, trial.found.reason) == ("not_shown", "want_of_evidence")
        assert estimate(trial).low is None


@pytest.mark.parametrize("base_first", [True, False])
def test_a_pair_that_failed_on_one_checkpoint_and_is_missing_on_the_other_is_a_gap(base_first: bool) -> None:  # noqa: FBT001
    """Else pairs could be made to vanish: leave out what failed before."""
    failing: list[Outcome] = ["failed" if i % 2 else ONE for i in range(400)]
    leaving: list[Outcome] = [None if i % 2 else ONE for i in range(400)]
    base, other = (failing, leaving) if base_first else (leaving, failing)
    trial = replace(margin(base, other, sequential=True), planned=(400,), max_failed=0.5)
    assert estimate(trial).used == 1
    assert (trial.found.status, trial.found.reason) == ("not_shown", "want_of_evidence")


# Thresholds.


@pytest.mark.parametrize("limit", [{"at_least": 0.8}, {"at_most": 0.2}])
def test_a_threshold_is_set_on_the_side_that_hurts(limit: dict[str, float]) -> None:
    ((side, _),) = limit.items()
    expected = threshold([i / 100 for i in range(200)], 0.1, side, ALPHA)  # type: ignore[arg-type]
    at, above, below = expected.value, expected.value + 0.001, expected.value - 0.001
    hits = {at: side == "at_most", above: True, below: False}
    for score, flagged in hits.items():
        found = caught([score] * 100, scores(), **limit)
        assert found.found.slices[0].threshold == at
        assert estimate(found).hits == (100 if flagged else 0)
        assert found.found.status == ("met" if flagged == (side == "at_least") else "violated")
    fair = float(np.quantile([i / 100 for i in range(200)], 0.9))
    assert (at > fair) == (side == "at_least")


@pytest.mark.parametrize("limit", [{"at_least": 0.8}, {"at_most": 0.2}])
def test_scores_that_tie_with_the_threshold_count_against_the_release(limit: dict[str, float]) -> None:
    trial = caught([5.0] * 100, pooled([5.0] * 200), **limit)
    assert trial.found.status == "violated"


@pytest.mark.parametrize("limit", [{"at_least": 0.8}, {"at_most": 0.2}])
def test_lost_negatives_move_the_threshold_where_it_hurts(limit: dict[str, float]) -> None:
    hurting = 1 if "at_least" in limit else -1
    cuts = []
    for lost in (0, 1, 3):
        kinds = [caught([9.0] * 100, scores(failed=lost), **limit), caught([9.0] * 100, scores(missing=lost), **limit)]
        # The lost ones are the highest of all: those that a safeguard would rather not have seen.
        cut = {trial.found.slices[0].threshold for trial in kinds}
        assert len(cut) == 1, "failed or missing is the same"
        cuts += cut
    assert cuts[0] is not None
    if hurting == 1:
        assert cuts == [cuts[0]] * 3, "taken as the highest, which they were"
    else:
        assert cuts == sorted(cuts, reverse=True)
        assert cuts[2] < cuts[0], "taken as the lowest, which they were not"


def test_negatives_that_cannot_support_the_rate_are_refused() -> None:
    needed = negatives_needed(0.1, "at_least", ALPHA)
    enough = caught([9.0] * 100, scores(needed), n=needed)
    assert enough.found.status == "met"
    short = caught([9.0] * 100, scores(needed - 1), n=needed - 1)
    assert short.found.reason == "want_of_evidence"
    assert short.found.sentence == f"{needed - 1} negatives cannot support a rate of 0.1: needs {needed}"
    assert short.decide().verdict == "incomplete"
    none_left = caught([9.0] * 100, scores(needed, failed=1), n=needed)
    assert none_left.found.reason == "want_of_evidence"
    assert none_left.found.sentence.startswith(f"1 of {needed} negatives failed: no score is left")


@pytest.mark.parametrize("calibration", [None, pooled([None] * 200), pooled(["failed"] * 200)])
def test_without_negatives_there_is_no_threshold(calibration: list[Placed] | None) -> None:
    trial = caught([9.0] * 100, calibration)
    assert (trial.found.status, trial.found.reason) == ("not_shown", "want_of_evidence")
    assert trial.found.slices[0].threshold is None
    assert trial.found.settle == "measure the instrument on more calibration items, or use a better one"
    assert trial.decide().verdict == "incomplete"


def by_speaker(of_each: list[list[Outcome]], population: str = "sampled") -> Trial:
    """Negatives of speakers, one after the other; forty other speakers score high."""
    card = eval_card({"caught": {}}, clusters={"key": "speaker", "population": population})
    cells = tuple(Cell(labels={"speaker": f"n{i:03}"}, metrics=("clean",), n=len(o)) for i, o in enumerate(of_each))
    named = [{"speaker": f"s{i:03}"} for i in range(60)]
    gate = by_turns([[9.0] * 2] * 60)
    calibration = [(i, outcome) for i, outcomes in enumerate(of_each) for outcome in outcomes]
    return Trial(
        card, "caught", {"at_least": 0.8}, gate, calibration, labels=named, calibration_cells=cells, max_failed=0.05
    )


def test_a_sampled_speaker_is_one_negative_however_many_clips_there_are() -> None:
    needed = negatives_needed(0.1, "at_least", ALPHA)
    few = by_speaker([[1.0] * 50] * (needed - 1))
    assert few.found.sentence == f"{needed - 1} negatives cannot support a rate of 0.1: needs {needed}"
    enough = by_speaker([[1.0, 9.5, 9.5]] * needed)
    assert enough.found.status == "met"
    assert enough.found.slices[0].threshold == 1.0, "the first clip of each speaker, and no other"


def test_clips_of_named_speakers_are_negatives_each() -> None:
    trial = by_speaker([[1.0] * 50] * 3, "named")
    assert trial.found.slices[0].threshold == 1.0


@pytest.mark.parametrize("lost", ["failed", None])
def test_a_speaker_cannot_put_forward_another_clip_for_a_lost_one(lost: Outcome) -> None:
    """Else the first clips could be lost until the lowest score of every speaker comes first."""
    speakers_ = [[7.0, 1.0]] * 30 + [[1.0, 1.0]] * 170
    whole = by_speaker(speakers_)
    choosing = by_speaker([[lost, 1.0]] * 30 + [[1.0, 1.0]] * 170)
    assert whole.found.slices[0].threshold == 7.0
    assert choosing.found.slices[0].threshold in (None, 7.0)
    assert choosing.found.reason == "want_of_evidence"


# Judges.


@pytest.mark.parametrize("limit", [{"at_most": 0.2}, {"at_least": 0.8}])
def test_a_judge_moves_the_limit(limit: dict[str, float]) -> None:
    ((side, bound),) = limit.items()
    moved = moved_limit(bound, side, Answers(180, 200), Answers(200 - 190, 200), ALPHA)  # type: ignore[arg-type]
    refuting = refuting_limit(bound, side, Answers(180, 200), Answers(200 - 190, 200), ALPHA)  # type: ignore[arg-type]
    for hits in (0, 5, 10, 15, 25, 30, 60, 90, 100):
        trial = said([ONE] * hits + [ZERO] * (100 - hits), labels((180, 190)), **limit)
        bounds = clopper_pearson(hits, 100, ALPHA / 2)
        met = bounds.high <= moved if side == "at_most" else bounds.low >= moved
        assert trial.found.slices[0].tested_limit == moved
        assert (trial.found.status == "met") == met
        beyond = bounds.low > refuting if side == "at_most" else bounds.high < refuting
        assert (trial.found.status == "violated") == beyond
        assert trial.found.slices[0].refuting_limit == (refuting if beyond else None)
        assert (estimate(trial).low, estimate(trial).high) == bounds


@pytest.mark.parametrize(("side", "rate"), [("at_most", 0.19), ("at_least", 0.81)])
def test_a_rate_within_its_limit_is_hardly_ever_called_a_violation(side: str, rate: float) -> None:
    """At 5 % for the judge's bounds and the rate's together; a judge with one limit for both called it so in half of the runs."""
    rng, limit = np.random.default_rng(7), 0.2 if side == "at_most" else 0.8
    true, yes, no = int(400 * rate), 0.85, 0.1
    violations = 0
    for _ in range(60):
        hits = int(rng.binomial(true, yes) + rng.binomial(400 - true, no))
        judge = labels((int(rng.binomial(200, yes)), int(rng.binomial(200, 1 - no))))
        violations += said([ONE] * hits + [ZERO] * (400 - hits), judge, **{side: limit}).found.status == "violated"
    assert violations <= 3


@pytest.mark.parametrize("limit", [{"at_most": 0.2}, {"at_least": 0.8}])
def test_labels_that_were_lost_make_it_harder(limit: dict[str, float]) -> None:
    hurting = -1 if "at_most" in limit else 1
    full = said([ZERO] * 100, labels((180, 190)), **limit).found.slices[0].tested_limit
    assert full is not None
    for failed in ((3, 0), (0, 3), (3, 3)):
        answered = (180 - failed[0], 190 - failed[1])
        wrong = said([ZERO] * 100, labels((180, 190), failed=failed), **limit).found.slices[0].tested_limit
        right = said([ZERO] * 100, labels(answered, failed=failed), **limit).found.slices[0].tested_limit
        assert wrong is not None
        assert right is not None
        assert (wrong - full) * hurting >= 0
        assert (right - full) * hurting >= 0


@pytest.mark.parametrize(
    ("calibration", "why"),
    [
        (None, "judge was not measured on calibration items"),
        ([(0, None), (1, None)], "judge was not measured on calibration items"),
        (
            labels((0, 0), failed=(200, 200)),
            "the judge cannot decide: Se + Sp - 1 may be as low as -1.000, at least 0.2",
        ),
        (labels((100, 100)), "the judge cannot decide: Se + Sp - 1 may be as low as -0.1"),
        (labels((200, 0)), "the judge cannot decide: Se + Sp - 1 may be as low as -0.0"),
        (labels((190, 0), failed=(0, 200)), "the judge cannot decide: Se + Sp - 1 may be as low as -0."),
    ],
    ids=["none", "missing", "failed", "guessing", "always yes", "no specificity"],
)
def test_a_judge_that_cannot_decide_shows_nothing(calibration: list[Placed] | None, why: str) -> None:
    for gate in ([ZERO] * 100, [ONE] * 100):
        n = 1 if calibration is not None and len(calibration) == 2 else 200
        trial = said(gate, calibration, n=n)
        assert (trial.found.status, trial.found.reason) == ("not_shown", "want_of_evidence")
        assert trial.found.sentence.startswith(why)
        assert trial.decide().verdict == "incomplete"


def test_a_judge_needs_labels_of_both_kinds() -> None:
    trial = said([ZERO] * 100, [(0, ONE)] * 200)
    trial.calibration_cells = trial.calibration_cells[:1]
    assert trial.found.reason == "want_of_evidence"
    assert trial.found.sentence == "a judge needs labelled items of both kinds"


# Whose calibration it is.


def test_the_gate_items_of_an_eval_never_calibrate_it() -> None:
    """Same eval, same checkpoint, other role: the judge's answers on gate items say nothing of the judge."""
    trial = said([ZERO] * 100, labels((190, 190)))
    plan = trial.plan
    calibration = plan.find("tested", "source", "calibration")
    gate = plan.find("tested", "source")
    assert calibration is not None
    assert gate is not None
    columns = dict(trial.evidence(plan).columns)
    del columns[plan.identity(calibration)]
    decision = decide(trial.policy, plan, Evidence(columns, "sha256:" + "0" * 64), None, OPENED)
    assert finding(decision, "tested").sentence == "judge was not measured on calibration items"


def test_code_that_does_not_load_is_named_before_the_judge_that_it_left_unmeasured() -> None:
    trial = said([ZERO] * 100, labels((190, 190)))
    why = "evals/tested/harness.py:3: does not load: ModuleNotFoundError: No module named 'PIL'"
    unloaded = tuple(m.model_copy(update={"problem": why, "cells": ()}) for m in trial.plan.measurements)
    plan = trial.plan.model_copy(update={"measurements": unloaded})
    decision = decide(trial.policy, plan, Evidence({}, "sha256:" + "0" * 64), None, OPENED)
    found = finding(decision, "tested")
    assert (found.status, found.reason) == ("not_shown", "want_of_evidence")
    assert found.sentence == f"nothing of it was measured: {why}"
    assert found.settle is not None
    assert found.settle.startswith("mend what does not load, or install what it imports")
    assert finding(without_reasons(decision), "tested").sentence == "nothing of it was measured"


def test_calibration_that_was_measured_on_another_checkpoint_is_refused() -> None:
    trial = said([ZERO] * 100, labels((190, 190)))
    plan = trial.plan
    calibration = plan.find("tested", "source", "calibration")
    assert calibration is not None
    columns = dict(trial.evidence(plan).columns)
    identity = plan.identity(calibration)
    columns[identity] = replace(columns[identity], model=STRIPPED_MODEL.digest())
    with pytest.raises(EvidenceUntrusted, match="evidence of tested on source: was measured on "):
        decide(trial.policy, plan, Evidence(columns, "sha256:" + "0" * 64), None, OPENED)


def test_calibration_of_another_eval_is_none() -> None:
    """Two evals with an instrument of one name: each is calibrated by its own items."""
    trial = said([ZERO] * 100, labels((190, 190)))
    plan = trial.plan
    calibration = plan.find("tested", "source", "calibration")
    assert calibration is not None
    elsewhere = calibration.model_copy(update={"eval": "other"})
    moved = plan.model_copy(
        update={
            "measurements": tuple(elsewhere if m is calibration else m for m in plan.measurements),
            "cards": {**plan.cards, "other": plan.cards["tested"]},
        }
    )
    gate = moved.find("tested", "source")
    assert gate is not None
    samples = placed_samples(elsewhere, labels((190, 190)))
    columns = {
        moved.identity(elsewhere): collected(elsewhere, samples, moved),
        moved.identity(gate): collected(gate, placed_samples(gate, trial.gate), moved),
    }
    decision = decide(trial.policy, moved, Evidence(columns, "sha256:" + "0" * 64), None, OPENED)
    assert finding(decision, "tested").sentence == "judge was not measured on calibration items"


def test_calibration_is_planned_once_and_bound_to_its_instruments() -> None:
    trial = said([ZERO] * 100, labels((190, 190)))
    plan = trial.plan
    roles = [(m.checkpoint, m.role) for m in plan.measurements if m.eval == "tested"]
    assert roles == [("source", "gate"), ("source", "calibration")]
    calibration = plan.find("tested", "source", "calibration")
    assert calibration is not None
    other = calibration.model_copy(update={"instruments": {"judge": "sha256:" + "9" * 64}})
    assert plan.identity(other) != plan.identity(calibration), "another judge needs another calibration"


# Sampled clusters.


@pytest.mark.parametrize("each", [1, 5, 25])
def test_few_perfect_speakers_cannot_show_a_high_limit(each: int) -> None:
    """Fourteen perfect speakers show at most 0.81 at 5 %, and less at the effective alpha, whatever each of them says."""
    perfect = [[ONE] * each] * 14
    high = speakers(perfect, at_least=0.8)
    assert ceiling(14, ALPHA) < 0.8
    assert (high.found.status, high.found.reason) == ("not_shown", "unsettled")
    assert high.found.settle == "more than 14 clusters: however many items each has, it counts once"
    assert speakers(perfect, at_least=0.6).found.status == "met"
    assert estimate(high).low < ceiling(14, ALPHA)


def test_more_clips_of_the_same_speakers_narrow_nothing() -> None:
    means = [0.8 if i % 2 else 1.0 for i in range(40)]
    bounds = []
    for each in (5, 25, 100):
        cells: list[list[Outcome]] = [[ONE] * round(m * each) + [ZERO] * round((1 - m) * each) for m in means]
        found = estimate(speakers(cells))
        bounds.append((found.low, found.high))
        assert found.clusters == 40
    assert bounds[1] == pytest.approx(bounds[0])
    assert bounds[2] == pytest.approx(bounds[0])
    pooled_low = clopper_pearson(3600, 4000, ALPHA).low
    assert bounds[2][0] < pooled_low - 0.03


def test_speakers_count_alike_however_many_clips_each_has() -> None:
    few, many = [ZERO] * 2, [ONE] * 38
    named = [{"speaker": "s0", "attack": "a0"}, {"speaker": "s1", "attack": "a0"}]
    gate = [(0, o) for o in few] + [(1, o) for o in many]
    trial = Trial(clustered("sampled"), "right", {"at_least": 0.5}, gate, labels=named)
    assert estimate(trial).value == 0.5


@pytest.mark.parametrize("lost", ["failed", None])
def test_lost_clips_hurt_their_own_speaker(lost: Outcome) -> None:
    good: list[list[Outcome]] = [[ONE] * 5 for _ in range(60)]
    whole = speakers(good)
    hurt = speakers([[lost] * 5, *good[1:]])
    wrong = speakers([[ZERO] * 5, *good[1:]])
    assert whole.found.status == hurt.found.status == "met"
    assert estimate(hurt).low == estimate(wrong).low < estimate(whole).low
    assert estimate(hurt).scored == 295
    many = speakers([[lost] * 5] * 4 + good[4:])
    assert many.found.reason == "want_of_evidence"


def test_the_order_of_records_and_of_speakers_is_no_choice() -> None:
    cells: list[list[Outcome]] = [drawn(0.5 + 0.5 * (i % 2), 5) for i in range(40)]
    trial = speakers(cells)
    shuffled = random.Random(1).sample(range(200), 200)
    assert trial.decide(shuffled) == trial.decide()


def test_items_without_a_speaker_belong_to_no_cluster() -> None:
    gate = by_turns([[ONE] * 5] * 40)
    labels_ = [{"speaker": f"s{i:03}", "attack": "a0"} if i else {"attack": "a0"} for i in range(40)]
    trial = Trial(clustered("sampled"), "right", {"at_least": 0.5}, gate, labels=labels_)
    assert trial.found.reason == "want_of_evidence"
    assert trial.found.sentence == "items without a speaker belong to no cluster"
    assert trial.found.settle == "label every item with its cluster"


def test_a_mean_of_sampled_speakers_is_bet_on_in_its_own_unit() -> None:
    card = clustered("sampled", quality=QUALITY)
    named = [{"speaker": f"s{i:03}", "attack": "a0"} for i in range(60)]
    trial = Trial(card, "quality", {"at_least": 20.0}, by_turns([[50.0, 40.0]] * 60), labels=named)
    assert trial.found.status == "met"
    assert estimate(trial).value == 45
    assert 20 < estimate(trial).low < 45
    lost = replace(trial, gate=by_turns([[50.0, "failed"]] * 3 + [[50.0, 40.0]] * 57))
    assert estimate(lost).low < estimate(trial).low


# A requirement that gates no slice at all.


@pytest.mark.parametrize("slices", [(), "all"])
def test_a_requirement_without_a_slice_shows_nothing(slices: Any) -> None:
    """`check` refuses such a policy; should one get here, "every slice holds" is not true of none."""
    card = eval_card({"right": RIGHT}, slices={"digit": {"title": "Digit"}})
    trial = Trial(card, "right", {"at_least": 0.5, "slices": slices}, pooled(MANY))
    assert (trial.found.status, trial.found.reason) == ("not_shown", "want_of_evidence")


def test_every_method_says_why_and_what_would_settle_it() -> None:
    trials = {
        "at least 0.8 is shown: 100 of 100, lower bound": share(MANY),
        "at least 0.8 is shown: 100 of 100 above a score of 1.89, lower bound": caught([9.0] * 100, scores()),
    }
    for start, trial in trials.items():
        assert trial.found.sentence.startswith(start), trial.found.sentence
        assert trial.found.settle is None


def test_want_of_evidence_in_a_sequence_says_how_far_it_got() -> None:
    gap = sequential([ONE] * 4 + ["failed", None] + [ONE] * 94)
    assert gap.found.sentence == (
        "5 of 100 planned items stand before the decision or the first one without a record, and 1 of them failed: "
        "ValueError: broken"
    )
    assert gap.found.settle == "measure all 100 planned items"


def test_half_of_alpha_is_called_half() -> None:
    trial = said([ONE] * 13 + [ZERO] * 87, labels((190, 190)))
    assert trial.found.status == "not_shown"
    assert trial.found.settle is not None
    assert trial.found.settle.startswith("13 hits in 100; needs ")
    assert trial.found.settle.endswith(" items at that rate for 0.2 at half of the effective alpha, 0.0152")
    assert f"(tested at {trial.found.slices[0].tested_limit:.4f} for the judge's errors)" in trial.found.sentence
    cut = caught([9.0] * 10 + [ONE] * 90, scores(), at_most=0.2)
    assert "10 of 100 at or above a score of" in cut.found.sentence
