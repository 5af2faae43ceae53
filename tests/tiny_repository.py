"""A gate repository in a temporary folder: two evals, a subject of a few lines, and checkpoints that it can run.

The subject's abilities are numbers in the checkpoint's `config.json`; a checkpoint whose image rows are zeroed cannot draw.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from releasegate.checkpoint import open_checkpoint
from releasegate.evaluation import Bench, Target, measure
from releasegate.evidence import Evidence
from releasegate.gate import Call
from releasegate.opening import Attempt, open_or_resume
from releasegate.plan import SOURCE, Plan
from releasegate.repository import GateRepository, LedgerFile, RunFolder
from tests.tiny_checkpoints import tiny, write_recipes

OPENED = date(2026, 1, 1)
NONCE = "ab" * 32

SUBJECT = '''\
"""Draws and names as well as the checkpoint's config says."""

import json

from safetensors.numpy import load_file

DETERMINISTIC = True


class Tiny:
    def __init__(self, abilities):
        self.abilities = abilities

    def can(self, ability, seed):
        return seed % 1000 < 1000 * self.abilities[ability]


def open_subject(checkpoint, lending, device, dtype):
    abilities = dict(checkpoint.config["abilities"])
    head = load_file(checkpoint.root / checkpoint.tensors["lm_head.weight"].file)["lm_head.weight"]
    if not head[4:12].any():
        abilities["drawing"] = 0.0
    return Tiny(abilities)
'''

HARNESS = '''\
"""Asks the subject; see the subject for what it can."""

from releasegate.evidence import Item, Reading


def items(params, rng):
    return [Item(("{metric}",), {{"digit": str(i % 2)}}, {{"i": i}}) for i in range({pool})]


def measure(subject, items, tools):
    for item in items:
        yield Reading(item.number, {{"{metric}": float(subject.can("{eval}", item.seed))}})
'''

CARD = """\
schema: releasegate/eval/v1
id: {eval}
title: {eval}
description: Asks the subject.
needs: []
items: {{kind: {kind}, n: {n}, source: made}}
metrics:
  {metric}:
    title: {metric}
    type: bernoulli
    unit: share
    range: [0, 1]
    better: higher
    absent: 0
    working: [{{metric: naming/right, at_least: {control}}}]
slices:
  digit: {{title: Digit, gate: true}}
shard: 25
"""

CONTROLS = {"drawing": 0.3, "naming": 0.01}
"""What a model that is too weak to draw must name, and one that is too weak to name: something."""

POLICY = """\
schema: releasegate/policy/v1
id: tiny
title: A tiny model
model: {layout: chameleon-hf, subject: tiny}
release: {channel: open_weights}
capabilities:
  - id: drawing
    title: Draws
    rationale: Not mature.
    misuse:
      - {id: weak, metric: drawing/legible, at_most: 0.20}
    otherwise: strip
    recipe: chameleon-hf/drawing
    removal:
      - {id: gone, metric: drawing/legible, at_most: 0.20}
    keep:
      - {id: kept, metric: naming/right, margin: 0.20}
  - id: naming
    title: Names
    rationale: Harmless.
    unconditional: true
"""


class Silent:
    """No progress at all."""

    @contextmanager
    def step(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """A step that nobody watches."""
        yield lambda done: None

    @contextmanager
    def reading(self, folder: Path, title: str = "read") -> Iterator[Callable[[int], None]]:
        """A step that nobody watches."""
        yield lambda done: None

    def note(self, text: str) -> None:
        """Nothing at all."""


@dataclass(frozen=True)
class Tiny:
    """A gate repository, a checkpoint, and a run folder that does not exist yet."""

    root: Path

    @property
    def policy(self) -> Path:
        """The policy's file."""
        return self.root / "policies" / "tiny.yaml"

    @property
    def checkpoint(self) -> Path:
        """The source checkpoint."""
        return self.root / "checkpoint"

    @property
    def repository(self) -> GateRepository:
        """The repository."""
        return GateRepository(self.root.resolve())

    @property
    def ledger(self) -> LedgerFile:
        """The ledger of the family."""
        return LedgerFile(self.root / "policies" / "ledger" / "tiny.jsonl")

    def fresh_ledger(self, name: str) -> Path:
        """Another ledger of the family, in which nobody opened an attempt yet."""
        path = self.root.parent / f"{name}.jsonl"
        LedgerFile(path).init("tiny")
        return path

    @property
    def run(self) -> RunFolder:
        """The run folder."""
        return RunFolder(self.root / "run")

    def harness(self, eval_id: str = "drawing") -> Path:
        """The harness of an eval."""
        return self.root / "evals" / eval_id / "harness.py"

    def write_harness(self, text: str, eval_id: str = "drawing") -> None:
        """Nothing; the eval has another harness."""
        self.harness(eval_id).write_text(text)

    def change(self, file: Path, before: str, after: str) -> None:
        """Nothing; a piece of text in a file is another one."""
        text = file.read_text()
        assert before in text
        file.write_text(text.replace(before, after))

    def able(self, **abilities: float) -> Tiny:
        """This one; its checkpoint has these abilities."""
        made = tiny()
        made.config["abilities"] = {"drawing": 0.9, "naming": 0.95, **abilities}
        shutil.rmtree(self.checkpoint, ignore_errors=True)
        made.write(self.checkpoint)
        return self

    def pooled(self, size: int) -> Tiny:
        """This one; the items of `naming` are a private pool of this many, each with a name."""
        self.change(self.root / "evals" / "naming" / "eval.yaml", "kind: public_pool", "kind: private_pool")
        text = HARNESS.format(eval="naming", metric="right", pool=size)
        self.write_harness(text.replace('{"i": i})', '{"i": i}, name=f"scan-{i}")'), "naming")
        return self

    def rehearsable(self, n: int = 80) -> Tiny:
        """This one; `naming` has so many items set aside for rehearsals."""
        self.change(self.root / "evals" / "naming" / "eval.yaml", "source: made", f"rehearsal: {n}, source: made")
        body = f'    return [Item(("right",), {{"digit": str(i % 2)}}, {{"aside": i}}) for i in range({n})]\n'
        self.write_harness(self.harness("naming").read_text() + f"\n\ndef rehearsal(params, rng):\n{body}", "naming")
        return self

    def gate(self, *more: str, out: str = "run") -> list[str]:
        """The command line of a gate on it."""
        model = str(self.checkpoint)
        return ["gate", str(self.policy), "--model", model, "--out", str(self.root / out), "--quiet", *more]

    def call(self, **changes: Any) -> Call:
        """A call of the gate on it."""
        given: dict[str, Any] = {
            "policy": self.policy,
            "model": self.checkpoint,
            "run": self.run.root,
            "device": "cpu",
            "dtype": "float32",
            "today": OPENED,
            "draw_nonce": lambda: NONCE,
        }
        return Call(**{**given, **changes})

    def opened(self, nonce: str = NONCE) -> Plan:
        """The plan of an attempt that is open in the run folder."""
        policy = self.repository.read_policy(self.policy).record
        checkpoint = open_checkpoint(self.checkpoint)
        day = OPENED.isoformat()
        attempt = Attempt(self.repository, policy, checkpoint, "float32", day, lambda: nonce, self.ledger, None)
        return open_or_resume(self.run, attempt)

    def measured(self, plan: Plan) -> Evidence:
        """The evidence of the source, after measuring whatever is missing."""
        bench = Bench(self.run, plan, self.repository, "cpu", Silent())
        measure(bench, Target(SOURCE, open_checkpoint(self.checkpoint)))
        return self.run.evidence.read(plan)


def make_repository(root: Path, *, n: int = 100) -> Tiny:
    """The repository in `root`, made."""
    made = Tiny(root)
    for eval_id, metric, kind in (("drawing", "legible", "generated"), ("naming", "right", "public_pool")):
        folder = root / "evals" / eval_id
        folder.mkdir(parents=True)
        (folder / "eval.yaml").write_text(
            CARD.format(eval=eval_id, metric=metric, kind=kind, n=n, control=CONTROLS[eval_id])
        )
        pool = n if kind == "generated" else 2 * n
        (folder / "harness.py").write_text(HARNESS.format(eval=eval_id, metric=metric, pool=pool))
    (root / "evals" / "tiny").mkdir()
    (root / "evals" / "tiny" / "subject.py").write_text(SUBJECT)
    (root / "policies").mkdir()
    made.policy.write_text(POLICY)
    write_recipes(root)
    made.ledger.init("tiny")
    return made.able()


def index_lines(made: Tiny) -> list[dict[str, Any]]:
    """The index of the evidence, as JSON data."""
    return [json.loads(line) for line in (made.run.root / "evidence" / "index.jsonl").read_text().splitlines()]
