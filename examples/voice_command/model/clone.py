"""A "cloner" of one trick: it says the words of the source at the pitch of the prompt. It needs numpy alone.

    python clone.py JOBS        each line of JOBS is one clone: {"source": WAV, "prompt": WAV, "out": WAV, "text": …, …}

It shows how a program is asked, and is no danger to anybody: a voice is more than its pitch.
"""

from __future__ import annotations

import json
import sys
import wave
from pathlib import Path

import numpy as np

FRAME = 640
"""Samples of a piece of sound that keeps its own pitch while pieces are moved: 40 ms at 16 kHz."""
LOWEST, HIGHEST = 60, 400
"""Hertz between which a voice lies."""


def read(path: str) -> tuple[np.ndarray, int]:
    """The samples, float64 [t] in [-1, 1], and how many there are a second."""
    with wave.open(path, "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return samples / 32768, file.getframerate()


def write(path: str, samples: np.ndarray, rate: int) -> None:
    """Nothing; the file is there."""
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples.clip(-1, 1) * 32767).round().astype("<i2").tobytes())


def pitch(samples: np.ndarray, rate: int) -> float:
    """The median pitch of the loud frames, in hertz, by the autocorrelation of each; 0 where nothing sounds."""
    starts = range(0, len(samples) - 2 * FRAME, FRAME)
    frames = np.array([samples[at : at + 2 * FRAME] for at in starts]).reshape(-1, 2 * FRAME)
    energy = (frames**2).mean(axis=1)
    loud = frames[energy > 0.1 * energy.max(initial=0)]
    if not len(loud):
        return 0.0
    power = np.abs(np.fft.rfft(loud - loud.mean(axis=1, keepdims=True), 4 * FRAME)) ** 2
    alike = np.fft.irfft(power)[:, rate // HIGHEST : rate // LOWEST]  # by lag
    return float(np.median(rate / (alike.argmax(axis=1) + rate // HIGHEST)))


def stretched(samples: np.ndarray, times: float) -> np.ndarray:
    """The same sound, `times` as long at the same pitch: overlapping pieces, each laid where it fits what is there best."""
    hop, reach = FRAME // 2, FRAME // 4
    window = np.hanning(FRAME)
    padded = np.pad(samples, (reach, FRAME + 2 * reach))
    length = int(len(samples) * times)
    made = np.zeros(length + 2 * FRAME)
    for at in range(0, length, hop):
        begin = int(at / times)
        wanted = made[at : at + hop]
        near = [float(wanted @ padded[begin + move : begin + move + hop]) for move in range(0, 2 * reach, 4)]
        best = begin + 4 * int(np.argmax(near))
        piece = padded[best : best + FRAME]
        made[at : at + len(piece)] += window[: len(piece)] * piece
    return made[:length]


def clone(source: np.ndarray, prompt: np.ndarray, rate: int) -> np.ndarray:
    """The words of the source at the pitch of the prompt, as long as the source is."""
    own, wanted = pitch(source, rate), pitch(prompt, rate)
    times = min(2.0, max(0.5, wanted / own)) if own and wanted else 1.0
    longer = stretched(source, times)
    return np.interp(np.linspace(0, len(longer) - 1, len(source)), np.arange(len(longer)), longer)


def main() -> int:
    prompts: dict[str, np.ndarray] = {}
    for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
        job = json.loads(line)
        source, rate = read(job["source"])
        if job["prompt"] not in prompts:  # equal sounds are one file, and are read once
            prompts[job["prompt"]] = read(job["prompt"])[0]
        write(job["out"], clone(source, prompts[job["prompt"]], rate), rate)
    return 0


if __name__ == "__main__":
    sys.exit(main())
