"""What `releasegate attack` reads, does and writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch

from releasegate.attacks.attack import Attack
from releasegate.attacks.record import AttackedSound, AttackRecord, GivenSound, MarkedSound, SkippedAttack, Watermark
from releasegate.attacks.running import Outcome, Target, attack_one, snr_db, target_of
from releasegate.attacks.suite import Suite
from releasegate.audio.files import Sound, decode_audio, encode_wav
from releasegate.checkpoint import open_checkpoint
from releasegate.cli.console import Bars
from releasegate.errors import UsageError
from releasegate.evaluation import open_subject
from releasegate.records import digest_of_bytes
from releasegate.repository import GateRepository
from releasegate.repository.new_folder import new_folder
from releasegate.repository.reading import read_file
from releasegate.subjects import SUBJECTS, WatermarksAudio

RECORD = "attacks.json"
"""The file that says what was done."""

RATES = (4000, 768_000)
"""Samples a second. Fewer hold no speech, and vocoders read past the end of what they then take for a frame; what has more is
a file with a wrong header, whose filters would be as long."""


@dataclass(frozen=True)
class Read:
    """A sound file that was read: its path, the digest of its bytes, and its sound."""

    path: Path
    digest: str
    sound: Sound


@dataclass(frozen=True)
class Weapon:
    """What attacks are made with: where they compute, and the watermark under attack, if there is one."""

    device: torch.device
    subject: WatermarksAudio | None = None
    watermark: Watermark | None = None

    @classmethod
    def open(cls, model: Path, name: str, device: torch.device, repository: GateRepository) -> Weapon:
        """The watermark in the checkpoint `model`.

        Raises:
            UsageError: the subject is no watermark for audio.
            NotFound, CheckpointError, HarnessError: it cannot be opened.
        """
        known = SUBJECTS.get(name)
        if known is not None and "WatermarksAudio" not in known.provides:
            marks = [other for other, kind in SUBJECTS.items() if "WatermarksAudio" in kind.provides]
            raise UsageError("--subject", f"{name} is no watermark for audio", f"use one of {', '.join(marks)}")
        checkpoint = open_checkpoint(model)
        subject = open_subject(name, repository, checkpoint, None, device, torch.float32)
        if not all(hasattr(subject, part) for part in ("mark", "detect", "rate", "bits")):
            raise UsageError(
                "--subject", f"{name} is no watermark for audio", "name one with the methods mark and detect"
            )
        return cls(device, cast(WatermarksAudio, subject), Watermark(subject=name, model=checkpoint.digest))


def read_sounds(paths: Sequence[Path]) -> list[Read]:
    """Every sound file, decoded.

    Raises:
        NotFound: one is not there.
        UsageError: one holds no sound, or what comes of two would have the same names.
    """
    stems: dict[str, Path] = {}
    for path in paths:
        other = stems.setdefault(path.stem.casefold(), path)
        if other is not path:
            what = f"what comes of it would be named like what comes of {other}"
            raise UsageError(str(path), what, "rename one of the two, or attack them one after the other")
    found = []
    for path in paths:
        content = read_file(path, "file", "name a WAV, FLAC, Ogg or MP3 file")
        found.append(Read(path, digest_of_bytes(content), decode_audio(content, str(path))))
    return found


def attack_all(sounds: Sequence[Read], suite: Suite, seed: int, weapon: Weapon, out: Path, bars: Bars) -> AttackRecord:
    """What was done: each attack of the suite on each sound; the files and the record of it lie in the new folder `out`.

    Raises:
        UsageError: no attack could be made, or a sound has a sample rate that no attack, or not the watermark, takes.
    """
    _require_rate(sounds, weapon.subject)
    cells = list(suite.cells())
    given: list[GivenSound] = []
    attacked: list[AttackedSound] = []
    skipped: list[SkippedAttack] = []
    with new_folder(out) as folder, bars.step("attack", len(sounds) * len(cells)) as advance:
        for one in sounds:
            audio = one.sound.audio.to(weapon.device)
            target = target_of(audio, one.sound.rate, one.digest, seed, weapon.subject)
            given.append(_given(one, target, folder))
            for attack, strength in cells:
                try:
                    outcome = attack_one(target, attack, strength)
                except UsageError as error:
                    skipped.append(_skipped(one, attack, strength, error))
                else:
                    attacked.append(_attacked(one, attack, strength, outcome, folder))
                advance(1)
        if not attacked:
            first = skipped[0]
            raise UsageError(f"attack {first.attack}", f"no attack could be made: {first.why}", first.fix)
        record = AttackRecord(
            schema_="releasegate/attacked/v1",
            suite=suite,
            seed=seed,
            watermark=weapon.watermark,
            given=tuple(given),
            attacked=tuple(attacked),
            skipped=tuple(skipped),
        )
        (folder / RECORD).write_text(record.text(), encoding="utf-8")
    return record


def _require_rate(sounds: Sequence[Read], subject: WatermarksAudio | None) -> None:
    for one in sounds:
        low, high = RATES
        if not low <= one.sound.rate <= high:
            what = f"has {one.sound.rate} samples a second, and attacks are made on {low} to {high}"
            raise UsageError(str(one.path), what, "convert it to a usual rate, such as 16000 Hz")
        if subject is not None and one.sound.rate != subject.rate:
            what = f"has {one.sound.rate} samples a second, and the watermark takes {subject.rate}"
            raise UsageError(
                str(one.path), what, f"convert it to {subject.rate} Hz, or leave out --model and --subject"
            )


def _given(one: Read, target: Target, folder: Path) -> GivenSound:
    """The record of a sound; the marked one, if there is one, is written."""
    marked = None
    if target.marked is not None:
        name = f"{one.path.stem}.marked.wav"
        content = encode_wav(target.marked.audio, target.rate)
        (folder / name).write_bytes(content)
        message = tuple(1 if bit else 0 for bit in target.marked.message.tolist())
        marked = MarkedSound(file=name, sha256=digest_of_bytes(content), message=message)
    return GivenSound(
        file=one.path.name,
        sha256=one.digest,
        rate=target.rate,
        channels=one.sound.channels,
        samples=len(target.audio),
        marked=marked,
    )


def _attacked(one: Read, attack: Attack, strength: float | None, outcome: Outcome, folder: Path) -> AttackedSound:
    """The record of an attack; the attacked sound is written."""
    name = f"{one.path.stem}.{attack.label(strength)}.wav"
    content = encode_wav(outcome.audio, one.sound.rate)
    (folder / name).write_bytes(content)
    return AttackedSound(
        file=name,
        sha256=digest_of_bytes(content),
        of=one.path.name,
        attack=attack.name,
        strength=strength,
        unit=attack.unit,
        seed=outcome.seed,
        marked=outcome.marked,
        aligned=attack.aligned,
        samples=len(outcome.audio),
        snr_db=snr_db(outcome.before, outcome.audio) if attack.aligned else None,
    )


def _skipped(one: Read, attack: Attack, strength: float | None, error: UsageError) -> SkippedAttack:
    problem = error.problems[0]
    return SkippedAttack(of=one.path.name, attack=attack.name, strength=strength, why=problem.what, fix=problem.fix)


def lines(record: AttackRecord, out: Path) -> Iterator[str]:
    """The record for people."""
    for sound in record.given:
        mixed = f", the mean of {sound.channels} channels" if sound.channels > 1 else ""
        yield f"{sound.file}: {sound.samples / sound.rate:.2f} s at {sound.rate} Hz{mixed}"
        if sound.marked is not None:
            yield f"  {sound.marked.file}"
        for made in (one for one in record.attacked if one.of == sound.file):
            ratio = "" if made.snr_db is None else f"  SNR {made.snr_db:.1f} dB"
            yield f"  {made.file}{ratio}" + ("" if made.aligned else "  not aligned")
    reasons = {(one.attack, one.why, one.fix): None for one in record.skipped}
    for attack, why, fix in reasons:
        yield f"left out: {attack}: {why}\n  fix: {fix}"
    yield f"{len(record.attacked)} sounds in {out}, described in {out / RECORD}"
