"""What the text files of a strip still offer: tokens without rows, roles for them, settings of parts that are gone.

None of it brings a weight back. It tells a user, or an engine, that the capability is there, and some of it makes an
engine emit what the model can no longer mean. Whether an offer is a leak or has a reason to stay is for the caller.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from releasegate.checkpoint.files import parse_json_object, read_json_text
from releasegate.errors import CheckpointError

_VOCABULARIES = ("vocab.json", "added_tokens.json")
_SUPPRESSING = ("suppress_tokens", "bad_words_ids")
_ROLE_OF_ID = re.compile(r"forced_.*|.*_token_ids?")
_ROLE_OF_TEXT = re.compile(r".*_tokens?")
_LISTS = "lists "
_MARKED = re.compile(r"<.+>|\[.+\]")
"""Tokens that stand out of a text, so that finding one in a template means something."""
_GENERIC = frozenset({"model", "module", "modules", "layer", "layers", "block", "blocks", "config", "base"})
"""Words that do not tell one component from another."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Something in `file` that offers what is gone; `what` reads on after the file's name."""

    file: str
    what: str

    @property
    def of_tokens(self) -> bool:
        """Whether tokens are listed whose rows are gone: suppressing them would be enough."""
        return self.what.startswith(_LISTS)


def gone_components(before: Iterable[str], after: Iterable[str]) -> list[str]:
    """The components of which no tensor is left, by their full names, sorted; the outermost ones only.

    Args:
        before: names of the source's tensors.
        after: names of those that stay with something in them.

    >>> gone_components(["model.vqmodel.conv.weight", "model.norm.weight", "lm_head.bias"], ["model.norm.weight"])
    ['lm_head', 'model.vqmodel']
    """
    left = {prefix for name in after for prefix in _prefixes(name)}
    gone = (next((prefix for prefix in _prefixes(name) if prefix not in left), None) for name in before)
    return sorted({prefix for prefix in gone if prefix is not None})


def _prefixes(name: str) -> list[str]:
    """The components that a tensor lies in, outermost first.

    >>> _prefixes("model.norm.weight")
    ['model', 'model.norm']
    """
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def find_offers(
    root: Path, files: Iterable[str], ids: Collection[int], gone: Iterable[str], dropped: Iterable[str] = ()
) -> list[Offer]:
    """What the files under `root` still offer, in the order of the files.

    Args:
        root: the finished output.
        files: names of its files; those that are neither JSON nor a template are passed over.
        ids: tokens whose rows were removed or zeroed.
        gone: components of which no tensor is left, as `gone_components` gives them.
        dropped: tokens that were taken out of the vocabulary. Only those that stand out of a text are looked for.

    Raises:
        CheckpointError: a configuration is not valid JSON, or cannot be read.
    """
    removed = frozenset(ids)
    objects: dict[str, dict[str, Any]] = {}
    templates: dict[str, str] = {}
    for name in sorted(files):
        path = root / name
        if name.endswith(".jinja"):
            templates[name] = read_json_text(path).decode("utf-8", errors="replace")
        elif name.endswith(".json") and not name.endswith(".index.json"):
            objects[name] = _object(path)
    tokens = {text: number for name, data in objects.items() for text, number in _vocabulary(name, data).items()}
    marked = sorted(text for text, number in tokens.items() if number in removed and _MARKED.fullmatch(text))
    unsuppressed = removed - {number for name, data in objects.items() for number in _suppressed(name, data)}
    absent = {text for text in dropped if _MARKED.fullmatch(text) and text not in tokens}
    offers: list[Offer] = []
    for name in sorted(objects.keys() | templates.keys()):
        data = objects.get(name, {})
        offers += [Offer(name, what) for what in _tokens_offered(_vocabulary(name, data), unsuppressed)]
        if _is_settings(name):
            offers += [Offer(name, what) for what in _roles(data, removed, tokens)]
            offers += [Offer(name, what) for what in _settings(data, gone)]
            named = sorted(absent.intersection(_strings(data)))
            offers += [Offer(name, f"names {token}, which is no token any more") for token in named]
        text = "\n".join([templates.get(name, ""), *_templates(data.get("chat_template"))])
        offers += [
            Offer(name, f"writes {token} in its template, and its row is gone") for token in marked if token in text
        ]
        offers += [
            Offer(name, f"writes {token} in its template, which is no token any more")
            for token in sorted(absent)
            if token in text
        ]
    return offers


def _object(path: Path) -> dict[str, Any]:
    """What the file holds; nothing where it is a list or the like, unless it is a configuration."""
    text = read_json_text(path)
    try:
        return parse_json_object(text, str(path))
    except CheckpointError:
        if _is_settings(path.name):
            raise
        return {}


def _is_settings(name: str) -> bool:
    base = PurePosixPath(name).name
    return base == "special_tokens_map.json" or base.endswith("config.json")


def _vocabulary(name: str, data: Mapping[str, Any]) -> dict[str, int]:
    """Ids by token, wherever the file lists them."""
    base = PurePosixPath(name).name
    model = data.get("model") if base == "tokenizer.json" else None
    vocab = model.get("vocab") if isinstance(model, Mapping) else None
    added = data.get("added_tokens")
    decoder = data.get("added_tokens_decoder")
    found: list[tuple[Any, Any]] = []
    for table in (data if base in _VOCABULARIES else None, vocab, data.get("vocabulary_map")):
        found += table.items() if isinstance(table, Mapping) else ()
    if isinstance(vocab, list):  # tokens with their scores; the place is the id
        found += [(one[0], number) for number, one in enumerate(vocab) if isinstance(one, list) and one]
    found += [(one.get("content"), one.get("id")) for one in _mappings(added)]
    if isinstance(decoder, Mapping):
        found += [
            (one.get("content"), int(key)) for key, one in decoder.items() if key.isdecimal() and _mappings([one])
        ]
    return {text: number for text, number in found if isinstance(text, str) and type(number) is int}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _suppressed(name: str, data: Mapping[str, Any]) -> Iterator[int]:
    if PurePosixPath(name).name == "generation_config.json":
        for key in _SUPPRESSING:
            value = data.get(key)
            for one in value if isinstance(value, list) else ():
                number = one[0] if isinstance(one, list) and len(one) == 1 else one
                if type(number) is int:
                    yield number


def _tokens_offered(vocabulary: Mapping[str, int], ids: Collection[int]) -> Iterator[str]:
    offered = sorted((number, text) for text, number in vocabulary.items() if number in ids)
    if offered:
        number, text = offered[0]
        count = "a token whose row is" if len(offered) == 1 else f"{len(offered):,} tokens whose rows are"
        yield f"{_LISTS}{count} gone and not suppressed: {text!r} ({number})" + (", …" if len(offered) > 1 else "")


def _walk(data: Any, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every key of the nested objects: its path, itself, its value."""
    for key, value in data.items() if isinstance(data, Mapping) else ():
        yield path + key, key, value
        if key not in ("vocabulary_map", "added_tokens_decoder"):
            yield from _walk(value, f"{path}{key}.")


def _roles(data: Mapping[str, Any], ids: Collection[int], tokens: Mapping[str, int]) -> Iterator[str]:
    for path, key, value in _walk(data):
        if key in _SUPPRESSING:
            continue
        if _ROLE_OF_ID.fullmatch(key):
            for number in sorted({number for number in _numbers(value) if number in ids}):
                yield f"has {path} at token {number}, whose row is gone"
        elif _ROLE_OF_TEXT.fullmatch(key):
            for text in sorted({text for text in _texts(value) if tokens.get(text) in ids}):
                yield f"has {path} at {text!r}, whose row is gone"


def _numbers(value: Any) -> Iterator[int]:
    """The ids in a value: one, a list, or pairs of a position and an id."""
    if type(value) is int:
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _numbers(one[1] if isinstance(one, list) and len(one) == 2 else one)


def _texts(value: Any) -> Iterator[str]:
    """The tokens in a value: one, a list, or objects that have a content."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, Mapping):
        yield from _texts(value.get("content"))


def _strings(value: Any) -> Iterator[str]:
    """Every text that stands as a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(one)


def _templates(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    else:
        yield from (one["template"] for one in _mappings(value) if isinstance(one.get("template"), str))


def _settings(data: Mapping[str, Any], gone: Iterable[str]) -> Iterator[str]:
    words = {component: _words(component.rpartition(".")[2]) for component in gone}
    for path, key, value in _walk(data):
        if value is None or value is False or value in (0, {}, []):
            continue
        for component, stem in words.items():
            if stem and _holds(_words(key), stem):
                yield f"has {path}, and no tensor of {component} is left"


def _words(name: str) -> list[str]:
    """The words of a name that tell it from others.

    >>> _words("vqmodel"), _words("vq_config"), _words("gen_vision_model"), _words("num_extra_heads"), _words("61")
    (['vq'], ['vq'], ['gen', 'vision'], ['num', 'extra', 'heads'], [])
    """
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    bare = [re.sub(r"(?<=.)(model|module)$", "", part.lower()) for part in parts]
    return [part for part in bare if part not in _GENERIC]


def _holds(words: list[str], stem: list[str]) -> bool:
    return any(words[at : at + len(stem)] == stem for at in range(len(words) - len(stem) + 1))
