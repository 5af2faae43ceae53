"""Where in a clip somebody speaks, as a small published network hears it: Silero VAD (MIT), which faster-whisper 1.2.1 ships."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from releasegate.audio.packages import package

from .pinned_weights import PinnedWeights
from .recordings import at_level

SILERO = PinnedWeights(
    package="faster-whisper==1.2.1",
    module="faster_whisper",
    files={"assets/silero_vad_v6.onnx": "4cbf549b8326f60f80f2536d9eefeb450a9abe83365a098031c89719f1be17d2"},
)
CHUNK = 512
"""Samples that are judged together: 32 ms at 16 kHz."""
BEFORE = 64
"""Samples before a chunk that are heard with it."""


def speech_probabilities(clip: Tensor) -> Tensor:
    """How likely it is that somebody speaks, for every 32 ms: float32 [ceil(t / 512)] in [0, 1].

    The clip is brought to one level first, so that gain changes nothing.

    Args:
        clip: float [t] at 16 kHz, finite and not silent.

    Raises:
        NotFound: the package faster-whisper or onnxruntime is not installed.
        InstrumentChanged: the package has another network than the one pinned here.
    """
    wave = at_level(clip.detach().cpu().float())
    whole = functional.pad(wave, (BEFORE, -len(wave) % CHUNK))
    heard = np.ascontiguousarray(whole.unfold(0, BEFORE + CHUNK, CHUNK).numpy())  # [chunks, 576]
    state = np.zeros((1, 1, 128), dtype=np.float32)
    found, _, _ = _session().run(None, {"input": heard, "h": state, "c": state})
    return torch.from_numpy(np.asarray(found, dtype=np.float32).reshape(-1))


@cache
def _session() -> Any:
    runtime = package("onnxruntime", "the search for speech")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    network = SILERO.read("assets/silero_vad_v6.onnx")
    return runtime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
