"""Random numbers of reinitialised rows: the documented ones, wherever one begins to read."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasegate.stripping.writing.noise import DTYPES, numbers, seed_for

SEED = "sha256:" + "0123456789abcdef" * 4
WIDTH = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1}
MASK = 2**64 - 1


def philox(key: int, block: int) -> list[int]:
    """Philox 4x64 with 10 rounds, as its authors publish it; numpy counts up before it draws."""
    counter = [(block + 1) >> (64 * lane) & MASK for lane in range(4)]
    low, high = key & MASK, key >> 64
    for _ in range(10):
        one, other = 0xD2E7470EE14C6C93 * counter[0], 0xCA5A826395121157 * counter[2]
        counter = [(other >> 64) ^ counter[1] ^ low, other & MASK, (one >> 64) ^ counter[3] ^ high, one & MASK]
        low, high = (low + 0x9E3779B97F4A7C15) & MASK, (high + 0xBB67AE8584CAA73B) & MASK
    return counter


def test_the_numbers_are_those_that_the_documentation_describes() -> None:
    raw = [number for block in range(5) for number in philox(0x0123456789ABCDEF0123456789ABCDEF, block)]
    expected = [(2 * (number >> 11) + 1 - 2**53) * (math.sqrt(3) * 0.02 * 2.0**-53) for number in raw]
    assert numbers(SEED, 0, 20, 0.02, "F64").view("<f8").tolist() == expected


@settings(deadline=None)
@given(st.integers(0, 2**40), st.integers(1, 40), st.integers(0, 30), st.sampled_from(DTYPES))
def test_each_number_is_addressed_by_its_place(first: int, count: int, skip: int, dtype: str) -> None:
    whole = numbers(SEED, first, skip + count, 0.5, dtype)
    assert numbers(SEED, first + skip, count, 0.5, dtype).tobytes() == whole[skip * WIDTH[dtype] :].tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_numbers_have_the_standard_deviation_and_are_rounded_to_the_nearest(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    kinds = {
        "F64": torch.float64,
        "F32": torch.float32,
        "F16": torch.float16,
        "BF16": torch.bfloat16,
        "F8_E4M3": torch.float8_e4m3fn,
        "F8_E5M2": torch.float8_e5m2,
    }
    exact = torch.from_numpy(numbers(SEED, 7, 20000, 0.02, "F64").view("<f8").copy())
    rounded = torch.from_numpy(numbers(SEED, 7, 20000, 0.02, dtype).copy()).view(kinds[dtype])
    assert abs(exact.std().item() / 0.02 - 1) < 0.01
    assert abs(exact.mean().item()) < 0.001
    assert exact.abs().max().item() <= 0.02 * math.sqrt(3)
    assert torch.equal(rounded.double(), exact.float().to(kinds[dtype]).double() if dtype != "F64" else exact)


def test_large_numbers_stay_finite_in_small_formats() -> None:
    for dtype in ("F8_E4M3", "F8_E5M2"):
        codes = numbers(SEED, 0, 4000, 100.0, dtype)
        assert len(np.unique(codes)) > 50


def test_a_seed_depends_on_recipes_name_dtype_and_shape_and_not_on_the_order_of_recipes() -> None:
    a, b = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    seeds = {
        seed_for([a, b], "x", "F32", (2, 3)),
        seed_for([b, a], "x", "F32", (2, 3)),
        seed_for([a], "x", "F32", (2, 3)),
        seed_for([a, b], "y", "F32", (2, 3)),
        seed_for([a, b], "x", "F16", (2, 3)),
        seed_for([a, b], "x", "F32", (3, 2)),
    }
    assert len(seeds) == 5
