"""The samples of two runs on one page: item by item where both measured the same items, else the worst of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from releasegate.reporting.comparing.joined import SENSITIVE, joined_galleries, same_items
from releasegate.reporting.gathered.gathering import Gathered
from releasegate.reporting.outputs.purse import EXHIBITS, PICTURES, PLAYERS, SOUNDS, TEXTS, Purse
from releasegate.reporting.samples.viewing import samples_view
from releasegate.reporting.views.samples import Gallery, Listening, SamplesView
from releasegate.repository.deciding_run import Decided

FILE = "A decision in a file has no samples beside it: compare two run folders to see them."
UNSHOWN = "A policy of the two lets no report show any sample, and so none of either is shown here."
NONE = "Neither run has a sample to show."
SAME = "Both runs measured the same items: their samples stand item by item, those that differ first."
OTHER = "The two runs measured other items: of each, the samples that matter most stand here."
HASHED = "A policy of the two lets no text and no output be kept, and so none of the other run is shown beside it."


class _Held(Protocol):
    """What may be blurred or folded up."""

    @property
    def anchor(self) -> str: ...
    @property
    def blurred(self) -> bool: ...
    @property
    def sensitive(self) -> str: ...


Part = TypeVar("Part", Gallery, Listening)


@dataclass(frozen=True)
class ComparedSamples:
    """What a page shows of the samples of both runs.

    Attributes:
        view: None where there is nothing to show.
        why: there is nothing to show; empty where there is.
    """

    view: SamplesView | None
    why: str


def compared_samples(runs: tuple[Decided, Decided], gathered: tuple[Gathered, Gathered]) -> ComparedSamples:
    """The samples of two runs, by the stricter rule of the two.

    Raises:
        EvidenceUntrusted: the evidence of a run is not what its index says it was.
    """
    policies = runs[0].plan.policy, runs[1].plan.policy
    if not all(policy.shows_samples for policy in policies):
        return ComparedSamples(None, UNSHOWN)
    if policies[0].hashes_samples != policies[1].hashes_samples:
        return ComparedSamples(None, HASHED)
    return _shown(runs, gathered)


def _shown(runs: tuple[Decided, Decided], gathered: tuple[Gathered, Gathered]) -> ComparedSamples:
    (before, after), (one, other) = runs, gathered
    shared = frozenset(eval_id for eval_id in one.dimension if same_items(before.plan, after.plan, eval_id))
    joined = joined_galleries(runs, gathered, shared, (_purse(), _purse()))
    views = [_view("A", before, one, shared), _view("B", after, other, shared)]
    sections = (c.sections() for of in runs for c in of.plan.policy.capabilities)
    evals = dict.fromkeys(requirement.eval for found in sections for _, _, requirement in found)
    order = {eval_id: i for i, eval_id in enumerate(evals)}
    found = SamplesView(
        galleries=_stricter((*joined, *views[0].galleries, *views[1].galleries), order),
        listening=_stricter((*views[0].listening, *views[1].listening), order),
    )
    if not found.present:
        return ComparedSamples(None, NONE)
    notes = dict.fromkeys((SAME if joined else OTHER, *views[0].notes, *views[1].notes))
    return ComparedSamples(replace(found, notes=tuple(notes)), "")


def _purse() -> Purse:
    """What one of up to four parts may take of the page; of items fewer, as each stands there by itself."""
    return Purse(PICTURES // 4, SOUNDS // 4, PLAYERS // 4, TEXTS // 4, EXHIBITS // 8)


def _view(which: str, of: Decided, gathered: Gathered, shared: frozenset[str]) -> SamplesView:
    """The samples of one run, without the pictures and texts of evals that stand item by item."""
    view = samples_view(gathered, of.plan, of.decision, of.run.outputs, _purse())
    kept = (gallery for gallery in view.galleries if eval_of(gallery) not in shared)
    return replace(
        view,
        galleries=tuple(_named(which, gallery) for gallery in kept),
        listening=tuple(_named(which, sounds) for sounds in view.listening),
    )


def _named(which: str, part: Part) -> Part:
    return replace(part, title=f"{which}: {part.title}", anchor=f"{which.lower()}-{part.anchor}")


def _stricter(parts: Iterable[Part], order: dict[str, int]) -> tuple[Part, ...]:
    """The parts, those of one eval together, and each held back as the strictest of its eval."""
    held: dict[str, list[Part]] = {}
    for part in parts:
        held.setdefault(eval_of(part), []).append(part)
    return tuple(
        replace(
            part,
            blurred=any(p.blurred for p in of),
            sensitive=max((p.sensitive for p in of), key=SENSITIVE.index),
        )
        for _, of in sorted(held.items(), key=lambda entry: order.get(entry[0], len(order)))
        for part in of
    )


def eval_of(part: _Held) -> str:
    """The eval whose samples these are: its id ends the anchor.

    >>> from releasegate.reporting.views.samples import Gallery
    >>> eval_of(Gallery("texts", "a-samples-some-eval", "", False, ()))
    'some-eval'
    """
    return part.anchor.partition("samples-" if "samples-" in part.anchor else "sounds-")[2]
