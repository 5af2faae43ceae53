"""Splices: what is marked and what is clean, to the sample."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from releasegate.attacks.splicing import ATTACKS, segment
from releasegate.errors import UsageError
from tests.watermarked import assert_rows_are_their_own, assert_stands_odd_clips, given, picked


@pytest.mark.parametrize("name", ATTACKS)
def test_the_segment_is_where_the_mark_is(name):
    clips = given(4, 2.0)
    made = ATTACKS[name].apply(clips, 500)
    marked = segment(clips, 500, name)
    assert clips.clean is not None
    assert torch.equal(made[marked], clips.audio[marked])
    assert torch.equal(made[~marked], clips.clean[~marked])
    assert (clips.audio != clips.clean).float().mean() > 0.9


@pytest.mark.parametrize("strength", [0.5, 1, 500, 1234, 2000])
def test_the_piece_is_one_and_as_long_as_was_asked(strength):
    clips = given(4, 2.0)
    inside = segment(clips, strength)
    assert inside.sum(1).tolist() == 4 * [round(strength * 16)]
    assert (inside.int().diff(dim=1) != 0).sum(1).max() <= 2
    assert torch.equal(segment(clips, strength, "splice_clean"), ~inside)


def test_the_place_is_seeded_and_reaches_both_ends():
    clips = given(1, 1.0)
    many = replace(clips, audio=clips.audio.expand(400, -1), seeds=list(range(400)))
    starts = segment(many, 900).int().argmax(1)
    assert torch.equal(starts, segment(many, 900).int().argmax(1))
    assert starts.min() < 40
    assert 1560 < starts.max() <= 1600
    assert starts.float().mean() == pytest.approx(800, abs=80)


def test_a_clip_no_longer_than_the_piece_is_taken_whole():
    clips = given(2, 0.5)
    assert segment(clips, 2000).all()
    assert torch.equal(ATTACKS["splice_clean"].apply(clips, 2000), clips.clean)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_detector_that_localises_finds_the_piece(name):
    clips = given(4, 3.0)
    assert clips.subject is not None
    found = clips.subject.detect(ATTACKS[name].apply(clips, 1000)).presence > 0.5
    truth = segment(clips, 1000, name)
    assert ((found & truth).sum(1) / (found | truth).sum(1)).min() > 0.6
    assert ((found & ~truth).sum(1) / (found | ~truth).sum(1)).max() < 0.2


@pytest.mark.parametrize("name", ATTACKS)
def test_a_clip_is_spliced_by_itself(name):
    assert_rows_are_their_own(ATTACKS[name], 200)
    assert torch.equal(segment(picked(given(4, 1.0), [2]), 200), segment(given(4, 1.0), 200)[2:3])


@pytest.mark.parametrize("name", ATTACKS)
def test_odd_clips_come_out_sound(name):
    assert_stands_odd_clips(ATTACKS[name], 200)


@pytest.mark.parametrize("name", ATTACKS)
def test_without_clean_clips_there_is_nothing_to_splice(name):
    with pytest.raises(UsageError) as caught:
        ATTACKS[name].apply(replace(given(1, 0.1), clean=None), 50)
    (problem,) = caught.value.problems
    assert problem.where == f"attack {name}"
    assert problem.what == "needs what the clips were before they were marked"
    assert problem.fix == "name the watermark: on the command line, --model CHECKPOINT --subject NAME"
