"""Levels go where the attacks on them say."""

from __future__ import annotations

import pytest
import torch

from tests.audio_attacks.signals import RATE, attacked, decibels, rms_decibels, tone
from tests.voices import voice, voices

STEP = RATE // 2


def steps(*levels: float, frequency: float = 440) -> torch.Tensor:
    """float32 [1, t], half a second of a tone at each peak level in dBFS."""
    return torch.cat([tone(frequency, 0.5, 10 ** (level / 20)) for level in levels], 1)


def settled(audio: torch.Tensor) -> list[float]:
    """The peak level in dBFS of each half second, without its first and its last tenth."""
    parts = audio.unfold(1, STEP, STEP)[0][:, RATE // 5 : -RATE // 20]
    return (rms_decibels(parts) + 3.01).tolist()


def distortion(audio: torch.Tensor, frequency: int) -> float:
    """The power of all harmonics but the first beside that of all, in dB, in the middle second of a tone's clip."""
    middle = audio[0, RATE // 2 : RATE // 2 + RATE].double()
    spectrum = torch.fft.rfft(middle).abs().square()
    return float(decibels(spectrum[2 * frequency :: frequency].sum() / spectrum.sum()))


@pytest.mark.parametrize("change", [-20, -6, 3, 5.5])
def test_gain_changes_the_level_by_its_decibels(change):
    given = voices(2, 0.5)
    assert (rms_decibels(attacked("gain", change, given)) - rms_decibels(given)).tolist() == pytest.approx(
        [change] * 2, abs=0.01
    )


def test_gain_cuts_off_at_full_scale():
    out = attacked("gain", 20, tone(440, amplitude=0.5))
    assert out.abs().max() == 1
    assert (out.abs() == 1).float().mean() > 0.8


def test_polarity_turns_each_sample_round_whatever_the_strength():
    given = voices(2, 0.5)
    assert torch.equal(attacked("polarity", 0, given), -given)
    assert torch.equal(attacked("polarity", 7, given), -given)


@pytest.mark.parametrize("ratio", [1, 2, 4, 20])
def test_compression_divides_differences_of_level_by_its_ratio(ratio):
    levels = [-10.0, -18.0, -26.0, -10.0]
    after = settled(attacked("compress", ratio, steps(*levels)))
    expected = [-10 - (-10 - level) / ratio for level in levels]
    assert after == pytest.approx(expected, abs=0.3)


def test_compression_raises_what_lies_below_its_reach_all_alike():
    after = settled(attacked("compress", 4, steps(-10, -40, -50, -10)))
    assert after == pytest.approx([-10, -40 + 15, -50 + 15, -10], abs=0.3)


def test_compression_acts_alike_on_loud_and_quiet_clips():
    given = voice(1.0, 0)[None]
    assert attacked("compress", 4, given / 100) == pytest.approx(attacked("compress", 4, given) / 100, abs=1e-5)


def test_compression_makes_speech_denser_by_a_gain_that_moves_smoothly():
    given = voices(3, 1.5)
    out = attacked("compress", 8, given)
    assert (rms_decibels(out) > rms_decibels(given) + 3).all()
    gain = decibels((out / given).square())  # [n, t]
    heard = (given[:, 1:].abs() > 1e-4) & (given[:, :-1].abs() > 1e-4)
    assert gain.max() <= 7 / 8 * 20 + 0.01
    assert gain.diff(dim=1)[heard].abs().max() < 0.1


def test_after_a_loud_sound_the_compressor_lets_go_at_a_hundred_decibels_a_second():
    given = steps(-10, -30, frequency=500)
    frames = [rms_decibels(audio.unfold(1, 160, 160)[0]) for audio in (attacked("compress", 100, given), given)]
    gain = (frames[0] - frames[1])[50:]  # a hundred a second
    assert gain[15] - gain[5] == pytest.approx(0.1 * 100 * 0.99, abs=0.2)
    assert gain[-1] == pytest.approx(20 * 0.99, abs=0.1)


@pytest.mark.parametrize("ceiling", [-40, -12, -3, 0])
def test_no_sample_comes_over_the_ceiling_of_a_limiter(ceiling):
    given = torch.cat(
        [2 * voices(3, 1.0), torch.sign(torch.randn(1, RATE, generator=torch.Generator().manual_seed(0)))]
    )
    out = attacked("limit", ceiling, given)
    assert out.abs().max() <= 10 ** (ceiling / 20) * (1 + 1e-6)
    assert out.abs().amax(1).tolist() == pytest.approx([10 ** (ceiling / 20)] * 4, rel=0.15)


def test_a_limiter_leaves_what_is_quiet_and_distorts_less_than_clipping_does():
    given = steps(-6, -6, -6, -20, -20, frequency=400)
    limited, clipped = attacked("limit", -12, given), attacked("clip", 0.5, given)
    assert torch.equal(limited[:, 3 * STEP + 100 :], given[:, 3 * STEP + 100 :])
    assert settled(limited)[:3] == pytest.approx([-12] * 3, abs=0.2)
    assert distortion(limited, 400) < -40
    assert distortion(clipped, 400) > -20


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
def test_clipping_cuts_each_clip_at_a_fraction_of_its_own_peak(fraction):
    given = voices(2, 1.0) * torch.tensor([[1.0], [0.02]])
    out = attacked("clip", fraction, given)
    peaks = given.abs().amax(1, keepdim=True)
    assert torch.equal(out.abs().amax(1, keepdim=True), fraction * peaks)
    over = given.abs() > fraction * peaks
    assert over.any(1).all()
    assert torch.equal(out[~over], given[~over])
