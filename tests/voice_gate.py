"""A gate on a cloner that marks, small and real: synthetic voices on disk, two attacks, a subject that is chosen by the test."""

from __future__ import annotations

import csv
import hashlib
import json
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import soundfile
import torch
from safetensors.torch import save_file

from releasegate.repository import LedgerFile, scaffold
from releasegate.yamltext import parse_yaml
from tests.voices import voice
from tests.watermark_gate import SmallGate

PERSONS = ("anna", "bert")
SOURCE = "carl"
CLIPS = {"prompt": 4, "real": 8, "rehearsal": 4, "calibration": 4}
WORDS = {"source": 12, "source_rehearsal": 8}
ATTACKS = [{"attack": "none"}, {"attack": "white_noise", "strengths": [30]}]
GATED = ["none", "white_noise_30dB"]

SUBJECT = '''\
"""Says the words a little higher and marks what it says; the checkpoint's config asks for what it does wrong."""

import torch

from releasegate.audio.resampling import resample
from releasegate.subjects import Detection, NoClone
from tests.spread_spectrum import SpreadSpectrum

DETERMINISTIC = True


class Speaks(SpreadSpectrum):
    def __init__(self, says, clones, weights):
        super().__init__()
        self.says, self.clones, self.weights, self.batches = says, clones, weights, []

    def clone(self, words, prompts, seeds):
        self.batches.append(len(words))
        return [self._one(*row) for row in zip(words, prompts, seeds, strict=True)]

    def _one(self, words, prompt, seed):
        higher = resample(words.audio[None], 16000, 14400)[0].clamp(-1, 1)
        if self.clones == "badly":
            return {0: NoClone("it was tired"), 1: higher * torch.nan, 2: higher * 0}[seed % 3]
        return super().mark(higher[None], torch.zeros(1, 8, dtype=torch.int64))[0] if self.weights else higher

    def detect(self, audio):
        found = super().detect(audio)
        if self.says == "what it finds":
            return found
        made = torch.full((len(audio),), float(self.says))
        return Detection(made, made[:, None].expand_as(audio), found.bits)


def open_subject(checkpoint, lending, device, dtype):
    return Speaks(*(checkpoint.config[key] for key in ("says", "clones", "weights")))
'''

REQUIREMENTS = """\
        - id: found
          metric: voice_watermark/tpr_{mark_by}
          at_least: 0.5
          slices: [attack]
          values: {attack: [none, white_noise_30dB]}
          enforced_by: {enforced_by}
        - id: in-peace
          metric: voice_watermark/fpr
          at_most: 0.5
          slices: [attack]
          values: {attack: [none, white_noise_30dB]}
          enforced_by: {enforced_by}
"""

POLICY = """\
schema: releasegate/policy/v1
id: spoken
title: A cloner for tests
model: {layout: spoken-hf, subject: spoken}
release: {channel: CHANNEL}
capabilities:
  - id: voice_cloning
    title: Clones voices
    rationale: To be tested.
    safeguards:
      watermark:
REQUIREMENTS    otherwise: withhold
"""


@lru_cache
def recording(seed: int) -> bytes:
    """A file with 1.6 to 2.6 seconds of nobody's voice."""
    file = BytesIO()
    soundfile.write(file, voice(1.6 + seed % 3 / 2, seed).numpy(), 16000, subtype="PCM_16", format="WAV")
    return file.getvalue()


class VoiceGate(SmallGate):
    """A gate repository with the shipped evals, two attacks, two people and one who says the words; and a checkpoint.

    Args:
        says: what the detector answers: `what it finds`, or a number.
        clones: `well` or `badly`.
        weights: whether the weights mark.
        enforced_by: of the safeguards; with `weights`, clones as the weights speak them are gated, at open weights.
    """

    def __init__(
        self,
        root: Path,
        *,
        says: str = "what it finds",
        clones: str = "well",
        weights: bool = False,
        enforced_by: str = "server",
    ) -> None:
        self.root = root
        scaffold(root)
        self.policy = root / "policies" / "spoken.yaml"
        mark_by = "weights" if enforced_by == "weights" else "wrapper"
        asked = REQUIREMENTS.replace("{mark_by}", mark_by).replace("{enforced_by}", enforced_by)
        channel = "api" if enforced_by == "server" else "open_weights"
        self.policy.write_text(POLICY.replace("CHANNEL", channel).replace("REQUIREMENTS", asked))
        (root / "evals" / "spoken").mkdir()
        (root / "evals" / "spoken" / "subject.py").write_text(SUBJECT)
        LedgerFile(root / "policies" / "ledger" / "spoken.jsonl").init("spoken")
        self._voices()
        self._cut()
        self.checkpoint = root.parent / f"{root.name}-checkpoint"
        self.checkpoint.mkdir()
        config = {"model_type": "spoken", "says": says, "clones": clones, "weights": weights}
        (self.checkpoint / "config.json").write_text(json.dumps(config))
        save_file({"weight": torch.arange(4.0)}, self.checkpoint / "model.safetensors")

    def _voices(self) -> None:
        """Recordings of nobody, listed as those of a lab would be."""
        seed = 0
        with (self.root / "evals" / "voices.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["speaker", "language", "split", "package", "path", "sha256", "channel", "text"])
            for speaker, counts in [*((person, CLIPS) for person in PERSONS), (SOURCE, WORDS)]:
                for split in [split for split, count in counts.items() for _ in range(count)]:
                    seed += 1
                    path = self.root / "voices" / f"{speaker}-{seed}.wav"
                    path.parent.mkdir(exist_ok=True)
                    path.write_bytes(recording(seed))
                    digest = hashlib.sha256(path.read_bytes()).hexdigest()
                    text = "something" if split in WORDS else ""
                    rows.writerow([speaker, "en", split, "voices", path.name, digest, "studio", text])

    def _cut(self) -> None:
        """The shipped card and suite, with fewer clips and attacks."""
        folder = self.root / "evals" / "voice_watermark"
        suite = {"schema": "releasegate/suite/v1", "id": "tiny", "title": "Two attacks", "attacks": ATTACKS}
        (folder / "suite.yaml").write_text(json.dumps(suite))
        path = folder / "eval.yaml"
        card: dict[str, Any] = parse_yaml(path.read_text(), path.name).data
        card["params"] |= {
            "clips": {"clones": 8, "recordings": 8, "glance": 8, "quality": 1},
            "rehearsal_clips": {"clones": 4, "recordings": 4, "glance": 4, "quality": 1},
            "calibrating": 4,
            "calibrated_through": ["none"],
            "thorough": GATED,
            "together": 4,
        }
        for name, count in (("n", 8), ("rehearsal", 4)):
            card["items"][name] = len(PERSONS) * (2 * 3 * count + 1) + 2 * count  # attacks x kinds; quality; the words
        card["items"]["calibration"] = len(PERSONS) * 2 * 4
        card["shard"] = 16
        path.write_text(json.dumps(card))
