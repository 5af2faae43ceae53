"""`releasegate decide`: the verdict on stored evidence. No model is needed, and none is run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from releasegate.cli import options
from releasegate.cli.console import output, print_json
from releasegate.decision import Decision, decide
from releasegate.errors import RunError, UsageError
from releasegate.policy import Policy
from releasegate.repository import GateRepository, RunFolder, decide_run
from releasegate.repository.writing import write_whole


@click.command("decide")
@options.run
@click.option("--policy", type=options.FILE, metavar="FILE", help="Replay the evidence under another policy.")
@click.option("--out", type=options.FILE, metavar="FILE", help="Of a replay: also write the decision to this file.")
@options.repository
@options.format_
def command(run: Path, policy: Path | None, out: Path | None, repo: Path, format_: str) -> int:
    """Decide on the evidence of RUN, store the decision there, and exit with the verdict.

    With --policy, the stored evidence is judged by another policy instead. Such a replay is marked, and RUN keeps the
    decision that it has: those limits were chosen after looking.

    \b
    Example:
      releasegate decide runs/mini-chameleon
      releasegate decide runs/mini-chameleon --policy policies/stricter.yaml --out replay.json
    """
    folder = RunFolder(run)
    if policy is not None:
        decision, places = _replay(folder, policy, out), {"decision": out} if out else {}
    elif out is not None:
        raise UsageError("--out", "a decision is stored in its run", "leave it out, or name a --policy to replay")
    else:
        decision, places = _decide(folder, repo), {"decision": folder.decision_path}
    if format_ == "json":
        print_json(decision.plain())
    else:
        from releasegate.cli.summary import print_summary

        print_summary(output(), decision, places)
    return decision.exit_code


def _decide(folder: RunFolder, repo: Path) -> Decision:
    folder.read_plan()  # no run here: say so before anything is locked
    with folder.locked():
        decision = decide_run(folder, GateRepository.here(repo), datetime.now(UTC).date())
        folder.write_decision(decision)
    return decision


def _replay(folder: RunFolder, file: Path, out: Path | None) -> Decision:
    if out is not None and out.resolve().is_relative_to(folder.root.resolve()):
        raise UsageError(str(out), "lies in the run, which holds its own decision alone", "name a file elsewhere")
    plan = folder.read_plan()
    policy = GateRepository.around(file).read_policy(file).record
    _refuse_other_model(file, policy, plan.policy)
    today = datetime.now(UTC).date()
    with folder.locked():
        decision = decide(policy, plan, folder.evidence.read(plan), folder.receipt(), today)
    if out is not None:
        write_whole(out, decision.text().encode())
    return decision


def _refuse_other_model(file: Path, policy: Policy, planned: Policy) -> None:
    for name in ("layout", "subject"):
        asked, measured = getattr(policy.model, name), getattr(planned.model, name)
        if asked != measured:
            what = f"is about {name} {asked}, and the run measured {name} {measured}"
            raise RunError(str(file), what, "choose a policy about that kind of model")
