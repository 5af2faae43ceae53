"""What lies outside the threat sets, told below a heading that says so."""

from __future__ import annotations

import re
from collections.abc import Iterable

from releasegate.decision import Decision
from releasegate.decision.outside import outside_text

_SAID = re.compile(r"(?:;|,)? outside the threat set(?=:)")
"""What `releasegate.decision.outside` says in every line, once: what follows may be text of an eval."""


def outside(decision: Decision) -> Iterable[str]:
    """The decision's own sentences, without the words of the heading.

    >>> _SAID.sub("", "gsm defeats watermark; outside the threat set: Detected 0 %, 0 of 30", count=1)
    'gsm defeats watermark: Detected 0 %, 0 of 30'
    >>> _SAID.sub("", "marked holds outside the threat set: echo, gain", count=1)
    'marked holds: echo, gain'
    """
    return (_SAID.sub("", line, count=1) for line in outside_text(decision))
