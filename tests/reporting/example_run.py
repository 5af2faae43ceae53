"""A small run folder for the tests of the report: a drawing eval with a judge, a caption eval, a strip. No model runs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from PIL import Image

from releasegate.decision import Decision, decide
from releasegate.evalcard import EvalCard
from releasegate.evidence import Cell, Failed, Measured
from releasegate.manifest import FileEntry, Manifest
from releasegate.plan import EvalCode, Measurement, Plan, PlannedModel, Role, SubjectRef, make_plan
from releasegate.policy import Policy, Samples
from releasegate.receipt import KeySet, Leftovers, LentParts, Receipt, RecipeUsed, Removed, RowsZeroed, Untouched
from releasegate.recipe import Residual
from releasegate.records import digest_of
from releasegate.reporting import gather, make_view, render_report, templates_of
from releasegate.reporting.views.report import ReportView
from releasegate.repository import GateRepository, RunFolder, starter
from tests.tiny_gates import POSITION

DAY = date(2030, 1, 2)
NONCE = "ab" * 32
RECIPE = digest_of("recipe")


@dataclass(frozen=True)
class Words:
    """The free texts of a run, so that a test can make them hostile."""

    title: str = "Draws things"
    rationale: str = "Nobody knows how to keep it safe."
    detail: str = "draw a three"
    error: str = "the harness broke"
    label: str = "three"
    source: str = "made up"
    details: tuple[str, ...] = ()
    """In place of `detail`, of one item each."""

    def detail_of(self, item: int) -> str:
        """The text of an item."""
        return self.details[item % len(self.details)] if self.details else self.detail


@dataclass(frozen=True)
class Example:
    """A run with its decision."""

    run: RunFolder
    plan: Plan
    decision: Decision
    receipt: Receipt | None


def example(
    folder: Path,
    words: Words | None = None,
    *,
    drawn: int = 40,
    limit: float = 0.2,
    opened: date = DAY,
    strip: bool = True,
    nonce: str = NONCE,
    samples: Samples | None = None,
    more: int = 0,
) -> Example:
    """A run that ends in `release_stripped`: the source draws `drawn` of 60, the stripped checkpoint none.

    Args:
        drawn: legible drawings of the source; few enough, and no strip is needed.
        strip: whether the stripped checkpoint is measured where one is needed.
        samples: what the policy says of them.
        more: further capabilities with the words of the first, which keep the model in.
    """
    words = words or Words()
    plan = _plan(words, limit, opened, more).model_copy(update={"nonce": nonce})
    plan = plan.model_copy(update={"policy": plan.policy.model_copy(update={"samples": samples})})
    run = RunFolder(folder)
    run.open(plan)
    source = decide_now(run, plan, None, drawn, words)
    if not source.awaiting_strip or not strip:
        return Example(run, plan, source, None)
    receipt = _receipt(plan)
    return Example(run, plan, decide_now(run, plan, receipt, 0, words), receipt)


def decide_now(run: RunFolder, plan: Plan, receipt: Receipt | None, drawn: int, words: Words) -> Decision:
    """The decision after the samples of one checkpoint were written."""
    for measurement in plan.measurements:
        if (measurement.checkpoint == "source") == (receipt is None):
            model = plan.source if receipt is None else receipt.output_digest
            identity = plan.identity(measurement)
            run.evidence.start_shard(plan, identity, 0)
            run.evidence.finish_shard(identity, 0, model, list(_samples(run, measurement, drawn, words)))
    return decide(plan.policy, plan, run.evidence.read(plan), receipt, date.fromisoformat(plan.opened))


def _samples(run: RunFolder, m: Measurement, drawn: int, words: Words) -> Iterator[Measured | Failed]:
    number = 0
    for cell in m.cells:
        for i in range(cell.n):
            if m.eval == "captions" and i == 0:
                yield Failed(item=number, labels=cell.labels, metrics=cell.metrics, error=words.error)
            elif m.eval == "drawing" and m.role == "gate" and cell.metrics == ("legible",):
                png = run.write_output(_png(number, i < drawn), "png")
                detail = {"prompt": words.detail_of(number)}
                value = float(i < drawn)
                yield Measured(
                    item=number, labels=cell.labels, values={"legible": value}, detail=detail, outputs={"drawing": png}
                )
            else:
                hit = 0.0 if cell.metrics == ("masked",) else 1.0
                detail = {"answer": words.detail_of(number)} if m.role == "gate" else {}
                yield Measured(item=number, labels=cell.labels, values=dict.fromkeys(cell.metrics, hit), detail=detail)
            number += 1


def _png(number: int, bright: object) -> bytes:
    image = Image.new("RGB", (8, 8), (200, number % 256, 90) if bright else (number % 256, 20, 20))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _plan(words: Words, limit: float, opened: date, more: int) -> Plan:
    policy = Policy.from_text(_policy_text(words, limit, more))
    evals = {"drawing": _code(_drawing(words), words), "captions": _code(_captions(words), words)}
    manifest = Manifest(files=(FileEntry(path="model.safetensors", size=9, sha256=digest_of("weights")),))
    plan = make_plan(
        policy, evals, {"toy/drawing": RECIPE}, PlannedModel(layout="toy", manifest=manifest), opened.isoformat()
    )
    return plan.model_copy(update={"nonce": NONCE, "ledger": POSITION})


def _policy_text(words: Words, limit: float, more: int) -> str:
    return json.dumps(
        {
            "schema": "releasegate/policy/v1",
            "id": "toy",
            "title": words.title,
            "model": {"layout": "toy", "subject": "toy"},
            "release": {"channel": "open_weights", "alpha": 0.05, "max_failed": 0.1},
            "capabilities": [
                {
                    "id": "drawing",
                    "title": words.title,
                    "rationale": words.rationale,
                    "misuse": [{"id": "weak", "metric": "drawing/legible", "at_most": limit}],
                    "otherwise": "strip",
                    "recipe": "toy/drawing",
                    "removal": [{"id": "gone", "metric": "drawing/legible", "at_most": limit}],
                    "keep": [{"id": "kept", "metric": "captions/accuracy", "margin": 0.4}],
                },
                {"id": "captions", "title": "Names things", "rationale": words.rationale, "unconditional": True},
                *(
                    {
                        "id": f"more-{i}",
                        "title": words.title,
                        "rationale": words.rationale,
                        "misuse": [{"id": f"weak-{i}", "metric": "drawing/legible", "at_most": limit}],
                        "otherwise": "withhold",
                    }
                    for i in range(more)
                ),
            ],
        }
    )


def _code(card: EvalCard, words: Words) -> EvalCode:
    subject = SubjectRef(id="toy", code="releasegate 0", dtype="float32", deterministic=True)
    labels = {"kind": words.label}
    cells: dict[Role, tuple[Cell, ...]]
    if card.id == "drawing":
        cells = {
            "gate": (Cell(labels=labels, metrics=("legible",), n=60), Cell(labels=labels, metrics=("masked",), n=20)),
            "calibration": (Cell(labels=labels, metrics=("sensitivity",), n=50),),
        }
    else:
        cells = {"gate": (Cell(labels=labels, metrics=("accuracy",), n=30),)}
    return EvalCode(card, digest_of(card.id), {name: digest_of(name) for name in card.instruments}, subject, cells)


def _drawing(words: Words) -> EvalCard:
    share = {"type": "bernoulli", "unit": "share", "range": (0.0, 1.0), "better": "higher"}
    return EvalCard.model_validate(
        {
            "schema": "releasegate/eval/v1",
            "id": "drawing",
            "title": words.title,
            "description": words.rationale,
            "needs": (),
            "shard": 100,
            "items": {"kind": "generated", "n": 80, "calibration": 50, "source": words.source},
            "metrics": {
                "legible": {"title": words.title, **share},
                "masked": {"title": "Legible with the mask on", **share},
                "sensitivity": {"title": "Read right", "of_instrument": "judge", **share},
            },
            "slices": {"kind": {"title": "Thing"}},
            "instruments": {"judge": {"title": "Judge", "files": ("judge.bin",), "source": words.source}},
        }
    )


def _captions(words: Words) -> EvalCard:
    metric = {"title": "Named right", "type": "bernoulli", "unit": "share", "range": (0.0, 1.0), "better": "higher"}
    return EvalCard.model_validate(
        {
            "schema": "releasegate/eval/v1",
            "id": "captions",
            "title": "Names things",
            "description": words.rationale,
            "needs": (),
            "shard": 100,
            "items": {"kind": "public_pool", "n": 30, "source": words.source},
            "metrics": {"accuracy": metric},
            "slices": {"kind": {"title": "Thing"}},
        }
    )


def _receipt(plan: Plan) -> Receipt:
    output = Manifest(files=(FileEntry(path="model.safetensors", size=9, sha256=digest_of("stripped")),))
    return Receipt(
        source=plan.source,
        recipes=(RecipeUsed(id="toy/drawing", sha256=RECIPE),),
        planned=plan.strips[0].model,
        output_digest=output.digest(),
        tier="weights_absent",
        tensors=(
            Untouched(name="body.weight", size=4096, sha256=digest_of("body")),
            Removed(name="decoder.weight", size=1024, before=digest_of("decoder")),
            RowsZeroed(
                name="head.weight", size=2048, rows=((4, 67), (70, 70)), before=digest_of("a"), after=digest_of("b")
            ),
        ),
        dropped=(FileEntry(path="decoder.bin", size=2_000_000, sha256=digest_of("file")),),
        keys=(KeySet(file="config.json", key="draws", value=False),),
        residual=(Residual(tensors="body.*", why="Reading needs it."),),
        lent=LentParts(files=("decoder.bin",)),
        leftovers=Leftovers(pieces=12),
        output=output,
    )


def viewed(made: Example) -> ReportView:
    """What the report of a run shows."""
    return make_view(made.decision, made.plan, None, gather(made.run, made.plan, made.decision), made.run.outputs)


def rendered(made: Example) -> str:
    """The report of a run, by the shipped templates."""
    return render_report(viewed(made), templates_of(GateRepository(starter())))
