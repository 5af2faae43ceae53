"""From a recording to a clip of three seconds: decoded, one channel, 16 kHz, cut where the speech is, at one level.

Every step is a function of the file's bytes and of its name alone, so that two machines cut the same clip.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from releasegate.audio.resampling import resample

RATE = 16000  # samples a second of every clip
SECONDS = 3.0
LENGTH = int(SECONDS * RATE)
QUIET = 0.006  # mean magnitude over WINDOW at and below which a recording is taken to be silent
WINDOW = RATE // 50  # 20 ms
HOP = RATE // 100  # 10 ms, the grid on which a cut may start
SPOKEN = 0.7  # least share of a cut that is speech, where the recording has such a place
LEVEL = 10 ** (-23 / 20)  # root mean square of a clip: -23 dB below full scale
PEAK = 0.99  # the most that a clip may reach; where it would be more, the clip is quieter than LEVEL

HEADERLESS = {".g722": "g722", ".gsm": "gsm"}  # what tells the decoder the format where the file itself does not


def decode(path: Path) -> Tensor:
    """The whole recording: float32 [t] in about [-1, 1], one channel, 16 kHz.

    Channels are averaged. Any format that ffmpeg's libraries read; `.g722` and `.gsm` hold no header and go by their name.

    Raises:
        ModuleNotFoundError: PyAV is not installed.
        av.error.FFmpegError: the file is no audio that can be decoded.
    """
    try:
        import av
    except ModuleNotFoundError as error:
        what = "recordings are decoded by PyAV, which is not installed; fix: pip install 'releasegate[audio]'"
        raise ModuleNotFoundError(what, name=error.name) from error
    with av.open(str(path), format=HEADERLESS.get(path.suffix)) as container:
        stream = container.streams.audio[0]
        # Planar floats at the rate of the file: averaging and resampling are ours, since ffmpeg's depend on the format.
        to_floats = av.AudioResampler(format="fltp", layout=stream.layout, rate=stream.rate)
        frames = [out for frame in container.decode(stream) for out in to_floats.resample(frame)]
        frames += to_floats.resample(None)
        rate = int(stream.rate)
    parts = [torch.from_numpy(frame.to_ndarray()).mean(dim=0) for frame in frames]  # [channels, t] each
    audio = torch.cat(parts) if parts else torch.zeros(0)
    return resample(audio[None], rate, RATE)[0] if len(audio) else audio


def trim(audio: Tensor) -> Tensor:
    """The recording, float32 [t], without the silence before and after its speech; empty where all of it is silent."""
    loud = _magnitude(audio).gt(QUIET).nonzero()[:, 0]  # [k]
    return audio[int(loud[0]) : int(loud[-1]) + 1] if len(loud) else audio[:0]


def spoken_shares(audio: Tensor) -> Tensor:
    """For every place a cut may start, 10 ms apart, which share of it is no pause: float32 [starts] in [0, 1].

    Args:
        audio: float32 [t], trimmed; shorter than a cut it has no place to start.
    """
    if len(audio) < LENGTH:
        return torch.zeros(0)
    spoken = _magnitude(audio).gt(QUIET).to(torch.float64)  # [t]
    total = functional.pad(spoken.cumsum(0), (1, 0))  # [t + 1]
    return ((total[LENGTH:] - total[:-LENGTH])[::HOP] / LENGTH).to(torch.float32)


def cut(audio: Tensor, name: str) -> Tensor:
    """Three seconds of a trimmed recording, float32 [48000], at -23 dB below full scale (rms) and within [-1, 1].

    Where they start is drawn by the name alone, among the places with at least `SPOKEN` of speech; where there is none, it is
    the place with the most.

    Args:
        audio: float32 [t], trimmed.
        name: what seeds the draw.

    Raises:
        ValueError: the recording is shorter than three seconds.
    """
    shares = spoken_shares(audio)
    if not len(shares):
        raise ValueError(f"{name}: {len(audio) / RATE:.2f} s of speech, and a clip needs {SECONDS:g} s")
    places = shares.ge(min(SPOKEN, float(shares.max()))).nonzero()[:, 0]
    draw = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % len(places)
    start = int(places[draw]) * HOP
    return at_level(audio[start : start + LENGTH])


def at_level(audio: Tensor) -> Tensor:
    """The clip, float32 [t], scaled to -23 dB below full scale, or to a peak of .99 where that is quieter.

    >>> at_level(torch.tensor([0.5, -0.5])).abs().mul(10**1.15).round(decimals=5)
    tensor([1., 1.])
    """
    rms, peak = audio.square().mean().sqrt(), audio.abs().max()
    return audio * torch.minimum(LEVEL / rms, PEAK / peak)


def _magnitude(audio: Tensor) -> Tensor:
    """The mean magnitude over the 20 ms around each sample, zeros beyond the ends: float64 [t]."""
    padded = functional.pad(audio.abs().to(torch.float64), (WINDOW // 2 + 1, WINDOW - 1 - WINDOW // 2))
    sums = padded.cumsum(0)  # [t + WINDOW], of which the first is 0
    return (sums[WINDOW:] - sums[:-WINDOW]) / WINDOW
