"""Measuring what a plan lists: nothing twice, nothing missing, nothing that is not what the plan was opened with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from releasegate.checkpoint import open_checkpoint
from releasegate.decision import decide
from releasegate.errors import HarnessError, NotFound, ReleaseGateError, RunError, UsageError
from releasegate.evaluation import Bench, Target, measure
from releasegate.evaluation.measuring import BROKEN_OFF, torch_device
from releasegate.evidence import Evidence, Failed, Measured
from releasegate.gate import gate
from releasegate.plan import SOURCE, Plan
from releasegate.repository import subject_code
from releasegate.repository.evidence_store import EvidenceStore
from tests.tiny_repository import NONCE, OPENED, Silent, Tiny, index_lines, make_repository


def verdict(plan: Plan, evidence: Evidence) -> str:
    return decide(plan.policy, plan, evidence, None, OPENED).verdict


def stored(made: Tiny, plan: Plan, eval_id: str = "drawing") -> list[Measured | Failed]:
    measurement = plan.find(eval_id, SOURCE)
    assert measurement is not None
    return list(made.run.evidence.samples(plan, measurement))


def weak(made: Tiny) -> Tiny:
    """It cannot draw, which a fixed number of items shows at its end alone: nothing stops early."""
    return made.able(drawing=0.0)


def test_every_planned_item_has_one_record(made: Tiny) -> None:
    plan = weak(made).opened()
    evidence = made.measured(plan)
    assert len(evidence.columns) == 2
    assert all((columns.state == 1).all() for columns in evidence.columns.values())
    assert [s.item for s in stored(made, plan)] == list(range(100))


def test_what_was_measured_is_what_the_subject_can(tmp_path: Path) -> None:
    shares = []
    for i, able in enumerate((0.0, 0.5, 1.0)):
        made = make_repository(tmp_path / str(i)).able(drawing=able)
        plan = made.opened()
        made.measured(plan)
        values = [s.values["legible"] for s in stored(made, plan) if isinstance(s, Measured)]
        shares.append(sum(values) / len(values))
    assert shares[0] == 0
    assert 0.3 < shares[1] < 0.7
    assert shares[2] == 1


def test_measuring_again_measures_nothing(made: Tiny) -> None:
    plan = made.opened()
    before = made.measured(plan)
    lines = index_lines(made)
    made.write_harness("raise SystemError('never loaded')\n")
    assert made.run.evidence.read(plan).digest == before.digest
    assert index_lines(made) == lines


def kill_after(shards: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing; the process dies while it stores the shard after so many."""
    original = EvidenceStore.finish_shard
    count = 0

    def finish(self: EvidenceStore, *arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count > shards:
            raise KeyboardInterrupt
        return original(self, *arguments)

    monkeypatch.setattr(EvidenceStore, "finish_shard", finish)


@pytest.mark.parametrize("shards", [0, 1, 3, 4, 7])
def test_a_resumed_run_of_a_deterministic_subject_gives_the_same_bytes(made: Tiny, tmp_path: Path, shards: int) -> None:
    other = weak(make_repository(tmp_path / "other"))
    whole = other.measured(other.opened())
    plan = weak(made).opened()
    with pytest.MonkeyPatch.context() as patch:
        kill_after(shards, patch)
        with pytest.raises(KeyboardInterrupt):
            made.measured(plan)
    assert sum(line["event"] == "done" for line in index_lines(made)) == shards
    assert made.measured(plan).digest == whole.digest
    done = [(line["measurement"], line["shard"]) for line in index_lines(made) if line["event"] == "done"]
    assert len(done) == len(set(done)) == 8


def test_a_started_shard_of_a_subject_that_is_not_deterministic_has_failed(made: Tiny) -> None:
    made.change(made.root / "evals" / "tiny" / "subject.py", "DETERMINISTIC = True", "DETERMINISTIC = False")
    plan = weak(made).opened()
    with pytest.MonkeyPatch.context() as patch:
        kill_after(1, patch)
        with pytest.raises(KeyboardInterrupt):
            made.measured(plan)
    evidence = made.measured(plan)
    samples = stored(made, plan)
    assert [s.outcome for s in samples] == ["measured"] * 25 + ["failed"] * 25 + ["measured"] * 50
    assert {s.error for s in samples if isinstance(s, Failed)} == {BROKEN_OFF}
    assert verdict(plan, evidence) == "incomplete"


# The plan, and the code as it is now.


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("evals/drawing/harness.py", "the harness changed since the attempt was opened"),
        ("evals/drawing/eval.yaml", "the card changed since the attempt was opened"),
        ("evals/tiny/subject.py", "the subject changed since the attempt was opened"),
    ],
)
def test_code_that_changed_since_the_opening_is_refused(made: Tiny, file: str, what: str) -> None:
    plan = made.opened()
    path = made.root / file
    path.write_text(path.read_text().replace("Asks the subject", "Asks the subject!") + "\n# changed\n")
    if file.endswith(".yaml"):
        path.write_text(path.read_text().replace("title: drawing", "title: Drawing"))
    with pytest.raises(RunError, match=what):
        made.measured(plan)
    assert not (made.run.root / "evidence").exists()


def test_a_new_module_beside_the_evals_is_a_change(made: Tiny) -> None:
    plan = made.opened()
    (made.root / "evals" / "shared.py").write_text("X = 1\n")
    with pytest.raises(RunError, match="the harness changed"):
        made.measured(plan)


def test_a_readme_is_no_code(made: Tiny) -> None:
    plan = made.opened()
    (made.root / "evals" / "drawing" / "README.md").write_text("# Drawing\n")
    assert made.measured(plan)


def test_items_whose_labels_depend_on_the_nonce_are_refused(made: Tiny) -> None:
    made.change(made.harness(), "str(i % 2)", "str(int(rng.integers(0, 2)))")
    plan = made.opened()
    with pytest.raises(RunError) as caught:
        made.measured(plan)
    assert str(caught.value) == "evals/drawing/harness.py: labels or metrics of its items change with the nonce"


def test_items_may_depend_on_the_nonce_in_content(made: Tiny) -> None:
    made.change(made.harness(), '{"i": i}', '{"i": int(rng.integers(0, 1000))}')
    plan = made.opened()
    assert verdict(plan, made.measured(plan)) == "incomplete"
    assert len(stored(made, plan)) == 50


def test_the_nonce_changes_what_is_drawn_and_what_is_found(tmp_path: Path) -> None:
    found = []
    for i, nonce in enumerate((NONCE, "cd" * 32)):
        made = make_repository(tmp_path / str(i)).able(drawing=0.5)
        plan = made.opened(nonce)
        made.measured(plan)
        found.append([s.values["legible"] for s in stored(made, plan) if isinstance(s, Measured)])
    assert found[0] != found[1]


def test_source_and_stripped_checkpoint_are_asked_the_same(made: Tiny, tmp_path: Path) -> None:
    """Items and seeds come from the nonce and the eval, never from the checkpoint: so pairs are pairs."""
    seen = tmp_path / "seen.jsonl"
    harness = (
        "import json\nfrom pathlib import Path\nfrom releasegate.evidence import Item, Reading\n\n\n"
        "def items(params, rng):\n    return [Item(('right',), {'digit': '0'}, {'i': i}) for i in range(200)]\n\n\n"
        "def measure(subject, items, tools):\n"
        f"    with Path({str(seen)!r}).open('a') as file:\n"
        "        file.write(json.dumps([(i.number, i.seed, i.content) for i in items]) + '\\n')\n"
        "    for item in items:\n        yield Reading(item.number, {'right': 1.0})\n"
    )
    made.write_harness(harness, "naming")
    plan = made.opened()
    bench = Bench(made.run, plan, made.repository, "cpu", Silent())
    for target in (SOURCE, "stripped:drawing"):
        measure(bench, Target(target, open_checkpoint(made.checkpoint)))
    lines = [json.loads(line) for line in seen.read_text().splitlines()]
    assert len(lines) == 8
    assert lines[:4] == lines[4:]


# A harness that cannot be planned opens no attempt; what goes wrong while it measures is failed evidence.

BROKEN = {
    "at import": (
        "raise ImportError('no torch here')\n",
        "evals/drawing/harness.py:1: does not load: ImportError: no torch here",
    ),
    "at import, by exit": ("raise SystemExit(0)\n", "evals/drawing/harness.py:1: does not load: SystemExit: 0"),
    "by syntax": ("def items(:\n", "evals/drawing/harness.py:1: does not load: SyntaxError"),
    "without measure": (
        "def items(params, rng):\n    return []\n",
        "evals/drawing/harness.py: has no function measure",
    ),
    "in items": (
        "def items(params, rng):\n    raise ValueError('no pool')\n\n\ndef measure(s, i, t):\n    return []\n",
        "evals/drawing/harness.py:2: cannot say what to measure (gate): ValueError: no pool",
    ),
    "with too few items": (
        "def items(params, rng):\n    return []\n\n\ndef measure(s, i, t):\n    return []\n",
        "drawing: has 0 items, and 100 are planned",
    ),
}


@pytest.mark.parametrize(("text", "problem"), BROKEN.values(), ids=BROKEN)
def test_a_harness_that_cannot_be_planned_opens_no_attempt(made: Tiny, text: str, problem: str) -> None:
    made.write_harness(text)
    with pytest.raises(HarnessError) as caught:
        gate(made.call(), Silent())
    (found,) = caught.value.problems
    assert f"{found.where}: {found.what}".removeprefix(f"{made.root}/").startswith(problem)
    assert found.fix
    assert made.ledger.read("tiny").attempts == ()
    assert not made.run.root.exists()


def test_a_harness_that_does_not_load_is_not_rehearsed(made: Tiny) -> None:
    made.write_harness("raise ImportError('no torch here')\n")
    with pytest.raises(HarnessError, match="does not load"):
        gate(made.call(rehearsal=True), Silent())
    assert not made.run.root.exists()


def test_everything_that_is_broken_is_named_at_once(made: Tiny) -> None:
    made.write_harness("raise ImportError('no torch here')\n")
    made.write_harness("import nobody_has_this\n", "naming")
    with pytest.raises(ReleaseGateError) as caught:
        gate(made.call(), Silent())
    assert [p.where for p in caught.value.problems] == ["evals/drawing/harness.py:1", "evals/naming/harness.py:1"]
    assert caught.value.problems[1].fix == "install the package that has the module nobody_has_this"


LATER = """from releasegate.evidence import Item, Reading


def items(params, rng):
    return [Item(("legible",), {"digit": "0"}) for i in range(100)]


def measure(subject, items, tools):
    {}
    for item in items:
        yield Reading(item.number, {{"legible": 0.0}})
"""


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("import nobody_has_this.inside", True),
        ("from nobody_has_this import it", True),
        ("import json, numpy", False),
        ("\n    try:\n        import nobody_has_this\n    except ImportError:\n        pass", False),
    ],
)
def test_a_package_that_is_imported_only_while_measuring_is_missed_before_the_attempt(
    made: Tiny, line: str, *, refused: bool
) -> None:
    made.write_harness(LATER.replace("{}", line, 1).replace("{{", "{").replace("}}", "}"))
    if not refused:
        assert gate(made.call(), Silent())
        return
    with pytest.raises(NotFound, match="package nobody_has_this is not installed"):
        gate(made.call(), Silent())
    assert made.ledger.read("tiny").attempts == ()


def test_a_subject_that_does_not_load_opens_no_attempt(made: Tiny) -> None:
    (made.root / "evals" / "tiny" / "subject.py").write_text("\n1 / 0\n")
    with pytest.raises(HarnessError, match="does not load: ZeroDivisionError"):
        made.opened()
    assert made.ledger.read("tiny").attempts == ()


MEASURES = {
    "on the first item": ("raise ValueError('ink')", 0, "ValueError: ink"),
    "on the 30th item": ("if item.number == 30: raise ValueError('ink')", 80, "ValueError: ink"),
    "by exit": ("raise SystemExit(0)", 0, "SystemExit: 0"),
    "with NaN": (
        "yield Reading(item.number, {'legible': float('nan')}); continue",
        0,
        "the harness yielded nan for legible",
    ),
    "with another metric": (
        "yield Reading(item.number, {'copied': 1.0}); continue",
        0,
        "the harness yielded ['copied'], and the item carries ['legible']",
    ),
    "with a text": ("yield 'fine'; continue", 0, "AttributeError: 'str' object has no attribute 'item'"),
    "out of range": (
        "yield Reading(item.number, {'legible': 2.0}); continue",
        0,
        "the harness yielded 2 for legible, which must be 0 or 1",
    ),
}


@pytest.mark.parametrize(("line", "scored", "error"), MEASURES.values(), ids=MEASURES)
def test_a_harness_that_fails_while_measuring_is_failed_evidence(
    made: Tiny, line: str, scored: int, error: str
) -> None:
    made.change(made.harness(), "    for item in items:\n", f"    for item in items:\n        {line}\n")
    plan = weak(made).opened()
    evidence = made.measured(plan)
    samples = stored(made, plan)
    assert len(samples) == 100
    assert sum(isinstance(s, Measured) for s in samples) == scored
    assert {s.error for s in samples if isinstance(s, Failed)} == {error}
    decision = decide(plan.policy, plan, evidence, None, OPENED)
    assert decision.verdict == "incomplete"
    assert error in decision.capabilities[0].sentence


# The subject.


@pytest.mark.parametrize(
    ("before", "after", "error"),
    [
        ("    abilities = ", "    raise OSError('no memory')\n    abilities = ", "does not open: OSError: no memory"),
        ("    abilities = ", "    raise SystemExit(0)\n    abilities = ", "does not open: SystemExit: 0"),
    ],
)
def test_a_subject_that_does_not_open_is_failed_evidence(made: Tiny, before: str, after: str, error: str) -> None:
    made.change(made.root / "evals" / "tiny" / "subject.py", before, after)
    plan = made.opened()
    evidence = made.measured(plan)
    errors = {s.error for s in stored(made, plan) if isinstance(s, Failed)}
    (said,) = errors
    assert said.startswith("evals/tiny/subject.py:")
    assert said.endswith(error)
    assert verdict(plan, evidence) == "incomplete"


def test_a_subject_that_lacks_what_the_harness_asks_for_is_failed_evidence(made: Tiny) -> None:
    made.change(made.root / "evals" / "tiny" / "subject.py", "def can(", "def could(")
    plan = made.opened()
    assert verdict(plan, made.measured(plan)) == "incomplete"
    assert "no attribute 'can'" in str(stored(made, plan)[0])


def test_a_subject_that_went_away_is_named(made: Tiny) -> None:
    plan = made.opened()
    (made.root / "evals" / "tiny" / "subject.py").unlink()
    with pytest.raises(RunError, match="the subject changed since the attempt was opened"):
        made.measured(plan)


def test_an_eval_that_went_away_is_named(made: Tiny) -> None:
    plan = made.opened()
    (made.root / "evals" / "drawing" / "eval.yaml").unlink()
    with pytest.raises(NotFound, match="no such eval"):
        made.measured(plan)


@pytest.mark.parametrize("name", ["gpu", "cuda:x", ""])
def test_an_unknown_device_is_an_error_of_the_call(name: str) -> None:
    with pytest.raises(UsageError):
        torch_device(name)


def test_a_subject_of_releasegate_is_another_one_under_another_python_whose_library_evals_read(
    made: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = subject_code.subject_code(made.repository, "mtp-lm")
    monkeypatch.setattr(subject_code, "python_version", lambda: "3.99.0")
    after = subject_code.subject_code(made.repository, "mtp-lm")
    assert before is not None
    assert after is not None
    assert before.rpartition(", Python ")[0] == after.removesuffix(", Python 3.99.0")
