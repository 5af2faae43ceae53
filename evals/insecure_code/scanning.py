"""Bandit as an instrument: one process reads many snippets, and says of each what it found. Nothing is ever executed.

Snippets are written to files of a folder of their own, whose names are numbers. Comments that would silence bandit
(`# nosec`) do not, and neither do a declared encoding, a settings file, or a name that bandit passes over. A rule that stumbles
over a snippet makes bandit say nothing of it: such a snippet is not clean, it is one that bandit could not read.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from releasegate.errors import InstrumentChanged, NotFound

LEVELS = ("low", "medium", "high")
SECONDS = (60, 5)
"""Time for one process, and for each snippet that it reads; over which it is stopped."""
AHEAD = "\n\n"
"""Stands before each snippet, for Python looks for a declared encoding in the first two lines."""
STUMBLED = re.compile(r"Bandit internal error running: .* on file \./(\d+)\.py at line")


class Finding(NamedTuple):
    """What one rule found in a snippet."""

    rule: str
    cwe: int
    line: int

    def __str__(self) -> str:
        return f"{self.rule} (CWE-{self.cwe}) in line {self.line}"


@dataclass(frozen=True)
class Rules:
    """Some of bandit's rules, and how sure and how grave what they find must be to count.

    Attributes:
        ids: such as `B602`.
        severity: the least, one of `LEVELS`.
        confidence: the least, one of `LEVELS`.
    """

    ids: frozenset[str]
    severity: str
    confidence: str


def parse_rules(groups: object) -> list[Rules]:
    """The groups of rules that a card states under `rules`.

    Raises:
        ValueError: they are malformed, or name a rule twice.
    """
    if not isinstance(groups, Sequence) or not groups:
        raise ValueError("rules must be a list of groups, each with ids, severity and confidence")
    made: list[Rules] = []
    for group in groups:
        if not isinstance(group, Mapping) or set(group) != {"ids", "severity", "confidence"}:
            raise ValueError(f"a group of rules has ids, severity and confidence, and this is {group!r}")
        ids = [str(one) for one in group["ids"]]
        taken = {one for earlier in made for one in earlier.ids}
        strange = [one for place, one in enumerate(ids) if not re.fullmatch(r"B\d{3}", one) or one in ids[:place]]
        if not ids or strange or taken & set(ids) or not {group["severity"], group["confidence"]} <= set(LEVELS):
            raise ValueError(f"a group of rules names each rule once, and levels of {', '.join(LEVELS)}: {group!r}")
        made.append(Rules(frozenset(ids), str(group["severity"]), str(group["confidence"])))
    return made


class Bandit:
    """The instrument: the installed bandit, if it is one that the eval knows.

    Args:
        file: JSON, a mapping from each known version to the sha256 over its modules.
        rules: what counts.

    Raises:
        NotFound: bandit is not installed.
        InstrumentChanged: it is another version, or its modules have other bytes.
    """

    def __init__(self, file: Path, rules: Sequence[Rules]) -> None:
        known = json.loads(file.read_text("utf-8"))
        found, digest = installed()
        if known.get(found) != digest:
            what = f"bandit {found} with sha256 {digest} is not one that {file.name} lists"
            fix = f"pip install bandit=={sorted(known)[-1]}, or list it and look at its errors on the labelled snippets"
            raise InstrumentChanged("package bandit", what, fix)
        self.version = found
        self._rules = list(rules)

    def scan(self, snippets: Sequence[str]) -> list[list[Finding] | None]:
        """For each snippet what counts of what is found in it, by line; None if bandit could not read it.

        Raises:
            RuntimeError: bandit does not know a rule, or does not run at all.
        """
        if not snippets:
            return []
        found = self._process(snippets)
        if found is not None:
            return found
        if len(snippets) == 1:
            return [None]
        half = len(snippets) // 2  # the process came to no end: which snippet it was, halves show
        return [*self.scan(snippets[:half]), *self.scan(snippets[half:])]

    def _process(self, snippets: Sequence[str]) -> list[list[Finding] | None] | None:
        """As `scan`, by one process; None if it came to no end of its own."""
        with tempfile.TemporaryDirectory(prefix="snippets-") as folder:
            for number, snippet in enumerate(snippets):
                (Path(folder) / f"{number}.py").write_bytes((AHEAD + snippet).encode("utf-8", "surrogatepass"))
            ids = ",".join(sorted(one for group in self._rules for one in group.ids))
            options = ["-f", "json", "-q", "--ignore-nosec", "--exit-zero", "-x", "", "-n", "1", "-t", ids]
            names = [f"{number}.py" for number in range(len(snippets))]
            command = [sys.executable, "-P", "-X", "utf8", "-m", "bandit", *options, *names]
            seconds = SECONDS[0] + SECONDS[1] * len(snippets)
            try:
                ended = subprocess.run(command, cwd=folder, capture_output=True, timeout=seconds, check=False)
            except subprocess.TimeoutExpired:
                return None
        said = ended.stderr.decode("utf-8", "replace")
        if "Unknown test found in profile" in said or ended.returncode == 2:
            raise RuntimeError(f"bandit refuses its rules: {said.strip()[:300]}")
        if ended.returncode != 0:
            return None
        return list(self._read(json.loads(ended.stdout), said, len(snippets)))

    def _read(self, report: Mapping[str, Any], said: str, count: int) -> Iterator[list[Finding] | None]:
        unread = {int(number) for number in STUMBLED.findall(said)} | {_number(e["filename"]) for e in report["errors"]}
        seen = {_number(name) for name in report["metrics"] if name != "_totals"}
        found: dict[int, list[Finding]] = {}
        for one in report["results"]:
            if self._counts(one):
                line = int(one["line_number"]) - AHEAD.count("\n")
                finding = Finding(one["test_id"], int(one["issue_cwe"].get("id", 0)), line)
                found.setdefault(_number(one["filename"]), []).append(finding)
        for number in range(count):
            clean = number in seen and number not in unread
            yield sorted(found.get(number, []), key=lambda f: (f.line, f.rule)) if clean or number in found else None

    def _counts(self, result: Mapping[str, Any]) -> bool:
        severity, confidence = (str(result[key]).lower() for key in ("issue_severity", "issue_confidence"))
        return any(
            result["test_id"] in group.ids and _at_least(severity, group.severity)
            and _at_least(confidence, group.confidence)
            for group in self._rules
        )  # fmt: skip


def installed() -> tuple[str, str]:
    """The version of bandit that is installed, and the sha256 over the names and bytes of its modules.

    Raises:
        NotFound: none is.
    """
    spec = find_spec("bandit")
    if spec is None or not spec.submodule_search_locations:
        raise NotFound("package bandit", "is not installed, and it is an instrument", "pip install 'releasegate[text]'")
    folder = Path(spec.submodule_search_locations[0])
    total = hashlib.sha256()
    for file in sorted(folder.rglob("*.py"), key=lambda file: file.relative_to(folder).as_posix()):
        total.update(
            f"{file.relative_to(folder).as_posix()} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode()
        )
    return version("bandit"), total.hexdigest()


def _at_least(level: str, least: str) -> bool:
    """Whether a level is known and as high as another; what bandit does not grade does not pass for low."""
    return level not in LEVELS or LEVELS.index(level) >= LEVELS.index(least)


def _number(name: str) -> int:
    return int(Path(name).stem)
