"""Real codecs inside training: the audio goes through the encoder, the gradient passes it by."""

from __future__ import annotations

import io

import numpy as np
import soundfile
import torch
from torch import Tensor
from warp import resample

SPEECH_RATE = 16000

FORMATS = {  # container and subtype of libsndfile, samples per second
    "mp3": ("MP3", "MPEG_LAYER_III", 16000),
    "opus": ("OGG", "OPUS", 16000),
    "vorbis": ("OGG", "VORBIS", 16000),
    "gsm": ("WAV", "GSM610", 8000),
}


def code(wave: Tensor, codec: str, compression: float) -> Tensor:
    """The wave after encoding and decoding; backwards, the identity: shape [n, 1, t] as the wave, on its device.

    The rows are encoded as one stream, so that a batch costs one start of the encoder.

    Args:
        wave: 16 kHz in [-1, 1], shape [n, 1, t].
        codec: "mp3", "opus", "vorbis" or "gsm" (8 kHz).
        compression: 0 (largest file) to 1 (smallest), libsndfile's scale; GSM has only one rate.
    """
    count, _, length = wave.shape
    container, subtype, rate = FORMATS[codec]
    stream = wave.detach().reshape(1, 1, -1)  # [1, 1, n * t]
    samples = count * length * rate // SPEECH_RATE
    plain = resample(stream, samples)[0, 0].clamp(-1, 1).cpu().numpy()
    stored = io.BytesIO()
    level = {} if subtype == "GSM610" else {"compression_level": compression}
    soundfile.write(stored, plain, rate, subtype, format=container, **level)
    stored.seek(0)
    heard = np.zeros(samples, np.float32)
    decoded = soundfile.read(stored, dtype="float32")[0][:samples]
    heard[: len(decoded)] = decoded
    coded = resample(torch.from_numpy(heard).to(wave)[None, None], count * length).reshape(count, 1, length)
    return wave + (coded - wave).detach()
