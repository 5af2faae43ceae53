"""How a watermark is usually measured: clip by clip and attack by attack, with the programs and packages as they come.

So do the suites that researchers publish: a batch of one, a codec as two runs of ffmpeg with temporary files between them, and
the watermark through its own package.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import types
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from releasegate.attacks import Attack, Given

Wave = NDArray[np.float32]
RATE = 16000
CODERS: Mapping[str, tuple[str, list[str]]] = {
    "mp3": ("mp3", ["-c:a", "libmp3lame"]),
    "aac": ("m4a", ["-c:a", "aac"]),
    "opus": ("ogg", ["-c:a", "libopus"]),
    "vorbis": ("ogg", ["-c:a", "libvorbis"]),
    "gsm": ("gsm", ["-c:a", "libgsm", "-ar", "8000"]),
    "amr": ("amr", ["-c:a", "libopencore_amrnb", "-ar", "8000"]),
    "g722": ("g722", ["-c:a", "g722"]),
    "mulaw": ("wav", ["-c:a", "pcm_mulaw", "-ar", "8000"]),
}
"""Of each codec the ending of its files, and what ffmpeg is told."""


def encodes(name: str) -> bool:
    """Whether the ffmpeg that is installed has the encoder of a codec."""
    encoder = CODERS[name][1][1]
    said = subprocess.run(["ffmpeg", "-hide_banner", "-encoders"], text=True, capture_output=True, check=True)
    return f" {encoder} " in said.stdout


def through_ffmpeg(name: str, strength: float | None, clip: Wave) -> Wave:
    """The clip, float32 [t], after encoding and decoding, as long as it was.

    Args:
        strength: kbit/s; None for a codec that has no choice.
    """
    ending, options = CODERS[name]
    with tempfile.TemporaryDirectory() as folder:
        given, coded, back = (str(Path(folder, f)) for f in ("given.wav", f"coded.{ending}", "back.wav"))
        soundfile.write(given, clip, RATE, subtype="PCM_16")
        rate = [] if strength is None else ["-b:a", f"{round(1000 * strength)}"]
        for command in (["-i", given, *options, *rate, coded], ["-i", coded, "-ar", str(RATE), "-ac", "1", back]):
            subprocess.run(["ffmpeg", "-y", "-loglevel", "error", *command], check=True)
        came = soundfile.read(back, dtype="float32")[0]
    return np.asarray(np.pad(came, (0, max(len(clip) - len(came), 0)))[: len(clip)])


def attacked(attack: Attack, strength: float | None, clip: Wave, seed: int) -> Wave:
    """One clip after one attack: codecs by ffmpeg, everything else as a batch of one."""
    if attack.name in CODERS:
        return through_ffmpeg(attack.name, strength, clip)
    given = Given(torch.from_numpy(clip)[None], RATE, [seed])
    return np.asarray(attack.apply(given, 0.0 if strength is None else strength)[0].numpy())


class PerthPackage:
    """Perth as its package has it: one clip a call."""

    def __init__(self) -> None:
        _stand_in_for_torchaudio()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pkg_resources, which the package imports, says that it is to go
            from perth.perth_net.perth_net_implicit.perth_watermarker import PerthImplicitWatermarker
        self._perth: Any = PerthImplicitWatermarker()

    def mark(self, clip: Wave) -> Wave:
        marked = np.asarray(self._perth.apply_watermark(clip, sample_rate=RATE), dtype=np.float32)
        return np.asarray(np.pad(marked, (0, max(len(clip) - len(marked), 0)))[: len(clip)].clip(-1, 1))

    def detect(self, clip: Wave) -> float:
        return float(np.mean(self._perth.get_watermark(clip, RATE, round=False)))


def _stand_in_for_torchaudio() -> None:
    """Puts in place what Perth takes from torchaudio where that cannot be imported: two transforms over torch's own."""
    try:
        import torchaudio.transforms  # noqa: F401
    except (ImportError, OSError):
        transforms = types.ModuleType("torchaudio.transforms")
        for kind in (Spectrogram, InverseSpectrogram, TimeStretch):
            setattr(transforms, kind.__name__, kind)
        package: Any = types.ModuleType("torchaudio")
        package.transforms = transforms
        for module in (package, transforms):
            module.__spec__ = importlib.util.spec_from_loader(module.__name__, None)
            sys.modules[module.__name__] = module


class Spectrogram(torch.nn.Module):
    """A complex spectrogram."""

    def __init__(self, n_fft: int, win_length: int, hop_length: int, window_fn: Callable[[int], Any], **_: Any) -> None:
        super().__init__()
        self.sizes = (n_fft, hop_length, win_length)
        self.register_buffer("window", window_fn(win_length))

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return torch.stft(audio, *self.sizes, self.window, center=True, pad_mode="reflect", return_complex=True)


class InverseSpectrogram(Spectrogram):
    """The inverse of `Spectrogram`."""

    def forward(self, spectrum: torch.Tensor) -> torch.Tensor:
        return torch.istft(spectrum, *self.sizes, self.window, center=True)


class TimeStretch(torch.nn.Module):
    """Never called by the package; it has a tensor in the file of weights."""

    def __init__(self, n_freq: int, hop_length: int) -> None:
        super().__init__()
        self.register_buffer("phase_advance", torch.zeros(n_freq, 1))
