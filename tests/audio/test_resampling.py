from math import gcd

import numpy as np
import pytest
import torch
from scipy.signal import resample_poly

from releasegate.audio.resampling import resample


@pytest.mark.parametrize(
    ("rate", "to"),
    [(16000, 8000), (8000, 16000), (16000, 32000), (44100, 16000), (10, 11), (5, 4), (7, 3), (16000, 16000)],
)
def test_it_equals_scipys_polyphase_resampling(rate, to):
    audio = np.random.default_rng(0).standard_normal((3, 1601))
    common = gcd(rate, to)
    expected = resample_poly(audio, to // common, rate // common, axis=1)
    assert resample(torch.from_numpy(audio), rate, to).numpy() == pytest.approx(expected, abs=1e-6)


def test_a_clip_comes_out_the_same_in_any_batch():
    audio = torch.randn(4, 1000, generator=torch.Generator().manual_seed(0))
    # Which kernel convolves depends on the size of the batch and on the processor: the last bits may differ.
    torch.testing.assert_close(resample(audio, 3, 2)[2:3], resample(audio[2:3], 3, 2), atol=1e-6, rtol=0)


def test_gradients_flow_to_the_audio():
    audio = torch.zeros(1, 100, requires_grad=True)
    resample(audio, 2, 1).sum().backward()
    assert audio.grad is not None
    assert audio.grad.abs().sum() > 0


def test_a_ratio_of_large_numbers_is_refused():
    with pytest.raises(ValueError, match="no fraction of numbers up to 2000"):
        resample(torch.zeros(1, 10), 16000, 15999)
