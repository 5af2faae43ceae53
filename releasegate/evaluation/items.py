"""Which items an attempt measures, and in which order: fixed in number by the plan, in content by the nonce."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from releasegate.errors import HarnessError, ReleaseGateError
from releasegate.evalcard import EvalCard
from releasegate.evaluation.harness import Harness, guarded
from releasegate.evidence import Cell, Item
from releasegate.plan import Role, item_family, item_seed

ITEM_NAME = re.compile("[ -~]{1,200}")
NO_NONCE = "00" * 32
"""Stands in while a plan is made: labels and metrics may not depend on the nonce."""

Group = tuple[tuple[tuple[str, str], ...], tuple[str, ...]]


def planned_items(
    harness: Harness,
    card: EvalCard,
    role: Role,
    n: int,
    nonce: str,
    *,
    free: Callable[[str], bool] = lambda name: True,
    rehearsal: bool = False,
    own: bool = False,
    discreet: bool = False,
) -> list[Item]:
    """`n` items in the planned order, each with its number and seed.

    A pool is drawn without replacement, each label combination in proportion to its size; then the order is shuffled.

    Args:
        free: whether an item of a private pool, by its name, may be drawn.
        own: items of a strip, apart from those of the source.
        rehearsal: items that are not those of the gate, with seeds of their own.
        discreet: say nothing that might quote a prompt.

    Raises:
        HarnessError: there are fewer than `n`, or an item is malformed.
        ReleaseGateError: what the items are made from is missing or not what it was, as the harness says.
    """
    name = item_family(card.id, role, rehearsal=rehearsal, own=own)
    rng = np.random.default_rng(item_seed(nonce, name, -1))
    params: Mapping[str, Any] = {**card.params, "n": n}
    make = _maker(harness, card, role, rehearsal=rehearsal)
    file = Path(getattr(harness, "__file__", card.id))
    action = f"cannot say what to measure ({role})"
    made = guarded(file, action, lambda: list(make(params, rng)), expected=ReleaseGateError, discreet=discreet)
    for item in made:
        _check(item, card, discreet=discreet)
    if card.items.kind == "private_pool" and role == "gate" and not rehearsal:
        made = [item for item in _named(made, card, discreet=discreet) if free(item.name)]
    drawn = _drawn(made, n, card, rng)
    order = rng.permutation(len(drawn))
    return [replace(drawn[old], number=new, seed=item_seed(nonce, name, new)) for new, old in enumerate(order)]


def _maker(harness: Harness, card: EvalCard, role: Role, *, rehearsal: bool) -> Callable[..., Sequence[Item]]:
    """The function of a harness that yields the items."""
    if role == "calibration":
        wanted, fix = "calibration", "add it to the harness"
    elif rehearsal and card.items.rehearsal is not None:
        wanted, fix = "rehearsal", "add it to the harness"
    elif rehearsal and card.items.kind != "generated":
        what = "has no rehearsal items, and its pool is for the gate alone"
        raise HarnessError(card.id, what, "set some aside: `items.rehearsal`, and a function rehearsal")
    else:
        wanted, fix = "items", "add it to the harness"
    make: Callable[..., Sequence[Item]] | None = getattr(harness, wanted, None)
    if make is None:
        raise HarnessError(card.id, f"has {wanted} items on its card and no function {wanted}", fix)
    return make


def _named(items: list[Item], card: EvalCard, *, discreet: bool) -> list[Item]:
    """The items of a private pool, each with a name of its own."""
    names = Counter(item.name for item in items)
    bad = next((name for name in names if not ITEM_NAME.fullmatch(name)), None)
    twice = next((name for name, count in names.items() if count > 1), None)
    if bad is not None:
        what = f"an item of its private pool is named {'otherwise than it may be' if discreet else repr(bad)}"
        raise HarnessError(card.id, what, "name each by 1 to 200 printable ASCII characters")
    if twice is not None:
        what = f"two items of its private pool are named {'alike' if discreet else repr(twice)}"
        raise HarnessError(card.id, what, "name each differently")
    return items


def cells_of(items: Sequence[Item]) -> tuple[Cell, ...]:
    """How many items share which labels and metrics, sorted by label."""
    counts = Counter(_group(item) for item in items)
    return tuple(Cell(labels=dict(labels), metrics=metrics, n=n) for (labels, metrics), n in sorted(counts.items()))


def _drawn(items: list[Item], n: int, card: EvalCard, rng: np.random.Generator) -> list[Item]:
    if len(items) < n:
        left = " left" if card.items.kind == "private_pool" else ""
        raise HarnessError(card.id, f"has {len(items)} items{left}, and {n} are planned", "plan fewer, or add items")
    if len(items) == n:
        return items
    groups: dict[Group, list[Item]] = {}
    for item in items:
        groups.setdefault(_group(item), []).append(item)
    quotas = _apportion({key: len(members) for key, members in groups.items()}, n)
    chosen: list[Item] = []
    for key in sorted(groups):
        picked = rng.choice(len(groups[key]), size=quotas[key], replace=False)
        chosen += [groups[key][i] for i in sorted(picked)]
    return chosen


def _apportion(sizes: Mapping[Group, int], n: int) -> dict[Group, int]:
    """Whole quotas that add up to `n`, by the largest remainder; ties go to the first in order."""
    total = sum(sizes.values())
    exact = {key: size * n / total for key, size in sizes.items()}
    quotas = {key: int(share) for key, share in exact.items()}
    by_remainder = sorted(sizes, key=lambda key: (quotas[key] - exact[key], key))
    for key in by_remainder[: n - sum(quotas.values())]:
        quotas[key] += 1
    return quotas


def _group(item: Item) -> Group:
    return tuple(sorted(item.labels.items())), tuple(sorted(item.metrics))


def _check(item: object, card: EvalCard, *, discreet: bool) -> None:
    if not isinstance(item, Item):
        raise HarnessError(card.id, f"yields {type(item).__name__} among its items", "yield releasegate.evidence.Item")
    try:
        Cell(labels=dict(item.labels), metrics=item.metrics, n=1)
    except (TypeError, ValueError) as error:
        what = "an item is malformed" if discreet else f"an item is malformed: {error}"
        raise HarnessError(card.id, what, "give labels and metrics as texts") from None
    if len(set(item.metrics)) < len(item.metrics):
        raise HarnessError(card.id, f"an item names a metric twice: {', '.join(item.metrics)}", "name each once")
    strangers = [m for m in item.metrics if m not in card.metrics] + [d for d in item.labels if d not in card.slices]
    if strangers or not item.metrics:
        what = f"an item names {strangers[0]!r}, which the card does not" if strangers else "an item has no metric"
        raise HarnessError(card.id, what, "correct the harness or the card")
    curved = next((m for m in item.metrics if card.metrics[m].curve is not None), None)
    if curved is not None:
        what = f"an item carries {curved!r}, which is the area under the curve of other metrics"
        raise HarnessError(card.id, what, "let the items carry those, or remove `curve`")
    divided = next((m for m in item.metrics if card.metrics[m].quotient is not None), None)
    if divided is not None:
        what = f"an item carries {divided!r}, which is a quotient of other metrics"
        raise HarnessError(card.id, what, "let the items carry those, or remove `quotient`")
