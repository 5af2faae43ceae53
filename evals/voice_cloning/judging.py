"""What instruments say of clones: whose voice it is, which words are heard, how natural it sounds.

Every clone is judged alone: what is said of one depends on no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from releasegate.audio.quality import dnsmos_ovrl
from releasegate.errors import NotScorable

from .. import voices
from ..cloning import Request
from ..recordings import at_level
from ..speaker_encoders import ENCODERS, encoder
from ..speech_recogniser import transcribe
from ..spoken_texts import normalised, word_errors
from ..voices import RATE
from .impostors import cohort

R = TypeVar("R")

MOST = 20.0
"""Deviations of strangers from their mean at which a normed similarity ends, on either side."""
LEAST_SPREAD = 1e-3
"""Deviation that strangers are taken to have at least: of copies of one recording it would be none."""
PLACES = 6
"""Decimals of a stored cosine: what a batch does to the last bits of a float32 is rounded away."""

Asked = tuple[Tensor, Request, bool]
"""A clone, what was asked for, and whether it is listened to as well."""
Found = tuple[dict[str, float], dict[str, str]]
"""The values of a clone, and its numbers in words."""


class Judge:
    """The instruments, with what the card says of them."""

    def __init__(self, params: Mapping[str, Any], device: str) -> None:
        self._params = params
        self._device = device

    def real(self, asked: Sequence[tuple[Tensor, str]]) -> list[dict[str, float] | str]:
        """The similarity of each recording, float32 [t], to a person, by encoder; or why there is none."""
        return self._similar([clip for clip, _ in asked], [speaker for _, speaker in asked])

    def normed(self, name: str, speaker: str, similarity: float) -> float:
        """By how many deviations a similarity to a person lies above the mean of strangers of that person (Z-norm).

        In [-20, 20]. Persons differ in how similar strangers are to them; after this one threshold does for all. Known in
        speaker verification as Z-norm: Auckenthaler, Carey and Lloyd-Thomas, "Score normalization for text-independent speaker
        verification systems", Digital Signal Processing 10, 2000.
        """
        mean, deviation = _strangers(
            name, self._device, speaker, int(self._params["enrolled"]), int(self._params["cohort"])
        )
        return round(max(-MOST, min(MOST, (similarity - mean) / deviation)), PLACES)

    def clones(self, asked: Sequence[Asked]) -> list[Found | str]:
        """What is found of each clone, or why nothing can be.

        The recogniser works beside the others, in a thread of its own.
        """
        heard = [clip for clip, _, listen in asked if listen]
        with ThreadPoolExecutor(1) as beside:
            texts = beside.submit(_one_by_one, lambda clip: transcribe([clip])[0], heard)
            seen = self._similar([clip for clip, _, _ in asked], [request.speaker for _, request, _ in asked])
            sounds = _one_by_one(lambda clip: float(dnsmos_ovrl(at_level(clip)[None], RATE)[0]), heard)
            said = iter(zip(texts.result(), sounds, strict=True))
        return [
            self._found(one, similarity, next(said) if one[2] else None)
            for one, similarity in zip(asked, seen, strict=True)
        ]

    def _found(
        self,
        asked: Asked,
        similarity: dict[str, float] | str,
        heard: tuple[str | NotScorable, float | NotScorable] | None,
    ) -> Found | str:
        if isinstance(similarity, str):
            return similarity
        values: dict[str, float] = {}
        detail: dict[str, str] = {}
        for name, value in similarity.items():
            floor = float(self._params["similar"][name])
            values |= {
                f"false_accept_{name}": self.normed(name, asked[1].speaker, value),
                f"similarity_{name}": value,
                f"similar_{name}": float(value >= floor),
            }
            detail[f"similarity_{name}"] = f"{value:.3f}"
        if heard is None:
            return values, detail
        text, mos = heard
        if isinstance(text, NotScorable) or isinstance(mos, NotScorable):
            return str(text if isinstance(text, NotScorable) else mos)
        wrong, said = word_errors(asked[1].words.text, text)
        if not said:
            return f"nothing is to be said: {asked[1].words.text!r} has no words"
        values |= {
            "words_wrong": float(wrong),
            "words_said": float(said),
            "intelligible": float(wrong <= float(self._params["wrong_words"]) * said),
            "dnsmos": round(mos, PLACES),
            "natural": float(mos >= float(self._params["natural"])),
        }
        return values, {
            **detail,
            "heard": normalised(text),
            "words": f"{wrong} of {said} wrong",
            "dnsmos": f"{mos:.2f}",
        }

    def _similar(self, clips: Sequence[Tensor], speakers: Sequence[str]) -> list[dict[str, float] | str]:
        """The cosine of each clip with what a verifier knows its person by, for every encoder, each in a thread of its own."""
        found: list[dict[str, float] | str] = [{} for _ in clips]
        with ThreadPoolExecutor(len(ENCODERS)) as side_by_side:
            every = list(side_by_side.map(lambda name: _embedded(name, self._device, clips), ENCODERS))
        for name, rows in zip(ENCODERS, every, strict=True):
            for place, (row, speaker) in enumerate(zip(rows, speakers, strict=True)):
                sofar = found[place]
                if isinstance(sofar, str):
                    continue
                if isinstance(row, NotScorable):
                    found[place] = str(row)
                    continue
                known = enrolled(name, self._device, speaker, int(self._params["enrolled"]))
                sofar[name] = round(max(-1.0, min(1.0, float(row @ known))), PLACES)
        return found


@lru_cache(maxsize=256)
def _strangers(name: str, device: str, speaker: str, enrolled_by: int, least: int) -> tuple[float, float]:
    """Mean and deviation of the similarities of strangers to a person."""
    rows = encoder(name, device).embed([voices.read(voice) for voice in cohort(speaker, least)])  # [least, d]
    found = (rows @ enrolled(name, device, speaker, enrolled_by)).double()  # [least]
    return float(found.mean()), max(float(found.std()), LEAST_SPREAD)


@lru_cache(maxsize=256)
def enrolled(name: str, device: str, speaker: str, least: int) -> Tensor:
    """What a verifier knows a person by: float32 [d], the direction of the mean of `least` recordings' directions."""
    known = voices.by_speaker("enrolment", least)[speaker][:least]
    rows = encoder(name, device).embed([voices.read(voice) for voice in known])  # [least, d]
    return functional.normalize(rows.mean(dim=0), dim=0)


def _embedded(name: str, device: str, clips: Sequence[Tensor]) -> list[Tensor | NotScorable]:
    """The direction of each clip, float32 [d], or why it has none; all at once where all have one."""
    if not clips:
        return []
    try:
        return list(encoder(name, device).embed(clips))
    except NotScorable:
        return _one_by_one(lambda clip: encoder(name, device).embed([clip])[0], clips)


def _one_by_one(score: Callable[[Tensor], R], clips: Sequence[Tensor]) -> list[R | NotScorable]:
    """What is said of each clip, or why nothing can be."""
    found: list[R | NotScorable] = []
    with torch.inference_mode():
        for clip in clips:
            try:
                found.append(score(clip))
            except NotScorable as error:
                found.append(error)
    return found
