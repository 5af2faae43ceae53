"""Edits of finished audio for measuring, written apart from the attacks of training: each takes a wave and gives one."""

from __future__ import annotations

import io
from collections.abc import Callable

import av
import librosa
import numpy as np
import soundfile
from scipy.ndimage import median_filter
from scipy.signal import butter, fftconvolve, resample_poly, sosfilt
from speech import RATE, Wave

Edit = Callable[[Wave, np.random.Generator], Wave]


def _filtered(wave: Wave, kind: str, hertz: float | list[float]) -> Wave:
    return sosfilt(butter(4, hertz, kind, fs=RATE, output="sos"), wave).astype(np.float32)


def _noisy(wave: Wave, noise: Wave, snr_db: float) -> Wave:
    return (wave + noise * wave.std() / noise.std() * 10 ** (-snr_db / 20)).astype(np.float32)


def _pink(length: int, random: np.random.Generator) -> Wave:
    spectrum = np.fft.rfft(random.standard_normal(length))
    return np.fft.irfft(spectrum / np.sqrt(np.maximum(1, np.arange(len(spectrum)))), n=length).astype(np.float32)


def _transcoded(wave: Wave, container: str, codec: str, bit_rate: int) -> Wave:
    """The wave after an encoder of ffmpeg's libraries and back, as long as before; AAC adds its delay of 64 ms."""
    stored = io.BytesIO()
    with av.open(stored, "w", format=container) as writer:
        stream = writer.add_stream(codec, rate=RATE, layout="mono")
        stream.bit_rate = bit_rate
        block = (wave.clip(-1, 1) * 32767).astype(np.int16)[None]  # [1, t]
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
        frame.sample_rate = RATE
        converter = av.AudioResampler(format=stream.format, layout="mono", rate=RATE, frame_size=stream.frame_size)
        for part in (*converter.resample(frame), *converter.resample(None)):
            writer.mux(stream.encode(part))
        writer.mux(stream.encode(None))
    stored.seek(0)
    with av.open(stored, format=container) as reader:
        back = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        parts = [part.to_ndarray()[0] for frame in reader.decode(audio=0) for part in back.resample(frame)]
        parts += [part.to_ndarray()[0] for part in back.resample(None)]
    heard = np.concatenate(parts)[: len(wave)]
    return np.pad(heard, (0, len(wave) - len(heard))).astype(np.float32)


def _over_gsm(wave: Wave) -> Wave:
    stored = io.BytesIO()
    soundfile.write(stored, resample_poly(wave, 1, 2), RATE // 2, "GSM610", format="WAV")
    stored.seek(0)
    return resample_poly(soundfile.read(stored, dtype="float32")[0], 2, 1)[: len(wave)].astype(np.float32)


def _sped(wave: Wave, factor: float) -> Wave:
    return librosa.resample(wave, orig_sr=RATE, target_sr=round(RATE / factor)).astype(np.float32)


def _echoed(wave: Wave) -> Wave:
    delayed = np.pad(wave, (RATE // 10, 0))[: len(wave)]
    return (wave + 0.5 * delayed).astype(np.float32)


def _in_a_room(wave: Wave, random: np.random.Generator) -> Wave:
    length = RATE // 2
    room = random.standard_normal(length) * 10 ** (-3 * np.arange(length) / (0.3 * RATE))
    room *= 0.5 / np.sqrt(np.sum(room**2))
    room[0] = 1.0
    return fftconvolve(wave, room)[: len(wave)].astype(np.float32)


EDITS: dict[str, Edit] = {
    "none": lambda x, r: x,
    "highpass_1500hz": lambda x, r: _filtered(x, "high", 1500),
    "lowpass_3000hz": lambda x, r: _filtered(x, "low", 3000),
    "telephone_band": lambda x, r: _filtered(x, "band", [300, 3400]),
    "white_noise_20db": lambda x, r: _noisy(x, r.standard_normal(len(x)).astype(np.float32), 20),
    "white_noise_10db": lambda x, r: _noisy(x, r.standard_normal(len(x)).astype(np.float32), 10),
    "pink_noise_10db": lambda x, r: _noisy(x, _pink(len(x), r), 10),
    "resample_8khz": lambda x, r: resample_poly(resample_poly(x, 1, 2), 2, 1).astype(np.float32),
    "requantise_8bit": lambda x, r: (np.round(x * 127) / 127).astype(np.float32),
    "mp3_32k": lambda x, r: _transcoded(x, "mp3", "libmp3lame", 32000),
    "aac_32k": lambda x, r: _transcoded(x, "adts", "aac", 32000),
    "opus_16k": lambda x, r: _transcoded(x, "ogg", "libopus", 16000),
    "gsm": lambda x, r: _over_gsm(x),
    "speed_0.9": lambda x, r: _sped(x, 0.9),
    "speed_1.1": lambda x, r: _sped(x, 1.1),
    "speed_1.25": lambda x, r: _sped(x, 1.25),
    "stretch_1.1": lambda x, r: librosa.effects.time_stretch(x, rate=1 / 1.1),
    "pitch_+1": lambda x, r: librosa.effects.pitch_shift(x, sr=RATE, n_steps=1),
    "pitch_-2": lambda x, r: librosa.effects.pitch_shift(x, sr=RATE, n_steps=-2),
    "polarity": lambda x, r: -x,
    "gain_0.1": lambda x, r: (0.1 * x).astype(np.float32),
    "echo": lambda x, r: _echoed(x),
    "reverb": _in_a_room,
    "median_3": lambda x, r: median_filter(x, 3),
    "smooth_5": lambda x, r: np.convolve(x, np.ones(5) / 5, "same").astype(np.float32),
    "clip_1.5rms": lambda x, r: x.clip(-1.5 * x.std(), 1.5 * x.std()),
    "crop_1s": lambda x, r: x[RATE + 77 : 2 * RATE + 77],
}
