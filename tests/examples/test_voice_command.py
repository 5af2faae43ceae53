"""The example of a model that is a program runs, and its page consents to what lies there."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from releasegate.checkpoint import open_checkpoint
from releasegate.subjects import Utterance
from releasegate.subjects.command import open_subject
from releasegate.yamltext import parse_yaml
from tests.programs import consent

FOLDER = Path(__file__).parents[2] / "examples" / "voice_command"
RATE = 16_000


def buzz(pitch: float, seconds: float = 1.0) -> torch.Tensor:
    """A tone with overtones, as a voice has them."""
    time = torch.arange(int(seconds * RATE)) / RATE
    return sum(0.2 / k * torch.sin(2 * math.pi * k * pitch * time) for k in range(1, 6))  # type: ignore[return-value]


def pitch_of(audio: torch.Tensor) -> float:
    """The fundamental in hertz, by the highest peak of the autocorrelation."""
    spectrum = torch.fft.rfft(audio[4000:8096], 8192).abs().square()
    alike = torch.fft.irfft(spectrum)[RATE // 400 : RATE // 60]
    return RATE / (int(alike.argmax()) + RATE // 400)


@pytest.mark.parametrize(("source", "prompt"), [(120.0, 180.0), (220.0, 140.0)])
def test_the_clone_has_the_length_of_the_source_and_the_pitch_of_the_prompt(source: float, prompt: float) -> None:
    checkpoint = open_checkpoint(FOLDER / "model", runs=consent(FOLDER / "model"))
    program = open_subject(checkpoint, None, torch.device("cpu"), torch.float32)
    said = Utterance("a", buzz(source), "en")
    (clone,) = program.clone([said], [buzz(prompt)], [0])
    assert isinstance(clone, torch.Tensor)
    assert len(clone) == len(said.audio)
    assert pitch_of(said.audio) == pytest.approx(source, rel=0.03)
    assert pitch_of(clone) == pytest.approx(prompt, rel=0.03)


def test_the_page_lets_the_files_run_that_lie_there() -> None:
    block = (FOLDER / "README.md").read_text().split("```text\n")[1].split("```")[0]
    assert parse_yaml(block, "README.md").data["model"]["runs"] == consent(FOLDER / "model")
