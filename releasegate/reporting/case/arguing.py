"""From a decision and its plan to its assurance case. Pure: a case says what the decision says, and adds no judgement."""

from __future__ import annotations

from collections.abc import Iterable

from releasegate.decision import ArtefactDecision, CapabilityDecision, Decision, Finding
from releasegate.decision.record import CarriedDecision, Verdict
from releasegate.plan import SOURCE, Plan
from releasegate.policy import Channel
from releasegate.receipt import Receipt
from releasegate.reporting.case.evidencing import Evidencing
from releasegate.reporting.case.record import HOLDING, MAY_GO_OUT, AssuranceCase, ClaimStatus, Goal, Node, Strategy
from releasegate.reporting.case.surrounding import about_release, about_strip, rationale, unconditional
from releasegate.reporting.gathered.gathering import Gathered
from releasegate.reporting.wording.discreet import told
from releasegate.reporting.wording.numbers import MOST_TITLE, sentence, shortened
from releasegate.reporting.wording.words import ARTEFACT, CHANNEL, argued
from releasegate.reporting.wording.words import checkpoint as checkpoint_words


def assurance_case(
    decision: Decision, plan: Plan, receipt: Receipt | None = None, gathered: Gathered | None = None
) -> AssuranceCase:
    """The case that the decision makes: for the release, and for each capability; without reasons of failures, where the
    policy lets no sample be shown.

    Args:
        receipt: of the stripped checkpoint, whose residuals are then in it.
        gathered: from which it is then said how often each instrument is right.
    """
    digest, decision = decision.digest(), told(decision, plan.policy)
    return AssuranceCase(
        policy=decision.policy,
        policy_digest=decision.policy_digest,
        plan=decision.plan,
        evidence=decision.evidence,
        model=decision.model,
        decision=digest,
        verdict=decision.verdict,
        rehearsal=decision.rehearsal,
        replay=decision.replay,
        top="goal",
        nodes=tuple(_Argument(decision, plan, receipt, gathered).nodes()),
    )


class _Argument:
    """One case while it is being made."""

    def __init__(self, decision: Decision, plan: Plan, receipt: Receipt | None, gathered: Gathered | None) -> None:
        self._decision = decision
        self._plan = plan
        self._receipt = receipt
        self._made = Evidencing(plan, gathered)
        self._policies = {} if decision.replay else {c.id: c for c in plan.policy.capabilities}
        self._capabilities = {c.id: c for c in decision.capabilities}
        self._several = len(decision.artefacts) > 1

    def nodes(self) -> list[Node]:
        """Every element, the top first."""
        contexts = self._made.add_all(about_release(self._decision, self._plan))
        if not self._several:
            self._artefact(self._decision.artefacts[0], "goal", contexts)
        else:
            below = [self._artefact(a, f"goal/{a.name}", ()) for a in self._decision.artefacts]
            asked = ", ".join(f"{ARTEFACT[a.name].lower()} {published(a.asked)}" for a in self._decision.artefacts)
            self._composed(
                "goal", f"The release may go out: {asked}", self._decision.verdict, below, contexts, "artefact"
            )
        made = self._made.nodes
        return [made["goal"], *(node for name, node in made.items() if name != "goal")]

    def _artefact(self, a: ArtefactDecision, name: str, contexts: Iterable[str]) -> Goal:
        below = [self._capability(a, carried) for carried in a.capabilities]
        what = f"The {ARTEFACT[a.name].lower()}" if self._several else "The model"
        if a.verdict == "release_stripped":
            gone = ", ".join(f"“{self._title(c.id)}”" for c in a.capabilities if c.verdict == "release_stripped")
            what = f"Without {gone}, {what[:1].lower()}{what[1:]} may be published"
        else:
            what = f"{what} may be published"
        through = a.granted if a.verdict in MAY_GO_OUT else a.asked
        only = ", and through no wider channel" if a.verdict == "restrict" else ""
        return self._composed(name, f"{what} {published(through)}{only}", a.verdict, below, contexts, "capability")

    def _composed(
        self, name: str, statement: str, verdict: Verdict, below: list[Goal], contexts: Iterable[str], by: str
    ) -> Goal:
        """A claim that rests on one claim for each artefact or capability."""
        status = composed(verdict, [g.status for g in below])
        around = list(contexts)
        if not below:
            around.append(self._made.assumption(f"assumption/{name}", "Nothing that is judged goes out with it."))
        else:
            self._made.add(
                Strategy(
                    id=f"strategy/{name.removeprefix('goal').strip('/') or 'release'}",
                    statement=f"Argument over every {by}",
                    status=status,
                    supported_by=tuple(g.id for g in below),
                )
            )
        goal = Goal(
            id=name,
            statement=statement,
            status=status,
            because=self._decision.summary if name == "goal" else "",
            supported_by=(f"strategy/{name.removeprefix('goal').strip('/') or 'release'}",) if below else (),
            in_context_of=tuple(around),
        )
        return self._made.add(goal)

    def _title(self, capability: str) -> str:
        return shortened(self._capabilities[capability].title, MOST_TITLE)

    def _capability(self, a: ArtefactDecision, carried: CarriedDecision) -> Goal:
        """The claim about one capability in one artefact, with the route that was taken and those that were not."""
        c = self._capabilities[carried.id]
        scope = f"{a.name}/{c.id}" if self._several else c.id
        taken, others = self._routes(a, c, carried, scope)
        around = [self._made.add(node).id for node in rationale(c, scope)]
        status: ClaimStatus
        if carried.verdict not in MAY_GO_OUT:
            others, taken = [*others, *taken], []
            beaten = bool(others) and all(s.status == "defeated" for s in others)
            status = "defeated" if beaten and carried.verdict == "withhold" else "undeveloped"
        elif taken:
            status = taken[0].status
        else:
            status = "assumed" if carried.route == "unconditional" else "undeveloped"
            if status == "assumed":
                around += [self._made.add(node).id for node in unconditional(c, scope)]
        goal = Goal(
            id=f"goal/{scope}",
            statement=_claim(self._title(c.id), a, carried.verdict),
            status=status,
            because=sentence(carried.sentence),
            supported_by=tuple(s.id for s in taken),
            alternatives=tuple(s.id for s in others),
            in_context_of=tuple(around),
            capability=c.id,
        )
        return self._made.add(goal)

    def _routes(
        self, a: ArtefactDecision, c: CapabilityDecision, carried: CarriedDecision, scope: str
    ) -> tuple[list[Strategy], list[Strategy]]:
        """The argument that was taken, if one was, and the others."""
        source = self._lists(c.findings, a, carried, SOURCE, scope)
        gone = self._strip(a, c, carried, scope)
        again = []
        strip = self._decision.strip
        if strip is not None and a.checkpoint != SOURCE and c.id not in strip.capabilities:
            again = self._lists(self._own(c, ("misuse", "working", "safeguards")), a, carried, a.checkpoint, scope)
        every = [*again, *gone, *source]
        if carried.route == "unconditional" or carried.verdict not in MAY_GO_OUT:
            return [], every
        if carried.verdict == "release_stripped":
            order = gone
        elif again and a.verdict in MAY_GO_OUT:
            order = again  # nothing measured on the source counts for the stripped checkpoint
        else:
            order = [s for s in source if s.route == carried.route] or source
            if not any(s.status in HOLDING for s in order):
                order = again or order  # narrowed by the stripped checkpoint, which does not go out yet
        taken = [s for s in order if s.status in HOLDING]
        taken.sort(key=lambda s: s.route != carried.route)
        return taken[:1], [s for s in every if s is not next(iter(taken), None)]

    def _lists(
        self, findings: Iterable[Finding], a: ArtefactDecision, carried: CarriedDecision, checkpoint: str, scope: str
    ) -> list[Strategy]:
        """Misuse and each list of safeguards on one checkpoint, as arguments."""
        found: dict[str, list[Finding]] = {}
        for f in findings:
            if f.section in ("misuse", "working", "safeguards"):
                found.setdefault("misuse" if f.safeguards is None else f"safeguards/{f.safeguards}", []).append(f)
        return [
            self._strategy(scope, checkpoint, route, self._at(route, fs, a, carried)) for route, fs in found.items()
        ]

    def _at(self, route: str, findings: list[Finding], a: ArtefactDecision, carried: CarriedDecision) -> list[Finding]:
        """The findings at the channel at which the capability was judged for this artefact, one a requirement."""
        policy = self._policies.get(carried.id)
        narrow = policy.restrict.channel if policy is not None and policy.restrict is not None else None
        order = [narrow, a.asked] if carried.verdict in ("restrict", "withhold") else [a.asked, narrow]
        chosen: dict[str, Finding] = {}
        for f in sorted(findings, key=lambda f: order.index(f.channel) if f.channel in order else len(order)):
            kept = chosen.setdefault(f.requirement, f)
            if carried.route == route and f.holds and not kept.holds:
                chosen[f.requirement] = f
        return list(chosen.values())

    def _own(self, c: CapabilityDecision, sections: tuple[str, ...]) -> list[Finding]:
        """Findings on the stripped checkpoint that belong to a capability; of a replay those that belong to no other."""
        policy = self._policies.get(c.id)
        names = {r.id for _, _, r in policy.sections()} if policy else {f.requirement for f in c.findings}
        names |= {f.requirement for f in self._decision.stripped_findings if f.capability == c.id}
        others = {f.requirement for other in self._decision.capabilities if other.id != c.id for f in other.findings}
        found = [f for f in self._decision.stripped_findings if f.section in sections]
        return [f for f in found if f.requirement in names or (policy is None and f.requirement not in others)]

    def _strip(
        self, a: ArtefactDecision, c: CapabilityDecision, carried: CarriedDecision, scope: str
    ) -> list[Strategy]:
        """What the stripped checkpoint shows of a capability that was taken out of it, or is to be."""
        strip = self._decision.strip
        if strip is None or a.checkpoint == SOURCE or c.id not in strip.capabilities:
            awaited = strip is None and c.id in self._decision.awaiting_strip and carried.verdict == "incomplete"
            return [self._strategy(scope, "stripped", "strip", [])] if awaited else []
        found = self._own(c, ("removal", "keep"))
        if carried.verdict not in MAY_GO_OUT and all(f.holds for f in found):
            found += [f for f in strip.findings if not f.holds and f not in found]
        around = self._made.add_all(about_strip(strip, self._receipt))
        return [self._strategy(scope, a.checkpoint, "strip", found, around)]

    def _strategy(
        self, scope: str, checkpoint: str, route: str, findings: list[Finding], around: tuple[str, ...] = ()
    ) -> Strategy:
        goals = [self._made.requirement(f) for f in findings]
        where = "source" if checkpoint == SOURCE else "stripped"
        again = "" if self._decision.strip is None or route == "strip" else f", {checkpoint_words(checkpoint)}"
        strategy = Strategy(
            id=f"strategy/{scope}/{where}/{route}",
            statement=f"Argument that it is {argued(route)}{again}",
            status=every([g.status for g in goals]),
            because="" if goals else "No stripped checkpoint shows it.",
            supported_by=tuple(g.id for g in goals),
            in_context_of=around,
            route=route,
        )
        return self._made.add(strategy)


def every(statuses: list[ClaimStatus]) -> ClaimStatus:
    """The status of an argument that needs each of these claims; nothing is argued from none.

    >>> every([]), every(["supported", "waived"]), every(["supported", "undeveloped", "defeated"])
    ('undeveloped', 'waived', 'defeated')
    """
    for one in ("defeated", "undeveloped"):
        if one in statuses:
            return one
    for one in ("waived", "supported", "assumed"):
        if one in statuses:
            return one
    return "undeveloped"


def composed(verdict: Verdict, below: list[ClaimStatus]) -> ClaimStatus:
    """The status of a claim about everything below it, which never holds where the verdict says no.

    >>> composed("release", []), composed("withhold", ["supported", "defeated"]), composed("incomplete", ["defeated"])
    ('assumed', 'defeated', 'undeveloped')
    """
    if verdict in MAY_GO_OUT:
        return every(below) if below else "assumed"
    return "defeated" if verdict == "withhold" and "defeated" in below else "undeveloped"


def published(channel: Channel) -> str:
    """How a channel is said of what goes out through it.

    >>> published("open_weights"), published("api")
    ('as open weights', 'behind an API')
    """
    return "behind an API" if channel == "api" else "nowhere" if channel == "none" else f"as {CHANNEL[channel]}"


def _claim(title: str, a: ArtefactDecision, verdict: Verdict) -> str:
    name = ARTEFACT[a.name].lower() if a.name != "weights" else "model"
    if verdict == "release_stripped":
        return f"“{title}” is gone from the checkpoint that is published"
    if verdict == "restrict":
        narrow = "through a narrower channel only" if a.granted == "none" else f"{published(a.granted)} and no wider"
        return f"“{title}” may go out with the {name}, {narrow}"
    return f"“{title}” may go out with the {name} {published(a.asked)}"
