"""A run whose watermark was tested under five attacks: one lies outside the threat set, and one ruins the clip."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from releasegate.decision import decide
from releasegate.evidence import Cell, Measured
from releasegate.plan import EvalCode, Measurement, Plan, SubjectRef, make_plan
from releasegate.repository import RunFolder
from tests.reporting.example_run import Example
from tests.tiny_gates import OPENED, POSITION, SOURCE_MODEL, capability, card, policy, requirement
from tests.tiny_methods import KEPT, RIGHT

N = 100
DETECTED = {"none": 100, "mp3_64k": 100, "lowpass_500": 98, "white_noise": 12, "highpass_1500": 41}
CLEAR = {"none": 100, "mp3_64k": 100, "lowpass_500": 97, "white_noise": 2, "highpass_1500": 95}
"""Of calibration clips under each attack: those that keep their quality."""
GATED = ("none", "mp3_64k", "lowpass_500", "white_noise")


def marked(**keys: Any) -> dict[str, Any]:
    """The requirement; keys replace its own."""
    plain = {
        "at_least": 0.8,
        "enforced_by": "weights",
        "slices": ["attack"],
        "values": {"attack": list(GATED)},
        "excused": {"metric": "audio_watermark/quality_kept", "at_most": 0.1},
    }
    return requirement("marked", "audio_watermark/detected", **(plain | keys))


def watermark_plan(**keys: Any) -> Plan:
    """The opened plan of a gate on that requirement."""
    of = policy(capability("cloning", safeguards={"watermark": [marked(**keys)]}))
    metrics = {"detected": {**RIGHT, "title": "Detected"}, "quality_kept": KEPT}
    items = {"kind": "generated", "n": len(DETECTED) * N, "calibration": len(CLEAR) * N, "source": "made"}
    slices = {"attack": {"title": "Attack", "gate": True}}
    measured = card("audio_watermark", "detected", metrics=metrics, items=items, slices=slices, shard=10_000)
    cells = [tuple(Cell(labels={"attack": a}, metrics=(m,), n=N) for a in DETECTED) for m in metrics]
    subject = SubjectRef(id="tiny", code="made by hand", dtype="float32", deterministic=True)
    code = EvalCode(measured, "sha256:" + "1" * 64, {}, subject, {"gate": cells[0], "calibration": cells[1]})
    plan = make_plan(of, {"audio_watermark": code}, {}, SOURCE_MODEL, OPENED.isoformat())
    return plan.model_copy(update={"nonce": "ab" * 32, "ledger": POSITION})


def watermark(
    folder: Path, *, detected: Mapping[str, int] = DETECTED, clear: Mapping[str, int] = CLEAR, **keys: Any
) -> Example:
    """The run with its decision, which is stored.

    Args:
        detected: of the clips under each attack.
        clear: of the calibration clips.
    """
    plan, run = watermark_plan(**keys), RunFolder(folder)
    run.open(plan)
    for m in plan.measurements:
        identity = plan.identity(m)
        run.evidence.start_shard(plan, identity, 0)
        hits = DETECTED | dict(detected) if m.role == "gate" else CLEAR | dict(clear)
        run.evidence.finish_shard(identity, 0, plan.source, _samples(m, hits))
    decision = decide(plan.policy, plan, run.evidence.read(plan), None, OPENED)
    run.write_decision(decision)
    return Example(run, plan, decision, None)


def _samples(m: Measurement, hits: Mapping[str, int]) -> list[Measured]:
    return [
        Measured(item=N * c + i, labels=cell.labels, values=dict.fromkeys(cell.metrics, float(i < hits[attack])))
        for c, cell in enumerate(m.cells)
        for attack in [cell.labels["attack"]]
        for i in range(cell.n)
    ]
