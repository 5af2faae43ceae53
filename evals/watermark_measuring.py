"""Marking, attacking and detecting in batches.

A clip is marked once, alone, and goes through all its attacks; then everything of one length is detected together. What is
read from a clip depends on that clip, its seed and its attack alone. That a detector keeps to this is not taken on trust:
the clips that freeze the threshold are detected alone, as users ask, and again in company; what differs is a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from releasegate.attacks import Attack, Given, find_attack
from releasegate.attacks.splicing import segment
from releasegate.audio.files import encode_flac
from releasegate.audio.quality import iou, usable
from releasegate.errors import NotScorable, ReleaseGateError
from releasegate.evaluation import Tools
from releasegate.evidence import Failed, Item, Reading
from releasegate.subjects import Detection, WatermarksAudio

from .failures import failed
from .recordings import RATE
from .watermark_contract import company_problem, detection_problems
from .watermark_hearing import aligned, kept
from .watermark_messages import attribute, registered
from .watermark_sounds import OpensSounds, Recordings
from .watermark_timeline import timeline

T = TypeVar("T")
R = TypeVar("R")

SILENT = 1e-3
"""Share of its loudness (rms) below which an attack left nothing of a clip: -60 dB."""
PLACES = 6
"""Decimals of a stored score: what a batch does to the last bits of a float32 is rounded away."""
NEEDS = ("nothing", "generator", "score", "gradient")
"""What attacks need of a watermark, in the order in which they are made: what asks much of it may raise, and comes last."""
PACKAGES = ("av", "onnxruntime", "pesq", "pystoi", "pyworld", "soundfile", "speechmos")
"""Modules of packages that attacks and measures of quality are made with."""
BY_EAR = ("hear", "gauge", "compare")
UNCHANGED = "the attack changed nothing: that the mark survives it says nothing"
SILENCED = "the attack left no sound: that a mark is not found in silence says nothing"

Heard = tuple[Item, Tensor]
"""An item, and its clip after the attack: float [t]."""


def measure(
    subject: object, items: Sequence[Item], tools: Tools, sounds: OpensSounds = Recordings
) -> Iterator[Reading | Failed]:
    """One reading an item; items of one attack are attacked in one batch, then all that are of one length detected in some.

    All readings of attacks that need less of the watermark are yielded before the next kind is begun, so that what a detector
    raises under an attack that asks for its score or its gradient takes nothing else with it.

    Args:
        sounds: where the sounds of the items come from.
    """
    work = _Work(cast(WatermarksAudio, subject), tools, sounds)
    with torch.inference_mode():
        for needs in NEEDS:
            heard: list[Heard] = []
            for batch in _alike([item for item in items if _attack_of(item).needs == needs]):
                for item, after in work.attacked(batch):
                    if isinstance(after, str):
                        yield failed(item, after)
                    else:
                        heard.append((item, after))
            yield from work.readings(heard)


def _attack_of(item: Item) -> Attack:
    return find_attack(item.content.get("attack", "none"))


def _alike(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Items by attack, strength, and whether they are marked."""

    def key(item: Item) -> tuple[str, float, bool]:
        strength = item.content.get("strength")
        given = -np.inf if strength is None else float(strength)
        return str(item.content.get("attack", "none")), given, bool(item.content["marked"])

    for _, batch in groupby(sorted(items, key=key), key=key):
        yield list(batch)


class _Work:
    """One watermark, measured with one set of tools."""

    def __init__(self, subject: WatermarksAudio, tools: Tools, sounds: OpensSounds) -> None:
        self._subject = subject
        self._tools = tools
        self._params = tools.params
        self._sounds = sounds(subject, tools.device)
        if subject.rate != RATE:
            what = f"takes audio of {subject.rate} samples a second, and the clips have {RATE}"
            raise ReleaseGateError("the subject", what, "resample inside the subject, and state the rate of the clips")

    def attacked(self, batch: list[Item]) -> Iterator[tuple[Item, Tensor | str]]:
        """Each clip after the attack, or why there is none, or none that says anything; those of one length in one batch."""
        sound: dict[int, list[Heard]] = {}
        for item in batch:
            before = self._before(item)
            if isinstance(before, str):
                yield item, before
            else:
                sound.setdefault(len(before), []).append((item, before))
        for length in sorted(sound):
            yield from self._attacked(sound[length])

    def _attacked(self, sound: list[Heard]) -> Iterator[tuple[Item, Tensor | str]]:
        """The same of clips of one length, all of which are there."""
        items = [item for item, _ in sound]
        attack, strength = _attack_of(items[0]), items[0].content.get("strength")
        audio = torch.stack([before for _, before in sound])  # [n, t]
        given = Given(audio, RATE, [item.seed for item in items], self._clean_of(items), self._subject)
        try:
            made = attack.apply(given, 0.0 if strength is None else float(strength))
        except ReleaseGateError as error:
            yield from ((item, str(error)) for item in items)
            return
        for (item, before), after in zip(sound, made, strict=True):
            unchanged = attack.name != "none" and torch.equal(before, after)
            yield item, UNCHANGED if unchanged else after

    def readings(self, heard: list[Heard]) -> Iterator[Reading | Failed]:
        """A reading of each attacked clip: by ear for some, by the detector for the others, alone or in batches."""
        sorts: dict[str, list[Heard]] = {"ear": [], "alone": [], "batches": []}
        for item, audio in heard:
            reason = self._lost(item, audio)
            if reason:
                yield failed(item, reason)
                continue
            detected = "alone" if item.content.get("alone") else "batches"
            sorts["ear" if item.content["do"] in BY_EAR else detected].append((item, audio))
        yield from self._side_by_side(self._heard, sorts["ear"])
        for work, how in ((self._judged, "batches"), (self._judged_alone, "alone")):
            for readings in self._side_by_side(work, list(self._by_length(sorts[how]))):
                yield from readings

    def _side_by_side(self, work: Callable[[T], R], parts: Sequence[T]) -> Iterator[R]:
        """What `work` gives for each part, in order: on a processor in as many threads as torch would use inside an operation.

        Small operations gain little from threads of their own, and two of them at once gain twice.
        """
        threads = torch.get_num_threads() if self._tools.device.type == "cpu" else 1
        if threads == 1:
            yield from map(work, parts)
            return
        torch.set_num_threads(1)  # threads that start from now on have it
        try:
            with ThreadPoolExecutor(threads) as pool:
                yield from pool.map(work, parts)
        finally:
            torch.set_num_threads(threads)

    @torch.inference_mode()
    def _judged(self, part: list[Heard]) -> list[Reading | Failed]:
        """What the detector says of clips of one length."""
        return [
            failed(item, found) if isinstance(found, str) else self._detected(item, audio, found)
            for (item, audio), found in zip(part, self._detections([audio for _, audio in part]), strict=True)
        ]

    @torch.inference_mode()
    def _judged_alone(self, part: list[Heard]) -> list[Reading | Failed]:
        """What the detector says of clips, a call a clip, if it says the same of them in company."""
        audios = [audio for _, audio in part]
        company = self._detections(audios if len(audios) > 1 else 2 * audios)[: len(audios)]
        return [self._alone(pair, together) for pair, together in zip(part, company, strict=True)]

    def _alone(self, pair: Heard, together: Detection | str) -> Reading | Failed:
        item, audio = pair
        found = self._detections([audio])[0]
        for answer in (found, together):
            if isinstance(answer, str):
                return failed(item, answer)
        assert not isinstance(found, str), "returned above"
        assert not isinstance(together, str), "returned above"
        problem = company_problem(found, together)
        return failed(item, problem) if problem else self._detected(item, audio, found)

    def _detections(self, audios: list[Tensor]) -> list[Detection | str]:
        """What the detector says of each of some clips of one length, in one call; or why nothing can be read from it."""
        found = self._subject.detect(torch.stack(audios))
        problems = detection_problems(found, len(audios), len(audios[0]), self._subject.bits)
        return [problem or Detection(*(value[row] for value in found)) for row, problem in enumerate(problems)]

    def _by_length(self, heard: list[Heard]) -> Iterator[list[Heard]]:
        """Batches of clips of exactly one length: padding would change scores."""
        size = int(self._params["batch"])
        ordered = sorted(heard, key=lambda pair: (len(pair[1]), pair[0].number))
        for _, group in groupby(ordered, key=lambda pair: len(pair[1])):
            alike = list(group)
            yield from (alike[start : start + size] for start in range(0, len(alike), size))

    def _clean(self, item: Item) -> Tensor:
        """What the clip is without a mark; asked only where that is known."""
        clean = self._sounds.unmarked(item)
        assert not isinstance(clean, str), "nothing else is compared with it"
        return clean

    def _clean_of(self, items: list[Item]) -> Tensor | None:
        """The same of several clips of one length, [n, t]; None where it is not known of all."""
        known = [clean for clean in map(self._sounds.unmarked, items) if not isinstance(clean, str)]
        return torch.stack(known) if len(known) == len(items) else None

    def _before(self, item: Item) -> Tensor | str:
        """The clip as whoever attacks it gets it, marked where the item says so; or why there is no such clip."""
        if not item.content["marked"]:
            return self._sounds.unmarked(item)
        return self._sounds.marked(item, self._book(item)[self._message(item)])

    def _sound_before(self, item: Item) -> Tensor:
        """The same, of an item that was attacked."""
        before = self._before(item)
        assert not isinstance(before, str), "nothing else is attacked"
        return before

    def _book(self, item: Item) -> tuple[tuple[int, ...], ...]:
        """The registered messages, each different, of as many bits as the watermark carries.

        For a clip that carries none they are drawn anew for each item: whether somebody is named depends on who is registered, so
        that one book for all would make one draw of them all.
        """
        of_its_own = item.content["do"] == "read" and not item.content["marked"]
        seed = item.seed if of_its_own else int(item.content["book"])
        return registered(seed, int(self._params["registered"]), self._subject.bits)

    def _message(self, item: Item) -> int:
        """Which of them the clip carries; items are made before anybody knows how few there may be."""
        return int(item.content["message"]) % len(self._book(item))

    def _lost(self, item: Item, audio: Tensor) -> str | None:
        """Why nothing can be read from an attacked clip."""
        if not bool(torch.isfinite(audio).all()):
            return "the attack, or the mark, gave samples that are not numbers"
        before = self._sound_before(item)
        silent = float(audio.square().mean().sqrt()) <= SILENT * float(before.square().mean().sqrt())
        return SILENCED if silent and item.content["do"] != "hear" else None

    def _detected(self, item: Item, audio: Tensor, found: Detection) -> Reading | Failed:
        score = float(found.score)
        detail = {"score": f"{score:.4f}", "rule": self._subject.rule, **self._sounds.about(item)}
        if item.content["do"] == "locate":
            return self._located(item, audio, found, detail)
        if item.content["do"] == "read":
            return self._read(item, found, detail)
        outputs = {}
        if item.content["keep"] and "speaker" in item.labels and "attack" in item.labels:
            outputs = {"before": self._flac(self._sound_before(item)), "after": self._flac(audio)}
        return Reading(item.number, {item.metrics[0]: round(score, PLACES)}, detail, outputs)

    def _located(self, item: Item, audio: Tensor, found: Detection, detail: dict[str, str]) -> Reading:
        """How well the marked part of a spliced clip is found: intersection over union, by samples."""
        given = Given(audio[None], RATE, [item.seed], self._clean_of([item]), self._subject)
        truth = segment(given, float(item.content["strength"]), item.content["attack"])[0]
        said = found.presence >= float(self._params["present"])
        value = float(iou(said[None], truth[None])[0])
        outputs = {}
        if item.content["keep"]:
            line = timeline(found.presence, truth, audio)
            outputs = {"timeline": self._tools.write(line, "json"), "after": self._flac(audio)}
        return Reading(item.number, {"localisation_iou": round(value, PLACES)}, detail, outputs)

    def _read(self, item: Item, found: Detection, detail: dict[str, str]) -> Reading | Failed:
        """The message: its bits, and whose it is among the registered ones."""
        if not self._subject.bits:
            return failed(item, "the watermark carries no message")
        book = np.asarray(self._book(item))  # [messages, bits]
        bits = (found.bits.cpu().numpy() >= 0.5).astype(np.int64)
        wrong = (book != bits).sum(1)  # [messages]
        named = attribute(wrong, int(self._params["wrong_bits"]))
        who = {"attributed_to": "nobody" if named is None else f"message {named} of {len(book)}"}
        if not item.content["marked"]:
            return Reading(item.number, {"named_unmarked": float(named is not None)}, {**detail, **who})
        truth = self._message(item)
        values = {
            "bit_accuracy": float((bits == book[truth]).mean()),
            "attributed": float(named == truth),
            "misattributed": float(named not in (truth, None)),
        }
        return Reading(item.number, values, {**detail, "message": f"message {truth} of {len(book)}", **who})

    @torch.inference_mode()
    def _heard(self, pair: Heard) -> Reading | Failed:
        """What the ear, or what stands in for it, says of a clip."""
        item, audio = pair
        listen = {"hear": self._usable, "gauge": self._gauged, "compare": self._compared}[item.content["do"]]
        try:
            return listen(item, audio)
        except NotScorable as error:
            return failed(item, str(error))

    def _compared(self, item: Item, audio: Tensor) -> Reading:
        """What the mark does to the sound, each measure against its floor."""
        values, said = kept(item.metrics, self._clean(item), audio, self._params["floors"])
        return Reading(item.number, values, {**said, **self._sounds.about(item)})

    def _usable(self, item: Item, audio: Tensor) -> Reading:
        """Whether anybody would still use the clip after the attack."""
        keeps_time, floors = _attack_of(item).aligned, self._params["usable"]
        judged = usable(self._sound_before(item), audio, RATE, aligned=keeps_time, floors=floors)
        return Reading(item.number, {"usable": float(judged.usable)}, {"why": judged.why, **self._sounds.about(item)})

    def _gauged(self, item: Item, audio: Tensor) -> Reading:
        """What an attack that keeps time leaves of a clip, in the measures that compare sample by sample."""
        return Reading(item.number, aligned(self._sound_before(item), audio), self._sounds.about(item))

    def _flac(self, audio: Tensor) -> str:
        return self._tools.write(encode_flac(audio.cpu(), RATE), "flac")
