"""What is cut off, appended or blanked out has the length that it says, and everything else stays as it was."""

from __future__ import annotations

import pytest
import torch

from releasegate.errors import UsageError
from tests.audio_attacks.signals import RATE, attacked
from tests.voices import voices

TIMES = [(0.1, 2), (10, 160), (250, 4000)]


@pytest.mark.parametrize(("milliseconds", "samples"), TIMES)
def test_a_shift_puts_silence_before_the_whole_clip(milliseconds, samples):
    given = voices(2, 1.0)
    out = attacked("shift", milliseconds, given)
    assert out.shape[1] == given.shape[1] + samples
    assert not out[:, :samples].any()
    assert torch.equal(out[:, samples:], given)


@pytest.mark.parametrize(("milliseconds", "samples"), TIMES)
def test_a_crop_takes_the_start(milliseconds, samples):
    given = voices(2, 1.0)
    assert torch.equal(attacked("crop", milliseconds, given), given[:, samples:])


@pytest.mark.parametrize(("milliseconds", "samples"), TIMES)
def test_a_pad_puts_silence_after_the_whole_clip(milliseconds, samples):
    given = voices(2, 1.0)
    out = attacked("pad", milliseconds, given)
    assert torch.equal(out[:, : given.shape[1]], given)
    assert out.shape[1] == given.shape[1] + samples
    assert not out[:, given.shape[1] :].any()


@pytest.mark.parametrize(("milliseconds", "samples"), [(10, 160), (100, 1600), (160, 2560)])
def test_a_dropout_blanks_three_gaps_of_its_length(milliseconds, samples):
    given = torch.where(voices(6, 1.0) < 0, -0.3, 0.3)  # no sample is zero
    out = attacked("dropout", milliseconds, given)
    gone = out == 0
    assert torch.equal(out[~gone], given[~gone])
    assert gone.sum(1).tolist() == [3 * samples] * 6
    for row in gone:
        edges = torch.nonzero(torch.diff(row.int(), prepend=torch.zeros(1), append=torch.zeros(1)))[:, 0]
        lengths = edges[1::2] - edges[::2]
        assert (lengths % samples == 0).all()  # gaps may touch, but do not overlap


def test_gaps_fall_everywhere():
    given = torch.full((400, 1000), 0.5)
    often = (attacked("dropout", 10, given, rate=10000) == 0).float().mean(0)
    assert often[100:-100].min() > 0.2
    assert often[:100].mean() == pytest.approx(float(often[-100:].mean()), abs=0.05)
    assert often.mean() == pytest.approx(0.3)


def test_a_clip_whose_only_sound_would_be_blanked_is_left_as_it_is():
    given = torch.zeros(60, 1000)
    given[:, 500] = 0.5
    out = attacked("dropout", 16, given, rate=10000)
    assert (out[:, 500] == 0.5).all()


@pytest.mark.parametrize(("name", "milliseconds", "most"), [("crop", 901, "0.9 s"), ("dropout", 167, "0.5 s")])
def test_too_little_left_of_a_clip_is_refused(name, milliseconds, most):
    attacked(name, milliseconds - 1, torch.zeros(1, RATE))
    with pytest.raises(UsageError, match=most) as refused:
        attacked(name, milliseconds, torch.zeros(1, RATE))
    assert refused.value.problems[0].fix == "give a smaller strength, or longer clips"
