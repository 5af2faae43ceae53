"""A gate on a watermark, small and real: synthetic voices on disk, three attacks, a detector that is chosen by the test."""

from __future__ import annotations

import csv
import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import soundfile
import torch
from safetensors.torch import save_file

from releasegate.gate import Call
from releasegate.repository import GateRepository, LedgerFile, RunFolder, scaffold
from releasegate.yamltext import parse_yaml
from tests.voices import voice

OPENED = date(2026, 1, 1)
NONCE = "ab" * 32
SPEAKERS = ("anna", "bert")
CLIPS = {"gate": 8, "calibration": 4, "rehearsal": 4}
ATTACKS = [{"attack": "none"}, {"attack": "white_noise", "strengths": [30]}, {"attack": "polarity"}]

SUBJECT = '''\
"""A spread-spectrum watermark, whose detector says what the checkpoint's config asks for."""

import torch

from releasegate.subjects import Detection
from tests.spread_spectrum import SpreadSpectrum

DETERMINISTIC = True


class Chosen(SpreadSpectrum):
    def __init__(self, says):
        super().__init__()
        self.says = says

    def detect(self, audio):
        found = super().detect(audio)
        if self.says == "what it finds":
            return found
        if self.says.startswith("alone "):  # to a clip that comes alone, as users ask; right in batches
            made = found.score if len(audio) > 1 else torch.full((1,), float(self.says.split()[1]))
        elif self.says == "chance":  # a number that only the clip decides
            made = ((audio.double().abs().sum(1) * 7919) % 1).float()  # float32 has no fraction left
        else:
            made = torch.full((len(audio),), float(self.says))
        return Detection(made, made[:, None].expand_as(audio), found.bits)


def open_subject(checkpoint, lending, device, dtype):
    return Chosen(checkpoint.config["says"])
'''

POLICY = """\
schema: releasegate/policy/v1
id: marked
title: A watermark for tests
model: {layout: marked-hf, subject: marked}
release: {channel: open_weights}
capabilities:
  - id: detection
    title: Finds the mark
    rationale: To be tested.
    safeguards:
      detector:
        - id: found
          metric: audio_watermark/tpr
          at_least: 0.5
          slices: [attack]
          values: {attack: [none, white_noise_30dB]}
          enforced_by: weights
        - id: no-false-alarm
          metric: audio_watermark/fpr
          at_most: 0.5
          slices: [attack]
          values: {attack: [none, white_noise_30dB]}
          enforced_by: weights
    otherwise: withhold
"""


class SmallGate:
    """A repository, a policy and a checkpoint that are gated on a fixed day with a fixed nonce."""

    root: Path
    policy: Path
    checkpoint: Path

    @property
    def repository(self) -> GateRepository:
        """The repository."""
        return GateRepository(self.root.resolve())

    def call(self, out: str = "run", **changes: Any) -> Call:
        """A call of the gate on it."""
        given: dict[str, Any] = {
            "policy": self.policy,
            "model": self.checkpoint,
            "run": self.root / out,
            "device": "cpu",
            "dtype": "float32",
            "today": OPENED,
            "draw_nonce": lambda: NONCE,
        }
        return Call(**{**given, **changes})

    def run(self, out: str = "run") -> RunFolder:
        """A run folder."""
        return RunFolder(self.root / out)


class WatermarkGate(SmallGate):
    """A gate repository with the shipped evals, three attacks and two voices, and a checkpoint beside it."""

    def __init__(self, root: Path, says: str = "what it finds", **params: Any) -> None:
        self.root = root
        scaffold(root)
        self.policy = root / "policies" / "marked.yaml"
        self.policy.write_text(POLICY)
        (root / "evals" / "marked").mkdir()
        (root / "evals" / "marked" / "subject.py").write_text(SUBJECT)
        LedgerFile(root / "policies" / "ledger" / "marked.jsonl").init("marked")
        self._voices()
        self._suite(ATTACKS)
        self._card(params)
        self.checkpoint = root.parent / f"{root.name}-checkpoint"
        self.checkpoint.mkdir()
        (self.checkpoint / "config.json").write_text(json.dumps({"model_type": "marked", "says": says}))
        save_file({"weight": torch.arange(4.0)}, self.checkpoint / "model.safetensors")

    def _voices(self) -> None:
        """Recordings of nobody, listed as those of a lab would be."""
        with (self.root / "evals" / "speech.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["speaker", "language", "split", "package", "path", "sha256"])
            for place, speaker in enumerate(SPEAKERS):
                seed = 1000 * place
                for split, count in CLIPS.items():
                    for _ in range(count):
                        seed += 1
                        path = self.root / "voices" / f"{speaker}-{seed}.wav"
                        path.parent.mkdir(exist_ok=True)
                        soundfile.write(path, voice(3.5, seed).numpy(), 16000, subtype="PCM_16")
                        digest = hashlib.sha256(path.read_bytes()).hexdigest()
                        rows.writerow([speaker, "en", split, "voices", path.name, digest])

    def _suite(self, attacks: list[dict[str, Any]]) -> None:
        suite = {"schema": "releasegate/suite/v1", "id": "tiny", "title": "Three attacks", "attacks": attacks}
        (self.root / "evals" / "audio_watermark" / "suite.yaml").write_text(json.dumps(suite))

    def _card(self, params: dict[str, Any]) -> None:
        """The shipped card, with fewer clips."""
        path = self.root / "evals" / "audio_watermark" / "eval.yaml"
        card: dict[str, Any] = parse_yaml(path.read_text(), path.name).data
        gate = {"thorough": 8, "glance": 2, "limits": 1, "messages": 2, "quality": 1}
        card["params"] |= {
            "clips": gate,
            "rehearsal_clips": {**gate, "thorough": 4},
            "calibrating": 4,
            "calibrated_through": ["none"],
            "judging": 2,
            "measuring": 1,
            "thorough": ["none", "white_noise_30dB"],
            "messages": ["none"],
            **params,
        }
        more = 2 * 2 + 2 + 2 + 1  # a glance at polarity; messages of marked clips, and of clean ones; quality
        calibration = 2 * (2 * 4 + 3 * 2 + 3 * 1)  # speakers x (kinds x clips; attacks x clips judged, and measured)
        detected = {"n": 2 * 8, "rehearsal": 2 * 4}  # attacks x clips, of each kind and speaker
        card["items"] |= {name: 2 * (2 * clips + more) for name, clips in detected.items()}
        card["items"] |= {"calibration": calibration}
        card["shard"] = 16
        path.write_text(json.dumps(card))
