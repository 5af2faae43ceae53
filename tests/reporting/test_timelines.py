"""Scores over time: what is drawn of an output, and why another is not."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from releasegate.reporting.figures.timelines import POINTS, TimelineOutput, _mean, _stretches, parse_timeline
from releasegate.reporting.outputs.reading import Missing
from releasegate.reporting.wording.numbers import share
from tests.reporting.audio_run import FIGURES, Shape, audio_run, spliced
from tests.reporting.test_figures import figure, rendered, viewed

PLAIN: dict[str, Any] = {
    "rate": 100,
    "hop": 10,
    "score": [0.1, 0.9, 0.9, 0.2],
    "truth": [[0.1, 0.3]],
    "wave": [[-0.5, 0.5]],
}


def parsed(**changes: Any) -> TimelineOutput | Missing:
    return parse_timeline(json.dumps(PLAIN | changes).encode())


def test_a_timeline_is_as_long_as_its_scores() -> None:
    found = parsed()
    assert isinstance(found, TimelineOutput)
    assert found.seconds == pytest.approx(0.4)


def test_truth_and_wave_may_be_left_out() -> None:
    assert isinstance(parse_timeline(b'{"rate": 1, "hop": 1, "score": [0]}'), TimelineOutput)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"score": [0.1, 1.5]}, "score.1: Input should be less than or equal to 1"),
        ({"score": []}, "score: Tuple should have at least 1 item after validation, not 0"),
        ({"score": ["0.5"]}, "score.0: Input should be a valid number"),
        ({"score": [0.5] * 100_001}, "score: Tuple should have at most 100000 items after validation"),
        ({"rate": 0}, "rate: Input should be greater than or equal to 1"),
        ({"hop": -3}, "hop: Input should be greater than or equal to 1"),
        ({"truth": [[0.3, 0.1]]}, "truth: spans must rise, each from before to after"),
        ({"truth": [[0.1, 0.1]]}, "truth: spans must rise, each from before to after"),
        ({"truth": [[0.1, 0.3], [0.2, 0.35]]}, "truth: spans must rise, each from before to after"),
        ({"truth": [[0.1, 9.0]]}, "truth: ends after the last score, at 0.4 s"),
        ({"wave": [[-2, 0.5]]}, "wave.0.0: Input should be greater than or equal to -1"),
        ({"wave": [[0.5, -0.5]]}, "wave: lowest above highest"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
def test_a_timeline_that_makes_no_sense_says_why(changes: dict[str, Any], why: str) -> None:
    found = parsed(**changes)
    assert isinstance(found, Missing)
    assert found.why.startswith(why)


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{", b"\xff\xfe", b'{"score": [NaN]}', b'{"rate": 1, "rate": 2}', b"[" * 100_000],
    ids=["empty", "list", "broken", "bytes", "nan", "twice", "deep"],
)
def test_what_is_no_timeline_is_not_drawn(data: bytes) -> None:
    assert isinstance(parse_timeline(data), Missing)


def test_an_infinite_score_is_not_drawn() -> None:
    assert isinstance(parse_timeline(b'{"rate": 1, "hop": 1, "score": [1e999]}'), Missing)


def test_a_score_of_many_points_is_thinned_and_keeps_its_peaks(tmp_path: Path) -> None:
    score = [0.1] * 20_000
    score[12_345] = 0.99
    long = json.dumps({"rate": 100, "hop": 1, "score": score, "truth": [[100, 150]]}).encode()
    view = viewed(audio_run(tmp_path / "run", Shape(timelines=(long,) * 8)))
    tracks = [clip.track for clip in figure(view, figure_kind()).clips if clip.track is not None]
    track = next(t for t in tracks if t.seconds == pytest.approx(200))
    assert len(track.score) <= 2 * POINTS
    assert max(value for _, value in track.score) == 0.99
    assert [at for at, _ in track.score] == sorted(at for at, _ in track.score)


def figure_kind() -> type:
    from releasegate.reporting.views.figures import Timeline

    return Timeline


def test_the_numbers_below_a_chart_are_those_of_its_spans(tmp_path: Path) -> None:
    flat = json.dumps(PLAIN).encode()
    view = viewed(audio_run(tmp_path / "run", Shape(timelines=(flat,) * 8)))
    clip = next(c for c in figure(view, figure_kind()).clips if c.track is not None and c.track.seconds < 1)
    rows = [(r.span, r.truth, r.mean, r.lowest, r.highest) for r in clip.stretches]
    assert rows == [
        ("0.00 to 0.10 s", "no", "0.100", "0.100", "0.100"),
        ("0.10 to 0.30 s", "yes", "0.900", "0.900", "0.900"),
        ("0.30 to 0.40 s", "no", "0.200", "0.200", "0.200"),
    ]
    assert clip.track is not None
    assert "True: 0.10 to 0.30 s. Mean score 0.900 there, 0.150 elsewhere." in clip.track.description


def test_an_output_that_cannot_be_drawn_says_why_in_the_page(tmp_path: Path) -> None:
    figures = [one for one in FIGURES if one["kind"] == "timeline"]
    broken = (b'{"rate": 16000, "hop": 160, "score": [2.0]}', b"<script>alert(1)</script>")
    page = rendered(audio_run(tmp_path / "run", Shape(figures=figures, timelines=broken * 4)))
    assert "cannot be drawn: score.0: Input should be less than or equal to 1" in page
    assert "cannot be drawn: the output is not JSON" in page
    assert "<script>alert" not in page


def test_a_timeline_that_was_changed_on_disk_is_not_drawn(tmp_path: Path) -> None:
    made = audio_run(tmp_path / "run")
    for path in made.run.outputs.glob("*.json"):
        path.write_bytes(spliced(99))
    assert "cannot be drawn: the output was changed on disk" in rendered(made)


@pytest.mark.parametrize("n", [1, 7, 100_000])
def test_the_mean_score_in_true_spans_is_that_of_the_hops_one_by_one_however_many_there_are(n: int) -> None:
    score = tuple((i * 37 % 101) / 100 for i in range(n))
    ends = [i * n / 400 / 50 for i in range(401)]
    found = TimelineOutput(rate=100, hop=2, score=score, truth=tuple(zip(ends[:-1:2], ends[1::2], strict=True)))
    start = time.process_time()
    told = [_mean(found, truth=truth) for truth in (True, False)]
    stretches = list(_stretches(found))
    assert time.process_time() - start < 0.5, "a small file may hold many spans and many scores"
    if n < 100:
        inside = [any(a <= (i + 0.5) * 0.02 < b for a, b in found.truth) for i in range(n)]
        parts = [[s for s, is_in in zip(score, inside, strict=True) if is_in == truth] for truth in (True, False)]
        assert told == [share(sum(part) / len(part)) if part else "none" for part in parts]
    assert len(stretches) == min(n, 400)
