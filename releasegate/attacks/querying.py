"""Attacks by somebody who may ask the detector for its score, and sees nothing of how it comes about."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from releasegate.attacks.attack import Attack, Given
from releasegate.attacks.messages import separate
from releasegate.attacks.perturbing import DOMAIN, radius
from releasegate.attacks.requiring import detector
from releasegate.attacks.seeding import uniform

QUERIES = 200
"""How often the detector is asked about a clip, the clip itself included."""

FIRST_SHARE = 0.8
"""Of the clip, the part that a proposal changes at first."""

HALVED_AFTER = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""Shares of the queries after which that part is halved: the schedule of Square Attack."""

LONGEST_HALF = 64
"""Samples, at most, that the square wave of a proposal stays on one side: down to 125 Hz at 16 kHz."""


def _square(given: Given, strength: float) -> Tensor:
    """The clip with the perturbation under which the detector's score was lowest; the clip itself if none lowered it.

    Square Attack (Andriushchenko et al., ECCV 2020, arXiv 1912.00049) in one dimension: every sample is moved by the same
    amount, up or down, so that the signal-to-noise ratio is `strength` dB whatever the signs are; a proposal gives a
    seeded segment other signs, those of a square wave of a seeded period, and is kept unless the score rises. Where the
    clip would leave [-1, 1] it is cut, and moved less. A score that is no number counts as above every other.
    """
    subject = detector(given, "square")
    with torch.no_grad():
        samples = given.audio.shape[1]
        size = radius(given.audio, strength) / max(samples, 1) ** 0.5  # [n, 1]
        draws = uniform(separate(given.seeds, "square: proposals"), 4 * QUERIES, given.audio)
        proposals = draws.view(-1, QUERIES, 4)  # [n, QUERIES, 4]
        signs = uniform(separate(given.seeds, "square: start"), samples, given.audio)
        signs = torch.where(signs < 0.5, -1.0, 1.0).to(given.audio.dtype)  # [n, t]
        best, lowest = given.audio, _score(subject.detect(given.audio).score)
        kept = torch.full_like(lowest, torch.inf)  # of the signs, which start anywhere
        for query in range(1, QUERIES):
            proposed = signs if query == 1 else _proposed(signs, proposals[:, query], _share(query))
            attacked = (given.audio + size * proposed).clamp(-1, 1)
            score = _score(subject.detect(attacked).score)
            signs = torch.where((score <= kept)[:, None], proposed, signs)
            kept = torch.minimum(score, kept)
            best = torch.where((score < lowest)[:, None], attacked, best)
            lowest = torch.minimum(score, lowest)
    return best.clamp(-1, 1)


def _score(score: Tensor) -> Tensor:
    """float [n], infinity where a score is no number."""
    return torch.where(score.isnan(), torch.inf, score)


def _share(query: int) -> float:
    """The part of the clip that a proposal changes."""
    return FIRST_SHARE / 2.0 ** sum(query >= share * QUERIES for share in HALVED_AFTER)


def _proposed(signs: Tensor, draws: Tensor, share: float) -> Tensor:
    """float [n, t] of -1 and 1: `signs` with a square wave in a segment.

    Args:
        signs: float [n, t] of -1 and 1.
        draws: float [n, 4] in [0, 1): where the segment begins, the half period, the phase, the sign.
        share: how much of the clip the segment is.
    """
    samples = signs.shape[1]
    length = max(round(share * samples), 1)
    place = torch.arange(samples, device=signs.device)  # [t]
    start = (draws[:, 0:1] * (samples - length + 1)).long().clamp(max=samples - length)  # [n, 1]
    half = LONGEST_HALF ** draws[:, 1:2]  # [n, 1], from 1 up, evenly over octaves
    half = half.long().clamp(min=1)
    phase = (draws[:, 2:3] * 2 * half).long()
    up = torch.where(draws[:, 3:4] < 0.5, -1, 1)
    wave = up * (1 - 2 * ((place + phase) // half % 2))  # [n, t]
    inside = (place >= start) & (place < start + length)
    return torch.where(inside, wave.to(signs.dtype), signs)


ATTACKS: Mapping[str, Attack] = {
    "square": Attack(
        name="square",
        title=f"Square attack on the detector's score, {QUERIES} queries",
        unit="dB",
        family="querying",
        apply=_square,
        aligned=True,
        domain=DOMAIN,
        target="marked",
        needs="score",
    ),
}
