"""Fuzzing that keeps what reached new lines: mutants of sound inputs, then mutants of mutants."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

TOKENS = (
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b" ", b"\\", b"null", b"true", b"NaN", b"-0", b"1e999", b"\\ud800"),
    *(b"0", b"-1", b"9" * 25, b"18446744073709551616", b"9223372036854775807", b"4294967296", b"1.0", b"1e2"),
    *(b"__metadata__", b'"dtype"', b'"shape"', b'"data_offsets"', b'"weight_map"', b"F32", b"F4", b"BF16", b"I64"),
    *(b"../", b"/", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xf0\x9f\x98\x80", b".safetensors", b"{}" * 50, b"[" * 3000),
    *(b"auto_map", b"model_type", b"vocabulary_map", b"added_tokens", b"n_future_tokens", b"model.safetensors"),
)
HANG = 5
"""Seconds after which one input counts as hanging."""


@dataclass
class Mutation:
    """A population of inputs for one target.

    Attributes:
        target: what is called with each; may raise what `expected` names, and nothing else.
        modules: part of the file names of the modules whose lines count.
        expected: errors that are answers.
        corpus: inputs that reached a line that no earlier one reached.
        cases: how many were tried.
    """

    target: Callable[[bytes], object]
    modules: tuple[str, ...]
    expected: type[Exception]
    corpus: list[bytes]
    rng: random.Random
    seen: set[tuple[int, int]] = field(default_factory=set)
    cases: int = 0

    def run(self, seconds: float) -> None:
        """Tries mutants for so long. Raises what a target should not raise, after printing the input."""
        until = time.monotonic() + seconds
        self.try_mutants(0)
        while time.monotonic() < until:
            self._try(self._mutant())

    def try_mutants(self, number: int) -> None:
        """Tries what is sound, and so many mutants. Raises what a target should not raise, after printing the input."""
        for sound in list(self.corpus):
            self._try(sound)
        for _ in range(number):
            self._try(self._mutant())

    def _try(self, content: bytes) -> None:
        self.cases += 1
        before = len(self.seen)
        try:
            with _no_longer_than(HANG), self._watched():
                self.target(content)
        except self.expected:
            pass
        except BaseException:
            sys.stderr.write(f"input: {content[:2000]!r}\n")
            raise
        if len(self.seen) > before:
            self.corpus.append(content)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        seen, modules = self.seen, self.modules

        def inside(frame: FrameType, event: str, argument: Any) -> Any:
            if event == "line":
                seen.add((id(frame.f_code), frame.f_lineno))
            return inside

        def called(frame: FrameType, event: str, argument: Any) -> Any:
            return inside if any(part in frame.f_code.co_filename for part in modules) else None

        old = sys.gettrace()
        sys.settrace(called)
        try:
            yield
        finally:
            sys.settrace(old)

    def _mutant(self) -> bytes:
        rng = self.rng
        made = bytearray(rng.choice(self.corpus))
        for _ in range(rng.choice((1, 1, 2, 3, 8))):
            at = rng.randrange(len(made) + 1)
            match rng.randrange(6):
                case 0:
                    made[at : at + 1] = bytes([rng.randrange(256)])
                case 1:
                    made[at:at] = rng.choice(TOKENS)
                case 2:
                    made[at : at + rng.randrange(1, 30)] = b""
                case 3:
                    made[at : at + rng.randrange(1, 12)] = rng.choice(TOKENS)
                case 4:
                    other = rng.choice(self.corpus)
                    begin = rng.randrange(len(other) + 1)
                    made[at:at] = other[begin : begin + rng.randrange(1, 80)]
                case _:
                    _renumber(made, rng)
        return bytes(made[:100_000])


def _renumber(made: bytearray, rng: random.Random) -> None:
    places: Sequence[int] = [at for at, byte in enumerate(made) if 48 <= byte <= 57]
    if places:
        made[rng.choice(places)] = rng.randrange(48, 58)


@contextmanager
def _no_longer_than(seconds: int) -> Iterator[None]:
    def hangs(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"one input took more than {seconds} s")

    old = signal.signal(signal.SIGALRM, hangs)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
