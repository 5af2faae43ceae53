"""`releasegate explain`: from the verdict on a capability down to the samples that decide it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from releasegate.cli import options
from releasegate.cli.console import output, print_json
from releasegate.decision import Decision, Finding
from releasegate.decision.excusing import excused_text
from releasegate.decision.explaining import beyond_text, label_text
from releasegate.difference import WORDS, counts_text, value_text
from releasegate.errors import EvidenceUntrusted, NotFound, nearest
from releasegate.explanation import (
    DecidingSample,
    Explanation,
    RequirementExplained,
    deciding_samples,
    explain,
    findings_of,
)
from releasegate.plan import SOURCE, Plan
from releasegate.repository import RunFolder
from releasegate.rounding import decimal, limit_text


@click.command("explain")
@options.run
@click.argument("capability")
@click.option("--requirement", metavar="ID", help="Only this requirement.")
@click.option(
    "--samples",
    "most",
    type=click.IntRange(0, 1000),
    default=5,
    show_default=True,
    metavar="N",
    help="Show at most N samples of each requirement.",
)
@options.format_
def command(run: Path, capability: str, requirement: str | None, most: int, format_: str) -> int:
    """Explain the stored decision of RUN on CAPABILITY: its routes, requirements, numbers and the samples that decide.

    Samples are those of the worst slice, failed ones first, then those that count against the requirement.

    \b
    Example:
      releasegate explain runs/mini-chameleon image_generation --samples 3
    """
    folder = RunFolder(run)
    decision, plan = folder.read_decision(), folder.read_plan()
    with folder.locked():
        _refuse_other_evidence(folder, decision, plan)
        _one_of(str(run), "capability", capability, [c.id for c in decision.capabilities])
        findings = findings_of(decision, plan.policy, capability)
        if requirement is not None:
            _one_of(f"{run}: {capability}", "requirement", requirement, [f.requirement for f in findings])
            findings = [f for f in findings if f.requirement == requirement]
        explained = [_explained(folder, plan, finding, most) for finding in findings]
    explanation = explain(decision, plan.policy, capability, explained)
    if format_ == "json":
        print_json(explanation.plain())
        return 0
    width = output().width
    for line in _lines(explanation):
        click.echo(_cut(line, width) if line.startswith("    ") else line)
    return 0


def _refuse_other_evidence(folder: RunFolder, decision: Decision, plan: Plan) -> None:
    same = decision.plan == plan.fixed and decision.evidence == folder.evidence.read(plan).digest
    if not same:
        what = "was made on other evidence than the run holds"
        raise EvidenceUntrusted(str(folder.decision_path), what, "run `releasegate decide`")


def _one_of(where: str, kind: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        fix = nearest(name, list(dict.fromkeys(known)), "use one of none: nothing was judged")
        raise NotFound(where, f"no {kind} {name!r}", fix)


def _explained(folder: RunFolder, plan: Plan, finding: Finding, most: int) -> RequirementExplained:
    eval_id = finding.metric.split("/")[0]
    streams = []
    for checkpoint in (finding.checkpoint, SOURCE):
        measurement = plan.find(eval_id, checkpoint)
        streams.append(folder.evidence.samples(plan, measurement) if measurement else iter(()))
    return deciding_samples(finding, plan, streams[0], streams[1] if finding.side == "margin" else (), most)


def _lines(explanation: Explanation) -> Iterator[str]:
    yield f"{explanation.capability}: {explanation.verdict}" + (f" by {explanation.route}" if explanation.route else "")
    yield _plain(explanation.sentence)
    for a in explanation.artefacts:
        yield f"  {a.artefact} at {a.asked}: {a.verdict}" + (f" by {a.route}" if a.route else "")
    for route in explanation.routes:
        needs = f": needs {', '.join(route.requirements)}" if route.requirements else ""
        at = f" at {route.channel}" if route.channel else ""
        yield f"  route {route.name} is {'met' if route.met else 'not met'}{at}{needs}"
    for explained in explanation.requirements:
        yield ""
        yield from _requirement(explained)


def _requirement(explained: RequirementExplained) -> Iterator[str]:
    f = explained.finding
    worst, e = f.slices[0], f.slices[0].estimate
    limits = worst.limits(f.limit)
    checkpoint = "source" if f.checkpoint == SOURCE else "stripped"
    at = f" at {f.channel}" if f.channel else ""
    yield f"{f.requirement} on the {checkpoint} checkpoint{at}: {(f.reason or f.status).replace('_', ' ')}"
    yield f"  limit     {f.metric} {WORDS[f.side]} {limit_text(f.limit)}" + (
        f", enforced by {f.enforced_by}" * bool(f.enforced_by)
    )
    if f.values is not None:
        threats = "; ".join(f"{name} {', '.join(listed)}" for name, listed in f.values.items())
        yield f"  threats   {_plain(threats)}"
    yield f"  slice     {_slice(f)}"
    yield f"  estimate  {counts_text(e)}{value_text(e, *limits)}"
    if e.interval is not None:
        interval = f"{decimal(e.interval.low, limits)} – {decimal(e.interval.high, limits)}"
        method = e.method.replace("_", " ")
        yield f"  bounds    {interval} ({method}, each at alpha {e.alpha:.4f})"
    if worst.threshold is not None:
        yield f"  flagged   from a score of {limit_text(worst.threshold)}, set on calibration items"
    if worst.moved is not None:
        beside = [x for x in (e.value, e.low, e.high) if x is not None]
        moved = limit_text(worst.moved, beside, f"{worst.moved:.4f}")
        refuted = ", beyond which they explain nothing" if worst.refuting_limit is not None else ""
        yield f"  judge     its errors move the limit to {moved}{refuted}"
    if worst.reason in ("want_of_evidence", "does_not_count"):
        yield f"  why       {_plain(f.sentence)}"
    for excused in (s for s in f.slices if s.status == "excused"):
        yield f"  excused   {_plain(excused_text(excused))}"
    for beyond in f.outside:
        yield f"  outside   {_plain(beyond_text(beyond, f.limit, shown=True))} (not gated)"
    if f.settle and f.status != "violated":
        yield f"  to settle {_plain(f.settle)}"
    shown = len(explained.samples)
    if shown:
        yield f"  samples   {explained.against} of {e.attempted} count against it; {shown} shown"
    for sample in explained.samples:
        yield "    " + _sample(sample, f.metric.split("/")[1], worst.threshold)


def _slice(f: Finding) -> str:
    worst = f.slices[0]
    if len(f.slices) == 1:
        return _plain(label_text(worst.labels)) or "all items together"
    others = [(s.reason or s.status).replace("_", " ") for s in f.slices[1:]]
    counted = ", ".join(f"{others.count(name)} {name}" for name in dict.fromkeys(others))
    return f"{_plain(label_text(worst.labels))}, the worst of {len(f.slices)} (others: {counted})"


def _sample(sample: DecidingSample, metric: str, threshold: float | None = None) -> str:
    """One line; a score stands on its side of the threshold."""
    labels = f"  {label_text(sample.labels)}" if sample.labels else ""
    if sample.effect == "failed":
        return _plain(f"item {sample.item}{labels}  failed: {sample.error}")
    before = f"{sample.source_value:g} -> " if sample.source_value is not None else ""
    assert sample.value is not None, "only a failed sample has none"
    value = limit_text(sample.value, [] if threshold is None else [threshold], f"{sample.value:g}")
    mark = "against" if sample.effect == "against" else "for"
    detail = "".join(f"  {name}: {text}" for name, text in sample.detail.items())
    return _plain(f"item {sample.item}{labels}  {metric} {before}{value} ({mark}){detail}")


def _plain(text: str) -> str:
    """One line without characters that a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"
