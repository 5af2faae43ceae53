"""What a strip took out, as a report shows it."""

from __future__ import annotations

from collections.abc import Iterator

from releasegate.decision import Decision, Finding
from releasegate.plan import Plan
from releasegate.receipt import KeySet, Receipt, RowsZeroed, TensorOutcome, Untouched, ZeroFilled
from releasegate.reporting.findings import finding_view
from releasegate.reporting.gathering import Gathered
from releasegate.reporting.numbers import plural, ranges, size
from releasegate.reporting.view import FindingView, Pair, RemovedPart, StripView
from releasegate.reporting.words import TIER, VERDICT

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
    changed = [tensor for tensor in receipt.tensors if not isinstance(tensor, Untouched)]
    planned = next((s for s in plan.strips if s.model == receipt.planned), None)
    titles = {c.id: c.title for c in decision.capabilities}
    return StripView(
        tier=tier,
        tier_means=means,
        mark=VERDICT[decision.strip.verdict] if decision.strip else None,
        capabilities=", ".join(titles.get(c, c) for c in planned.capabilities) if planned else "",
        recipes=tuple(Pair(r.id, r.sha256, code=True) for r in receipt.recipes),
        removed=tuple(_part(tensor) for tensor in changed[:MOST_PARTS]),
        removed_hidden=max(len(changed) - MOST_PARTS, 0),
        files=tuple(RemovedPart(f.path, "left out", size(f.size)) for f in receipt.dropped),
        keys=tuple(_key(key) for key in receipt.keys),
        residual=tuple(Pair(r.pattern, r.why) for r in receipt.residual),
        lent=(*receipt.lent.tensors, *receipt.lent.files),
        untouched=_untouched(receipt),
        searched=f"{plural(receipt.leftovers.pieces, 'piece')} of what was removed; none was found",
        unsearched=tuple(Pair(u.part, f"{plural(u.pieces, 'piece')}: {u.why}") for u in receipt.leftovers.unsearched),
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
    if isinstance(tensor, RowsZeroed):
        what = f"rows {ranges(tensor.rows)} hold nothing but zeros"
    elif isinstance(tensor, ZeroFilled):
        what = "holds nothing but zeros"
    else:
        what = "taken out"
    return RemovedPart(tensor.name, what, size(tensor.size))


def _key(key: KeySet) -> Pair:
    value = f"also holds the token ids {ranges(key.tokens)}" if key.tokens is not None else f"set to {key.value}"
    return Pair(f"{key.file}: {key.key}", value)


def _untouched(receipt: Receipt) -> str:
    kept = [tensor for tensor in receipt.tensors if isinstance(tensor, Untouched)]
    total = sum(tensor.size for tensor in receipt.tensors)
    rest = total - sum(tensor.size for tensor in kept)
    return (
        f"{len(kept)} of {plural(len(receipt.tensors), 'tensor')} are bit for bit those of the source: "
        f"all but {size(rest)} of {size(total)}"
    )
