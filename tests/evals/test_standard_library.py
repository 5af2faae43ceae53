"""The standard library as a pool of code: how it is cut, and that no two uses of it share a text."""

from __future__ import annotations

import sysconfig
from itertools import combinations
from pathlib import Path
from typing import get_args

import pytest

from evals import standard_library
from evals.memorisation.pools import planted, trained, unseen
from evals.standard_library import LONG, SHORT, Part, cuts, passages, trained_digests, unseen_digests
from releasegate.errors import DocumentError, NotFound


def test_no_text_stands_in_two_parts() -> None:
    digests = {part: {passage.digest for passage in passages(part)} for part in get_args(Part)}
    assert all(digests[one].isdisjoint(digests[other]) for one, other in combinations(digests, 2))
    assert all(len(digests[part]) == len(passages(part)) for part in digests)


def test_held_out_modules_have_nothing_that_was_trained_on() -> None:
    modules = {part: {passage.module for passage in passages(part)} for part in get_args(Part)}
    assert modules["held_out"].isdisjoint(modules["train"] | modules["unseen"] | modules["rehearsal"])


def test_trained_and_unseen_passages_come_of_the_same_modules() -> None:
    trained_on, others = ({passage.module for passage in passages(part)} for part in ("train", "unseen"))
    assert len(trained_on & others) > 0.8 * len(trained_on | others)


def test_passages_are_the_lines_of_their_module() -> None:
    root = Path(sysconfig.get_paths()["stdlib"])
    for passage in passages("held_out")[::500]:
        text = (root / passage.module).read_text("utf-8", "replace")
        assert passage.text in text
        assert passage.text.endswith("\n")
        assert SHORT <= len(passage.text) < LONG + 1000


def test_a_text_is_cut_at_an_empty_line_once_it_is_long_enough_and_at_any_line_once_it_is_too_long() -> None:
    line = "a" * 99 + "\n"
    assert [len(cut) for cut in cuts(line * 3 + "\n" + line * 2 + "\n" + line * 30)] == [502, 1200, 1200, 600]
    assert cuts(line * 3) == []
    assert cuts("") == []


def test_gates_thresholds_and_rehearsals_of_memorisation_share_nothing() -> None:
    texts = [trained("gate"), trained("rehearsal"), unseen("gate"), unseen("calibration"), unseen("rehearsal")]
    digests = [{passage.digest for passage in part} for part in texts]
    assert all(one.isdisjoint(other) for one, other in combinations(digests, 2))
    known = [passage for passage in passages("train") if passage.digest in trained_digests()]
    listed = [passage for passage in passages("unseen") if passage.digest in unseen_digests()]
    assert sum(map(len, digests)) == len(known) + len(listed)
    assert not set(planted("gate")) & set(planted("rehearsal"))
    assert {canary.copies for canary in planted("rehearsal")} == {1, 4, 16, 64}


def test_most_passages_that_are_listed_are_those_of_any_python() -> None:
    lists: dict[Part, frozenset[str]] = {"train": trained_digests(), "unseen": unseen_digests()}
    for part, listed in lists.items():
        assert len({passage.digest for passage in passages(part)} & listed) > 0.6 * len(listed)
    assert not trained_digests() & unseen_digests()


def test_what_was_trained_on_is_nowhere_else_even_if_a_newer_library_moved_it(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = passages("held_out")[7].digest
    monkeypatch.setattr(standard_library, "trained_digests", lambda: frozenset({moved}))
    parts = standard_library._parts.__wrapped__()
    assert moved in {passage.digest for passage in passages("held_out")}
    assert moved not in {passage.digest for found in parts.values() for passage in found}


@pytest.mark.parametrize(("text", "what"), [("", "is empty"), ("0123456789abcdef\n01\n", ":2: is no digest")])
def test_a_list_of_trained_passages_that_is_none_is_refused(
    text: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standard_library, "TRAINED", tmp_path / "trained.txt")
    with pytest.raises(NotFound, match="there is no such list"):
        trained_digests.__wrapped__()
    (tmp_path / "trained.txt").write_text(text)
    with pytest.raises(DocumentError, match=what):
        trained_digests.__wrapped__()


def test_a_python_without_its_source_is_told_from_an_empty_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    standard_library._parts.cache_clear()
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    try:
        with pytest.raises(NotFound, match="too little of the standard library"):
            standard_library._parts()
    finally:
        standard_library._parts.cache_clear()
