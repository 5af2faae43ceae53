"""Files of text that lie beside a module or a card."""

from __future__ import annotations

from pathlib import Path

from releasegate.errors import DocumentError, NotFound, Problem


def text_of(file: Path, what: str, fix: str) -> str:
    r"""All of a file, without a mark of the byte order at its beginning; line ends are `\n`.

    Args:
        what: what is missing where the file is.
        fix: what to do then.

    Raises:
        NotFound: there is no such file.
        DocumentError: it is not UTF-8; the line where it is not is named.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise NotFound(str(file), what, fix) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DocumentError([Problem(f"{file.name}:{line}", "is not UTF-8", "save it as UTF-8")]) from None
