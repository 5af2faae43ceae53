"""Attacks by somebody who has the detector itself, and follows the gradient of its score."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from releasegate.attacks.attack import Attack, Given
from releasegate.attacks.messages import separate
from releasegate.attacks.perturbing import DOMAIN, radius
from releasegate.attacks.requiring import detector
from releasegate.attacks.seeding import normal
from releasegate.subjects import WatermarksAudio

STEPS = 50
"""Steps along the gradient."""

MOMENTUM = 0.75
"""Share of the last direction that goes into the next."""

FIRST_STEP, LAST_STEP = 1.0, 0.05
"""How long a step is beside the perturbation; in between it falls evenly on a logarithmic scale."""

AS_GOOD = 1e-3
"""Scores that differ by no more are as good: the later is taken, so that rounding, which differs between batches, does not
choose."""

Name = Literal["pgd_remove", "pgd_forge"]


def _pgd(given: Given, strength: float, name: Name) -> Tensor:
    """The clip with the perturbation, `strength` dB below it, under which the score was lowest, or highest to forge.

    Projected gradient descent (Madry et al., ICLR 2018, arXiv 1706.06083) on the L2 sphere, so that the signal-to-noise
    ratio is exact, with normalised gradients and momentum (Dong et al., CVPR 2018, arXiv 1710.06081). It starts in a
    seeded direction, and goes on in it while the gradient vanishes. Where the clip would leave [-1, 1] it is cut, and
    moved less. It works under a caller's `inference_mode`, and on recurrent networks in evaluation mode.
    """
    subject = detector(given, name)
    sign = -1.0 if name == "pgd_remove" else 1.0
    # cuDNN has no backward pass for a recurrent network that is not being trained.
    with torch.inference_mode(mode=False), torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        audio = given.audio.detach().clone()
        size = radius(audio, strength)  # [n, 1]
        noise = functional.normalize(normal(separate(given.seeds, name), audio.shape[1], audio), dim=1)
        step = direction = noise
        best, highest = audio, torch.full_like(size[:, 0], -torch.inf)
        for number in range(STEPS + 1):
            attacked = (audio + size * direction).clamp(-1, 1)
            gain, gradient = _gradient(subject, attacked, sign)
            best = torch.where((gain > highest - AS_GOOD)[:, None], attacked, best)
            highest = torch.maximum(gain, highest)
            step = MOMENTUM * step + torch.where(gradient.any(dim=1, keepdim=True), gradient, noise)
            length = FIRST_STEP * (LAST_STEP / FIRST_STEP) ** (number / STEPS)
            direction = functional.normalize(direction + length * functional.normalize(step, dim=1), dim=1)
    return best


def _gradient(subject: WatermarksAudio, audio: Tensor, sign: float) -> tuple[Tensor, Tensor]:
    """How far each clip has come, float [n], which is the score times `sign`; and where to go on, float [n, t].

    The direction is the gradient of the log-likelihood of what is wanted, of the score and of the presence at each sample:
    that of the score alone vanishes where a detector is sure, and those are the places to work on. It has length 1, or 0
    where there is no gradient. A score that is no number counts as worse than every other.
    """
    variable = audio.detach().requires_grad_()
    found = subject.detect(variable)
    wanted = _likelihood(found.score, sign) + _likelihood(found.presence, sign).mean(dim=1)  # [n]
    (gradient,) = torch.autograd.grad(wanted.sum(), variable)
    sound = found.score.isfinite() & gradient.isfinite().all(dim=1)
    gradient = torch.where(sound[:, None], gradient, torch.zeros_like(gradient))
    peak = gradient.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(gradient.dtype).tiny)
    unit = functional.normalize(gradient / peak, dim=1)  # by the peak first: squares of a tiny gradient are 0
    return torch.where(sound, sign * found.score.detach(), -torch.inf), unit


def _likelihood(presence: Tensor, sign: float) -> Tensor:
    """The logarithm of `presence`, or of what it leaves to 1 where the mark shall go; never below that of one rounding."""
    wanted = presence if sign > 0 else 1 - presence
    return wanted.clamp(min=torch.finfo(wanted.dtype).eps / 2).log()


def _attack(name: Name, title: str, target: Literal["marked", "clean"]) -> Attack:
    return Attack(
        name=name,
        title=title,
        unit="dB",
        family="descending",
        apply=partial(_pgd, name=name),
        aligned=True,
        domain=DOMAIN,
        target=target,
        needs="gradient",
    )


ATTACKS: Mapping[str, Attack] = {
    "pgd_remove": _attack("pgd_remove", "The mark removed by the detector's gradient", "marked"),
    "pgd_forge": _attack("pgd_forge", "A mark forged by the detector's gradient", "clean"),
}
