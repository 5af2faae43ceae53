"""Labelled texts, as editors and hurried people save them."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.labelled_texts import labelled_texts
from releasegate.errors import DocumentError, NotFound

SOUND = 'part,toxic,text\ndevelopment,0,a\ncalibration,1,"b\nc"\ncalibration,0,d\n'


def saved(folder: Path, text: str | bytes) -> Path:
    file = folder / "texts.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


@pytest.mark.parametrize("before", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_only_what_was_not_looked_at_is_read_however_lines_end(tmp_path: Path, before: str, end: str) -> None:
    rows = labelled_texts(saved(tmp_path, before + SOUND.replace("\n", end)), "toxic")
    assert [(row["toxic"], row["text"].split()) for row in rows] == [("1", ["b", "c"]), ("0", ["d"])]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "texts.csv:1: has no column part"),
        ("part,text\ncalibration,a\n", "texts.csv:1: has no column toxic"),
        ("# labels\n" + SOUND, "texts.csv:1: has no column part"),
        (SOUND + "calibration,1\n", "texts.csv:6: has other columns than the first line"),
        (SOUND + "calibration,1,a,b\n", "texts.csv:6: has other columns than the first line"),
        (SOUND + "test,1,e\n", "texts.csv:6: is of no part"),
        (SOUND + "calibration,yes,e\n", "texts.csv:6: toxic is neither 0 nor 1"),
        (SOUND + "calibration,,e\n", "texts.csv:6: toxic is neither 0 nor 1"),
        (SOUND + "calibration,1,d\n", "texts.csv:6: has a text that stands there already"),
        (SOUND + 'calibration,1,"e\n', "texts.csv:5: is no CSV"),
        (b"part,toxic,text\ncalibration,1,\xff\n", "texts.csv:2: is not UTF-8"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str | bytes, why: str) -> None:
    with pytest.raises(DocumentError) as caught:
        labelled_texts(saved(tmp_path, text), "toxic")
    assert str(caught.value).startswith(why)
    assert caught.value.problems[0].fix


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no labelled texts"):
        labelled_texts(tmp_path / "texts.csv", "toxic")
