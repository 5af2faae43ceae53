"""Draws crops of speech to train on: every voice in turn, at levels, speeds and places that a seed fixes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from speech import Wave
from torch import Tensor
from warp import resample

QUIETEST_RMS = 0.004  # a crop below it is drawn again: a pause teaches nothing


class Crops:
    """Crops of several voices; a voice is drawn by the root of how long it is."""

    def __init__(self, voices: Mapping[str, Wave], seed: int) -> None:
        self._waves = list(voices.values())
        self._random = np.random.default_rng(seed)
        share = np.sqrt([len(wave) for wave in self._waves])
        self._share = share / share.sum()

    def draw(self, count: int, length: int) -> Tensor:
        """A batch of crops, float32, shape [count, 1, length], within [-1, 1].

        Half of the batches are sped up or slowed down by up to 18 %, which makes other voices of those at hand. Seven
        crops in ten are set to an rms of .01 to .25; the others stay as recorded.
        """
        factor = float(np.exp(self._random.uniform(-1, 1) * np.log(1.18))) if self._random.random() < 0.5 else 1.0
        rows = np.stack([self._crop(round(length * factor)) for _ in range(count)])  # [count, length * factor]
        return resample(torch.from_numpy(rows)[:, None], length).clamp(-1, 1)

    def _crop(self, length: int) -> Wave:
        while True:
            wave = self._waves[self._random.choice(len(self._waves), p=self._share)]
            start = int(self._random.integers(0, len(wave) - length))
            crop = wave[start : start + length]
            rms = float(crop.std())
            if rms < QUIETEST_RMS:
                continue
            if self._random.random() < 0.7:
                level = float(np.exp(self._random.uniform(np.log(0.01), np.log(0.25)))) / rms
                crop = crop * min(level, 1 / float(np.abs(crop).max()))
            return crop.astype(np.float32)
