"""Entries taken out of a tokenizer's file, in the form that the tokenizers library writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from releasegate.errors import CheckpointError, RecipeMismatch
from releasegate.stripping.planning.numbering import KEEP_IT, Numbering, understood

AGAIN = "export the tokenizer again"


def is_tokenizer(data: Mapping[str, Any]) -> bool:
    """Whether `data` has the form of `tokenizer.json`."""
    model = data.get("model")
    return isinstance(model, Mapping) and "vocab" in model


def vocabulary_of(data: Mapping[str, Any]) -> dict[str, int]:
    """Ids by token, added tokens included.

    >>> vocabulary_of({"model": {"vocab": [["a", 0.0], ["b", -1.5]]}})
    {'a': 0, 'b': 1}
    """
    listed = data["model"]["vocab"]
    ids = {str(entry[0]): number for number, entry in enumerate(listed)} if isinstance(listed, list) else dict(listed)
    return {**ids, **{str(token.get("content")): token["id"] for token in data.get("added_tokens") or []}}


def without_tokens(data: Mapping[str, Any], numbering: Numbering, where: str) -> dict[str, Any]:
    """The tokenizer without the tokens that `numbering` takes out, the others renumbered.

    Text that holds none of those tokens comes to the same tokens as before.

    Raises:
        RecipeMismatch: a token is taken out that something else in the file cannot do without.
        CheckpointError: the file is not what such a file must be.
    """
    with understood(where):
        names = {token for token, identity in vocabulary_of(data).items() if numbering.new(identity) is None}
        changed = {**data, "model": _model(data["model"], numbering, names, where)}
        if data.get("added_tokens"):
            kept = [token for token in data["added_tokens"] if numbering.new(token["id"]) is not None]
            changed["added_tokens"] = [{**token, "id": numbering.new(token["id"])} for token in kept]
        if data.get("post_processor"):
            changed["post_processor"] = _processor(data["post_processor"], numbering, where)
        if data.get("padding"):
            pad = numbering.needed(data["padding"]["pad_id"], where, "padding.pad_id")
            changed["padding"] = {**data["padding"], "pad_id": pad}
    return changed


def _model(model: Mapping[str, Any], numbering: Numbering, names: set[str], where: str) -> dict[str, Any]:
    changed = dict(model)
    if isinstance(model["vocab"], list):
        changed["vocab"] = [entry for number, entry in enumerate(model["vocab"]) if numbering.new(number) is not None]
        if model.get("unk_id") is not None:
            changed["unk_id"] = numbering.needed(model["unk_id"], where, "model.unk_id")
    else:
        changed["vocab"] = numbering.mapping(model["vocab"])
    if model.get("unk_token") in names:
        what = f"needs token {model['unk_token']!r} as model.unk_token, and the recipe drops it"
        raise RecipeMismatch(where, what, KEEP_IT)
    if model.get("merges"):
        changed["merges"] = _merges(model, names, where)
    return changed


def _merges(model: Mapping[str, Any], names: set[str], where: str) -> list[Any]:
    """The merges that neither use nor make a token that is taken out.

    Raises:
        RecipeMismatch: a token that stays could then not be made any more.
    """
    made = list(_made(model))
    kept = [
        (merge, token)
        for merge, (*used, token) in zip(model["merges"], made, strict=True)
        if not names & {*used, token}
    ]
    makable = {token for _, token in kept}
    for *_, token in made:
        if token not in makable and token not in names:
            what = f"makes token {token!r}, which stays, out of a token that the recipe drops"
            raise RecipeMismatch(where, what, "drop both, or neither: text would come to other tokens than before")
    return [merge for merge, _ in kept]


def _made(model: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Both sides of each merge, and the token that it makes."""
    prefix = model.get("continuing_subword_prefix") or ""
    for merge in model["merges"]:
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        yield left, right, left + right.removeprefix(prefix)


def _processor(processor: Mapping[str, Any], numbering: Numbering, where: str) -> dict[str, Any]:
    match processor["type"]:
        case "Sequence":
            inner = [_processor(one, numbering, where) for one in processor["processors"]]
            return {**processor, "processors": inner}
        case "TemplateProcessing":
            special = {
                name: {
                    **token,
                    "ids": [numbering.needed(one, where, f"post_processor, {name}") for one in token["ids"]],
                }
                for name, token in processor["special_tokens"].items()
            }
            return {**processor, "special_tokens": special}
        case "BertProcessing" | "RobertaProcessing":
            ends = {
                end: [processor[end][0], numbering.needed(processor[end][1], where, f"post_processor.{end}")]
                for end in ("sep", "cls")
            }
            return {**processor, **ends}
        case "ByteLevel":
            return dict(processor)
        case other:
            raise CheckpointError(where, f"has a post_processor of type {other!r}, which is not understood", AGAIN)
