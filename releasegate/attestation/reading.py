"""JSON that somebody else wrote to a record, or one error that says where it is not what it must be."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ConfigDict, ValidationError

from releasegate.errors import VerifyError
from releasegate.records import Record, first_fault, refuse_duplicate_keys

R = TypeVar("R", bound=Record)

RESTORE = "fetch the attestations again from where they were published"


class Growing(Record):
    """A record of somebody else's format, whose specification says that fields one does not know are passed over."""

    model_config = ConfigDict(extra="ignore", populate_by_name=False)


def read_json(kind: type[R], data: bytes, where: str, noun: str) -> R:
    """The record that `data` (JSON in UTF-8) holds.

    Args:
        where: the file and line, for messages.
        noun: what it was to be, such as `an in-toto statement`.

    Raises:
        VerifyError: it holds something else, a key twice, or nests too deeply.
    """
    try:
        text = data.decode()
        refuse_duplicate_keys(text)
        return kind.model_validate_json(text)
    except ValidationError as error:
        what = first_fault(error)
    except ValueError as error:
        what = str(error)
    raise VerifyError(where, f"is not {noun}: {_told(what)}", RESTORE)


def _told(text: str) -> str:
    """A message with no character in it that a terminal would act on, and of bounded length."""
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text[:500])
