"""The receipt that stands beside a stripped checkpoint: where, and reading it."""

from __future__ import annotations

from pathlib import Path

from releasegate.errors import VerifyError
from releasegate.receipt import Receipt
from releasegate.repository.stored import Wording, read_stored

RECEIPT = Wording(
    "a receipt",
    ("there is no such receipt", "name the file with --receipt; it stands beside the stripped folder"),
    "use the receipt that the strip wrote",
    VerifyError,
)


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
    return read_stored(Receipt, path, RECEIPT)
