import pytest
import torch
from torch.nn import functional

from releasegate.subjects.blockconvolution import BLOCK, convolve, transformed, transforms


@pytest.mark.parametrize("frames", [1, 3, 17, 18, 19, 301])
@pytest.mark.parametrize(("kernel", "block"), [(7, BLOCK), (3, 8), (1, 4), (7, 8)])
def test_it_equals_a_plain_convolution(frames, kernel, block):
    rng = torch.Generator().manual_seed(frames)
    hidden = torch.randn(2, frames, 5, generator=rng, dtype=torch.float64)
    weight = torch.randn(4, 5, kernel, generator=rng, dtype=torch.float64)
    bias = torch.randn(4, generator=rng, dtype=torch.float64)
    expected = functional.conv1d(hidden.transpose(1, 2), weight, bias, padding=kernel // 2).transpose(1, 2)
    assert torch.allclose(convolve(hidden, transformed(weight, block), bias, kernel, block), expected, atol=1e-12)


def test_single_precision_loses_no_more_than_its_last_bits():
    rng = torch.Generator().manual_seed(0)
    hidden, weight = torch.randn(1, 60, 64, generator=rng), torch.randn(64, 64, 7, generator=rng) / 448**0.5
    expected = functional.conv1d(hidden.double().transpose(1, 2), weight.double(), padding=3).transpose(1, 2)
    assert (convolve(hidden, transformed(weight), torch.zeros(64), 7) - expected).abs().max() < 1e-5


def test_it_takes_a_quarter_of_the_products():
    of = transforms(BLOCK, 7)
    points, fresh = of.inverse.shape[1], of.inverse.shape[0]
    assert (points, fresh) == (35, 18)


def test_gradients_flow_to_the_signal():
    rng = torch.Generator().manual_seed(1)
    hidden = torch.randn(2, 30, 3, generator=rng, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 3, 7, generator=rng, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: convolve(x, transformed(weight), torch.ones(2).double(), 7), hidden)
