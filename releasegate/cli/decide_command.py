"""`releasegate decide`: the verdict on stored evidence. No model is needed, and none is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from releasegate.approval import Wanted
from releasegate.cli import options
from releasegate.cli.asked import policy_file, refuse_unlisted, with_printed, written
from releasegate.cli.awaited import exit_with
from releasegate.cli.console import output
from releasegate.cli.judged import Judged, judged, require_ledger
from releasegate.decision import Decision, decide
from releasegate.errors import RunError, UsageError
from releasegate.evidence import Evidence
from releasegate.ledger import Anchor
from releasegate.plan import Plan
from releasegate.policy import Policy
from releasegate.repository import (
    GateRepository,
    LedgerFile,
    RunFolder,
    close_run,
    decide_run,
    ledger_path,
    require_opened,
    starter,
)
from releasegate.repository.approvals import approvals_of
from releasegate.repository.deciding_run import require_same_policy
from releasegate.repository.run_entries import refuse_foreign
from releasegate.repository.writing import write_whole

if TYPE_CHECKING:
    from releasegate.reporting.formats import Output

_Judged = tuple[Decision, Plan, Evidence | None]
"""What was decided, by which plan, and on which evidence, if it was read."""


@click.command("decide")
@options.run
@click.option("--policy", type=options.FILE, metavar="FILE", help="Replay the evidence under another policy.")
@click.option("--out", type=options.FILE, metavar="FILE", help="Of a replay: also write the decision to this file.")
@options.artefact
@click.option(
    "--model",
    type=options.FILE,
    metavar="CHECKPOINT",
    help="The source checkpoint: the run must be of it, and RUN/stripped a strip of it, byte by byte.",
)
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="Refuse a run of any attempt but this one.")
@options.judge_from
@options.ledger
@options.ledger_head
@options.repository
@options.outputs
@options.report_format
def command(
    run: Path,
    policy: Path | None,
    out: Path | None,
    artefacts: tuple[str, ...],
    model: Path | None,
    attempt: int | None,
    judge_from: str | None,
    ledger: Path | None,
    ledger_head: Anchor | None,
    repo: Path,
    outputs: tuple[Output, ...],
    format_: str,
) -> int:
    """Decide on the evidence of RUN, store the decision there, and exit with the verdict.

    The ledger of the gate repository, if there is one at hand, must know the attempt; once everything was measured, it
    says how the attempt ended. The plan must be the one that the ledger knows, and no code of the run is run: it may come
    from a machine that nobody trusts.

    With --judge-from, the policy of the plan must be the one in that commit, and waivers and keys come from there.

    With --policy, the stored evidence is judged by another policy instead. Such a replay is marked, and RUN keeps the
    decision that it has: those limits were chosen after looking.

    \b
    Example:
      releasegate decide runs/mini-chameleon
      releasegate decide runs/mini-chameleon --policy policies/stricter.yaml --out replay.json
    """
    folder = RunFolder(run)
    if policy is not None:
        _refuse_beside_replay({"--ledger": ledger, "--judge-from": judge_from, "--model": model, "--attempt": attempt})
    elif out is not None:
        raise UsageError("--out", "a decision is stored in its run", "leave it out, or name a --policy to replay")
    asked = with_printed(outputs, format_)
    with judged(repo, judge_from) as judge:
        _require_places(outputs, folder, judge.named, tuple(path for path in (policy, out, ledger) if path is not None))
        if policy is not None:
            found, places = _replay(folder, policy, out, artefacts), {"decision": out} if out else {}
        else:
            counted = _Counted(ledger, ledger_head, attempt)
            found, places = _decide(folder, judge, counted, model, artefacts), {"decision": folder.decision_path}
        decision, plan, _ = found
        today = datetime.now(UTC).date()
        wanted = approvals_of(folder, plan, GateRepository.here(judge.named), decision, today)
        if asked:
            file = policy or policy_file(GateRepository.here(repo), plan)
            _write(asked, folder, judge.named, found, file, wanted)
    places |= written(outputs)
    if format_ == "text":
        from releasegate.cli.summary import print_summary

        print_summary(output(), decision, places, wanted)
    return exit_with(decision, artefacts, wanted)


@dataclass(frozen=True)
class _Counted:
    """Where attempts are counted, as far as it was said; a place in it that somebody else remembers; and which one it is."""

    ledger: Path | None
    anchor: Anchor | None
    attempt: int | None


def _refuse_beside_replay(given: Mapping[str, object]) -> None:
    for name, value in given.items():
        if value is not None:
            raise UsageError(name, "a replay is no attempt", "leave it out")


def _require_places(outputs: tuple[Output, ...], folder: RunFolder, repo: Path, files: tuple[Path, ...]) -> None:
    if outputs:
        from releasegate.reporting.formats import Taken, require_places

        folder.read_plan()  # no run here: say so first
        require_places(outputs, Taken(folder, GateRepository.here(repo), files=files))


def _write(
    outputs: tuple[Output, ...],
    folder: RunFolder,
    repo: Path,
    judged: _Judged,
    policy: Path | None,
    wanted: tuple[Wanted, ...],
) -> None:
    from releasegate.reporting import templates_of
    from releasegate.reporting.formats import Rendered, write_outputs

    templates = templates_of(GateRepository.here(repo) or GateRepository(starter()))
    decision, plan, evidence = judged
    write_outputs(outputs, Rendered(folder, decision, plan, folder.receipt(), templates, evidence, policy, wanted))


def _decide(
    folder: RunFolder, judge: Judged, counted: _Counted, model: Path | None, artefacts: tuple[str, ...]
) -> _Judged:
    refuse_foreign(folder.root, closed=judge.commit is not None)
    plan = folder.read_plan()  # no run here: say so before anything is locked
    if counted.attempt is not None and (plan.rehearsal or plan.attempt != counted.attempt):
        held = "a rehearsal" if plan.rehearsal else f"attempt {plan.attempt}"
        raise RunError(str(folder.root), f"holds {held}, not attempt {counted.attempt}", "name the run that was opened")
    refuse_unlisted(plan.policy, artefacts)
    repository = GateRepository.here(judge.named)
    require_ledger(judge, counted.ledger, counts=not plan.rehearsal)
    ledger = None if plan.rehearsal else _ledger(plan, repository, counted)
    with folder.locked():
        if judge.commit is not None:
            require_same_policy(GateRepository.around(judge.named), plan)
            folder.note_judge(judge.commit)
        _require_model(folder, plan, judge, model)
        decision = decide_run(folder, repository, datetime.now(UTC).date())
        close_run(folder, plan, decision, ledger, counted.anchor)
    return decision, plan, None


def _ledger(plan: Plan, repository: GateRepository | None, counted: _Counted) -> LedgerFile | None:
    """The ledger that the attempt was opened in, if it is at hand: deciding again needs nothing but the run.

    Raises:
        LedgerError: it does not know the attempt as the plan tells of it.
    """
    usual = ledger_path(repository.root, plan.policy.family) if repository is not None else None
    place = counted.ledger or usual
    if place is None or (counted.ledger is None and not place.exists()):
        click.echo("no ledger at hand: this decision is not entered there (--ledger)", err=True)
        return None
    ledger = LedgerFile(place)
    require_opened(plan, ledger, counted.anchor)
    return ledger


def _require_model(folder: RunFolder, plan: Plan, judge: Judged, model: Path | None) -> None:
    """Nothing, if the run is of the source checkpoint `model`, and its stripped one, if there is one, a strip of that.

    Raises:
        UsageError: a commit judges, there is a stripped checkpoint, and the source is not at hand.
        RunError: the source is another one.
        VerifyError: the stripped checkpoint is no strip of it.
    """
    if model is None:
        if judge.commit is not None and folder.stripped.exists():
            what = "the run comes with a stripped checkpoint, and nothing shows what it was made from"
            raise UsageError("--judge-from", what, "name the source with --model")
        return
    from releasegate.stripped import open_source, open_stripped, require_source

    source = open_source(model, plan.policy)
    require_source(model, plan, source)
    if folder.stripped.exists():
        open_stripped(folder, plan, GateRepository.around(judge.named), source)


def _replay(folder: RunFolder, file: Path, out: Path | None, artefacts: tuple[str, ...]) -> _Judged:
    """The decision by another policy, and the plan with that policy in place of its own, as a report tells of it.

    Samples that the run's own policy lets no report show stay unshown.
    """
    if out is not None and out.resolve().is_relative_to(folder.root.resolve()):
        raise UsageError(str(out), "lies in the run, which holds its own decision alone", "name a file elsewhere")
    plan = folder.read_plan()
    policy = GateRepository.around(file).read_policy(file).record
    _refuse_other_model(file, policy, plan.policy)
    refuse_unlisted(policy, artefacts)
    today = datetime.now(UTC).date()
    with folder.locked():
        folder.refuse_outputs(policy)
        evidence = folder.evidence.read(plan, hashed=policy.hashes_samples)
        decision = decide(policy, plan, evidence, folder.receipt(), today)
    if out is not None:
        write_whole(out, decision.text().encode())
    shown = policy if plan.policy.shows_samples else policy.model_copy(update={"samples": "unshown"})
    return decision, plan.model_copy(update={"policy": shown}), evidence


def _refuse_other_model(file: Path, policy: Policy, planned: Policy) -> None:
    for name in ("layout", "subject"):
        asked, measured = getattr(policy.model, name), getattr(planned.model, name)
        if asked != measured:
            what = f"is about {name} {asked}, and the run measured {name} {measured}"
            raise RunError(str(file), what, "choose a policy about that kind of model")
