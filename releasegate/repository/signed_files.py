"""Small signed documents of strict JSON that come from outside: reading one without trusting the file."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from releasegate.errors import DocumentError, NotFound, Problem
from releasegate.records import Document, first_fault

D = TypeVar("D", bound=Document)

MOST_TOLD = 400
"""Characters of what is wrong: some of it may be the file's own."""


@dataclass(frozen=True)
class Form:
    """How a kind of document lies on disk.

    Attributes:
        noun: what it is, such as `an approval`.
        missing: what to do where there is no file.
        restore: what to do where it holds something else.
        most: its size in bytes, at most.
    """

    noun: str
    missing: str
    restore: str
    most: int


def read_signed(kind: type[D], path: Path, shown: str, form: Form) -> D:
    """The document in the file at `path`. Whether its signature counts is not asked here.

    Args:
        shown: how messages name the file.

    Raises:
        NotFound: there is no such file.
        DocumentError: it is no regular file, larger than allowed, or no strict JSON that holds such a document.
    """
    data = read_regular(path, shown, form)
    try:
        return kind.from_text(data)
    except ValidationError as error:
        what = first_fault(error)
    except ValueError as error:
        what = str(error)
    told = what if what.isprintable() else ascii(what)  # it may quote the file
    raise DocumentError([Problem(shown, f"is not {form.noun}: {told[:MOST_TOLD]}", form.restore)])


def read_regular(path: Path, shown: str, form: Form) -> bytes:
    """What a regular file holds. It is opened once and without waiting: a symlink, a pipe or a device is none.

    Raises:
        NotFound: there is no such file.
        DocumentError: it is no regular file, or larger than allowed.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(shown, f"no such file, where {form.noun} is wanted", form.missing) from None
    except OSError as error:
        what = "is no regular file" if error.errno == errno.ELOOP else f"cannot be read: {error.strerror}"
        raise DocumentError([Problem(shown, what, "put the file itself there")]) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # asked first: a folder is opened, and becomes no file
        os.close(descriptor)
        raise DocumentError([Problem(shown, "is no regular file", "put the file itself there")])
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(form.most + 1)
    if len(data) > form.most:
        raise DocumentError([Problem(shown, f"is larger than {form.most // 1024} KiB", form.restore)])
    return data
