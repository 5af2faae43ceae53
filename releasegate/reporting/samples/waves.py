"""The outline of a sound with a score along it, as paths that a template draws."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from releasegate.evalcard import EvalCard
from releasegate.evidence import Measured
from releasegate.figures import TimelineFigure
from releasegate.reporting.figures.timelines import TimelineOutput, read_timeline
from releasegate.reporting.outputs.reading import Missing
from releasegate.reporting.outputs.sounds import Sound
from releasegate.reporting.views.samples import Wave
from releasegate.reporting.wording.numbers import share

WIDTH, HEIGHT = 300, 60
POINTS = 150
"""Points of a score as it is drawn."""
SLACK = 0.05
"""Share of its length by which a score along time may be longer or shorter than the sound that it is of."""


def timeline_of(sample: Measured, card: EvalCard, outputs: Path) -> TimelineOutput | None:
    """The score along the sound of a sample, where the card says that it has one and it can be read."""
    for figure in card.figures or ():
        if isinstance(figure, TimelineFigure):
            found = read_timeline(outputs, sample.outputs.get(figure.output, ""))
            if not isinstance(found, Missing):
                return found
    return None


def wave_of(sound: Sound, line: TimelineOutput | None) -> Wave | None:
    """What is drawn above the player of a sound; None for one that was not decoded.

    Args:
        line: the score along it; one of another length is left out.
    """
    if not sound.peaks:
        return None
    if line is not None and abs(line.seconds - sound.seconds) > SLACK * sound.seconds + line.hop / line.rate:
        line = None
    said = f"Outline of {sound.played:.2f} s of sound"
    return Wave(
        outline=_outline(sound.peaks),
        score=_score(line, sound.played) if line is not None else "",
        truth=tuple(_truth(line, sound.played)) if line is not None else (),
        seconds=f"{sound.played:.2f} s",
        description=f"{said}; {_said(line)}" if line is not None else said,
    )


def _outline(peaks: tuple[tuple[float, float], ...]) -> str:
    step = WIDTH / len(peaks)
    return "".join(
        f"M{_short((i + 0.5) * step)} {_short(HEIGHT / 2 * (1 - high) - 0.3)}V{_short(HEIGHT / 2 * (1 - low) + 0.3)}"
        for i, (low, high) in enumerate(peaks)
    )


def _score(line: TimelineOutput, played: float) -> str:
    """The means of stretches of one length: 0 at the bottom, 1 at the top."""
    hop = line.hop / line.rate
    inside = [value for number, value in enumerate(line.score) if number * hop < played]
    size = -(-len(inside) // POINTS)
    points = []
    for start in range(0, len(inside), size):
        part = inside[start : start + size]
        at = min((start + len(part) / 2) * hop / played, 1.0)
        points.append(f"{_short(at * WIDTH)} {_short(HEIGHT * (1 - sum(part) / len(part)))}")
    return "M" + "L".join(points)


def _truth(line: TimelineOutput, played: float) -> Iterable[tuple[str, str]]:
    for start, end in line.truth:
        left, right = (min(at / played, 1.0) * WIDTH for at in (start, end))
        if right > left:
            yield _short(left), _short(right - left)


def _said(line: TimelineOutput) -> str:
    lowest, highest = share(min(line.score)), share(max(line.score))
    where = ", ".join(f"{a:.2f} to {b:.2f} s" for a, b in line.truth[:6]) or "nowhere"
    return f"score along it from {lowest} to {highest}, on average {share(sum(line.score) / len(line.score))}; true: {where}"


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
