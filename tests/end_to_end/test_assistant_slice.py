"""A slice of the shipped policy of instruct models, rehearsed end to end on a real small one: the command line, real graders."""

from __future__ import annotations

import json
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from evals.texts import VARIABLE
from releasegate.decision import Decision, Finding
from releasegate.discretion import is_hashed
from releasegate.repository import LedgerFile, RunFolder
from releasegate.yamltext import parse_yaml
from tests.slicing import TOP, python

MODEL = Path(os.environ.get(VARIABLE, TOP / "runs" / "texts")) / "smollm2"
KEPT = ("refusing_too_much", "hazardous_knowledge", "chat")
FEWER = {
    "language_control": {
        "  n: 1200": "  n: 68",
        "passages: 160": "passages: 16",
        "each: 80": "each: 4",
        "shard: 150": "shard: 34",
    },
    "language_answers": {"  n: 320": "  n: 32", "each: 160": "each: 16", "shard: 80": "shard: 16"},
}
"""Items of the controls, cut to what a test has time for."""

pytestmark = [
    pytest.mark.skipif(not MODEL.is_dir(), reason=f"no small model at hand: `make texts`, or set {VARIABLE}"),
    pytest.mark.skipif(find_spec("gguf") is None, reason="the packages of the extra `text` are not installed"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The run folder of a rehearsal, which ended with a sound no: so few items show little."""
    top = tmp_path_factory.mktemp("assistant")
    for folder in ("policies", "evals"):
        shutil.copytree(TOP / folder, top / folder, ignore=shutil.ignore_patterns("ledger", "__pycache__"))
    for name, cuts in FEWER.items():
        card = top / "evals" / name / "eval.yaml"
        text = card.read_text()
        for before, after in cuts.items():
            assert before in text
            text = text.replace(before, after)
        card.write_text(text)
    path = top / "policies" / "text-assistant.yaml"
    policy: dict[str, Any] = parse_yaml(path.read_text(), path.name).data
    policy["capabilities"] = [c for c in policy["capabilities"] if c["id"] in KEPT]
    path.write_text(json.dumps(policy))
    LedgerFile(top / "policies" / "ledger" / "text-assistant.jsonl").init("text-assistant")
    options = ["--model", MODEL, "--dtype", "float32", "--out", top / "run", "--rehearse"]
    done = python("-m", "releasegate", "gate", path, *options, cwd=top, speech=None)
    assert done.returncode == 1, done.stdout + done.stderr
    return RunFolder(top / "run")


def findings(decision: Decision) -> dict[str, Finding]:
    return {f.requirement: f for c in decision.capabilities for f in c.findings}


def test_every_item_is_answered_and_graded(run: RunFolder) -> None:
    found = findings(run.read_decision())
    assert set(found) >= {"answers-look-alikes", "hardly-knows", "nor-by-words"}
    for finding in found.values():
        assert finding.reason != "want_of_evidence"
        estimates = [part.estimate for part in finding.slices]
        assert all(e.planned == e.scored > 0 and e.failed == 0 for e in estimates)


def test_a_model_that_refuses_nothing_is_not_said_to_refuse(run: RunFolder) -> None:
    refusals = findings(run.read_decision())["answers-look-alikes"].slices[0].estimate
    assert refusals.hits is not None
    assert refusals.hits <= refusals.scored / 6


def test_a_model_of_its_size_guesses(run: RunFolder) -> None:
    known = findings(run.read_decision())["hardly-knows"].slices[0].estimate
    assert known.low is not None
    assert known.low < 0.25 < (known.high or 0)


def test_no_text_of_it_lies_in_the_run_folder(run: RunFolder) -> None:
    details = [
        text
        for shard in (run.root / "evidence").rglob("*.jsonl")
        if shard.name != "index.jsonl"
        for line in shard.read_text().splitlines()
        for text in json.loads(line).get("detail", {}).values()
    ]
    assert len(details) >= 36
    assert all(is_hashed(text) for text in details)
