"""Clones for any eval: what is asked of a cloner, what it gave, and why something that it gave is no clone.

A clone is asked for once, and whatever comes is what is measured: there is no second try, and nobody chooses. What a clone is
depends on its own words, prompt and seed alone. That a cloner keeps to this is not taken on trust: of every batch the clone
of the shortest words, which padding would reach first, is made once more, alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd
from typing import cast

import torch
from torch import Tensor

from releasegate.audio.resampling import MOST, resample
from releasegate.errors import PartAbsent, ReleaseGateError
from releasegate.subjects import ClonesVoice, NoClone, Utterance

from . import voices
from .clone_faults import fault
from .voices import RATE, Voice

RATES = range(4_000, 192_001)
"""Samples a second of the audio that a cloner may take and give."""
LONGEST = 10
"""A clone is at most so many times as long as what was said, plus two seconds: what goes on is no clone of these words."""
ROUNDING = 1e-6
"""By how much a sample may lie outside [-1, 1]: what arithmetic in float32 does."""
COMPANY = 0.01
"""By how much a clone may differ from the same clone made alone: rms of the difference beside that of the clone, -40 dB."""

Made = Tensor | str
"""A clone, float32 [t] at 16 kHz in [-1, 1] on the processor; or why there is none."""


@dataclass(frozen=True)
class Request:
    """One clone that is asked for.

    Attributes:
        words: a recording of another person, with its text: what is to be said.
        prompts: recordings of the person to be cloned, joined until they are long enough.
        seconds: how much of them the cloner is given.
        seed: of all that the cloner draws.
    """

    words: Voice
    prompts: tuple[Voice, ...]
    seconds: float
    seed: int

    @property
    def speaker(self) -> str:
        """Who is to be cloned."""
        return self.prompts[0].speaker

    def said(self) -> Tensor:
        """The words as they were said: float32 [t] at 16 kHz."""
        return voices.read(self.words)

    def prompt(self) -> Tensor:
        """What the cloner is given of the person: float32 [seconds * 16000]."""
        return voices.prompt(list(self.prompts), self.seconds)


def targets(split: voices.Split, least: int) -> dict[str, str]:
    """Whose voices are cloned: `seen` if the speaker has recordings in `training`, else `unseen`; speakers sorted.

    Raises:
        NotFound, DocumentError: as of `voices.by_speaker`.
    """
    trained = {voice.speaker for voice in voices.clips("training")}
    return {name: "seen" if name in trained else "unseen" for name in voices.by_speaker(split, least)}


def drawn(
    prompts: Sequence[Voice], words: Sequence[Voice], seconds: Sequence[float], each: int
) -> Iterator[tuple[float, Request]]:
    """`each` clones of one person for every length of the prompt, without a seed yet.

    Every clone of the person says other words, as long as there are enough. The prompts of one length begin with different
    recordings, as long as there are enough, and go on with those that follow: long ones overlap in part.

    Args:
        prompts: recordings of the person, in the order in which they are used.
        words: in the order in which they are used.
        seconds: lengths of the prompt.
    """
    place = 0
    for length in seconds:
        for _ in range(each):
            start = place % len(prompts)
            # All of them: how many a prompt takes is known once they are heard.
            in_turn = (*prompts[start:], *prompts[:start])
            yield length, Request(words[place % len(words)], in_turn, length, 0)
            place += 1


def clones(subject: object, requests: Sequence[Request], batch: int) -> list[Made]:
    """A clone for each request, or why there is none, in order.

    A batch is `batch` requests that follow each other. Where the cloner refuses a whole batch, each is asked for alone.

    Raises:
        PartAbsent: a part that cloning needs is not in the checkpoint.
        ReleaseGateError: the cloner states no rate that audio has.
        NotFound, RecordingChanged: as of `voices.read`.
        ValueError: the recordings of a person are shorter than the prompt.
    """
    if batch < 1:
        raise ReleaseGateError("batch", f"is {batch}", "clone at least one at a time")
    cloner = _Cloner(cast(ClonesVoice, subject))
    parts = (requests[start : start + batch] for start in range(0, len(requests), batch))
    return [made for part in parts for made in cloner.batch(part)]


def rate_of(subject: ClonesVoice) -> int:
    """Samples a second of the audio that a cloner takes and gives.

    Raises:
        ReleaseGateError: it is none.
    """
    rate = subject.rate
    odd = isinstance(rate, bool) or not isinstance(rate, int) or rate not in RATES
    if odd or max(rate, RATE) // gcd(rate, RATE) > MOST:
        fix = (
            f"state a whole number from {RATES.start} to {RATES.stop - 1} that audio is kept at, such as 16000 or 44100"
        )
        raise ReleaseGateError("the subject", f"says that its audio has {rate!r} samples a second", fix)
    return rate


def clone_problem(made: object, longest: int) -> str | None:
    """Why what a cloner gave in one place is no audio of one clip; None if it is float [t], finite and in [-1, 1].

    Args:
        longest: samples that it may have.
    """
    if isinstance(made, NoClone):
        return made.why or "the cloner made none, and does not say why"
    if not isinstance(made, Tensor):
        return f"`clone` gave {type(made).__name__}, and no tensor"
    if made.ndim != 1:
        return f"`clone` gave a shape of {list(made.shape)}, and a clone is one row of samples"
    if made.dtype not in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        return f"`clone` gave {made.dtype}, which is no audio: it must be floating point"
    if not len(made):
        return "`clone` gave a clip of no samples"
    if len(made) > longest:
        return f"`clone` gave {len(made)} samples, and these words take at most {longest}"
    if not bool(torch.isfinite(made).all()):
        return "`clone` gave samples that are not numbers"
    peak = float(made.abs().max())
    return f"`clone` left [-1, 1]: a sample is {peak:g}, which no file can hold" if peak > 1 + ROUNDING else None


def company_problem(together: Tensor, alone: Tensor) -> str | None:
    """Why a clone depends on the company it was made in; None if it is, to -40 dB, the one that was made alone.

    >>> company_problem(torch.ones(4), torch.ones(4)), company_problem(torch.ones(4), torch.ones(5))
    (None, '`clone` answers for the company: alone, the same clone has 5 samples, and 4 in a batch')
    """
    what = "`clone` answers for the company: alone, the same clone"
    if len(together) != len(alone):
        return f"{what} has {len(alone)} samples, and {len(together)} in a batch"
    apart = float((together - alone).square().mean().sqrt())
    level = float(alone.square().mean().sqrt())
    if apart <= COMPANY * level:
        return None
    return f"{what} differs by {apart / level:.2g} of its loudness" if level else f"{what} is silence"


@dataclass(frozen=True)
class _Asked:
    """One request with its audio, at 16 kHz."""

    request: Request
    said: Tensor
    prompt: Tensor


class _Cloner:
    """One cloner, asked in batches."""

    def __init__(self, subject: ClonesVoice) -> None:
        self._subject = subject
        self._rate = rate_of(subject)

    def batch(self, requests: Sequence[Request]) -> list[Made]:
        """A clone for each, or why there is none."""
        asked = [_Asked(request, request.said(), request.prompt()) for request in requests]
        try:
            given: list[object] = list(self._given(asked))
        except PartAbsent:
            raise
        except ReleaseGateError as error:
            if len(asked) == 1:
                return [str(error)]
            return [made for request in requests for made in self.batch([request])]
        if len(given) != len(asked):
            return [f"`clone` gave {len(given)} clones, and was asked for {len(asked)}"] * len(asked)
        checked = [self._audio(one, clip) for one, clip in zip(asked, given, strict=True)]
        broken = self._company(asked, checked)
        if broken is not None:
            return [made if isinstance(made, str) else broken for made in checked]
        return [self._judged(one, made) for one, made in zip(asked, checked, strict=True)]

    def _given(self, asked: Sequence[_Asked]) -> Sequence[object]:
        """What `clone` gives for copies of the words and prompts: it may write to them."""
        words = [Utterance(one.request.words.text, self._theirs(one.said), one.request.words.language) for one in asked]
        prompts = [self._theirs(one.prompt) for one in asked]
        return self._subject.clone(words, prompts, [one.request.seed for one in asked])

    def _theirs(self, audio: Tensor) -> Tensor:
        """A copy at the cloner's rate; resampling overshoots a little at full scale."""
        return resample(audio[None], RATE, self._rate)[0].clamp(-1, 1).clone()

    def _audio(self, asked: _Asked, given: object) -> Made:
        """The audio of one clone at 16 kHz, or why there is none."""
        seconds = LONGEST * len(asked.said) / RATE + 2
        problem = clone_problem(given, round(seconds * self._rate))
        if problem is not None:
            return problem
        made = cast(Tensor, given).detach().to("cpu", torch.float32)
        return resample(made[None], self._rate, RATE)[0].clamp(-1, 1)

    def _company(self, asked: Sequence[_Asked], made: Sequence[Made]) -> str | None:
        """Why a batch cannot be trusted: the clone of its shortest words, made alone, is another one."""
        whole = [place for place, clip in enumerate(made) if not isinstance(clip, str)]
        if len(asked) == 1 or not whole:
            return None
        shortest = min(whole, key=lambda place: len(asked[place].said))
        try:
            given: list[object] = list(self._given([asked[shortest]]))
        except PartAbsent:
            raise
        except ReleaseGateError as error:
            return f"`clone` answers for the company: alone, the same clone is refused ({error})"
        alone = self._audio(asked[shortest], given[0]) if len(given) == 1 else "there is not one clone"
        together = made[shortest]
        assert isinstance(together, Tensor), "chosen above"
        if isinstance(alone, str):
            return f"`clone` answers for the company: alone, the same clone is none ({alone})"
        return company_problem(together, alone)

    @staticmethod
    def _judged(asked: _Asked, made: Made) -> Made:
        """The clone, if it is one to the ear."""
        if isinstance(made, str):
            return made
        why = fault(made, asked.said, asked.prompt)
        return made if why is None else f"the clone {why}"
