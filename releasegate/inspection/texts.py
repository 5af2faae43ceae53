"""What the texts of a checkpoint say that is nobody's business: its configurations, cards, metadata and values."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from releasegate.checkpoint.files import open_regular
from releasegate.checkpoint.jsontext import parse_json, shown
from releasegate.errors import CheckpointError, JsonMalformed
from releasegate.inspection.code import key_findings, tag_findings, template_findings
from releasegate.inspection.reading import SHOWN, problem, unreadable
from releasegate.inspection.record import FileKind, Finding, Kind, Level
from releasegate.inspection.stored import Held
from releasegate.inspection.walking import leaves
from releasegate.secrets import NAME_KEYS, SECRET_KEYS, Sort, mask, spot

CHUNK = 1 << 20
OVERLAP = 4096
MOST = 64 << 20
"""Bytes of one text that are looked through, from its beginning."""
MOST_DATA = 4 << 20
"""The same of data, which is a finding of its own."""
MOST_PARSED = 16 << 20
"""Bytes of a JSON file that is parsed: parsed, it takes ten times as much memory."""
MOST_TOKENIZER = 4 << 20
LARGE = 4096
"""Bytes of `__metadata__` that call for a look."""

_PATH_KEY = re.compile(r".*(?:path|dir|file|folder|root|cache|checkpoint)s?", re.IGNORECASE)
_ABSOLUTE = re.compile(r"(?:/[\w.@+ -]+){2,}/?|[A-Za-z]:[\\/][\w .\\/-]+|\.\.?/[\w./-]+|~/[\w./-]+")
_VOCABULARY = re.compile(
    r"(?:.*[._/-])?(?:tokenizer\.json|vocab\.\w+|merges\.txt|\w*\.model|\w*\.tiktoken|\w*\.spm)", re.IGNORECASE
)
_CARD = re.compile(
    r"(?:.*/)?(?:readme|license|licence|notice|copying|authors|citation|use_policy|model_card)[\w.-]*", re.IGNORECASE
)

_OF_TORCH = re.compile(r"(?:.*\.)?_metadata\.(?:.*\.)?version")
"""Versions that torch notes of each module in every state dict."""

_FIXES: Mapping[Sort, str] = {
    "secret": "revoke it, and take it out: it was readable by whoever had the file",
    "personal": "take it out, unless it is meant to be public",
}


@dataclass(slots=True)
class Spots:
    """What was spotted in one file, by sort and kind, each thing once."""

    file: str
    card: bool = False
    found: dict[tuple[Sort, str], dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def look(self, place: str, text: str, *, personal: bool = True, lines: int | None = None) -> None:
        """Looks through `text`, which stands at `place`; with `lines`, what was found is placed by its line after those."""
        for spotted in spot(text, personal=personal):
            at = place if lines is None else f"line {lines + text.count(chr(10), 0, spotted.at) + 1}"
            self.found[spotted.sort, spotted.what].setdefault(spotted.masked, at)

    def findings(self) -> Iterator[Finding]:
        """One for each kind of thing that was spotted."""
        for (sort, what), places in self.found.items():
            names = tuple(_cut(f"{at}: {masked}") for masked, at in list(places.items())[:SHOWN])
            level: Level = "note" if self.card and sort == "personal" else "concern"
            yield Finding(
                kind=sort,
                level=level,
                where=self.file,
                what=f"has {what}",
                fix=_FIXES[sort],
                count=len(places),
                names=names,
            )


def _cut(text: str) -> str:
    return text if text.isprintable() and len(text) <= 240 else shown(text)


def file_findings(root: Path, name: str, kind: FileKind, size: int) -> tuple[Any, list[Finding]]:
    """What the text file `name` says; and the data in it, if it is JSON that was parsed (else `None`)."""
    data, findings = None, []
    spots = Spots(name, card=_CARD.fullmatch(name) is not None)
    personal = _VOCABULARY.fullmatch(name) is None
    try:
        if PurePosixPath(name).suffix.lower() == ".json" and size <= (MOST_PARSED if personal else MOST_TOKENIZER):
            try:
                data = _parsed(root / name)
            except JsonMalformed as error:
                findings.append(problem(name, error))
            else:
                _look_through(spots, data, personal=personal)
                findings += key_findings(name, data)
        findings += _raw(root / name, name, kind, spots, personal=personal)
    except CheckpointError as error:
        findings.append(problem(name, error))
    except OSError as error:
        findings.append(unreadable(name, error))
    return data, [*findings, *spots.findings()]


def _parsed(path: Path) -> Any:
    with open_regular(path) as file:
        text = file.read(MOST_PARSED)
    try:
        return parse_json(text)
    except UnicodeDecodeError:
        raise JsonMalformed(str(path), "is not UTF-8", "save it as UTF-8") from None
    except ValueError as error:
        raise JsonMalformed(str(path), f"is not valid JSON: {error}", "correct the file, or export it again") from None


def _look_through(spots: Spots, data: Any, *, personal: bool = True) -> None:
    for place, key, value in leaves(data):
        if not isinstance(value, str) or not value:
            continue
        spots.look(place, value, personal=personal)
        if SECRET_KEYS.fullmatch(key) and len(value) >= 8 and not value.startswith(("<", "[", "$", "{")):
            spots.found["secret", "the value of a key that is called after a secret"].setdefault(mask(value, ""), place)
        if personal and NAME_KEYS.fullmatch(key) and len(value) < 100 and "{" not in value:
            spots.found["personal", "the name of a user or a machine"].setdefault(f"{value[:1]}…", place)
        if personal and _PATH_KEY.fullmatch(key) and len(value) < 1024 and _ABSOLUTE.fullmatch(value):
            masked = next((found.masked for found in spot(value) if found.sort == "personal"), value)
            if masked == value:
                spots.found["personal", "a path of the machine that it was made on"].setdefault(value, place)


def _raw(path: Path, name: str, kind: FileKind, spots: Spots, *, personal: bool) -> Iterator[Finding]:
    template = name.endswith((".jinja", ".jinja2"))
    yaml = name.endswith((".yaml", ".yml"))
    lines, rest, left = 0, "", MOST_DATA if kind == "data" else MOST
    with open_regular(path) as file:
        while block := file.read(min(CHUNK, left)):
            left -= len(block)
            if (
                kind in ("other", "data", "tokenizer")
                and b"\0" in block[:4096]
                and not block.startswith((b"\xff\xfe", b"\xfe\xff"))
            ):
                return  # no text
            text = rest + block.decode("utf-8", "replace")
            spots.look("", text, personal=personal, lines=lines)
            if template:
                yield from template_findings(name, text)
            if yaml:
                yield from tag_findings(name, text)
            rest = text[-OVERLAP:]
            lines += text.count("\n", 0, len(text) - len(rest))


def held_findings(file: str, held: Held) -> Iterator[Finding]:
    """What stands beside the tensors of a file: `__metadata__`, keys of GGUF, values of a pickle."""
    spots = Spots(file)
    for data in (held.metadata, held.values):
        _look_through(spots, data)
    yield from spots.findings()
    yield from key_findings(file, held.metadata)
    for key, value in held.metadata.items():
        if "chat_template" in key:
            yield from template_findings(f"{file}: {key}", value)
    size = sum(len(key.encode()) + len(value.encode("utf-8", "replace")) for key, value in _texts(held.metadata))
    if size > LARGE and file.endswith(".safetensors"):
        what, fix = f"carries {size:,} bytes of `__metadata__`", "read it: weights and configurations can hide in it"
        yield _beside("large_metadata", "concern", file, what, fix, held.metadata)
    architecture = held.metadata.get("general.architecture")
    if architecture is not None:
        what, fix = f"holds keys beside its tensors; its architecture is {shown(architecture)}", "read them"
        yield _beside("values", "note", file, what, fix, held.metadata)
    values = {key: value for key, value in held.values.items() if not _OF_TORCH.fullmatch(key)}
    if values:
        fix = "a recipe names those that stay"
        yield _beside("values", "note", file, "holds values beside its tensors", fix, values)


def _beside(kind: Kind, level: Level, file: str, what: str, fix: str, data: Mapping[str, Any]) -> Finding:
    names = tuple(_cut(key) for key in list(data)[:SHOWN])
    return Finding(kind=kind, level=level, where=file, what=what, fix=fix, count=len(data), names=names)


def _texts(metadata: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    return ((key, value) for key, value in metadata.items() if isinstance(value, str))
