"""DNSMOS: how good a clip sounds on its own, by the published network, without a reference.

Reddy et al., "DNSMOS P.835" (ICASSP 2022). The network lies in the package `speechmos`; it is run here on its own, since the
package runs a second network (P.808) beside it for every window, and takes one clip at a time.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from releasegate.audio.packages import MEASURE, package
from releasegate.audio.resampling import resample
from releasegate.errors import NotFound

RATE = 16000
WINDOW = 144160  # samples, 9.01 s, that the network takes
SECONDS = 9.01
CURVE = (-0.06766283, 1.11546468, 0.04602535)  # from the network's overall output to MOS, as published
MODEL = "dnsmos_models/sig_bak_ovr.onnx"


def dnsmos_ovrl(audio: Tensor, rate: int) -> Tensor:
    """DNSMOS P.835, overall quality, of each row: float64 [n], MOS from about 1 to 4.5, higher is better.

    A clip shorter than 9.01 s is doubled until it is not; then windows of 9.01 s, a second apart, are scored and averaged. The
    level matters. Silence gets a number too: whoever asks has to see to that.

    Args:
        audio: float [n, t] in [-1, 1], any device.
        rate: samples a second; resampled to 16,000.

    Raises:
        NotFound: `speechmos` or `onnxruntime` is not installed.
        ValueError: a sample is beyond [-1, 1] or no finite number, or there is none.
    """
    if audio.shape[1] == 0 or not bool((audio.abs() <= 1).all()):
        raise ValueError("DNSMOS takes samples within [-1, 1], and at least one: clamp or scale the clip first")
    # Resampling overshoots full scale by a little.
    waves = resample(audio.detach().to("cpu", torch.float32), rate, RATE).clamp(-1, 1).numpy()
    session = _session()
    # One clip's windows at a time: larger batches give the same numbers and fall out of the cache.
    return torch.tensor([_score(session, wave) for wave in waves], dtype=torch.float64)


def _score(session: Any, wave: NDArray[np.float32]) -> float:
    raw = session.run(None, {"input_1": windows(wave)})[0][:, 2].astype(np.float64)  # [windows]
    return float(np.polyval(CURVE, raw).mean())


def windows(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """What of a clip is scored: [windows, 144160].

    Args:
        wave: [t] at 16 kHz, not empty.
    """
    while len(wave) < WINDOW:
        wave = np.concatenate([wave, wave])
    # As the package counts and rounds: a window that comes out a sample short is left out.
    count = int(len(wave) // RATE - SECONDS) + 1
    ends = [int((index + SECONDS) * RATE) for index in range(count)]
    whole = [wave[k * RATE : end] for k, end in enumerate(ends) if len(wave[k * RATE : end]) == WINDOW]
    return np.stack(whole)


@lru_cache(maxsize=1)
def _session() -> Any:
    """The network, on one thread: callers run several clips at once, and the sums are always in one order."""
    runtime = package("onnxruntime", MEASURE)
    found = find_spec("speechmos")  # its modules need more than its networks do
    if found is None or not found.submodule_search_locations:
        what = f"speechmos is not installed, and {MEASURE} needs it"
        raise NotFound("package speechmos", what, "pip install 'releasegate[audio]'")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    path = Path(found.submodule_search_locations[0], MODEL)
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
