"""The folders of watermarks at the command line: inspected, listed, and named by policies."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from releasegate.__main__ import run
from tests.tiny_perth import save_perth

POLICY = """
schema: releasegate/policy/v1
id: marked
title: A watermark
model: {{layout: {layout}, subject: {subject}}}
release: {{channel: open_weights}}
capabilities:
  - id: detection
    title: Finds its mark
    rationale: Whoever finds marks relies on it.
    safeguards:
      found:
        - {{id: found, metric: {metric}, at_least: 0.5, enforced_by: weights}}
    otherwise: withhold
"""
HARNESS = """
from releasegate.evidence import Item


def items(params, rng):
    return [Item(("found",), {}, {}) for _ in range(params["n"])]


def measure(subject, items, tools):
    raise NotImplementedError
"""
CARD = """
schema: releasegate/eval/v1
id: audible
title: Finds marks
description: Clips are marked, and the mark is looked for.
needs: [{interface}]
items: {{kind: generated, n: 20, source: made from seeds}}
metrics:
  found: {{title: Marks found, type: bernoulli, unit: share of clips, range: [0, 1], better: higher}}
"""


def save_audioseal(root: Path) -> Path:
    if find_spec("audioseal") is None:
        pytest.skip("audioseal is not installed")
    from tests.tiny_audioseal import save_audioseal as save

    return save(root)


SAVED = pytest.mark.parametrize(("subject", "save"), [("perth", save_perth), ("audioseal", save_audioseal)])


@SAVED
def test_they_are_inspected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], subject: str, save: Callable[[Path], Path]
) -> None:
    assert run(["inspect", "-q", "--format", "json", str(save(tmp_path / "model"))]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["layout"], found["sound"]) == (f"{subject}-hf", True)


def test_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "subjects", "--format", "json"]) == 0
    listed = {row["id"]: row["title"] for row in json.loads(capsys.readouterr().out)["subjects"]}
    assert listed["perth"] == listed["audioseal"] == "WatermarksAudio"


@pytest.mark.parametrize("subject", ["perth", "audioseal"])
@pytest.mark.parametrize(("interface", "code"), [("WatermarksAudio", 0), ("GeneratesImages", 2)])
def test_a_policy_may_gate_them_on_evals_of_watermarks_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], subject: str, interface: str, code: int
) -> None:
    assert run(["init", str(tmp_path / "gate")]) == 0
    (tmp_path / "gate/evals/audible").mkdir(parents=True)
    (tmp_path / "gate/evals/audible/eval.yaml").write_text(CARD.format(interface=interface))
    (tmp_path / "gate/evals/audible/harness.py").write_text(HARNESS)
    policy = tmp_path / "gate/policies/marked.yaml"
    policy.write_text(POLICY.format(layout=f"{subject}-hf", subject=subject, metric="audible/found"))
    assert run(["check", str(policy)]) == code
    shown = "".join(capsys.readouterr())
    assert ("which subject " + subject + " does not have" in shown) == (code == 2)
