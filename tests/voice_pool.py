"""A gate repository with the shipped evals and a pool of synthetic voices, and cloners that keep or break their promises."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import soundfile
import torch
from torch import Tensor

from releasegate.evaluation.importing import import_file
from releasegate.repository import GateRepository, scaffold
from releasegate.subjects import NoClone, Utterance
from tests.voices import voice

RATE = 16000
PERSONS = {"anna": "phone", "bert": "phone", "cleo": "studio"}
"""Speakers by channel; a stranger on each channel completes the pool."""
STRANGERS = {"dora": "phone", "emil": "studio"}
RECORDED = {"prompt": 4, "enrolment": 2, "real": 3, "rehearsal": 3}
SETTING = {
    "clones": 2,
    "rehearsal_clones": 1,
    "enrolled": 2,
    "own": 2,
    "cohort": 3,
    "impostors": 3,
    "seconds": [1, 3],
    "heard": [3],
    "batch": 4,
}
"""What is smaller than on the shipped card."""


class Pool:
    """The repository, and its modules."""

    def __init__(self, root: Path) -> None:
        self.root = root
        scaffold(root)
        rows: list[dict[str, str]] = []
        for number, (speaker, channel) in enumerate({**PERSONS, **STRANGERS}.items()):
            splits = {**(RECORDED if speaker in PERSONS else {}), "calibration": 4}
            splits |= {"training": 1} if speaker == "anna" else {}
            splits |= {"training": 3} if speaker in STRANGERS else {}
            for split, count in splits.items():
                rows += [self._recorded(speaker, channel, split, 100 * number + i) for i in range(count)]
        for split in ("source", "source_rehearsal"):
            rows += [self._recorded("zoe", "studio", split, 900 + i, f"sentence number {i}") for i in range(5)]
        with (root / "evals" / "voices.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    def _recorded(self, speaker: str, channel: str, split: str, number: int, text: str = "") -> dict[str, str]:
        path = f"{speaker}/{split}_{number}.wav"
        file = self.root / "pool" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        seed = int(hashlib.sha256(path.encode()).hexdigest()[:8], 16)
        soundfile.write(file, voice(1.6 + 0.2 * (number % 3), seed).numpy(), RATE, subtype="PCM_16")
        return {
            "speaker": speaker, "language": "xx", "split": split, "package": "pool", "path": path,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "channel": channel, "text": text,
        }  # fmt: skip

    def module(self, name: str) -> Any:
        """A shared module of the repository's evals."""
        return import_file(self.root / "evals" / f"{name}.py")

    @property
    def harness(self) -> Any:
        return import_file(self.root / "evals" / "voice_cloning" / "harness.py")

    @property
    def params(self) -> dict[str, Any]:
        return {**GateRepository(self.root).read_eval("voice_cloning").card.params, **SETTING}

    def requests(self, n: int, speaker: str = "anna", seconds: float = 1.0) -> list[Any]:
        """Different words and prompts of one person."""
        cloning, voices = self.module("cloning"), self.module("voices")
        drawn = cloning.drawn(voices.clips("prompt", speaker), voices.clips("source"), [seconds], n)
        return [replace(request, seed=50 + i) for i, (_, request) in enumerate(drawn)]


class Speaker:
    """A cloner of sorts: it talks for as long as the words last, in a voice that the prompt and the seed decide."""

    def __init__(self, rate: Any = RATE) -> None:
        self.rate = rate
        self.calls: list[int] = []

    def clone(self, words: Sequence[Utterance], prompts: Sequence[Tensor], seeds: Sequence[int]) -> Any:
        self.calls.append(len(words))
        return [self._said(*asked) for asked in zip(words, prompts, seeds, strict=True)]

    def _said(self, words: Utterance, prompt: Tensor, seed: int) -> Tensor:
        of_prompt = int(prompt.double().abs().sum() * 1000) % 1000
        return voice(len(words.audio) / self.rate, 1000 * seed + of_prompt, self.rate)


class Spoilt(Speaker):
    """The same, with what it gives spoilt by a function of the row's number, the clone, the words and the prompt."""

    def __init__(self, spoil: Callable[[int, Tensor, Tensor, Tensor], Any], rate: Any = RATE) -> None:
        super().__init__(rate)
        self.spoil = spoil

    def clone(self, words: Sequence[Utterance], prompts: Sequence[Tensor], seeds: Sequence[int]) -> Any:
        made = super().clone(words, prompts, seeds)
        given = zip(made, words, prompts, strict=True)
        return [self.spoil(seeds[i], clip, said.audio, prompt) for i, (clip, said, prompt) in enumerate(given)]


def silent(clip: Tensor) -> Tensor:
    return torch.zeros_like(clip)


__all__ = ["PERSONS", "RATE", "SETTING", "NoClone", "Pool", "Speaker", "Spoilt", "silent"]
