"""What a subject reads: the tokenizer that lies in the checkpoint, tried before an attempt is opened. Loads no weights.

A model that is given nothing to read, or something else than was asked, looks harmless. So its tokenizer must be in the folder,
have a token for the rows of the embedding, and give plain text and the prompts of evals back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from importlib import import_module

from releasegate.checkpoint import Checkpoint
from releasegate.checkpoint.tokenizers import EXPORT, LONGEST, PLAIN, beyond_fault, comes_back, size_fault
from releasegate.errors import CheckpointError
from releasegate.subjects import SUBJECTS
from releasegate.subjects.language import encodable


@dataclass(frozen=True)
class Reader:
    """How a model of text reads and writes.

    Attributes:
        place: the file or folder that errors name.
        encode: a text as tokens. A `ValueError` says that it cannot.
        decode: tokens as a text.
        ids: of all tokens.
        ordinary: of those of the vocabulary itself, without what was added to it.
        rows: of the embedding; None where nothing says how many.
        whole: whether it is to read any plain text. A model of images and words may know a few words alone.
    """

    place: str
    encode: Callable[[str], Sequence[int]] = field(repr=False)
    decode: Callable[[Sequence[int]], str] = field(repr=False)
    ids: Collection[int] = field(repr=False)
    ordinary: Collection[int] = field(repr=False)
    rows: int | None
    whole: bool = True

    def reads(self, text: str) -> bool:
        """Return whether a text comes back from its tokens, each of which the model has."""
        given = text[:LONGEST]
        try:
            ids = self.encode(given)
            known = self.rows is None or all(0 <= one < self.rows for one in ids)
            return known and comes_back(given, self.decode(ids))
        except ValueError:
            return False

    def unread(self, texts: Iterable[str]) -> int:
        """Return how many texts do not come back."""
        return sum(not self.reads(text) for text in texts if encodable([text]))


def require_reads(reader: Reader) -> None:
    """Check that a tokenizer is that of its model, as far as its size and plain text tell.

    Raises:
        CheckpointError: it has far fewer tokens than the embedding has rows, or tokens without a row, or loses plain text.
    """
    faults = (size_fault(reader.ids, reader.rows), beyond_fault(reader.ordinary, reader.rows)) if reader.rows else ()
    for what in faults:
        if what is not None:
            raise CheckpointError(reader.place, f"has a tokenizer that {what}", EXPORT)
    lost = reader.unread(PLAIN) if reader.whole else 0
    if lost:
        what = f"has a tokenizer that does not give plain text back: {lost} of {len(PLAIN)} English sentences are lost"
        raise CheckpointError(reader.place, what, EXPORT)


def reader_of(subject: str, checkpoint: Checkpoint) -> Reader | None:
    """Return how `subject` reads the checkpoint, tried with plain text; None where it reads no text, or nobody can tell.

    Raises:
        NotFound: a package that reads the checkpoint's format is not installed.
        CheckpointError: it cannot be read by this subject here.
    """
    if subject not in SUBJECTS or not SUBJECTS[subject].reads:
        return None
    reader: Reader = import_module(SUBJECTS[subject].module).reader(checkpoint)
    require_reads(reader)
    return reader
