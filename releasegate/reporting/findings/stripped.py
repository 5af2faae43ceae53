"""What a strip took out, as a report shows it."""

from __future__ import annotations

from collections.abc import Iterator

from releasegate.decision import Decision, Finding
from releasegate.namedrecipe import recipe_line
from releasegate.plan import Plan
from releasegate.receipt import (
    KeySet,
    Receipt,
    RowsReinitialised,
    RowsRemoved,
    RowsZeroed,
    TensorOutcome,
    Untouched,
    ZeroFilled,
    cost_of,
    unread_words,
)
from releasegate.reporting.findings.finding import finding_view
from releasegate.reporting.gathered.gathering import Gathered
from releasegate.reporting.views.pair import Pair
from releasegate.reporting.views.report import FindingView, RemovedPart, StripView
from releasegate.reporting.wording.numbers import plural, ranges, size
from releasegate.reporting.wording.words import CHEAP, TIER, VERDICT
from releasegate.repository.shipped import known_recipes

SHOWN = 3
"""Parts that are named for each reason why something was not searched for."""
MOST_PARTS = 200
"""Removed or changed tensors that are listed."""


def strip_view(
    receipt: Receipt, decision: Decision, plan: Plan, gathered: Gathered, elsewhere: tuple[Finding, ...]
) -> StripView:
    """What a strip removed and left.

    Args:
        elsewhere: findings on the stripped checkpoint that belong to no capability of the plan's policy.
    """
    tier, means = TIER[receipt.tier]
    if receipt.tier == "weights_absent" and any(one.cheap for one in receipt.restored or ()):
        tier, means = CHEAP
    changed = [tensor for tensor in receipt.tensors if not isinstance(tensor, Untouched)]
    planned = next((s for s in plan.strips if s.model == receipt.planned), None)
    titles = {c.id: c.title for c in decision.capabilities}
    return StripView(
        tier=tier,
        tier_means=means,
        mark=VERDICT[decision.strip.verdict] if decision.strip else None,
        capabilities=", ".join(titles.get(c, c) for c in planned.capabilities) if planned else "",
        recipes=tuple(Pair(r.id, r.sha256, code=True) for r in receipt.recipes),
        named=recipe_line(receipt, known_recipes(receipt)),
        removed=tuple(_part(tensor) for tensor in changed[:MOST_PARTS]),
        removed_hidden=max(len(changed) - MOST_PARTS, 0),
        files=tuple(RemovedPart(f.path, "left out", size(f.size)) for f in receipt.dropped),
        keys=tuple(_texts(receipt)),
        residual=tuple(residuals(receipt)),
        lent=(*receipt.lent.tensors, *receipt.lent.files),
        restored=tuple(Pair(one.model, f"{cost_of(one)}: {one.source}") for one in receipt.restored or ()),
        remaining=tuple(Pair(one.capability, f"{one.why} ({one.source})") for one in receipt.remaining or ()),
        untouched=_untouched(receipt),
        searched=_searched(receipt),
        unsearched=tuple(_unsearched(receipt)),
        digests=(
            Pair("source", receipt.source, code=True),
            Pair("planned", receipt.planned, code=True),
            Pair("stripped checkpoint", receipt.output_digest, code=True),
        ),
        other=tuple(_views(elsewhere, plan, gathered)),
    )


def _views(findings: tuple[Finding, ...], plan: Plan, gathered: Gathered) -> Iterator[FindingView]:
    return (finding_view(finding, plan, gathered) for finding in findings)


def _part(tensor: TensorOutcome) -> RemovedPart:
    match tensor:
        case RowsZeroed():
            what = f"{_rows(tensor)} hold nothing but zeros"
        case RowsReinitialised():
            what = f"{_rows(tensor)} hold random numbers"
        case RowsRemoved():
            what = f"{_rows(tensor)} of {tensor.length} taken out"
        case ZeroFilled():
            what = "holds nothing but zeros"
        case _:
            what = "taken out"
    return RemovedPart(tensor.name, what, size(tensor.size))


def _rows(tensor: RowsZeroed | RowsReinitialised | RowsRemoved) -> str:
    along = f" along dimension {tensor.dimension}" if tensor.dimension else ""
    return f"rows {ranges(tensor.rows)}{along}"


def _key(key: KeySet) -> Pair:
    if key.unset:
        value = "taken out"
    elif key.tokens is not None:
        value = f"also holds the token ids {ranges(key.tokens)}"
    else:
        value = f"set to {key.value}"
    return Pair(f"{key.file}: {key.key}", value)


def _texts(receipt: Receipt) -> Iterator[Pair]:
    yield from (_key(key) for key in receipt.keys)
    if receipt.vocabulary is not None:
        yield Pair("vocabulary", f"tokens {ranges(receipt.vocabulary.tokens)} taken out; the ids that follow moved up")
    for one in receipt.converted or ():
        left = f"; values left behind: {len(one.left)}" if one.left else ""
        yield Pair(one.file, f"a pickle, now {one.to or 'gone'}{left}")
    if receipt.unread:
        yield Pair("passed on unread", unread_words(receipt.unread))


def residuals(receipt: Receipt) -> Iterator[Pair]:
    """What the recipes list, and what the search found that they say to be known."""
    yield from (Pair(residual.pattern, residual.why) for residual in receipt.residual)
    for copy in receipt.leftovers.near_copies or ():
        rows = plural(copy.rows, "row")
        yield Pair(copy.tensor, f"holds {rows} of {copy.part}, which was taken out: a copy that the recipe lists")
    for offer in receipt.leftovers.offers or ():
        yield Pair(offer.file, f"{offer.what}: listed by the recipe")


def _unsearched(receipt: Receipt) -> Iterator[Pair]:
    """The reasons, each with the parts that it holds for."""
    reasons: dict[str, list[str]] = {}
    for one in receipt.leftovers.unsearched:
        reasons.setdefault(one.why, []).append(f"{one.part} ({plural(one.pieces, 'piece')})")
    for why, parts in sorted(reasons.items()):
        more = f", and {plural(len(parts) - SHOWN, 'part')} more" if len(parts) > SHOWN else ""
        yield Pair(why, ", ".join(parts[:SHOWN]) + more)


def _searched(receipt: Receipt) -> str:
    found = len(receipt.leftovers.near_copies or ()) + len(receipt.leftovers.offers or ())
    sketched = receipt.leftovers.sketched
    near = f", and near copies of {sketched:,} of its rows and columns" if sketched else ""
    none = f"{found} found, as the recipe says (below)" if found else "none was found"
    return f"{plural(receipt.leftovers.pieces, 'piece')} of what was removed{near}: {none}"


def _untouched(receipt: Receipt) -> str:
    kept = [tensor for tensor in receipt.tensors if isinstance(tensor, Untouched)]
    total = sum(tensor.size for tensor in receipt.tensors)
    rest = total - sum(tensor.size for tensor in kept)
    return (
        f"{len(kept)} of {plural(len(receipt.tensors), 'tensor')} are bit for bit those of the source: "
        f"all but {size(rest)} of {size(total)}"
    )
