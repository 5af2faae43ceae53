"""A rehearsal: everything that a gate does, on other items, at the next attempt's alpha, and nothing is spent or published."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pytest

from releasegate.__main__ import run
from releasegate.evaluation.harness import load_harness
from releasegate.evaluation.items import planned_items
from releasegate.evidence import Item
from releasegate.intervals import effective_alpha
from releasegate.repository import RunFolder, read_receipt, receipt_path
from tests.tiny_repository import NONCE, Tiny

REHEARSE = "--rehearse"


def said(capsys: pytest.CaptureFixture[str], given: list[str], code: int = 2) -> str:
    """What a call says on standard error, after ending with `code`."""
    capsys.readouterr()
    assert run(given) == code
    return capsys.readouterr().err


def withheld(made: Tiny) -> Tiny:
    made.change(made.policy, "otherwise: strip", "otherwise: withhold")
    return made


def broken(made: Tiny) -> Tiny:
    made.change(made.harness("naming"), "def rehearsal(params, rng):\n", "def rehearsal(params, rng):\n    1 / 0\n")
    return made


CASES: dict[str, tuple[Callable[[Tiny], Tiny], str, int]] = {
    "release_stripped": (lambda made: made, "release_stripped", 0),
    "withhold": (withheld, "withhold", 1),
    "incomplete": (broken, "incomplete", 3),
}


@pytest.mark.usefixtures("quick_report")
@pytest.mark.parametrize(("prepare", "verdict", "code"), CASES.values(), ids=CASES)
def test_a_rehearsal_ends_like_a_gate_and_adds_nothing_to_the_ledger(
    made: Tiny, capsys: pytest.CaptureFixture[str], prepare: Callable[[Tiny], Tiny], verdict: str, code: int
) -> None:
    prepare(made.rehearsable())
    before = made.ledger.path.read_bytes()
    assert run(made.gate(REHEARSE)) == code
    shown = capsys.readouterr().out
    assert shown.startswith(f"{verdict} · tiny (rehearsal: counts for nothing, never exported)\n")
    found, plan = made.run.read_decision(), made.run.read_plan()
    assert (found.verdict, found.rehearsal, found.ledger) == (verdict, True, None)
    assert (plan.rehearsal, plan.ledger, plan.drawn) == (True, None, {})
    assert run(["decide", str(made.run.root), "--repo", str(made.root)]) == code
    assert made.ledger.path.read_bytes() == before


def test_the_report_of_a_rehearsal_says_what_it_is(made: Tiny) -> None:
    assert run(withheld(made).gate(REHEARSE)) == 1
    text = " ".join(made.run.report_path.read_text().split())
    assert "Rehearsal: measured on rehearsal items, at the alpha of attempt 1. It counts for nothing" in text


@pytest.mark.usefixtures("quick_report")
def test_a_rehearsal_has_the_alpha_of_the_attempt_that_is_next(made: Tiny) -> None:
    model = str(withheld(made).checkpoint)
    opened = str(made.root / "opened")
    assert run(["plan", str(made.policy), "--model", model, "--open", opened, "-q"]) == 0
    assert run(made.gate(REHEARSE)) == 1
    assert run(made.gate(REHEARSE, out="again")) == 1
    rehearsals = [made.run.read_decision(), RunFolder(made.root / "again").read_decision()]
    assert [(r.attempt, r.alpha) for r in rehearsals] == [(2, effective_alpha(0.05, 2, 1))] * 2
    assert len(made.ledger.read("tiny").attempts) == 1


# Nothing of it goes out, and nothing of it comes into a run that counts.


@pytest.mark.usefixtures("quick_report")
def test_what_a_rehearsal_stripped_is_refused_by_verify_and_by_a_run_that_counts(
    made: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(made.rehearsable().gate(REHEARSE)) == 0
    receipt = receipt_path(made.run.stripped)
    assert read_receipt(receipt).rehearsal
    verify = ["verify", str(made.run.stripped), "--source", str(made.checkpoint)]
    assert said(capsys, verify) == (
        f"{receipt}: is of a rehearsal: nothing of it may go out\n  fix: run the gate without --rehearse\n"
    )
    real = RunFolder(made.root / "real")
    assert run(["plan", str(made.policy), "--model", str(made.checkpoint), "--open", str(real.root), "-q"]) == 0
    shutil.copytree(made.run.stripped, real.stripped)
    shutil.copy(receipt, receipt_path(real.stripped))
    error = said(capsys, made.gate(out="real"))
    assert error == f"{real.stripped}: was made in a rehearsal\n  fix: remove it, and resume\n"
    assert not real.decision_path.exists()


@pytest.mark.usefixtures("quick_report")
def test_a_rehearsal_is_no_anchor(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(withheld(made).gate(REHEARSE)) == 1
    error = said(capsys, made.gate("--anchor", str(made.run.root), out="real"))
    assert error == (
        f"--anchor {made.run.root}: that run is a rehearsal, which has no place in a ledger\n"
        "  fix: name one that is none\n"
    )
    assert not (made.root / "real").exists()


@pytest.mark.usefixtures("quick_report")
@pytest.mark.parametrize(
    ("first", "then", "was"), [((REHEARSE,), (), "a rehearsal"), ((), (REHEARSE,), "an attempt that counts")]
)
def test_a_rehearsal_is_not_resumed_as_an_attempt_nor_an_attempt_as_a_rehearsal(
    made: Tiny, capsys: pytest.CaptureFixture[str], first: tuple[str, ...], then: tuple[str, ...], was: str
) -> None:
    assert run(withheld(made).gate(*first)) == 1
    ledger, decision = made.ledger.path.read_bytes(), made.run.decision_path.read_bytes()
    error = said(capsys, made.gate(*then))
    assert f"holds an attempt that was opened with another purpose: {was}" in error
    assert run(made.gate(*first)) == 1
    assert (made.ledger.path.read_bytes(), made.run.decision_path.read_bytes()) == (ledger, decision)


# Its items.


def items(made: Tiny, eval_id: str, *, rehearsal: bool) -> list[Item]:
    """What would be measured with one and the same nonce."""
    folder = made.repository.read_eval(eval_id)
    n = 80 if rehearsal and eval_id == "naming" else 100
    return planned_items(load_harness(folder.folder), folder.card, "gate", n, NONCE, rehearsal=rehearsal)


def test_items_of_a_rehearsal_are_none_of_the_gate(made: Tiny) -> None:
    made.rehearsable()
    gate, rehearsal = (items(made, "naming", rehearsal=r) for r in (False, True))
    assert {json.dumps(i.content) for i in gate}.isdisjoint(json.dumps(i.content) for i in rehearsal)
    assert (len(gate), len(rehearsal)) == (100, 80)
    gate, rehearsal = (items(made, "drawing", rehearsal=r) for r in (False, True))
    assert {i.seed for i in gate}.isdisjoint(i.seed for i in rehearsal)
    assert len(gate) == len(rehearsal) == 100


@pytest.mark.usefixtures("quick_report")
@pytest.mark.parametrize("missing", ["on the card", "in the harness"])
def test_a_pool_without_rehearsal_items_is_not_rehearsed_on_those_of_the_gate(made: Tiny, missing: str) -> None:
    if missing == "in the harness":
        made.change(made.root / "evals" / "naming" / "eval.yaml", "source: made", "rehearsal: 80, source: made")
        what = "naming: has rehearsal items on its card and no function rehearsal"
    else:
        what = "naming: has no rehearsal items, and its pool is for the gate alone"
    assert run(made.gate(REHEARSE)) == 3
    (m,) = [m for m in made.run.read_plan().measurements if (m.eval, m.checkpoint) == ("naming", "source")]
    assert m.items == 0
    assert m.problem == what
    kept = next(f for f in made.run.read_decision().strip.findings if f.requirement == "kept")  # type: ignore[union-attr]
    assert (kept.status, kept.reason) == ("not_shown", "want_of_evidence")
