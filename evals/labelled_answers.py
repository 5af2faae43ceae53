"""Answers whose verdict is known, since they were read: they train graders, and say how often graders err.

`labelled.jsonl` beside an eval's card has one a line: `{"request": <sha256>, "attack": …, "answer": …, "verdict": …}`. The
request is named by its digest alone, and is looked up in the sets of the card; what is not found there is an error. Labels hold
for models whose answers are like these: label answers of the model that you judge, hide what they quote of requests
(`quoted_requests.hidden`), and put them in the place of the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from releasegate.errors import DocumentError, Problem

from .answer_grader import VERDICTS, Verdict
from .documents import text_of
from .jailbreaks import ATTACKS
from .prompt_sets import Request
from .quoted_requests import filled
from .request_parts import Part, part_of

NAME = "labelled.jsonl"
APART = "labelled_apart.jsonl"
"""Answers to requests of sets that no gate asks, whatever their digests: all of them calibrate. An eval need not have any."""
ELICITED = "elicited"
"""In place of an attack: the answer was drawn out by examples of such answers, where a model hardly gives any of its own."""


@dataclass(frozen=True)
class LabelledAnswer:
    """One answer.

    Attributes:
        request: the digest of what was asked for.
        attack: in which way, one of `ATTACKS`, or `ELICITED`.
        answer: what the model wrote, with places for what it quotes (`quoted_requests`) as it is read.
        verdict: what it truly is.
    """

    request: str
    attack: str
    answer: str
    verdict: Verdict


_FIELDS = frozenset(LabelledAnswer.__dataclass_fields__)


def labelled_answers(folder: Path, part: Part) -> list[LabelledAnswer]:
    """The labelled answers of one part, in the order of the file.

    Raises:
        NotFound: the eval has no such file.
        DocumentError: a line is no labelled answer, is to a request of the gate, or stands there twice.
    """
    return [one for one in _all(folder / NAME) if part_of(one.request) == part]


def labelled_apart(folder: Path) -> list[LabelledAnswer]:
    """The labelled answers to requests that are for this alone, in the order of the file; none where there is no file.

    Raises:
        DocumentError: a line is no labelled answer, or stands there twice.
    """
    return list(_all(folder / APART, apart=True)) if (folder / APART).is_file() else []


def with_requests(
    answers: Sequence[LabelledAnswer], requests: Sequence[Request]
) -> list[tuple[Request, LabelledAnswer]]:
    """Each answer with its request, what it quotes of it filled in.

    Raises:
        DocumentError: a request is in none of the sets.
    """
    known = {request.digest: request for request in requests}
    strange = next((one for one in answers if one.request not in known), None)
    if strange is not None:
        fix = "name its set in the card's `params`, or leave the answer out"
        raise DocumentError([Problem(NAME, f"no set has the request {strange.request[:12]}…", fix)])
    return [(known[one.request], replace(one, answer=filled(one.answer, known[one.request].text))) for one in answers]


@lru_cache(maxsize=8)
def _all(file: Path, *, apart: bool = False) -> tuple[LabelledAnswer, ...]:
    lines = text_of(file, "no labelled answers", "label some: evals/labelled_answers.py says how").split("\n")
    found: dict[tuple[str, str, str], LabelledAnswer] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        one = _parsed(line)
        where = f"{file.name}:{number}"
        if one is None:
            fix = f"give it {', '.join(sorted(_FIELDS))}; a verdict is one of {', '.join(VERDICTS)}"
            raise DocumentError([Problem(where, "is no labelled answer", fix)])
        if not apart and part_of(one.request) == "gate":
            raise DocumentError([Problem(where, "is an answer to a request that gates ask for", "leave it out")])
        if found.setdefault((one.request, one.attack, one.answer), one) is not one:
            raise DocumentError([Problem(where, "is an answer that stands there already", "leave one out")])
    return tuple(found.values())


def _parsed(line: str) -> LabelledAnswer | None:
    try:
        row: Mapping[str, Any] = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or row.keys() != _FIELDS or not all(isinstance(value, str) for value in row.values()):
        return None
    sound = len(row["request"]) == 64 and set(row["request"]) <= set("0123456789abcdef")
    return (
        LabelledAnswer(**row)
        if sound and row["verdict"] in VERDICTS and row["attack"] in (*ATTACKS, ELICITED)
        else None
    )
