"""Sound files: samples come back as they were, and what is no sound is refused with its remedy."""

from __future__ import annotations

import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from releasegate.audio.files import decode_audio, encode_flac, encode_wav, read_audio
from releasegate.errors import NotFound, ReleaseGateError, UsageError
from tests.voices import voice

soundfile = pytest.importorskip("soundfile")


def refused(content: bytes) -> str:
    with pytest.raises(UsageError) as caught:
        decode_audio(content, "x.wav")
    (problem,) = caught.value.problems
    assert problem.where == "x.wav"
    assert problem.fix
    return problem.what


def test_a_wav_of_floats_gives_every_sample_back():
    audio = voice(0.3, 1, 22050)
    found = decode_audio(encode_wav(audio, 22050), "x.wav")
    assert torch.equal(found.audio, audio)
    assert (found.rate, found.channels) == (22050, 1)


def test_a_flac_gives_samples_back_to_half_a_step_of_16_bits():
    audio = torch.cat([voice(0.3, 1), torch.tensor([1.0, -1.0, 0.0])])
    found = decode_audio(encode_flac(audio, 16000), "x.flac")
    assert (found.audio - audio).abs().max() <= 1.01 / 32768
    assert found.rate == 16000


@pytest.mark.parametrize("encode", [encode_wav, encode_flac])
def test_the_same_samples_give_the_same_bytes(encode):
    assert encode(voice(0.1, 1), 16000) == encode(voice(0.1, 1), 16000)
    assert encode(voice(0.1, 1), 16000) != encode(voice(0.1, 2), 16000)


def test_a_batch_is_no_file():
    with pytest.raises(ValueError, match="one channel"):
        encode_wav(torch.zeros(2, 100), 16000)


@pytest.mark.parametrize(
    ("name", "correlation"), [("a.wav", 0.99999), ("a.flac", 0.99999), ("a.ogg", 0.9), ("a.mp3", 0.9)]
)
def test_the_usual_files_are_read(tmp_path: Path, name: str, correlation: float):
    audio = voice(1.0, 3)
    soundfile.write(tmp_path / name, audio.numpy(), 16000)
    found, rate = read_audio(tmp_path / name)
    assert rate == 16000
    assert found.dtype == torch.float32
    spectra = [torch.stft(one, 512, return_complex=True, window=torch.hann_window(512)).abs() for one in (found, audio)]
    frames = min(spectrum.shape[1] for spectrum in spectra)
    both = torch.stack([spectrum[:, :frames].flatten() for spectrum in spectra])
    assert float(torch.corrcoef(both)[0, 1]) > correlation


def test_channels_are_mixed_to_their_mean(tmp_path: Path):
    left, right = voice(0.1, 1), voice(0.1, 2)
    wavfile.write(tmp_path / "a.wav", 8000, torch.stack([left, right], 1).numpy())
    found = decode_audio((tmp_path / "a.wav").read_bytes(), "a.wav")
    torch.testing.assert_close(found.audio, (left + right) / 2)
    assert found.channels == 2


def test_whole_numbers_are_scaled_by_full_scale(tmp_path: Path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(np.array([0, 16384, -32768, 32767], dtype="<i2").tobytes())
    assert read_audio(tmp_path / "a.wav")[0].tolist() == pytest.approx([0, 0.5, -1, 32767 / 32768])


def test_what_lies_a_little_beyond_full_scale_is_cut_off():
    loud = np.array([0.5, 1.2, -1.3], dtype=np.float32)
    assert decode_audio(_wav(loud), "x").audio.tolist() == pytest.approx([0.5, 1.0, -1.0])


def _wav(samples: np.ndarray) -> bytes:
    return encode_wav(torch.from_numpy(samples), 16000)


def test_what_is_no_sound_is_refused():
    assert refused(b"not a sound").startswith("is no sound that can be read: ")
    assert refused(b"").startswith("is no sound that can be read: ")
    assert refused(_wav(np.zeros(0, dtype=np.float32))) == "holds no sound: it has no samples"
    assert refused(_wav(np.array([0, np.nan], dtype=np.float32))) == "holds samples that are no finite numbers"
    assert refused(_wav(np.array([0, np.inf], dtype=np.float32))) == "holds samples that are no finite numbers"
    assert refused(_wav(np.array([0, 32767.0], dtype=np.float32))) == "has samples up to 32767, where full scale is 1"


def test_a_file_that_is_not_there_is_told(tmp_path: Path):
    for path in (tmp_path / "no.wav", tmp_path):
        with pytest.raises(NotFound, match="no such file"):
            read_audio(path)


def test_without_the_package_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch):
    content = encode_wav(torch.zeros(10), 16000)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ReleaseGateError) as caught:
        decode_audio(content, "x.wav")
    assert caught.value.problems[0].where == "package soundfile"
    assert caught.value.problems[0].fix == "pip install 'releasegate[audio]'"
