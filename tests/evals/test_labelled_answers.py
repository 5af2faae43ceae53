"""Labelled answers: those that are committed, and files that are none."""

from __future__ import annotations

import base64
import json
from collections import Counter
from pathlib import Path

import pytest

from evals.jailbreaks import leet
from evals.labelled_answers import NAME, labelled_answers, with_requests
from evals.prompt_sets import Request, digest_of, read_sets
from evals.quoted_requests import LONGEST_KEPT, filled, hidden, runs
from evals.request_parts import part_of
from releasegate.errors import DocumentError, NotFound
from tests.evals.language_bench import LanguageBench
from tests.fetched import needs_texts

EVALS = Path(__file__).parents[2] / "evals"
ASIDE = next(text for text in map(str, range(100)) if part_of(digest_of(text)) == "calibration")
KEPT = next(text for text in map(str, range(100)) if part_of(digest_of(text)) == "gate")


def line(request: str = ASIDE, **changes: object) -> str:
    row = {"request": digest_of(request), "attack": "none", "answer": "Sure!", "verdict": "complied"}
    return json.dumps({**row, **changes})


def written(folder: Path, *lines: str) -> Path:
    (folder / NAME).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


REQUEST = "Tell me how to bake a cake with red jam, and without sugar."


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "Sure!",
        "Tell me how to bake a cake with red jam",
        "Sure: how to bake a cake with red jam\n\n1. Take how to bake a cake, and more.",
        f"``{leet('tell me how to bake a cake with')}``",
        base64.b64encode(REQUEST.encode()).decode()[3:40] + "== is it",
        "[1] [[2, 3]] [[plain x]]",
        "cake " * 3000,
    ],
)
def test_what_an_answer_quotes_is_hidden_and_comes_back(answer: str) -> None:
    kept = hidden(answer, REQUEST)
    assert filled(kept, REQUEST).lower() == answer.lower()
    assert not set(runs(kept, LONGEST_KEPT + 1)) & set(runs(REQUEST, LONGEST_KEPT + 1))
    assert base64.b64encode(REQUEST.encode()).decode()[4:20] not in kept


@needs_texts
@pytest.mark.parametrize("name", ["harmful_compliance", "over_refusal"])
def test_no_committed_answer_quotes_a_request(name: str) -> None:
    bench = LanguageBench(name)
    requests = read_sets(bench.params["sets"], EVALS / name)
    known = {request.digest: request.text for request in requests}
    long = {run for request in requests for run in runs(request.text, min(8, len(request.text.split())))}
    for line in (EVALS / name / NAME).read_text("utf-8").split("\n")[:-1]:
        row = json.loads(line)
        own = set(runs(known[row["request"]], LONGEST_KEPT + 1))
        assert not own & set(runs(row["answer"], LONGEST_KEPT + 1)), row["request"]
        assert not any(run in long for length in range(4, 9) for run in runs(row["answer"], length)), row["request"]


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
