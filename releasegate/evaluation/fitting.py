"""Whether an eval's card and its harness say the same: `check` asks, in a process of its own, before anybody opens an attempt.

The repository's code runs here: it is loaded, and says what it would measure. No model is needed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from releasegate.cardcheck import parse_card
from releasegate.documents import Located
from releasegate.errors import HarnessError, Problem, ReleaseGateError
from releasegate.evalcard import EvalCard
from releasegate.evaluation.harness import Harness, load_harness
from releasegate.evaluation.imports import missing_packages
from releasegate.evaluation.items import NO_NONCE, planned_items
from releasegate.evidence import Item
from releasegate.repository import GateRepository


@dataclass(frozen=True)
class Fit:
    """What was found on one eval.

    Attributes:
        problems: what no gate would open an attempt with.
        lacking: what this machine lacks, so that the harness could not be asked.
    """

    problems: tuple[Problem, ...] = ()
    lacking: tuple[Problem, ...] = ()


def fit(repository: GateRepository, eval_id: str) -> Fit:
    """Whether a card and its harness agree."""
    folder = repository.root / "evals" / eval_id
    path = folder / "eval.yaml"
    located = parse_card(path.read_bytes(), repository.shown(path))
    if lacking := missing_packages(folder / "harness.py"):
        return Fit(lacking=tuple(_shown(repository, lacking)))
    discreet = located.record.sensitive is not None
    try:
        harness = load_harness(folder, discreet=discreet)
        return Fit(problems=tuple(_differences(located, harness, discreet=discreet)))
    except HarnessError as error:
        found = tuple(_shown(repository, error.problems))
        return Fit(lacking=found) if _lacks_package(error) else Fit(problems=found)
    except ReleaseGateError as error:
        at = repository.shown(folder / "harness.py")
        found = tuple(_shown(repository, error.problems))
        return Fit(lacking=tuple(Problem(at, f"{p.where}: {p.what}", p.fix) for p in found))


def _differences(located: Located[EvalCard], harness: Harness, *, discreet: bool) -> Iterator[Problem]:
    """What the card says and no item of the harness bears out.

    Raises:
        HarnessError: the harness cannot say what it measures, or says what the card does not know.
        ReleaseGateError: what items are made from is not on this machine.
    """
    card = located.record
    items = planned_items(harness, card, "gate", card.items.n, NO_NONCE, discreet=discreet)
    if card.items.rehearsal is not None:
        planned_items(harness, card, "gate", card.items.rehearsal, NO_NONCE, rehearsal=True, discreet=discreet)
    calibrating: list[Item] = []
    if card.items.calibration:
        calibrating = planned_items(harness, card, "calibration", card.items.calibration, NO_NONCE, discreet=discreet)
    carried = {name for item in (*items, *calibrating) for name in item.metrics}
    labelled = {name for item in (*items, *calibrating) for name in item.labels}
    for name, metric in card.metrics.items():
        if name not in carried and metric.rests_on is None:
            what = f"no item of the harness carries {name}: nothing would ever be measured of it"
            yield located.problem(("metrics", name), what, "let items carry it, or take it off the card")
    for name in card.slices:
        if name not in labelled:
            what = f"no item of the harness is labelled by {name}"
            yield located.problem(("slices", name), what, "label items by it, or take it off the card")
    if card.clusters is not None and card.clusters.key in card.slices:
        loose = sum(card.clusters.key not in item.labels for item in items)
        if loose == len(items):
            return  # said above
        if loose and card.clusters.population == "sampled":
            what = f"{loose} of {len(items)} items belong to no {card.clusters.key}"
            yield located.problem(("clusters", "key"), what, "label every item by it")


def _lacks_package(error: HarnessError) -> bool:
    return isinstance(error.__cause__, ModuleNotFoundError) and "install" in error.problems[0].fix


def _shown(repository: GateRepository, problems: tuple[Problem, ...] | list[Problem]) -> Iterator[Problem]:
    top = f"{repository.root}/"
    for p in problems:
        yield Problem(p.where.removeprefix(top), p.what.replace(top, ""), p.fix)


def main(arguments: list[str]) -> None:
    """Print what was found on the evals named behind the root of their repository, as one JSON object."""
    root, *names = arguments
    repository = GateRepository(Path(root))
    found = {}
    for name in names:
        one = fit(repository, name)
        found[name] = {
            "problems": [[p.where, p.what, p.fix] for p in one.problems],
            "lacking": [[p.where, p.what, p.fix] for p in one.lacking],
        }
    sys.stdout.write("\n" + json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
