"""The gate under a declared number of attempts, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from releasegate.__main__ import run
from releasegate.errors import LedgerError
from releasegate.intervals import effective_alpha
from releasegate.repository import LedgerFile, RunFolder, require_opened
from tests.tiny_repository import Tiny

pytestmark = pytest.mark.usefixtures("quick_report")


def said(capsys: pytest.CaptureFixture[str], given: list[str], code: int = 2) -> str:
    """What a call says, after ending with `code`."""
    capsys.readouterr()
    assert run(given) == code
    found = capsys.readouterr()
    return found.err if code == 2 else found.out


def declaring(made: Tiny, attempts: int | None, *, begin: bool = True) -> Tiny:
    """The repository whose policy declares so many attempts; its ledger, too, if it begins anew."""
    text = made.policy.read_text().replace("otherwise: strip", "otherwise: withhold")
    kept = "{channel: open_weights}" if attempts is None else f"{{channel: open_weights, attempts: {attempts}}}"
    made.policy.write_text("\n".join(f"release: {kept}" if x.startswith("release:") else x for x in text.split("\n")))
    if begin:
        made.ledger.path.unlink()
        assert run(["ledger", "init", "tiny", "--repo", str(made.root)]) == 0
    return made


def alphas(made: Tiny, *runs: str) -> list[float]:
    return [RunFolder(made.root / name).read_decision().alpha for name in runs]


def divide(made: Tiny, *how: str) -> list[str]:
    return ["ledger", "divide", "tiny", "--repo", str(made.root), *how]


def test_alpha_is_split_evenly_over_the_declared_attempts_and_then_the_gate_ends_with_2(
    made: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    declaring(made, 2)
    assert run(made.gate(out="one")) == run(made.gate(out="two")) == 1
    assert alphas(made, "one", "two") == [0.025, 0.025]
    for given in (made.gate(out="three"), made.gate("--rehearse", out="three")):
        error = said(capsys, given)
        assert error.startswith(f"{made.ledger.path.resolve()}: spends alpha evenly over 2 attempts, which were all")
        assert "  fix: publish nothing more in this family" in error
    assert not (made.root / "three").exists()
    assert len(made.ledger.read("tiny").attempts) == 2
    assert run(made.gate(out="two")) == 1, "a finished run decides as it did"


@pytest.mark.parametrize(("ledger", "policy"), [(20, None), (None, 20), (20, 10)])
def test_a_policy_that_differs_from_its_ledger_is_2_with_place_and_remedy(
    made: Tiny, capsys: pytest.CaptureFixture[str], ledger: int | None, policy: int | None
) -> None:
    declaring(made, ledger)
    declaring(made, policy, begin=False)
    error = said(capsys, made.gate())
    option = "--open-ended" if policy is None else f"--attempts {policy}"
    assert error.startswith(f"{made.ledger.path.resolve()}: spends alpha ")
    assert f"divide what is left: `releasegate ledger divide tiny {option}`" in error
    assert not made.run.root.exists()
    assert made.ledger.read("tiny").count == 1


def test_a_change_divides_what_is_left_and_runs_of_before_stay_as_they_were(
    made: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    declaring(made, 10)
    assert run(made.gate(out="one")) == run(made.gate(out="two")) == 1
    assert "from attempt 3 on, 0.8 of alpha evenly over 6 attempts" in said(capsys, divide(made, "--attempts", "6"), 0)
    assert "spends alpha evenly over 6 attempts at attempt 3" in said(capsys, made.gate(out="three"))
    declaring(made, 6, begin=False)
    assert run(made.gate(out="three")) == 1
    assert alphas(made, "one", "three") == [pytest.approx(0.005), pytest.approx(0.05 * 0.8 / 4)]
    assert run(["decide", str(made.root / "one"), "--repo", str(made.root)]) == 1
    assert alphas(made, "one") == [0.005]
    assert run(divide(made, "--open-ended")) == 0
    declaring(made, None, begin=False)
    assert run(made.gate(out="four")) == 1
    assert alphas(made, "four") == [pytest.approx(effective_alpha(0.05 * 0.6, 1, 1))]
    kinds = [json.loads(line)["event"] for line in made.ledger.path.read_text().splitlines()]
    assert kinds.count("scheduled") == 2


def test_a_plan_that_spends_otherwise_than_its_ledger_is_refused(made: Tiny) -> None:
    """A forged ledger that knows the attempt, and whose first line gives it more alpha."""
    declaring(made, 20)
    assert run(made.gate()) == 1
    forged = LedgerFile(made.root / "forged.jsonl")
    forged.init("tiny", 2)
    plan = made.run.read_plan()
    with forged.locked("tiny") as held:
        held.open(plan.fixed, plan.opened, lambda: str(plan.nonce))
    with pytest.raises(LedgerError, match=r"spends alpha otherwise than plan\.json"):
        require_opened(plan, forged, None)


def test_a_stored_plan_whose_schedule_is_not_its_policys_is_refused(
    made: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    declaring(made, 20)
    assert run(made.gate()) == 1
    stored = json.loads(made.run.plan_path.read_text())
    for change in (
        {},
        {"spending": {"first": 1, "attempts": 2, "left": 1.0}},
        {"spending": {"first": 2, "attempts": 20}},
    ):
        kept = {k: v for k, v in stored.items() if k != "spending"}
        made.run.plan_path.write_text(json.dumps(kept | change))
        assert "plan.json" in said(capsys, ["decide", str(made.run.root), "--repo", str(made.root)])


def test_plan_and_show_say_what_is_left(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    declaring(made, 2)
    assert run(made.gate(out="one")) == 1
    planned = ["plan", str(made.policy), "--model", str(made.checkpoint), "--quiet"]
    text = said(capsys, planned, 0)
    assert "attempt 2 · effective alpha 0.0250, none at the next" in text
    assert "0.0250 of alpha 0.05 left from attempt 2 to 2" in text
    show = ["ledger", "show", "tiny", "--repo", str(made.root)]
    assert "left: 0.5 of alpha; alpha evenly over 2 attempts\nnext: attempt 2, effective alpha 0.025\n" in (
        said(capsys, show, 0)
    )
    assert json.loads(said(capsys, [*show, "--format", "json"], 0))["spending"] == {
        "first": 1,
        "attempts": 2,
        "left": 0.5,
    }
    assert run([*planned, "--open", str(made.root / "two")]) == 0
    assert "next: attempt 3, for which no alpha is left" in said(capsys, show, 0)


def test_a_replay_has_the_part_of_alpha_that_the_attempt_has(made: Tiny, tmp_path: Path) -> None:
    declaring(made, 20)
    assert run(made.gate()) == 1
    other, out = made.policy.with_name("other.yaml"), tmp_path / "replay.json"
    other.write_text(made.policy.read_text().replace(", attempts: 20", ", alpha: 0.1").replace("id: tiny", "id: other"))
    assert run(["decide", str(made.run.root), "--policy", str(other), "--out", str(out)]) == 1
    assert json.loads(out.read_text())["alpha"] == pytest.approx(0.1 / 20)


def test_init_takes_the_number_from_the_policy_and_refuses_another(
    made: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    declaring(made, 20)
    assert made.ledger.read("tiny").spending(1).attempts == 20
    made.ledger.path.unlink()
    given = ["ledger", "init", "tiny", "--repo", str(made.root), "--attempts", "30"]
    assert "policy tiny of family tiny says `release: {attempts: 20}`, not 30" in said(capsys, given)
    assert not made.ledger.path.exists()
    assert "says not among which attempts" in said(capsys, divide(made))
