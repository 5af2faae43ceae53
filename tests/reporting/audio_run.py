"""A small run of a watermark in sound: scores of marked and clean clips under attacks, a splice, and outputs to listen to."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from releasegate.decision import decide
from releasegate.evalcard import EvalCard
from releasegate.evidence import Cell, Failed, Measured
from releasegate.plan import EvalCode, Measurement, Plan, SubjectRef, make_plan
from releasegate.repository import RunFolder
from tests.reporting.example_run import Example
from tests.tiny_gates import OPENED, POSITION, SOURCE_MODEL, capability, card, policy, requirement

RATE = 8_000
N = 60
"""Clips of each kind, attack and strength."""
ATTACKS = (("none", None), ("noise", "10db"), ("noise", "2db"), ("pitch", "2st"))
MEANS = {("none", None): 0.95, ("noise", "10db"): 0.9, ("noise", "2db"): 0.85, ("pitch", "2st"): 0.12}
"""Of the scores of marked clips; clean ones have 0.1."""
SCORE: dict[str, Any] = {"type": "thresholded", "unit": "score", "range": [0, 1], "better": "higher"}
SHARE: dict[str, Any] = {"type": "bernoulli", "unit": "share", "range": [0, 1], "better": "higher"}
THRESHOLD = {"negatives": "clean", "rate": 0.1}
METRICS: dict[str, Any] = {
    "tpr": {**SCORE, "title": "Marked clips detected", "threshold": THRESHOLD},
    "fpr": {**SCORE, "title": "Clean clips flagged", "threshold": THRESHOLD},
    "clean": {
        "title": "Scores of clean clips",
        "type": "report_only",
        "unit": "score",
        "range": [0, 1],
        "better": "higher",
    },
    "auc": {
        "title": "Area under the curve",
        "type": "report_only",
        "unit": "area",
        "range": [0, 1],
        "better": "higher",
        "curve": {"positives": "tpr", "negatives": "fpr"},
    },
    "pesq": {"title": "PESQ", "type": "bounded_mean", "unit": "MOS", "range": [1, 4.65], "better": "higher"},
    "iou": {"title": "Localisation IoU", "type": "bounded_mean", "unit": "share", "range": [0, 1], "better": "higher"},
    "usable": {**SHARE, "title": "Still usable"},
}
FIGURES = [
    {"kind": "heatmap", "metric": "tpr", "rows": "attack", "columns": "strength"},
    {"kind": "heatmap", "metric": "fpr", "rows": "attack", "columns": "speaker"},
    {"kind": "tradeoff", "positives": "tpr", "negatives": "fpr"},
    {"kind": "timeline", "output": "timeline"},
    {"kind": "table", "rows": "attack", "columns": ["tpr", "fpr", "auc", "iou", "usable", "pesq"]},
]
SLICES = {
    "attack": {"title": "Attack", "gate": True},
    "strength": {"title": "Strength"},
    "speaker": {"title": "Speaker"},
}


@dataclass(frozen=True)
class Shape:
    """What a test changes about the run.

    Attributes:
        figures: of the card; None leaves the key out.
        keys: of the requirement.
        otherwise: what becomes of the capability if the requirement does not hold.
        limit: of the requirement.
        timelines: the JSON document of the first clips of the splice.
        speaker: a label.
        metric: title of the metric of marked clips.
        clean: a second requirement, on clean clips.
        means, clean_means: of the scores of marked and of clean clips, by attack and strength.
        failed: of each speaker's clips of a metric and an attack, how many fail, the first ones.
        kept: marked clips of each speaker under an attack that can be listened to.
        extra: bytes and extension of one more output of each marked clip under an attack.
        spliced: bytes and extension of the recording beside each timeline.
    """

    figures: list[dict[str, Any]] | None = field(default_factory=lambda: FIGURES)
    keys: Mapping[str, Any] = field(default_factory=dict)
    limit: float = 0.8
    timelines: tuple[bytes, ...] = ()
    speaker: str = "ann"
    title: str = "A watermark in sound"
    kept: int = 4
    extra: tuple[bytes, str] | None = None
    spliced: tuple[bytes, str] | None = None
    metric: str = "Marked clips detected"
    clean: Mapping[str, Any] | None = None
    means: Mapping[tuple[str, str | None], float] = field(default_factory=lambda: MEANS)
    clean_means: Mapping[tuple[str, str | None], float] = field(default_factory=dict)
    failed: Mapping[tuple[str, str], int] = field(default_factory=dict)


def labels_of(attack: str, strength: str | None, speaker: str) -> dict[str, str]:
    strong = {"strength": strength} if strength is not None else {}
    return {"attack": attack, **strong, "speaker": speaker}


def audio_card(shape: Shape) -> EvalCard:
    items = {"kind": "generated", "n": 1000, "calibration": 200, "source": "made"}
    metrics = {**METRICS, "tpr": {**METRICS["tpr"], "title": shape.metric}}
    changes: dict[str, Any] = {"metrics": metrics, "items": items, "slices": SLICES, "shard": 10_000}
    if shape.figures is not None:
        changes["figures"] = shape.figures
    return card("watermark", "tpr", **changes | {"title": shape.title})


def audio_plan(shape: Shape) -> Plan:
    asked = {"at_least": shape.limit, "enforced_by": "weights", "slices": ["attack"]}
    asked |= {"values": {"attack": ["none", "noise"]}, **shape.keys}
    listed = [requirement("marked", "watermark/tpr", **asked)]
    if shape.clean is not None:
        listed.append(requirement("clean", "watermark/fpr", enforced_by="weights", **shape.clean))
    of = policy(capability("cloning", safeguards={"watermark": listed}))
    gate = []
    for speaker in (shape.speaker, "bob"):
        for attack, strength in ATTACKS:
            labels = labels_of(attack, strength, speaker)
            gate += [
                Cell(labels=labels, metrics=("pesq", "tpr"), n=N // 2),
                Cell(labels=labels, metrics=("fpr",), n=N // 2),
            ]
        gate.append(Cell(labels=labels_of("splice", None, speaker), metrics=("iou",), n=8))
    calibration = [Cell(labels={}, metrics=("clean",), n=100)]
    calibration += [Cell(labels={"attack": a}, metrics=("usable",), n=20) for a in ("none", "noise", "pitch")]
    subject = SubjectRef(id="tiny", code="made by hand", dtype="float32", deterministic=True)
    cells = {"gate": tuple(gate), "calibration": tuple(calibration)}
    code = EvalCode(audio_card(shape), "sha256:" + "1" * 64, {}, subject, cells)  # type: ignore[arg-type]
    plan = make_plan(of, {"watermark": code}, {}, SOURCE_MODEL, OPENED.isoformat())
    return plan.model_copy(update={"nonce": "ab" * 32, "ledger": POSITION})


def audio_run(folder: Path, shape: Shape | None = None) -> Example:
    """The run with its decision, which is stored."""
    shape = shape or Shape()
    plan, run = audio_plan(shape), RunFolder(folder)
    run.open(plan)
    for m in plan.measurements:
        identity = plan.identity(m)
        run.evidence.start_shard(plan, identity, 0)
        run.evidence.finish_shard(identity, 0, plan.source, list(_samples(run, m, shape)))
    decision = decide(plan.policy, plan, run.evidence.read(plan), None, OPENED)
    run.write_decision(decision)
    return Example(run, plan, decision, None)


def _samples(run: RunFolder, m: Measurement, shape: Shape) -> Iterator[Measured | Failed]:
    rng = np.random.default_rng(5 if m.role == "gate" else 6)
    item = 0
    for cell in m.cells:
        attack = (cell.labels.get("attack", ""), cell.labels.get("strength"))
        failing = max((shape.failed.get((metric, attack[0]), 0) for metric in cell.metrics), default=0)
        for i in range(cell.n):
            if i < failing:
                yield Failed(item=item, labels=cell.labels, metrics=cell.metrics, error="the clip was lost")
                item += 1
                continue
            values, outputs = {}, {}
            for metric in cell.metrics:
                mean = {
                    "tpr": shape.means.get(attack, 0.9),
                    "fpr": shape.clean_means.get(attack, 0.1),
                    "pesq": 3.2,
                    "iou": 0.7,
                    "usable": 1.0,
                }.get(metric, 0.1)
                values[metric] = 1.0 if metric == "usable" else float(np.clip(rng.normal(mean, 0.05), 0.0, 1e9))
                if metric != "pesq":
                    values[metric] = min(values[metric], 1.0)
            if "tpr" in cell.metrics and i < shape.kept:
                outputs = {
                    "before": run.write_output(tone(440, item), "wav"),
                    "after": run.write_output(tone(330, item), "wav"),
                }
                if shape.extra is not None:
                    outputs["extra"] = run.write_output(*shape.extra)
            if "fpr" in cell.metrics and i < 2:
                outputs = {"clip": run.write_output(tone(220, item), "wav")}
            if "iou" in cell.metrics:
                data = shape.timelines[i] if i < len(shape.timelines) else spliced(item)
                outputs = {"timeline": run.write_output(data, "json")}
                if shape.spliced is not None:
                    outputs["after"] = run.write_output(*shape.spliced)
            yield Measured(item=item, labels=cell.labels, values=values, outputs=outputs)
            item += 1


def tone(hertz: float, number: int, seconds: float = 0.05) -> bytes:
    """A WAV file; no two numbers give the same one."""
    samples = np.sin(2 * np.pi * (hertz + number) * np.arange(int(RATE * seconds)) / RATE) * 0.3
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def spliced(number: int, **changes: Any) -> bytes:
    """The timeline of a clip of 4 s, marked from 1 s to 2.5 s."""
    rng = np.random.default_rng(number)
    at = (np.arange(400) + 0.5) / 100
    score = np.where((at >= 1.0) & (at < 2.4), 0.95, 0.05) + rng.uniform(-0.04, 0.04, 400)
    envelope = 0.1 + 0.6 * np.abs(np.sin(at[::2] * 3 + number))
    plain = {
        "rate": 16_000,
        "hop": 160,
        "score": np.clip(score, 0, 1).round(4).tolist(),
        "truth": [[1.0, 2.5]],
        "wave": [[-round(float(v), 4), round(float(v), 4)] for v in envelope],
    }
    return json.dumps(plain | changes).encode()
