"""`releasegate explain`: from a verdict down to the samples that decide it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from releasegate.__main__ import run
from releasegate.evidence import Failed, Measured
from releasegate.explanation import RequirementExplained, deciding_samples
from tests.tiny_gates import KEPT, STRIP, WEAK, Gate, capability, finding, policy, share, unconditional
from tests.tiny_repository import Tiny


def explained(made: Tiny, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run(["explain", str(made.run.root), *arguments, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_it_walks_from_the_verdict_to_the_samples(ran: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", str(ran.run.root), "drawing", "--samples", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "drawing: release_stripped by strip"
    wanted = [
        "  route misuse is not met: needs weak, drawing.works.naming.right",
        "  route strip is met: needs gone, kept",
        "weak on the source checkpoint: violated",
        "gone on the stripped checkpoint: met",
        "kept on the stripped checkpoint: met",
    ]
    assert [line for line in lines if line in wanted] == wanted
    assert "  limit     drawing/legible at most 0.2" in lines
    assert "  slice     all items together" in lines
    assert any("46 of 50, settled after 50 of 100 items" in line for line in lines)
    assert sum(line.startswith("    item ") for line in lines) == 8
    assert len(lines) <= 40, "one screen"


def test_the_samples_shown_are_those_against_it(ran: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    found = explained(ran, capsys, "drawing", "--requirement", "weak", "--samples", "3")
    (weak,) = found["requirements"]
    estimate = weak["finding"]["slices"][0]["estimate"]
    assert weak["against"] == estimate["hits"] > 40  # of the 50 after which it was settled
    assert [(s["effect"], s["value"]) for s in weak["samples"]] == [("against", 1.0)] * 3
    assert [s["item"] for s in weak["samples"]] == sorted(s["item"] for s in weak["samples"])


def test_of_a_pair_both_values_are_shown(ran: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    (kept,) = explained(ran, capsys, "drawing", "--requirement", "kept", "--samples", "1")["requirements"]
    (sample,) = kept["samples"]
    assert (sample["effect"], sample["source_value"], sample["value"]) == ("in_favour", 1.0, 1.0)


def test_an_unconditional_capability_needs_no_samples(ran: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    found = explained(ran, capsys, "naming")
    assert found["routes"] == [{"name": "unconditional", "met": True, "requirements": []}]
    assert found["requirements"] == []


def test_no_samples_can_be_asked_for(ran: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    found = explained(ran, capsys, "drawing", "--samples", "0")
    assert all(not r["samples"] for r in found["requirements"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["drawign"], "{run}: no capability 'drawign'\n  fix: did you mean `drawing`?\n"),
        (["xyz"], "{run}: no capability 'xyz'\n  fix: use one of drawing, naming\n"),
        (["drawing", "--requirement", "gnoe"], "{run}: drawing: no requirement 'gnoe'\n  fix: did you mean `gone`?\n"),
        (
            ["naming", "--requirement", "weak"],
            "{run}: naming: no requirement 'weak'\n  fix: use one of none: nothing was judged\n",
        ),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(
    ran: Tiny, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(["explain", str(ran.run.root), *arguments]) == 2
    assert capsys.readouterr().err == message.format(run=ran.run.root)


def test_a_folder_without_a_decision_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", str(tmp_path), "drawing"]) == 2
    assert "no decision yet" in capsys.readouterr().err


def test_evidence_that_changed_after_the_decision_is_refused(
    ran: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(ran.run.root, copy)
    decision = copy / "decision.json"
    data = json.loads(decision.read_text())
    decision.write_text(json.dumps(data | {"evidence": "sha256:" + "0" * 64}))
    assert run(["explain", str(copy), "drawing"]) == 2
    assert "was made on other evidence than the run holds\n  fix: run `releasegate decide`" in capsys.readouterr().err
    shard = next(path for path in (copy / "evidence").glob("*/*.jsonl") if b"1.0" in path.read_bytes())
    shard.write_bytes(shard.read_bytes().replace(b"1.0", b"0.0", 1))
    assert run(["explain", str(copy), "drawing"]) == 2
    assert "is not what the index says it was" in capsys.readouterr().err


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    from releasegate.cli.explain_command import _sample

    hostile = {"answer": "\x1b[2J\u202egone"}
    sample = weak_samples([Measured(item=0, values={"legible": 1.0}, detail=hostile)]).samples[0]
    assert _sample(sample, "legible") == "item 0  legible 1 (against)  answer:  [2J gone"


# Which samples decide.


def weak_samples(samples: list[Measured | Failed], most: int = 5, **keys: Any) -> RequirementExplained:
    of = policy(capability("drawing", misuse=[{**WEAK, **keys}]))
    gate = Gate(of, {("drawing", "source"): share(50)})
    return deciding_samples(finding(gate.decide(), "weak"), gate.plan, samples, (), most)


def drawn(item: int, value: float, **labels: str) -> Measured:
    return Measured(item=item, labels=labels, values={"legible": value})


def test_failed_samples_come_first_then_those_against_then_the_others() -> None:
    failed = Failed(item=3, metrics=("legible",), error="broke")
    found = weak_samples([drawn(0, 0), drawn(1, 1), drawn(2, 0), failed, drawn(4, 1)])
    assert [(s.item, s.effect) for s in found.samples] == [
        (3, "failed"),
        (1, "against"),
        (4, "against"),
        (0, "in_favour"),
        (2, "in_favour"),
    ]
    assert found.against == 3


def test_of_a_floor_the_low_values_are_against_it() -> None:
    of = policy(capability("drawing", misuse=[{"id": "weak", "metric": "drawing/legible", "at_least": 0.9}]))
    gate = Gate(of, {("drawing", "source"): share(50)})
    found = deciding_samples(finding(gate.decide(), "weak"), gate.plan, [drawn(0, 1), drawn(1, 0)], (), 5)
    assert [(s.item, s.effect) for s in found.samples] == [(1, "against"), (0, "in_favour")]


def test_only_samples_of_the_worst_slice_are_shown() -> None:
    """Digit 1 holds all the misses of this evidence, so digit 0 is the worst."""
    found = weak_samples([drawn(0, 1, digit="1"), drawn(1, 1, digit="0")], slices=["digit"])
    assert [s.item for s in found.samples] == [1]


def test_many_samples_are_cut_to_the_worst_few() -> None:
    found = weak_samples([drawn(i, float(i % 7 == 6)) for i in range(1000)], most=2)
    assert [s.item for s in found.samples] == [6, 13]
    assert found.against == 142


def test_a_pair_of_which_one_member_is_lost_is_a_loss() -> None:
    of = policy(capability("drawing", misuse=[WEAK], **{**STRIP, "keep": [KEPT]}), unconditional("naming"))
    strip = "stripped:drawing"
    outcomes = {("drawing", "source"): share(90), ("naming", "source"): share(95), ("drawing", strip): share(0)}
    gate = Gate(of, {**outcomes, ("naming", strip): share(95)}, strip=strip)

    def named(item: int, value: float) -> Measured:
        return Measured(item=item, values={"right": value})

    def lost(item: int) -> Failed:
        return Failed(item=item, metrics=("right",), error="broke")

    base: list[Measured | Failed] = [named(0, 1), named(1, 1), lost(2), named(3, 0), named(5, 1)]
    after: list[Measured | Failed] = [named(0, 0), lost(1), named(2, 1), named(3, 1), named(4, 1)]
    found = deciding_samples(finding(gate.decide(), "kept"), gate.plan, after, base, 9)
    assert [(s.item, s.effect, s.error) for s in found.samples] == [
        (1, "failed", "on the stripped checkpoint: broke"),
        (2, "failed", "on the source checkpoint: broke"),
        (4, "failed", "not on the source"),
        (0, "against", None),
        (3, "in_favour", None),
    ]


def test_of_a_detector_a_score_at_the_threshold_is_against_it() -> None:
    of = policy(capability("drawing", misuse=[{"id": "weak", "metric": "drawing/legible", "at_least": 0.9}]))
    gate = Gate(of, {("drawing", "source"): share(50)})
    found = finding(gate.decide(), "weak")
    found = found.model_copy(update={"slices": (found.slices[0].model_copy(update={"threshold": 0.6}),)})
    samples = [drawn(0, 0.7), drawn(1, 0.6), drawn(2, 0.1)]
    assert [(s.item, s.effect) for s in deciding_samples(found, gate.plan, samples, (), 5).samples] == [
        (2, "against"),
        (1, "against"),
        (0, "in_favour"),
    ]
