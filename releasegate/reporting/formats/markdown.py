"""The report as Markdown that fits a comment on a pull request: the verdict, why, and what is not known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from releasegate.approval import Wanted
from releasegate.decision import Decision, Finding
from releasegate.decision.owners import after_by_capability, findings_by_capability
from releasegate.decision.record import SliceFinding
from releasegate.evalcard import EvalCard
from releasegate.plan import SOURCE, Plan
from releasegate.receipt import Receipt
from releasegate.reporting.findings.distances import worst_first
from releasegate.reporting.findings.finding import metric_title
from releasegate.reporting.findings.measures import label_words
from releasegate.reporting.findings.reasons import reason
from releasegate.reporting.findings.resting import evidence_view
from releasegate.reporting.findings.standing import standing
from releasegate.reporting.first.approving import approvals as approved
from releasegate.reporting.first.approving import waiting
from releasegate.reporting.first.beyond import outside
from releasegate.reporting.first.changing import changes
from releasegate.reporting.first.leaning import leant_on
from releasegate.reporting.first.notices import notices
from releasegate.reporting.first.wanting import wanting
from releasegate.reporting.formats.markdown_text import code, plain
from releasegate.reporting.formats.rendered import Rendered
from releasegate.reporting.views.first import Change
from releasegate.reporting.wording.discreet import told
from releasegate.reporting.wording.numbers import MOST_PROSE, MOST_TEXT, MOST_TITLE, number, plural
from releasegate.reporting.wording.words import ARTEFACT, CAPABILITY, CHANNEL, REASON, STATUS, VERDICT, checkpoint

MOST = 60_000
"""Bytes. The sites that show such comments take 65,536 characters, or more."""
_NAME, _SUMMARY, _CAPABILITIES, _SENTENCES, _FINDINGS, _SLICES = 600, 3_000, 16_000, 4_000, 13_000, 7_000
"""Bytes that the lines of a part may take."""
MOST_SLICES = 5
"""Slices told of one requirement: the worst."""
SIGN = {"met": "✓", "violated": "✗", "not_shown": "?", "waived": "w", "excused": "–"}
"""What stands before the word of a status."""


def markdown(rendered: Rendered) -> str:
    """The text, at most MOST bytes in UTF-8, however much was found."""
    decision, plan = told(rendered.decision, rendered.plan.policy), rendered.plan
    findings = [f for _, f in findings_by_capability(decision, plan.policy)]
    measured = evidence_view(decision, plan, rendered.receipt, rendered.gathered).measurements
    parts = [
        *_head(decision, plan, rendered.approvals),
        *_capabilities(decision, plan),
        *_listed("Not measured, or failed", tuple(wanting(decision, measured))),
        *_listed("Outside the threat sets", tuple(outside(decision))),
        *_listed("The verdict leans on", tuple(leant_on(decision))),
        *_listed("What would change it", [_change(change) for change in changes(decision)]),
        *_findings(findings, plan),
        *_slices(findings, plan),
        *_digests(rendered.decision, rendered.receipt),
    ]
    text = "\n\n".join(parts) + "\n"
    assert len(text.encode()) <= MOST, "every part is bounded"
    return text


def _head(decision: Decision, plan: Plan, approvals: tuple[Wanted, ...]) -> Iterator[str]:
    name = plan.policy.model.name
    said = name is None or plan.policy.title.lower().startswith(name.lower())
    of = f", {_within(name, MOST_TITLE, _NAME)}" if name and not said else ""
    yield f"## {VERDICT[decision.verdict].word}: {_within(plan.policy.title, MOST_TITLE, _NAME)}{of}"
    yield from (f"> {plain(notice)}" for notice in (*notices(decision), *waiting(decision, approvals)))
    yield _within(decision.summary, MOST_PROSE, _SUMMARY)
    if len(decision.artefacts) > 1:
        yield _table(
            ("Verdict", "Artefact", "Asked for", "Granted"),
            [
                (f"**{CAPABILITY[a.verdict].word}**", ARTEFACT[a.name], CHANNEL[a.asked], CHANNEL[a.granted])
                for a in decision.artefacts
            ],
            _SENTENCES,
        )
    granted = "nothing is published" if decision.channel == "none" else f"channel: {CHANNEL[decision.channel]}"
    channel = [granted] if len(decision.artefacts) == 1 else []
    kind = "rehearsal of attempt" if decision.rehearsal else "attempt"
    agreed = [f"approvals: {_within(approved(decision, plan, approvals).text, MOST_TEXT, _NAME)}"] if approvals else []
    yield " · ".join(
        [
            *channel,
            *agreed,
            f"opened {plan.opened}",
            f"{kind} {decision.attempt}",
            f"effective alpha {number(decision.alpha)}",
        ]
    )


def _capabilities(decision: Decision, plan: Plan) -> Iterator[str]:
    """One line a capability, the worst first."""
    after = after_by_capability(decision, plan.policy)
    lines = [
        (
            f"**{CAPABILITY[c.verdict].word}**",
            plain(c.title, MOST_TITLE),
            plain(reason(c, after[c.id], plan)),
        )
        for c in decision.worst_first
    ]
    yield _table(("Verdict", "Capability", "Why"), lines, _CAPABILITIES)


def _change(change: Change) -> str:
    """What would change the verdict, behind the requirements that it is about."""
    names = [requirement for _, requirement in change.findings] + ([f"{change.more} more"] if change.more else [])
    return f"{', '.join(names)}: {change.text}" if names else change.text


def _listed(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield f"**{title}**\n\n" + _cut([f"- {plain(line)}" for line in dict.fromkeys(lines)], _SENTENCES)


def _findings(findings: Sequence[Finding], plan: Plan) -> Iterator[str]:
    ordered = sorted(findings, key=lambda f: f.holds)
    if ordered:
        head = ("Found", "Requirement", "On", "Estimate", "Bounds", "Limit", "Items")
        table = _table(head, [_finding(f, plan) for f in ordered], _FINDINGS)
        yield _folded(f"{plural(len(ordered), 'requirement')}, each by its worst slice", table)


def _finding(f: Finding, plan: Plan) -> tuple[str, ...]:
    card = plan.card_of(f.metric)
    where = f" ({CHANNEL[f.channel]})" if f.channel else ""
    name = f"{plain(f.requirement)}: {plain(metric_title(f, card), MOST_TITLE)}"
    note = f", {REASON[f.reason]}" if f.reason else ""
    found = f"{SIGN[f.status]} {STATUS[f.status].word}{note}"
    return found, name, plain(checkpoint(f.checkpoint)) + where, *_numbers(f, worst_first(f, f.slices)[0])


def _numbers(f: Finding, found: SliceFinding) -> tuple[str, str, str, str]:
    """Estimate, bounds, limit and items of a slice, none of them broken into two lines."""
    s = standing(f, found)
    estimate, bounds, limit, items = (text.replace(" ", "&nbsp;") for text in (s.estimate, s.bounds, s.limit, s.items))
    return estimate, bounds, limit.replace(",&nbsp;", ", "), items.replace(",&nbsp;", ", ")


def _slices(findings: Sequence[Finding], plan: Plan) -> Iterator[str]:
    cut = [f for f in sorted(findings, key=lambda f: f.holds) if any(s.labels for s in f.slices)]
    if cut:
        head = ("Found", "Requirement", "Slice", "Estimate", "Bounds", "Limit", "Items")
        table = _table(head, [row for f in cut for row in _worst(f, plan)], _SLICES)
        yield _folded(f"Worst slices, at most {MOST_SLICES} of a requirement", table)


def _worst(f: Finding, plan: Plan) -> Iterator[tuple[str, ...]]:
    card: EvalCard | None = plan.card_of(f.metric)
    for s in worst_first(f, f.slices)[:MOST_SLICES]:
        found = f"{SIGN[s.status]} {STATUS[s.status].word}"
        label = plain(label_words(card, s.labels)) or "all items"
        after = "" if f.checkpoint == SOURCE else f", {plain(checkpoint(f.checkpoint))}"
        yield found, f"{plain(f.requirement)}{after}", label, *_numbers(f, s)


def _digests(decision: Decision, receipt: Receipt | None) -> Iterator[str]:
    named = {
        "policy": decision.policy_digest,
        "plan": decision.plan,
        "evidence": decision.evidence,
        "model": decision.model,
        **({"stripped": receipt.output_digest} if receipt else {}),
        "decision": decision.digest(),
    }
    yield _folded("Digests", "\n".join(f"- {name} {code(digest)}" for name, digest in named.items()))


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], most: int) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", _cut(lines, most)])


def _within(text: str, most: int, room: int) -> str:
    """At most `most` characters of a text, fewer where those that are written out would take more than `room` bytes."""
    while len((found := plain(text, most)).encode()) > room:
        most //= 2
    return found


def _cut(lines: Sequence[str], most: int) -> str:
    """As many whole lines as there is room for, and how many there are more."""
    kept, room = [], most
    for line in lines:
        room -= len(line.encode()) + 1
        if room < 0:
            break
        kept.append(line)
    left = len(lines) - len(kept)
    return "\n".join(kept) + (f"\n\n… and {left} more" if left else "")
