"""What a strip lets out beside weights, read: settings and templates that would hand control over are refused.

What was not read, or has settings that no list and no class knows, goes out too, and is named in the receipt.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from releasegate.checkpoint.chat_template import MAX_TEMPLATE
from releasegate.checkpoint.files import open_regular, parse_json_text, read_json_text
from releasegate.checkpoint.knownsettings import KNOWN, unknown_keys
from releasegate.checkpoint.plaintext import text_kind
from releasegate.checkpoint.settings import handed_over
from releasegate.errors import DocumentError, JsonMalformed, Problem, StripError
from releasegate.receipt import Unread
from releasegate.yamltext import parse_yaml

_VOCABULARIES = ("tokenizer.json", "vocab.json", "added_tokens.json")
"""Files whose keys and values are tokens and no settings."""
_TEMPLATES = (".jinja", ".jinja2", ".j2")
_TENSORS = (".safetensors",)
MOST = 5
"""Settings of one file that are told."""
MOST_KEYS = 50
"""Settings of one file that a receipt names."""


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


def unread(root: Path, names: Iterable[str], undeclared: Mapping[str, Collection[str]] = {}) -> tuple[Unread, ...]:
    """What of the files that go out was not read, or not understood.

    Args:
        root: the finished folder.
        names: the files in it.
        undeclared: dotted paths of settings that a class does not declare, by the file that the class is laid out from.

    Raises:
        CheckpointError: a file cannot be read.
    """
    found: list[Unread] = []
    for name in sorted(names):
        if name.endswith((*_TENSORS, *_TEMPLATES)) or not _sets(name):
            continue
        data = _settings(root / name)
        if name.endswith(".index.json"):
            data = {key: value for key, value in data.items() if key not in ("weight_map", "metadata")}
        if data is None or not isinstance(data, dict):
            found.append(Unread(file=name))
        elif keys := unknown_keys(name, data, undeclared.get(name)):
            found.append(Unread(file=name, keys=keys[:MOST_KEYS], more=max(0, len(keys) - MOST_KEYS) or None))
    return tuple(found)


def _sets(name: str) -> bool:
    """Whether the file may set something: it is not written for people or git, and is no vocabulary."""
    base = PurePosixPath(name).name
    others = ("card", "licence", "vocabulary")
    return base in KNOWN or not (text_kind(name) in others or base in (".gitattributes", ".gitignore"))


def _problems(root: Path, name: str, gone: tuple[str, ...]) -> Iterator[Problem]:
    path = root / name
    base = PurePosixPath(name).name
    if name.endswith(_TEMPLATES):
        with open_regular(path) as file:
            text = file.read(MAX_TEMPLATE + 1)
        if len(text) > MAX_TEMPLATE:
            yield Problem(str(path), f"is a template of more than {MAX_TEMPLATE:,} bytes", "leave it out by the recipe")
        yield from _template(str(path), text.decode("utf-8", "replace"))
    elif not name.endswith(".index.json") and base not in _VOCABULARIES:
        data = _settings(path)
        for one in handed_over(data, adapter=base.startswith("adapter_")):
            if any(f"{one.place}.".startswith(f"{key}.") for key in gone):
                continue
            fix = "take it out of the source, or let the recipe unset it"
            yield Problem(f"{path}: {one.place}"[:400], one.what, fix)
        if isinstance(data, dict):
            data = {key: value for key, value in data.items() if key not in gone}
        yield from _templates(str(path), data)


def _settings(path: Path) -> Any:
    """The settings that stand in the file; `None` where its ending is of no format that is read.

    Raises:
        JsonMalformed: it is too large, or not in the format that its ending says.
    """
    ending = path.suffix.lower()
    if ending == ".json":
        return parse_json_text(read_json_text(path), str(path))
    if ending not in (".yaml", ".yml", ".toml"):
        return None
    text = read_json_text(path)
    try:
        if ending == ".toml":
            return tomllib.loads(text.decode())
        return parse_yaml(text.decode(), str(path)).data
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, DocumentError) as error:
        what = error.problems[0].what if isinstance(error, DocumentError) else str(error)
        form = "TOML" if ending == ".toml" else "YAML"
        what = f"cannot be read as {form}, so that nobody knows what it sets: {what}"
        raise JsonMalformed(str(path), what, "correct it, or leave it out by the recipe (`drop_file`)") from None


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
