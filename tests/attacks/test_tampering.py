"""A release, its run, keys, policy, ledger and lists are tampered with in every way that the table lists; each is caught."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from releasegate.policy import parse_policy
from tests.attacks.tampered_release import Scene, copy_of, make_scene
from tests.attacks.tampering import COMMANDS, ROWS, Row, page

DOCS = Path(__file__).parents[2] / "docs"
PAGE, WITHOUT = DOCS / "tampering.md", DOCS / "verify-without-releasegate.md"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene") / "made")


def matches(said: str, line: str) -> bool:
    """Whether a line is what the table says, `…` standing for anything."""
    return re.fullmatch(".*".join(map(re.escape, said.split("…"))), line) is not None


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.part}: {row.what}")
def test_tampering_is_met_with_the_code_and_the_message_of_the_table(scene: Scene, tmp_path: Path, row: Row) -> None:
    tampered = copy_of(scene, tmp_path / "tampered")
    row.tamper(tampered)
    said = tampered.call(*COMMANDS[row.command](tampered))
    assert said.code == row.code, said
    assert any(matches(row.said, line) for line in said.lines), said
    assert not any("Traceback" in line for line in said.lines), said


def test_nothing_is_refused_of_what_nobody_tampered_with(scene: Scene, tmp_path: Path) -> None:
    untouched = copy_of(scene, tmp_path / "untouched")
    for name in ("verify", "attest", "export", "decide"):
        said = untouched.call(*COMMANDS[name](untouched))
        assert said.code == 0, (name, said)


def test_the_verifier_of_the_docs_agrees_on_what_was_really_exported(scene: Scene, tmp_path: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", WITHOUT.read_text(), re.MULTILINE | re.DOTALL)
    verifier = tmp_path / "verify.py"
    verifier.write_text(code)
    key = yaml_value(scene.listed("lab"), "key")
    rules = parse_policy(scene.policy.read_bytes(), "tiny.yaml").record.rules_digest()
    call = [sys.executable, "-I", verifier, scene.folder, scene.bundle, key, rules]
    done = subprocess.run(call, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "11 files are as attested, and nothing else is there\n"


def yaml_value(line: str, name: str) -> str:
    """A value of a list's entry in one line."""
    found = re.search(rf'\b{name}: "([^"]+)"', line)
    assert found, line
    return found[1]


def test_the_page_lists_every_row() -> None:
    assert PAGE.read_text() == page(), "write it anew: python -m tests.attacks.tampering > docs/tampering.md"
    assert sum(row.code != 0 for row in ROWS) >= 45
