"""Whether the threat set of a requirement, and what may excuse a slice of it, make sense beside its card. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from releasegate.documents import Located
from releasegate.errors import Problem
from releasegate.evalcard import EvalCard, Metric
from releasegate.policy import Excuse, Policy, Requirement, Section
from releasegate.yamltext import Path


def threat_problems(
    located: Located[Policy], r: Requirement, section: Section, card: EvalCard, at: Path
) -> Iterator[Problem]:
    """Everything that is wrong with `values` and `excused` of a requirement.

    Args:
        card: of its eval.
        at: where the requirement stands.
    """
    if r.values is not None:
        yield from _values(located, r.values, card, (*at, "values"))
    if r.excused is not None:
        yield from _place(located, r, section, card, (*at, "excused"))
        yield from _excuse(located, r, r.excused, card, (*at, "excused"))


def _values(
    located: Located[Policy], values: dict[str, tuple[str, ...]], card: EvalCard, at: Path
) -> Iterator[Problem]:
    if not values:
        yield located.problem(at, "must not be empty", "name a dimension and its values, or remove the key")
    for dimension, listed in values.items():
        where = (*at, dimension)
        if dimension not in card.slices:
            yield located.problem(
                where, f"eval {card.id} has no dimension {dimension!r}", _one_of(card.slices), key=True
            )
        if not listed:
            yield located.problem(where, "must not be empty", "list the values that are gated, or remove it")
        for number, value in enumerate(listed):
            if value in listed[:number]:
                yield located.problem((*where, number), f"{value!r} stands twice", "list each value once")
        if card.clusters is not None and card.clusters.population == "sampled" and dimension == card.clusters.key:
            what = f"eval {card.id} samples its clusters, and those that somebody chose are no sample"
            yield located.problem(where, what, "remove it", key=True)


def _place(located: Located[Policy], r: Requirement, section: Section, card: EvalCard, at: Path) -> Iterator[Problem]:
    """Whether the requirement may have an excuse at all."""
    if section != "safeguards":
        what = f"{section} would be shown by leaving out slices in which it is not"
        yield located.problem(at, what, "remove it: only a safeguard is excused")
    if r.slices is None:
        yield located.problem(at, "excuses slices, and the requirement has none", "state `slices`")
    if r.margin is not None:
        yield located.problem(at, "a margin has no excuse", "remove it")
    if not card.items.calibration:
        what = f"rests on calibration items, and eval {card.id} has none"
        yield located.problem(at, what, "state their number in the card: `items.calibration`")
    if card.clusters is not None and card.clusters.population == "sampled":
        what = f"eval {card.id} samples clusters, whose calibration items are not independent"
        yield located.problem(at, what, "use an eval whose clusters are named, or that has none")


def _excuse(located: Located[Policy], r: Requirement, excuse: Excuse, card: EvalCard, at: Path) -> Iterator[Problem]:
    """Whether its metric and its limit can show that the material is ruined."""
    stated = [name for name in ("at_most", "at_least") if getattr(excuse, name) is not None]
    if len(stated) != 1:
        named = " and ".join(stated) or "none"
        yield located.problem(at, f"needs one of at_most, at_least; has {named}", "state exactly one")
    where = (*at, "metric")
    if excuse.metric.split("/")[0] != r.eval:
        what = f"{excuse.metric} is of another eval than {r.metric}"
        yield located.problem(where, what, f"name a metric of eval {r.eval}")
        return
    metric = card.metrics.get(excuse.metric_name)
    if metric is None:
        yield located.problem(where, f"eval {r.eval} has no metric {excuse.metric_name!r}", _one_of(card.metrics))
        return
    yield from _metric(located, excuse, metric, where)
    if metric.type != "bernoulli":
        return
    for name in stated:
        limit = getattr(excuse, name)
        if not 0 < limit < 1:
            what = f"{limit:g} is at or beyond the range 0 to 1 of {excuse.metric}: it would excuse all, or nothing"
            yield located.problem((*at, name), what, "choose a limit inside the range")
        if len(stated) == 1 and (name == "at_most") != (metric.better == "higher"):
            other = "at_most" if name == "at_least" else "at_least"
            what = (
                f"would excuse an attack because it keeps the material good: {excuse.metric} is better {metric.better}"
            )
            yield located.problem((*at, name), what, f"state {other}")


def _metric(located: Located[Policy], excuse: Excuse, metric: Metric, where: Path) -> Iterator[Problem]:
    if metric.type != "bernoulli":
        what = f"{excuse.metric} is {metric.type}, and only a share of calibration items excuses"
        yield located.problem(where, what, "name a bernoulli metric, such as the share of items above a quality")
    if metric.of_instrument is not None:
        yield located.problem(where, f"{excuse.metric} measures the judge, not the material", "name another metric")
    if metric.judged_by is not None:
        what = f"{excuse.metric} is what a judge says, whose errors could excuse"
        yield located.problem(where, what, "use a metric that no judge decides")


def _one_of(known: Iterable[str]) -> str:
    names = ", ".join(sorted(known))
    return f"use one of {names}" if names else "add it to the card"
