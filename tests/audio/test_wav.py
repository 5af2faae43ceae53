"""Plain WAV files are read as they were written, and refused when they are not whole."""

from __future__ import annotations

import struct
from io import BytesIO

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import wavfile

from releasegate.audio.wav import encode_pcm16, parse_wav
from releasegate.errors import UsageError

SAMPLES = np.array([[0.0, 0.25], [-1.0, 0.5], [0.75, -0.125]])


@pytest.mark.parametrize(("dtype", "scale"), [(np.int16, 2**15), (np.int32, 2**31), (np.float32, 1), (np.float64, 1)])
def test_what_another_library_writes_is_read_to_the_bit(dtype: type, scale: int) -> None:
    made = BytesIO()
    wavfile.write(made, 22050, (SAMPLES * scale).astype(dtype))
    found = parse_wav(made.getvalue(), "a.wav")
    assert found.rate == 22050
    assert found.audio.tolist() == SAMPLES.T.tolist()


def test_24_bits_and_an_extensible_format_are_read() -> None:
    data = b"".join(int(value * 2**23).to_bytes(3, "little", signed=True) for value in (0.5, -1.0))
    guid = bytes.fromhex("0100000000001000800000aa00389b71")
    form = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 8000, 24000, 3, 24, 22, 24, 4) + guid
    chunks = (
        b"fmt " + struct.pack("<I", len(form)) + form + b"junk\x01\0\0\0!\0" + b"data" + struct.pack("<I", 6) + data
    )
    whole = b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks
    assert parse_wav(whole, "a.wav").audio.tolist() == [[0.5, -1.0]]


def test_what_is_written_is_read_by_another_library() -> None:
    rate, samples = wavfile.read(BytesIO(encode_pcm16(torch.tensor([0.5, -1.0, 1.0, 2.0]), 16000)))
    assert rate == 16000
    assert samples.tolist() == [16384, -32768, 32767, 32767]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda c: c[:-2], "is a WAV file that is cut off"),
        (lambda c: b"", "is no WAV file"),
        (lambda c: b"OggS" + c[4:], "is no WAV file"),
        (lambda c: c[:12], "is a WAV file without samples"),
        (lambda c: c[:12] + c[36:], "is a WAV file whose samples stand before their format"),
        (lambda c: c[:20] + b"\x06" + c[21:], "is a WAV file of format 6 with 16 bits a sample, which is not read"),
        (lambda c: c[:34] + b"\x08" + c[35:], "is a WAV file of format 1 with 8 bits a sample, which is not read"),
        (lambda c: c[:22] + b"\0" + c[23:], "is a WAV file with a malformed format"),
        (lambda c: c[:24] + b"\0\0\0\0" + c[28:], "is a WAV file with a malformed format"),
        (lambda c: c[:40] + b"\x05" + c[41:], "is a WAV file that ends within a sample"),
    ],
)
def test_a_file_that_is_none_says_why(change: object, what: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_wav(change(encode_pcm16(torch.zeros(3), 8000)), "a.wav")  # type: ignore[operator]
    assert raised.value.problems[0].what == what


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_bytes_are_read_or_refused(junk: bytes, at: int) -> None:
    content = bytearray(encode_pcm16(torch.linspace(-1, 1, 16), 8000))
    content[at : at + len(junk)] = junk
    try:
        found = parse_wav(bytes(content), "a.wav")
    except UsageError:
        return
    assert found.audio.ndim == 2
    assert found.rate > 0
