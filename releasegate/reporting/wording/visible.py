"""Text from models and policies, made harmless to look at: what would turn or hide a line is shown instead of obeyed."""

from __future__ import annotations

import re

_HIDDEN = (
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_UNSEEN = re.compile(_HIDDEN)
_CROWD = re.compile(f"({_HIDDEN}{{12}})({_HIDDEN}+)")
"""Written out, each of them takes a dozen bytes and nobody reads the rest."""
_MARK = (
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u1ab0-\u1ace"
    "\u1dc0-\u1dff\u20d0-\u20f0\ufe20-\ufe2f]"
)
_TOWER = re.compile(f"({_MARK}{{4}})({_MARK}+)")
"""More marks above and below one letter than any language writes: they would cover the lines around it."""


def visible(text: str) -> str:
    r"""The text with control, invisible and direction-changing characters written out, and towers of marks cut.

    >>> visible("a\u202eb\x00")
    'a⟨U+202E⟩b⟨U+0000⟩'
    >>> visible("a" + "\u0301" * 50)[5:]
    '⟨46 more marks⟩'
    >>> visible("\u200b" * 13)[-25:]
    '⟨U+200B⟩⟨1 more of these⟩'
    """
    few = _CROWD.sub(lambda m: f"{m[1]}⟨{len(m[2])} more of these⟩", text)
    seen = _UNSEEN.sub(lambda match: f"⟨U+{ord(match.group()):04X}⟩", few)
    return seen if seen.isascii() else _TOWER.sub(lambda m: f"{m[1]}⟨{len(m[2])} more marks⟩", seen)
