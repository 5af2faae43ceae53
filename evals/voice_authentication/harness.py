"""Tells clones from the person without a watermark: a passive detector, by route, codec and speaker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from numpy.random import Generator
from torch import Tensor

from releasegate.attacks import Given, find_attack
from releasegate.audio.files import encode_flac
from releasegate.errors import NotScorable, ReleaseGateError
from releasegate.evaluation import Tools
from releasegate.evidence import Failed, Item, Reading
from releasegate.extras import require_packages

from .. import voices
from ..failures import failed
from ..recordings import RATE, at_level, trim
from ..voice_routes import ROUTES, Asked, cloned
from ..voices import Voice, person, read
from ..world_frames import spoken
from .detector import Detector, score
from .items import GATE, REHEARSAL, Made, gate_items, negatives
from .subject_clones import SubjectClones

INSTRUMENT = "passive_detector"
SILENT = "there is no sound in it"


def require(params: Mapping[str, Any]) -> None:
    """Check that what codecs and clones are made with is installed, and that every recording is there."""
    require_packages(("av", "pyworld", "soundfile"), "eval voice_authentication")
    voices.require_all()


def items(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """Recordings of every person through every codec, and clones through one."""
    return gate_items(GATE, params, params["clips"], rng)


def rehearsal(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """The same of recordings that the gate never measures, and fewer."""
    return gate_items(REHEARSAL, params, params["rehearsal_clips"], rng)


def calibration(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """Recordings that set the threshold."""
    return negatives(int(params["calibrating"]), rng)


def measure(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Reading | Failed]:
    """One reading an item: what the model under test is not needed for comes first, so that its faults take nothing with it."""
    work = _Work(tools, SubjectClones(subject, int(tools.params["batch"])))
    without = [item for item in items if "request" not in item.content]
    yield from _side_by_side(work.reading, without)
    for item in items:
        if "request" in item.content:
            work.clones.make(item.content["group"])
    yield from _side_by_side(work.reading, [item for item in items if "request" in item.content])


class _Work:
    """The detector, and what it is asked about."""

    def __init__(self, tools: Tools, made: SubjectClones) -> None:
        self.clones = made
        self._tools = tools
        self._detectors = [_detector(file, str(tools.device)) for file in tools.instruments[INSTRUMENT]]

    @torch.inference_mode()
    def reading(self, item: Item) -> Reading | Failed:
        """The detector's score of one clip, heard as it comes out of a codec."""
        sound = self._sound(item)
        if isinstance(sound, str):
            return failed(item, sound)
        strength = item.content["strength"]
        given = Given(sound[None], RATE, [item.seed])
        try:
            heard = find_attack(item.content["codec"]).apply(given, 0.0 if strength is None else float(strength))[0]
            found = self._score(heard, item.content["known"])
        except ReleaseGateError as error:
            return failed(item, str(error))
        outputs = {"clip": self._tools.write(encode_flac(heard, RATE), "flac")} if _kept(item) else {}
        return Reading(item.number, {item.metrics[0]: found}, {"score": f"{found:.4f}", **_of(item)}, outputs)

    def _score(self, heard: Tensor, known: tuple[Voice, ...]) -> float:
        """The score by all detectors that never heard the person, together."""
        judges = [one for one in self._detectors if person(known[0].speaker) not in set(map(person, one.heard))]
        if not judges:
            fix = "train one without this person's recordings: train_detector.py"
            what = "every detector learned from recordings of this very person"
            raise NotScorable(f"speaker {known[0].speaker}", what, fix)
        return score([detector.logit(heard) - _known(detector, known) for detector in judges])

    def _sound(self, item: Item) -> Tensor | str:
        """The clip before the codec, float32 [t], without silence around it and at one level; or why there is none."""
        content = item.content
        if "recording" in content:
            return read(content["recording"])
        sound = self.clones.of(content["request"]) if "request" in content else _by_route(content["made"])
        return sound if isinstance(sound, str) else _levelled(sound)


def _levelled(sound: Tensor) -> Tensor | str:
    """A clone as recordings are: the silence around it tells nobody that it is one."""
    if not len(sound) or not bool(sound.abs().max() > 0):
        return SILENT
    spoken_part = trim(at_level(sound))
    return at_level(spoken_part) if len(spoken_part) else SILENT


def _by_route(made: Made) -> Tensor | str:
    """The clone that a route makes, or why it makes none."""
    try:
        asked = Asked(spoken(made.said), [spoken(voice) for voice in made.person], made.seed)
        return cloned(ROUTES[made.route], asked)
    except NotScorable as error:
        return str(error)


@lru_cache(maxsize=64)
def _known(detector: Detector, voices: tuple[Voice, ...]) -> float:
    """What a detector says of the recordings that a person is known by, on average."""
    return sum(detector.logit(read(voice)) for voice in voices) / len(voices)


@lru_cache(maxsize=8)
def _detector(file: Path, device: str) -> Detector:
    return Detector.read(file, device)


def _side_by_side(work: Callable[[Item], Reading | Failed], items: Sequence[Item]) -> Iterator[Reading | Failed]:
    """What `work` gives for each item, in order, in as many threads as torch would use inside an operation."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that start from now on have it: a sum is the same in any number of them
    try:
        with ThreadPoolExecutor(threads) as pool:
            yield from pool.map(work, items)
    finally:
        torch.set_num_threads(threads)


def _kept(item: Item) -> bool:
    return bool(item.content["keep"]) and item.content["codec"] == "none" and item.metrics != ("real_score",)


def _of(item: Item) -> dict[str, str]:
    """Which recordings a clip is, or was made of."""
    content = item.content
    if "recording" in content:
        return {"clip": _name(content["recording"])}
    said: Voice = content["request"].words if "request" in content else content["made"].said
    return {"words": _name(said), "language": said.language}


def _name(voice: Voice) -> str:
    return voice.path.rpartition("/")[2]
