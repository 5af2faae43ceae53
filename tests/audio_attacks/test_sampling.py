"""A lower rate takes the band above it, fewer bits leave fewer levels."""

from __future__ import annotations

import pytest
import torch

from releasegate.errors import UsageError
from tests.audio_attacks.signals import RATE, attacked, rms_decibels, tone
from tests.voices import voices


def gain_at(to: float, frequency: float) -> float:
    given = tone(frequency, 2.0)
    middle = slice(RATE // 2, -RATE // 2)
    return float(rms_decibels(attacked("resample", to, given)[:, middle]) - rms_decibels(given[:, middle]))


@pytest.mark.parametrize("to", [4000, 8000, 11025, 12000])
def test_a_lower_rate_and_back_keeps_what_lies_below_half_of_it_alone(to):
    assert gain_at(to, 0.42 * to) == pytest.approx(0, abs=0.1)
    assert gain_at(to, 0.465 * to) == pytest.approx(-3, abs=0.3)
    assert gain_at(to, 0.55 * to) < -20
    assert gain_at(to, 0.6 * to) < -50


@pytest.mark.parametrize("to", [32000, 44100])
def test_a_higher_rate_and_back_keeps_almost_all(to):
    given = voices(2, 1.0)
    out = attacked("resample", to, given)
    assert out.shape == given.shape
    assert (rms_decibels(out - given) < rms_decibels(given) - 25).all()
    assert abs(gain_at(to, 6500)) < 0.1


@pytest.mark.parametrize("samples", [1, 15999, 16000, 16001, 777])
def test_the_length_is_kept_at_any_rate(samples):
    given = voices(1, 1.1)[:, :samples]
    for to in (8000, 11025, 44100):
        assert attacked("resample", to, given).shape == given.shape


@pytest.mark.parametrize(("to", "rate"), [(15999, 16000), (8000.5, 16000), (8003, 44100)])
def test_rates_without_a_common_measure_are_refused(to, rate):
    with pytest.raises(UsageError) as refused:
        attacked("resample", to, torch.zeros(1, 100), rate)
    assert refused.value.problems[0].where == "attack resample"


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_as_many_levels_are_left_as_the_bits_can_count(bits):
    given = torch.cat([tone(97.3, 4.0), 0.01 * tone(97.3, 4.0)])
    out = attacked("requantise", bits, given)
    for row, before in zip(out, given, strict=True):
        levels = row.unique()
        assert len(levels) == 2**bits - 1
        assert 0 in levels
        assert levels.diff() == pytest.approx(float(before.abs().max()) / (2 ** (bits - 1) - 1), rel=1e-3)


def test_each_bit_is_worth_6_decibels():
    given = voices(3, 1.0)
    noise = [rms_decibels(attacked("requantise", bits, given) - given) for bits in (10, 11, 12, 14)]
    assert (noise[0] - noise[1]).tolist() == pytest.approx([6.02] * 3, abs=0.8)
    assert (noise[1] - noise[2]).tolist() == pytest.approx([6.02] * 3, abs=0.8)
    assert (noise[2] - noise[3]).tolist() == pytest.approx([12.04] * 3, abs=0.8)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_a_quiet_clip_is_no_more_silenced_than_a_loud_one(bits):
    given = voices(2, 1.0)
    assert attacked("requantise", bits, given / 128) == pytest.approx(
        attacked("requantise", bits, given) / 128, abs=1e-7
    )
    assert (attacked("requantise", bits, given / 128) != 0).any(1).all()


def test_bits_are_counted():
    with pytest.raises(UsageError):
        attacked("requantise", 7.5, torch.zeros(1, 100))
