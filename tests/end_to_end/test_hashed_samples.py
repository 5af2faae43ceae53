"""The embedded model under a policy that lets nothing be kept: the same verdict and numbers, and no picture anywhere."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from releasegate.__main__ import run as call
from releasegate.decision import Decision
from releasegate.discretion import is_hashed
from releasegate.evidence import Measured
from releasegate.gate import Call, gate
from releasegate.repository import LedgerFile, RunFolder
from tests.tiny_repository import Silent

CHECKPOINT = Path(__file__).parents[2] / "examples" / "mini_chameleon" / "checkpoint"
NAMES = ("policy_digest", "plan", "evidence", "ledger", "replay")


def gated(folder: Path, *, hashed: bool) -> tuple[Decision, RunFolder]:
    """The decision of one gate of the shipped policy, with or without keeping samples, on the same items."""
    repository = folder / "gates"
    assert call(["init", str(repository)]) == 0
    policy = repository / "policies" / "mini-chameleon.yaml"
    if hashed:
        policy.write_text(policy.read_text().replace("\nmodel:", "\nsamples: hashed\nmodel:", 1))
    ledger = LedgerFile(folder / "ledger.jsonl")
    ledger.init("mini-chameleon")
    today = datetime.now(UTC).date()
    asked = Call(policy, CHECKPOINT, folder / "run", "cpu", "float32", today, lambda: "5a" * 32, ledger.path)
    return gate(asked, Silent()), RunFolder(folder / "run")


def numbers(decision: Decision) -> dict[str, Any]:
    return {key: value for key, value in decision.plain().items() if key not in NAMES}


@pytest.mark.slow
def test_a_hashed_gate_of_the_embedded_model_decides_as_a_kept_one(tmp_path: Path) -> None:
    (kept, pictured), (hashed, bare) = (gated(tmp_path / name, hashed=name == "hashed") for name in ("kept", "hashed"))
    assert kept.verdict == "release_stripped"
    assert numbers(hashed) == numbers(kept)
    drawn = {path.stem: path.stat().st_size for path in pictured.outputs.iterdir()}
    assert len(drawn) > 100
    assert not bare.outputs.exists()
    plan = bare.read_plan()
    seen = {}
    for m in plan.measurements:
        for sample in bare.evidence.samples(plan, m):
            assert isinstance(sample, Measured)
            assert not sample.outputs
            assert all(is_hashed(text) for text in sample.detail.values())
            seen.update({text[7:71]: int(text[73:].split()[0]) for text in sample.detail.values()})
    assert drawn.items() <= seen.items()
    stored = [path.read_bytes() for path in bare.root.rglob("*") if path.is_file() and "stripped" not in path.parts]
    assert not any(hashlib.sha256(data).hexdigest() in drawn or b"\x89PNG" in data for data in stored)
    replay = str(tmp_path / "kept" / "gates" / "policies" / "mini-chameleon.yaml")
    assert call(["decide", str(bare.root), "--policy", replay, "--out", str(tmp_path / "replay.json")]) == 0
    assert numbers(Decision.from_text((tmp_path / "replay.json").read_text())) == numbers(hashed)
    assert call(["explain", str(bare.root), "image_generation"]) == 0
    assert call(["report", str(bare.root)]) == 0
    assert call(["diff", str(pictured.root), str(bare.root)]) == 0
