"""Going on with an unsettled attempt: one sequence at one alpha, a line in the ledger, and nothing else."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from releasegate.__main__ import run
from releasegate.call import Call
from releasegate.decision import Decision
from releasegate.errors import LedgerError, ReleaseGateError
from releasegate.finished import finished
from releasegate.gate import gate
from releasegate.ledger import Closed, Extended
from releasegate.repository import RunFolder, decide_run, require_opened
from tests.tiny_ledgers import digits
from tests.tiny_repository import OPENED, Silent, Tiny

pytestmark = pytest.mark.usefixtures("quick_report")


def generating(made: Tiny) -> Tiny:
    """The repository whose harness makes as many items as it is asked for."""
    made.change(made.harness(), "range(100)", 'range(params["n"])')
    return made


def sequential(made: Tiny, *, ability: float = 0.17) -> Tiny:
    """The repository whose only limit is looked at after every item, and a model a little better than it."""
    before, after = "at_most: 0.20}\n    otherwise: strip", "at_most: 0.20, sequential: true}\n    otherwise: withhold"
    made.change(made.policy, before, after)
    return generating(made).able(drawing=ability)


def going(made: Tiny, nonce: str = "one", out: str = "run", **more: Any) -> Call:
    return made.call(run=made.root / out, draw_nonce=lambda: digits(nonce), **more)


def extending(made: Tiny, items: int = 300, *, of: str = "run", out: str = "more", nonce: str = "two") -> Call:
    return going(made, nonce, out, extends=made.root / of, items=items)


def decided(call: Call) -> Decision:
    return finished(call, Silent()) or gate(call, Silent())


def unsettled(made: Tiny, **more: Any) -> Tiny:
    """The same, with a decided attempt that is unsettled."""
    found = gate(going(sequential(made, **more)), Silent())
    assert (found.verdict, found.capabilities[0].findings[0].reason) == ("withhold", "unsettled")
    return made


def refused(call: Call) -> str:
    with pytest.raises(ReleaseGateError) as error:
        decided(call)
    return str(error.value)


def samples(run: RunFolder) -> list[dict[str, Any]]:
    plan = run.read_plan()
    (m,) = (m for m in plan.measurements if m.eval == "drawing")
    return [s.model_dump() for s in run.evidence.samples(plan, m)]


def events(made: Tiny) -> list[str]:
    return [json.loads(line)["event"] for line in made.ledger.path.read_text().splitlines()]


def test_an_unsettled_attempt_goes_on_as_one_sequence_at_its_own_alpha(made: Tiny) -> None:
    unsettled(made)
    before, more = made.run, RunFolder(made.root / "more")
    found = decided(extending(made, 4000))
    first, plan = before.read_plan(), more.read_plan()
    assert found.verdict == "release"
    assert (found.attempt, found.alpha) == (1, before.read_decision().alpha)
    estimate = found.capabilities[0].findings[0].slices[0].estimate
    assert estimate.planned == 4100 > (estimate.used or 0) > 100
    assert samples(more)[:100] == samples(before)
    (m,) = (m for m in plan.measurements if m.eval == "drawing")
    assert (m.parts, m.before) == ((100, 4000), first.identity(first.measurements[0]))
    assert (plan.nonce, plan.further) == (digits("one"), (digits("two"),))
    assert plan.opened == first.opened
    assert events(made) == ["init", "opened", "nonce", "closed", "extended", "nonce", "closed"]
    view = made.ledger.read("tiny")
    assert view.next_attempt == 2
    assert [(e.number, e.items, e.closed and e.closed.verdict) for e in view.extensions] == [(1, 4000, "release")]
    assert any("attempt 1 went on once, the last time by 4000 items" in line for line in found.leans_on)


def test_the_extended_run_is_decided_again_from_disk_and_resumed_with_the_same_bytes(made: Tiny) -> None:
    unsettled(made)
    decided(extending(made))
    more, ledger = RunFolder(made.root / "more"), made.ledger.path.read_bytes()
    stored = more.decision_path.read_bytes()
    assert decide_run(more, made.repository, OPENED).text().encode() == stored
    decided(extending(made))
    decided(going(made, out="more"))
    assert (more.decision_path.read_bytes(), made.ledger.path.read_bytes()) == (stored, ledger)
    shutil.rmtree(made.run.root)
    require_opened(more.read_plan(), made.ledger, None)
    assert decide_run(more, made.repository, OPENED).text().encode() == stored


def test_an_extension_goes_on_again(made: Tiny) -> None:
    unsettled(made, ability=0.18)
    found = decided(extending(made, 130))
    assert found.capabilities[0].findings[0].reason == "unsettled"
    again = decided(extending(made, 8000, of="more", out="again", nonce="three"))
    assert again.capabilities[0].findings[0].status == "met"
    run3 = RunFolder(made.root / "again")
    plan = run3.read_plan()
    assert [m.parts for m in plan.measurements if m.eval == "drawing"] == [(100, 130, 8000)]
    assert plan.further == (digits("two"), digits("three"))
    assert samples(run3)[:230] == samples(RunFolder(made.root / "more"))


def stripping(made: Tiny) -> Tiny:
    """The repository whose strip must keep what ten pairs cannot show, looked at after every pair."""
    made.change(made.policy, "margin: 0.20}", "margin: 0.20, sequential: true, n_max: 20}")
    made.change(made.root / "evals" / "naming" / "eval.yaml", "kind: public_pool", "kind: generated")
    made.change(made.harness("naming"), "range(200)", 'range(params["n"])')
    return made


def test_what_a_strip_must_keep_goes_on_with_its_baseline_pair_by_pair(made: Tiny) -> None:
    first = gate(going(stripping(made)), Silent())
    assert first.strip is not None
    assert [(f.requirement, f.reason) for f in first.strip.findings] == [("gone", None), ("kept", "unsettled")]
    found = decided(extending(made, 200))
    more = RunFolder(made.root / "more")
    assert found.verdict == "release_stripped"
    assert more.receipt() == made.run.receipt()
    plan = more.read_plan()
    assert {(m.eval, m.checkpoint): m.parts for m in plan.measurements} == {
        ("drawing", "source"): None,
        ("naming", "source"): (20, 200),
        ("drawing", "stripped:drawing"): None,
        ("naming", "stripped:drawing"): (20, 200),
    }
    assert decide_run(more, made.repository, OPENED) == found


def test_a_control_on_a_fixed_number_of_items_is_looked_at_once(made: Tiny) -> None:
    """It judges the items of the opening alone, on a measurement that goes on for another requirement."""
    gate(going(stripping(made)), Silent())
    found = decided(extending(made, 200))

    def control(of: Decision) -> list[tuple[int, str]]:
        every = [f for c in of.capabilities for f in c.findings if f.section == "working"]
        return [(f.slices[0].estimate.planned, f.status) for f in every]

    assert found.strip is not None
    kept = next(f for f in found.strip.findings if f.requirement == "kept")
    assert kept.slices[0].estimate.planned == 220
    assert control(found) == control(made.run.read_decision())
    assert {planned for planned, _ in control(found)} == {20}


def test_a_strip_is_carried_over_as_a_whole(made: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    gate(going(stripping(made)), Silent())
    with monkeypatch.context() as patched:
        patched.setattr("shutil.copytree", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            gate(extending(made, 200), Silent())
    assert decided(extending(made, 200)).verdict == "release_stripped"


def killed(made: Tiny, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """An extension that is broken off at a place; nothing that was undone by it stays undone."""
    with monkeypatch.context() as patched:

        def stop(*given: object, **more: object) -> None:
            raise KeyboardInterrupt

        patched.setattr(place, stop)
        with pytest.raises(KeyboardInterrupt):
            gate(extending(made), Silent())


PLACES = {
    "before the ledger knows": "releasegate.repository.ledger_file.HeldLedger.extend",
    "before the nonce": "releasegate.repository.ledger_file.HeldLedger._draw",
    "before anything is carried": "releasegate.extending.carry",
    "while it is carried": "releasegate.repository.evidence_store.EvidenceStore._append",
    "while it is measured": "releasegate.evaluation.measuring.run_shard",
    "before it is closed": "releasegate.gate.close_run",
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_killed_anywhere_it_comes_to_the_same(made: Tiny, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    unsettled(made)
    killed(made, monkeypatch, place)
    decided(extending(made))
    copy = made.root.parent / "copy"
    shutil.copytree(made.root, copy)
    other = Tiny(copy)
    shutil.rmtree(other.root / "more")
    lines = other.ledger.path.read_bytes().splitlines(keepends=True)
    other.ledger.path.write_bytes(b"".join(lines[:4]))
    decided(extending(other))
    assert RunFolder(made.root / "more").decision_path.read_bytes() == (
        RunFolder(other.root / "more").decision_path.read_bytes()
    )
    assert events(made) == ["init", "opened", "nonce", "closed", "extended", "nonce", "closed"]


def test_without_what_was_measured_before_nothing_is_measured_in_its_place(
    made: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsettled(made)
    killed(made, monkeypatch, "releasegate.extending.carry")
    assert "lacks what the attempt that it goes on with has measured of drawing" in refused(going(made, out="more"))


REFUSED: dict[str, tuple[Callable[[Tiny], Call], str]] = {
    "another model": (lambda made: extending(made.able(drawing=0.1)), "was opened with another model"),
    "another policy": (
        lambda made: (made.change(made.policy, "at_most: 0.20, seq", "at_most: 0.25, seq"), extending(made))[1],
        "was opened with another policy",
    ),
    "another harness": (
        lambda made: (made.harness().write_text(made.harness().read_text() + "\n"), extending(made))[1],
        "was opened with another harness of eval drawing",
    ),
    "a rehearsal of it": (
        lambda made: replace(extending(made), rehearsal=True),
        "purpose: an attempt that counts",
    ),
    "a rehearsal": (
        lambda made: (
            gate(going(made.rehearsable(), out="tried", rehearsal=True), Silent()),
            extending(made, of="tried"),
        )[1],
        "is a rehearsal, which counts for nothing",
    ),
    "a run that is none": (lambda made: extending(made, of="nowhere"), "no run here"),
    "a folder that holds another run": (lambda made: extending(made, out="run2"), "holds no extension"),
}


@pytest.mark.parametrize(("call", "what"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_the_attempt_does_not_go_on(made: Tiny, call: Callable[[Tiny], Call], what: str) -> None:
    unsettled(made)
    shutil.copytree(made.run.root, made.root / "run2")
    before = made.ledger.path.read_bytes()
    assert what in refused(call(made))
    assert made.ledger.path.read_bytes() == before
    assert not (made.root / "more").exists()


@pytest.mark.parametrize(
    ("prepare", "what"),
    [
        (
            lambda made: generating(made).able(drawing=0.2),
            "weak on source is unsettled, and weak judges drawing on a fixed number",
        ),
        (lambda made: sequential(made, ability=0.9), "weak on source is violated, which more items do not change"),
        (lambda made: sequential(made, ability=0.0), "no requirement of it is unsettled"),
    ],
    ids=["a fixed number of items", "violated", "met"],
)
def test_what_is_settled_or_has_a_fixed_number_of_items_does_not_go_on(
    made: Tiny, prepare: Callable[[Tiny], Tiny], what: str
) -> None:
    if "otherwise: strip" in prepare(made).policy.read_text():
        made.change(made.policy, "otherwise: strip", "otherwise: withhold")
    gate(going(made), Silent())
    assert what in refused(extending(made))
    assert events(made) == ["init", "opened", "nonce", "closed"]


def test_items_of_a_pool_do_not_go_on(made: Tiny) -> None:
    made.change(made.root / "evals" / "drawing" / "eval.yaml", "kind: generated", "kind: public_pool")
    unsettled(made)
    assert "the items of drawing come from a pool, which has no fresh ones" in refused(extending(made))


def test_an_attempt_goes_on_once_from_where_it_is(made: Tiny) -> None:
    unsettled(made)
    decided(extending(made, 10))
    error = refused(extending(made, 20, out="other"))
    assert "went on from" in error
    assert "holds an extension by 10 items" in refused(extending(made, 20))
    assert not (made.root / "other").exists()


def test_what_was_measured_before_cannot_be_changed_in_the_extension(made: Tiny) -> None:
    unsettled(made)
    decided(extending(made, 10))
    more = RunFolder(made.root / "more")
    plan = more.read_plan()
    (m,) = (m for m in plan.measurements if m.eval == "drawing")
    path = more.evidence.shard_path(plan.identity(m), 0)
    kept = path.read_bytes()
    better = kept.replace(b'"legible":1.0', b'"legible":0.0')
    assert better != kept
    path.write_bytes(better)
    index = more.root / "evidence" / "index.jsonl"
    old, new = (hashlib.sha256(data).hexdigest() for data in (kept, better))
    index.write_text(index.read_text().replace(old, new))
    with pytest.raises(ReleaseGateError, match="is not what was measured before the attempt went on"):
        more.evidence.read(plan)


def test_the_ledger_takes_no_second_continuation_and_no_foreign_evidence(made: Tiny) -> None:
    unsettled(made)
    view = made.ledger.read("tiny")
    known, plan = view.attempts[0], "sha256:" + "1" * 64
    assert isinstance(known.closed, Closed)
    good = Extended(
        attempt=1, plan=plan, extends=known.plan, evidence=known.closed.evidence, items=5, day=OPENED.isoformat()
    )
    with made.ledger.locked("tiny") as held:
        for change, what in (
            ({"evidence": plan}, "on other evidence than it was closed on"),
            ({"extends": plan}, "from another plan than it came to last"),
            ({"plan": known.plan}, "with the plan of attempt 1"),
            ({"attempt": 2}, "is about attempt 2, which was not opened"),
        ):
            with pytest.raises(LedgerError, match=what):
                held.extend(good.model_copy(update=change), lambda: digits("new"))
        held.extend(good, lambda: digits("new"))
        with pytest.raises(LedgerError, match="from another plan than it came to last"):
            held.extend(good.model_copy(update={"plan": "sha256:" + "2" * 64}), lambda: digits("other"))
        with pytest.raises(LedgerError, match="draws items of a pool for attempt 1, as it was extended"):
            held.use(1, "naming", ["a"])


def test_from_the_command_line(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(sequential(made).gate()) in (0, 1)
    given = [*made.gate()[:4], "--quiet", "--extend", str(made.run.root)]
    assert run([*given, "--items", "400", "--rehearse"]) == run(given) == 2
    assert run([*given, "--items", "400", "--out", str(made.run.root)]) == 2
    if made.run.read_decision().capabilities[0].findings[0].reason == "unsettled":
        assert run([*given, "--items", "400"]) in (0, 1)
        assert Path(f"{made.run.root}-extended", "decision.json").is_file()
        capsys.readouterr()
        assert run(["ledger", "show", "tiny", "--repo", str(made.root)]) == 0
        assert "+400" in capsys.readouterr().out
