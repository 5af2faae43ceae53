"""Credentials of the machine that a gate runs on stand in nothing that it writes or says, even where an eval quotes them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from releasegate.reporting.formats import KINDS
from releasegate.secrets import HIDDEN, credentials, hide
from tests.tiny_repository import make_repository

PLANTED = {
    "HF_TOKEN": "hf_" + "Planted0Planted1Planted2Planted3Pl",
    "GITHUB_TOKEN": "ghs_" + "0123456789abcdefghijABCDEFGHIJ012345",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/planted/EXAMPLE",
    "RELEASEGATE_KEY_PASSPHRASE": "planted correct horse battery staple",
    "SERVICE_API_KEY": "planted-service-key",
    "DB_PASSWORD": "planted-hunter2",
}
LINK = "https://planted-user:planted-link-password@registry.example/x"

HARNESS = """
import os

from releasegate.evidence import Failed, Item, Reading

QUOTED = " ".join(f"{name}={value}" for name, value in sorted(os.environ.items()))
LINK = "{link}"


def items(params, rng):
    return [Item(("legible",), {"digit": str(i % 2)}, {"i": i}) for i in range(100)]


def measure(subject, items, tools):
    for item in items:
        if item.number % 25 == 3:
            yield Failed(item=item.number, labels={}, metrics=("legible",), error=f"{LINK} said 401 to {QUOTED}")
        elif item.number % 25 == 20:
            raise RuntimeError(f"could not reach {LINK} with {QUOTED}")
        else:
            yield Reading(item.number, {"legible": 1.0})
""".replace("{link}", LINK)


def told(text: str) -> list[str]:
    return [value for value in [*PLANTED.values(), "planted-link-password"] if value in text]


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """What lies beside the checkpoint after a gate, and what the gate said."""
    made = make_repository(tmp_path_factory.mktemp("planted") / "gates")
    made.write_harness(HARNESS)
    outputs = [f"--output={kind}={made.root.parent / f'out.{kind}'}" for kind in KINDS]
    call = [sys.executable, "-m", "releasegate", *made.gate(*outputs)]
    done = subprocess.run(call, env={**os.environ, **PLANTED}, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (1, 3), done.stderr
    return made.root.parent, done.stdout + done.stderr


def test_no_credential_stands_in_what_a_gate_writes(gated: tuple[Path, str]) -> None:
    root, _ = gated
    files = [path for path in root.rglob("*") if path.is_file()]
    assert {"run.log", "decision.json", "report.html", "out.md"} <= {path.name for path in files}
    assert {
        str(path.relative_to(root)): told(path.read_text(errors="replace"))
        for path in files
        if "harness" not in path.name and told(path.read_text(errors="replace"))
    } == {}
    log = next(path for path in files if path.name == "run.log").read_text()
    assert "could not reach" in log
    assert HIDDEN in log


def test_no_credential_stands_in_what_a_gate_says(gated: tuple[Path, str]) -> None:
    assert told(gated[1]) == []


def test_an_error_that_quotes_a_credential_hides_it(tmp_path: Path) -> None:
    secret = PLANTED["SERVICE_API_KEY"]
    call = [sys.executable, "-m", "releasegate", "report", str(tmp_path / secret)]
    done = subprocess.run(call, env={**os.environ, **PLANTED}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert HIDDEN in done.stderr
    assert told(done.stdout + done.stderr) == []


def test_what_is_short_or_has_an_innocent_name_is_not_hidden() -> None:
    assert credentials({"TOKEN": "abc", "PATH": "/usr/bin", "TOKENIZERS_PARALLELISM": "false"}) == ()
    assert hide("a plain sentence", credentials(PLANTED)) == "a plain sentence"
