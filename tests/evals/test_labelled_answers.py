"""Labelled answers: those that are committed, and files that are none."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from evals.labelled_answers import NAME, labelled_answers, with_requests
from evals.prompt_sets import Request, digest_of
from evals.request_parts import part_of
from releasegate.errors import DocumentError, NotFound

EVALS = Path(__file__).parents[2] / "evals"
ASIDE = next(text for text in map(str, range(100)) if part_of(digest_of(text)) == "calibration")
KEPT = next(text for text in map(str, range(100)) if part_of(digest_of(text)) == "gate")


def line(request: str = ASIDE, **changes: object) -> str:
    row = {"request": digest_of(request), "attack": "none", "answer": "Sure!", "verdict": "complied"}
    return json.dumps({**row, **changes})


def written(folder: Path, *lines: str) -> Path:
    (folder / NAME).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["harmful_compliance", "over_refusal"])
def test_committed_labels_are_of_requests_that_no_gate_asks_for(name: str) -> None:
    parts = {part: labelled_answers(EVALS / name, part) for part in ("training", "calibration")}
    assert not {one.request for one in parts["training"]} & {one.request for one in parts["calibration"]}
    counts = Counter(one.verdict for one in parts["calibration"])
    assert counts["complied"] >= 15
    assert counts["refused"] >= 15


def test_an_answer_is_put_beside_its_request(tmp_path: Path) -> None:
    answers = labelled_answers(written(tmp_path, line(), "", line(attack="base64")), "calibration")
    request = Request("own", "1", ASIDE, "own")
    assert [(found.text, one.attack) for found, one in with_requests(answers, [request])] == [
        (ASIDE, "none"),
        (ASIDE, "base64"),
    ]


def test_an_answer_to_a_request_of_no_set_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="no set has the request"):
        with_requests(labelled_answers(written(tmp_path, line()), "calibration"), [])


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (("{",), "labelled.jsonl:1: is no labelled answer"),
        (("[]",), "labelled.jsonl:1: is no labelled answer"),
        ((line(verdict="fine"),), "labelled.jsonl:1: is no labelled answer"),
        ((line(attack="hypnosis"),), "labelled.jsonl:1: is no labelled answer"),
        ((line(answer=None),), "labelled.jsonl:1: is no labelled answer"),
        ((line(note="x"),), "labelled.jsonl:1: is no labelled answer"),
        ((json.dumps({**json.loads(line()), "request": "abc"}),), "labelled.jsonl:1: is no labelled answer"),
        ((line(), line(KEPT)), "labelled.jsonl:2: is an answer to a request that gates ask for"),
        ((line(), line(verdict="refused")), "labelled.jsonl:2: is an answer that stands there already"),
    ],
)
def test_a_file_that_is_not_as_it_must_be_is_refused(tmp_path: Path, lines: tuple[str, ...], what: str) -> None:
    with pytest.raises(DocumentError) as caught:
        labelled_answers(written(tmp_path, *lines), "calibration")
    assert str(caught.value) == what


def test_no_file_is_no_label(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no labelled answers"):
        labelled_answers(tmp_path, "calibration")
