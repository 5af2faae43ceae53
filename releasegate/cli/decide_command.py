"""`releasegate decide`: the verdict on stored evidence. No model is needed, and none is run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from releasegate.cli import options
from releasegate.cli.asked import policy_file, refuse_unlisted, with_printed, written
from releasegate.cli.console import output
from releasegate.decision import Decision, decide
from releasegate.errors import RunError, UsageError
from releasegate.evidence import Evidence
from releasegate.plan import Plan
from releasegate.policy import Policy
from releasegate.repository import (
    GateRepository,
    LedgerFile,
    RunFolder,
    close_attempt,
    decide_run,
    ledger_path,
    starter,
)
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
@options.ledger
@options.repository
@options.outputs
@options.report_format
def command(
    run: Path,
    policy: Path | None,
    out: Path | None,
    artefacts: tuple[str, ...],
    ledger: Path | None,
    repo: Path,
    outputs: tuple[Output, ...],
    format_: str,
) -> int:
    """Decide on the evidence of RUN, store the decision there, and exit with the verdict.

    The ledger of the gate repository, if there is one at hand, must know the attempt; once everything was measured, it
    says how the attempt ended.

    With --policy, the stored evidence is judged by another policy instead. Such a replay is marked, and RUN keeps the
    decision that it has: those limits were chosen after looking.

    \b
    Example:
      releasegate decide runs/mini-chameleon
      releasegate decide runs/mini-chameleon --policy policies/stricter.yaml --out replay.json
    """
    folder = RunFolder(run)
    if policy is not None and ledger is not None:
        raise UsageError("--ledger", "a replay is no attempt", "leave it out")
    _require_places(outputs, folder, repo, tuple(path for path in (policy, out, ledger) if path is not None))
    if policy is not None:
        (decision, plan, evidence), places = _replay(folder, policy, out, artefacts), {"decision": out} if out else {}
    elif out is not None:
        raise UsageError("--out", "a decision is stored in its run", "leave it out, or name a --policy to replay")
    else:
        (decision, plan, evidence), places = (
            _decide(folder, repo, ledger, artefacts),
            {"decision": folder.decision_path},
        )
    asked = with_printed(outputs, format_)
    if asked:
        file = policy or policy_file(GateRepository.here(repo), plan)
        _write(asked, folder, repo, (decision, plan, evidence), file)
    places |= written(outputs)
    if format_ == "text":
        from releasegate.cli.summary import print_summary

        print_summary(output(), decision, places)
    return decision.exit_code_for(artefacts)


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
) -> None:
    from releasegate.reporting import templates_of
    from releasegate.reporting.formats import Rendered, write_outputs

    templates = templates_of(GateRepository.here(repo) or GateRepository(starter()))
    decision, plan, evidence = judged
    write_outputs(outputs, Rendered(folder, decision, plan, folder.receipt(), templates, evidence, policy))


def _decide(folder: RunFolder, repo: Path, named: Path | None, artefacts: tuple[str, ...]) -> _Judged:
    plan = folder.read_plan()  # no run here: say so before anything is locked
    refuse_unlisted(plan.policy, artefacts)
    repository = GateRepository.here(repo)
    ledger = None if plan.rehearsal else _ledger(plan, repository, named)
    with folder.locked():
        decision = decide_run(folder, repository, datetime.now(UTC).date())
        if ledger is not None:
            close_attempt(folder, plan, decision, ledger)
        folder.write_decision(decision)
    return decision, plan, None


def _ledger(plan: Plan, repository: GateRepository | None, named: Path | None) -> LedgerFile | None:
    """The ledger that the attempt was opened in, if it is at hand: deciding again needs nothing but the run."""
    usual = ledger_path(repository.root, plan.policy.family) if repository is not None else None
    place = named or usual
    if place is None or (named is None and not place.exists()):
        click.echo("no ledger at hand: this decision is not entered there (--ledger)", err=True)
        return None
    return LedgerFile(place)


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
