"""Attacks by somebody who has the detector itself, and follows the gradient of its score."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from releasegate.attacks.attack import Attack, Given
from releasegate.attacks.messages import separate
from releasegate.attacks.perturbing import DOMAIN, radius
from releasegate.attacks.requiring import detector
from releasegate.attacks.seeding import normal
from releasegate.errors import UsageError
from releasegate.subjects import WatermarksAudio

STEPS = 40
"""Points that are tried from each of the two starts."""

MOMENTUM = 0.75
"""Share of the last direction that goes into the next."""

FIRST_STEP, LAST_STEP = 1.0, 0.05
"""How long a step is beside the perturbation; in between it falls evenly on a logarithmic scale."""

AS_GOOD = 1e-3
"""Scores that differ by no more are as good: the later is taken, so that rounding, which differs between batches, does not
choose."""

WIDEST, WIDER, NARROWER = 10.0, 1.5, 0.75
"""Where the gradient vanishes, the perturbation is made louder step by step, up to ten times, and quieter again after it."""

Name = Literal["pgd_remove", "pgd_forge"]


class Way(NamedTuple):
    """What was tried from one start.

    Attributes:
        audio: float [n, t], the best of each clip.
        gain: float [n], its score times the sign.
        followed: bool [n], whether a gradient was there at any step.
    """

    audio: Tensor
    gain: Tensor
    followed: Tensor


def _pgd(given: Given, strength: float, name: Name) -> Tensor:
    """The clip with the perturbation, `strength` dB below it, under which the score was lowest, or highest to forge.

    Projected gradient descent (Madry et al., ICLR 2018, arXiv 1706.06083) on the L2 sphere, so that the signal-to-noise
    ratio is exact, with normalised gradients and momentum (Dong et al., CVPR 2018, arXiv 1710.06081). Of two starts the
    better is kept: along the gradient at the clip, and in a seeded direction, which leads out of places where a detector is
    so sure that it has no gradient. Where the clip would leave [-1, 1] it is cut, and moved less. It works under a caller's
    `inference_mode`, and on recurrent networks in evaluation mode.

    A clip for which no step has a gradient comes back as it was: nothing was followed, and noise is another attack.

    Raises:
        UsageError: that is so of every clip, or the detector lets no gradient be taken. That a mark survives this says nothing.
    """
    subject = detector(given, name)
    sign = -1.0 if name == "pgd_remove" else 1.0
    # cuDNN has no backward pass for a recurrent network that is not being trained.
    with torch.inference_mode(mode=False), torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        audio = given.audio.detach().clone()
        size = radius(audio, strength)  # [n, 1]
        noise = functional.normalize(normal(separate(given.seeds, name), audio.shape[1], audio), dim=1)
        _, gradient = _gradient(subject, audio, sign)
        one = _descend(subject, audio, size, sign, gradient + 0.01 * noise, noise)
        other = _descend(subject, audio, size, sign, noise, noise)
        followed = gradient.any(dim=1) | one.followed | other.followed  # [n]
        if len(audio) and not bool(followed.any()):
            raise _no_gradient("it is 0, or no number, wherever it was asked for")
        best = torch.where((other.gain > one.gain + AS_GOOD)[:, None], other.audio, one.audio)
        return torch.where(followed[:, None], best, audio)


def _descend(subject: WatermarksAudio, audio: Tensor, size: Tensor, sign: float, start: Tensor, noise: Tensor) -> Way:
    """The way from one start: the best of the perturbed clips on it, and how far each has come.

    Where the gradient of the whole clip vanishes, since its score is cut at 0 or 1, say, it goes along the noise and on a
    wider sphere until there is one, in the manner of DDN (Rony et al., CVPR 2019, arXiv 1811.09600). A score that is flat
    there too defeats it, unless the subject lets gradients pass where it cuts.

    Args:
        subject: whose score is to rise or fall.
        audio: float [n, t].
        size: float [n, 1], the radius of the sphere.
        sign: 1 to make scores rise, -1 to make them fall.
        start: float [n, t], the direction to begin in, of any length.
        noise: float [n, t], of length 1.
    """
    step = direction = functional.normalize(start, dim=1)
    best, highest = audio, torch.full_like(size[:, 0], -torch.inf)
    followed = torch.zeros_like(highest, dtype=torch.bool)
    width = torch.ones_like(size)
    for number in range(STEPS):
        if number == STEPS - 1:
            width = torch.ones_like(width)
        attacked = (audio + width * size * direction).clamp(-1, 1)
        gain, gradient = _gradient(subject, attacked, sign)
        better = (gain > highest - AS_GOOD) & (width[:, 0] == 1)
        best = torch.where(better[:, None], attacked, best)
        highest = torch.where(better, torch.maximum(gain, highest), highest)
        found = gradient.any(dim=1, keepdim=True)  # [n, 1]
        followed |= found[:, 0]
        width = torch.where(found, width * NARROWER, width * WIDER).clamp(1, WIDEST)
        step = MOMENTUM * step + torch.where(found, gradient, noise)
        length = FIRST_STEP * (LAST_STEP / FIRST_STEP) ** (number / STEPS)
        direction = functional.normalize(direction + length * functional.normalize(step, dim=1), dim=1)
    return Way(best, highest, followed)


def _gradient(subject: WatermarksAudio, audio: Tensor, sign: float) -> tuple[Tensor, Tensor]:
    """How far each clip has come, float [n], which is the score times `sign`; and where to go on, float [n, t].

    The direction is the gradient of the log-likelihood of what is wanted, of the score and of the presence at each sample:
    that of the score alone vanishes where a detector is sure, and those are the places to work on. It has length 1, or 0
    where there is no gradient. A score that is no number counts as worse than every other.

    Raises:
        UsageError: torch cannot take it: the detector cuts it off, say, or leaves torch on its way.
    """
    variable = audio.detach().requires_grad_()
    try:
        found = subject.detect(variable)
        wanted = _likelihood(found.score, sign) + _likelihood(found.presence, sign).mean(dim=1)  # [n]
        (gradient,) = torch.autograd.grad(wanted.sum(), variable)
    except RuntimeError as error:  # what autograd raises, in the detector or behind it
        raise _no_gradient(str(error).partition("\n")[0]) from error
    sound = found.score.isfinite() & gradient.isfinite().all(dim=1)
    gradient = torch.where(sound[:, None], gradient, torch.zeros_like(gradient))
    peak = gradient.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(gradient.dtype).tiny)
    unit = functional.normalize(gradient / peak, dim=1)  # by the peak first: squares of a tiny gradient are 0
    return torch.where(sound, sign * found.score.detach(), -torch.inf), unit


def _no_gradient(why: str) -> UsageError:
    what = f"no gradient of the detector's score could be followed: {why}"
    return UsageError(
        "the subject", what, "let gradients flow from the score to the audio: see `WatermarksAudio.detect`"
    )


def _likelihood(presence: Tensor, sign: float) -> Tensor:
    """The logarithm of `presence`, or of what it leaves to 1 where the mark shall go; never below that of one rounding.

    Gradients pass where it is held there, since a detector that is sure may still have some.
    """
    wanted = presence if sign > 0 else 1 - presence
    return (wanted + (wanted.clamp(min=torch.finfo(wanted.dtype).eps / 2) - wanted).detach()).log()


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
