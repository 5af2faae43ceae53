"""Code that comes with a checkpoint, and what asks for it to be run: keys of configurations, templates, tags."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from releasegate.checkpoint.jsontext import shown
from releasegate.checkpoint.settings import RUNS, handed_over
from releasegate.inspection.record import Finding
from releasegate.inspection.walking import mappings

_TEMPLATE = re.compile(
    r"__\w+__|\battr\s*\(|\\x5f|\b(?:lipsum|cycler|joiner)\b|\b(?:popen|subprocess|builtins|importlib)\b|\beval\s*\(|\bexec\s*\("
    r"|\bos\s*\.\s*\w+|\bgetattr\b|\{%-?\s*(?:include|import|from|extends)\b"
)
_TAGS = re.compile(r"!!python/[\w./]+|!<tag:yaml\.org,2002:python[^>]*>")
SANDBOX = "read the template: it runs wherever the model is used, and none needs this"


def key_findings(file: str, data: Any) -> Iterator[Finding]:
    """Keys of a configuration that make a loader run code, at any depth; and its templates."""
    adapter = file.rpartition("/")[2].startswith("adapter_")
    for one in handed_over(data, adapter=adapter):
        runs = one.place.rpartition(".")[2] in RUNS
        if not runs and file.endswith(".gguf"):
            continue  # keys of GGUF note where a model is from, and no reader goes there
        what = "asks for code from the checkpoint to be run" if runs else one.what
        fix = "use a model whose class is in its library, and remove the key"
        yield Finding(kind="code", level="concern", where=f"{file}: {_cut(one.place)}", what=what, fix=fix)
    for place, found in mappings(data):
        start = f"{place}." if place else ""
        for key, value in found.items():
            if "chat_template" in key or (key == "template" and "name" in found):
                yield from template_findings(f"{file}: {_cut(start + key)}", value)


def template_findings(where: str, template: Any) -> Iterator[Finding]:
    """What a Jinja template has no need of: ways out of its sandbox."""
    if isinstance(template, str):
        from releasegate.checkpoint.escapes import escapes  # loaded where there is a template, and nowhere else

        texts = [match.group() for match in _TEMPLATE.finditer(template)]
        found = list(dict.fromkeys(texts or [what for _, what in escapes(template)]))
        if found:
            names = tuple(shown(text) for text in found[:10])
            what = "is a template that reaches for more than messages"
            yield Finding(
                kind="template", level="concern", where=where, what=what, fix=SANDBOX, count=len(found), names=names
            )


def tag_findings(file: str, text: str) -> Iterator[Finding]:
    """Tags of YAML that make a careless reader build any object."""
    found = list(dict.fromkeys(match.group() for match in _TAGS.finditer(text)))
    if found:
        names = tuple(shown(text) for text in found[:10])
        what = "has YAML tags that make a reader call Python"
        fix = "write the values plainly"
        yield Finding(kind="code", level="concern", where=file, what=what, fix=fix, count=len(found), names=names)


def file_finding(file: str) -> Finding:
    """A file that is code."""
    what = "is code, which a loader or a reader may run"
    fix = "publish code apart from weights, where it can be reviewed"
    return Finding(kind="code", level="concern", where=file, what=what, fix=fix)


def _cut(place: str) -> str:
    return place if place.isprintable() and len(place) <= 120 else shown(place)
