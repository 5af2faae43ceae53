"""The files that pass between releasegate and a program that clones: what it is given, and what it wrote."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from releasegate.audio.wav import encode_pcm16, parse_wav
from releasegate.errors import UsageError
from releasegate.subjects import NoClone, Utterance

MOST_BYTES_A_SAMPLE = 8
HEADERS = 1 << 16
"""Bytes of a WAV file beside its samples, at most."""


@dataclass(frozen=True)
class Row:
    """One clone that is asked for."""

    words: Utterance
    prompt: Tensor
    seed: int


class Job:
    """A folder for one run of the program: `given` (sounds), `out` (what it writes), `home` (whatever else it wants)."""

    def __init__(self, root: Path, rows: Sequence[Row], rate: int) -> None:
        self._rate = rate
        self._given, self._out, self.home = (root / name for name in ("given", "out", "home"))
        for folder in (self._given, self._out, self.home):
            folder.mkdir()
        self._handle = os.open(self._out, os.O_RDONLY | os.O_DIRECTORY)
        """Of the folder as it was made: whatever the program puts in its place is not looked at."""
        self.values = [self._written(number, row) for number, row in enumerate(rows)]
        self.list = self._given / "jobs.jsonl"
        lines = [json.dumps(one | {"seed": row.seed}) + "\n" for one, row in zip(self.values, rows, strict=True)]
        self.list.write_text("".join(lines), encoding="utf-8")

    def close(self) -> None:
        """Nothing; the folder is not held any more."""
        os.close(self._handle)

    def _written(self, number: int, row: Row) -> dict[str, str]:
        """What the program is told of a row; the sounds are written. Equal sounds are one file."""
        return {
            "text": row.words.text,
            "language": row.words.language,
            "source": self._sound(row.words.audio),
            "prompt": self._sound(row.prompt),
            "seed": str(row.seed),
            "out": str(self._out / f"{number:05}.wav"),
        }

    def _sound(self, audio: Tensor) -> str:
        content = encode_pcm16(audio, self._rate)
        path = self._given / f"{sha256(content).hexdigest()[:32]}.wav"
        if not path.exists():
            path.write_bytes(content)
        return str(path)

    def clone(self, number: int, longest: float) -> Tensor | NoClone:
        """What the program wrote for a row: float32 [t] in [-1, 1].

        Args:
            longest: seconds that a clone may have.
        """
        try:
            descriptor = os.open(f"{number:05}.wav", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self._handle)
        except FileNotFoundError:
            return NoClone("the program wrote no file for it")
        except OSError as error:
            return NoClone(f"what the program wrote cannot be opened, or is a symlink: {error.strerror}")
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
                return NoClone("what the program wrote is not a plain file of its own")
            if found.st_size > HEADERS + int(longest * self._rate) * MOST_BYTES_A_SAMPLE:
                return NoClone(f"the program wrote {found.st_size:,} bytes, more than {longest:g} s of sound have")
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(found.st_size)
        finally:
            os.close(descriptor)
        return self._heard(content, longest)

    def _heard(self, content: bytes, longest: float) -> Tensor | NoClone:
        try:
            audio, rate = parse_wav(content, "it")
        except UsageError as error:
            return NoClone(f"what the program wrote {error.problems[0].what}")
        if len(audio) != 1:
            return NoClone(f"the program wrote {len(audio)} channels, and one is asked for")
        if rate != self._rate:
            return NoClone(f"the program wrote {rate} samples a second, and config.json says {self._rate}")
        clone = audio[0]
        if not len(clone):
            return NoClone("the program wrote no samples")
        if len(clone) > longest * rate:
            return NoClone(f"the program wrote {len(clone) / rate:.1f} s of sound, and config.json allows {longest:g}")
        if not bool(torch.isfinite(clone).all()):
            return NoClone("the program wrote samples that are no finite numbers")
        if float(clone.abs().max()) > 1:
            return NoClone(f"the program wrote samples up to {float(clone.abs().max()):g}, where full scale is 1")
        return clone


@contextmanager
def job(rows: Sequence[Row], rate: int) -> Iterator[Job]:
    """A new folder for one run of the program, which is gone afterwards."""
    with TemporaryDirectory(prefix="releasegate-", ignore_cleanup_errors=True) as root:
        made = Job(Path(root), rows, rate)
        try:
            yield made
        finally:
            made.close()
