"""What no release may carry: credentials, leftovers of training, histories, and what runs code when it is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from pathlib import Path

from releasegate.attestation import parse_bundle_lines
from releasegate.errors import Problem, UnfitFiles
from releasegate.inspection import Finding, inspect_checkpoint
from releasegate.inspection.record import Kind
from releasegate.secrets import credentials, spot

REFUSED: frozenset[Kind] = frozenset(
    (
        "secret",
        "pickle",
        "pickle_refused",
        "archive",
        "history",
        "optimizer",
        "training_state",
        "not_a_file",
        "bad_name",
    )
)
"""What a finding of the inspection keeps in."""
ANEW = "take it out of the checkpoint, and gate it anew"
HOME = "a path in somebody's home"


def screen_model(folder: Path) -> None:
    """Nothing, if nothing in a model's folder must stay in. No tensor is loaded.

    Raises:
        UnfitFiles: everything that must.
    """
    found = [finding for finding in inspect_checkpoint(folder).findings if finding.kind in REFUSED]
    _refuse([_problem(folder, finding) for finding in found])


def _problem(folder: Path, finding: Finding) -> Problem:
    where = f"{folder / finding.where}" + (f": {finding.names[0]}" if finding.names else "")
    more = f", and {finding.count - 1} more" if finding.count > 1 else ""
    fix = f"revoke it; {ANEW}" if finding.kind == "secret" else ANEW
    return Problem(where, f"{finding.what}{more}: it may not go out", fix)


def screen_texts(said: Mapping[str, bytes], environment: Mapping[str, str]) -> None:
    """Nothing, if what is said of a model holds no credential, and its data no path of the machine that ran it.

    Args:
        environment: of this process: what it calls a secret is one, whatever it looks like.

    Raises:
        UnfitFiles: everything that does.
    """
    _refuse([*_spotted(said), *_known(said, credentials(environment))])


def screen_attestations(data: bytes, source: str, environment: Mapping[str, str]) -> None:
    """Nothing, if no line of a file of attestations, whoever signed it, says what may not go out.

    Args:
        data: the file.
        source: its name, for messages.
        environment: as for `screen_texts`.

    Raises:
        UnfitFiles: every line that does.
        VerifyError: a line is no attestation.
    """
    lines = parse_bundle_lines(data, source)
    told = b"\n".join(line.payload.replace(b"\n", b" ") + b" " + line.line for line in lines)
    screen_texts({source: told}, environment)


def _spotted(said: Mapping[str, bytes]) -> Iterator[Problem]:
    for name, data in said.items():
        text = _text(name, data)
        for found in spot(text, personal=_is_data(name)):
            if found.sort == "secret" or found.what == HOME:
                what = f"would hold {found.what}: {found.masked}"
                yield Problem(
                    f"{name}:{text.count(chr(10), 0, found.at) + 1}", what, "take it out of the policy or the eval"
                )


def _known(said: Mapping[str, bytes], values: Sequence[str]) -> Iterator[Problem]:
    for name, data in said.items():
        text = _text(name, data)
        for value in values:
            if value in text:
                line = text.count("\n", 0, text.index(value)) + 1
                what = "would hold a credential of the environment"
                yield Problem(f"{name}:{line}", what, "revoke it, and take it out of the policy or the eval")


def _is_data(name: str) -> bool:
    return name.endswith((".json", ".jsonl"))


def _text(name: str, data: bytes) -> str:
    """What a file says, line by line, to those who read it: an escape hides nothing from them."""
    text = data.decode("utf-8", "replace")
    if name.endswith(".html"):
        return unescape(text)
    return _ESCAPE.sub(lambda found: _unescaped(found[1]), text) if _is_data(name) else text


_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")


def _unescaped(escape: str) -> str:
    if len(escape) > 1:
        sign = chr(int(escape[1:], 16))
        return sign if sign.isprintable() else " "
    return " " if escape in "nrtbf" else escape


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise UnfitFiles.of(problems)
