"""A convolution along time, done block by block in the frequency domain: the same numbers for a quarter of the products.

A kernel of k frames takes k products a pair of channels and frame. A block of N frames that is Fourier transformed takes
one complex product a frequency, for N - k + 1 frames: with N = 24 and k = 7 that is 35 real products for 18 frames. All
steps are matrix products, so gradients flow, and the device does not matter.

A complex product (a + ib)(c + id) is done with three real ones (Gauss): p = c (a + b), q = a (d - c), r = b (c + d), of
which p - r is the real part and p + q the imaginary one. These sums are part of the transforms, so that every product of the
whole convolution is a real one, at one of 3 N / 2 - 1 points.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

BLOCK = 24
"""N. Larger blocks take fewer products, and more memory for the transformed kernels; 18 frames fit clips of 3 s well."""


class Transforms(NamedTuple):
    """Matrices of float64: into the points, and out of them.

    Attributes:
        signal: [points, N], for a block of a signal.
        kernel: [points, k], for a kernel.
        inverse: [N - k + 1, points], for the products of the two.
    """

    signal: NDArray[np.float64]
    kernel: NDArray[np.float64]
    inverse: NDArray[np.float64]


@lru_cache(maxsize=8)
def transforms(block: int, kernel: int) -> Transforms:
    """The transforms for an even `block` and a kernel of `kernel` frames, which is not turned round (torch's convention)."""
    frames, taps, kept = np.arange(block), np.arange(kernel), np.arange(block - kernel + 1)
    signal = [np.ones(block), (-1.0) ** frames]  # at frequencies 0 and N / 2, which are real
    weights = [np.ones(kernel), (-1.0) ** taps]
    inverse = [np.ones(len(kept)) / block, (-1.0) ** kept / block]
    for frequency in range(1, block // 2):
        turn = 2 * np.pi * frequency / block
        a, b = np.cos(turn * frames), -np.sin(turn * frames)
        c, d = np.cos(turn * taps), np.sin(turn * taps)
        real, imaginary = (
            2 * np.cos(turn * kept) / block,
            -2 * np.sin(turn * kept) / block,
        )  # with the mirrored frequency
        signal += [a + b, a, b]
        weights += [c, d - c, c + d]
        inverse += [real + imaginary, imaginary, -real]
    return Transforms(np.stack(signal), np.stack(weights), np.stack(inverse, axis=1))


def transformed(weight: Tensor, block: int = BLOCK) -> Tensor:
    """[points, channels_in, channels_out], the kernels [channels_out, channels_in, k] at the points, in their dtype."""
    matrix = torch.from_numpy(transforms(block, weight.shape[2]).kernel).to(weight.device)
    return torch.einsum("pk,oik->pio", matrix, weight.double()).to(weight.dtype).contiguous()


def convolve(hidden: Tensor, points: Tensor, bias: Tensor, kernel: int, block: int = BLOCK) -> Tensor:
    """[n, frames, channels_out], what `conv1d` with `padding=kernel // 2` gives, with channels last; not contiguous.

    Args:
        hidden: [n, frames, channels_in].
        points: what `transformed` gives for the kernels, with the same `block`.
        bias: [channels_out].
        kernel: frames of the kernels, an odd number.
        block: frames of a block.
    """
    n, frames, channels = hidden.shape
    of, fresh = transforms(block, kernel), block - kernel + 1
    into = torch.from_numpy(of.signal).to(hidden.device, hidden.dtype)
    out_of = torch.from_numpy(of.inverse).to(hidden.device, hidden.dtype)
    blocks = -(-frames // fresh)
    before = kernel // 2
    padded = functional.pad(hidden, (0, 0, before, blocks * fresh - frames + kernel - 1 - before))
    cut = padded.unfold(1, block, fresh).transpose(2, 3).reshape(n * blocks, block, channels)
    at = into.expand(n * blocks, -1, -1).bmm(cut)  # [n * blocks, points, channels_in]
    products = at.transpose(0, 1).bmm(points).transpose(0, 1)  # [n * blocks, points, channels_out]
    products[:, 0] += bias * block  # at frequency 0 a constant is a number: cheaper than adding it to every frame
    out = out_of.expand(n * blocks, -1, -1).bmm(products)  # [n * blocks, fresh, channels_out]
    return out.reshape(n, blocks * fresh, -1)[:, :frames]
