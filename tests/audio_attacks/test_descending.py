"""Gradient descent on the detector: exact signal-to-noise ratios, marks removed and forged."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from releasegate.attacks.descending import ATTACKS, STEPS
from releasegate.errors import UsageError
from releasegate.subjects import Detection
from tests.spread_spectrum import SpreadSpectrum
from tests.watermarked import assert_rows_are_their_own, assert_stands_odd_clips, given, snr

REMOVE, FORGE = ATTACKS["pgd_remove"], ATTACKS["pgd_forge"]


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("strength", [10, 25, 40])
def test_the_signal_to_noise_ratio_is_the_stated_one(name, strength):
    clips = given(3, 0.5, ATTACKS[name])
    assert snr(clips.audio, ATTACKS[name].apply(clips, strength)).tolist() == pytest.approx(3 * [strength], abs=0.01)


@pytest.mark.parametrize("name", ATTACKS)
def test_on_a_clip_at_full_scale_it_is_no_lower(name):
    clips = given(3, 0.5, ATTACKS[name])
    clips = replace(clips, audio=(3 * clips.audio).clamp(-1, 1))
    assert snr(clips.audio, ATTACKS[name].apply(clips, 15)).min() > 14.99


def test_a_mark_is_removed_with_noise_as_quiet_as_itself_and_random_noise_does_not():
    clips = given(4, 1.0)
    assert clips.subject is not None
    noise = torch.randn(clips.audio.shape, generator=torch.Generator().manual_seed(0))
    level = (clips.audio.norm(dim=1) / noise.norm(dim=1) * 10 ** (-28 / 20))[:, None]
    assert clips.subject.detect(clips.audio).score.min() > 0.65
    assert clips.subject.detect(clips.audio + level * noise).score.min() > 0.55
    assert clips.subject.detect(REMOVE.apply(clips, 28)).score.max() < 0.05


def test_a_mark_is_forged_on_a_clip_that_never_had_one():
    clips = given(4, 1.0, FORGE)
    assert clips.subject is not None
    assert clips.subject.detect(clips.audio).score.max() < 0.1
    assert clips.subject.detect(FORGE.apply(clips, 28)).score.min() > 0.75


@pytest.mark.parametrize("name", ATTACKS)
def test_it_works_where_the_caller_wants_no_gradients(name):
    clips = given(2, 0.3, ATTACKS[name])
    outside = ATTACKS[name].apply(clips, 25)
    with torch.inference_mode():
        inside = ATTACKS[name].apply(given(2, 0.3, ATTACKS[name]), 25)
    with torch.no_grad():
        without = ATTACKS[name].apply(clips, 25)
    assert torch.equal(outside, inside)
    assert torch.equal(outside, without)


class Saturated(SpreadSpectrum):
    """Gives a score that is cut at 1, where its gradient vanishes, and nothing along time."""

    def detect(self, audio: Tensor) -> Detection:
        score = (super().detect(audio).score / 0.7).clamp(0, 1)
        return Detection(score, score[:, None].expand_as(audio), audio[:, :0])


def test_a_score_that_is_cut_does_not_stop_it():
    clips = given(2, 1.0, REMOVE, Saturated())
    assert clips.subject is not None
    assert (clips.subject.detect(clips.audio).score == 1).all()
    made = REMOVE.apply(clips, 12)
    assert clips.subject.detect(made).score.max() < 0.05
    assert snr(clips.audio, made).tolist() == pytest.approx(2 * [12], abs=0.01)


class Deaf(SpreadSpectrum):
    """Gives 0 for all that is not surely marked, and lets gradients pass where it cuts; it tells nothing along time."""

    def detect(self, audio: Tensor) -> Detection:
        whole = (super().detect(audio).score - 0.07) / 0.5
        score = whole + (whole.clamp(0, 1) - whole).detach()
        return Detection(score, score[:, None].expand_as(audio), audio[:, :0])


def test_a_score_that_is_cut_and_lets_gradients_pass_is_climbed_from_the_floor():
    clips = given(3, 1.0, FORGE, Deaf())
    assert clips.subject is not None
    assert (clips.subject.detect(clips.audio).score.abs() < 1e-6).all()
    assert clips.subject.detect(FORGE.apply(clips, 28)).score.min() > 0.99


class Faint(SpreadSpectrum):
    """Gives scores whose gradients are so small that their squares are none."""

    def detect(self, audio: Tensor) -> Detection:
        found = super().detect(audio)
        return found._replace(score=found.score * 1e-28, presence=found.presence * 1e-28)


def test_a_tiny_gradient_leads_as_well_as_another():
    clips, faint = given(2, 0.5), given(2, 0.5, REMOVE, Faint())
    assert clips.subject is not None
    found = [clips.subject.detect(REMOVE.apply(one, 28)).score for one in (clips, faint)]
    assert found[0].max() < 0.1
    assert found[1].max() < 0.3


class Broken(SpreadSpectrum):
    """Gives no number for the first clip."""

    def detect(self, audio: Tensor) -> Detection:
        found = super().detect(audio)
        return found._replace(score=torch.where(torch.arange(len(audio)) == 0, torch.nan, 1.0) * found.score)


def test_a_score_that_is_no_number_spoils_its_own_clip_alone():
    clips = given(2, 0.5, REMOVE, Broken())
    made = REMOVE.apply(clips, 28)
    assert torch.equal(made[0], clips.audio[0])
    other = REMOVE.apply(given(2, 0.5, REMOVE), 28)
    torch.testing.assert_close(made[1], other[1], atol=1e-5, rtol=0)


class Flat(SpreadSpectrum):
    """Answers as another would, with a gradient that is 0 for the first clips."""

    def __init__(self, flat: int) -> None:
        super().__init__()
        self.flat = flat

    def detect(self, audio: Tensor) -> Detection:
        found = super().detect(audio)
        flat = torch.arange(len(audio)) < self.flat
        score = torch.where(flat, found.score.detach() + 0 * found.score, found.score)
        presence = torch.where(flat[:, None], found.presence.detach(), found.presence)
        return Detection(score, presence, found.bits)


@pytest.mark.parametrize("name", ATTACKS)
def test_without_a_gradient_at_any_step_it_is_no_attack(name):
    clips = given(2, 0.3, ATTACKS[name], Flat(2))
    with pytest.raises(UsageError, match=r"it is 0, or no number, wherever it was asked for"):
        ATTACKS[name].apply(clips, 25)


def test_a_clip_without_a_gradient_comes_back_as_it_was_and_others_do_not():
    clips = given(2, 0.5, REMOVE, Flat(1))
    made = REMOVE.apply(clips, 28)
    assert torch.equal(made[0], clips.audio[0])
    torch.testing.assert_close(made[1], REMOVE.apply(given(2, 0.5, REMOVE), 28)[1], atol=1e-5, rtol=0)


class Cut(SpreadSpectrum):
    @torch.no_grad()
    def detect(self, audio: Tensor) -> Detection:
        return super().detect(audio)


class Leaves(SpreadSpectrum):
    def detect(self, audio: Tensor) -> Detection:
        return super().detect(torch.from_numpy(audio.numpy()))


@pytest.mark.parametrize("subject", [Cut(), Leaves()])
def test_a_detector_of_which_torch_can_take_no_gradient_is_refused(subject):
    with pytest.raises(UsageError, match="no gradient of the detector's score could be followed"):
        REMOVE.apply(given(2, 0.3, REMOVE, subject), 25)


class Network(torch.nn.Module):
    """A detector with a recurrent network, whose weights want gradients of their own."""

    rate, bits, rule = 16000, 0, "mean presence"

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.gru = torch.nn.GRU(40, 8, batch_first=True)
        self.out = torch.nn.Linear(8, 1)
        self.asked = 0

    def mark(self, audio: Tensor, messages: Tensor) -> Tensor:
        return audio

    def detect(self, audio: Tensor) -> Detection:
        self.asked += 1
        frames = audio.unfold(1, 40, 40)  # [n, t / 40, 40]
        score = torch.sigmoid(self.out(self.gru(10 * frames)[0])).mean((1, 2))
        return Detection(score, score[:, None].expand_as(audio), audio[:, :0])


def test_a_network_is_left_without_gradients_and_asked_once_a_point():
    network = Network().eval()
    clips = given(2, 0.2, FORGE, network)
    before = network.detect(clips.audio).score
    made = FORGE.apply(clips, 10)
    assert network.asked == 1 + 1 + 2 * STEPS
    assert (network.detect(made).score > before).all()
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("name", ATTACKS)
def test_a_clip_is_attacked_by_itself(name):
    assert_rows_are_their_own(ATTACKS[name], 25, 0.3)


@pytest.mark.parametrize("name", ATTACKS)
def test_odd_clips_come_out_sound(name):
    assert_stands_odd_clips(ATTACKS[name], 25)
