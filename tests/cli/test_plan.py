"""`releasegate plan`: what attempts have spent, what is left, and how long one takes."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import Any

import pytest

from releasegate.__main__ import run
from releasegate.cli.budget import budget
from releasegate.intervals import effective_alpha
from releasegate.ledger import Attempt
from releasegate.plan import Plan
from tests.tiny_gates import capability, plan_of, policy
from tests.tiny_repository import Tiny


def planned(made: Tiny, *more: str) -> list[str]:
    return ["plan", str(made.policy), "--model", str(made.checkpoint), "--quiet", *more]


def timed(made: Tiny, eval_id: str, seconds: float) -> None:
    card = made.root / "evals" / eval_id / "eval.yaml"
    made.change(card, "source: made", f"seconds_per_item: {seconds}, source: made")


def shown(capsys: pytest.CaptureFixture[str], given: list[str]) -> str:
    capsys.readouterr()
    assert run(given) == 0
    return capsys.readouterr().out


def as_data(capsys: pytest.CaptureFixture[str], given: list[str]) -> Any:
    return json.loads(shown(capsys, [*given, "--format", "json"]))


def test_plan_says_how_long_each_eval_takes_and_all_together(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    timed(made, "drawing", 2.5)
    data = as_data(capsys, planned(made))
    names = [(m["eval"], m["checkpoint"]) for m in data["measurements"]]
    seconds = dict(zip(names, data["duration"]["measurements"], strict=True))
    assert seconds == {
        ("drawing", "source"): 250,
        ("naming", "source"): None,
        ("drawing", "stripped:drawing"): 250,
        ("naming", "stripped:drawing"): None,
    }
    assert "total" not in data["duration"], "what one card does not say, no sum can hold"
    text = shown(capsys, planned(made))
    assert "about – in all, on two CPU cores" in text
    assert [line.split()[3:5] for line in text.splitlines() if line.startswith(("drawing ", "naming "))][:2] == [
        ["100", "4"],
        ["100", "–"],
    ]
    timed(made, "naming", 0.01)
    assert as_data(capsys, planned(made))["duration"]["total"] == 502
    assert "about 8 min in all, on two CPU cores" in shown(capsys, planned(made))


def test_only_the_strip_that_takes_longest_counts_for_the_time(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    timed(made, "drawing", 1)
    timed(made, "naming", 1)
    text = made.policy.read_text()
    second = text[text.index("  - id: drawing") : text.index("  - id: naming")]
    for old, new in (("id: drawing", "id: reading"), ("weak", "weak2"), ("gone", "gone2"), ("kept", "kept2")):
        second = second.replace(old, new)
    made.policy.write_text(text.replace("  - id: naming", second + "  - id: naming"))
    data = as_data(capsys, planned(made))
    assert {m["checkpoint"] for m in data["measurements"]} == {
        "source",
        "stripped:drawing",
        "stripped:reading",
        "stripped:drawing+reading",
    }
    assert data["duration"]["total"] == 400


def test_plan_says_what_attempts_spent_and_what_is_left(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    made.change(made.policy, "otherwise: strip", "otherwise: withhold")
    assert run(made.gate()) == 1
    second = planned(made, "--open", str(made.root / "second"))
    left = [0.05 * (1 - 6 / math.pi**2 * sum(1 / j**2 for j in range(1, spent + 1))) for spent in (1, 2)]
    assert f"attempts spent: 2 (1 not closed, 1 withhold) · {left[1]:.4f} of alpha 0.05 left from attempt 3 on" in (
        shown(capsys, second)
    )
    text = shown(capsys, planned(made))
    assert text.startswith("tiny · attempt 3 · effective alpha 0.0034, 0.0019 at the next · as of ")
    assert "opened" not in text
    found = as_data(capsys, planned(made))["budget"]
    assert found["spent"] == [{"attempt": 1, "verdict": "withhold"}, {"attempt": 2}]
    assert math.isclose(found["left"], left[1])
    assert (found["effective_alpha"], found["next_effective_alpha"]) == (
        effective_alpha(0.05, 3, 1),
        effective_alpha(0.05, 4, 1),
    )


def test_plan_without_a_ledger_is_of_attempt_1_and_says_so(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    made.ledger.path.unlink()
    text = shown(capsys, planned(made))
    assert "no ledger yet: planned as attempt 1; a gate needs one: `releasegate ledger init tiny`" in text
    assert "attempts spent: 0 · 0.0500 of alpha 0.05 left from attempt 1 on" in text
    assert not made.ledger.path.exists()


def test_what_is_left_is_what_all_later_attempts_can_use_together() -> None:
    plan: Plan = plan_of(policy(capability("drawing", unconditional=True)))
    spent = tuple(Attempt(j, "sha256:" + "0" * 64, "2026-01-01") for j in range(1, 6))
    later = sum(effective_alpha(plan.policy.release.alpha, j, 1) for j in range(6, 2_000_000))
    assert math.isclose(budget(plan, spent).left, later, abs_tol=1e-7)


def test_plan_says_that_a_gate_would_open_no_attempt_and_opens_none(
    made: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    made.write_harness("import nobody_has_this\n")
    out = " ".join(shown(capsys, planned(made)).split())
    assert (
        "warning: a gate opens no attempt: evals/drawing/harness.py:1: package nobody_has_this is not installed" in out
    )
    assert "fix: install the package that has the module nobody_has_this" in out
    assert run(planned(made, "--open", str(made.root / "run"))) == 2
    assert "package nobody_has_this is not installed" in capsys.readouterr().err
    assert made.ledger.read("tiny").attempts == ()
    assert not (made.root / "run").exists()


def test_a_missing_file_is_named_without_what_measures(made: Tiny) -> None:
    """torch takes seconds to import; nothing was opened, and nothing says so."""
    script = (
        "import sys\nfrom releasegate.__main__ import run\n"
        "code = run(sys.argv[1:])\nassert 'torch' not in sys.modules\nsys.exit(code)"
    )
    for asked, model in ((made.root / "policies" / "none.yaml", made.checkpoint), (made.policy, made.root / "none")):
        given = [sys.executable, "-c", script, "plan", str(asked), "--model", str(model), "-q"]
        done = subprocess.run(given, capture_output=True, text=True, check=False)
        assert done.returncode == 2, done.stderr
        assert "none" in done.stderr
        assert "opened" not in done.stdout + done.stderr


# Power.


def bounded(made: Tiny) -> Tiny:
    """This one; its evals make as many items as they are asked for."""
    for name in ("drawing", "naming"):
        file = made.harness(name)
        text = file.read_text()
        number = next(word for word in ("range(100)", "range(200)") if word in text)
        file.write_text(text.replace(number, 'range(params["n"])'))
    return made


def test_plan_says_the_power_of_each_requirement_and_of_all_together(
    made: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    found = as_data(capsys, planned(made))["power"]
    assert [way["way"] for way in found["ways"]] == ["release", "stripped:drawing"]
    of = {one["requirement"]: one for one in found["requirements"]}
    assert set(of) >= {"weak", "gone", "kept"}
    weak = of["weak"]
    assert weak["truth"] == 0.1
    assert weak["needs"] < weak["needs_for_all"] < weak["needs_for_all_next"]
    assert weak["next_peak"] > weak["items"]
    text = shown(capsys, planned(made))
    assert "half-way between every limit and the ideal" in text
    assert "warning: release: such a model passes with a chance of" in " ".join(text.split())


def test_plan_for_a_power_makes_as_many_items_as_it_takes(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    bounded(made)
    before = as_data(capsys, planned(made))
    data = as_data(capsys, planned(made, "--for-power", "0.95"))
    items = {(m["eval"], m["checkpoint"]): sum(cell["n"] for cell in m["cells"]) for m in data["measurements"]}
    weak = next(one for one in before["power"]["requirements"] if one["requirement"] == "weak")
    assert items["drawing", "source"] == items["drawing", "stripped:drawing"] > weak["needs_for_all"]
    assert items["naming", "source"] == 100, "a pool holds what it holds"
    assert data["for_power"] == 0.95
    assert all(way["power"] > 0.9 for way in data["power"]["ways"])
    assert "for_power" not in before


def test_a_harness_that_makes_no_more_items_is_said_before_anything_is_spent(
    made: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(planned(made, "--for-power", "0.95", "--open", str(made.run.root))) == 2
    assert "evals/drawing/harness.py: cannot make more items: drawing: has 100 items" in capsys.readouterr().err
    assert not made.run.plan_path.exists()
    assert run(planned(made, "--for-power", "1")) == 2


@pytest.mark.parametrize("command", ["check", "plan", "gate"])
def test_no_command_takes_the_laxer_reading_of_a_policy_that_contradicts_itself(
    made: Tiny, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made.change(made.policy, "rationale: Not mature.", "rationale: Not mature.\n    unconditional: true")
    given = {"check": ["check", str(made.policy)], "plan": planned(made), "gate": made.gate()}[command]
    assert run(given) == 2
    assert (
        "capabilities.0.unconditional: stands beside misuse, otherwise, recipe, removal, keep"
        in capsys.readouterr().err
    )
    assert not made.run.root.exists()
    assert [one for one in made.ledger.path.read_text().splitlines() if '"attempt"' in one] == []
