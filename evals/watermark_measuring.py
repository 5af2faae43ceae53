"""Marking, attacking and detecting in batches.

A clip is marked once, alone, and goes through all its attacks; then everything of one length is detected together. What is
read from a clip depends on that clip, its seed and its attack alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from releasegate.attacks import Given, find_attack
from releasegate.attacks.splicing import segment
from releasegate.audio.files import encode_flac
from releasegate.audio.quality import compare, iou, usable
from releasegate.errors import NotScorable, ReleaseGateError
from releasegate.evaluation import Tools
from releasegate.evidence import Failed, Item, Reading
from releasegate.subjects import Detection, WatermarksAudio

from .speech import RATE, Clip, read

T = TypeVar("T")
R = TypeVar("R")

SILENT = 1e-3
"""Share of its loudness (rms) below which an attack left nothing of a clip: -60 dB."""
HOP = 160
"""Samples between the points of a score over time: 10 ms."""
PLACES = 6
"""Decimals of a stored score: what a batch does to the last bits of a float32 is rounded away."""

_MARKED: WeakKeyDictionary[object, dict[tuple[Clip, tuple[int, ...]], Tensor]] = WeakKeyDictionary()


def measure(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Reading | Failed]:
    """One reading an item; items of one attack are attacked in one batch, then all that are of one length detected in some."""
    work = _Work(cast(WatermarksAudio, subject), tools)
    with torch.inference_mode():
        heard: list[tuple[Item, Tensor]] = []
        for batch in _alike(items):
            attacked = work.attacked(batch)
            if isinstance(attacked, str):
                yield from (Failed(item=i.number, metrics=i.metrics, error=attacked) for i in batch)
                continue
            heard += zip(batch, attacked, strict=True)
        yield from work.readings(heard)


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

    def __init__(self, subject: WatermarksAudio, tools: Tools) -> None:
        self._subject = subject
        self._tools = tools
        self._params = tools.params
        if subject.rate != RATE:
            what = f"takes audio of {subject.rate} samples a second, and the clips have {RATE}"
            raise ReleaseGateError("the subject", what, "resample inside the subject, and state the rate of the clips")

    def attacked(self, batch: list[Item]) -> list[Tensor] | str:
        """The clips after the attack, or why it could not be carried out."""
        content = batch[0].content
        attack, strength = find_attack(content.get("attack", "none")), content.get("strength")
        clean = torch.stack([self._clean(item) for item in batch])  # [n, t]
        audio = torch.stack([self._before(item) for item in batch])  # [n, t]
        given = Given(audio, RATE, [item.seed for item in batch], clean, self._subject)
        try:
            return list(attack.apply(given, 0.0 if strength is None else float(strength)))
        except ReleaseGateError as error:
            return str(error)

    def readings(self, heard: list[tuple[Item, Tensor]]) -> Iterator[Reading | Failed]:
        """A reading of each attacked clip: by ear for some, by the detector for the others."""
        listened: list[tuple[Item, Tensor]] = []
        detected: list[tuple[Item, Tensor]] = []
        for item, audio in heard:
            reason = self._lost(item, audio)
            if reason:
                yield Failed(item=item.number, metrics=item.metrics, error=reason)
            else:
                (listened if item.content["do"] in ("hear", "compare") else detected).append((item, audio))
        yield from self._side_by_side(self._heard, listened)
        for readings in self._side_by_side(self._judged, list(self._by_length(detected))):
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
    def _judged(self, part: list[tuple[Item, Tensor]]) -> list[Reading | Failed]:
        """What the detector says of clips of one length."""
        found = self._subject.detect(torch.stack([audio for _, audio in part]))
        return [
            self._detected(item, audio, Detection(*(value[place] for value in found)))
            for place, (item, audio) in enumerate(part)
        ]

    def _by_length(self, heard: list[tuple[Item, Tensor]]) -> Iterator[list[tuple[Item, Tensor]]]:
        """Batches of clips of exactly one length: padding would change scores."""
        size = int(self._params["batch"])
        ordered = sorted(heard, key=lambda pair: (len(pair[1]), pair[0].number))
        for _, group in groupby(ordered, key=lambda pair: len(pair[1])):
            alike = list(group)
            yield from (alike[start : start + size] for start in range(0, len(alike), size))

    def _clean(self, item: Item) -> Tensor:
        return read(item.content["clip"]).to(self._tools.device)

    def _before(self, item: Item) -> Tensor:
        """The clip as whoever attacks it gets it: marked once, alone, so that its batch cannot matter."""
        if not item.content["marked"]:
            return self._clean(item)
        message = tuple(self._book(item)[int(item.content["message"])])
        known = _MARKED.setdefault(self._subject, {})
        key = (item.content["clip"], message)
        if key not in known:
            bits = torch.tensor([message], dtype=torch.int64, device=self._tools.device).reshape(1, len(message))
            known[key] = self._subject.mark(self._clean(item)[None], bits)[0]
        return known[key]

    def _book(self, item: Item) -> list[list[int]]:
        """The registered messages, each different, of as many bits as the watermark carries."""
        return registered(int(item.content["book"]), int(self._params["registered"]), self._subject.bits)

    def _lost(self, item: Item, audio: Tensor) -> str | None:
        """Why nothing can be read from an attacked clip."""
        if not bool(torch.isfinite(audio).all()):
            return "the attack, or the mark, gave samples that are not numbers"
        before = self._before(item)
        if float(audio.square().mean().sqrt()) <= SILENT * float(before.square().mean().sqrt()):
            silenced = item.content["do"] != "hear"
            return "the attack left no sound: that a mark is not found in silence says nothing" if silenced else None
        return None

    def _detected(self, item: Item, audio: Tensor, found: Detection) -> Reading | Failed:
        score = float(found.score)
        detail = {"score": f"{score:.4f}", "rule": self._subject.rule, **_of_clip(item)}
        if item.content["do"] == "locate":
            return self._located(item, audio, found, detail)
        if item.content["do"] == "read":
            return self._read(item, found, detail)
        outputs = {}
        if item.content["keep"] and "speaker" in item.labels and "attack" in item.labels:
            outputs = {"before": self._flac(self._before(item)), "after": self._flac(audio)}
        return Reading(item.number, {item.metrics[0]: round(score, PLACES)}, detail, outputs)

    def _located(self, item: Item, audio: Tensor, found: Detection, detail: dict[str, str]) -> Reading:
        """How well the marked part of a spliced clip is found: intersection over union, by samples."""
        given = Given(audio[None], RATE, [item.seed], self._clean(item)[None], self._subject)
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
            return Failed(item=item.number, metrics=item.metrics, error="the watermark carries no message")
        book = np.asarray(self._book(item))  # [messages, bits]
        if not bool(torch.isfinite(found.bits).all()):
            return Failed(item=item.number, metrics=item.metrics, error="the detector's bits are not numbers")
        bits = (found.bits.cpu().numpy() >= 0.5).astype(np.int64)
        truth, wrong = int(item.content["message"]), (book != bits).sum(1)  # [messages]
        named = attribute(wrong, int(self._params["wrong_bits"]))
        values = {
            "bit_accuracy": float((bits == book[truth]).mean()),
            "attributed": float(named == truth),
            "misattributed": float(named not in (truth, None)),
        }
        who = "nobody" if named is None else f"message {named}"
        return Reading(item.number, values, {**detail, "message": f"message {truth}", "attributed_to": who})

    @torch.inference_mode()
    def _heard(self, pair: tuple[Item, Tensor]) -> Reading | Failed:
        """What the ear, or what stands in for it, says of a clip."""
        item, audio = pair
        try:
            return self._usable(item, audio) if item.content["do"] == "hear" else self._compared(item, audio)
        except NotScorable as error:
            return Failed(item=item.number, metrics=item.metrics, error=str(error))

    def _compared(self, item: Item, audio: Tensor) -> Reading:
        """What the mark does to the sound, each measure against its floor."""
        floors = self._params["floors"]
        heard = compare(self._clean(item), audio, RATE)
        values = {
            "pesq_kept": float(heard.pesq >= floors["pesq"]),
            "stoi_kept": float(heard.stoi >= floors["stoi"]),
            "si_snr_kept": float(heard.si_snr >= floors["si_snr_db"]),
            "dnsmos_kept": float(heard.dnsmos_drop <= floors["dnsmos_drop"]),
        }
        said = {
            "pesq": f"{heard.pesq:.2f}",
            "stoi": f"{heard.stoi:.3f}",
            "si_snr_db": f"{heard.si_snr:.1f}, means removed",
            "dnsmos": f"{heard.dnsmos:.2f}, {heard.dnsmos_drop:+.2f} below the unmarked clip",
        }
        return Reading(item.number, values, {**said, **_of_clip(item)})

    def _usable(self, item: Item, audio: Tensor) -> Reading:
        """Whether anybody would still use the clip after the attack."""
        attack = find_attack(item.content["attack"])
        judged = usable(self._before(item), audio, RATE, aligned=attack.aligned, floors=self._params["usable"])
        values = {"usable": float(judged.usable), **judged.values}
        lacking = [name for name in item.metrics if name not in values]
        if lacking:
            raise NotScorable("an attacked clip", f"{', '.join(lacking)} is not defined", "leave the attack out")
        return Reading(item.number, {n: values[n] for n in item.metrics}, {"why": judged.why, **_of_clip(item)})

    def _flac(self, audio: Tensor) -> str:
        return self._tools.write(encode_flac(audio.cpu(), RATE), "flac")


def registered(seed: int, count: int, bits: int) -> list[list[int]]:
    """`count` messages of so many bits, no two the same, drawn by `seed`; empty ones where no bits are carried.

    Raises:
        ReleaseGateError: there are not so many messages of that length.
    """
    if not bits:
        return [[] for _ in range(count)]
    if count > 2**bits:
        what = f"carries {bits} bits: there are no {count} messages"
        raise ReleaseGateError("the watermark", what, "register fewer: `registered` in the card")
    rng = np.random.default_rng(seed)
    found: dict[tuple[int, ...], None] = {}
    while len(found) < count:
        found.setdefault(tuple(rng.integers(2, size=bits).tolist()))
    return [list(message) for message in found]


def attribute(wrong: np.ndarray, most: int) -> int | None:
    """The message that differs in the fewest bits; None, an abstention, if two are as near, or none near enough.

    >>> attribute(np.array([3, 1, 4]), 1), attribute(np.array([1, 1, 4]), 1), attribute(np.array([3, 2, 4]), 1)
    (1, None, None)
    """
    best = int(wrong.argmin())
    if int(wrong[best]) > most or int((wrong == wrong[best]).sum()) > 1:
        return None
    return best


def timeline(presence: Tensor, truth: Tensor, audio: Tensor) -> bytes:
    """JSON of the score over time beside the truth and the outline of the sound, a point every 10 ms.

    Args:
        presence: float [t]. truth: bool [t]. audio: float [t].
    """
    frames = -(-len(audio) // HOP)
    outline = torch.nn.functional.pad(audio, (0, frames * HOP - len(audio))).reshape(frames, HOP)
    edges = torch.diff(
        truth.int(), prepend=torch.zeros(1, device=truth.device), append=torch.zeros(1, device=truth.device)
    )
    starts, ends = (torch.nonzero(edges == sign)[:, 0].tolist() for sign in (1, -1))
    data: dict[str, Any] = {
        "rate": RATE,
        "hop": HOP,
        "score": [round(v, 4) for v in presence[::HOP].tolist()],
        "truth": [[round(a / RATE, 4), round(b / RATE, 4)] for a, b in zip(starts, ends, strict=True)],
        "wave": [[round(v, 4) for v in pair] for pair in torch.stack(outline.aminmax(dim=1), 1).tolist()],
    }
    return json.dumps(data, separators=(",", ":")).encode()


def _of_clip(item: Item) -> dict[str, str]:
    clip: Clip = item.content["clip"]
    return {"clip": clip.path.rpartition("/")[2], "language": clip.language}
