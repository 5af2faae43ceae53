"""Checkpoints that are programs, written for a test, and opened with consent to every file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from releasegate.checkpoint import Checkpoint, open_checkpoint, read_manifest
from releasegate.subjects import Utterance
from releasegate.subjects.command import Command, open_subject

RATE = 8000
ECHO = "shutil.copy(job['source'], job['out'])"
"""What a harmless program does with each job."""


def write_program(root: Path, each: str = ECHO, *, before: str = "", after: str = "", **changes: Any) -> Path:
    """A checkpoint folder whose program runs the Python `before`, `each` for every job, and `after`."""
    lines = [
        "import json, os, shutil, struct, sys, time, wave",
        before,
        "for line in open(sys.argv[1]):",
        "    job = json.loads(line)",
        *(f"    {line}" for line in each.splitlines()),
        after,
    ]
    root.mkdir(parents=True, exist_ok=True)
    (root / "clone.py").write_text("\n".join(lines) + "\n")
    config = {
        "model_type": "command",
        "argv": ["{python}", "-I", "-S", "{model}/clone.py", "{jobs}"],
        "sample_rate": RATE,
        "seconds_to_start": 20,
        "seconds_per_clone": 5,
        **changes,
    }
    (root / "config.json").write_text(json.dumps(config))
    return root


def consent(root: Path) -> dict[str, str]:
    """What a policy would list below `runs`, had somebody read it all."""
    return {entry.path: entry.sha256 for entry in read_manifest(root).files if entry.sha256 is not None}


def opened(root: Path) -> Checkpoint:
    return open_checkpoint(root, runs=consent(root))


def started(root: Path) -> Command:
    return open_subject(opened(root), None, torch.device("cpu"), torch.float32)


def said(text: str = "hello", seconds: float = 0.25, pitch: float = 200.0) -> Utterance:
    """Words, and a tone in place of somebody who says them."""
    return Utterance(text, tone(seconds, pitch), "en")


def tone(seconds: float = 0.25, pitch: float = 300.0) -> torch.Tensor:
    return 0.5 * torch.sin(2 * torch.pi * pitch * torch.arange(int(seconds * RATE)) / RATE)
