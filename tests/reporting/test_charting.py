"""The intervals of a capability, drawn."""

from __future__ import annotations

import re

from releasegate.decision import Decision
from releasegate.plan import Plan
from releasegate.reporting.charts.forest import WIDE, forest
from releasegate.reporting.comparing.intervals import interval_charts
from releasegate.reporting.findings.charting import MOST_MET, MOST_SLICES, charts
from releasegate.reporting.views.charts import Chart
from tests.tiny_gates import finding
from tests.tiny_methods import Trial, by_turns, eval_card, pooled


def drawn(decision: Decision, plan: Plan) -> Chart:
    (chart,) = charts([finding(decision, "tested")], plan)
    return chart


def test_the_axis_of_a_mean_reaches_as_far_as_the_mean_may_and_names_its_unit() -> None:
    metric = {"title": "Tokens", "type": "bounded_mean", "unit": "tokens a step", "range": (0, 3), "better": "higher"}
    trial = Trial(eval_card({"tokens": metric}), "tokens", {"at_most": 0.5}, gate=pooled([2.0] * 60))
    chart = drawn(trial.decide(), trial.plan)
    interval = chart.rows[-1].interval
    assert interval is not None
    assert interval[1] > 1
    assert chart.domain[0] <= interval[0]
    assert interval[1] <= chart.domain[1] <= 3
    assert chart.axis == "tokens a step; a part of 0 to 3 is drawn"


def test_the_axis_of_a_share_is_one_of_items() -> None:
    metric = {"title": "Hit", "type": "bernoulli", "unit": "share", "range": (0, 1), "better": "higher"}
    trial = Trial(eval_card({"hit": metric}), "hit", {"at_most": 0.9}, gate=pooled([0.0, 1.0] * 30))
    chart = drawn(trial.decide(), trial.plan)
    assert (chart.domain, chart.axis) == ((0.0, 1.0), "share of items")


def test_the_dimensions_of_slices_are_named_once_above_their_values() -> None:
    metric = {"title": "Hit", "type": "bernoulli", "unit": "share", "range": (0, 1), "better": "higher"}
    cells = [{"attack": "none"}, {"attack": "noise"}]
    trial = Trial(
        eval_card({"hit": metric}),
        "hit",
        {"at_most": 0.9, "slices": ["attack"]},
        gate=by_turns([[0.0] * 40, [1.0] * 40]),
        labels=cells,
    )
    rows = drawn(trial.decide(), trial.plan).rows
    assert [row.label for row in rows] == ["tested · as trained, by Attack", "noise", "none"]


def test_an_axis_that_shows_a_part_says_of_what() -> None:
    metric = {"title": "Hit", "type": "bernoulli", "unit": "share", "range": (0, 1), "better": "higher"}
    trial = Trial(eval_card({"hit": metric}), "hit", {"at_most": 0.05}, gate=pooled([0.0] * 200))
    chart = drawn(trial.decide(), trial.plan)
    assert chart.domain[1] < 0.1
    assert chart.axis == "share of items; a part of 0 to 1 is drawn"


def test_of_slices_that_are_all_met_a_few_are_drawn_and_the_rest_are_counted() -> None:
    metric = {"title": "Hit", "type": "bernoulli", "unit": "share", "range": (0, 1), "better": "higher"}
    cells = [{"attack": f"a{i:02}"} for i in range(30)]
    limit = {"at_most": 0.5, "slices": ["attack"]}
    met = Trial(eval_card({"hit": metric}), "hit", limit, gate=by_turns([[0.0] * 40] * 30), labels=cells)
    rows = drawn(met.decide(), met.plan).rows
    assert [row.tone for row in rows[1:]] == ["met"] * MOST_MET
    assert rows[0].numbers == f"{30 - MOST_MET} more slices"
    worst = Trial(eval_card({"hit": metric}), "hit", limit, gate=by_turns([[1.0] * 40] * 30), labels=cells)
    assert [row.tone for row in drawn(worst.decide(), worst.plan).rows[1:]] == ["violated"] * MOST_SLICES


def test_a_unit_without_end_leaves_the_drawings_as_wide_as_they_were() -> None:
    def widths(unit: str) -> list[float]:
        metric = {"title": "T", "type": "bounded_mean", "unit": unit, "range": (0, 3), "better": "higher"}
        trial = Trial(eval_card({"t": metric}), "t", {"at_most": 0.5}, gate=pooled([2.0] * 60))
        decision = trial.decide()
        (found,) = decision.findings
        (compared,) = interval_charts(found, found, trial.plan.card_of(found.metric))
        boxes = [
            re.search(r'viewBox="0 0 ([\d.]+)', forest(c, WIDE, {})) for c in (drawn(decision, trial.plan), compared)
        ]
        return [float(box[1]) for box in boxes if box is not None]

    (of_report, of_comparison), (usual, usual_of_comparison) = widths("x" * 3_000), widths("dB")
    assert of_report <= usual * 1.3
    assert of_comparison <= usual_of_comparison * 1.3


def test_a_requirement_without_an_interval_keeps_its_row() -> None:
    metric = {"title": "Hit", "type": "bernoulli", "unit": "share", "range": (0, 1), "better": "higher"}
    trial = Trial(eval_card({"hit": metric}), "hit", {"at_most": 0.9}, gate=pooled([0.0, 1.0] * 30))
    found = finding(trial.decide(), "tested")
    bare = found.slices[0].estimate.model_copy(update={"value": None, "low": None, "high": None, "scored": 0})
    wanting = {"status": "not_shown", "reason": "want_of_evidence", "estimate": bare}
    lost = found.model_copy(
        update={**wanting, "requirement": "lost", "slices": (found.slices[0].model_copy(update=wanting),)}
    )
    (chart,) = charts([found, lost], trial.plan)
    assert [(row.label, row.numbers) for row in chart.rows][1] == ("lost · as trained", "no interval")
    assert "lost" in forest(chart, WIDE, {})
    assert charts([lost], trial.plan) == ()


def test_the_limit_that_refuted_a_claim_is_drawn_in_a_report_and_in_a_comparison() -> None:
    metric = {"title": "T", "type": "bernoulli", "unit": "share", "range": (0, 1), "better": "lower"}
    trial = Trial(eval_card({"t": metric}), "t", {"at_most": 0.2}, gate=pooled([1.0] * 60))
    (found,) = trial.decide().findings
    refuted = found.slices[0].model_copy(update={"tested_limit": 0.19, "refuting_limit": 0.24})
    finding = found.model_copy(update={"slices": (refuted,)})
    (report,) = charts((finding,), trial.plan)
    (comparison,) = interval_charts(finding, finding, trial.plan.card_of(finding.metric))
    assert {row.limit for row in (*report.rows, *comparison.rows)} == {0.24}
