"""The passive detector: does a clip sound like a recording, or like something that a program made?

It knows no watermark and no speaker. A small convolutional network looks at two seconds at a time: at how the power of each
frequency moves about its mean over the window, so that a channel's colour tells it nothing, and at the group delay, which says
how the energy of a pulse of the voice is spread in time: vocoders put all of it in one place, throats do not.

Channels differ more than it can know. So it is asked beside recordings that the person is known by: a score says how much more
like a program a clip sounds than those do.

An instrument, trained by `train_detector.py`. Its file says whose recordings it learned from: of them it must not judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from releasegate.errors import NotScorable

RATE = 16000
WINDOW = 2 * RATE
"""Samples that are looked at together. A shorter clip is repeated until it fills one."""
HOP = RATE
"""Samples from window to window."""
SHORTEST = RATE // 2
"""Samples of speech that say anything: half a second."""
BATCH = 16
"""Windows that are worked on at once: what bounds the memory that a long clip takes."""
SILENT = 1e-5
"""Root mean square at and below which a window is silent: -100 dB below full scale."""
POINTS, FRAME, STEP = 512, 400, 160
FLOOR = 1e-6
"""Of the mean power of a window, what is added to each bin: what lies 60 dB below it is not looked at."""
BANDS = POINTS // 4
CHANNELS = 4  # power about its mean, group delay (cosine, sine), and how high the band is
SCALE = 2.0
"""Logits that a score's own logit is counted in, so that sure answers differ in the decimals that are kept."""
PLACES = 6
"""Decimals of a score."""
HEARD = "heard"
"""The entry of a file's metadata that says whom a detector learned from, with commas."""


class Detector(nn.Module):
    """Windows of sound to how surely each was made by a program.

    Attributes:
        heard: the speakers whose recordings it learned from.
    """

    def __init__(self, heard: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.heard = heard
        self.stages = nn.Sequential(
            _stage(CHANNELS, 24, (5, 3)), _stage(24, 32, (3, 3)), _stage(32, 48, (3, 3)), _stage(48, 64, (3, 3))
        )  # bands and frames are halved by each
        self.across = nn.Sequential(nn.Conv1d(64 * BANDS // 16, 64, 1), nn.BatchNorm1d(64), nn.ReLU())
        self.dropout = nn.Dropout(0.3)
        self.answer = nn.Linear(128, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits, float32 [n], higher where a program made it, of float32 [n, CHANNELS, BANDS, f]."""
        seen = self.across(self.stages(pictures).flatten(1, 2))  # [n, 64, f / 16]
        pooled = torch.cat([seen.mean(2), seen.std(2)], 1)
        logits: Tensor = self.answer(self.dropout(pooled))[:, 0]
        return logits

    @torch.inference_mode()
    def logit(self, audio: Tensor) -> float:
        """How surely a program made the clip, as the mean logit of its windows; it depends on this clip alone.

        Args:
            audio: float [t] at 16 kHz; of any level.

        Raises:
            NotScorable: the clip is no sound of one channel, has samples that are not numbers, is shorter than half a second, or
                is silent.
        """
        windows = windows_of(audio)
        device = self.answer.weight.device
        logits = [self(pictures(part.to(device))) for part in windows.split(BATCH)]
        return float(torch.cat(logits).double().mean())

    def write(self, path: Path) -> None:
        """Writes the weights to a safetensors file, in half precision, and whom it learned from."""
        stored = {name: _stored(tensor) for name, tensor in self.state_dict().items()}
        save_file(stored, path, {HEARD: ",".join(sorted(self.heard))})

    @classmethod
    def read(cls, path: Path, device: torch.device | str = "cpu") -> Detector:
        """The detector in a safetensors file, ready to be asked.

        Raises:
            OSError: the file cannot be read.
            safetensors.SafetensorError: it is not a safetensors file.
            RuntimeError: it holds other tensors than a detector's.
            KeyError: it does not say whom it learned from.
        """
        with safe_open(path, framework="pt") as file:
            heard = (file.metadata() or {})[HEARD]
            stored = {name: _loaded(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
        detector = cls(frozenset(filter(None, heard.split(","))))
        detector.load_state_dict(stored)
        return detector.eval().to(device)


def score(beyond: Sequence[float]) -> float:
    """How much more like a program a clip sounds than what the person is known by: in [0, 1], to six decimals.

    Args:
        beyond: by how much the logit of the clip lies above the mean of those recordings, by each detector; at least one.

    >>> score([0.0]), score([3.0, 5.0])
    (0.5, 0.880797)
    """
    mean = torch.tensor(sum(beyond) / len(beyond) / SCALE, dtype=torch.float64)
    return round(float(mean.sigmoid()), PLACES)


def windows_of(audio: Tensor) -> Tensor:
    """float32 [n, WINDOW], the clip cut into windows `HOP` apart, the last up to its end; silent ones are left out.

    Raises:
        NotScorable: as of `Detector.logit`.
    """
    if audio.ndim != 1 or not audio.is_floating_point():
        raise NotScorable("a clip", f"is {audio.dtype} {list(audio.shape)}, no sound of one channel", "give float [t]")
    if not bool(torch.isfinite(audio).all()):
        raise NotScorable("a clip", "has samples that are not numbers", "give finite audio")
    if len(audio) < SHORTEST:
        raise NotScorable("a clip", f"is {len(audio) / RATE:.2f} s long", f"give {SHORTEST / RATE:g} s or more")
    audio = audio.float().cpu()
    if len(audio) < WINDOW:
        audio = audio.repeat(-(-WINDOW // len(audio)))[:WINDOW]
    starts = [*range(0, len(audio) - WINDOW, HOP), len(audio) - WINDOW]
    windows = torch.stack([audio[start : start + WINDOW] for start in starts])
    loud = windows.square().mean(1).sqrt() > SILENT
    if not bool(loud.any()):
        raise NotScorable("a clip", "is silent", "give speech")
    return windows[loud]


def pictures(windows: Tensor) -> Tensor:
    """float32 [n, CHANNELS, BANDS, f], what the network looks at of windows float32 [n, t]; their level does not matter."""
    levelled = windows / windows.square().mean(1, keepdim=True).sqrt().clamp_min(SILENT)
    window = torch.hann_window(FRAME, device=windows.device)
    spectra = torch.stft(levelled, POINTS, STEP, FRAME, window, center=False, return_complex=True)  # [n, bins, f]
    power = functional.avg_pool2d(spectra[:, 1:].abs().square(), (2, 1))  # [n, BANDS, f]
    logs = (power + FLOOR * power.mean((1, 2), keepdim=True)).log()
    moving = (logs - logs.mean(2, keepdim=True)) / 3
    # The turn from bin to bin, seen from the middle of the frame: 1 where all energy lies there.
    turns = -spectra[:, 1:] * spectra[:, :-1].conj()
    pairs = turns[:, 0::2] + turns[:, 1::2]
    unit = pairs / pairs.abs().clamp_min(1e-9)
    height = torch.linspace(-1, 1, BANDS, device=windows.device)[None, :, None].expand_as(moving)
    return torch.stack([moving, unit.real, unit.imag, height], 1)


def _stage(inputs: int, outputs: int, kernel: tuple[int, int]) -> nn.Module:
    around = (kernel[0] // 2, kernel[1] // 2)
    convolution = nn.Conv2d(inputs, outputs, kernel, stride=2, padding=around, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def _stored(tensor: Tensor) -> Tensor:
    return (tensor.half() if tensor.is_floating_point() else tensor).contiguous()


def _loaded(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
