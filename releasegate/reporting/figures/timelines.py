"""Scores over time, of the clips in which they do worst: read from an output, checked, and thinned for drawing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from releasegate.evidence import Measured
from releasegate.figures import TimelineFigure
from releasegate.records import Record
from releasegate.reporting.figures.standing import Scene
from releasegate.reporting.outputs.reading import Missing, read_output
from releasegate.reporting.outputs.sounds import is_sound
from releasegate.reporting.outputs.spectrograms import Spectrogram, recording, spectrogram
from releasegate.reporting.samples.texts import labels_of, word_of
from releasegate.reporting.views.figures import Clocked, Stretch, Timeline, Track
from releasegate.reporting.wording.numbers import share, shortened

MOST_FILE = 2_000_000
"""Bytes of a file that is still read."""
MOST_CLIPS = 4
POINTS = 360
"""Stretches that a score, or a wave, is thinned to."""
SLACK = 0.02
"""Share of its length, or seconds of a short one, by which a recording may differ from the timeline that it belongs to."""
MOST_STRETCHES = 12
"""Lines of the table below a chart."""

Floats = NDArray[np.float64]
Score = Annotated[float, Field(ge=0, le=1)]
Peak = Annotated[float, Field(ge=-1, le=1)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


class TimelineOutput(Record):
    """The JSON document that a harness writes for a timeline."""

    rate: Annotated[int, Field(ge=1, le=1_000_000)]
    """Samples a second."""
    hop: Annotated[int, Field(ge=1, le=1_000_000)]
    """Samples from one score to the next; the first one begins at sample 0."""
    score: Annotated[tuple[Score, ...], Field(min_length=1, max_length=100_000)]
    truth: Annotated[tuple[tuple[Seconds, Seconds], ...], Field(max_length=200)] = ()
    """From and to, in seconds: where the score should be high; rising, without overlap."""
    wave: Annotated[tuple[tuple[Peak, Peak], ...], Field(max_length=20_000)] = ()
    """Lowest and highest sample of stretches of one length, over the whole clip."""

    @property
    def seconds(self) -> float:
        """Length of the clip."""
        return len(self.score) * self.hop / self.rate


def read_timeline(outputs: Path, name: str) -> TimelineOutput | Missing:
    """The timeline in an output, or why it cannot be drawn.

    Args:
        outputs: the folder of the run's outputs.
        name: of the output, in that folder.
    """
    if not name.endswith(".json"):
        return Missing("the output is no JSON document")
    data = read_output(outputs, name, MOST_FILE)
    return data if isinstance(data, Missing) else parse_timeline(data)


def parse_timeline(data: bytes) -> TimelineOutput | Missing:
    """The timeline that an output holds, or why it cannot be drawn."""
    try:
        found = TimelineOutput.from_text(data)
    except ValidationError as error:
        first = error.errors()[0]
        return Missing(f"{'.'.join(map(str, first['loc'])) or 'the output'}: {first['msg']}")
    except (ValueError, RecursionError) as error:
        return Missing(f"the output is not JSON: {error}")
    ends = [end for span in found.truth for end in span]
    slack = found.hop / found.rate
    if any(later < earlier for earlier, later in pairwise(ends)) or any(a == b for a, b in found.truth):
        return Missing("truth: spans must rise, each from before to after")
    if ends and ends[-1] > found.seconds + slack:
        return Missing(f"truth: ends after the last score, at {found.seconds:g} s")
    if any(low > high for low, high in found.wave):
        return Missing("wave: lowest above highest")
    return found


def timeline(figure: TimelineFigure, scene: Scene, outputs: Path) -> Timeline | None:
    """The clips whose samples do worst; None where no sample has the output.

    Args:
        outputs: the folder of the run's outputs.
    """
    worst = scene.gathered.timed.get((scene.card.id, scene.checkpoint, figure.output))
    if worst is None:
        return None
    shown = worst.samples[:MOST_CLIPS]
    return Timeline(
        kind="timeline",
        title="Score over time",
        where=scene.where,
        clips=tuple(_clip(sample, figure.output, scene, outputs) for sample in shown),
        hidden=worst.seen - len(shown),
    )


def _clip(sample: Measured, output: str, scene: Scene, outputs: Path) -> Clocked:
    metric = scene.concern.primary(tuple(sample.values))
    title = shortened(scene.card.metrics[metric].title) if metric in scene.card.metrics else metric
    labels = labels_of(sample.labels)
    word = f"{title}: {word_of(sample, scene.concern)}"
    found = read_timeline(outputs, sample.outputs[output])
    if isinstance(found, Missing):
        return Clocked(sample.item, word, labels, None, f"cannot be drawn: {shortened(found.why)}", (), 0)
    stretches = tuple(_stretches(found))
    inside, outside = (_mean(found, truth=truth) for truth in (True, False))
    spans = ", ".join(f"{a:.2f} to {b:.2f} s" for a, b in found.truth[:MOST_STRETCHES]) or "nowhere"
    picture = _spectrogram(sample, found.seconds, scene, outputs)
    below = " Below it the spectrogram of the recording." if picture is not None else ""
    track = Track(
        seconds=found.seconds,
        score=tuple(_thinned(found)),
        truth=found.truth,
        wave=tuple(_peaks(found)),
        description=f"Score over time of item {sample.item}, {labels}; {word}. True: {spans}. "
        f"Mean score {inside} there, {outside} elsewhere.{below}",
        spectrogram=picture.uri if picture is not None else "",
        hertz=(picture.low, picture.high) if picture is not None else (0.0, 0.0),
    )
    return Clocked(
        sample.item, word, labels, track, "", stretches[:MOST_STRETCHES], max(len(stretches) - MOST_STRETCHES, 0)
    )


def _spectrogram(sample: Measured, seconds: float, scene: Scene, outputs: Path) -> Spectrogram | None:
    """Of the recording beside a timeline: the first one that is as long. None without one, and where sounds are sensitive."""
    if scene.card.sensitive is not None:
        return None
    for _, name in sorted(sample.outputs.items()):
        sound = recording(outputs, name) if is_sound(name) else None
        if sound is not None and abs(sound.seconds - seconds) <= max(SLACK * seconds, SLACK):
            return spectrogram(sound)
    return None


def _thinned(found: TimelineOutput) -> Iterator[tuple[float, float]]:
    """The score at the middle of each hop; of many, the lowest and the highest of each stretch."""
    step = max(-(-len(found.score) // POINTS), 1)
    hop = found.hop / found.rate
    for start in range(0, len(found.score), step):
        part = found.score[start : start + step]
        at = (start + len(part) / 2) * hop
        yield from ((at, value) for value in dict.fromkeys((min(part), max(part))))


def _peaks(found: TimelineOutput) -> Iterator[tuple[float, float, float]]:
    step = max(-(-len(found.wave) // POINTS), 1)
    for start in range(0, len(found.wave), step):
        part = found.wave[start : start + step]
        at = (start + len(part) / 2) / len(found.wave) * found.seconds
        yield at, min(low for low, _ in part), max(high for _, high in part)


def _middles(found: TimelineOutput) -> Floats:
    """float64 [score], the second in the middle of each hop."""
    return (np.arange(len(found.score)) + 0.5) * found.hop / found.rate


def _between(middles: Floats, a: float, b: float) -> slice:
    """The hops whose middle lies in [a, b)."""
    first, end = np.searchsorted(middles, (a, b))
    return slice(int(first), int(end))


def _mean(found: TimelineOutput, *, truth: bool) -> str:
    """The mean score of the hops whose middle lies in a true span, or of the others."""
    inside, middles = np.zeros(len(found.score), dtype=bool), _middles(found)
    for a, b in found.truth:
        inside[_between(middles, a, b)] = True
    part = np.array(found.score)[inside == truth]
    return share(float(part.mean())) if len(part) else "none"


def _stretches(found: TimelineOutput) -> Iterator[Stretch]:
    """The true spans, and what lies between them, in numbers."""
    ends = [0.0, *(end for span in found.truth for end in span), max(found.seconds, *(b for _, b in found.truth), 0.0)]
    middles = _middles(found)
    for number, (a, b) in enumerate(pairwise(ends)):
        part = found.score[_between(middles, a, b)]
        if part:
            yield Stretch(
                span=f"{a:.2f} to {b:.2f} s",
                truth="yes" if number % 2 else "no",
                mean=share(sum(part) / len(part)),
                lowest=share(min(part)),
                highest=share(max(part)),
            )
