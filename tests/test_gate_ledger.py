"""The gate and its ledger, through the command line: attempts, anchors, openings that were cut off, closings."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import releasegate.opening
from releasegate.__main__ import run
from releasegate.intervals import effective_alpha
from releasegate.ledger import LedgerView
from releasegate.repository import LedgerFile, RunFolder
from releasegate.repository.ledger_file import HeldLedger
from tests.tiny_ledgers import digits
from tests.tiny_repository import Tiny

pytestmark = pytest.mark.usefixtures("quick_report")


def said(capsys: pytest.CaptureFixture[str], given: list[str], code: int = 2) -> str:
    """What a call says on standard error, after ending with `code`."""
    capsys.readouterr()
    assert run(given) == code
    return capsys.readouterr().err


def withheld(made: Tiny) -> Tiny:
    made.change(made.policy, "otherwise: strip", "otherwise: withhold")
    return made


def opening(made: Tiny, *more: str, out: str = "run") -> list[str]:
    """The command line that opens an attempt and measures nothing."""
    folder = str(made.root / out)
    return ["plan", str(made.policy), "--model", str(made.checkpoint), "--open", folder, "--quiet", *more]


def events(ledger: LedgerFile) -> Counter[str]:
    """How many lines of each kind it has."""
    return Counter(
        line.split(b'"event":"')[1].split(b'"')[0].decode() for line in ledger.path.read_bytes().splitlines()
    )


# A gate needs one.


def test_a_gate_without_a_ledger_is_2_and_leaves_nothing(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    made.ledger.path.unlink()
    what = "there is no ledger of family tiny, so nobody counts its attempts"
    fix = "restore it from where it is kept; if the family never had one: `releasegate ledger init tiny"
    for given in (made.gate(), made.gate("--rehearse"), opening(made)):
        assert said(capsys, given) == f"policies/ledger/tiny.jsonl: {what}\n  fix: {fix}`\n"
    named = str(made.root / "none.jsonl")
    assert said(capsys, made.gate("--ledger", named)) == f"{named}: {what}\n  fix: {fix} --ledger {named}`\n"
    assert not made.run.root.exists()
    assert not made.ledger.path.exists()


def test_a_second_run_folder_is_the_next_attempt_at_a_smaller_alpha(made: Tiny) -> None:
    assert run(withheld(made).gate()) == run(made.gate(out="again")) == 1
    first, second = made.run.read_decision(), RunFolder(made.root / "again").read_decision()
    assert (first.attempt, second.attempt) == (1, 2)
    assert (first.alpha, second.alpha) == (effective_alpha(0.05, 1, 1), effective_alpha(0.05, 2, 1))
    assert [a.closed and a.closed.verdict for a in made.ledger.read("tiny").attempts] == ["withhold", "withhold"]


def test_resuming_is_the_same_attempt_and_adds_no_line(made: Tiny) -> None:
    assert run(withheld(made).gate()) == 1
    before = made.ledger.path.read_bytes()
    assert run(made.gate()) == 1
    assert made.ledger.path.read_bytes() == before
    assert events(made.ledger) == {"init": 1, "opened": 1, "nonce": 1, "closed": 1}


def test_policies_of_one_family_share_their_attempts(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    made.policy.write_text("ledger: {family: tinies}\n" + made.policy.read_text())
    other = made.policy.with_name("other.yaml")
    other.write_text(made.policy.read_text().replace("id: tiny\n", "id: other\n"))
    ledger = LedgerFile(made.ledger.path.with_name("tinies.jsonl"))
    ledger.init("tinies")
    assert run(opening(made)) == 0
    assert run(["plan", str(other), *opening(made, out="other")[2:]]) == 0
    assert RunFolder(made.root / "other").read_plan().attempt == 2
    assert events(made.ledger) == {"init": 1}
    capsys.readouterr()
    assert run(["ledger", "show", "tiny", "--repo", str(made.root)]) == 0
    assert "next: attempt 1, 0.6079 of the policy's alpha" in capsys.readouterr().out, "policy tiny counts elsewhere"


# The place that somebody else remembers.


def three_attempts(made: Tiny) -> list[bytes]:
    """The lines of a ledger in which three attempts were opened, the first of them in `run`, decided."""
    assert run(withheld(made).gate()) == 1
    assert run(opening(made, out="second")) == run(opening(made, out="third")) == 0
    return made.ledger.path.read_bytes().splitlines(keepends=True)


DAMAGED: dict[str, tuple[Callable[[Tiny, list[bytes]], object], str]] = {
    "rolled back before the anchored run's own attempt": (
        lambda made, lines: made.ledger.path.write_bytes(lines[0]),
        "was rolled back: it has 1 lines, and the anchor 3:",
    ),
    "rolled back to the line that opens it": (
        lambda made, lines: made.ledger.path.write_bytes(b"".join(lines[:2])),
        "was rolled back: it has 2 lines, and the anchor 3:",
    ),
    "forked": (
        lambda made, lines: made.ledger.path.write_bytes(LedgerFile(forked(made)).path.read_bytes()),
        ":3: was forked: the anchor has seen another line here",
    ),
    "edited": (
        lambda made, lines: made.ledger.path.write_bytes(b"".join(lines).replace(b"withhold", b"restrict")),
        ":4: was changed: its hash does not fit its content",
    ),
    "truncated": (
        lambda made, lines: made.ledger.path.write_bytes(b"".join(lines)[:-10]),
        ":8: is cut off in the middle of the line",
    ),
    "missing": (lambda made, lines: made.ledger.path.unlink(), "there is no ledger of family tiny"),
    "foreign": (lambda made, lines: foreign(made), ":1: is the ledger of family other, not of tiny"),
    "a link": (lambda made, lines: linked(made), "is a symbolic link"),
}


def forked(made: Tiny) -> Path:
    """Another ledger with as many attempts, as it would be after a fresh start."""
    path = made.fresh_ledger("forked")
    for number in range(3):
        assert run(opening(made, "--ledger", str(path), out=f"forked{number}")) == 0
    return path


def foreign(made: Tiny) -> None:
    made.ledger.path.unlink()
    made.ledger.init("other")


def linked(made: Tiny) -> None:
    moved = made.ledger.path.rename(made.root / "elsewhere.jsonl")
    made.ledger.path.symlink_to(moved)


@pytest.mark.parametrize(("damage", "what"), DAMAGED.values(), ids=DAMAGED)
def test_a_ledger_that_does_not_go_on_from_the_anchor_is_refused_by_name(
    made: Tiny, capsys: pytest.CaptureFixture[str], damage: Callable[[Tiny, list[bytes]], object], what: str
) -> None:
    lines = three_attempts(made)
    position = made.run.read_decision().ledger
    assert position is not None
    assert (position.count, position.anchored) == (3, False)
    damage(made, lines)
    for option, value in (("--anchor", made.run.root), ("--ledger-head", f"{position.count}:{position.head}")):
        for given in (made.gate(option, str(value), out="next"), opening(made, option, str(value), out="next")):
            error = said(capsys, given)
            assert "tiny.jsonl" in error
            assert what in error
            assert "  fix: " in error
    assert not (made.root / "next").exists()


def test_a_decision_says_whether_its_attempt_was_anchored(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    three_attempts(made)
    unanchored = "ledger: unanchored: attempts removed from its end would not be seen"
    assert unanchored in made.run.read_decision().leans_on
    assert run(made.gate("--anchor", str(made.run.root), out="fourth")) == 1
    fourth = RunFolder(made.root / "fourth").read_decision()
    assert fourth.ledger is not None
    assert fourth.ledger.anchored
    assert unanchored not in fourth.leans_on
    assert "say the same thing twice" in said(
        capsys, made.gate("--anchor", str(made.run.root), "--ledger-head", f"1:{digits('x')}", out="fifth")
    )


def test_a_run_whose_attempt_the_ledger_lost_is_not_resumed(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    lines = three_attempts(made)
    made.ledger.path.write_bytes(lines[0])
    for given in (made.gate(), ["decide", str(made.run.root), "--repo", str(made.root)]):
        assert "no attempt was opened with plan sha256:" in said(capsys, given)
    assert made.ledger.path.read_bytes() == lines[0]


# An opening that is cut off.


def interrupting(patch: pytest.MonkeyPatch, where: type | Any, name: str, calls: int = 1) -> None:
    """Makes the given call of a function an interrupt."""
    original, count = getattr(where, name), 0

    def interrupted(*given: Any, **keys: Any) -> Any:
        nonlocal count
        count += 1
        if count == calls:
            raise KeyboardInterrupt
        return original(*given, **keys)

    patch.setattr(where, name, interrupted)


KEPT = "    misuse:\n      - {id: weak"
NAMED = "    misuse:\n      - {id: names, metric: naming/right, at_most: 0.5}\n      - {id: weak"

POINTS: dict[str, tuple[Any, str, int, dict[str, int]]] = {
    "before plan.json": (RunFolder, "write_plan", 1, {}),
    "after plan.json": (HeldLedger, "open", 1, {}),
    "after the opened line": (HeldLedger, "_draw", 1, {"opened": 1}),
    "after the nonce was drawn": (HeldLedger, "_append", 2, {"opened": 1}),
    "after the nonce line": (releasegate.opening, "_drawn_from_pools", 1, {"opened": 1, "nonce": 1}),
    "before the used line": (HeldLedger, "use", 1, {"opened": 1, "nonce": 1}),
    "after the used line": (LedgerView, "anchor_of", 1, {"opened": 1, "nonce": 1, "used": 1}),
    "before plan.json is written again": (RunFolder, "write_plan", 2, {"opened": 1, "nonce": 1, "used": 1}),
}


@pytest.mark.parametrize(("where", "name", "calls", "left"), POINTS.values(), ids=POINTS)
def test_an_opening_that_was_cut_off_is_resumed_to_one_attempt_with_one_nonce(
    made: Tiny, where: Any, name: str, calls: int, left: dict[str, int]
) -> None:
    withheld(made.pooled(150)).change(made.policy, KEPT, NAMED)
    with pytest.MonkeyPatch.context() as patch:
        interrupting(patch, where, name, calls)
        assert run(made.gate()) == 130
    assert events(made.ledger) == {"init": 1, **left}
    assert run(made.gate()) == 1
    plan, (attempt,) = made.run.read_plan(), made.ledger.read("tiny").attempts
    assert events(made.ledger) == {"init": 1, "opened": 1, "nonce": 1, "used": 1, "closed": 1}
    assert (plan.attempt, plan.nonce, plan.fixed) == (1, attempt.nonce, attempt.plan)
    assert plan.drawn["naming"] == attempt.used["naming"]
    assert len(plan.drawn["naming"]) == 100


def test_an_opening_that_another_attempt_overtook_cannot_be_resumed(
    made: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        interrupting(patch, HeldLedger, "open")
        assert run(opening(made)) == 130
    assert run(opening(made, "--dtype", "float64", out="other")) == 0
    error = said(capsys, made.gate())
    assert f"does not know the attempt in {made.run.root}" in error
    assert "open a new attempt in another run folder" in error
    assert len(made.ledger.read("tiny").attempts) == 1


def test_a_copy_of_a_run_is_the_same_attempt_and_cannot_be_closed_on_other_evidence(
    made: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    subject = made.root / "evals" / "tiny" / "subject.py"
    made.change(subject, "seed % 1000", "int.from_bytes(__import__('os').urandom(8), 'big') % 1000")
    made.change(subject, "DETERMINISTIC = True", "DETERMINISTIC = False")
    assert run(opening(withheld(made))) == 0
    shutil.copytree(made.run.root, made.root / "copy")
    assert run(made.gate()) == 1
    error = said(capsys, made.gate(out="copy"))
    assert "tiny.jsonl: closes attempt 1 on other evidence than it was closed on before" in error
    assert not RunFolder(made.root / "copy").decision_path.exists()
    assert events(made.ledger) == {"init": 1, "opened": 1, "nonce": 1, "closed": 1}


def test_two_gates_at_once_get_different_attempts(made: Tiny) -> None:
    withheld(made)
    command = [sys.executable, "-m", "releasegate"]
    running = [subprocess.Popen([*command, *made.gate(out=name)], stdout=subprocess.DEVNULL) for name in ("a", "b")]
    assert [process.wait(timeout=240) for process in running] == [1, 1]
    plans = [RunFolder(made.root / name).read_plan() for name in ("a", "b")]
    assert sorted(plan.attempt for plan in plans) == [1, 2]
    assert plans[0].nonce != plans[1].nonce
    assert [a.closed is not None for a in made.ledger.read("tiny").attempts] == [True, True]


# Closing.


def test_decide_closes_what_was_measured_by_steps_as_the_gate_does(
    made: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    withheld(made)
    ledger = str(made.fresh_ledger("elsewhere"))
    folder, model = str(made.run.root), str(made.checkpoint)
    assert run(opening(made, "--ledger", ledger)) == 0
    assert run(["decide", folder, "--ledger", ledger]) == 3
    assert LedgerFile(Path(ledger)).read("tiny").attempts[0].closed is None
    assert run(["eval", folder, "--model", model, "--repo", str(made.root), "-q"]) == 0
    made.ledger.path.unlink()
    assert "this decision is not entered there" in said(capsys, ["decide", folder, "--repo", str(made.root)], 1)
    assert run(["decide", folder, "--ledger", ledger]) == 1
    by_steps = LedgerFile(Path(ledger)).read("tiny").attempts[0].closed
    assert run(made.gate("--ledger", ledger)) == 1
    (attempt,) = LedgerFile(Path(ledger)).read("tiny").attempts
    assert by_steps is not None
    assert attempt.closed == by_steps
    assert by_steps.decision == made.run.read_decision().digest()
    assert by_steps.evidence == made.run.read_decision().evidence
