"""From two decisions to what their comparison shows. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from releasegate.decision import Decision, Finding
from releasegate.decision.record import CapabilityDecision
from releasegate.difference import (
    DecisionDifference,
    Key,
    RequirementChange,
    counts_text,
    decision_difference,
    paired_findings,
    policy_difference,
)
from releasegate.evalcard import EvalCard
from releasegate.policy import Policy
from releasegate.reporting.comparing.compared import Compared
from releasegate.reporting.comparing.intervals import interval_charts
from releasegate.reporting.comparing.moves import MOST_MOVES, Found, slice_moves
from releasegate.reporting.comparing.policies import policy_changes
from releasegate.reporting.comparing.samples import ComparedSamples
from releasegate.reporting.comparing.views import (
    WHICH,
    Became,
    DecisionComparison,
    Fact,
    FoundLine,
    PolicyChanges,
    RequirementGroup,
    RequirementLine,
    RequirementView,
)
from releasegate.reporting.findings.distances import worst_first
from releasegate.reporting.findings.finding import metric_title
from releasegate.reporting.findings.measures import label_words
from releasegate.reporting.findings.standing import standing
from releasegate.reporting.first.approving import approvals
from releasegate.reporting.first.notices import notices
from releasegate.reporting.wording.numbers import MOST_PROSE, MOST_TITLE, plural, sentence, shortened
from releasegate.reporting.wording.words import (
    ARTEFACT,
    CAPABILITY,
    CHANNEL,
    REASON,
    STATUS,
    VERDICT,
    checkpoint,
    route,
)

MOST_DRAWN = 24
"""Requirements of which the intervals are drawn; of all others the numbers stand there."""
MOST_WHY = 8
MOST_LINKS = 6
"""Causes, and requirements of a capability, that are listed."""


def decision_comparison(before: Compared, after: Compared, samples: ComparedSamples) -> DecisionComparison:
    """The page of two decisions."""
    one, other = before.decision, after.decision
    difference = decision_difference(one, other, (before.requirements, after.requirements))
    changes = {(r.requirement, r.checkpoint, r.channel): r for r in difference.requirements}
    changed: list[tuple[Key, Finding, Finding]] = []
    alone: list[RequirementLine] = []
    unchanged: list[RequirementLine] = []
    for key, old, new in paired_findings(one, other):
        if old is not None and new is not None and key in changes:
            changed.append((key, old, new))
        elif new is not None:
            (alone if old is None else unchanged).append(_plain("B", key, new, after, changes.get(key)))
        elif old is not None:
            alone.append(_plain("A", key, old, before, changes.get(key)))
    otherwise = [c for c in changed if _status(c[1]) != _status(c[2])]
    moved = [c for c in changed if _status(c[1]) == _status(c[2])]
    drawn = {key for key, _, _ in (*otherwise, *moved)[:MOST_DRAWN]}

    def group(anchor: str, title: str, found: Sequence[tuple[Key, Finding, Finding]]) -> RequirementGroup:
        views = (
            _requirement(changes[key], key, old, new, before, after, drawn=key in drawn) for key, old, new in found
        )
        return RequirementGroup(anchor, title, tuple(views))

    return DecisionComparison(
        mark=VERDICT[other.verdict],
        heading=_heading(one, other),
        summary=_summary(difference, len(otherwise), len(moved), len(unchanged), len(alone)),
        names=(shortened(before.name), shortened(after.name)),
        notices=tuple(_notices(before, after)),
        facts=tuple(_facts(before, after)),
        artefacts=_artefacts(one, other),
        capabilities=tuple(_capabilities(before, after, changes)),
        groups=(
            group("otherwise", "Requirements that are found otherwise", otherwise),
            group("numbers", "Requirements with other numbers and the same status", moved),
        ),
        alone=tuple(alone),
        unchanged=tuple(unchanged),
        policy=_policy(before.policy, after.policy),
        samples=samples.view,
        without_samples=samples.why,
    )


def _heading(one: Decision, other: Decision) -> str:
    now, was = VERDICT[other.verdict].word, VERDICT[one.verdict].word
    return f"{now}, as before" if one.verdict == other.verdict else f"{was} → {now}"


def _summary(difference: DecisionDifference, otherwise: int, moved: int, same: int, alone: int) -> str:
    if difference.empty:
        return "Nothing changed."
    both = otherwise + moved + same
    judged = (
        f"Of {plural(both, 'requirement')} that both judge, {otherwise} {_are(otherwise)} found otherwise, "
        f"{moved} with the same status and other numbers, and {same} as before."
    )
    if not both:
        judged = "No requirement is judged by both."
    return f"{judged} {alone} {_are(alone)} judged by one of the two alone." if alone else judged


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def _notices(before: Compared, after: Compared) -> Iterator[str]:
    for which, side in zip(WHICH, (before, after), strict=True):
        yield from (f"{which}: {notice}" for notice in notices(side.decision))
        if side.plan is None:
            yield f"{which} is a decision in a file: it was not compared with the evidence that it was made on."


def _facts(before: Compared, after: Compared) -> Iterator[Fact]:
    one, other = before.decision, after.decision

    def fact(name: str, old: str, new: str, *, code: bool = False) -> Fact:
        return Fact(name, old if code else shortened(old), new if code else shortened(new), old != new, code)

    yield fact("verdict", VERDICT[one.verdict].word, VERDICT[other.verdict].word)
    yield fact("channel", CHANNEL[one.channel], CHANNEL[other.channel])
    yield fact("model", _model(before), _model(after))
    yield fact("digest of the model", one.model, other.model, code=True)
    yield fact("policy", one.policy, other.policy)
    yield fact("digest of the policy", one.policy_digest, other.policy_digest, code=True)
    opened = [side.plan.opened if side.plan is not None else "not in the file" for side in (before, after)]
    yield fact("opened", *opened)
    yield fact("attempt", str(one.attempt), str(other.attempt))
    yield fact("effective alpha", f"{one.alpha:.4g}", f"{other.alpha:.4g}")
    yield fact("evidence", one.evidence, other.evidence, code=True)
    if before.approvals or after.approvals:
        yield fact("approvals", *(_approved(side) for side in (before, after)))


def _approved(side: Compared) -> str:
    return "not in the file" if side.plan is None else approvals(side.decision, side.plan, side.approvals).text


def _model(side: Compared) -> str:
    if side.plan is None:
        return "not in the file"
    name = side.plan.policy.model.name
    return f"{name} ({side.plan.model.layout})" if name else side.plan.model.layout


def _artefacts(one: Decision, other: Decision) -> tuple[Became, ...]:
    """Nothing where both are about one: the verdict and its channel say the same."""
    old, new = {a.name: a for a in one.artefacts}, {a.name: a for a in other.artefacts}
    names = {**old, **new}
    return tuple(
        Became(
            name=ARTEFACT[name],
            before=CAPABILITY[a.verdict] if (a := old.get(name)) else None,
            after=CAPABILITY[b.verdict] if (b := new.get(name)) else None,
            before_how=CHANNEL[a.granted] if a else "",
            after_how=CHANNEL[b.granted] if b else "",
            changed=a is None or b is None or (a.verdict, a.granted) != (b.verdict, b.granted),
        )
        for name in (names if len(names) > 1 else ())
    )


def _capabilities(before: Compared, after: Compared, changes: dict[Key, RequirementChange]) -> Iterator[Became]:
    old, new = ({c.id: c for c in side.decision.capabilities} for side in (before, after))
    for name in {**old, **new}:
        a, b = old.get(name), new.get(name)
        mine = {f.requirement for c in (a, b) if c is not None for f in c.findings}
        mine |= before.of_capability(name) | after.of_capability(name)
        links = [(_anchor(key), f"{key[0]}, {_where(key)}") for key in changes if key[0] in mine]
        yield Became(
            name=shortened(b.title if b else a.title if a else name, MOST_TITLE),
            before=CAPABILITY[a.verdict] if a else None,
            after=CAPABILITY[b.verdict] if b else None,
            before_how=_route(a),
            after_how=_route(b),
            changed=a is None or b is None or (a.verdict, a.route) != (b.verdict, b.route),
            links=tuple(links[:MOST_LINKS]),
            hidden=max(len(links) - MOST_LINKS, 0),
        )


def _route(c: CapabilityDecision | None) -> str:
    return "" if c is None else route(c.route)


def _requirement(
    change: RequirementChange,
    key: Key,
    old: Finding,
    new: Finding,
    before: Compared,
    after: Compared,
    *,
    drawn: bool,
) -> RequirementView:
    card = after.card(new.metric)
    title, moves = slice_moves(Found(old, before.card(old.metric), before.gathered), Found(new, card, after.gathered))
    return RequirementView(
        anchor=_anchor(key),
        requirement=key[0],
        title=metric_title(new, card),
        checkpoint=_where(key),
        lines=(_line("A", old, before.card(old.metric)), _line("B", new, card)),
        why=tuple(shortened(sentence(why.sentence), MOST_PROSE) for why in change.why[:MOST_WHY]),
        why_hidden=max(len(change.why) - MOST_WHY, 0),
        charts=interval_charts(old, new, card) if drawn else (),
        moves_title=title,
        moves=moves[:MOST_MOVES],
        moves_hidden=max(len(moves) - MOST_MOVES, 0),
    )


def _line(which: str, finding: Finding, card: EvalCard | None) -> FoundLine:
    worst = worst_first(finding, finding.slices)[0]
    at = standing(finding, worst)
    return FoundLine(
        which=which,
        mark=STATUS[finding.status],
        note=REASON[finding.reason] if finding.reason else "",
        slice=shortened(label_words(card, worst.labels), MOST_TITLE),
        estimate=at.estimate,
        low=at.low,
        high=at.high,
        limit=at.limit,
        counted=counts_text(worst.estimate),
    )


def _plain(which: str, key: Key, finding: Finding, side: Compared, change: RequirementChange | None) -> RequirementLine:
    why = shortened(sentence(change.why[0].sentence), MOST_PROSE) if change is not None else ""
    line = _line(which, finding, side.card(finding.metric))
    return RequirementLine(_anchor(key), finding.requirement, _where(key), line, why)


def _status(finding: Finding) -> tuple[str, str | None]:
    return finding.status, finding.reason


def _anchor(key: Key) -> str:
    return "~".join(("changed", key[1], key[0], *([key[2]] if key[2] else [])))


def _where(key: Key) -> str:
    where = checkpoint("source" if key[1] == "source" else "stripped:")
    return f"{where}, for {CHANNEL[key[2]]}" if key[2] else where


def _policy(one: Policy | None, other: Policy | None) -> PolicyChanges:
    return policy_changes(policy_difference(one, other).changes if one is not None and other is not None else ())
