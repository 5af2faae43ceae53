"""What a strip would do, in numbers, before anything of the weights is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from releasegate.checkpoint import Contents
from releasegate.receipt import RecipeUsed, cost_of
from releasegate.stripping.planning.plan import StripPlan
from releasegate.stripping.rows import rows_of
from releasegate.stripping.writing.room import can_share, refuse_writable, room, size_after
from releasegate.stripping.writing.settings import require_settings
from releasegate.stripping.writing.steps import Step, places, steps_of
from releasegate.stripping.writing.target import require_place


@dataclass(frozen=True, slots=True)
class Share:
    """Some tensors: how many, and the bytes of their data in the source; of edited rows, those of the rows alone."""

    tensors: int
    size: int


@dataclass(frozen=True, slots=True)
class Outline:
    """What a strip would do.

    Attributes:
        outcomes: how many tensors come to each outcome, and how many bytes change or go; of untouched ones, all.
        tensors: the outcome of each tensor that does not stay as it is, by name.
        left_out: files that are not in the output, with their sizes.
        converted: pickles, with the names of the files that they become.
        edited: files of text that are written anew, by their names in the output.
        kept: files that stay byte for byte.
        size_before: bytes of all files of the source.
        size_after: bytes of all files of the output, about.
        room: bytes that it needs on the disk.
        residual: what stays although an attacker could use it: pattern and reason.
        lent: what an attacker is given at measuring.
        restored: what it cost elsewhere to bring back what goes, in words.
        remaining: what it does not touch: capability and reason.
        recipes: what it goes by.
        wide: why what else stands under the names that stay is not checked; `None` where it is.
    """

    outcomes: dict[str, Share]
    tensors: dict[str, str]
    left_out: dict[str, int]
    converted: dict[str, str]
    edited: tuple[str, ...]
    kept: tuple[str, ...]
    size_before: int
    size_after: int
    room: int
    residual: tuple[tuple[str, str], ...]
    lent: tuple[str, ...]
    restored: tuple[str, ...]
    remaining: tuple[tuple[str, str], ...]
    recipes: tuple[RecipeUsed, ...]
    wide: str | None

    def plain(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "outcomes": {name: {"tensors": one.tensors, "size": one.size} for name, one in self.outcomes.items()},
            "tensors": self.tensors,
            "left_out": self.left_out,
            "converted": self.converted,
            "edited": list(self.edited),
            "kept": list(self.kept),
            "size_before": self.size_before,
            "size_after": self.size_after,
            "room": self.room,
            "residual": [{"pattern": pattern, "why": why} for pattern, why in self.residual],
            "lent": list(self.lent),
            "restored": list(self.restored),
            "remaining": [{"capability": capability, "why": why} for capability, why in self.remaining],
            "recipes": [{"id": one.id, "sha256": one.sha256} for one in self.recipes],
            "wide": self.wide,
        }


def outline(
    contents: Contents, plan: StripPlan, target: Path | None = None, *, link_untouched: bool = False
) -> Outline:
    """What the strip would do. Only headers and files of text are read.

    Args:
        contents: the source.
        plan: made for it.
        target: where it would be written; tells whether blocks can be shared with the source.
        link_untouched: whether files that stay would become hard links.

    Raises:
        StripError: it would not be written.
    """
    if target is not None:
        require_place(contents.root, target)
    contents = plan.opened(contents)
    steps = steps_of(contents, plan)
    staying = [step.name for step in steps if step.to is not None and step.header is None]
    require_settings(contents.root, staying, [(key.file, key.key) for key in plan.keys])
    if link_untouched:
        refuse_writable(contents, steps)
    clones = target is not None and can_share(contents, target.parent)
    free = [step for step in steps if step.same and (link_untouched or clones)]
    return Outline(
        outcomes=_outcomes(contents, plan),
        tensors={name: edit.outcome for name, edit in sorted(plan.tensors.items())},
        left_out={step.name: contents.sizes[step.name] for step in _by_name(steps) if step.to is None},
        converted={step.name: step.to for step in _by_name(steps) if step.pickled and step.to is not None},
        edited=tuple(step.to for step in _by_name(steps) if step.text and step.to is not None),
        kept=tuple(step.name for step in _by_name(steps) if step.same),
        size_before=sum(contents.sizes.values()),
        size_after=sum(size_after(contents, step) for step in steps),
        room=room(contents, steps, free),
        residual=tuple((one.pattern, one.why) for one in plan.residual),
        lent=(*plan.lent.tensors, *plan.lent.files),
        restored=tuple(cost_of(one) for one in plan.restored),
        remaining=tuple((one.capability, one.why) for one in plan.remaining),
        recipes=plan.recipes,
        wide=plan.wide,
    )


def _by_name(steps: list[Step]) -> Iterator[Step]:
    return iter(sorted(steps, key=lambda step: step.name))


def _outcomes(contents: Contents, plan: StripPlan) -> dict[str, Share]:
    tensors: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for name, place in places(contents, plan).items():
        edit = plan.tensors.get(name)
        outcome, size = "untouched" if edit is None else edit.outcome, place.entry.size
        if edit is not None and edit.partial:
            rows = rows_of(place.entry, edit)
            size = rows.slabs * rows.width * int((rows.last - rows.first + 1).sum())
        tensors[outcome] += 1
        sizes[outcome] += size
    return {name: Share(tensors[name], sizes[name]) for name in sorted(tensors)}
