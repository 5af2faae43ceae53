"""Sound files: bytes to samples, and samples to bytes."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch
from scipy.io import wavfile
from torch import Tensor

from releasegate.errors import NotFound, UsageError

LOUDEST = 4.0
"""Beyond this, samples are not on a scale of [-1, 1] at all; decoders of lossy codecs overshoot by far less."""


class Sound(NamedTuple):
    """What a sound file holds.

    Attributes:
        audio: float32 [t] in [-1, 1], the mean of the channels.
        rate: samples a second.
        channels: how many there were.
    """

    audio: Tensor
    rate: int
    channels: int


def read_audio(path: Path) -> tuple[Tensor, int]:
    """The samples of a sound file, float32 [t] in [-1, 1], the mean of its channels; and how many there are a second.

    Raises:
        NotFound: there is no such file, or no package to read it with.
        UsageError: it holds no sound that can be read.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise NotFound(str(path), "no such file", "name a WAV, FLAC, Ogg or MP3 file") from None
    sound = decode_audio(content, str(path))
    return sound.audio, sound.rate


def decode_audio(content: bytes, source: str) -> Sound:
    """The sound in the bytes of a WAV, FLAC, Ogg or MP3 file. What a lossy codec overshoots is cut off at full scale.

    Args:
        content: the file.
        source: how messages name it.

    Raises:
        NotFound: the package that reads sound files is not installed.
        UsageError: they hold no sound that can be read, none at all, or samples that are no numbers in [-1, 1].
    """
    soundfile = _soundfile()
    try:
        samples, rate = soundfile.read(BytesIO(content), dtype="float32", always_2d=True)  # [t, channels]
    except soundfile.LibsndfileError as error:
        what = f"is no sound that can be read: {str(error.error_string).rstrip('.')}"
        raise UsageError(source, what, "give a WAV, FLAC, Ogg or MP3 file") from None
    if not len(samples):
        raise UsageError(source, "holds no sound: it has no samples", "give a file with some")
    if not np.isfinite(samples).all():
        raise UsageError(source, "holds samples that are no finite numbers", "write the file again")
    loudest = float(np.abs(samples).max())
    if loudest > LOUDEST:
        raise UsageError(source, f"has samples up to {loudest:g}, where full scale is 1", "divide them by full scale")
    audio = torch.from_numpy(samples.mean(axis=1)).clamp(-1, 1)  # [t]
    return Sound(audio, int(rate), samples.shape[1])


def encode_wav(audio: Tensor, rate: int) -> bytes:
    """A WAV file of 32-bit floats, which loses nothing; the same bytes for the same samples.

    Args:
        audio: float32 [t] in [-1, 1].
        rate: samples a second.
    """
    made = BytesIO()
    wavfile.write(made, rate, _samples(audio))
    return made.getvalue()


def encode_flac(audio: Tensor, rate: int) -> bytes:
    """A FLAC file of 16 bits a sample, for listening; the same bytes for the same samples.

    Args:
        audio: float32 [t] in [-1, 1].
        rate: samples a second; at most 655,350, the format's limit.

    Raises:
        NotFound: the package that writes it is not installed.
    """
    made = BytesIO()
    _soundfile().write(made, _samples(audio), rate, format="FLAC", subtype="PCM_16")
    return made.getvalue()


def _samples(audio: Tensor) -> np.ndarray:
    """float32 [t], on the CPU."""
    if audio.ndim != 1:
        raise ValueError(f"one channel of shape [t] is wanted; got {tuple(audio.shape)}")
    found: np.ndarray = audio.detach().to("cpu", torch.float32).numpy()
    return found


def _soundfile() -> ModuleType:
    try:
        import soundfile
    except ModuleNotFoundError as error:
        what = f"{error.name} is not installed, and sound files are read with it"
        raise NotFound("package soundfile", what, "pip install 'releasegate[audio]'") from None
    except OSError as error:  # its library of C code is not there
        what = f"does not load: {error}"
        raise NotFound("package soundfile", what, "install libsndfile, or another build of the package") from None
    found: ModuleType = soundfile
    return found
