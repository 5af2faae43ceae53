"""The verdict: from findings to capabilities, from capabilities to the release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from releasegate.decision.judging import Bench, judge
from releasegate.decision.record import CapabilityDecision, Decision, Finding, StripDecision, Verdict, worst
from releasegate.decision.settled import settled, stopped_early
from releasegate.decision.waiving import case_of
from releasegate.errors import EvidenceUntrusted
from releasegate.evidence import MEASURED, Evidence
from releasegate.intervals import effective_alpha
from releasegate.plan import SOURCE, Plan, PlannedStrip
from releasegate.policy import CHANNELS, Capability, Channel, Policy
from releasegate.receipt import Receipt
from releasegate.trust import Trust
from releasegate.waiver import Waiver, Waivers


@dataclass(frozen=True)
class _Routes:
    """What the ways to be published of one capability showed on one checkpoint at one channel."""

    route: str | None
    wants_evidence: bool
    findings: tuple[Finding, ...]


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
    found = _decided(replace(bench, waivers=held), receipt)
    every = [f for c in found.capabilities for f in c.findings] + list(found.strip.findings if found.strip else ())
    cases = [case_of(policy, plan, f) for f in every]
    return found.model_copy(
        update={
            "verdict_without_waivers": bare.verdict,
            "idle_waivers": tuple(idle.sentence for idle in held.idle(policy.id, cases)),
            "leans_on": tuple(_waivers_of(every)) + found.leans_on,
        }
    )


def _waivers_of(findings: list[Finding]) -> Iterable[str]:
    seen = set()
    for f in findings:
        w = f.waived
        if w is None or w.waiver in seen:
            continue
        seen.add(w.waiver)
        what = f"{f.requirement} on {f.checkpoint} is {w.status.replace('_', ' ')}"
        yield f"waiver {w.waiver} by {w.owner} until {w.expires}: {what}; {' '.join(w.reason.split())}"


def _decided(bench: Bench, receipt: Receipt | None) -> Decision:
    policy, plan, evidence = bench.policy, bench.plan, bench.evidence
    source = [_on_source(bench, c) for c in policy.capabilities]
    stripping = tuple(c.id for c in source if c.verdict == "release_stripped")
    strip: StripDecision | None = None
    awaiting: tuple[str, ...] = ()
    if any(c.verdict == "withhold" for c in source):
        source = [_strip_in_vain(c) for c in source]
    elif any(c.verdict == "incomplete" for c in source):
        source = [_not_stripped(c) for c in source]
    elif stripping:
        planned = _stripped_of(plan, receipt, stripping)
        if planned is not None and receipt is not None:
            strip, source = _on_stripped(bench, source, planned, receipt)
        else:
            awaiting = stripping
            source = [_not_stripped(c) for c in source]
    verdict = worst(c.verdict for c in source)
    return Decision(
        verdict=verdict,
        verdict_without_waivers=verdict,
        channel=_channel(policy, source, verdict),
        summary=_summary(verdict, source),
        policy=policy.id,
        policy_digest=policy.digest(),
        plan=plan.fixed,
        evidence=evidence.digest,
        model=plan.source,
        attempt=plan.attempt,
        ledger=plan.ledger,
        alpha=bench.alpha,
        replay=policy.digest() != plan.policy.digest(),
        capabilities=tuple(source),
        strip=strip,
        awaiting_strip=awaiting,
        settled=stopped_early(bench),
        leans_on=tuple(_leans_on(policy, plan)),
        not_measured=tuple(_not_measured(bench, source, strip)),
    )


def _bench(policy: Policy, plan: Plan, evidence: Evidence, today: date) -> Bench:
    age = (today - date.fromisoformat(plan.opened)).days
    if age < 0:
        raise EvidenceUntrusted("plan.json", f"was opened on {plan.opened}, which is after today", "correct the clock")
    limit = policy.release.max_age_days
    stale = f"the evidence is {age} days old, and counts for {limit}" if age > limit else None
    alpha = effective_alpha(policy.release.alpha, plan.attempt, policy.shares)
    bench = Bench(policy, plan, evidence, alpha, stale, Waivers((), None, today))
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


def _routes(bench: Bench, c: Capability, checkpoint: str, channel: Channel) -> _Routes:
    """Misuse, then each list of safeguards; the first that is met in full is the route."""
    findings: list[Finding] = []
    route = "unconditional" if c.unconditional else None
    misuse = [judge(bench, r, "misuse", checkpoint, channel) for r in c.misuse or ()]
    findings += misuse
    if route is None and _all_met(misuse):
        route = "misuse"
    for name, requirements in (c.safeguards or {}).items():
        listed = [judge(bench, r, "safeguards", checkpoint, channel, name) for r in requirements]
        findings += listed
        if route is None and _all_met(listed):
            route = f"safeguards/{name}"
    return _Routes(route, _wants(findings), tuple(findings))


def _all_met(findings: list[Finding]) -> bool:
    """An empty list shows nothing."""
    return bool(findings) and all(f.status in ("met", "waived") for f in findings)


def _wants(findings: Iterable[Finding]) -> bool:
    return any(f.reason == "want_of_evidence" for f in findings)


def _on_source(bench: Bench, c: Capability) -> CapabilityDecision:
    """The source's verdict on one capability; `release_stripped` stands for "comes to strip" until it is stripped."""
    judged = _routes_or_restricted(bench, c, SOURCE)
    verdict, routes = judged.verdict, judged.routes
    if verdict == "withhold" and c.otherwise == "strip":
        verdict, sentence = "release_stripped", _why_not(routes, "it comes to strip")
    else:
        sentence = judged.sentence
    return CapabilityDecision(
        id=c.id,
        title=c.title,
        rationale=c.rationale,
        verdict=verdict,
        route=routes.route,
        sentence=sentence,
        findings=routes.findings,
    )


@dataclass(frozen=True)
class _Judged:
    """One capability on one checkpoint, stripping apart."""

    verdict: Verdict
    sentence: str
    routes: _Routes


def _routes_or_restricted(bench: Bench, c: Capability, checkpoint: str, *, narrow: bool = False) -> _Judged:
    """By its routes at the release's channel, else, if they are settled, at the channel that it is restricted to.

    Args:
        narrow: judge at the narrower channel from the start.
    """
    routes = _routes(bench, c, checkpoint, bench.policy.release.channel)
    restricted = c.otherwise == "restrict" and c.restrict is not None
    if not (narrow and restricted):
        if routes.route is not None:
            return _Judged("release", _released(routes), routes)
        if routes.wants_evidence:
            return _Judged("incomplete", _why_not(routes, "a requirement wants evidence"), routes)
    if not restricted or c.restrict is None:
        return _Judged("withhold", _why_not(routes, "withheld"), routes)
    at = c.restrict.channel
    routes = _routes(bench, c, checkpoint, at)
    if routes.route is not None:
        return _Judged("restrict", f"{_released(routes)}, at channel {at} only", routes)
    verdict: Verdict = "incomplete" if routes.wants_evidence else "withhold"
    return _Judged(verdict, _why_not(routes, f"not even at {at}"), routes)


def _released(routes: _Routes) -> str:
    if routes.route == "unconditional":
        return "released unconditionally"
    shown = [f for f in routes.findings if f.status in ("met", "waived")]
    return f"released by {routes.route}: " + "; ".join(f"{f.requirement}: {f.sentence}" for f in shown)


def _why_not(routes: _Routes, outcome: str) -> str:
    open_ones = [f for f in routes.findings if f.status not in ("met", "waived")]
    return f"{outcome}: " + "; ".join(f"{f.requirement}: {f.sentence}" for f in open_ones)


def _stripped_of(plan: Plan, receipt: Receipt | None, stripping: tuple[str, ...]) -> PlannedStrip | None:
    """The planned strip that was written, if it takes away all that must go. It may take more: that shows no less."""
    written = (strip for strip in plan.strips if receipt is not None and strip.model == receipt.planned)
    return next((strip for strip in written if set(stripping) <= set(strip.capabilities)), None)


def _on_stripped(
    bench: Bench, source: list[CapabilityDecision], planned: PlannedStrip, receipt: Receipt
) -> tuple[StripDecision, list[CapabilityDecision]]:
    """What the stripped checkpoint shows. Nothing measured on the source counts, but as the baseline of `keep`."""
    findings: list[Finding] = []
    judged: list[CapabilityDecision] = []
    verdicts: list[Verdict] = []
    for c, before in zip(bench.policy.capabilities, source, strict=True):
        if c.id in planned.capabilities:
            own = _removed_and_kept(bench, c, planned.name)
            findings += own
            verdicts.append("release_stripped" if _all_met(own) else "incomplete" if _wants(own) else "withhold")
            judged.append(before)
            continue
        again = _routes_or_restricted(bench, c, planned.name, narrow=before.verdict == "restrict")
        findings += again.routes.findings
        verdicts.append(again.verdict)
        if again.verdict == "restrict" and before.verdict == "release":
            changes = {"verdict": "restrict", "route": again.routes.route, "sentence": f"stripped: {again.sentence}"}
            before = before.model_copy(update=changes)
        judged.append(before)
    came_to = worst(verdicts)
    assert came_to != "release", "a strip takes something away"
    strip = StripDecision(
        name=planned.name,
        capabilities=planned.capabilities,
        model=receipt.output_digest,
        tier=receipt.tier,
        verdict=came_to,
        findings=tuple(findings),
    )
    return strip, [_after_strip(c, strip) for c in judged]


def _removed_and_kept(bench: Bench, c: Capability, checkpoint: str) -> list[Finding]:
    """`removal` and `keep`, all of which must be met; none at all if either is missing, which shows nothing."""
    channel = bench.policy.release.channel
    removed = [judge(bench, r, "removal", checkpoint, channel) for r in c.removal or ()]
    kept = [judge(bench, r, "keep", checkpoint, channel) for r in c.keep or ()]
    return [*removed, *kept] if removed and kept else []


def _after_strip(c: CapabilityDecision, strip: StripDecision) -> CapabilityDecision:
    """A stripped capability with what its strip came to. One that fails elsewhere on the checkpoint fails it too."""
    if c.id not in strip.capabilities:
        return c
    if strip.verdict in ("release_stripped", "restrict"):
        sentence = f"taken out of the checkpoint that is published; {c.sentence}"
        return c.model_copy(update={"verdict": "release_stripped", "route": "strip", "sentence": sentence})
    failed = [f for f in strip.findings if f.status not in ("met", "waived")]
    why = "; ".join(f"{f.requirement}: {f.sentence}" for f in failed) or "nothing shows that the strip worked"
    sentence = f"the strip is not shown to be enough: {why}"
    return c.model_copy(update={"verdict": strip.verdict, "route": None, "sentence": sentence})


def _not_stripped(c: CapabilityDecision) -> CapabilityDecision:
    if c.verdict != "release_stripped":
        return c
    return c.model_copy(
        update={"verdict": "incomplete", "sentence": f"no stripped checkpoint was measured; {c.sentence}"}
    )


def _strip_in_vain(c: CapabilityDecision) -> CapabilityDecision:
    """Another capability is withheld: there is no checkpoint to publish, so none is stripped."""
    if c.verdict != "release_stripped":
        return c
    return c.model_copy(
        update={
            "verdict": "withhold",
            "sentence": f"not stripped, as another capability keeps the model in; {c.sentence}",
        }
    )


def _channel(policy: Policy, capabilities: list[CapabilityDecision], verdict: Verdict) -> Channel:
    if verdict in ("release", "release_stripped"):
        return policy.release.channel
    if verdict == "restrict":
        by_id = {c.id: c for c in policy.capabilities}
        narrow = [by_id[c.id].restrict for c in capabilities if c.verdict == "restrict"]
        return max((r.channel for r in narrow if r is not None), key=CHANNELS.index)
    return "none"


_SUMMARIES: Mapping[Verdict, str] = {
    "release": "The model may be published as it is.",
    "release_stripped": "The model may be published without {0}.",
    "restrict": "The model may be published through a narrower channel only, because of {0}.",
    "withhold": "The model may not be published, because of {0}.",
    "incomplete": "Nothing can be published yet: evidence is wanting on {0}.",
}


def _summary(verdict: Verdict, capabilities: list[CapabilityDecision]) -> str:
    text = _SUMMARIES[verdict].format(_names(c for c in capabilities if c.verdict == verdict))
    withheld = [c for c in capabilities if c.verdict == "withhold"]
    if verdict == "incomplete" and withheld:
        text += f" Withheld in any case: {_names(withheld)}."
    return text


def _names(capabilities: Iterable[CapabilityDecision]) -> str:
    return ", ".join(c.id.replace("_", " ") for c in capabilities)


def _leans_on(policy: Policy, plan: Plan) -> Iterable[str]:
    if plan.ledger is None:
        yield "no ledger is kept: that this is attempt 1 is not shown"
    elif not plan.ledger.anchored:
        yield "ledger: unanchored: attempts removed from its end would not be seen"
    for c in policy.capabilities:
        if c.unconditional:
            yield f"{c.title}: unconditional, because: {c.rationale}"
    for eval_id, card in plan.cards.items():
        if card.items.kind == "public_pool":
            measurement = plan.find(eval_id, SOURCE)
            n = measurement.items if measurement and measurement.items else card.items.n
            yield f"{eval_id}: {n} public items, which the model's author may have trained on; attempt {plan.attempt}"
        if card.clusters is not None and card.clusters.population == "named":
            yield f"{eval_id}: {_clusters(plan, eval_id, card.clusters.key)}"


def _clusters(plan: Plan, eval_id: str, key: str) -> str:
    cells = [cell for m in plan.measurements if m.eval == eval_id for cell in m.cells]
    names = {cell.labels[key] for cell in cells if key in cell.labels}
    return f"{len(names)} of dimension {key}: these, not others"


def _not_measured(bench: Bench, source: list[CapabilityDecision], strip: StripDecision | None) -> Iterable[str]:
    if strip is not None and not any(f.metric.startswith("restoration/") for f in strip.findings):
        yield "cost to restore: not measured"
    findings = [f for c in source for f in c.findings] + list(strip.findings if strip else ())
    for f in findings:
        if f.reason == "want_of_evidence":
            yield f"{f.metric} on {f.checkpoint}: {f.sentence}"
    for s in stopped_early(bench):
        yield f"{s.eval} on {s.checkpoint}: {s.planned - s.attempted} of {s.planned} items, left alone once all was settled"
    for m in bench.plan.measurements:
        columns = bench.columns(m)
        scored = int((columns.state == MEASURED).sum()) if columns is not None else 0
        if m.role == "calibration" and scored < m.items:
            yield f"the instruments of {m.eval}: {m.items - scored} of {m.items} calibration items failed or are missing"
