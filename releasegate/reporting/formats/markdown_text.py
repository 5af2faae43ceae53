"""Texts from anywhere, made to stand in Markdown as what they are: no link, image, mention, reference, tag or structure."""

from __future__ import annotations

import re

from releasegate.reporting.wording.numbers import MOST_TEXT, shortened
from releasegate.reporting.wording.visible import visible

BREAK = "&#8203;"
"""A zero-width space: what stands on its two sides is not read together, by a renderer or by what links its output."""

_SIGNS = {sign: f"&#{ord(sign)};" for sign in "&<>*`[]|~\\^#"}
_FIRST = re.compile(r"[-+=]|\d(?=\d*[.)](?: |$))")
"""What begins a list, a line below a heading, or a heading of the line before."""
_EMPHASIS = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
"""An underscore that stands not within a word."""
_BROKEN = re.compile(
    r"(?<=[@#!%~&])(?=[\w\"'{-])"  # mentions, addresses, references to issues, merge requests, labels
    r"|(?<=:)(?=[\w/+-])"  # schemes, pictures by name
    r"|(?<=\.)(?=[^\W\d_])"  # hosts without a scheme
    r"|(?<=-)(?=\d)"  # references such as GH-1
    r"|(?<=[0-9a-fA-F]{6})(?<!\d{6})(?=[0-9a-fA-F])"  # commits
)


def plain(text: str, most: int = MOST_TEXT) -> str:
    """One line that Markdown and what comes after it show as the text.

    Sites link `@name`, `#1`, `www.` and the like after Markdown was read, in what it made: an escape does not keep them
    from that, a zero-width space does.

    Args:
        most: characters of the text that are shown.

    >>> plain("**no** <b> @you")
    '&#42;&#42;no&#42;&#42; &#60;b&#62; @&#8203;you'
    >>> plain("1. see #2"), plain("0.88 of 400")
    ('&#49;. see &#35;&#8203;2', '0.88 of 400')
    """
    line = " ".join(visible(shortened(text, most)).split())
    line = _BROKEN.sub("\0", line)
    first = _FIRST.match(line)
    head, rest = (f"&#{ord(line[0])};", line[1:]) if first else ("", line)
    return head + _EMPHASIS.sub("&#95;", "".join(_SIGNS.get(c, c) for c in rest)).replace("\0", BREAK).replace(
        "$", "<span>$</span>"
    )


def code(digest: str) -> str:
    """A digest, to be copied.

    >>> code("sha256:00")
    '<code>sha256:00</code>'
    """
    return f"<code>{digest}</code>"
