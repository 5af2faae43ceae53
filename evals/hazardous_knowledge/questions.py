"""Multiple-choice questions: which files, exactly which bytes, and what each record asks.

A set is a name of `evals/texts.csv`, or a file with its sha256. What the files ask may be hazardous: errors say which record is
malformed, and repeat nothing of it; the public name of a question is the sha256 over its text and choices.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from releasegate.subjects.language import encodable

from ..texts import text_file
from .forms import LETTERS, Row, bytes_of, read_rows, refuse

LONGEST_SUBJECT = 80


class Question(NamedTuple):
    """One question.

    Attributes:
        digest: sha256 over text and choices, 64 hexadecimal digits.
        subject: as the file says, or the set.
        text: what is asked.
        choices: two to ten.
        answer: the place of the right one, from 0.
    """

    digest: str
    subject: str
    text: str
    choices: tuple[str, ...]
    answer: int

    def is_right(self, place: int) -> bool:
        """Whether a choice says what the right one says."""
        return self.choices[place] == self.choices[self.answer]


def read_sets(sets: object, folder: Path) -> tuple[Question, ...]:
    """The questions of all sets, each once, in their order.

    Args:
        sets: as the card has them: a list of objects with `package_text` (a name of texts.csv), or `file` (beside the card, or
            absolute) and `sha256`; and optionally `subjects`, the only ones that are taken, and `subject`, what questions that
            name none are called.
        folder: the eval's.

    Raises:
        NotFound, TextChanged: a listed file is not there, or has other bytes.
        DocumentError: the sets or a file are not what they must be, or nothing is left.
    """
    if not isinstance(sets, Sequence) or isinstance(sets, str) or not sets:
        raise refuse(
            "params.sets",
            "is no list of sets of questions",
            "write - {package_text: mmlu-dev}, or a file and its sha256",
        )
    found: dict[tuple[str, tuple[str, ...]], Question] = {}
    for place, one in enumerate(sets):
        for question in _set(one, f"params.sets.{place}", folder):
            key = (question.text, tuple(sorted(question.choices)))
            known = found.setdefault(key, question)
            if known.choices[known.answer] != question.choices[question.answer]:
                what = f"question {question.digest[:12]} stands in the sets twice, with different answers"
                raise refuse(f"params.sets.{place}", what, "find out which is right, and remove the other")
    return tuple(found.values())


def _set(one: object, where: str, folder: Path) -> list[Question]:
    allowed = {"package_text", "file", "sha256", "subjects", "subject"}
    if not isinstance(one, Mapping) or not set(one) <= allowed or ("package_text" in one) == ("file" in one):
        raise refuse(where, "is no set", "write {package_text: NAME}, or {file: NAME, sha256: 64 digits}")
    name = str(one.get("package_text") or Path(str(one["file"])).name)
    questions = _read(str(_file(one, where, folder)), name, str(one.get("sha256", "")), str(one.get("subject") or ""))
    wanted = one.get("subjects")
    if wanted is None:
        return list(questions)
    if not isinstance(wanted, Sequence) or isinstance(wanted, str):
        raise refuse(where, "`subjects` is no list", "write the subjects that are taken, or leave it out")
    there = {question.subject for question in questions}
    missing = sorted({_subject(each, where) for each in wanted} - there)
    if missing or not wanted:
        raise refuse(
            where, f"no question has the subject {', '.join(missing) or 'of an empty list'}", "correct `subjects`"
        )
    kept = {_subject(each, where) for each in wanted}
    return [question for question in questions if question.subject in kept]


def _file(one: Mapping[str, Any], where: str, folder: Path) -> Path:
    if "package_text" in one:
        return text_file(str(one["package_text"]))
    if not re.fullmatch("[0-9a-f]{64}", str(one.get("sha256"))):
        raise refuse(
            where, "names a file without its sha256", "add the 64 digits that sha256sum prints, in small letters"
        )
    return folder / str(one["file"])


@lru_cache(maxsize=16)
def _read(file: str, name: str, sha256: str, subject: str) -> tuple[Question, ...]:
    """The questions of one file, each checked."""
    data = bytes_of(Path(file))
    found = hashlib.sha256(data).hexdigest()
    if sha256 and found != sha256:
        raise refuse(
            name, f"its sha256 is {found}, and the card says {sha256}", "use the listed file, or list this one"
        )
    default = subject or re.sub(r"[-_](test|dev|val|train)$", "", Path(name).stem)
    return tuple(_question(row, default) for row in read_rows(data, name))


def _question(row: Row, default: str) -> Question:
    text = _text(row.fields.get("question"), row.where, "question")
    choices = _choices(row)
    answer = _answer(row.fields.get("answer"), len(choices), row.where)
    subject = row.fields.get("subject") or row.fields.get("category") or default
    digest = hashlib.sha256(json.dumps([text, choices]).encode()).hexdigest()
    return Question(digest, _subject(subject, row.where), text, choices, answer)


def _choices(row: Row) -> tuple[str, ...]:
    given = row.fields.get("choices")
    if given is None:
        columns = [letter for letter in LETTERS.lower() if letter in row.fields]
        if columns != list(LETTERS.lower()[: len(columns)]):
            raise refuse(row.where, "has columns of choices with a gap between them", "name them A, B, C and so on")
        given = [row.fields[letter] for letter in columns]
    if not isinstance(given, list) or not 2 <= len(given) <= len(LETTERS):
        raise refuse(row.where, f"has no list of 2 to {len(LETTERS)} choices", "write `choices`, or columns A, B, C, D")
    return tuple(_text(choice, row.where, "a choice") for choice in given)


def _answer(given: object, count: int, where: str) -> int:
    """The place of the right choice, from a letter or a number from 0."""
    place: int | None = None
    if isinstance(given, int) and not isinstance(given, bool):
        place = given
    elif isinstance(given, str):
        said = given.strip()
        if len(said) == 1 and said.upper() in LETTERS:
            place = LETTERS.index(said.upper())
        elif re.fullmatch("[0-9]", said):
            place = int(said)
    if place is None or not 0 <= place < count:
        fix = f"write a letter from A to {LETTERS[count - 1]}, or a number from 0 to {count - 1}"
        raise refuse(where, "has an answer that is none of its choices", fix)
    return place


def _text(given: object, where: str, what: str) -> str:
    if not isinstance(given, str | int | float) or isinstance(given, bool) or given != given:
        raise refuse(where, f"{what} is missing, or no text", "write it as a text")
    text = str(given).strip()
    if not text:
        raise refuse(where, f"{what} is empty", "write it, or remove the record")
    if not encodable([text]):
        raise refuse(where, f"{what} holds half of a surrogate pair", "write the whole sign")
    return text


def _subject(given: object, where: str) -> str:
    """A subject as a label: its words, in small letters, with single underscores between them."""
    words = re.findall(r"[^\W_]+", str(given).lower())
    if not words:
        raise refuse(where, "has a subject without letters or digits", "name what it is about")
    return "_".join(words)[:LONGEST_SUBJECT]
