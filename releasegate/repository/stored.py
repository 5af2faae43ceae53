"""Reading a document that releasegate wrote: there, whole, and of a version that this release knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from releasegate.errors import EvidenceUntrusted, NotFound, ReleaseGateError
from releasegate.records import Document, first_fault

D = TypeVar("D", bound=Document)


MAX_BYTES = 256 << 20
"""Of a document: a plan of thousands of measurements, or the receipt of a hundred thousand tensors, is well below."""


@dataclass(frozen=True)
class Wording:
    """What is said where a document cannot be read.

    Attributes:
        noun: what it was to be, such as `a receipt`.
        missing: said where there is no file, and what to do then.
        restore: what to do where it holds something else.
        error: the error for that.
    """

    noun: str
    missing: tuple[str, str]
    restore: str
    error: type[ReleaseGateError] = EvidenceUntrusted


def read_stored(kind: type[D], path: Path, say: Wording) -> D:
    """The document in the file at `path`.

    Raises:
        NotFound: there is no such file.
        ReleaseGateError: of the kind that `say` names: it holds something else, of another version, or a key twice.
    """
    if not path.is_file():  # a pipe or a device would be read for ever
        raise NotFound(str(path), *say.missing)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1) if path.stat().st_size <= MAX_BYTES else None
        if data is None or len(data) > MAX_BYTES:
            raise say.error(str(path), f"is larger than {MAX_BYTES >> 20} MiB", say.restore)
        return kind.from_text(data)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise NotFound(str(path), *say.missing) from None
    except ValidationError as error:
        raise say.error(str(path), f"is not {say.noun}: {first_fault(error)}", say.restore) from None
    except ValueError as error:
        raise say.error(str(path), f"is not {say.noun}: {error}", say.restore) from None
