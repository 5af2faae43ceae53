"""Whatever a verdict rests on, changed after the run: `gate` and `decide` end with 2, and name what was changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import releasegate.gate
from releasegate.__main__ import run
from releasegate.decision import Decision
from releasegate.decision.waiving import case_of
from releasegate.gate import gate
from releasegate.policy import Policy
from releasegate.repository import RunFolder
from releasegate.repository.receipts import receipt_path
from tests.tiny_gates import finding
from tests.tiny_ledgers import chained, contents, digest, digits
from tests.tiny_repository import OPENED, Silent, Tiny, make_repository
from tests.tiny_waivers import TRUST, signed

pytestmark = pytest.mark.usefixtures("quick_report")

Change = Callable[[Tiny], object]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A run that came to `release_stripped`, whose attempt is closed."""
    original = make_repository(tmp_path_factory.mktemp("tampered") / "repo").pooled(150)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(releasegate.gate, "write_report", lambda *given: None)
        assert run(original.gate()) == 0
    return original


@pytest.fixture
def done(original: Tiny, tmp_path: Path) -> Tiny:
    """A copy of it."""
    shutil.copytree(original.root, tmp_path / "repo")
    return Tiny(tmp_path / "repo")


def decide(made: Tiny) -> list[str]:
    return ["decide", str(made.run.root), "--repo", str(made.root)]


def refusal(capsys: pytest.CaptureFixture[str], given: list[str]) -> str:
    """What a call says that ends with 2, without a verdict."""
    capsys.readouterr()
    assert run(given) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "  fix: " in captured.err
    assert "a bug" not in captured.err
    return captured.err


def edit_plan(made: Tiny, edit: Callable[[dict[str, Any]], object]) -> None:
    edit_json(made.run.plan_path, edit)


def edit_json(file: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    plain = json.loads(file.read_text())
    edit(plain)
    file.write_text(json.dumps(plain, indent=1))


def a_shard(made: Tiny) -> Path:
    return sorted((made.run.root / "evidence").glob("*/*.jsonl"))[0]


def edit_sample(made: Tiny) -> None:
    shard = a_shard(made)
    text = shard.read_text()
    before, after = (":1.0}", ":0.0}") if ":1.0}" in text else (":0.0}", ":1.0}")
    shard.write_text(text.replace(before, after, 1))
    assert shard.read_text() != text


def edit_index(made: Tiny) -> None:
    index = made.run.root / "evidence" / "index.jsonl"
    lines = index.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if '"done"' in line)
    data = json.loads(lines[at])
    lines[at] = json.dumps({**data, "sha256": digest("another")})
    index.write_text("\n".join(lines) + "\n")


def loosen(plain: dict[str, Any]) -> None:
    plain["policy"]["capabilities"][0]["misuse"][0]["at_most"] = 0.95


def loosen_with_digest(plain: dict[str, Any]) -> None:
    loosen(plain)
    plain["policy_digest"] = Policy.from_plain(plain["policy"]).rules_digest()


def edit_receipt(made: Tiny) -> None:
    edit_json(receipt_path(made.run.stripped), lambda r: r["output"]["files"][0].update(sha256=digest("another")))


def edit_stripped(made: Tiny) -> None:
    config = made.run.stripped / "config.json"
    config.write_text(config.read_text() + " ")


def forge_ledger(kind: str, **changes: Any) -> Change:
    """Rewrites one kind of line of the ledger as a forger would who knows the format."""

    def forge(made: Tiny) -> None:
        said = contents(made.ledger.path.read_bytes())
        assert sum(line["event"] == kind for line in said) == 1
        lines = [{**line, **changes} if line["event"] == kind else line for line in said]
        made.ledger.path.write_bytes(chained(*lines))

    return forge


def cut_ledger(lines: int) -> Change:
    def cut(made: Tiny) -> None:
        made.ledger.path.write_bytes(b"".join(made.ledger.path.read_bytes().splitlines(keepends=True)[:lines]))

    return cut


PLACE = "holds the attempt in another place than plan.json"
CHANGED: dict[str, tuple[Change, str, str]] = {
    "a sample": (edit_sample, "/000000.jsonl: ", "/000000.jsonl: "),
    "a shard": (lambda made: a_shard(made).unlink(), "/000000.jsonl: ", "/000000.jsonl: "),
    "a shard in another's place": (
        lambda made: shutil.copy(a_shard(made).with_name("000001.jsonl"), a_shard(made)),
        "/000000.jsonl:1: item 25 belongs to another shard",
        "/000000.jsonl:1: item 25 belongs to another shard",
    ),
    "a line of the index": (edit_index, "/000000.jsonl: ", "/000000.jsonl: "),
    "a limit in the plan": (
        lambda made: edit_plan(made, loosen),
        "plan.json: holds another policy than it was opened with",
        "plan.json: holds another policy than it was opened with",
    ),
    "a limit in the plan, with its digest": (
        lambda made: edit_plan(made, loosen_with_digest),
        "opened with another policy",
        "no attempt was opened with plan",
    ),
    "the day of the plan": (
        lambda made: edit_plan(made, lambda plan: plan.update(opened="2999-01-01")),
        "no attempt was opened with plan",
        "no attempt was opened with plan",
    ),
    "the nonce of the plan": (
        lambda made: edit_plan(made, lambda plan: plan.update(nonce=digits("another"))),
        "holds another nonce than plan.json",
        "holds another nonce than plan.json",
    ),
    "the place in the ledger": (
        lambda made: edit_plan(made, lambda plan: plan["ledger"].update(count=2)),
        PLACE,
        PLACE,
    ),
    "that the place was anchored": (
        lambda made: edit_plan(made, lambda plan: plan["ledger"].update(anchored=True)),
        "evidence/index.jsonl:1: ",
        "evidence/index.jsonl:1: ",
    ),
    "the items drawn": (
        lambda made: edit_plan(made, lambda plan: plan["drawn"]["naming"].pop()),
        "holds other items of private pools than plan.json",
        "holds other items of private pools than plan.json",
    ),
    "that it is no rehearsal": (
        lambda made: edit_plan(made, lambda plan: (plan.update(rehearsal=True), plan.pop("ledger"))),
        "opened with another purpose: a rehearsal",
        "evidence/index.jsonl:1: ",
    ),
    "that the plan is in a ledger": (
        lambda made: edit_plan(made, lambda plan: plan.pop("ledger")),
        "plan.json: has no place in a ledger, and is no rehearsal",
        "plan.json: has no place in a ledger, and is no rehearsal",
    ),
    "the receipt": (edit_receipt, "stripped.receipt.json", "stripped.receipt.json"),
    "a stripped file": (edit_stripped, "stripped: is not what its receipt says", "stripped: is not what its receipt"),
    "the ledger, opened": (
        forge_ledger("opened", plan=digest("another")),
        "tiny.jsonl:5: closes attempt 1 with another plan",
        "tiny.jsonl:5: closes attempt 1 with another plan",
    ),
    "the ledger, day": (forge_ledger("opened", day="2020-01-01"), f"tiny.jsonl: {PLACE}", f"tiny.jsonl: {PLACE}"),
    "the ledger, nonce": (
        forge_ledger("nonce", nonce=digits("better")),
        "tiny.jsonl: holds another nonce than plan.json",
        "tiny.jsonl: holds another nonce than plan.json",
    ),
    "the ledger, used": (
        forge_ledger("used", items=["scan-1"]),
        "tiny.jsonl: holds other items of private pools than plan.json",
        "tiny.jsonl: holds other items of private pools than plan.json",
    ),
    "the ledger, evidence": (
        forge_ledger("closed", evidence=digest("better")),
        "tiny.jsonl: closes attempt 1 on other evidence",
        "tiny.jsonl: closes attempt 1 on other evidence",
    ),
    "the ledger, family": (
        forge_ledger("init", family="other"),
        "tiny.jsonl:1: is the ledger of family other, not of tiny",
        "tiny.jsonl:1: is the ledger of family other, not of tiny",
    ),
    "the ledger, rolled back before the attempt": (
        cut_ledger(1),
        "tiny.jsonl: no attempt was opened with plan",
        "tiny.jsonl: no attempt was opened with plan",
    ),
    "the ledger, emptied": (cut_ledger(0), "tiny.jsonl: is empty", "tiny.jsonl: is empty"),
}


@pytest.mark.parametrize(("change", "by_gate", "by_decide"), CHANGED.values(), ids=CHANGED)
def test_what_was_changed_is_named_and_nothing_is_decided(
    done: Tiny, capsys: pytest.CaptureFixture[str], change: Change, by_gate: str, by_decide: str
) -> None:
    before = done.run.decision_path.read_bytes()
    change(done)
    assert by_gate in refusal(capsys, done.gate())
    assert by_decide in refusal(capsys, decide(done))
    assert done.run.decision_path.read_bytes() == before


NOT_READ_BY_DECIDE: dict[str, tuple[Change, str]] = {
    "the policy": (
        lambda made: made.change(made.policy, "at_most: 0.20}\n    otherwise", "at_most: 0.95}\n    otherwise"),
        "opened with another policy",
    ),
    "the family": (
        lambda made: made.policy.write_text("ledger: {family: tiny}\n" + made.policy.read_text()),
        "opened with another policy",
    ),
    "a file of the model": (
        lambda made: made.change(made.checkpoint / "config.json", '"naming": 0.95', '"naming": 0.99'),
        "opened with another model",
    ),
    "the code of an eval": (
        lambda made: made.change(made.harness(), "Asks", "Now asks"),
        "opened with another harness of eval drawing",
    ),
    "a recipe": (
        lambda made: made.change(made.root / "policies/recipes/chameleon-hf/drawing.yaml", "title:", "title: A"),
        "opened with another strips",
    ),
}


@pytest.mark.parametrize(("change", "what"), NOT_READ_BY_DECIDE.values(), ids=NOT_READ_BY_DECIDE)
def test_what_the_plan_fixed_is_held_against_the_repository_by_gate_and_not_read_by_decide(
    done: Tiny, capsys: pytest.CaptureFixture[str], change: Change, what: str
) -> None:
    before = done.run.decision_path.read_bytes()
    change(done)
    assert what in refusal(capsys, done.gate())
    assert run(decide(done)) == 0
    assert done.run.decision_path.read_bytes() == before


@pytest.mark.parametrize("lines", range(1, 3))
def test_a_ledger_rolled_back_behind_the_anchor_is_refused(
    done: Tiny, capsys: pytest.CaptureFixture[str], lines: int
) -> None:
    cut_ledger(lines)(done)
    error = refusal(capsys, done.gate("--anchor", str(done.run.root)))
    assert f"tiny.jsonl: was rolled back: it has {lines} lines, and the anchor 3:" in error


@pytest.mark.parametrize("verdict", ["release", "withhold"])
def test_a_verdict_forged_into_the_ledger_is_closed_again_as_it_is(done: Tiny, verdict: str) -> None:
    before = done.run.decision_path.read_bytes()
    forge_ledger("closed", verdict=verdict)(done)
    assert run(done.gate()) == 0
    assert done.run.decision_path.read_bytes() == before
    (attempt,) = done.ledger.read("tiny").attempts
    assert attempt.closed is not None
    assert attempt.closed.verdict == "release_stripped"


# Evidence that is lost is wanting: never a bug, and never a yes.


def lose_a_shard(made: Tiny) -> None:
    shard = a_shard(made)
    index = made.run.root / "evidence" / "index.jsonl"
    lines = [json.loads(line) for line in index.read_text().splitlines()]
    kept = [line for line in lines if (line["measurement"][7:], line["shard"]) != (shard.parent.name, 0)]
    assert len(kept) == len(lines) - 2
    index.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in kept))
    shard.unlink()


def lose_all(made: Tiny) -> None:
    shutil.rmtree(made.run.root / "evidence")


@pytest.mark.parametrize("lose", [lose_a_shard, lose_all])
def test_lost_evidence_is_incomplete_and_closes_nothing(done: Tiny, lose: Change) -> None:
    ledger = done.ledger.path.read_bytes()
    lose(done)
    assert run(decide(done)) == 3
    assert done.run.read_decision().verdict == "incomplete"
    assert done.ledger.path.read_bytes() == ledger


# Waivers.


def waived(made: Tiny, other: Tiny | None = None, **changes: Any) -> Decision:
    """The decision on a model that draws too well, with a waiver of that finding; or of the same one of another run."""
    of = made if other is None else other
    plan = of.run.read_plan()
    about = case_of(plan.policy, plan, finding(of.run.read_decision(), "weak"))
    waiver = signed(about, **{"opened": "2026-01-01", **changes})
    folder = made.root / "policies" / "waivers"
    folder.mkdir(exist_ok=True)
    (folder / f"{waiver.id}.json").write_text(waiver.text())
    return gate(made.call(today=OPENED + timedelta(days=30)), Silent())


def withheld(made: Tiny) -> Tiny:
    """One whose policy trusts a key, and whose gate came to `withhold`."""
    made.change(made.policy, "otherwise: strip", "otherwise: withhold")
    made.policy.write_text(made.policy.read_text() + f"trust: {json.dumps(TRUST.plain())}\n")
    assert gate(made.call(), Silent()).verdict == "withhold"
    return made


def test_a_later_waiver_closes_the_attempt_a_second_time(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    first = withheld(made).run.read_decision()
    second = waived(made)
    assert (first.verdict, second.verdict, second.verdict_without_waivers) == ("withhold", "release", "withhold")
    closings = [line for line in contents(made.ledger.path.read_bytes()) if line["event"] == "closed"]
    assert [line["decision"] for line in closings] == [first.digest(), second.digest()]
    assert closings[0]["evidence"] == closings[1]["evidence"]
    capsys.readouterr()
    show = ["ledger", "show", "tiny", "--repo", str(made.root), "--format", "json"]
    assert run(show) == 0
    (attempt,) = json.loads(capsys.readouterr().out)["attempts"]
    assert (attempt["verdict"], attempt["decision"]) == ("release", second.digest())


def test_an_expired_waiver_does_not_count_and_says_why(made: Tiny) -> None:
    found = waived(withheld(made), expires="2026-01-30")
    assert found.verdict == "withhold"
    (line,) = found.idle_waivers
    assert "expired" in line
    assert "2026-01-30" in line


def test_a_waiver_of_another_run_does_not_count_and_says_why(made: Tiny, tmp_path: Path) -> None:
    other = withheld(make_repository(tmp_path / "other").able(drawing=0.8))
    found = waived(withheld(made), other)
    assert found.verdict == "withhold"
    (line,) = found.idle_waivers
    assert "measurement" in line


# Any edit at all.


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_single_byte_changed_in_the_ledger_is_2_or_leaves_the_verdict(
    original: Tiny, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    text = bytearray(original.ledger.path.read_bytes())
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != text[at]))
    edited = tmp_path_factory.mktemp("edited") / "ledger.jsonl"
    edited.write_bytes(bytes(text))
    before = original.run.decision_path.read_bytes()
    code = run(original.gate("--ledger", str(edited)))
    assert code == 2 or (code == 0 and original.run.decision_path.read_bytes() == before)
    assert original.run.decision_path.read_bytes() == before
    assert RunFolder(original.root / "run").read_decision().verdict == "release_stripped"
