"""Makes the clips and the golden numbers beside it: `python -m tests.clips.make`, from the top of the repository.

Two synthetic voices, and five things done to each; 16 bits, 16 kHz, FLAC. The numbers are those of the packages of the measures,
called as their own documentation does, on the samples that are read back.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pesq
import pystoi
import soundfile
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt
from speechmos import dnsmos

from tests.voices import voice

HERE = Path(__file__).parent
RATE = 16000
SECONDS = 3
Wave = NDArray[np.float64]


def noisy(clip: Wave, decibels: float) -> Wave:
    noise = np.random.default_rng(1).standard_normal(len(clip))
    return np.asarray(clip + noise * np.std(clip) / np.std(noise) * 10 ** (-decibels / 20))


DEGRADED: dict[str, Callable[[Wave], Wave]] = {
    "noise_30_db": lambda clip: noisy(clip, 30),
    "noise_0_db": lambda clip: noisy(clip, 0),
    "lowpass_1000_hz": lambda clip: np.asarray(sosfilt(butter(4, 1000, fs=RATE, output="sos"), clip)),
    "clipped": lambda clip: np.clip(clip, -0.1, 0.1),
    "inverted_and_late": lambda clip: -np.concatenate([np.zeros(40), clip[:-40]]),
}


def write(name: str, clip: Wave) -> Wave:
    """The samples that a reader of the written file gets."""
    path = HERE / f"{name}.flac"
    soundfile.write(path, np.clip(clip, -1, 1), RATE, subtype="PCM_16")
    return np.asarray(soundfile.read(path, dtype="float32")[0])


def main() -> None:
    pairs = []
    for seed in (0, 1):
        name = f"voice_{seed}"
        clean = write(name, voice(SECONDS, seed, RATE).double().numpy())
        for what, degrade in DEGRADED.items():
            degraded = write(f"{name}_{what}", degrade(clean.astype(np.float64)))
            pairs.append(
                {
                    "reference": name,
                    "degraded": f"{name}_{what}",
                    "pesq_wb": float(pesq.pesq(RATE, clean, degraded, "wb")),
                    "stoi": float(pystoi.stoi(clean, degraded, RATE, extended=False)),
                    "dnsmos_ovrl": float(dnsmos.run(degraded, RATE)["ovrl_mos"]),
                }
            )
    versions = {name: version(name) for name in ("pesq", "pystoi", "speechmos", "onnxruntime")}
    golden = {"versions": versions, "pairs": pairs}
    (HERE / "golden.json").write_text(json.dumps(golden, indent=2) + "\n")


if __name__ == "__main__":
    main()
