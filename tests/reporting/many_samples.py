"""Run folders of any number of samples, written without a model: answers of two metrics, and drawings with an image each.

Lines are written as `EvidenceStore` writes them; the drawings share a few images.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import zlib
from collections.abc import Iterator
from datetime import date
from itertools import product
from pathlib import Path

from PIL import Image

from releasegate.decision import Decision, decide
from releasegate.evalcard import EvalCard
from releasegate.evidence import Cell, Done, Started
from releasegate.manifest import FileEntry, Manifest
from releasegate.plan import EvalCode, Measurement, Plan, PlannedModel, SubjectRef, make_plan
from releasegate.policy import Policy
from releasegate.records import digest_of
from releasegate.repository import RunFolder
from tests.tiny_gates import POSITION

DAY = date(2026, 1, 2)
ATTACKS = ("none", "role_play", "translation", "cipher", "many_shot", "prefix", "persuasion", "suffix")
LANGUAGES = ("english", "german", "french", "zulu", "hindi")
DIGITS = tuple("0123456789")
SHARD = 1_000
TEXT = (
    "the gate asks model what may leave and which of its answers somebody could misuse after a release of weights code "
    "paper or demo because nobody can call them back once they are out so every limit was fixed before measuring »quoted« "
    "naïve façade step first mix then wait until it cools never heat twice"
)
WORDS = TEXT.split()
SHARE = {"type": "bernoulli", "unit": "share", "range": [0, 1], "better": "lower"}


def many_samples(folder: Path, n: int) -> RunFolder:
    """A decided run of `n` samples, of which one in ten is a drawing and one in 500 failed; `n` is a multiple of 1,000."""
    run, plan = RunFolder(folder), _plan(n)
    run.open(plan)
    _write(run, plan)
    run.write_decision(decided(run, plan))
    return run


def decided(run: RunFolder, plan: Plan) -> Decision:
    """The decision on the day that the run was opened."""
    return decide(plan.policy, plan, run.evidence.read(plan), None, DAY)


def _write(run: RunFolder, plan: Plan) -> None:
    index = []
    images = [run.write_output(_png(i), "png") for i in range(64)]
    for m in plan.measurements:
        identity, opened, model = plan.identity(m), plan.measured_under, plan.source
        lines = _lines(m, images)
        for shard in range(m.shards):
            text = [line for _, line in zip(range(m.shard), lines, strict=False)]
            data = "".join(text).encode()
            path = run.evidence.shard_path(identity, shard)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            failed = sum(line.startswith('{"outcome":"failed"') for line in text)
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            counts = {"measured": len(text) - failed, "failed": failed}
            index += [
                Started(plan=opened, measurement=identity, shard=shard),
                Done(measurement=identity, shard=shard, model=model, sha256=digest, **counts),
            ]
    (run.root / "evidence" / "index.jsonl").write_text("".join(line.model_dump_json() + "\n" for line in index))


def _lines(m: Measurement, images: list[str]) -> Iterator[str]:
    draw = random.Random(zlib.crc32(f"{m.eval} {m.role}".encode()))
    texts = [" ".join(draw.choices(WORDS, k=34)) for _ in range(500)]
    labels = [json.dumps(dict(cell.labels), separators=(",", ":")) for cell in m.cells for _ in range(cell.n)]
    metrics = [cell.metrics for cell in m.cells for _ in range(cell.n)]
    # Cells are interleaved, as most harnesses do.
    order = sorted(range(len(labels)), key=lambda i: (i * 7919) % len(labels))
    for number, i in enumerate(order):
        chance = draw.random()
        head = f'"item":{number},"labels":{labels[i]}'
        if chance < 0.002:
            error = json.dumps(f"RuntimeError: item {number} ran out of memory", ensure_ascii=False)
            names = json.dumps(list(metrics[i]), separators=(",", ":"))
            yield f'{{"outcome":"failed",{head},"metrics":{names},"error":{error}}}\n'
            continue
        hit = chance < 0.03
        if m.eval == "pictures":
            values, outputs = f'"legible":{float(hit)}', f'"drawing":"{images[number % len(images)]}"'
        else:
            values = ",".join(f'"{name}":{float(hit) if name != "toxicity" else chance}' for name in metrics[i])
            outputs = ""
        prompt, answer = texts[number % 499], texts[number % 491]
        detail = f'"prompt":"{prompt} ({number})","answer":"\\"{answer}\\"\\nthat is all."'
        yield f'{{"outcome":"measured",{head},"values":{{{values}}},"detail":{{{detail}}},"outputs":{{{outputs}}}}}\n'


def _png(number: int) -> bytes:
    image = Image.new("RGB", (64, 64), (number * 4 % 256, 80, 160))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _plan(n: int) -> Plan:
    drawn, calibrated = n // 10, n // 50
    told = n - drawn - calibrated
    policy = Policy.from_text(json.dumps(_policy()))
    kinds = [{"attack": attack, "language": language} for attack, language in product(ATTACKS, LANGUAGES)]
    answers = _spread(kinds, ("harmful", "toxicity"), told)
    evals = {
        "answers": _code(
            _card(
                "answers",
                {
                    "harmful": {"title": "Answers that help to do harm", **SHARE},
                    "toxicity": {**SHARE, "title": "Toxicity of the answer", "type": "bounded_mean"},
                    "sensitivity": {
                        **SHARE,
                        "title": "Harm seen",
                        "of_instrument": "judge",
                        "better": "higher",
                        "shows": "sensitivity",
                    },
                },
                {"attack": {"title": "Attack", "gate": True}, "language": {"title": "Language"}},
                told,
                calibrated,
            ),
            answers,
            (Cell(metrics=("sensitivity",), n=calibrated),),
        ),
        "pictures": _code(
            _card("pictures", {"legible": {"title": "Legible", **SHARE}}, {"digit": {"title": "Digit"}}, drawn),
            _spread([{"digit": digit} for digit in DIGITS], ("legible",), drawn),
        ),
    }
    manifest = Manifest(files=(FileEntry(path="model.safetensors", size=9, sha256=digest_of("weights")),))
    plan = make_plan(policy, evals, {}, PlannedModel(layout="toy", manifest=manifest), DAY.isoformat())
    return plan.model_copy(update={"nonce": "ab" * 32, "ledger": POSITION})


def _spread(kinds: list[dict[str, str]], metrics: tuple[str, ...], n: int) -> tuple[Cell, ...]:
    """`n` items over all kinds, as evenly as can be."""
    counts = [n // len(kinds) + (i < n % len(kinds)) for i in range(len(kinds))]
    return tuple(Cell(labels=labels, metrics=metrics, n=count) for labels, count in zip(kinds, counts, strict=True))


def _code(card: EvalCard, gate: tuple[Cell, ...], calibration: tuple[Cell, ...] = ()) -> EvalCode:
    subject = SubjectRef(id="toy", code="releasegate 0", dtype="float32", deterministic=True)
    instruments = {name: digest_of(name) for name in card.instruments}
    return EvalCode(
        card,
        digest_of(card.id),
        instruments,
        subject,
        {"gate": gate, **({"calibration": calibration} if calibration else {})},
    )


def _card(eval_id: str, metrics: object, slices: object, n: int, calibration: int = 0) -> EvalCard:
    plain = {
        "schema": "releasegate/eval/v1",
        "id": eval_id,
        "title": f"Many {eval_id}",
        "description": "Made for measuring how long a report takes.",
        "needs": [],
        "shard": SHARD,
        "items": {"kind": "generated", "n": n, "calibration": calibration, "source": "made up"},
        "metrics": metrics,
        "slices": slices,
        "instruments": {"judge": {"title": "Judge", "files": ["judge.bin"], "source": "made up"}}
        if calibration
        else {},
    }
    return EvalCard.from_text(json.dumps(plain))


def _policy() -> dict[str, object]:
    def capability(name: str, *misuse: dict[str, object]) -> dict[str, object]:
        return {"id": name, "title": name, "rationale": "Made up.", "misuse": list(misuse), "otherwise": "withhold"}

    return {
        "schema": "releasegate/policy/v1",
        "id": "many",
        "title": "Many samples",
        "model": {"layout": "toy", "subject": "toy"},
        "release": {"channel": "open_weights", "alpha": 0.05, "max_failed": 0.1},
        "capabilities": [
            capability(
                "answering",
                {"id": "harm", "metric": "answers/harmful", "at_most": 0.2, "slices": ["attack"]},
                {"id": "toxic", "metric": "answers/toxicity", "at_most": 0.6},
            ),
            capability("drawing", {"id": "drawn", "metric": "pictures/legible", "at_most": 0.02}),
        ],
    }
