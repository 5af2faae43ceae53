"""Runs of removed rows are found where rows were cut, joined or mixed; rows that are merely alike are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from releasegate.stripping.searching.orderwords import SPAN, says_something, words
from releasegate.stripping.searching.removedparts import RemovedPart
from releasegate.stripping.searching.runs import removed_runs
from releasegate.stripping.searching.runsearch import RunsFound, search_runs
from tests.stripping.leftovers_table import BEGIN, DOCS, END, LENGTHS, TABLE, found, table
from tests.tiny_forms import Stored, bf16, drawn, stored, write


def searched(
    folder: Path, removed: Stored, *kept: Stored, payloads: dict[str, set[int]] | None = None
) -> list[RunsFound]:
    header = write(folder / "source", {"head": removed})
    parts = [RemovedPart("head", "source", header.entries["head"], header.data_start)]
    runs = removed_runs(folder, parts, {"source": header})
    names = {f"kept.{number:02}": one for number, one in enumerate(kept)}
    return search_runs(runs, folder / "out", {"kept": write(folder / "out" / "kept", names)}, payloads=payloads)


def test_the_table_of_the_docs_is_what_the_searches_find() -> None:
    held = DOCS.read_text().split(BEGIN)[1].split(END)[0].strip()
    assert held == table(), "python -m tests.stripping.leftovers_table writes it anew"


@pytest.mark.parametrize("length", LENGTHS)
def test_unrelated_rows_are_not_found_in_any_form(length: int, tmp_path: Path) -> None:
    kept = [make(drawn(192, length, seed=7)) for make in TABLE.values()]
    assert searched(tmp_path, stored(drawn(192, length)), *kept) == []


@pytest.mark.parametrize("cosine", [0.5, 0.8])
@pytest.mark.parametrize("length", [64, 128, 576, 4096])
def test_rows_that_share_a_direction_are_not_found(length: int, cosine: float, tmp_path: Path) -> None:
    removed = stored(drawn(400, length, cosine=cosine))
    kept = [bf16(drawn((1 << 20) // length, length, cosine=cosine, seed=seed)) for seed in (1, 2)]
    assert searched(tmp_path, removed, *kept) == []


@pytest.mark.parametrize("cosine", [0.5, 0.8])
def test_halves_of_rows_that_share_a_direction_are_found(cosine: float, tmp_path: Path) -> None:
    rows = drawn(100, 1024, cosine=cosine)
    assert [one.matched > 50 for one in searched(tmp_path, stored(rows), bf16(rows.reshape(200, 512) * 2))] == [True]


def test_rows_that_were_never_trained_are_no_copies_of_one_another(tmp_path: Path) -> None:
    alike = (drawn(1, 576, seed=1) + 0.05 * drawn(600, 576, seed=2)).astype("f4")
    removed = np.concatenate([drawn(200, 576), alike[:12]])
    assert searched(tmp_path, bf16(removed), bf16(np.concatenate([drawn(300, 576, seed=5), alike[12:]]))) == []


def test_a_long_row_alone_is_found_in_the_middle_of_another(tmp_path: Path) -> None:
    rows, other = drawn(64, 1024), drawn(20, 3000, seed=3)
    other[7, 1111 : 1111 + 1024] = rows[9] * 5
    (one,) = searched(tmp_path, stored(rows), stored(drawn(9, 99, seed=4)), bf16(other))
    assert (one.part, one.tensor, one.matched, one.of) == ("head", "kept.01", 1, 64)


def test_numbers_apart_are_one_run(tmp_path: Path) -> None:
    """A row cut into twenty tensors, which lie one after the other."""
    rows = drawn(16, 320)
    kept = [stored((rows * 2).reshape(-1)[at * 64 : (at + 1) * 64].copy()) for at in range(80)]
    assert max(one.matched for one in searched(tmp_path, stored(rows), *kept)) >= 1


def test_what_is_no_number_is_noted_with_its_forms(tmp_path: Path) -> None:
    hidden = np.arange(0x7FC00001, 0x7FC00001 + 300, dtype="u4").view("f4")
    usual = np.array([np.nan, np.inf, -np.inf, 1] * 64, dtype="f4")
    payloads: dict[str, set[int]] = {}
    searched(tmp_path, stored(drawn(16, 64)), stored(hidden), stored(usual), payloads=payloads)
    assert {name: len(bits) for name, bits in payloads.items()} == {"kept:kept.00": 300, "kept:kept.01": 1}


def test_a_word_is_that_of_the_negatives_and_of_any_scale() -> None:
    numbers = np.random.default_rng(0).integers(-999, 999, (SPAN, 50))
    numbers += np.arange(SPAN)[:, None] * 0 + np.random.default_rng(1).permutation(SPAN)[:, None] * 2000
    assert (words(list(numbers)) == words(list(-numbers))).all()
    assert (words(list(numbers)) == words(list(numbers * 7 + 3))).all()


@pytest.mark.parametrize("shape", [np.arange(SPAN), np.zeros(SPAN), np.sin(np.arange(SPAN) / 4), np.arange(SPAN) % 2])
def test_plain_words_say_nothing(shape: np.ndarray) -> None:
    numbers = [np.array([int(one * 1000)]) for one in shape]
    assert not says_something(words(numbers))[0]


def test_forms_that_are_said_not_to_be_found_are_not() -> None:
    assert found("rotated", 64) == "no"
