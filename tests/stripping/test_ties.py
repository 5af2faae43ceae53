"""A tensor that stands for two things at once is not edited as if it were one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from releasegate.checkpoint import Contents, Entry, Header
from releasegate.errors import RecipeMismatch
from releasegate.stripping import plan_strip
from tests.stripping.toys import PLAIN, specs, toy, toy_recipe

ROWS = {"zero_rows": "head.weight", "rows": {"vocabulary": "img*"}, "expect": 4}
COLUMNS = {**ROWS, "dimension": 1}
EMBED = {**ROWS, "zero_rows": "embed.weight"}
PLAIN_KEPT = ["embed.weight", "layers.*"]
OTHER: dict[str, Any] = {
    "id": "toy-hf/other",
    "keep": {"tensors": ["embed.weight", "layers.1.w", "head.weight"]},
    "residual": [{"tensors": "layers.0.w", "why": "The class needs it."}],
}
BOTH = "which is input and output embedding at once"


@pytest.mark.parametrize(
    "config",
    [
        {"tie_word_embeddings": True},
        {"text_config": {"vocab_size": 10, "tie_word_embeddings": True}},
        {"tie_word_embeddings": None, "decoder": {"inner": {"vocab_size": 10, "tie_embeddings": True}}},
        {"vocab_size": None, "text_config": {"vocab_size": 10}, "tie_word_embeddings": True},
        {"vocab_size": None, "tie_word_embeddings": True},
        {"text_config": {"tie_word_embeddings": True}},
    ],
)
def test_a_tie_is_found_however_deep_the_configuration_states_it(config: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(RecipeMismatch, match=rf"{BOTH} \(config\.json ties them\)"):
        plan_strip(toy(tmp_path / "a", config=config), [toy_recipe(ROWS)])


def test_a_tie_of_another_vocabulary_is_no_tie_of_this_one(tmp_path: Path) -> None:
    config = {"text_encoder": {"vocab_size": 77, "tie_word_embeddings": True}}
    assert plan_strip(toy(tmp_path / "a", config=config), [toy_recipe(ROWS)]).tensors


@pytest.mark.parametrize(
    "tensors",
    [
        {"embed.weight": (10, 8), "layers.0.w": (8, 8)},
        {"embed.weight": (8, 10), "layers.0.w": (8, 8)},
    ],
    ids=["plain", "transposed"],
)
def test_the_only_matrix_of_the_vocabulary_is_both_ends(tensors: dict[str, tuple[int, ...]], tmp_path: Path) -> None:
    along = tensors["embed.weight"].index(10)
    with pytest.raises(RecipeMismatch, match=rf"{BOTH} \(it is the only matrix of the vocabulary's size\)"):
        plan_strip(toy(tmp_path / "a", specs(tensors)), [toy_recipe({**EMBED, "dimension": along})])


def test_a_list_of_embeddings_without_heads_is_both_ends(tmp_path: Path) -> None:
    tensors = specs({"layers.0.w": (8, 8), **{f"embed.{number}.weight": (11, 8) for number in range(4)}})
    edit = {**ROWS, "zero_rows": "embed.2.weight"}
    keep = {"tensors": ["layers.*", "embed.[013].weight"], "files": ["config.json"]}
    with pytest.raises(RecipeMismatch, match=BOTH):
        plan_strip(toy(tmp_path / "a", tensors), [toy_recipe(edit, keep=keep)])


def test_a_list_of_embeddings_with_heads_of_their_own_is_one_end(tmp_path: Path) -> None:
    lists = {
        f"{part}.{number}.weight": (11 if part == "embed" else 10, 8)
        for part in ("embed", "heads")
        for number in (0, 1)
    }
    edit = {**ROWS, "zero_rows": "heads.1.weight"}
    keep = {"tensors": ["embed.*", "heads.0.weight"], "files": ["config.json"]}
    assert plan_strip(toy(tmp_path / "a", specs(lists)), [toy_recipe(edit, keep=keep)]).tensors


def test_a_transposed_head_is_the_other_end(tmp_path: Path) -> None:
    tensors = {**PLAIN, **specs({"head.weight": (8, 10)})}
    assert plan_strip(toy(tmp_path / "a", tensors), [toy_recipe(COLUMNS)]).tensors


def test_a_head_that_goes_as_a_whole_is_no_other_end(tmp_path: Path) -> None:
    with pytest.raises(RecipeMismatch, match=BOTH):
        plan_strip(toy(tmp_path / "a"), [toy_recipe(EMBED, {"drop": "head.weight", "expect": 1})])


def test_a_configuration_that_says_nothing_may_tie_them(tmp_path: Path) -> None:
    unsaid = "config.json does not say whether input and output embeddings are tied"
    for name, config in (("a", {}), ("b", {"text_config": {"tie_word_embeddings": False}})):
        contents = toy(tmp_path / name, config={"tie_word_embeddings": None, **config})
        with pytest.raises(RecipeMismatch, match=unsaid):
            plan_strip(contents, [toy_recipe(ROWS)])


def test_a_matrix_of_another_shape_cannot_be_tied_to_it(tmp_path: Path) -> None:
    tensors = {**PLAIN, **specs({"head.weight": (10, 4)})}
    contents = toy(tmp_path / "a", tensors, config={"tie_word_embeddings": None})
    assert plan_strip(contents, [toy_recipe(ROWS)]).tensors


def with_header(contents: Contents, header: Header) -> Contents:
    return replace(contents, shards={"model.safetensors": header})


def test_a_name_in_metadata_that_stands_for_another_is_refused(tmp_path: Path) -> None:
    contents = toy(tmp_path / "a")
    header = replace(contents.shards["model.safetensors"], metadata={"format": "pt", "lm": "head.weight"})
    with pytest.raises(RecipeMismatch, match=r"which the metadata of model\.safetensors ties to another name"):
        plan_strip(with_header(contents, header), [toy_recipe(ROWS)])


def moved(contents: Contents, name: str, begin: int) -> Contents:
    """`contents` with the tensor `name` lying elsewhere in its file, as views do in a pickle."""
    place = contents.tensors[name]
    entry = Entry(name, place.entry.dtype, place.entry.shape, begin, begin + place.entry.size)
    header = contents.shards[place.file]
    tensors = {**contents.tensors, name: replace(place, entry=entry)}
    return replace(
        with_header(contents, replace(header, entries={**header.entries, name: entry}, values={})), tensors=tensors
    )


@pytest.mark.parametrize("shift", [0, 32])
def test_two_names_of_the_same_bytes_are_edited_alike_or_not_at_all(shift: int, tmp_path: Path) -> None:
    contents = toy(tmp_path / "a")
    begin = contents.tensors["layers.0.w"].entry.begin + shift
    tied = moved(contents, "layers.1.w", begin)
    edit = {"zero_fill": "layers.1.w", "expect": 1}
    keep = {"tensors": ["*.weight", "layers.0.w"], "files": ["config.json"]}
    with pytest.raises(RecipeMismatch, match=r"edits layers\.1\.w, which shares its bytes with layers\.0\.w"):
        plan_strip(tied, [toy_recipe(edit, keep=keep)])


def test_two_names_of_the_same_bytes_may_go_together(tmp_path: Path) -> None:
    contents = toy(tmp_path / "a")
    tied = moved(contents, "layers.1.w", contents.tensors["layers.0.w"].entry.begin)
    edit = {"zero_fill": "layers.*", "expect": 2}
    keep = {"tensors": ["*.weight"], "files": ["config.json"]}
    assert len(plan_strip(tied, [toy_recipe(edit, keep=keep)]).tensors) == 2


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        ({"set": "config.json", "key": "tie_word_embeddings", "value": True}, rf"{BOTH} \(config\.json ties them\)"),
        ({"set": "config.json", "key": "decoder", "value": {"tie_embeddings": True}}, rf"{BOTH} \(config\.json ties"),
        (
            {"unset": "config.json", "key": "tie_word_embeddings"},
            "does not say whether input and output embeddings are",
        ),
    ],
)
def test_a_recipe_does_not_tie_what_it_edits(edit: dict[str, Any], what: str, tmp_path: Path) -> None:
    """Loaded, the head would be the input embedding again, with every row that was zeroed."""
    with pytest.raises(RecipeMismatch, match=what):
        plan_strip(toy(tmp_path / "a"), [toy_recipe(ROWS, edit, keep={"tensors": PLAIN_KEPT})])


def test_one_recipe_does_not_tie_what_another_edits(tmp_path: Path) -> None:
    tie = {"set": "config.json", "key": "tie_word_embeddings", "value": True}
    other = toy_recipe({**COLUMNS, "zero_rows": "layers.0.w", "rows": {"ids": [1]}, "expect": 1}, tie, **OTHER)
    with pytest.raises(RecipeMismatch, match=BOTH):
        plan_strip(toy(tmp_path / "a"), [toy_recipe(ROWS), other])


@pytest.mark.parametrize(("shift", "tensors"), [(0, 2), (32, None)])
def test_the_same_rows_of_two_names_are_the_same_bytes_only_if_they_begin_together(
    shift: int, tensors: int | None, tmp_path: Path
) -> None:
    """Two views a row apart: row 1 of one is row 0 of the other, which would stay."""
    contents = toy(tmp_path / "a")
    tied = moved(contents, "layers.1.w", contents.tensors["layers.0.w"].entry.begin + shift)
    rows = {"rows": {"ids": [0]}, "expect": 1}
    recipe = toy_recipe(
        {"zero_rows": "layers.0.w", **rows},
        {"zero_rows": "layers.1.w", **rows},
        keep={"tensors": ["*.weight"], "files": ["config.json"]},
        residual=[{"tensors": "layers.*", "why": "The class needs them."}],
    )
    if tensors is None:
        with pytest.raises(RecipeMismatch, match="which shares its bytes with"):
            plan_strip(tied, [recipe])
    else:
        assert len(plan_strip(tied, [recipe]).tensors) == tensors
