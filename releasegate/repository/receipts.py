"""The receipt that stands beside a stripped checkpoint: where, and reading it."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from releasegate.errors import NotFound, VerifyError
from releasegate.receipt import Receipt


def receipt_path(target: Path) -> Path:
    """Where the receipt of the stripped checkpoint `target` stands: beside the folder, not in it.

    >>> receipt_path(Path("out/stripped")).as_posix()
    'out/stripped.receipt.json'
    """
    return target.with_name(target.name + ".receipt.json")


def read_receipt(path: Path) -> Receipt:
    """The receipt in the file at `path`.

    Raises:
        NotFound: there is no such file.
        VerifyError: it is not a receipt, of another version, or not consistent in itself.
    """
    if not path.is_file():
        raise NotFound(
            str(path), "there is no such receipt", "name the file with --receipt; it stands beside the stripped folder"
        )
    try:
        return Receipt.from_text(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        what = f"is not a receipt: {place + ': ' if place else ''}{first['msg']}"
        raise VerifyError(str(path), what, "use the receipt that the strip wrote") from None
    except ValueError as error:
        raise VerifyError(str(path), f"is not a receipt: {error}", "use the receipt that the strip wrote") from None
