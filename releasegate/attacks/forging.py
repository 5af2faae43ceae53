"""Attacks by somebody who has the generator of a watermark, as its users have: marks copied, overwritten, averaged out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from releasegate.attacks.attack import Attack, Given
from releasegate.attacks.messages import messages, separate
from releasegate.attacks.requiring import generator
from releasegate.attacks.seeding import uniform
from releasegate.attacks.strengths import not_whole, whole
from releasegate.subjects import WatermarksAudio


def _residual(subject: WatermarksAudio, carrier: Tensor, message: Tensor) -> Tensor:
    """float [n, t], what marking adds to each carrier."""
    return subject.mark(carrier, message) - carrier


@torch.no_grad()
def _residual_copy(given: Given, strength: float) -> Tensor:
    """The residual of another piece of speech, on the clip.

    The other piece is the clip itself, begun a quarter to three quarters later and wrapped around: speech of the same
    voice and level in which other sounds stand, so that the residual does not fit the clip that it is put on.
    """
    subject = generator(given, "residual_copy")
    seeds = separate(given.seeds, "residual_copy: where the carrier begins")
    carrier = _rolled(given.audio, 0.25 + 0.5 * uniform(seeds, 1, torch.zeros((), dtype=torch.float64)))
    message = messages(given.seeds, subject.bits, "residual_copy: message", given.audio)
    residual = _residual(subject, carrier, message)
    return (given.audio + 10 ** (strength / 20) * residual).clamp(-1, 1)


def _rolled(audio: Tensor, share: Tensor) -> Tensor:
    """float [n, t], each clip begun at a share [n, 1] of its length, and wrapped around."""
    samples = audio.shape[1]
    start = (share * samples).long().to(audio.device)
    place = (torch.arange(samples, device=audio.device) + start) % max(samples, 1)  # [n, t]
    return audio.gather(1, place)


@torch.no_grad()
def _overwrite(given: Given, strength: float) -> Tensor:
    """The clip, marked once more with a message of the attacker's."""
    subject = generator(given, "overwrite")
    message = messages(given.seeds, subject.bits, "overwrite: message", given.audio)
    return subject.mark(given.audio, message).clamp(-1, 1)


@torch.no_grad()
def _average_removal(given: Given, strength: float) -> Tensor:
    """The clip less the mean of what marking adds to `strength` carriers, each with a message of its own.

    What depends on the carrier or the message averages out, and what is in every mark stays. The carriers are noise with
    the clip's own spectrum and level, so that a generator that goes by them marks as strongly.
    """
    subject = generator(given, "average_removal")
    count = whole("average_removal", strength)
    total = torch.zeros_like(given.audio)
    for number in range(count):
        purpose = f"average_removal: {number}"
        carrier = _surrogate(replace(given, seeds=separate(given.seeds, purpose)))
        total += _residual(subject, carrier, messages(given.seeds, subject.bits, f"{purpose} message", given.audio))
    return (given.audio - total / count).clamp(-1, 1)


def _surrogate(given: Given) -> Tensor:
    """float [n, t] in [-1, 1]: the magnitudes of each clip's spectrum with random phases.

    Phase-randomised surrogates: Theiler et al., Testing for nonlinearity in time series, Physica D 58, 1992.
    """
    spectrum = torch.fft.rfft(given.audio)  # [n, t // 2 + 1]
    turns = uniform(given.seeds, spectrum.shape[1], given.audio)
    made: Tensor = torch.fft.irfft(torch.polar(spectrum.abs(), 2 * torch.pi * turns), n=given.audio.shape[1])
    return made.clamp(-1, 1)  # [n, t]


ATTACKS: Mapping[str, Attack] = {
    "residual_copy": Attack(
        name="residual_copy",
        title="The mark of other speech, copied onto a clean clip",
        unit="dB",
        family="forging",
        apply=_residual_copy,
        aligned=True,
        domain=(-40.0, 40.0),
        target="clean",
        needs="generator",
    ),
    "overwrite": Attack(
        name="overwrite",
        title="Marked once more, with another message",
        unit="",
        family="forging",
        apply=_overwrite,
        aligned=True,
        domain=(0.0, 0.0),
        target="marked",
        needs="generator",
        marks=True,
    ),
    "average_removal": Attack(
        name="average_removal",
        title="Less what the marks of many carriers have in common",
        unit="carriers",
        family="forging",
        apply=_average_removal,
        aligned=True,
        domain=(1.0, 256.0),
        wanted=not_whole,
        target="marked",
        needs="generator",
    ),
}
