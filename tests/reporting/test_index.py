"""`releasegate report` on several runs: an index that loses none of them."""

from __future__ import annotations

import json
import os
import re
from datetime import date
from pathlib import Path
from urllib.parse import unquote

import pytest

from releasegate.__main__ import run as call
from tests.reporting.example_run import Example, Words, example

OPENED = date(2025, 1, 2)
HOSTILE = "</style><script>alert(1)<"


def stored(folder: Path, drawn: int = 3, words: Words | None = None) -> Example:
    """A run on disk with its decision, which needs no strip; `drawn` of 60 are drawn, and 3 are few enough."""
    made = example(folder, words, drawn=drawn, opened=OPENED, strip=False)
    made.run.write_decision(made.decision)
    return made


def tampered(folder: Path) -> Path:
    """A run whose decision is not what its evidence decides."""
    made = stored(folder)
    made.run.write_decision(made.decision.model_copy(update={"attempt": made.decision.attempt + 1}))
    return folder


def links(index: Path) -> list[str]:
    return re.findall(r'<th [^>]*><a href="([^"]*)"', index.read_text())


def test_every_run_is_rendered_and_linked_by_a_relative_url(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = [
        "plain",
        HOSTILE,
        "a b#c?d%20e",
        "javascript:alert(1)",
        "\u202egnp.exe",
        os.fsdecode(b"caf\xe9"),
        "n" * 250,
    ]
    folders = [tmp_path / "runs" / name for name in hostile]
    for folder in folders:
        stored(folder)
    assert call(["report", *map(str, folders)]) == 0
    index = tmp_path / "runs" / "index.html"
    assert str(index) in capsys.readouterr().out
    found = links(index)
    assert len(found) == len(folders)
    assert {(index.parent / os.fsdecode(unquote(link, "utf-8", "surrogateescape"))) for link in found} == {
        folder / "report.html" for folder in folders
    }
    assert not [link for link in found if re.search(r"[^A-Za-z0-9%/._~-]", link)]
    assert "alert(1)<" not in index.read_text().replace("&lt;", "<").split("<main")[0]
    assert "<script>alert" not in index.read_text()


def test_a_run_that_cannot_be_trusted_is_listed_and_the_others_are_rendered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad, empty = tmp_path / "good", tampered(tmp_path / "bad"), tmp_path / "empty"
    stored(good)
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "plan.json")
    (bad / "report.html").write_text("of before")
    empty.mkdir()
    assert call(["report", str(bad), str(empty), str(good), str(tmp_path / "pipe"), "--format", "json"]) == 2
    said = capsys.readouterr()
    index, runs = json.loads(said.out)["index"], json.loads(said.out)["runs"]
    assert [r["verdict"] for r in runs] == [None, None, "release", None]
    assert "is not what the evidence" in runs[0]["problems"][0]["what"]
    assert "no run here" in said.err
    assert "fix: run `releasegate decide` again" in said.err
    assert links(Path(index)) == ["good/report.html"]
    text = Path(index).read_text()
    assert text.index(">bad<") < text.index(">good<")
    assert text.count('data-verdict="Cannot be trusted"') == 3
    assert (bad / "report.html").read_text() == "of before"


def test_changed_samples_make_a_run_one_that_cannot_be_trusted(tmp_path: Path) -> None:
    stored(tmp_path / "good")
    made = stored(tmp_path / "bad")
    shard = next(made.run.evidence.root.glob("*/*.jsonl"))
    shard.write_bytes(shard.read_bytes().replace(b"1.0", b"0.0", 1))
    assert call(["report", str(tmp_path / "good"), str(tmp_path / "bad")]) == 2
    assert links(tmp_path / "index.html") == ["good/report.html"]
    assert not (tmp_path / "bad" / "report.html").exists()


def test_a_run_named_twice_is_listed_once_and_the_index_itself_is_no_run(tmp_path: Path) -> None:
    outer, inner = tmp_path / "outer", tmp_path / "outer-and-more" / "inner"
    stored(outer)
    stored(inner)
    (tmp_path / "link").symlink_to(outer)
    named = [str(outer), str(inner), str(outer) + "/", str(outer / ".." / "outer"), str(tmp_path / "link")]
    assert call(["report", *named]) == 0
    assert links(tmp_path / "index.html") == ["outer/report.html", "outer-and-more/inner/report.html"]
    assert call(["report", *named, str(tmp_path / "index.html")]) == 0
    assert len(links(tmp_path / "index.html")) == 2


def test_the_worst_verdict_comes_first_within_a_day(tmp_path: Path) -> None:
    stored(tmp_path / "a", drawn=3)
    stored(tmp_path / "b", drawn=60)
    assert call(["report", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert links(tmp_path / "index.html") == ["b/report.html", "a/report.html"]
    assert 'data-verdict="Incomplete"' in (tmp_path / "index.html").read_text()


def test_one_run_has_an_index_only_if_one_is_asked_for(tmp_path: Path) -> None:
    stored(tmp_path / "runs" / "a")
    (tmp_path / "lists").mkdir()
    assert call(["report", str(tmp_path / "runs" / "a"), str(tmp_path / "runs" / "a")]) == 0
    assert not (tmp_path / "runs" / "index.html").exists()
    place = tmp_path / "lists" / "all.html"
    assert call(["report", str(tmp_path / "runs" / "a"), "--index", str(place)]) == 0
    assert links(place) == ["../runs/a/report.html"]


def test_an_index_goes_nowhere_where_it_would_do_harm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, other = stored(tmp_path / "a").run.root, stored(tmp_path / "b").run.root
    both = ["report", str(first), str(other)]
    (tmp_path / "index.html").write_text("<title>My page</title>")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "x.safetensors").write_bytes(b"")
    wrong = {
        "lies in the run folder": [*both, "--index", str(first / "index.html")],
        "holds a model's files": [*both, "--index", str(tmp_path / "m" / "index.html")],
        "is no name of a page": [*both, "--index", str(first / "decision.json")],
        "is a folder": [*both, "--index", str(tmp_path / "d.html")],
        "lies in policies, which a gate repository reads": [*both, "--index", str(tmp_path / "policies" / "i.html")],
        "lies in evals/own, which": [*both, "--index", str(tmp_path / "evals" / "own" / "i.html")],
        "lies in reports, which": ["diff", str(first), str(first), "--html", str(tmp_path / "reports" / "diff.html")],
        "lies in no folder that is there": [*both, "--index", str(tmp_path / "none" / "i.html")],
        "is no page of releasegate": both,
    }
    (tmp_path / "d.html").mkdir()
    for name in ("policies", "evals/own", "reports"):
        (tmp_path / name).mkdir(parents=True)
    for said, arguments in wrong.items():
        assert call(arguments) == 2
        assert said in capsys.readouterr().err
    assert not (first / "report.html").exists()
    assert (tmp_path / "index.html").read_text() == "<title>My page</title>"
    assert call([*both, "--index", str(tmp_path / "index.html")]) == 0
    assert call(both) == 0


def test_texts_of_policies_are_inert_and_bounded(tmp_path: Path) -> None:
    stored(tmp_path / "a", words=Words(title="</style><script>alert(1)</script>\u202e" + "x" * 3_900))
    stored(tmp_path / "b")
    assert call(["report", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    text = (tmp_path / "index.html").read_text()
    assert "<script>alert" not in text
    assert "\u202e" not in text
    assert "xxx… (" in text
    assert len(text) < 60_000
