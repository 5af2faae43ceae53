"""Marks copied, overwritten and averaged out with the generator: measured with a watermark whose mark is known."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from releasegate.attacks import find_attack
from releasegate.attacks.forging import ATTACKS
from releasegate.attacks.messages import messages as drawn
from releasegate.attacks.messages import separate
from releasegate.errors import UsageError
from releasegate.subjects import Detection
from tests.spread_spectrum import SNR, SpreadSpectrum
from tests.watermarked import assert_rows_are_their_own, assert_stands_odd_clips, given, messages, snr

STRENGTHS = {"residual_copy": 0.0, "overwrite": 0.0, "average_removal": 8.0}


def bits_right(found: Detection, message: Tensor) -> float:
    return float(((found.bits > 0.5) == message.bool()).float().mean())


@pytest.mark.parametrize("gain", [-6.0, 0.0, 6.0])
def test_a_copied_residual_is_as_loud_as_was_asked(gain):
    clips = given(4, 1.0, ATTACKS["residual_copy"])
    assert snr(clips.audio, ATTACKS["residual_copy"].apply(clips, gain)).tolist() == pytest.approx(
        4 * [SNR - gain], abs=0.8
    )


def test_a_copied_residual_forges_a_mark_that_was_never_made_for_the_clip():
    clips = given(4, 3.0, ATTACKS["residual_copy"])
    assert clips.subject is not None
    assert clips.subject.detect(clips.audio).score.max() < 0.1
    scores = [clips.subject.detect(ATTACKS["residual_copy"].apply(clips, gain)).score for gain in (6, 0, -20, -40)]
    assert scores[1].min() > 0.6
    assert all((louder > quieter).all() for louder, quieter in pairwise(scores))
    assert scores[-1].max() < 0.15


class FollowsLoudness(SpreadSpectrum):
    """Marks each sample as loudly as the sample itself is, so that a residual tells which speech it was made for."""

    def mark(self, audio: Tensor, messages: Tensor) -> Tensor:
        return audio * 1.01


def test_the_residual_is_that_of_other_speech_of_the_same_voice():
    clips = given(4, 2.0, ATTACKS["residual_copy"], FollowsLoudness())
    residual = ATTACKS["residual_copy"].apply(clips, 0) - clips.audio
    for own, copied in zip(clips.audio, residual, strict=True):
        assert float(torch.corrcoef(torch.stack([own, copied]))[0, 1]) < 0.5
        product = torch.fft.rfft(own) * torch.fft.rfft(copied).conj()
        begun = int(torch.fft.irfft(product).argmax())
        assert 8000 <= begun < 24000
        assert float(torch.corrcoef(torch.stack([own.roll(-begun), copied]))[0, 1]) > 0.999


def test_overwriting_puts_a_second_message_over_the_first():
    clips = given(8, 2.0)
    assert clips.subject is not None
    made = ATTACKS["overwrite"].apply(clips, 0)
    theirs = drawn(clips.seeds, 8, "overwrite: message", clips.audio)
    expected = clips.subject.mark(clips.audio, theirs)
    assert torch.equal(made, expected)
    assert snr(clips.audio, made).min() > SNR - 1
    before, after = clips.subject.detect(clips.audio), clips.subject.detect(made)
    assert bits_right(before, messages(8)) == 1
    assert bits_right(after, messages(8)) < 0.9
    assert bits_right(after, theirs) > bits_right(before, theirs)


def test_what_an_attacker_draws_was_not_drawn_for_the_clip():
    seeds = list(range(2000))
    like = torch.zeros(())
    one, other = drawn(seeds, 8, "a", like), drawn(seeds, 8, "b", like)
    assert float((one == other).float().mean()) == pytest.approx(0.5, abs=0.02)
    assert float(one.float().mean()) == pytest.approx(0.5, abs=0.02)
    assert len({*seeds, *separate(seeds, "a"), *separate(seeds, "b")}) == 6000
    assert all(0 <= seed < 2**63 for seed in separate(seeds, "a"))
    assert drawn([5], 0, "a", like).shape == (1, 0)


def test_averaging_over_carriers_takes_away_what_all_marks_share():
    clips = given(4, 3.0)
    assert clips.subject is not None
    before = clips.subject.detect(clips.audio)
    made = ATTACKS["average_removal"].apply(clips, 16)
    after = clips.subject.detect(made)
    assert before.score.min() > 0.65
    assert after.score.max() < 0.3
    assert bits_right(after, messages(4)) == 1, "messages of their own average out and leave the clip's"


def test_more_carriers_leave_less_beside_what_is_shared():
    """Half of a mark's power carries the message: over many messages that half goes, 3 dB."""
    clips = given(4, 1.0)
    one, many = (snr(clips.audio, ATTACKS["average_removal"].apply(clips, count)) for count in (1, 64))
    assert (many - one).tolist() == pytest.approx(4 * [3.0], abs=1.0)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_clip_is_attacked_by_itself(name):
    assert_rows_are_their_own(ATTACKS[name], STRENGTHS[name])


@pytest.mark.parametrize("name", ATTACKS)
def test_odd_clips_come_out_sound(name):
    assert_stands_odd_clips(ATTACKS[name], STRENGTHS[name])


@pytest.mark.parametrize("name", ATTACKS)
def test_the_attacks_work_where_gradients_are_not_to_be_had(name):
    clips = given(1, 0.2, ATTACKS[name])
    with torch.inference_mode():
        inside = ATTACKS[name].apply(clips, STRENGTHS[name])
    assert torch.equal(inside, ATTACKS[name].apply(clips, STRENGTHS[name]))


class Learnt(SpreadSpectrum):
    """Marks with a weight that wants gradients."""

    weight = torch.nn.Parameter(torch.tensor(1.01))

    def mark(self, audio: Tensor, messages: Tensor) -> Tensor:
        return audio * self.weight


@pytest.mark.parametrize("name", ATTACKS)
def test_a_generator_that_is_a_network_leaves_no_graph_behind(name):
    clips = replace(given(1, 0.2, ATTACKS[name]), subject=Learnt())
    assert not ATTACKS[name].apply(clips, 1).requires_grad


@pytest.mark.parametrize("name", [*ATTACKS, "square", "pgd_remove", "pgd_forge"])
def test_without_a_watermark_there_is_nothing_to_attack(name):
    with pytest.raises(UsageError) as caught:
        find_attack(name).apply(replace(given(1, 0.1), subject=None), 20)
    (problem,) = caught.value.problems
    assert problem.where == f"attack {name}"
    assert problem.what.endswith("of the watermark under attack, and there is none")
    assert problem.fix == "name the watermark: on the command line, --model CHECKPOINT --subject NAME"


def test_a_part_of_a_carrier_is_refused():
    with pytest.raises(UsageError, match=r"its strength must be a whole number; got 1\.5"):
        ATTACKS["average_removal"].apply(given(1, 0.1), 1.5)
