"""Why a sound is no clone: nothing is measured of silence, of noise, or of the very recording that a cloner was given."""

from __future__ import annotations

from torch import Tensor

from .recordings import RATE

SILENT = 1e-4
"""Root mean square below which a clone is silent: -80 dB below full scale."""


def fault(clone: Tensor, said: Tensor, prompt: Tensor) -> str | None:
    """Why the clone is none, in words that end a sentence "the clone …"; None if it is one.

    Args:
        clone: float [t] at 16 kHz, what the cloner returned.
        said: float [t] at 16 kHz, the recording whose words were to be said.
        prompt: float [t] at 16 kHz, the recording of the voice that they were to be said in.
    """
    if clone.ndim != 1 or not clone.is_floating_point():
        return f"has shape {list(clone.shape)} and dtype {clone.dtype}, not one channel of floating-point samples"
    if not len(clone):
        return "is empty"
    if not bool(clone.isfinite().all()):
        return "has a sample that is no finite number"
    peak = float(clone.abs().max())
    if peak > 1:
        return f"has a sample of {peak:.3g}, beyond [-1, 1]"
    if float(clone.double().square().mean().sqrt()) < SILENT:
        return "is silent"
    if not 0.3 <= len(clone) / len(said) <= 3:
        return f"lasts {len(clone) / RATE:.2f} s, and the recording whose words it says {len(said) / RATE:.2f} s"
    return None
