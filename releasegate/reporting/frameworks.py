"""Capabilities by what published frameworks call them. Content: nothing here changes a verdict."""

from __future__ import annotations

from collections.abc import Mapping

from releasegate.decision import Decision
from releasegate.plan import Plan
from releasegate.reporting.views.frameworks import FrameworkEntry, FrameworkView, TaggedCapability, TagView
from releasegate.reporting.wording.numbers import MOST_TITLE, shortened
from releasegate.reporting.wording.words import CAPABILITY
from releasegate.taxonomies import read_taxonomies
from releasegate.taxonomy import Taxonomy


def tags_of(plan: Plan, capability: str) -> tuple[TagView, ...]:
    """The tags of a capability, in the order of the policy; none where the plan's policy does not know it."""
    found = next((c.tags or () for c in plan.policy.capabilities if c.id == capability), ())
    return tuple(_tag(tag, read_taxonomies()) for tag in found)


def frameworks(decision: Decision, plan: Plan) -> tuple[FrameworkView, ...]:
    """The frameworks that the policy names, each with its entries in its own order, and what becomes of each capability."""
    tagged: dict[str, list[str]] = {}
    for c in plan.policy.capabilities:
        for tag in c.tags or ():
            tagged.setdefault(tag, []).append(c.id)
    if not tagged:
        return ()
    known = read_taxonomies()
    names = sorted({tag.partition("/")[0] for tag in tagged})
    shown = {c.id: c for c in decision.capabilities}
    return tuple(
        _framework(
            name,
            known.get(name),
            tuple(
                FrameworkEntry(
                    _tag(tag, known),
                    tuple(
                        TaggedCapability(
                            f"capability-{c}", shortened(shown[c].title, MOST_TITLE), CAPABILITY[shown[c].verdict]
                        )
                        for c in tagged[tag]
                        if c in shown
                    ),
                )
                for tag in _ordered([tag for tag in tagged if tag.startswith(f"{name}/")], known.get(name))
            ),
        )
        for name in names
    )


def _framework(name: str, taxonomy: Taxonomy | None, entries: tuple[FrameworkEntry, ...]) -> FrameworkView:
    if taxonomy is None:
        return FrameworkView(name, "not in the list that comes with this release", "", entries)
    return FrameworkView(taxonomy.title, taxonomy.edition, taxonomy.link, entries)


def _ordered(tags: list[str], taxonomy: Taxonomy | None) -> list[str]:
    """In the order of the framework; what it does not list comes last."""
    order = {entry.id: at for at, entry in enumerate(taxonomy.entries)} if taxonomy is not None else {}
    return sorted(tags, key=lambda tag: (order.get(tag.partition("/")[2], len(order)), tag))


def _tag(tag: str, known: Mapping[str, Taxonomy]) -> TagView:
    """An entry by its label and title; by its id alone where the list of this release does not have it."""
    name, _, entry_id = tag.partition("/")
    taxonomy = known.get(name)
    entry = taxonomy.by_id.get(entry_id) if taxonomy is not None else None
    if taxonomy is None or entry is None:
        return TagView(name, entry_id, "not in the list that comes with this release", "")
    return TagView(taxonomy.short, entry.label, shortened(entry.title), entry.link or taxonomy.link)
