"""The square attack: it sees scores alone, keeps to its budget of noise and queries, and lowers the score."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from releasegate.attacks import querying
from releasegate.attacks.querying import ATTACKS, HALVED_AFTER, QUERIES
from releasegate.subjects import Detection
from tests.spread_spectrum import SpreadSpectrum
from tests.watermarked import assert_rows_are_their_own, assert_stands_odd_clips, given, snr

SQUARE = ATTACKS["square"]


class Counting(SpreadSpectrum):
    """Counts what it is asked, and gives neither gradients nor anything but a score."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def detect(self, audio: Tensor) -> Detection:
        self.asked += 1
        assert not audio.requires_grad
        nothing = torch.full_like(audio, torch.nan)
        return Detection(super().detect(audio).score.detach(), nothing, nothing)


def test_it_lowers_the_score_at_the_stated_noise_and_asks_no_more_than_it_may():
    subject = Counting()
    clips = given(3, 1.0, SQUARE, subject)
    made = SQUARE.apply(clips, 15)
    assert subject.asked == QUERIES == 200
    assert snr(clips.audio, made).tolist() == pytest.approx(3 * [15], abs=0.01)
    before, after = subject.detect(clips.audio).score, subject.detect(made).score
    noise = torch.randn(clips.audio.shape, generator=torch.Generator().manual_seed(0))
    level = (clips.audio.norm(dim=1) / noise.norm(dim=1) * 10 ** (-15 / 20))[:, None]
    assert (after < before - 0.1).all()
    assert (after < subject.detect(clips.audio + level * noise).score - 0.05).all(), "random noise does as much"


def test_a_smaller_budget_achieves_less():
    clips = given(3, 1.0)
    assert clips.subject is not None
    loud, quiet = (clips.subject.detect(SQUARE.apply(clips, strength)).score for strength in (10, 40))
    assert (loud < quiet).all()


def test_every_sample_is_moved_by_the_same_amount():
    clips = given(2, 0.5)
    moved = (SQUARE.apply(clips, 15) - clips.audio).abs()
    assert ((moved.amax(1) - moved.amin(1)) / moved.amax(1)).max() < 1e-3


class Backwards(SpreadSpectrum):
    """Finds whatever is disturbed more surely marked."""

    def detect(self, audio: Tensor) -> Detection:
        score = torch.sigmoid(audio.diff(dim=1).abs().mean(1))
        return Detection(score, score[:, None].expand_as(audio), audio[:, :0])


def test_a_clip_that_no_proposal_helps_is_left_as_it_was():
    clips = given(2, 0.3, SQUARE, Backwards())
    clips = replace(clips, audio=torch.full_like(clips.audio, 0.5))
    assert torch.equal(SQUARE.apply(clips, 10), clips.audio)


class Broken(SpreadSpectrum):
    """Gives no number."""

    def detect(self, audio: Tensor) -> Detection:
        found = super().detect(audio)
        return found._replace(score=found.score * torch.nan)


def test_a_score_that_is_no_number_is_never_the_best():
    clips = given(2, 0.3, SQUARE, Broken())
    assert torch.equal(SQUARE.apply(clips, 10), clips.audio)


def test_proposals_shrink_by_the_published_schedule():
    shares = [querying._share(query) for query in range(QUERIES)]
    assert shares[0] == 0.8
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == 0.8 / 2 ** len(HALVED_AFTER)


def test_a_proposal_is_a_square_wave_in_one_segment():
    draws = torch.rand(50, 4, generator=torch.Generator().manual_seed(0))
    signs = torch.zeros(50, 4000)
    made = querying._proposed(signs, draws, 0.25)
    assert made.abs().sum(1).tolist() == 50 * [1000]
    for row in made:
        inside = row[row != 0]
        assert torch.equal(row[row.nonzero()[0, 0] :][:1000], inside)
        turns = inside.diff().nonzero()[:, 0]
        assert turns.diff().unique().numel() <= 1, "one period"
    halves = [int(row[row != 0].diff().nonzero()[:, 0].diff()[0]) for row in made]
    assert min(halves) <= 2
    assert 40 < max(halves) <= querying.LONGEST_HALF


def test_a_clip_is_attacked_by_itself():
    assert_rows_are_their_own(SQUARE, 15, 0.3)


def test_odd_clips_come_out_sound():
    assert_stands_odd_clips(SQUARE, 15)
