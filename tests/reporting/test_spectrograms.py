"""The spectrogram below a timeline: what is drawn of a recording, and where none is."""

from __future__ import annotations

import base64
import io
import struct
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from releasegate.records import digest_of_bytes
from releasegate.reporting.outputs.spectrograms import COLUMNS, ROWS, Recording, recording, spectrogram
from releasegate.reporting.views.figures import Timeline, Track
from tests.reporting.audio_run import FIGURES, Shape, audio_run
from tests.reporting.test_figures import figure, rendered, viewed

pytest.importorskip("soundfile")
RATE = 16_000
TIMELINE = [one for one in FIGURES if one["kind"] == "timeline"]


def sweep(seconds: float) -> NDArray[np.float32]:
    """Half a second of a low tone, then a high one."""
    at = np.arange(int(seconds * RATE)) / RATE
    return np.where(at < seconds / 2, np.sin(2 * np.pi * 200 * at), np.sin(2 * np.pi * 5_000 * at)).astype(np.float32)


def wav(samples: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples * 32_000).astype("<i2").tobytes())
    return buffer.getvalue()


def opacity(uri: str) -> NDArray[np.uint8]:
    """uint8 [rows, columns]: of the picture in a `data:` URI."""
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
        return np.asarray(image.convert("RGBA"))[:, :, 3]


def stored(folder: Path, data: bytes) -> str:
    name = digest_of_bytes(data).removeprefix("sha256:") + ".wav"
    (folder / name).write_bytes(data)
    return name


def track_of(folder: Path, spliced: bytes | None) -> Track:
    shape = Shape(figures=TIMELINE)
    if spliced is not None:
        shape = replace(shape, spliced=(spliced, "wav"))
    (first, *_) = figure(viewed(audio_run(folder, shape)), Timeline).clips
    assert first.track is not None
    return first.track


def test_a_tone_is_dark_where_and_when_it_sounds() -> None:
    found = spectrogram(Recording(sweep(2.0), RATE))
    assert found is not None
    shown = opacity(found.uri)
    assert shown.shape == (ROWS, COLUMNS)
    before, after = shown[:, 5 : COLUMNS // 2 - 5].mean(axis=1), shown[:, COLUMNS // 2 + 5 : -5].mean(axis=1)
    at = np.geomspace(found.low, found.high, ROWS + 1)[::-1]
    assert at[before.argmax() + 1] <= 250
    assert at[before.argmax()] >= 180
    assert at[after.argmax() + 1] <= 5_100
    assert at[after.argmax()] >= 4_900


def test_silence_and_what_is_no_sound_have_no_spectrogram(tmp_path: Path) -> None:
    assert spectrogram(Recording(np.zeros(RATE, dtype=np.float32), RATE)) is None
    assert recording(tmp_path, stored(tmp_path, b"RIFF no sound")) is None
    assert recording(tmp_path, "0" * 64 + ".wav") is None


def test_one_sample_is_enough_and_breaks_nothing() -> None:
    found = spectrogram(Recording(np.ones(1, dtype=np.float32), RATE))
    assert found is None or opacity(found.uri).shape == (ROWS, COLUMNS)


def test_a_file_that_was_changed_on_disk_is_not_read(tmp_path: Path) -> None:
    name = stored(tmp_path, wav(sweep(1.0)))
    assert recording(tmp_path, name) is not None
    (tmp_path / name).write_bytes(wav(sweep(1.1)))
    assert recording(tmp_path, name) is None


def test_the_spectrogram_stands_below_the_score_of_its_recording(tmp_path: Path) -> None:
    track = track_of(tmp_path / "run", wav(sweep(4.0)))
    assert track.spectrogram.startswith("data:image/png;base64,")
    assert len(track.spectrogram) < 12_000
    assert track.hertz == (60.0, 8_000.0)
    assert track.description.endswith("Below it the spectrogram of the recording.")


def test_a_recording_of_another_length_is_not_laid_below_a_score(tmp_path: Path) -> None:
    assert track_of(tmp_path / "run", wav(sweep(3.0))).spectrogram == ""


def test_the_page_holds_the_picture_and_nothing_else_of_an_image(tmp_path: Path) -> None:
    shape = Shape(figures=TIMELINE, spliced=(wav(sweep(4.0)), "wav"))
    page = rendered(audio_run(tmp_path / "run", shape))
    assert page.count("<image ") == page.count('href="data:image/png;base64,') > 0


@pytest.mark.parametrize("rate", [768_001, 2**31 - 1])
def test_a_small_file_that_claims_a_huge_rate_takes_no_memory(tmp_path: Path, rate: int) -> None:
    data = bytearray(wav(sweep(0.1)))
    data[24:28] = struct.pack("<I", rate)
    assert recording(tmp_path, stored(tmp_path, bytes(data))) is None
