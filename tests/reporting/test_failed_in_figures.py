"""What fails counts against the release in every figure, as it does in a decision, and is told in its text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from releasegate.evalcard import Metric
from releasegate.intervals import clopper_pearson
from releasegate.reporting.figures.roc import area_under
from releasegate.reporting.figures.valued import of_tally
from releasegate.reporting.findings.measures import ungated
from releasegate.reporting.gathered.cuts import Cut
from releasegate.reporting.gathered.tallying import Tally
from releasegate.reporting.views.figures import Heatmap, HeatRow, Line, Tradeoff, ValueTable
from releasegate.reporting.views.pair import Pair
from releasegate.reporting.views.report import ReportView
from releasegate.reporting.wording.numbers import share
from tests.reporting.audio_run import METRICS, SHARE, Shape, audio_run
from tests.reporting.example_run import Example
from tests.reporting.test_figures import cut, figure, samples, viewed

TPR = Metric.model_validate_json(
    '{"title": "T", "type": "thresholded", "unit": "", "range": [0, 1], "better": "higher", '
    '"threshold": {"negatives": "clean", "rate": 0.1}}'
)
LOST = {("tpr", "none"): 25, ("fpr", "noise"): 20, ("tpr", "noise"): 3, ("usable", "noise"): 19}
"""Of 30 clips of each speaker, attack and strength; of 20 of an attack."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return audio_run(tmp_path_factory.mktemp("lost") / "run", Shape(failed=LOST))


@pytest.fixture(scope="module")
def view(made: Example) -> ReportView:
    return viewed(made)


def row(view: ReportView, attack: str) -> tuple[Pair, ...]:
    table: ValueTable = figure(view, ValueTable)
    return next(one.cells for one in table.rows if one.label == attack)


def heat(view: ReportView, attack: str, number: int = 0) -> HeatRow:
    shown: Heatmap = figure(view, Heatmap, number)
    return next(one for one in shown.rows if one.label == attack)


def line(view: ReportView, label: str) -> Line:
    shown: Tradeoff = figure(view, Tradeoff)
    return next(one for one in shown.lines if one.label == label)


def flagged(made: Example, metric: str, attack: str) -> int:
    return sum(s.values[metric] > cut(made) for s in samples(made, metric, attack=attack))


def test_one_hit_among_failures_is_no_perfect_share() -> None:
    tally = Tally()
    tally.score(0.9, TPR, Cut(0.5, "at_least"))
    for _ in range(51):
        tally.fail("lost", TPR, Cut(0.5, "at_least"))
    found = of_tally(tally, TPR)
    assert (found.value, found.n) == (1 / 52, 52)
    assert found.counted == "1 of 52, 51 failed, counted as misses"
    low, high = clopper_pearson(1, 52, 0.025)
    assert (found.low, found.high) == (share(low), share(high))


@pytest.mark.parametrize("scored", [0, 1, 7])
@pytest.mark.parametrize("kind", ["bernoulli", "bounded_mean", "thresholded"])
@pytest.mark.parametrize("better", ["higher", "lower"])
def test_a_failure_is_never_better_than_any_value(kind: str, better: str, scored: int) -> None:
    """Whatever a failed item might have been, its place is no better than that."""
    metric = TPR.model_copy(update={"type": kind, "better": better})
    at = Cut(0.5, "at_least") if kind == "thresholded" else None
    sign = 1 if better == "higher" else -1
    lost, best = Tally(), []
    for value in (0.0, 1.0):
        whole = Tally()
        for tally in (lost, whole) if not value else (whole,):
            for _ in range(scored):
                tally.score(1.0, metric, at)
        whole.score(value, metric, at)
        best.append(of_tally(whole, metric).value)
    lost.fail("lost", metric, at)
    found = of_tally(lost, metric).value
    assert found is not None
    assert all(one is not None and sign * found <= sign * one for one in best)
    assert found in best


def test_failed_positives_are_misses_in_the_table_and_the_heat_map(made: Example, view: ReportView) -> None:
    hits = flagged(made, "tpr", "none")
    assert hits <= 10
    assert row(view, "none")[0] == Pair(share(hits / 60), f"{hits} of 60, 50 failed, counted as misses")
    (cell,) = [c for c in heat(view, "none").cells if c is not None]
    assert (cell.text, cell.counted) == (share(hits / 60), f"{hits} of 60, 50 failed, counted as misses")
    assert cell.level == round(10 * hits / 60)


def test_failed_negatives_are_false_alarms(made: Example, view: ReportView) -> None:
    alarms = flagged(made, "fpr", "noise") + 80
    assert row(view, "noise")[1] == Pair(share(alarms / 120), f"{alarms} of 120, 80 failed, counted as hits")
    assert heat(view, "noise", 1).cells[0] is not None
    (ungated_fpr,) = [m for m in ungated_of(made) if m.metric == "watermark/fpr"]
    assert (
        ungated_fpr.counted
        == f"{flagged(made, 'fpr', 'none') + flagged(made, 'fpr', 'pitch') + alarms} of 240, "
        + ("80 failed, counted as hits")
    )


def ungated_of(made: Example):
    from releasegate.reporting import gather

    return ungated(gather(made.run, made.plan, made.decision), made.plan)


def test_a_line_of_the_trade_off_has_its_mark_where_the_counts_are(made: Example, view: ReportView) -> None:
    shown = line(view, "noise")
    hits, alarms = flagged(made, "tpr", "noise"), flagged(made, "fpr", "noise") + 80
    assert shown.mark == (alarms / 120, hits / 120)
    assert shown.detected == f"{share(hits / 120)} ({hits} of 120, 12 failed, counted as misses)"
    assert shown.flagged == f"{share(alarms / 120)} ({alarms} of 120, 80 failed, counted as hits)"
    assert min(false for false, true in shown.points if true > 0) >= 80 / 120
    assert max(true for false, true in shown.points if false < 1) <= 108 / 120
    assert shown.points[-1] == (1.0, 1.0)
    pooled = line(view, "the threat set, pooled")
    assert "62 failed, counted as misses" in pooled.detected
    assert "80 failed, counted as hits" in pooled.flagged


def test_the_area_counts_every_pair_with_a_failure_as_lost(made: Example, view: ReportView) -> None:
    positives = [s.values["tpr"] for s in samples(made, "tpr", attack="noise")]
    negatives = [s.values["fpr"] for s in samples(made, "fpr", attack="noise")]
    assert (len(positives), len(negatives)) == (108, 40)
    wins = sum((p > n) + (p == n) / 2 for p in positives for n in negatives)
    area = wins / 120 / 120
    shown = row(view, "noise")[2]
    value, _, slack = shown.name.partition(" ± ")
    assert abs(float(value) - area) <= float(slack or 0) + 0.001
    assert shown.text == "120 against 120 items, 92 failed, counted as told apart wrongly"
    assert line(view, "noise").area == shown.name


def test_a_mean_takes_failures_at_the_end_of_its_range_that_hurts(made: Example, view: ReportView) -> None:
    pesq = [s.values["pesq"] for s in samples(made, "pesq", attack="none")]
    low = METRICS["pesq"]["range"][0]
    shown = row(view, "none")[5]
    assert float(shown.name) == pytest.approx((sum(pesq) + 50 * low) / 60, abs=5e-4)
    assert shown.text == "60 items, 50 failed, counted as 1"


def test_what_was_calibrated_counts_its_failures_too(view: ReportView) -> None:
    assert row(view, "noise")[4] == Pair("0.050", "1 of 20, 19 failed, counted as misses")


def test_a_value_of_which_everything_failed_comes_first(tmp_path: Path) -> None:
    lost = {("tpr", "none"): 30, ("fpr", "none"): 30}
    shown = viewed(audio_run(tmp_path / "run", Shape(failed=lost)))
    table: ValueTable = figure(shown, ValueTable)
    assert [one.label for one in table.rows] == ["none", "pitch", "noise", "splice"]
    assert table.rows[0].cells[0] == Pair("0.000", "0 of 60, 60 failed, counted as misses")
    assert table.rows[0].cells[1] == Pair("1.000", "60 of 60, 60 failed, counted as hits")
    assert table.rows[0].cells[2].name == "0.000"
    assert figure(shown, Heatmap).rows[0].label == "none"
    assert line(shown, "none").mark == (1.0, 0.0)


def test_what_a_requirement_wants_small_counts_failures_as_hits(tmp_path: Path) -> None:
    """The requirement decides, not what the card calls better: a failed attempt at misuse is a success."""
    lost = {("tpr", "pitch"): 10}
    made = audio_run(tmp_path / "run", Shape(failed=lost, keys={"at_least": None, "at_most": 0.9}))
    assert made.plan.policy.capabilities[0].safeguards is not None
    shown = row(viewed(made), "pitch")[0]
    assert shown.text.endswith("of 60, 20 failed, counted as hits")
    assert int(shown.text.split()[0]) >= 20


def test_reported_values_leave_failures_out_and_say_so() -> None:
    metric = Metric.model_validate_json(
        '{"title": "S", "type": "report_only", "unit": "dB", "range": [-100, 100], "better": "higher"}'
    )
    tally = Tally()
    tally.score(12.0, metric, None)
    tally.fail("no speech is left")
    found = of_tally(tally, metric)
    assert (found.value, found.counted) == (12.0, "1 item, 1 failed and left out")


def test_failures_lie_beyond_every_score() -> None:
    """Also beyond scores at the very ends of the range, with which they never tie."""
    low, high = Tally(high_hurts=False), Tally(high_hurts=True)
    low.score(0.0, TPR, None)
    low.fail("lost")
    high.score(1.0, TPR, None)
    high.fail("lost")
    one, other = low.histogram(TPR), high.histogram(TPR)
    assert one is not None
    assert other is not None
    assert (one[0], one[1], one[-1]) == (1, 1, 0)
    assert (other[0], other[-2], other[-1]) == (0, 1, 1)
    worst = Tally(high_hurts=True)
    worst.fail("lost")
    lost = worst.histogram(TPR)
    assert lost is not None
    best = Tally(high_hurts=False)
    best.score(1.0, TPR, None)
    found = best.histogram(TPR)
    assert found is not None
    assert area_under(found, lost) == (0.0, 0.0)
    assert Tally().histogram(TPR) is None
    assert np.array_equal(low.bins if low.bins is not None else [], one[1:-1])


def test_an_instrument_that_fails_was_wrong_whatever_it_judges() -> None:
    assert SHARE["better"] == "higher"
    metric = Metric.model_validate_json(
        '{"title": "Se", "type": "bernoulli", "unit": "", "range": [0, 1], "better": "higher", "of_instrument": "judge", '
        '"shows": "sensitivity"}'
    )
    tally = Tally()
    tally.score(1.0, metric, None)
    tally.fail("lost")
    assert of_tally(tally, metric).counted == "1 of 2, 1 failed, counted as misses"
