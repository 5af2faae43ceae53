"""The one-screen summary of a decision."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from releasegate.approval import Wanted
from releasegate.cli.awaited import awaited_lines
from releasegate.decision import Decision, Finding
from releasegate.decision.explaining import label_text
from releasegate.decision.outside import outside_text
from releasegate.rounding import decimal, limit_text

STYLES = {
    "release": "bold green",
    "release_stripped": "bold green",
    "restrict": "bold yellow",
    "withhold": "bold red",
    "incomplete": "bold magenta",
    "met": "green",
    "violated": "red",
    "not_shown": "magenta",
    "waived": "yellow",
}
SIDES = {"at_most": "≤", "at_least": "≥", "margin": "worse by ≤"}


def print_summary(
    console: Console, decision: Decision, places: dict[str, Path], wanted: tuple[Wanted, ...] = ()
) -> None:
    """Nothing; verdict, capabilities, requirements, and where things lie are on the console.

    Args:
        places: what lies where, such as `{"report": Path("runs/x/report.html")}`.
        wanted: every role that is asked to approve, with what there is of it.
    """
    marks = [" (rehearsal: counts for nothing, never exported)"] if decision.rehearsal else []
    marks += [" (replay: never attested or exported)"] if decision.replay else []
    console.print(f"[{STYLES[decision.verdict]}]{decision.verdict}[/] · {decision.policy}{''.join(marks)}")
    if decision.ledger is not None and not decision.ledger.anchored:
        console.print("ledger: unanchored")
    console.print(escape(decision.summary))
    if decision.verdict_without_waivers != decision.verdict:
        console.print(
            f"without waivers: [{STYLES[decision.verdict_without_waivers]}]{decision.verdict_without_waivers}[/]"
        )
    several = len(decision.artefacts) > 1
    channel = "" if several else f"channel {decision.channel} · "  # several have one each
    console.print(
        f"{channel}attempt {decision.attempt} · effective alpha {decision.alpha:.4f} · model {short(decision.model)}",
        style="dim",
    )
    console.print()
    if several:
        console.print(_artefacts(decision))
        console.print()
    console.print(_requirements(decision))
    for capability in decision.capabilities:
        console.print(f"[{STYLES[capability.verdict]}]{capability.verdict:>16}[/]  {escape(capability.title)}")
    console.print()
    for finding in _open(decision):
        at = f" at {finding.channel}" if finding.channel else ""
        console.print(f"  {escape(finding.requirement)}{at}: {escape(finding.sentence)}")
        if finding.settle and finding.status != "violated":
            console.print(f"    to settle it: {escape(finding.settle)}", style="dim")
    for route, sentence, remedy in _closed(decision):
        console.print(f"  {escape(route)} is closed: {escape(sentence)}")
        console.print(f"    to open it: {escape(remedy)}", style="dim")
    for line in decision.not_measured:
        console.print(escape(line))
    for line in outside_text(decision):
        console.print(escape(line))
    for line in decision.idle_waivers:
        console.print(f"waiver that does not count: {escape(line)}")
    for line in awaited_lines(wanted) if decision.lets_out else ():
        console.print(escape(line))
    if decision.ledger is not None:
        console.print(f"ledger at opening: {escape(str(decision.ledger))}", style="dim", soft_wrap=True)
    for line in decision.leans_on:
        console.print(f"leans on: {escape(line)}", style="dim")
    for name, place in places.items():
        console.print(f"{name + ':':<10}{escape(str(place))}", soft_wrap=True)


def short(digest: str) -> str:
    """The first twelve digits of a digest."""
    return digest.removeprefix("sha256:")[:12]


def _open(decision: Decision) -> list[Finding]:
    found = list(decision.strip.findings) if decision.strip else []
    found += [f for c in decision.capabilities for f in c.telling]
    return [f for f in found if not f.holds]


def _named(f: Finding) -> str:
    """How the table names a requirement: controls of a card by what they are, since the metric stands beside."""
    if f.section != "working" or not f.requirement.startswith(f"{f.capability}.works."):
        return f.requirement
    return "  tripwire" if f.tripwire is not None else "  control"


def _closed(decision: Decision) -> list[tuple[str, str, str]]:
    """What keeps `misuse` of capabilities closed, whatever was measured: which, why, and what would open it. Each once."""
    found: dict[tuple[str, str], list[str]] = {}
    for c in decision.capabilities:
        for one in c.closed or () if c.route != "misuse" else ():
            named = found.setdefault((one.sentence, one.remedy), [])
            if c.id not in named:
                named.append(c.id)
    return [(f"misuse of {', '.join(named)}", *why) for why, named in found.items()]


def _artefacts(decision: Decision) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("artefact", "verdict", "asked for", "granted", "because of"):
        table.add_column(title)
    for a in decision.artefacts:
        because = ", ".join(c.id for c in a.capabilities if c.verdict == a.verdict and a.verdict != "release")
        table.add_row(a.name, f"[{STYLES[a.verdict]}]{a.verdict}[/]", a.asked, a.granted, escape(because or "–"))
    return table


def _requirements(decision: Decision) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("requirement", "on", "metric", "found", "value", "interval", "limit", "items"):
        table.add_column(title, justify="right" if title in ("value", "interval", "limit", "items") else "left")
    for finding in decision.findings:
        table.add_row(*_row(finding))
    return table


def _row(f: Finding) -> list[str]:
    worst = f.slices[0]
    e = worst.estimate
    interval = (
        "–"
        if e.value is None or e.interval is None
        else f"{decimal(e.interval.low, [f.limit])} – {decimal(e.interval.high, [f.limit])}"
    )
    where = (f" ({label_text(worst.labels)})" if worst.labels else "") + (f" at {f.channel}" if f.channel else "")
    return [
        escape(_named(f) + where),
        "source" if f.checkpoint == "source" else "stripped",
        escape(f.metric),
        f"[{STYLES[f.status]}]{f.status.replace('_', ' ')}[/]",
        "–" if e.value is None else ("lost " if f.side == "margin" else "") + decimal(e.value, [f.limit]),
        interval,
        f"{SIDES[f.side]} {limit_text(f.limit)}",
        f"{e.scored}/{e.planned}",
    ]
