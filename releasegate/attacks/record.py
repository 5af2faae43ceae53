"""What was done to which sound files: the record that stands beside them. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from releasegate.attacks.suite import Suite
from releasegate.records import Digest, Document, Identifier, Record
from releasegate.yamltext import LARGEST_INTEGER

Seed = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
"""What random numbers begin with; every reader of JSON holds it exactly."""


class MarkedSound(Record):
    """A sound after it was marked, which attacks on marked audio began with."""

    file: str
    sha256: Digest
    message: tuple[Annotated[int, Field(ge=0, le=1)], ...]
    """Its bits; drawn from the seed."""


class GivenSound(Record):
    """A sound file that was given."""

    file: str
    """Its name, without folders."""
    sha256: Digest
    rate: Annotated[int, Field(ge=1)]
    """Samples a second; nothing was resampled."""
    channels: Annotated[int, Field(ge=1)]
    """How many there were; their mean was attacked."""
    samples: Annotated[int, Field(ge=1)]
    marked: MarkedSound | None = None


class AttackedSound(Record):
    """One sound after one attack."""

    file: str
    sha256: Digest
    of: str
    """The file that was given."""
    attack: Identifier
    strength: float | None = None
    unit: str
    seed: Seed
    """Of the attack on this sound."""
    marked: bool
    """Whether it began with the marked sound."""
    aligned: bool
    """Whether sample i is sample i of what went in."""
    samples: Annotated[int, Field(ge=0)]
    snr_db: float | None = None
    """What went in, above what was added to it; absent where they are not aligned, nothing was added, or nothing was there."""


class SkippedAttack(Record):
    """An attack that could not be made on a sound."""

    of: str
    attack: Identifier
    strength: float | None = None
    why: str
    fix: str


class Watermark(Record):
    """The watermark whose generator or detector was used."""

    subject: Identifier
    model: Digest
    """Of the checkpoint's manifest."""


class AttackRecord(Document):
    """Every sound that one call was given, and what it made of them."""

    schema_: Annotated[Literal["releasegate/attacked/v1"], Field(alias="schema")]
    suite: Suite
    """The part of the suite that was asked for."""
    seed: Seed
    watermark: Watermark | None = None
    given: tuple[GivenSound, ...]
    attacked: tuple[AttackedSound, ...]
    skipped: tuple[SkippedAttack, ...]
