"""The verdict: from what becomes of each artefact to what becomes of the release."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import replace
from datetime import date

from releasegate.decision.artefacts import Standing, on_source, on_stripped, without_strip
from releasegate.decision.excusing import excused_slices
from releasegate.decision.judging import Bench
from releasegate.decision.leaning import leans_on, not_measured
from releasegate.decision.outside import unmet_outside
from releasegate.decision.record import ArtefactDecision, CapabilityDecision, Decision, Finding, StripDecision, worst
from releasegate.decision.routes import Desk, told_apart
from releasegate.decision.settled import settled, stopped_early
from releasegate.decision.summarising import artefact_sentence, summary
from releasegate.decision.waiving import case_of
from releasegate.errors import EvidenceUntrusted
from releasegate.evidence import Evidence
from releasegate.plan import SOURCE, Plan, PlannedStrip
from releasegate.policy import CHANNELS, Capability, Policy
from releasegate.receipt import Receipt
from releasegate.trust import Trust
from releasegate.waiver import Waiver, Waivers


def decide(
    policy: Policy,
    plan: Plan,
    evidence: Evidence,
    receipt: Receipt | None,
    today: date,
    waivers: tuple[Waiver, ...] = (),
    trust: Trust | None = None,
) -> Decision:
    """The decision on everything that was measured so far. Pure.

    Args:
        policy: the plan's own, or another one for a replay.
        evidence: samples of measurements that the plan lists.
        receipt: of the stripped checkpoint, once there is one.
        today: the day of deciding; evidence older than the policy's `max_age_days` shows nothing.

    Raises:
        EvidenceUntrusted: the evidence was measured on other checkpoints than those planned.
    """
    bench = _bench(policy, plan, evidence, today)
    _refuse_other_checkpoints(plan, evidence, receipt)
    bare = _decided(bench, receipt)
    if not waivers or bare.replay:
        return bare
    held = Waivers(waivers, trust, today)
    found = _decided(
        replace(bench, waivers=held), receipt, {_coming(bench)} if plan.chances is not None else frozenset()
    )
    cases = [case_of(policy, plan, f) for f in found.findings]
    return found.model_copy(
        update={
            "verdict_without_waivers": bare.verdict,
            "idle_waivers": tuple(idle.sentence for idle in held.idle(policy.id, cases)),
            "leans_on": tuple(_waivers_of(found.findings)) + found.leans_on,
        }
    )


def _waivers_of(findings: Iterable[Finding]) -> Iterable[str]:
    seen = set()
    for f in findings:
        w = f.waived
        if w is None or w.waiver in seen:
            continue
        seen.add(w.waiver)
        what = f"{f.requirement} on {f.checkpoint} is {w.status.replace('_', ' ')}"
        yield f"waiver {w.waiver} by {w.owner} until {w.expires}: {what}; {' '.join(w.reason.split())}"


def _coming(bench: Bench) -> frozenset[str]:
    """The capabilities that the source's evidence says are to be taken away."""
    channels, desk = bench.policy.release.channels, Desk(bench)
    return frozenset(c for name, channel in channels.items() for c in on_source(desk, name, channel).stripping)


def _decided(bench: Bench, receipt: Receipt | None, also: Set[frozenset[str]] = frozenset()) -> Decision:
    """The decision.

    Args:
        also: sets of capabilities that may have been taken away though waivers let some of them stay.
    """
    policy, plan = bench.policy, bench.plan
    desk = Desk(bench)
    asked = [on_source(desk, name, channel) for name, channel in policy.release.channels.items()]
    coming = {c for standing in asked for c in standing.stripping}
    chosen = None if plan.chances is None else {frozenset(coming), *also}
    standings = [_stripped(desk, standing, receipt, chosen) for standing in asked]
    awaited = any(before.stripping and after.came_to is None for before, after in zip(asked, standings, strict=True))
    verdict = worst(standing.verdict for standing in standings)
    capabilities = [_capability(c, standings) for c in policy.capabilities]
    strip = _strip(standings, plan, receipt)
    every = [f for c in capabilities for f in c.findings] + list(strip.findings if strip else ())
    return Decision(
        verdict=verdict,
        verdict_without_waivers=verdict,
        channel=max((standing.granted for standing in standings), key=CHANNELS.index),
        summary=summary(policy, standings),
        policy=policy.id,
        policy_digest=plan.policy_digest_of(policy),
        plan=plan.fixed,
        evidence=bench.evidence.digest,
        model=plan.source,
        attempt=plan.attempt,
        ledger=plan.ledger,
        rehearsal=plan.rehearsal,
        alpha=bench.alpha,
        replay=plan.policy_digest_of(policy) != plan.policy_digest_of(plan.policy),
        artefacts=tuple(_artefact(standing) for standing in standings),
        capabilities=tuple(capabilities),
        strip=strip,
        awaiting_strip=tuple(c.id for c in policy.capabilities if c.id in coming) if awaited else (),
        settled=stopped_early(bench),
        outside=unmet_outside(every, plan.cards),
        leans_on=(*leans_on(policy, plan), *excused_slices(every)),
        not_measured=tuple(not_measured(bench, capabilities, strip)),
    )


def _bench(policy: Policy, plan: Plan, evidence: Evidence, today: date) -> Bench:
    age = (today - date.fromisoformat(plan.opened)).days
    if age < 0:
        raise EvidenceUntrusted("plan.json", f"was opened on {plan.opened}, which is after today", "correct the clock")
    limit = policy.release.max_age_days
    stale = f"the evidence is {age} days old, and counts for {limit}" if age > limit else None
    bench = Bench(policy, plan, evidence, plan.effective_alpha(policy), stale, Waivers((), None, today))
    return replace(bench, settled=settled(bench))


def _refuse_other_checkpoints(plan: Plan, evidence: Evidence, receipt: Receipt | None) -> None:
    """Each measurement must have been made on the checkpoint that it is planned for, as it lies on disk."""
    if plan.nonce is None:
        return
    planned = {plan.identity(m): m for m in plan.measurements}
    for identity, columns in evidence.columns.items():
        measurement = planned.get(identity)
        if measurement is None:
            raise EvidenceUntrusted(
                f"evidence/{identity.removeprefix('sha256:')}", "is not a measurement of the plan", "remove the folder"
            )
        if measurement.checkpoint == SOURCE:
            expected: str | None = plan.source
        else:
            belongs = receipt is not None and receipt.planned == measurement.model and receipt.source == plan.source
            expected = receipt.output_digest if receipt is not None and belongs else None
        if columns.model is not None and columns.model != expected:
            raise EvidenceUntrusted(
                f"evidence of {measurement.eval} on {measurement.checkpoint}",
                f"was measured on {columns.model}, expected {expected or 'a stripped checkpoint with its receipt'}",
                "measure again in a new run folder",
            )


_Chosen = Set[frozenset[str]] | None
"""The sets of capabilities one of which must be what was taken away; None: any set that holds all that must go."""


def _stripped(desk: Desk, standing: Standing, receipt: Receipt | None, chosen: _Chosen) -> Standing:
    """The artefact on the stripped checkpoint, if that is what would go out and it was written."""
    if not standing.stripping:
        return without_strip(standing)
    planned = _stripped_of(desk.bench.plan, receipt, standing.stripping, chosen)
    return on_stripped(desk, standing, planned) if planned is not None else without_strip(standing)


def _stripped_of(
    plan: Plan, receipt: Receipt | None, stripping: tuple[str, ...], chosen: _Chosen
) -> PlannedStrip | None:
    """The planned strip that was written, if it takes away all that must go. It may take more: that shows no less.

    Where all strips are one chance, it is the one that the source's evidence chose: another one would be a second chance.
    """
    written = (strip for strip in plan.strips if receipt is not None and strip.model == receipt.planned)
    fitting = (strip for strip in written if set(stripping) <= set(strip.capabilities))
    return next((strip for strip in fitting if chosen is None or frozenset(strip.capabilities) in chosen), None)


def _capability(c: Capability, standings: list[Standing]) -> CapabilityDecision:
    """The worst over the artefacts that carry it, with the findings of all."""
    carried = [mine for standing in standings for mine in standing.carried if mine.capability is c]
    decided = next(mine for mine in carried if mine.verdict == worst(other.verdict for other in carried)).decided
    return CapabilityDecision(
        id=c.id,
        title=c.title,
        rationale=c.rationale,
        verdict=decided.verdict,
        route=decided.route,
        sentence=decided.sentence,
        findings=told_apart((mine.routes.channel, f) for mine in carried for f in mine.routes.findings),
        closed=tuple(dict.fromkeys(one for mine in carried for one in mine.routes.closed)) or None,
    )


def _artefact(standing: Standing) -> ArtefactDecision:
    return ArtefactDecision(
        name=standing.artefact,
        asked=standing.asked,
        granted=standing.granted,
        verdict=standing.verdict,
        checkpoint=standing.checkpoint,
        sentence=artefact_sentence(standing),
        capabilities=tuple(mine.decided for mine in standing.carried),
    )


def _strip(standings: list[Standing], plan: Plan, receipt: Receipt | None) -> StripDecision | None:
    """What the stripped checkpoint showed for all artefacts that would go out as it."""
    judged = [standing for standing in standings if standing.came_to is not None]
    if receipt is None or not judged:
        return None
    planned = next(strip for strip in plan.strips if strip.name == judged[0].checkpoint)
    came_to = worst(standing.came_to for standing in judged if standing.came_to is not None)
    assert came_to != "release", "a strip takes something away"
    return StripDecision(
        name=planned.name,
        capabilities=planned.capabilities,
        model=receipt.output_digest,
        tier=receipt.tier,
        verdict=came_to,
        findings=told_apart(shown for standing in judged for shown in standing.shown),
    )
