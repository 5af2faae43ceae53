"""What a strip lets out beside weights, read: settings and templates that would hand control over are refused."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from releasegate.checkpoint.chat_template import MAX_TEMPLATE
from releasegate.checkpoint.files import MAX_JSON, open_regular, read_json_object
from releasegate.checkpoint.settings import handed_over
from releasegate.errors import CheckpointError, Problem, StripError

_UNREAD = ("tokenizer.json", "vocab.json", "added_tokens.json")
"""Vocabularies, whose keys and values are tokens and no settings."""
MOST = 5
"""Settings of one file that are told."""


def require_settings(root: Path, names: Iterable[str], unset: Collection[tuple[str, str]] = ()) -> None:
    """Refuse a folder whose settings or templates hand control to somebody else.

    Args:
        root: the folder.
        names: the files in it that go out.
        unset: files with the dotted paths of keys that are yet to be taken out of them, or set.

    Raises:
        StripError: every such setting, five of a file at most.
        CheckpointError: a file cannot be read.
    """

    def gone(name: str) -> tuple[str, ...]:
        return tuple(key for file, key in unset if file == name)

    found = [problem for name in sorted(names) for problem in list(_problems(root, name, gone(name)))[:MOST]]
    if found:
        raise StripError.of(found)


def _problems(root: Path, name: str, gone: tuple[str, ...]) -> Iterator[Problem]:
    path = root / name
    base = PurePosixPath(name).name
    if name.endswith(".jinja"):
        with open_regular(path) as file:
            yield from _template(str(path), file.read(MAX_TEMPLATE).decode("utf-8", "replace"))
    elif name.endswith(".json") and not name.endswith(".index.json") and base not in _UNREAD:
        data = _data(path)
        for one in handed_over(data, adapter=base.startswith("adapter_")):
            if any(f"{one.place}.".startswith(f"{key}.") for key in gone):
                continue
            fix = "take it out of the source, or let the recipe unset it"
            yield Problem(f"{path}: {one.place}"[:400], one.what, fix)
        yield from _templates(str(path), {key: value for key, value in data.items() if key not in gone})


def _data(path: Path) -> Any:
    if path.stat().st_size > MAX_JSON:
        return {}
    try:
        return read_json_object(path)
    except CheckpointError:  # a list, such as results of a benchmark: no loader takes settings from it
        return {}


def _templates(where: str, data: Any) -> Iterator[Problem]:
    left: list[tuple[str, Any, bool]] = [("", data, False)]
    for place, value, inside in left:  # grows while it is walked
        start = f"{place}." if place else ""
        if isinstance(value, str) and inside:
            yield from _template(f"{where}: {place}", value)
        elif isinstance(value, dict):
            left += [(f"{start}{key}", one, inside or "chat_template" in str(key)) for key, one in value.items()]
        elif isinstance(value, list):
            left += [(f"{start}{at}", one, inside) for at, one in enumerate(value)]


def _template(where: str, text: str) -> Iterator[Problem]:
    from releasegate.checkpoint.escapes import escapes

    for line, what in escapes(text)[:MOST]:
        fix = "read the template: it runs wherever the model is used, and none needs this"
        yield Problem(f"{where}, line {line}"[:400], f"is a template that {what}", fix)
