"""What can be said of a checkpoint's tokenizer without loading its model: its files, its size, and what comes back of a text.

A library makes a tokenizer of one to five entries up where a folder has none. A model that is given nothing to read answers
nothing, which looks harmless.
"""

from __future__ import annotations

import json
import re
import signal
import tempfile
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError

from releasegate.checkpoint.files import open_regular
from releasegate.checkpoint.process import run_program
from releasegate.errors import CheckpointError

PROGRAM = Path(__file__).with_name("tokenizertrial.py")
FILE, CONFIG = "tokenizer.json", "tokenizer_config.json"
_HOLDS_TOKENS = re.compile(
    r"tokenizer\.json|tekken\.json|vocab(?:[-_.]\w+)*\.(?:json|txt|bpe)|merges\.txt|bpe\.codes|\w+_(?:maps|vocab)\.json"
    r"|[\w.-]+\.(?:model|tiktoken|tokenizer|spm)|tokenizer\.model\.v[0-9]+"
)
"""Files at the top of a folder that tokens stand in."""
LEAST = 0.75
"""The share of the embedding's rows that must have a token."""
PADDING = 128
"""Rows without a token that are always taken for padding: an embedding's length is a multiple of so many at most, mostly."""
PLAIN = (
    "The quick brown fox jumps over the lazy dog.",
    "Pack my box with five dozen liquor jugs, and waltz, bad nymph, for quick jigs vex.",
    "HOW VEXINGLY QUICK DAFT ZEBRAS JUMP! Sphinx of black quartz: judge my vow.",
    "On 30 April 1987, 24 people (of 650) paid 15.60 each; who knows why?",
    "Please write to jane.doe@example.org or look at example.org/list before 9 o'clock.",
)
"""Plain text: every letter of English, small and capital, every digit, and the signs that sentences and addresses need."""
LONGEST = 2000
"""Signs of a text that are tried."""
_ALIKE = 0.5
"""How much of a text must come back that has signs beyond ASCII: a tokenizer may know none of them."""
_COMPARED = 500
"""Signs that two texts are compared by where they are not the same."""
MAX_MEMORY = 1 << 30
MAX_SECONDS = 60
MAX_WAIT = 120.0
MAX_OUTPUT = 1 << 20

NO_TOKENS = "has no tokenizer: no file of it holds the tokens of a text"
EXPORT = (
    "save the tokenizer that the model was trained with beside it, such as tokenizer.json, or vocabulary and merges"
)


def holds_tokens(names: Iterable[str]) -> bool:
    """Return whether one of a folder's files holds the tokens of a tokenizer.

    >>> holds_tokens(["config.json", "tokenizer_config.json"]), holds_tokens(["vocab.json", "merges.txt"])
    (False, True)
    """
    return any(_HOLDS_TOKENS.fullmatch(name) for name in names)


def size_fault(ids: Collection[int], rows: int) -> str | None:
    """Return what is wrong with the number of tokens beside that of the embedding's rows, if anything is.

    Embeddings are padded to multiples of 64 or 128, and leave room for tokens to come. Of published models that takes 0.1 %
    (T5: 32,100 of 32,128) to 2.3 % (DeepSeek-V2: 100,015 of 102,400) of the rows.

    Args:
        ids: of all tokens.
        rows: of the embedding.

    >>> size_fault(range(100_015), 102_400), size_fault(range(5), 49_152)
    (None, 'knows 5 tokens, and the embedding has rows for 49,152: it is not the tokenizer of this model')
    """
    known = sum(0 <= one < rows for one in set(ids))
    if known >= LEAST * rows or rows - known <= PADDING:
        return None
    return f"knows {known:,} tokens, and the embedding has rows for {rows:,}: it is not the tokenizer of this model"


def beyond_fault(ordinary: Collection[int], rows: int) -> str | None:
    """Return what is wrong where tokens have no row in the embedding, if any.

    Args:
        ordinary: ids of the vocabulary itself; tokens that were added to it later may lack a row, and no text comes to them.
        rows: of the embedding.
    """
    beyond = sum(one >= rows for one in ordinary)
    if not beyond:
        return None
    return f"gives {beyond:,} tokens ids that the embedding, of {rows:,} rows, has no row for"


def comes_back(text: str, returned: str) -> bool:
    """Return whether what a tokenizer makes of a text and of its tokens is the text.

    Tokenizers may change case, spaces, accents and quotes. What else is in ASCII must all be there. Of a text with other signs
    half must be: a tokenizer may know none of them.

    >>> comes_back("It's a Test.", "it ' s a test ."), comes_back("draw 7", "draw <unk>"), comes_back("a", "")
    (True, False, False)
    """
    given, found = _folded(text), _folded(returned)
    if given == found:
        return True
    if text.isascii():
        return False
    return SequenceMatcher(None, given[:_COMPARED], found[:_COMPARED], autojunk=False).ratio() >= _ALIKE


def _folded(text: str) -> str:
    signs = unicodedata.normalize("NFKD", text).casefold()
    return "".join(sign for sign in signs if "!" <= sign <= "~" and sign not in "\"'`")


class _Tried(NamedTuple):
    kind: Literal["tried"]
    returned: list[str]


class _Raised(NamedTuple):
    kind: Literal["raised"]
    text: str


_ANSWER: TypeAdapter[_Tried | _Raised] = TypeAdapter(_Tried | _Raised)


def require_sound(root: Path, sizes: Mapping[str, int]) -> None:
    """Check that the folder's `tokenizer.json`, if there is one, is a tokenizer. It is read in a process of its own.

    The library that reads it ends the whole process on some files, or raises what nobody can tell from its own bugs.

    Raises:
        CheckpointError: it is none.
    """
    if FILE in sizes:
        tried(root / FILE, PLAIN)


def tried(path: Path, texts: Sequence[str]) -> list[str]:
    """Return what comes back of texts through the `tokenizer.json` at `path`.

    Raises:
        CheckpointError: it is no tokenizer.
    """
    request = {"memory": MAX_MEMORY, "seconds": MAX_SECONDS, "texts": list(texts)}
    with tempfile.TemporaryFile() as given:
        given.write(json.dumps(request).encode() + b"\n")
        with open_regular(path) as file:
            given.write(file.read())
        given.seek(0)
        output, code = run_program(PROGRAM, given, str(path), seconds=MAX_WAIT, most=MAX_OUTPUT)
    fix = "export the tokenizer again"
    try:
        answer = _ANSWER.validate_json(output.strip().rpartition(b"\n")[2], strict=True)
    except ValidationError:
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        raise CheckpointError(str(path), f"is no tokenizer: the process that reads it ended {how}", fix) from None
    if isinstance(answer, _Raised):
        raise CheckpointError(str(path), f"is no tokenizer: {ascii(answer.text)[1:-1][:200]}", fix)
    return answer.returned


def stated_rows(config: Mapping[str, Any]) -> int | None:
    """Return how many rows a configuration gives the embedding of the model of text, if it says so.

    >>> stated_rows({"vocab_size": 9}), stated_rows({"text_config": {"vocab_size": 8}}), stated_rows({})
    (9, 8, None)
    """
    inner = config.get("text_config")
    for one in (inner if isinstance(inner, Mapping) else {}, config):
        rows = one.get("vocab_size")
        if isinstance(rows, int) and not isinstance(rows, bool) and rows > 0:
            return rows
    return None
