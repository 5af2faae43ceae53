"""`gate --for-power`: more generated items, the same in every resumption, replay and repeated decision."""

from __future__ import annotations

import pytest

from releasegate.__main__ import run
from releasegate.repository import RunFolder
from tests.cli.test_plan import bounded
from tests.tiny_repository import Tiny


def drawn(folder: RunFolder) -> int:
    found = folder.read_plan().find("drawing", "source")
    assert found is not None
    return found.items


def test_a_gate_for_a_power_measures_more_and_decides_again_without_the_option(
    made: Tiny, quick_report: None, capsys: pytest.CaptureFixture[str]
) -> None:
    bounded(made).able(drawing=0.05)
    code = run(made.gate("--for-power", "0.95"))
    plan = made.run.read_plan()
    assert plan.for_power == 0.95
    assert drawn(made.run) > 100
    before = made.run.decision_path.read_bytes()
    for more in ((), ("--for-power", "0.95")):
        assert run(made.gate(*more)) == code
        assert made.run.decision_path.read_bytes() == before
    made.run.decision_path.unlink()
    assert run(made.gate()) == code, "a resumed run takes the number from its plan"
    assert made.run.decision_path.read_bytes() == before
    assert run(["decide", str(made.run.root)]) == code


def test_a_run_is_not_resumed_for_another_power(
    made: Tiny, quick_report: None, capsys: pytest.CaptureFixture[str]
) -> None:
    bounded(made).able(drawing=0.05)
    run(made.gate("--for-power", "0.95"))
    capsys.readouterr()
    assert run(made.gate("--for-power", "0.9")) == 2
    assert "for_power" in capsys.readouterr().err
    assert run(made.gate(out="plain")) == 0
    assert RunFolder(made.root / "plain").read_plan().for_power is None
    assert run(made.gate("--for-power", "0.9", out="plain")) == 2


def test_a_rehearsal_rehearses_as_many(made: Tiny, quick_report: None) -> None:
    bounded(made).able(drawing=0.05).rehearsable()
    run(made.gate("--for-power", "0.95", "--rehearse"))
    assert drawn(made.run) > 100
