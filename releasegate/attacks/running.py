"""Attacks on one sound, outside of a measurement: what is marked first, and which seed each attack has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from releasegate.attacks.attack import Attack, Given
from releasegate.attacks.messages import messages, separate
from releasegate.errors import UsageError
from releasegate.subjects import WatermarksAudio
from releasegate.yamltext import LARGEST_INTEGER


class Marked(NamedTuple):
    """A sound with a watermark.

    Attributes:
        audio: float32 [t].
        message: int64 [bits], each 0 or 1.
    """

    audio: Tensor
    message: Tensor


@dataclass(frozen=True)
class Target:
    """A sound under attack.

    Attributes:
        audio: float32 [t] in [-1, 1], as it was given, on the device where attacks compute.
        rate: samples a second.
        name: what the seeds of its attacks are drawn from, such as its digest.
        seed: of the call.
        subject: the watermark under attack.
        marked: the sound, marked by the subject; None where there is none.
    """

    audio: Tensor
    rate: int
    name: str
    seed: int
    subject: WatermarksAudio | None = None
    marked: Marked | None = None


class Outcome(NamedTuple):
    """What came of an attack.

    Attributes:
        audio: float32 [t'], after it.
        before: float32 [t], what it began with.
        seed: of this attack on this sound, up to 53 bits.
        marked: whether it began with the marked sound.
    """

    audio: Tensor
    before: Tensor
    seed: int
    marked: bool


def target_of(audio: Tensor, rate: int, name: str, seed: int, subject: WatermarksAudio | None) -> Target:
    """The sound as a target, marked with a message drawn from the seed and `name` if there is a subject."""
    marked = None
    if subject is not None:
        message = messages([_seed(seed, name, "mark")], subject.bits, "message", audio)  # [1, bits]
        with torch.no_grad():
            marked = Marked(subject.mark(audio[None], message)[0], message[0])
    return Target(audio, rate, name, seed, subject, marked)


def attack_one(target: Target, attack: Attack, strength: float | None) -> Outcome:
    """What comes of `attack` on a sound: on the marked sound if the attack is for marked ones, else on the given one.

    The seed is drawn from the call's, the sound and the label of the attack: neither other sounds nor the order matter.

    Raises:
        UsageError: the attack needs a watermark and there is none, or it cannot be made on such a sound.
        NotFound: a package that it needs is not installed.
    """
    seed = _seed(target.seed, target.name, attack.label(strength))
    on_marked = target.marked is not None and attack.target == "marked"
    before = target.marked.audio if target.marked is not None and on_marked else target.audio
    clean = target.audio[None] if on_marked else None
    given = Given(before[None], target.rate, [seed], clean, target.subject)
    audio = attack.apply(given, strength or 0.0)[0]  # [t']
    if not torch.isfinite(audio).all():
        what = "what came of it is not finite: it cannot be made on this sound"
        raise UsageError(f"attack {attack.name}", what, "give another sound, or leave the attack out")
    return Outcome(audio, before, seed, on_marked)


def snr_db(before: Tensor, after: Tensor) -> float | None:
    """The signal-to-noise ratio in dB: the power of `before` over that of what was added to it.

    None where either is nothing, or is no finite number. What `after` goes on with beyond the end of `before` does not count.

    >>> round(snr_db(torch.ones(100), torch.full((200,), 1.1)), 3), snr_db(torch.ones(9), torch.ones(9))
    (20.0, None)
    """
    signal = before.cpu().double()
    noise = after[: len(before)].cpu().double() - signal
    powers = float(signal.square().sum()), float(noise.square().sum())
    if not all(0 < power < math.inf for power in powers):
        return None
    return 10 * (math.log10(powers[0]) - math.log10(powers[1]))


def _seed(seed: int, name: str, purpose: str) -> int:
    return separate([seed], f"{name}:{purpose}")[0] % (LARGEST_INTEGER + 1)
