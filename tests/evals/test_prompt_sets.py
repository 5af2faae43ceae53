"""Sets of prompts, in every form of file that they come in, and in some that they must not."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from evals.prompt_sets import LONGEST, digest_of, read_set, read_sets
from evals.request_parts import gated, part_of, set_aside
from releasegate.errors import DocumentError, NotFound


def written(folder: Path, name: str, data: str | bytes, **how: Any) -> dict[str, Any]:
    """How a card tells of a file, which is written."""
    encoded = data.encode() if isinstance(data, str) else data
    (folder / name).write_bytes(encoded)
    return {"file": name, "sha256": hashlib.sha256(encoded).hexdigest(), **how}


def texts(folder: Path, name: str, data: str | bytes, **how: Any) -> list[str]:
    return [request.text for request in read_set("own", written(folder, name, data, **how), folder)]


TABLE = 'text,kind\n"Bake, please",food\nFold a plane,play\n'


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", TABLE),
        ("a.csv", TABLE.replace("\n", "\r\n")),
        ("a.csv", "\ufeff" + TABLE),
        ("a.csv", "# dataset_version=1\n# another\n" + TABLE),
        ("a.csv", "\ufeff# dataset_version=1\r\n" + TABLE.replace("\n", "\r\n")),
        ("a.tsv", "text\tkind\nBake, please\tfood\nFold a plane\tplay\n"),
        ("a.txt", "# comment\nBake, please\n\n  Fold a plane  \r\n"),
        ("a.json", '["Bake, please", "Fold a plane"]'),
        ("a.json", '[{"text": "Bake, please"}, {"text": "Fold a plane"}]'),
        ("a.jsonl", '# comment\n{"text": "Bake, please"}\r\n\n{"text": "Fold a plane"}'),
        ("a.yaml", "- Bake, please\n- Fold a plane\n"),
    ],
)
def test_a_set_is_the_same_in_every_form_of_file(tmp_path: Path, name: str, data: str) -> None:
    assert texts(tmp_path, name, data) == ["Bake, please", "Fold a plane"]


def test_a_cell_of_several_lines_stays_one_prompt(tmp_path: Path) -> None:
    assert texts(tmp_path, "a.csv", 'text\n"one\n# two\nthree"\n') == ["one\n# two\nthree"]


def test_categories_ids_and_choices_are_read_by_column(tmp_path: Path) -> None:
    how = written(tmp_path, "a.csv", TABLE, category="kind", id="text", only={"kind": ["food", "drink"]})
    (request,) = read_set("own", how, tmp_path)
    assert (request.set_name, request.id, request.category, request.text) == (
        "own",
        "Bake, please",
        "food",
        "Bake, please",
    )


def test_rows_may_lie_under_a_key(tmp_path: Path) -> None:
    data = json.dumps({"seeds": [{"value": "Bake"}]})
    assert texts(tmp_path, "a.json", data, rows="seeds", text="value") == ["Bake"]


def test_a_prompt_twice_is_one_whatever_its_case_and_space(tmp_path: Path) -> None:
    one = written(tmp_path, "one.txt", "Bake a toast\nBAKE  a toast\nFold\n")
    other = written(tmp_path, "other.txt", "fold\nSing\n")
    found = read_sets({"one": one, "other": other}, tmp_path)
    assert [(request.set_name, request.text) for request in found] == [
        ("one", "Bake a toast"),
        ("one", "Fold"),
        ("other", "Sing"),
    ]


@pytest.mark.parametrize(
    ("name", "data", "how", "what"),
    [
        ("a.csv", TABLE, {"text": "prompt"}, "a.csv: row 1: lacks one of prompt"),
        ("a.csv", TABLE, {"only": {"sort": "x"}}, "a.csv: row 1: lacks one of text, sort"),
        ("a.csv", "text,kind\none\n", {}, "a.csv: has a row with other columns than its first line"),
        ("a.csv", "text,text\none,two\n", {}, "a.csv: has a column twice"),
        ("a.csv", 'text\n"one\n', {}, "a.csv: is no table: unexpected end of data"),
        ("a.csv", "text\n  \n", {}, f"a.csv: row 1: has no text of 1 to {LONGEST} characters under text"),
        (
            "a.csv",
            "text\n" + "x" * (LONGEST + 1),
            {},
            f"a.csv: row 1: has no text of 1 to {LONGEST} characters under text",
        ),
        ("a.json", '["\\ud800"]', {}, f"a.json: row 1: has no text of 1 to {LONGEST} characters under text"),
        ("a.json", '[{"text": 5}]', {}, f"a.json: row 1: has no text of 1 to {LONGEST} characters under text"),
        ("a.json", "[5]", {}, "a.json: row 1: lacks one of text"),
        ("a.json", '{"a": 1}', {}, "a.json: is no list of prompts"),
        ("a.json", "[" * 100_000, {}, "a.json: is no JSON"),
        ("a.txt", b"\xff\xfe", {}, "a.txt: is not UTF-8"),
        ("a.txt", "# nothing\n", {}, "a.txt: holds no prompt"),
        ("a.pickle", b"", {}, "a.pickle: is no file of prompts: .pickle"),
    ],
)
def test_a_set_that_is_not_as_told_is_refused(
    tmp_path: Path, name: str, data: str | bytes, how: dict[str, Any], what: str
) -> None:
    with pytest.raises(DocumentError) as caught:
        texts(tmp_path, name, data, **how)
    assert str(caught.value) == what


def test_other_bytes_than_the_card_states_are_refused(tmp_path: Path) -> None:
    how = written(tmp_path, "a.txt", "one\n")
    (tmp_path / "a.txt").write_text("two\n")
    with pytest.raises(DocumentError, match="and the card states"):
        read_set("own", how, tmp_path)


@pytest.mark.parametrize("path", ["../a.txt", "/a.txt", "b\\a.txt"])
def test_a_set_lies_nowhere_but_in_the_folder_of_its_eval(tmp_path: Path, path: str) -> None:
    with pytest.raises(DocumentError, match="leads out of the eval's folder"):
        read_set("own", {"file": path, "sha256": "0" * 64}, tmp_path)


def test_a_set_that_is_not_there_is_named_and_so_is_one_that_is_told_in_another_way(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="the set own is not there"):
        read_set("own", {"file": "a.txt", "sha256": "0" * 64}, tmp_path)
    for how in ({}, {"file": "a.txt", "package_text": "advbench"}, {"file": "a.txt", "colum": "text"}):
        with pytest.raises(DocumentError, match="is not told as sets are"):
            read_set("own", how, tmp_path)


def test_a_category_is_no_prompt_since_labels_are_stored_as_they_stand(tmp_path: Path) -> None:
    for column in ("text", "id"):
        with pytest.raises(DocumentError, match="its category is its text or its id"):
            texts(tmp_path, "a.csv", TABLE, category=column)
    with pytest.raises(DocumentError, match="has a category of more than 60 characters"):
        texts(tmp_path, "a.csv", f"text,kind\nBake,{'long ' * 13}\n", category="kind")


def test_what_is_wrong_with_a_set_is_said_without_its_prompts(tmp_path: Path) -> None:
    for name, data in (("a.yaml", "- !x secret\n- 'secret"), ("a.json", '["secret"'), ("a.csv", 'text\n"secret')):
        with pytest.raises(DocumentError) as caught:
            texts(tmp_path, name, data)
        assert "secret" not in repr(caught.value.problems)


def test_no_request_is_in_two_parts_and_a_quarter_is_set_aside(tmp_path: Path) -> None:
    lines = "\n".join(f"Question {number}" for number in range(2000))
    requests = read_sets({"own": written(tmp_path, "a.txt", lines)}, tmp_path)
    aside, kept = set_aside(requests), gated(requests)
    assert len(aside) + len(kept) == 2000
    assert not {one.digest for one in aside} & {one.digest for one in kept}
    assert 420 < len(aside) < 580
    assert part_of(digest_of(" question  7")) == part_of(digest_of("Question 7"))
