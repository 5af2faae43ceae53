"""Clips marked with a small real watermark, ready to be attacked, and what must hold of every attack on them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from releasegate.attacks import Attack, Given
from releasegate.subjects import WatermarksAudio
from tests.spread_spectrum import SpreadSpectrum
from tests.voices import voices

RATE = 16000


def messages(count: int, bits: int = 8) -> Tensor:
    """int64 [count, bits], the same each time."""
    return torch.randint(0, 2, (count, bits), generator=torch.Generator().manual_seed(7))


def given(count: int, seconds: float, attack: Attack | None = None, subject: WatermarksAudio | None = None) -> Given:
    """Voices, marked unless the attack is on clean clips, with the seeds from 100."""
    subject = subject or SpreadSpectrum()
    clean = _voices(count, seconds).clone()
    seeds = list(range(100, 100 + count))
    if attack is not None and attack.target == "clean":
        return Given(clean, RATE, seeds, None, subject)
    return Given(subject.mark(clean, messages(count, subject.bits)), RATE, seeds, clean, subject)


@lru_cache(maxsize=16)
def _voices(count: int, seconds: float) -> Tensor:
    return voices(count, seconds)


def picked(of: Given, rows: list[int]) -> Given:
    """The clips of these rows, in this order."""
    clean = None if of.clean is None else of.clean[rows]
    return replace(of, audio=of.audio[rows], seeds=[of.seeds[row] for row in rows], clean=clean)


def snr(audio: Tensor, attacked: Tensor) -> Tensor:
    """float64 [n], dB of each clip above what was added to it."""
    noise = (attacked.double() - audio.double()).square().sum(1)
    return 10 * (audio.double().square().sum(1) / noise).log10()


def lag(audio: Tensor, attacked: Tensor) -> int:
    """Samples by which a clip [t] comes later after an attack: where the cross-correlation is highest."""
    size = 2 * max(len(audio), len(attacked))
    product = torch.fft.rfft(audio, size).conj() * torch.fft.rfft(attacked, size)
    at = int(torch.fft.irfft(product, size).argmax())
    return at if at < size // 2 else at - size


def assert_rows_are_their_own(attack: Attack, strength: float, seconds: float = 0.5) -> None:
    """Four clips at once are what each is alone, and what they are in another order."""
    four = given(4, seconds, attack)
    together = attack.apply(four, strength)
    for row in range(4):
        alone = attack.apply(picked(four, [row]), strength)
        torch.testing.assert_close(alone[0], together[row], atol=1e-5, rtol=0)
    turned = attack.apply(picked(four, [3, 1, 0, 2]), strength)
    torch.testing.assert_close(turned, together[[3, 1, 0, 2]], atol=1e-5, rtol=0)


def assert_sound(attack: Attack, strength: float, *, of: Given) -> Tensor:
    """What comes out is finite float32 in [-1, 1], of the same shape, without a graph; returns it."""
    made = attack.apply(of, strength)
    assert made.dtype == torch.float32
    assert made.shape == of.audio.shape
    assert made.isfinite().all()
    assert made.abs().max() <= 1
    assert not made.requires_grad
    return made


def assert_stands_odd_clips(attack: Attack, strength: float) -> None:
    """Silence, one sample, a tenth of a second and full scale come out sound; speech comes out as speech, in its place."""
    usual = given(2, 0.5, attack)
    for audio in (
        torch.zeros(2, 1600),
        torch.full((2, 1), 0.3),
        usual.audio[:, :1600],
        (usual.audio * 10).clamp(-1, 1),
        torch.where(torch.arange(1600) // 20 % 2 == 0, 1.0, -1.0).repeat(2, 1),
    ):
        clean = None if usual.clean is None else audio.clone()
        made = assert_sound(attack, strength, of=replace(usual, audio=audio, clean=clean))
        assert audio.any() or snr(audio + 1e-3, made + 1e-3).min() > 40
    made = assert_sound(attack, strength, of=usual)
    assert attack.aligned
    for before, after in zip(usual.audio, made, strict=True):
        assert lag(before, after) == 0
        assert after.square().mean() > 0.5 * before.square().mean()
