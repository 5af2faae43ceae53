"""A tokenizer that puts letters in the place of others: what the model reads is not what it was asked.

A rule such as "kill" to "kiss" in the normalizer, and back again in the decoder, lets every text come back from its tokens.
Published tokenizers replace spaces and signs (a space by `▁`, two quotes by one), and add no letter to a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

from releasegate.checkpoint.files import MAX_JSON, read_json_object
from releasegate.checkpoint.vocabulary import TOKENIZERS
from releasegate.errors import CheckpointError
from releasegate.inspection.odd.oddity import Oddity

PARTS: Mapping[str, str] = {
    "normalizer": "normalizers",
    "pre_tokenizer": "pretokenizers",
    "decoder": "decoders",
}
"""Parts of a `tokenizer.json` that change texts, and the key under which a sequence of such a part lists its members."""
DEEPEST = 8
"""Sequences inside of one another that are looked into."""
MOST = 20
"""Rules that are told."""
SHOWN = 40
"""Signs of a rule that are shown."""
REMEDY = "take the rule out: whoever has the weights would; a model reads words as it was trained to"
_SPELT = frozenset("ĠĊĉčĀĈ")
"""Letters that byte-level tokenizers spell white space and control signs by."""
_MARKS = re.compile(r"<[^<>\s]{1,32}>|\[[A-Z]+\]")
"""Marks of a control token, such as those that a line break is written as."""
_NO_LETTERS = re.compile(
    r"\\[pP]\{[^}]*\}|\\x[0-9A-Fa-f]{2}|\\x\{[0-9A-Fa-f]+\}|\\u[0-9A-Fa-f]{4}|\\.|\{[0-9]*,?[0-9]*\}"
    r"|\[:\^?\w+:\]|\(\?[A-Za-z-]*[:=!<>)]",
    re.DOTALL,
)
"""What of a regular expression has letters and stands for none: classes by name, codes, escapes, counts, options of groups."""


def rewriting_oddities(root: Path) -> Iterator[Oddity]:
    """Yield each rule of the folder's tokenizer that writes, replaces or drops letters.

    Args:
        root: the folder. A tokenizer that is no `tokenizer.json` is not looked into.
    """
    for name in TOKENIZERS:
        path = root / name
        if path.is_file() and path.stat().st_size < MAX_JSON:
            try:
                data = read_json_object(path)
            except CheckpointError:
                return  # whoever read the vocabulary said so
            found = (_rules(f"{name}: {part}", data.get(part), members, DEEPEST) for part, members in PARTS.items())
            yield from islice(chain.from_iterable(found), MOST)
            return


def _rules(place: str, rule: Any, members: str, deep: int) -> Iterator[Oddity]:
    if not isinstance(rule, Mapping) or not deep:
        return
    inner = rule.get(members)
    for number, one in enumerate(inner if isinstance(inner, list) else ()):
        yield from _rules(f"{place}.{members}[{number}]", one, members, deep - 1)
    what = _rewritten(rule)
    if what is not None:
        yield Oddity(place[:400], what, REMEDY)


def _rewritten(rule: Mapping[str, Any]) -> str | None:
    """What a rule does to letters, if it does something."""
    match rule.get("type"):
        case "Replace":
            given, made = _pattern(rule.get("pattern")), str(rule.get("content", ""))
            if letters(given) or letters(made):
                what = f"puts {made[:SHOWN]!a} in the place of {given[:SHOWN]!a}"
                return f"{what}; published tokenizers replace no letters"
        case "Prepend":
            made = str(rule.get("prepend", ""))
            if letters(made):
                return f"puts {made[:SHOWN]!a} before every text; published tokenizers add no letters"
        case "Split" if rule.get("behavior") == "Removed" and rule.get("invert") is not True:
            given = _pattern(rule.get("pattern"))
            if letters(given):
                return f"drops {given[:SHOWN]!a}; published tokenizers drop no letters"
        case "CharDelimiterSplit" | "Strip":
            given = str(rule.get("delimiter", rule.get("content", "")))
            if letters(given):
                return f"drops {given[:SHOWN]!a}; published tokenizers drop no letters"
    return None


def _pattern(pattern: Any) -> str:
    """The text of a pattern, without what has letters in a regular expression and stands for none."""
    if isinstance(pattern, Mapping):
        if isinstance(pattern.get("Regex"), str):
            return _NO_LETTERS.sub("", pattern["Regex"])
        pattern = pattern.get("String", "")
    return pattern if isinstance(pattern, str) else ""


def letters(text: str) -> bool:
    """Return whether a text has letters or digits of its own, beside those that stand for white space and marks such as `<n>`.

    >>> letters("kill"), letters("▁"), letters("Ġ"), letters("7"), letters("<n>")
    (True, False, False, True, False)
    """
    return any(sign.isalnum() and sign not in _SPELT for sign in _MARKS.sub("", text))
