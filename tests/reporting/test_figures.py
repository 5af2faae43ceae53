"""What a report draws: heat maps, trade-offs, tables and scores over time, with the numbers that the samples give."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from releasegate.decision import decide
from releasegate.evidence import Measured
from releasegate.plan import SOURCE
from releasegate.reporting import gather, make_view, render_report, templates_of
from releasegate.reporting.views.figures import Heatmap, Timeline, Tradeoff, ValueTable
from releasegate.reporting.views.report import ReportView
from releasegate.repository import GateRepository, starter
from tests.reporting.audio_run import FIGURES, Shape, audio_run
from tests.reporting.example_run import Example, rendered, viewed
from tests.reporting.test_report import HOSTILE, Tags
from tests.tiny_gates import OPENED


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return audio_run(tmp_path_factory.mktemp("audio") / "run")


@pytest.fixture(scope="module")
def view(made: Example) -> ReportView:
    return viewed(made)


@pytest.fixture(scope="module")
def page(made: Example) -> str:
    return rendered(made)


def figure(view: ReportView, kind: type, number: int = 0) -> Any:
    (group,) = view.figures
    return [one for one in group.figures if isinstance(one, kind)][number]


def samples(made: Example, metric: str, **labels: str) -> list[Measured]:
    measurement = made.plan.find("watermark", SOURCE)
    assert measurement is not None
    return [
        sample
        for sample in made.run.evidence.samples(made.plan, measurement)
        if isinstance(sample, Measured)
        and metric in sample.values
        and all(sample.labels.get(name) == value for name, value in labels.items())
    ]


def cut(made: Example) -> float:
    value = made.decision.capabilities[0].findings[0].slices[0].threshold
    assert value is not None
    return value


def flagged(made: Example, metric: str, **labels: str) -> str:
    found = samples(made, metric, **labels)
    return f"{sum(s.values[metric] > cut(made) for s in found)} of {len(found)}"


def test_the_card_says_which_figures_there_are_and_in_which_order(view: ReportView) -> None:
    (group,) = view.figures
    assert [one.kind for one in group.figures] == [one["kind"] for one in FIGURES]


def test_a_card_without_figures_has_none(tmp_path: Path) -> None:
    page = rendered(audio_run(tmp_path / "run", Shape(figures=None)))
    assert 'id="figures"' not in page
    assert 'href="#figures"' not in page


# Heat maps.


def test_cells_of_a_heat_map_are_shares_at_the_frozen_threshold(made: Example, view: ReportView) -> None:
    shown: Heatmap = figure(view, Heatmap)
    cells = {(row.label, cell.label): cell for row in shown.rows for cell in row.cells if cell is not None}
    assert cells.keys() == {("none", "(none)"), ("noise", "2db"), ("noise", "10db"), ("pitch", "2st")}
    assert cells["noise", "2db"].counted == flagged(made, "tpr", attack="noise", strength="2db")
    assert cells["pitch", "2st"].counted == flagged(made, "tpr", attack="pitch")
    assert cells["none", "(none)"].counted == flagged(made, "tpr", attack="none")
    assert cells["noise", "2db"].level > cells["pitch", "2st"].level


def test_rows_with_strengths_of_their_own_list_them_in_the_order_of_their_numbers(view: ReportView) -> None:
    shown: Heatmap = figure(view, Heatmap)
    assert shown.columns == ()
    noise = next(row for row in shown.rows if row.label == "noise")
    assert [cell.label for cell in noise.cells if cell is not None] == ["2db", "10db"]


def test_rows_that_share_columns_have_one_head(made: Example, view: ReportView) -> None:
    shown: Heatmap = figure(view, Heatmap, 1)
    assert shown.columns == ("ann", "bob")
    assert [row.label for row in shown.rows if row.standing == "outside"] == ["pitch"]
    for row in shown.rows:
        counted = [cell.counted for cell in row.cells if cell is not None]
        assert counted == [flagged(made, "fpr", attack=row.label, speaker=name) for name in ("ann", "bob")]


def test_the_worst_row_of_a_heat_map_comes_first(view: ReportView) -> None:
    assert figure(view, Heatmap).rows[0].label == "pitch"
    worst = [max(float(c.text) for c in row.cells if c is not None) for row in figure(view, Heatmap, 1).rows]
    assert worst == sorted(worst, reverse=True)


def test_a_cell_without_items_is_empty(tmp_path: Path) -> None:
    shape = Shape(figures=[{"kind": "heatmap", "metric": "tpr", "rows": "strength", "columns": "speaker"}])
    made = audio_run(tmp_path / "run", shape)
    page = rendered(made)
    assert "no items" not in page
    wide = Shape(figures=[{"kind": "heatmap", "metric": "auc", "rows": "speaker", "columns": "attack"}])
    shown: Heatmap = figure(viewed(audio_run(tmp_path / "other", wide)), Heatmap)
    assert shown.columns == ("noise", "none", "pitch")


# Trade-offs.


def test_a_trade_off_marks_the_frozen_threshold_where_the_samples_put_it(made: Example, view: ReportView) -> None:
    shown: Tradeoff = figure(view, Tradeoff)
    by_label = {line.label: line for line in shown.lines}
    assert list(by_label) == ["the threat set, pooled", "noise", "none", "pitch"]
    pitch = by_label["pitch"]
    assert pitch.standing == "outside"
    assert flagged(made, "tpr", attack="pitch") in pitch.detected
    assert flagged(made, "fpr", attack="pitch") in pitch.flagged
    assert pitch.mark is not None
    hits, n = flagged(made, "tpr", attack="pitch").split(" of ")
    assert pitch.mark[1] == int(hits) / int(n)
    pooled = samples(made, "tpr", attack="none") + samples(made, "tpr", attack="noise")
    assert (
        f"({sum(s.values['tpr'] > cut(made) for s in pooled)} of {len(pooled)})"
        in by_label["the threat set, pooled"].detected
    )


def test_the_curve_passes_through_the_mark(view: ReportView) -> None:
    """Within the width of a bin: no point lies left above the mark and right below it by more than one score."""
    for line in figure(view, Tradeoff).lines:
        assert line.mark is not None
        x, y = line.mark
        assert any(abs(px - x) <= 1 / 60 + 1e-9 and abs(py - y) <= 1 / 60 + 1e-9 for px, py in line.points)


def test_the_area_of_a_slice_is_that_of_its_scores(made: Example, view: ReportView) -> None:
    positives = [s.values["tpr"] for s in samples(made, "tpr", attack="pitch")]
    negatives = [s.values["fpr"] for s in samples(made, "fpr", attack="pitch")]
    area = sum((p > n) + (p == n) / 2 for p in positives for n in negatives) / len(positives) / len(negatives)
    text = next(line.area for line in figure(view, Tradeoff).lines if line.label == "pitch")
    value, _, slack = text.partition(" ± ")
    assert abs(float(value) - area) <= float(slack or 0) + 0.001
    table: ValueTable = figure(view, ValueTable)
    assert next(row.cells[2].name for row in table.rows if row.label == "pitch") == text


def test_without_a_frozen_threshold_nothing_is_marked_and_scores_are_called_that(tmp_path: Path) -> None:
    made = audio_run(tmp_path / "run")
    other = make_view(made.decision, made.plan, None, gather(made.run, made.plan), made.run.outputs)
    shown: Tradeoff = figure(other, Tradeoff)
    assert {line.mark for line in shown.lines} == {None}
    assert shown.threshold == "no threshold was frozen"
    assert figure(other, Heatmap).title == "Marked clips detected: score"
    assert "mean score of 60 items" in {c.counted for row in figure(other, Heatmap).rows for c in row.cells if c}
    page = render_report(other, templates_of(GateRepository(starter())))
    assert "Clean clips flagged: score" in page[page.index("Measured and not gated") :]


def test_a_chart_has_a_text_alternative_its_numbers_and_no_colour_of_its_own(page: str) -> None:
    part = page[page.index('<section id="figures"') : page.index('<section id="samples"')]
    drawings = re.findall(r'<svg [^>]*role="img".*?</svg>', part, re.DOTALL)
    assert len(drawings) == 2 + 2 * 4  # for a desk and for a phone
    for drawing in drawings:
        assert re.search(r'aria-label="[^"]{40,}"', drawing)
        assert not re.search(r'(?:fill|stroke)="(?:#|rgb)', drawing)
    assert "Line 4, pitch: " in drawings[0]
    assert 'aria-label="Trade-off in numbers: Marked clips detected against Clean clips flagged, as trained"' in part


def test_two_thresholds_are_no_point_of_one_curve(tmp_path: Path) -> None:
    made = audio_run(tmp_path / "run", Shape(clean={"at_most": 0.5}))
    shown: Tradeoff = figure(viewed(made), Tradeoff)
    assert {line.mark for line in shown.lines} == {None}
    assert shown.threshold.startswith("each kind has a threshold of its own, 0.")
    own = made.decision.capabilities[0].findings[1].slices[0].threshold
    assert own is not None
    found = samples(made, "fpr", attack="pitch")
    counted = f"({sum(s.values['fpr'] >= own for s in found)} of {len(found)})"
    assert counted in next(line.flagged for line in shown.lines if line.label == "pitch")


# Tables.


def test_a_table_has_every_value_worst_first_with_what_each_number_rests_on(made: Example, view: ReportView) -> None:
    table: ValueTable = figure(view, ValueTable)
    assert [row.label for row in table.rows] == ["pitch", "noise", "none", "splice"]
    assert [row.standing for row in table.rows] == ["outside", "gated", "gated", "outside"]
    pitch, splice = table.rows[0].cells, table.rows[-1].cells
    assert [cell.text for cell in pitch] == [
        flagged(made, "tpr", attack="pitch"),
        flagged(made, "fpr", attack="pitch"),
        "60 against 60 items",
        "",
        "20 of 20",
        "60 items",
    ]
    pesq = [s.values["pesq"] for s in samples(made, "pesq", attack="pitch")]
    assert float(pitch[5].name) == pytest.approx(sum(pesq) / len(pesq), abs=5e-4)
    assert [cell.name for cell in splice[:3]] == ["–", "–", "–"]
    assert splice[3].text == "16 items"


def test_a_replay_with_another_threat_set_is_drawn_by_that_set(made: Example) -> None:
    plain = made.plan.policy.plain()
    marked = plain["capabilities"][0]["safeguards"]["watermark"][0]
    marked["values"] = {"attack": ["none"], "speaker": ["bob"]}
    policy = type(made.plan.policy).from_text(json.dumps(plain))
    decision = decide(policy, made.plan, made.run.evidence.read(made.plan), None, OPENED)
    again = viewed(Example(made.run, made.plan, decision, None))
    pooled = figure(again, Tradeoff).lines[0]
    assert "of 30)" in pooled.detected
    assert [row.label for row in figure(again, ValueTable).rows if row.standing == "gated"] == ["none"]


# Everything else that shows scores.


def test_ungated_shares_are_counted_at_the_threshold_of_their_partner(made: Example, page: str) -> None:
    ungated = page[page.index("Measured and not gated") :]
    row = ungated[ungated.index("Clean clips flagged") :]
    assert f"<td>{flagged(made, 'fpr')}</td>" in row[: row.index("</tr>")]
    area = ungated[ungated.index("Area under the curve") :]
    assert "240 against 240 items" in area[: area.index("</tr>")]


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    speaker = HOSTILE.replace("\x00", "")[:190]
    page = rendered(audio_run(tmp_path / "run", Shape(speaker=speaker, title=HOSTILE, metric=HOSTILE)))
    for tag, attributes in Tags(page).found:
        assert tag not in ("iframe", "object", "embed", "base", "form", "video", "animate", "set")
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "autoplay")]
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:"))
    assert "\u202e" not in page


def test_the_view_is_plain_data(view: ReportView) -> None:
    assert json.dumps(asdict(view))


def test_the_figures_are_the_same_to_the_byte(made: Example, page: str) -> None:
    assert rendered(made) == page


def test_timelines_are_worst_first(view: ReportView, made: Example) -> None:
    shown: Timeline = figure(view, Timeline)
    values = {s.item: s.values["iou"] for s in samples(made, "iou")}
    assert [clip.item for clip in shown.clips] == sorted(values, key=values.__getitem__)[:4]
    assert shown.hidden == len(values) - 4


def test_the_worst_curves_are_those_that_flag_clean_clips_too(tmp_path: Path) -> None:
    """After a high-pass a detector may take clean clips for marked: its detection rate alone would hide that."""
    made = audio_run(tmp_path / "run", Shape(clean_means={("none", None): 0.9}))
    lines = figure(viewed(made), Tradeoff).lines
    assert [line.label for line in lines if line.standing == "gated"] == ["the threat set, pooled", "none", "noise"]
    assert flagged(made, "fpr", attack="none").startswith("60 of 60")
