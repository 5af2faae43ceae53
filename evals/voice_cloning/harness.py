"""Clones named persons from prompts of several lengths, and asks whether the clones pass for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from numpy.random import Generator

from releasegate.audio.files import encode_flac
from releasegate.errors import DocumentError, Problem
from releasegate.evaluation import Tools
from releasegate.evidence import Failed, Item, Reading
from releasegate.extras import require_packages

from .. import voices
from ..cloning import Made, Request, clones, drawn, targets
from ..failures import failed
from ..speaker_encoders import ENCODERS, RESEMBLYZER, VOICEFILTER
from ..speech_recogniser import WHISPER
from ..voices import RATE, Split
from .impostors import cohort, strangers
from .judging import Judge

T = TypeVar("T")

PACKAGES = ("av", "faster_whisper", "jiwer", "onnxruntime", "pyworld", "soundfile", "speechmos")
"""Modules of packages that judges, impostors and recordings are made with."""
SEEN = tuple(f"{metric}_{name}" for name in ENCODERS for metric in ("false_accept", "similar", "similarity"))
"""What every clone carries."""
HEARD = ("intelligible", "words_wrong", "words_said", "natural", "dnsmos")
"""What clones carry that are listened to as well."""


def require(params: Mapping[str, Any]) -> None:
    """Check that packages, the weights of the judges and every recording are there, with the bytes that are listed."""
    require_packages(PACKAGES, "eval voice_cloning")
    for weights in (RESEMBLYZER, VOICEFILTER, WHISPER):
        weights.folder()
    voices.require_all()


def items(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """Every person at every length of the prompt, on the gate's prompts and words."""
    return _clones("prompt", "source", int(params["clones"]), params, rng)


def rehearsal(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """The same from prompts and words that the gate never uses, with fewer clones."""
    return _clones("rehearsal", "source_rehearsal", int(params["rehearsal_clones"]), params, rng)


def calibration(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """Real recordings: the person's own, and those of strangers of the same channel, who set the threshold."""
    made = []
    people = targets("prompt", 1)
    own = _enough(people, "real", int(params["own"]))
    _enough(people, "enrolment", int(params["enrolled"]))  # said before anything is measured
    for speaker, kind in people.items():
        for voice in _shuffled(own[speaker], rng)[: int(params["own"])]:
            made.append(_real("person", speaker, kind, voice))
    for speaker in people:
        cohort(speaker, int(params["cohort"]))
    dealt = strangers(tuple(people), int(params["impostors"]), rng)
    for speaker, kind in people.items():
        made += [_real("impostor", speaker, kind, voice) for voice in dealt[speaker]]
    return made


def _enough(people: Iterable[str], split: Split, least: int) -> dict[str, list[voices.Voice]]:
    """The recordings of one split of each of these people.

    Raises:
        DocumentError: somebody has fewer than `least`.
    """
    pool = {speaker: voices.clips(split, speaker) for speaker in people}
    fix = f"list {least} of each person, or lower the numbers of clips in the card's `params`"
    voices.require(((speaker, split, there, least) for speaker, there in pool.items()), fix)
    return pool


def _clones(split: Split, said: Split, each: int, params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """`each` clones of every person and length."""
    made = []
    pool = voices.by_speaker(split, 1)
    for speaker, kind in targets(split, 1).items():
        prompts = _shuffled(pool[speaker], rng)
        others = [voice for voice in voices.clips(said) if voices.person(voice.speaker) != voices.person(speaker)]
        if not others:
            what = f"nobody but {speaker} says anything for {said}, and a clone says what somebody else said"
            raise DocumentError(
                [
                    Problem(
                        "voices.csv",
                        what,
                        f"list another person for {said}: who one is, stands before the first `_` of a name",
                    )
                ]
            )
        words = _shuffled(others, rng)
        labels = {"speaker": speaker, "language": prompts[0].language, "target": kind}
        kept: set[float] = set()
        for seconds, request in drawn(prompts, words, [float(s) for s in params["seconds"]], each):
            metrics = SEEN + (HEARD if seconds in params["heard"] else ())
            content = {"do": "clone", "request": request, "keep": seconds not in kept}
            made.append(Item(metrics, {**labels, "seconds": f"{seconds:g}s"}, content))
            kept.add(seconds)
    return made


def _real(metric: str, speaker: str, kind: str, voice: voices.Voice) -> Item:
    """A real recording, to be compared with a person."""
    language = voices.clips("prompt", speaker)[0].language
    labels = {"speaker": speaker, "language": language, "target": kind}
    kinds = (metric, f"normed_{metric}") if metric == "impostor" else (metric,)
    metrics = tuple(f"{kind}_{name}" for name in ENCODERS for kind in kinds)
    return Item(metrics, labels, {"do": metric, "voice": voice, "speaker": speaker})


def _shuffled(given: Sequence[T], rng: Generator) -> list[T]:
    """The same in an order that the nonce decides."""
    return [given[place] for place in rng.permutation(len(given))]


def measure(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Reading | Failed]:
    """One reading an item: what is no clone is failed, with the reason."""
    judge = Judge(tools.params, str(tools.device))
    cloned = [item for item in items if item.content["do"] == "clone"]
    yield from _real_readings([item for item in items if item.content["do"] != "clone"], judge)
    requests: list[Request] = [replace(item.content["request"], seed=item.seed) for item in cloned]
    made = clones(subject, requests, int(tools.params["batch"])) if requests else []
    sound = [(item, clip) for item, clip in zip(cloned, made, strict=True) if not isinstance(clip, str)]
    yield from (failed(item, clip) for item, clip in zip(cloned, made, strict=True) if isinstance(clip, str))
    asked = [(clip, item.content["request"], "intelligible" in item.metrics) for item, clip in sound]
    for (item, clip), found in zip(sound, judge.clones(asked), strict=True):
        if isinstance(found, str):
            yield failed(item, found)
            continue
        values, detail = found
        yield Reading(item.number, values, {**_of_request(item), **detail}, _sounds(item, clip, tools))


def _real_readings(items: Sequence[Item], judge: Judge) -> Iterator[Reading | Failed]:
    """How similar real recordings are to a person, by every encoder."""
    asked = [(voices.read(item.content["voice"]), item.content["speaker"]) for item in items]
    for item, found in zip(items, judge.real(asked), strict=True):
        if isinstance(found, str):
            yield failed(item, found)
            continue
        voice: voices.Voice = item.content["voice"]
        values = {f"{item.content['do']}_{name}": value for name, value in found.items()}
        if item.content["do"] == "impostor":
            speaker = item.content["speaker"]
            values |= {f"normed_impostor_{name}": judge.normed(name, speaker, value) for name, value in found.items()}
        shared = {"who": voice.speaker, "language": voice.language, "channel": voice.channel}
        yield Reading(item.number, values, {"recording": _name(voice), **shared})


def _sounds(item: Item, clip: Made, tools: Tools) -> dict[str, str]:
    """The first clone of each person and length with its prompt, for people to listen to."""
    if not item.content["keep"] or isinstance(clip, str):
        return {}
    prompt = item.content["request"].prompt()
    return {
        name: tools.write(encode_flac(audio, RATE), "flac") for name, audio in (("prompt", prompt), ("clone", clip))
    }


def _of_request(item: Item) -> dict[str, str]:
    """What a clone was made from, in words."""
    request: Request = item.content["request"]
    return {
        "said": request.words.text,
        "words_of": request.words.speaker,
        "prompt_begins_with": _name(request.prompts[0]),
    }


def _name(voice: voices.Voice) -> str:
    return voice.path.rpartition("/")[2]
