"""What a decision waits for before anything goes out, as commands tell of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from releasegate.approval import Wanted, awaiting_sentence
from releasegate.decision import Decision
from releasegate.errors import Exit


def awaited_plain(wanted: Sequence[Wanted]) -> list[dict[str, Any]]:
    """For JSON: by role, how many are asked for, who gave an approval that counts, and why others do not."""
    return [
        {
            "role": one.role,
            "count": one.count,
            "missing": one.missing,
            "given": [
                {"owner": given.key.owner, "key": given.key.id, "day": given.approval.day} for given in one.given
            ],
            "idle": list(one.idle),
        }
        for one in wanted
    ]


def awaited_lines(wanted: Sequence[Wanted]) -> Iterator[str]:
    """For people: who gave an approval that counts, what does not count, and what is waited for."""
    for one in wanted:
        for given in one.given:
            yield f"approved: {one.role} by {given.key.owner} (key {given.key.id}) on {given.approval.day}"
        yield from one.idle
    sentence = awaiting_sentence(wanted)
    if sentence is not None:
        yield sentence


def exit_with(decision: Decision, artefacts: Sequence[str], wanted: Sequence[Wanted]) -> int:
    """The exit code of a verdict: 3, and a line on standard error, where it would be yes and approvals are missing."""
    code = decision.exit_code_for(artefacts)
    sentence = awaiting_sentence(wanted)
    if code != Exit.YES or sentence is None:
        return code
    click.echo(sentence, err=True)
    return Exit.INCOMPLETE
