"""The list of texts, and the files that it names."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from evals import texts
from evals.texts import listed_texts, text_file
from releasegate.errors import DocumentError, NotFound, TextChanged
from tests.fetched import needs_texts

HEAD = "name,package,version,path,sha256,licence,what"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def row(name: str = "a", path: str = "b/c.txt", data: bytes = b"one\n", **other: str) -> str:
    stated = {"package": "some-package", "version": "1.0", "sha256": digest(data), "licence": "MIT", "what": "a text"}
    stated |= other
    return ",".join(
        [name, stated["package"], stated["version"], path, stated["sha256"], stated["licence"], stated["what"]]
    )


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of one file, in the place of ours; the file lies where it is looked for."""
    monkeypatch.setattr(texts, "LIST", tmp_path / "texts.csv")
    monkeypatch.setenv("RELEASEGATE_TEXTS", str(tmp_path / "fetched"))
    (tmp_path / "texts.csv").write_text(f"{HEAD}\n{row()}\n")
    file = tmp_path / "fetched/some-package/b/c.txt"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"one\n")
    return file


def test_our_list_has_no_pickle_and_no_code() -> None:
    listed = listed_texts()
    assert {Path(text.path).suffix for text in listed.values()} <= {
        ".csv", ".gguf", ".json", ".prompt", ".safetensors", ".txt",
    }  # fmt: skip
    assert {"advbench", "harmbench-test", "mmlu-dev", "smollm2-gguf", "minilm-weights"} <= listed.keys()


@needs_texts
def test_every_listed_file_is_the_one_listed_where_they_were_fetched() -> None:
    assert [text_file(name).stat().st_size > 0 for name in listed_texts()] == [True] * len(listed_texts())


def test_a_listed_file_is_found(written: Path) -> None:
    assert text_file("a") == written


def test_a_file_that_changed_after_it_was_found_is_refused(written: Path) -> None:
    text_file("a")
    written.write_bytes(b"two\n")
    with pytest.raises(TextChanged) as raised:
        text_file("a")
    (problem,) = raised.value.problems
    assert problem.where == str(written)
    assert digest(b"two\n") in problem.what
    assert digest(b"one\n") in problem.what


def test_a_file_that_is_nowhere_says_how_to_get_it(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(written.parent)
    written.unlink()
    with pytest.raises(NotFound) as raised:
        text_file("a")
    (problem,) = raised.value.problems
    assert problem.where == "some-package/b/c.txt"
    assert problem.fix == "releasegate fetch texts, or set RELEASEGATE_TEXTS to the folder that it filled"


def test_a_name_that_is_not_listed_is_told_from_a_file_that_is_missing(written: Path) -> None:
    with pytest.raises(NotFound) as raised:
        text_file("b")
    assert raised.value.problems[0].fix == "use one of a"


@pytest.mark.parametrize(
    ("line", "where", "what"),
    [
        (row(path="../c.txt"), "texts.csv:2", "path is '../c.txt'"),
        (row(path="/etc/passwd"), "texts.csv:2", "path is '/etc/passwd'"),
        (row(path=""), "texts.csv:2", "path is ''"),
        (row(name="A b"), "texts.csv:2", "name is 'A b'"),
        (row(package="../x"), "texts.csv:2", "package is '../x'"),
        (row(package="--index-url"), "texts.csv:2", "package is '--index-url'"),
        (row(version="1.0 --pre"), "texts.csv:2", "version is '1.0 --pre'"),
        (row(sha256="0" * 63), "texts.csv:2", f"sha256 is '{'0' * 63}'"),
        (row(what=""), "texts.csv:2", "what is ''"),
        (row() + ",more", "texts.csv:2", "other columns than the first line"),
        ("a,b", "texts.csv:2", "other columns than the first line"),
        (row() + "\n" + row(path="d.txt"), "texts.csv:3", "a stands in line 2 already"),
        (row() + "\n" + row(name="b"), "texts.csv:3", "some-package/b/c.txt stands in line 2 already"),
        ('"a,b', "texts.csv:2", "is no CSV: unexpected end of data"),
    ],
)
def test_a_row_that_is_none_is_refused_with_its_line(written: Path, line: str, where: str, what: str) -> None:
    texts.LIST.write_text(f"{HEAD}\n{line}\n")
    texts._listed.cache_clear()
    with pytest.raises(DocumentError) as raised:
        listed_texts()
    (problem,) = raised.value.problems
    assert (problem.where, problem.what) == (where, what)
    assert problem.fix


@pytest.mark.parametrize("head", ["name,package", ""])
def test_a_list_with_other_columns_is_refused(written: Path, head: str) -> None:
    texts.LIST.write_text(f"{head}\n{row()}\n")
    texts._listed.cache_clear()
    with pytest.raises(DocumentError, match=r"texts\.csv:1: columns are"):
        listed_texts()


def test_a_list_that_is_not_there_or_no_text_is_refused(written: Path) -> None:
    texts._listed.cache_clear()
    texts.LIST.write_bytes(HEAD.encode() + b"\n\xff")
    with pytest.raises(DocumentError, match="is not UTF-8"):
        listed_texts()
    texts.LIST.unlink()
    with pytest.raises(NotFound, match="no list of texts"):
        listed_texts()


def test_the_list_is_read_as_windows_writes_it(written: Path) -> None:
    texts._listed.cache_clear()
    texts.LIST.write_bytes(f"\ufeff{HEAD}\r\n{row()}\r\n".encode())
    assert list(listed_texts()) == ["a"]
