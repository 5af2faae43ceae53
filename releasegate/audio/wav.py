"""Plain WAV files: what programs in any language can write, read strictly and without a package."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from releasegate.errors import UsageError

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID = bytes.fromhex("000000001000800000aa00389b71")
"""What follows the number of the format in an extensible one."""
_FIX = "write a WAV file of 16, 24 or 32 bits a sample, or of floats, with a RIFF header"


class Wav(NamedTuple):
    """What a WAV file holds.

    Attributes:
        audio: float32 [channels, t]; of whole numbers within [-1, 1], of floats whatever they are.
        rate: samples a second.
    """

    audio: Tensor
    rate: int


def parse_wav(content: bytes, source: str) -> Wav:
    """The samples of a WAV file (Microsoft, "Multimedia Programming Interface and Data Specifications 1.0", 1991).

    Args:
        content: the file.
        source: how messages name it.

    Raises:
        UsageError: it is no WAV file, is cut off, or is of a format that is not read: compressed, or of 8 bits.

    >>> parse_wav(encode_pcm16(torch.tensor([0.0, 0.5, -1.0]), 16000), "a.wav")
    Wav(audio=tensor([[ 0.0000,  0.5000, -1.0000]]), rate=16000)
    """
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise UsageError(source, "is no WAV file", _FIX)
    form: tuple[int, int, int, int] | None = None  # format, channels, rate, bits
    for name, body in _chunks(content, source):
        if name == b"fmt ":
            form = _form(body, source)
        elif name == b"data":
            if form is None:
                raise UsageError(source, "is a WAV file whose samples stand before their format", _FIX)
            return _samples(body, form, source)
    raise UsageError(source, "is a WAV file without samples", _FIX)


def _chunks(content: bytes, source: str) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(content):
        name, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        if at + 8 + size > len(content):
            raise UsageError(source, "is a WAV file that is cut off", "close the file before the program ends")
        yield name, content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _form(body: bytes, source: str) -> tuple[int, int, int, int]:
    if len(body) < 16:
        raise UsageError(source, "is a WAV file with a malformed format", _FIX)
    kind, channels, rate, _, block, bits = struct.unpack("<HHIIHH", body[:16])
    if kind == _EXTENSIBLE and len(body) >= 40 and body[26:40] == _GUID:
        kind = int.from_bytes(body[24:26], "little")
    if (kind, bits) not in {(_PCM, 16), (_PCM, 24), (_PCM, 32), (_FLOAT, 32), (_FLOAT, 64)}:
        raise UsageError(source, f"is a WAV file of format {kind} with {bits} bits a sample, which is not read", _FIX)
    if not channels or not rate or block != channels * bits // 8:
        raise UsageError(source, "is a WAV file with a malformed format", _FIX)
    return kind, channels, rate, bits


def _samples(body: bytes, form: tuple[int, int, int, int], source: str) -> Wav:
    kind, channels, rate, bits = form
    if len(body) % (channels * bits // 8):
        raise UsageError(source, "is a WAV file that ends within a sample", _FIX)
    if kind == _FLOAT:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as such
            flat = np.frombuffer(body, f"<f{bits // 8}").astype(np.float32)
    elif bits == 24:
        wide = np.zeros((len(body) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
        flat = (wide.view("<i4")[:, 0] / 2.0**31).astype(np.float32)
    else:
        flat = (np.frombuffer(body, f"<i{bits // 8}") / 2.0 ** (bits - 1)).astype(np.float32)
    return Wav(torch.from_numpy(flat.reshape(-1, channels).T.copy()), rate)


def encode_pcm16(audio: Tensor, rate: int) -> bytes:
    """A WAV file of 16 bits a sample, which every program reads; the same bytes for the same samples.

    Args:
        audio: float32 [t] in [-1, 1]; what lies outside is cut off.
        rate: samples a second.
    """
    scaled = (audio.detach().to("cpu", torch.float64) * 32768).round().clamp(-32768, 32767)
    data = scaled.to(torch.int16).numpy().astype("<i2").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, _PCM, 1, rate, 2 * rate, 2, 16, b"data", len(data))  # fmt: skip # noqa: E501
    return head + data
