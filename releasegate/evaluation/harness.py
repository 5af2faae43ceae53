"""Loading the code of a gate repository by path: harnesses, and subjects that an eval supplies."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeVar, cast

from numpy.random import Generator

from releasegate.discretion import unsaid
from releasegate.errors import HarnessError, ReleaseGateError, Terminated
from releasegate.evaluation.importing import PREFIX, import_file
from releasegate.evaluation.silence import silenced
from releasegate.evaluation.tools import Tools
from releasegate.evidence import Failed, Item, Reading
from releasegate.extras import remedy
from releasegate.subjects import OpensSubject

T = TypeVar("T")


class Harness(Protocol):
    """The module `evals/<id>/harness.py`."""

    def items(self, params: Mapping[str, Any], rng: Generator) -> Sequence[Item]:
        """What to measure: deterministic, cheap, without a model.

        `params["n"]` items, or the whole pool. Labels and metrics must not depend on `rng`.
        """

    def measure(self, subject: object, items: Sequence[Item], tools: Tools) -> Iterable[Reading | Failed]:
        """One reading an item, in any order. May raise: what it did not yield is then failed."""


class CalibratedHarness(Harness, Protocol):
    """A harness whose card has calibration items."""

    def calibration(self, params: Mapping[str, Any], rng: Generator) -> Sequence[Item]:
        """Items that measure the instruments; `measure` is called with them as with any other."""


class RehearsedHarness(Harness, Protocol):
    """A harness whose card has rehearsal items."""

    def rehearsal(self, params: Mapping[str, Any], rng: Generator) -> Sequence[Item]:
        """Items that the gate never measures; `measure` is called with them as with any other."""


class RequiringHarness(Harness, Protocol):
    """A harness that needs more on the machine than its folder and the model."""

    def require(self, params: Mapping[str, Any]) -> None:
        """Check that what `measure` reads is there. Called before an attempt is opened, and quick.

        Raises:
            ReleaseGateError: something is missing, and how to get it.
        """


class PromptingHarness(Harness, Protocol):
    """A harness whose items hold other texts than the model is given."""

    def prompts(self, items: Sequence[Item]) -> Sequence[str]:
        """The texts that the model is given, or some of each kind. Called before an attempt is opened, and quick."""


def load_harness(folder: Path, *, discreet: bool = False) -> Harness:
    """The harness of an eval's folder.

    Args:
        discreet: say nothing that might quote a prompt.

    Raises:
        HarnessError: it does not load, or lacks `items` or `measure`.
    """
    module = _load(folder / "harness.py", discreet=discreet)
    for name in ("items", "measure"):
        if not callable(getattr(module, name, None)):
            raise HarnessError(str(folder / "harness.py"), f"has no function {name}", "add it")
    return cast(Harness, module)


def load_subject(file: Path) -> tuple[OpensSubject, bool]:
    """The `open_subject` of an eval's `subject.py`, and whether the file says `DETERMINISTIC = True`.

    Raises:
        HarnessError: it does not load, or has none.
    """
    module = _load(file)
    opener = getattr(module, "open_subject", None)
    if not callable(opener):
        raise HarnessError(str(file), "has no function open_subject", "add it")
    return cast(OpensSubject, opener), getattr(module, "DETERMINISTIC", False) is True


def guarded(
    file: Path,
    action: str,
    call: Callable[[], T],
    expected: type[ReleaseGateError] = HarnessError,
    *,
    discreet: bool = False,
) -> T:
    """What `call` returns; whatever the repository's code raises becomes a HarnessError with its file and line.

    One of the three places that catch everything: code that cannot be loaded is an error with a place, not a crash.

    Args:
        expected: what the code may raise with a place and a remedy of its own, which is passed on.
        discreet: let nothing be printed, and say nothing of what else was raised but its kind.
    """
    try:
        with silenced() if discreet else nullcontext():
            return call()
    except (expected, KeyboardInterrupt, Terminated):
        raise
    except BaseException as error:  # noqa: BLE001
        words = unsaid(type(error).__name__) if discreet else f"{type(error).__name__}: {error}"
        cause = None if discreet else error
        raise HarnessError(_line_of(error, file), f"{action}: {words}", _remedy_of(error)) from cause


def _load(file: Path, *, discreet: bool = False) -> ModuleType:
    if not file.is_file():
        raise HarnessError(str(file), "is missing", "add it")
    return guarded(file, "does not load", lambda: import_file(file), discreet=discreet)


def _remedy_of(error: BaseException) -> str:
    """What to do about what the repository's code raised: a package that is missing can be installed."""
    inside = getattr(error, "name", None)
    if isinstance(error, ModuleNotFoundError) and inside and not inside.startswith(PREFIX):
        return remedy(inside)
    return "correct it"


def _line_of(error: BaseException, file: Path) -> str:
    """`file:line` of the innermost frame that lies beside `file`, or the file itself."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{error.filename}:{error.lineno}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(file.parent)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else str(file)
