"""A small run of one requirement that is tested item by item, or judged by an instrument. No model runs."""

from __future__ import annotations

from pathlib import Path

from releasegate.decision import decide
from releasegate.repository import RunFolder
from tests.reporting.example_run import Example
from tests.tiny_gates import OPENED
from tests.tiny_methods import RIGHT, Trial, by_turns, eval_card, samples_of


def trial_run(folder: Path, trial: Trial) -> Example:
    """The run of a trial on the source, with its decision. The shards of its card hold all of its items."""
    run, plan = RunFolder(folder), trial.plan
    run.open(plan)
    for m in plan.measurements:
        identity = plan.identity(m)
        run.evidence.start_shard(plan, identity, 0)
        placed = trial.gate if m.role == "gate" else trial.calibration or []
        run.evidence.finish_shard(identity, 0, plan.source, list(samples_of(m, placed)))
    decision = decide(plan.policy, plan, run.evidence.read(plan), None, OPENED)
    run.write_decision(decision)
    return Example(run, plan, decision, None)


def sequential_run(folder: Path, label: str = "noise") -> Example:
    """A requirement on two attacks, one met and one violated, both before the last item.

    Args:
        label: the name of the attack under which it is violated.
    """
    limit = {"at_least": 0.85, "sequential": True, "slices": ["attack"]}
    cells = [[1.0] * 120, [0.0, 1.0, 0.0] * 40]
    labels = ({"attack": "none"}, {"attack": label})
    card = eval_card({"right": RIGHT}, shard=10_000)
    return trial_run(folder, Trial(card, "right", limit, by_turns(cells), labels=labels))
