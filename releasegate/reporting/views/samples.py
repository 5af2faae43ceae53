"""What a report shows of samples, as plain data: pictures, texts and sounds, checkpoint beside checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from releasegate.reporting.views.figures import Standing


@dataclass(frozen=True)
class Piece:
    """A part of a text; with a label, it is marked as that."""

    text: str
    label: str = ""


@dataclass(frozen=True)
class Line:
    """A text of a sample with its name."""

    name: str
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """The text without its marks."""
        return "".join(piece.text for piece in self.pieces)


@dataclass(frozen=True)
class File:
    """An output in the run folder.

    Attributes:
        name: what it is of its sample: `drawing`, `before`; of several checkpoints with the name of its own.
        path: from the run folder; its name is the sha256 of its bytes.
    """

    name: str
    path: str


@dataclass(frozen=True)
class Look:
    """The sample of one item on one checkpoint.

    Attributes:
        tone: `hit`, `miss`, `failed` or `plain`.
        word: `hit`, `miss`, `failed`, or the value.
        image: a `data:` URI; None where there is none to show.
        exact: whether it is of few pixels, which stay as they are.
        missing: why there is no image; empty where none is expected.
    """

    checkpoint: str
    tone: str
    word: str
    image: str | None
    exact: bool
    missing: str
    alt: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Exhibit:
    """One item across the checkpoints; None where it has no record.

    Attributes:
        seed: as a decimal number; 63 bits.
        lines: texts that are the same on every checkpoint, the prompt first.
    """

    item: int
    seed: str
    labels: str
    lines: tuple[Line, ...]
    looks: tuple[Look | None, ...]
    files: tuple[File, ...]


@dataclass(frozen=True)
class Band:
    """Items that stand where they do for one reason.

    Attributes:
        why: what puts them there.
        counted: how many there are, and how many are shown.
    """

    title: str
    why: str
    counted: str
    exhibits: tuple[Exhibit, ...]


@dataclass(frozen=True)
class ShotGroup:
    """The items of one metric.

    Attributes:
        counted: hits and misses of each checkpoint.
    """

    title: str
    counted: tuple[Line, ...]
    bands: tuple[Band, ...]
    hidden: int


@dataclass(frozen=True)
class Gallery:
    """Pictures or texts of one eval, checkpoints side by side.

    Attributes:
        sensitive: `harmful` or `personal`: each sample is folded up by itself.
    """

    kind: Literal["pictures", "texts"]
    anchor: str
    title: str
    blurred: bool
    groups: tuple[ShotGroup, ...]
    sensitive: str = ""


@dataclass(frozen=True)
class Wave:
    """The outline of a sound, and a score along it, as paths of an SVG of 300 by 60.

    Attributes:
        outline: one stroke a stretch, from its lowest to its highest sample.
        score: a line, 0 at the bottom and 1 at the top; empty without one.
        truth: left edge and width of where the score should be high.
    """

    outline: str
    score: str
    truth: tuple[tuple[str, str], ...]
    seconds: str
    description: str


@dataclass(frozen=True)
class Player:
    """One sound, or why there is none.

    Attributes:
        name: what it is of its sample: `before`, `after`.
        label: its accessible name.
        note: what was left out of it.
    """

    name: str
    label: str
    uri: str | None
    missing: str
    note: str
    wave: Wave | None


@dataclass(frozen=True)
class Clip:
    """One sample with its sounds."""

    item: int
    seed: str
    tone: str
    word: str
    labels: str
    lines: tuple[Line, ...]
    players: tuple[Player, ...]
    files: tuple[File, ...]


@dataclass(frozen=True)
class ClipGroup:
    """The worst samples of one metric under one attack."""

    title: str
    value: str
    standing: Standing
    checkpoint: str
    order: str
    clips: tuple[Clip, ...]
    hidden: int


@dataclass(frozen=True)
class Listening:
    """The sounds of one eval.

    Attributes:
        sensitive: `harmful` or `personal`: each sample is folded up by itself.
    """

    anchor: str
    title: str
    blurred: bool
    groups: tuple[ClipGroup, ...]
    hidden: int
    sensitive: str = ""


@dataclass(frozen=True)
class SamplesView:
    """Everything that a page shows of samples.

    Attributes:
        notes: sentences about what is not shown.
    """

    galleries: tuple[Gallery, ...] = ()
    listening: tuple[Listening, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def present(self) -> bool:
        """Whether there is anything to say."""
        return bool(self.galleries or self.listening or self.notes)

    @property
    def sensitive(self) -> bool:
        """Whether some samples are folded up by themselves."""
        return any(part.sensitive for part in self.galleries) or any(part.sensitive for part in self.listening)

    @property
    def veiled(self) -> bool:
        """Whether some samples are blurred until asked."""
        return any(part.blurred for part in self.galleries) or any(part.blurred for part in self.listening)
