"""A slice of the shipped watermark evals, end to end: real recordings, real weights, three attacks, the command line.

The policies and the card are the shipped ones, cut down: few clips, and limits that so few can show.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from evals.recording_list import VARIABLE
from evals.speech import clips
from releasegate.decision import Decision, Finding
from releasegate.repository import RunFolder
from releasegate.yamltext import parse_yaml
from tests import slicing
from tests.slicing import TOP, folder_of

MINI_AUDIOSEAL = TOP / "examples" / "mini_audioseal" / "checkpoint"
SUITE = [{"attack": "none"}, {"attack": "mp3", "strengths": [32]}, {"attack": "highpass", "strengths": [1500]}]
HIGHPASS = "highpass_1500Hz"
THREATS = ["none", "mp3_32kbits"]
DETECTED, HEARD, CALIBRATING = 16, 3, 24
"""Clips of each speaker: through each attack, beside what they were, and to freeze the threshold (all that there are, so
that it is the same at each nonce)."""
LIMITS: Mapping[str, dict[str, float]] = {
    "tpr": {"at_least": 0.5},
    "fpr": {"at_most": 0.6},
    "localisation_iou": {"at_least": 0.5},
    "pesq_kept": {"at_least": 0.3},
    "stoi_kept": {"at_least": 0.3},
}
"""By metric. At an effective alpha of .0304, 13 of 16 show at least .55, 5 of 16 at most .58, 14 of 16 more than .6, and
3 of 3 at least .31. Which clips are drawn depends on the nonce: Perth flags up to a quarter of one speaker's clean clips."""
AUDIO = ("av", "pesq", "pystoi", "soundfile", "speechmos")


SPEECH = folder_of([*clips("gate"), *clips("calibration")])
pytestmark = [
    pytest.mark.skipif(
        any(find_spec(name) is None for name in AUDIO), reason="the packages of the extra `audio` are not installed"
    ),
    pytest.mark.skipif(SPEECH is None, reason=f"no recordings at hand: `make speech`, or set {VARIABLE}"),
]


def python(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return slicing.python(*arguments, cwd=cwd, speech=SPEECH)


class Slice:
    """A gate repository that `releasegate init` made, whose suite, card and policy are cut down."""

    def __init__(self, root: Path, policy: str, checkpoint: Path, attacks: list[dict[str, Any]]) -> None:
        self.root, self.policy, self.checkpoint = root, policy, checkpoint
        assert self.releasegate("init", root, cwd=root.parent).returncode == 0
        self._cut_card(attacks)
        self.cut_policy(THREATS)
        assert self.releasegate("ledger", "init", policy).returncode == 0

    def releasegate(self, *arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return python("-m", "releasegate", *arguments, cwd=cwd or self.root)

    def gate(self, run: str) -> subprocess.CompletedProcess[str]:
        policy = f"policies/{self.policy}.yaml"
        return self.releasegate("gate", policy, "--model", self.checkpoint, "--out", run, "--quiet")

    def cut_policy(self, threats: list[str], name: str | None = None) -> Path:
        """The shipped policy with this threat set and the limits of few clips, in `policies/<name>.yaml`."""
        path = TOP / "policies" / f"{self.policy}.yaml"
        policy: dict[str, Any] = parse_yaml(path.read_text(), path.name).data
        for capability in policy["capabilities"]:
            for listed, requirements in capability.get("safeguards", {}).items():
                capability["safeguards"][listed] = [r for r in map(self._cut(threats), requirements) if r]
        policy["id"] = name or self.policy
        cut = self.root / "policies" / f"{policy['id']}.yaml"
        cut.write_text(json.dumps(policy))
        return cut

    def _cut(self, threats: list[str]) -> Any:
        def cut(requirement: dict[str, Any]) -> dict[str, Any] | None:
            metric = requirement["metric"].rpartition("/")[2]
            if metric not in LIMITS:
                return None
            kept = {k: v for k, v in requirement.items() if k not in ("at_least", "at_most", "excused", "values")}
            if "values" in requirement:
                spliced = {"attack": ["splice_marked_1000ms"]}
                kept["values"] = spliced if metric == "localisation_iou" else {"attack": threats}
            return {**kept, **LIMITS[metric]}

        return cut

    def _cut_card(self, attacks: list[dict[str, Any]]) -> None:
        folder = self.root / "evals" / "audio_watermark"
        suite = {"schema": "releasegate/suite/v1", "id": "slice", "title": "Three attacks", "attacks": attacks}
        (folder / "suite.yaml").write_text(json.dumps(suite))
        path = folder / "eval.yaml"
        card: dict[str, Any] = parse_yaml(path.read_text(), path.name).data
        shares = {"thorough": DETECTED, "glance": DETECTED, "limits": 0, "messages": 0, "quality": HEARD}
        card["params"] |= {"clips": shares, "calibrating": CALIBRATING, "calibrated_through": ["none"]}
        card["params"] |= {"judging": 0, "measuring": 0, "messages": []}
        of_speaker = 3 * 2 * DETECTED + (len(attacks) - 3) * DETECTED + HEARD  # a splice is marked alone
        speakers = len({clip.speaker for clip in clips("gate")})
        card["items"] |= {"n": speakers * of_speaker, "calibration": speakers * 2 * CALIBRATING}
        card["shard"] = 64
        path.write_text(json.dumps(card))


@pytest.fixture(scope="module")
def perth(tmp_path_factory: pytest.TempPathFactory) -> Slice:
    """A slice for the weights that the package ships."""
    if find_spec("perth") is None:
        pytest.skip("the package resemble-perth, with its weights, is not installed")
    top = tmp_path_factory.mktemp("perth")
    exported = python(TOP / "examples" / "perth" / "export.py", "--out", top / "checkpoint", cwd=top)
    assert exported.returncode == 0, exported.stderr
    return Slice(top / "gates", "perth", top / "checkpoint", SUITE)


@pytest.fixture(scope="module")
def screen(perth: Slice) -> str:
    """What the gate of Perth prints; its run folder is `run`."""
    done = perth.gate("run")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def decided(at: Slice, run: str = "run") -> Decision:
    return RunFolder(at.root / run).read_decision()


def findings(decision: Decision) -> dict[str, Finding]:
    return {f.requirement: f for c in decision.capabilities for f in c.findings}


def statuses(decision: Decision) -> dict[str, str]:
    return {name: f.status for name, f in findings(decision).items()}


def false_alarms(decision: Decision) -> Finding:
    return next(f for f in findings(decision).values() if f.metric.endswith("/fpr"))


def test_perth_is_released_on_the_two_attacks_that_it_stands(perth: Slice, screen: str) -> None:
    assert screen.startswith("release · perth")
    decision = decided(perth)
    assert set(statuses(decision).values()) == {"met"}
    assert {f.metric.rpartition("/")[2] for f in findings(decision).values()} == {
        "tpr",
        "fpr",
        "pesq_kept",
        "stoi_kept",
    }
    gated = {(s.labels["attack"], s.labels["speaker"]) for s in false_alarms(decision).slices}
    assert gated == {(attack, clip.speaker) for attack in THREATS for clip in clips("gate")}


def test_no_clip_is_lost(perth: Slice, screen: str) -> None:
    for finding in findings(decided(perth)).values():
        for part in (*finding.slices, *finding.outside):
            assert part.estimate.scored == part.estimate.planned, (finding.requirement, part.labels)
        assert finding.errors == ()


def test_the_first_screen_says_that_a_highpass_makes_perth_flag_clean_speech(perth: Slice, screen: str) -> None:
    told = " ".join(screen.split())
    assert f"{HIGHPASS} defeats detector; outside the threat set: Clean clips that are taken for marked" in told
    outside = false_alarms(decided(perth)).outside
    assert {s.labels["attack"] for s in outside} == {HIGHPASS}
    flagged, heard = (sum(getattr(s.estimate, name) or 0 for s in outside) for name in ("hits", "scored"))
    assert heard == DETECTED * len(outside) > 0
    assert flagged > 0.6 * heard
    assert f"{flagged} of {heard}" in told
    found = next(f for f in findings(decided(perth)).values() if f.metric.endswith("/tpr"))
    assert all(s.status == "met" for s in found.outside), (
        "marked speech is still found: only clean speech gives it away"
    )
    report = (perth.root / "run" / "report.html").read_text()
    assert f"{HIGHPASS} defeats detector: " in report


def test_with_the_highpass_in_the_threat_set_perth_is_withheld_for_its_false_alarms_alone(
    perth: Slice, screen: str
) -> None:
    """Judged on the same evidence: a policy is no part of a measurement."""
    stricter = perth.cut_policy([*THREATS, HIGHPASS], "perth-highpass")
    done = perth.releasegate("decide", "run", "--policy", stricter, "--format", "decision")
    assert done.returncode == 1, done.stderr
    decision = Decision.from_text(done.stdout)
    assert decision.verdict == "withhold"
    alarms = false_alarms(decision)
    assert alarms.status == "violated"
    assert alarms.slices[0].labels["attack"] == HIGHPASS
    others = {name: status for name, status in statuses(decision).items() if name != alarms.requirement}
    assert set(others.values()) == {"met"}
    assert HIGHPASS not in " ".join(decision.outside)


def test_a_run_that_lost_its_last_shard_is_resumed_to_the_same_bytes(perth: Slice, screen: str) -> None:
    """As if killed while it measured the last shard, before anything was decided."""
    run, resumed = perth.root / "run", perth.root / "resumed"
    shutil.copytree(run, resumed)
    lost = drop_last_shard(resumed)
    for name in ("decision.json", "report.html"):
        (resumed / name).unlink()
    done = perth.gate("resumed")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in (lost, "decision.json", "report.html"):
        assert (resumed / name).read_bytes() == (run / name).read_bytes(), name


def drop_last_shard(run: Path) -> str:
    """The place in a run folder of the shard that is no longer there."""
    index = run / "evidence" / "index.jsonl"
    *kept, last = index.read_text().splitlines(keepends=True)
    line = json.loads(last)
    index.write_text("".join(kept))
    path = RunFolder(run).evidence.shard_path(line["measurement"], line["shard"])
    path.unlink()
    return path.relative_to(run).as_posix()


@pytest.mark.skipif(not MINI_AUDIOSEAL.is_dir(), reason="examples/mini_audioseal/checkpoint is not there")
def test_mini_audioseal_is_found_and_placed(tmp_path: Path) -> None:
    spliced = [*SUITE, {"attack": "splice_marked", "strengths": [1000]}]
    of = Slice(tmp_path / "gates", "audioseal", MINI_AUDIOSEAL, spliced)
    done = of.gate("run")
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = {f.metric.rpartition("/")[2]: f for f in findings(decided(of)).values()}
    assert found["tpr"].status == "met", found["tpr"].sentence
    assert found["localisation_iou"].status == "met", found["localisation_iou"].sentence
    assert {s.labels["attack"] for s in found["localisation_iou"].slices} == {"splice_marked_1000ms"}
    assert not any(part.estimate.failed for f in found.values() for part in f.slices)
