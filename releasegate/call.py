"""What a gate is asked to do. Known before anything that measures is imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from releasegate.ledger import Anchor

if TYPE_CHECKING:
    from releasegate.reporting.formats import Output


@dataclass(frozen=True)
class Call:
    """What a gate is asked to do.

    Attributes:
        policy: the policy's file, inside its gate repository.
        model: the source checkpoint.
        run: the run folder; an existing one is resumed.
        device: where the model runs, such as `cpu` or `cuda`.
        dtype: of its weights in memory.
        today: the day.
        draw_nonce: 32 random bytes as hexadecimal digits; called once, when the attempt opens.
        ledger: where attempts are counted; absent: the repository's.
        anchor: a place in the ledger that somebody else remembers.
        rehearsal: measure rehearsal items, and spend nothing.
        extends: the run folder of a decided attempt that goes on in `run`.
        items: fresh items of each measurement that goes on.
        outputs: what is written of the report, beside the page in the run folder.
        told_at: the policy's file as reports name it; absent: `policy`.
        judged_by: the commit that the gate repository was taken from, for the log.
        for_power: the chance to pass for which generated items are counted; absent: as many as cards and policy say.
    """

    policy: Path
    model: Path
    run: Path
    device: str
    dtype: str
    today: date
    draw_nonce: Callable[[], str]
    ledger: Path | None = None
    anchor: Anchor | None = None
    rehearsal: bool = False
    extends: Path | None = None
    items: int | None = None
    outputs: tuple[Output, ...] = ()
    told_at: Path | None = None
    judged_by: str | None = None
    for_power: float | None = None
