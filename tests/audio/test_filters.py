import cmath
from math import pi

import numpy as np
import pytest
import torch

from releasegate.audio.filters import convolve, filter_by_gain, highpass_gain, lowpass_gain


def test_each_bin_is_multiplied_by_its_gain_as_a_plain_transform_would():
    audio = np.random.default_rng(0).standard_normal(60)
    out = filter_by_gain(torch.from_numpy(audio)[None], 60, lambda f: lowpass_gain(f, 9.0), ring=0.5)[0]
    padded = [*audio.tolist(), *[0.0] * 36]  # 96 is the next length after 60 + 30 + 1 that transforms fast
    size = len(padded)
    turns = [cmath.exp(-2j * pi * k / size) for k in range(size)]
    spectrum = [sum(x * turns[k * i % size] for i, x in enumerate(padded)) for k in range(size)]
    gains = [1 / (1 + (min(k, size - k) * 60 / size / 9.0) ** 8) ** 0.5 for k in range(size)]
    expected = [
        sum(s * g * turns[-k * i % size] for k, (s, g) in enumerate(zip(spectrum, gains, strict=True))) / size
        for i in range(60)
    ]
    assert out.tolist() == pytest.approx([value.real for value in expected], abs=1e-10)


def test_each_clip_may_have_gains_of_its_own():
    audio = torch.randn(2, 800, generator=torch.Generator().manual_seed(0))
    own = filter_by_gain(audio, 8000, lambda f: np.stack([lowpass_gain(f, 500), highpass_gain(f, 500)]), 0.02)
    assert own[0] == pytest.approx(filter_by_gain(audio, 8000, lambda f: lowpass_gain(f, 500), 0.02)[0], abs=1e-6)
    assert own[1] == pytest.approx(filter_by_gain(audio, 8000, lambda f: highpass_gain(f, 500), 0.02)[1], abs=1e-6)


def test_convolution_is_the_sum_over_taps_for_each_row_of_its_own():
    generator = np.random.default_rng(1)
    audio, responses = generator.standard_normal((3, 50)), generator.standard_normal((3, 80))
    out = convolve(torch.from_numpy(audio), torch.from_numpy(responses))
    for row, clip, response in zip(out, audio, responses, strict=True):
        assert row.numpy() == pytest.approx(np.convolve(clip, response)[:50], abs=1e-12)


def test_gradients_flow_to_the_audio():
    audio = torch.randn(1, 100, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: filter_by_gain(x, 100, lambda f: highpass_gain(f, 20), 0.3), audio)
    assert torch.autograd.gradcheck(lambda x: convolve(x, torch.ones(1, 5, dtype=torch.float64)), audio)
