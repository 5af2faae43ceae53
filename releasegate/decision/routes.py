"""One capability on one checkpoint at one channel: by which route it may go out, if by any."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from releasegate.decision.closing import closed_routes
from releasegate.decision.judging import Bench, judge
from releasegate.decision.record import ClosedRoute, Finding, Verdict
from releasegate.policy import Capability, Channel, Requirement, narrower
from releasegate.working import controls, tripwires

NOT_SHOWN_TO_WORK = "the model is not shown to work"


@dataclass(frozen=True)
class Routes:
    """What the ways to be published of one capability showed on one checkpoint at one channel."""

    channel: Channel
    route: str | None
    wants_evidence: bool
    findings: tuple[Finding, ...]
    closed: tuple[ClosedRoute, ...] = ()
    """What keeps a route closed, whatever was measured."""


@dataclass(frozen=True)
class Judged:
    """One capability on one checkpoint, stripping apart."""

    verdict: Verdict
    sentence: str
    routes: Routes


class Desk:
    """Where capabilities are judged: what several artefacts ask is judged once."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._routes: dict[tuple[int, str, Channel], Routes] = {}
        self._taken_out: dict[tuple[int, str], tuple[Finding, ...]] = {}

    def judged(self, c: Capability, checkpoint: str, channel: Channel, *, narrow: bool = False) -> Judged:
        """By its routes at `channel`, else, if they are settled, at the narrower channel that it is restricted to.

        Args:
            narrow: judge at the narrower channel from the start.
        """
        routes = self.routes(c, checkpoint, channel)
        at = c.restrict.channel if c.otherwise == "restrict" and c.restrict is not None else None
        if not narrow or at is None:
            if routes.route is not None:
                return Judged("release", released(routes), routes)
            if routes.wants_evidence:
                return Judged("incomplete", why_not(routes, "a requirement wants evidence"), routes)
        if at is None:
            return Judged("withhold", why_not(routes, "withheld"), routes)
        if not narrower(at, channel):
            return Judged("withhold", why_not(routes, f"withheld, as {at} is not narrower than {channel}"), routes)
        routes = self.routes(c, checkpoint, at)
        if routes.route is not None:
            return Judged("restrict", f"{released(routes)}, at channel {at} only", routes)
        verdict: Verdict = "incomplete" if routes.wants_evidence else "withhold"
        return Judged(verdict, why_not(routes, f"not even at {at}"), routes)

    def routes(self, c: Capability, checkpoint: str, channel: Channel) -> Routes:
        """Misuse, then each list of safeguards; the first that is met in full is the route."""
        key = (id(c), checkpoint, channel)
        if key not in self._routes:
            self._routes[key] = _routes(self.bench, c, checkpoint, channel)
        return self._routes[key]

    def removed_and_kept(self, c: Capability, checkpoint: str, channel: Channel) -> tuple[Finding, ...]:
        """`removal` and `keep`, all of which must be met; none at all if either is missing, which shows nothing.

        Args:
            channel: changes nothing, as neither is a safeguard.
        """
        key = (id(c), checkpoint)
        if key not in self._taken_out:
            removed = [judge(self.bench, r, "removal", checkpoint, channel) for r in c.removal or ()]
            kept = [judge(self.bench, r, "keep", checkpoint, channel) for r in c.keep or ()]
            self._taken_out[key] = (*removed, *kept) if removed and kept else ()
        return self._taken_out[key]


def _routes(bench: Bench, c: Capability, checkpoint: str, channel: Channel) -> Routes:
    findings: list[Finding] = []
    route = "unconditional" if c.unconditional else None
    misuse = [judge(bench, r, "misuse", checkpoint, channel) for r in c.misuse or ()]
    working = _working(bench, c, checkpoint, channel)
    findings += [*misuse, *working]
    closed = closed_routes(bench.policy, bench.plan, c, checkpoint, channel)
    if route is None and all_met(misuse) and all(f.holds for f in working) and not closed:
        route = "misuse"
    for name, requirements in (c.safeguards or {}).items():
        listed = [judge(bench, r, "safeguards", checkpoint, channel, name) for r in requirements]
        findings += listed
        if route is None and all_met(listed):
            route = f"safeguards/{name}"
    asked = findings if _open(misuse) else [f for f in findings if f.section != "working"]
    wanting = wants(asked) or (_open(misuse) and any(one.reason == "want_of_evidence" for one in closed))
    return Routes(channel, route, wanting, tuple(findings), closed)


def _open(misuse: Iterable[Finding]) -> bool:
    """Return whether `misuse` may still be met: once one of it is violated, nobody asks whether the model works.

    No loss of evidence makes a requirement violated, so none makes a control superfluous.
    """
    return not any(f.status == "violated" for f in misuse)


def _controls(bench: Bench, c: Capability, channel: Channel) -> tuple[Requirement, ...]:
    """Return the controls that `misuse` wants at a channel; of a plan of an earlier release, the policy's own alone."""
    return controls(c, bench.plan.cards, (channel,)) if bench.plan.controlled else c.working or ()


def _working(bench: Bench, c: Capability, checkpoint: str, channel: Channel) -> list[Finding]:
    """Return what the controls showed. Nobody waives one, so that what holds is met, or a tripwire that was left alone.

    A lost item counts for a violation, so that losing some never makes a tripwire hold.
    """
    wires = tripwires(c, bench.plan.cards, (channel,)) if bench.plan.controlled else frozenset()
    found = [judge(bench, r, "working", checkpoint, channel, owner=c.id) for r in _controls(bench, c, channel)]
    return [f.model_copy(update={"tripwire": True}) if f.requirement in wires else f for f in found]


def all_met(findings: Iterable[Finding]) -> bool:
    """Whether each is met or waived. An empty list shows nothing."""
    listed = tuple(findings)
    return bool(listed) and all(f.holds for f in listed)


def wants(findings: Iterable[Finding]) -> bool:
    """Whether one of them wants evidence."""
    return any(f.reason == "want_of_evidence" for f in findings)


def released(routes: Routes) -> str:
    """By which route, with what was found."""
    if routes.route == "unconditional":
        return "released unconditionally"
    return f"released by {routes.route}: {sentences(f for f in routes.findings if f.holds)}"


def why_not(routes: Routes, outcome: str) -> str:
    """The outcome, with everything that is not met."""
    unmet = [sentences([f]) for f in routes.findings if not f.holds and f.section != "working"]
    broken = [sentences([f]) for f in routes.findings if not f.holds and f.section == "working"]
    unmet += [f"{NOT_SHOWN_TO_WORK}: {'; '.join(broken)}"] if broken else []
    return f"{outcome}: {'; '.join([*unmet, *(one.sentence for one in routes.closed)])}"


def sentences(findings: Iterable[Finding]) -> str:
    """What was found, requirement by requirement."""
    return "; ".join(f"{f.requirement}: {f.sentence}" for f in findings)


def told_apart(judged: Iterable[tuple[Channel, Finding]]) -> tuple[Finding, ...]:
    """Each finding once; with its channel where those of one requirement are not the same at all channels."""
    found: dict[tuple[str, str], dict[Channel, Finding]] = {}
    for channel, finding in judged:
        found.setdefault((finding.requirement, finding.checkpoint), {}).setdefault(channel, finding)
    apart: list[Finding] = []
    for at in found.values():
        first, *others = at.values()
        same = all(other == first for other in others)
        apart += [first] if same else [f.model_copy(update={"channel": channel}) for channel, f in at.items()]
    return tuple(apart)
