"""The page of Python that verifies a release without releasegate: short, and as strict as it says."""

from __future__ import annotations

import io
import json
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest
import rfc8785

from releasegate.attestation import SUMMARY_TYPE, TEST_RESULT_TYPE
from tests.tiny_releases import (
    EXAMINER,
    LAB,
    Release,
    make_release,
    policy_of,
    public,
    released_of,
    signed_line,
    statement,
    subjects,
)

PAGE = Path(__file__).parents[2] / "docs" / "verify-without-releasegate.md"


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(code.splitlines()) < 60
    script = tmp_path_factory.mktemp("verifier") / "verify.py"
    script.write_text(code)
    return script


def run(verifier: Path, release: Release, key: str | None = None, policy: str | None = None) -> tuple[int, str]:
    """Exit code, and what was said."""
    release.bundle.write_bytes(release.lines)
    given = [key or public(LAB), policy or release.policy.rules_digest()]
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said):
        patch.setattr(sys, "argv", [str(verifier), str(release.folder), str(release.bundle), *given])
        try:
            runpy.run_path(str(verifier))
        except SystemExit as done:
            return (1, str(done.code)) if isinstance(done.code, str) else (int(done.code or 0), said.getvalue())
        except (KeyError, ValueError) as error:  # a traceback, to whoever runs it
            return 1, type(error).__name__
    return 0, said.getvalue()


@pytest.fixture
def made(tmp_path: Path) -> Release:
    return make_release(tmp_path)


def test_it_uses_the_standard_library_and_cryptography_alone(verifier: Path) -> None:
    imported = re.findall(r"^(?:import|from) (.+?)(?: import .*)?$", verifier.read_text(), re.MULTILINE)
    names = {name.strip().split(".")[0] for line in imported for name in line.split(",")}
    assert names - set(sys.stdlib_module_names) == {"cryptography"}


def test_a_release_holds_with_lines_of_others_beside(verifier: Path, made: Release) -> None:
    foreign = statement(subjects(released_of(made.folder)), "https://example.com/examined/v1", {"well": "done"})
    beside = replace(made, extra=(signed_line(foreign), signed_line(foreign, EXAMINER, "examiner")))
    (made.folder / "releasegate" / "attestations.jsonl").write_bytes(beside.lines)
    told = (0, "5 files are as attested, and nothing else is there\n")
    assert run(verifier, beside) == told
    given = [beside.folder, beside.bundle, public(LAB), beside.policy.rules_digest()]
    done = subprocess.run([sys.executable, "-I", verifier, *given], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == told


NOT_ATTESTED = "refused: the folder is not what was attested, or not by this key and policy"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: (f / "config.json").write_text("{}"), NOT_ATTESTED),
        (lambda f: (f / "config.json").unlink(), NOT_ATTESTED),
        (lambda f: (f / "model.safetensors").write_bytes(b"weights" * 1000 + b"\0"), NOT_ATTESTED),
        (lambda f: (f / ".hidden").write_text(""), NOT_ATTESTED),
        (lambda f: (f / "releasegate" / "decision.json").rename(f / "releasegate" / "d.json"), NOT_ATTESTED),
        (lambda f: (f / "link").symlink_to("config.json"), "refused: 'link' is no plain file"),
        (lambda f: (f / "git").symlink_to("releasegate"), "refused: 'git' is no plain file"),
        (lambda f: (f / "empty").mkdir(), "refused: 'empty' is no plain file"),
    ],
)
def test_a_folder_that_was_tampered_with_is_refused(
    verifier: Path, made: Release, change: Callable[[Path], object], said: str
) -> None:
    change(made.folder)
    assert run(verifier, made) == (1, said)


def test_a_file_that_has_the_digest_of_the_folder_and_its_name_is_refused(verifier: Path, made: Release) -> None:
    """The release digest is over a text; a file that holds the text, under the name of the subject, has the same digest."""
    whole = {"files": [file.plain() for file in released_of(made.folder).files]}
    (made.folder / "release").write_bytes(rfc8785.dumps(whole))
    assert run(verifier, made) == (1, NOT_ATTESTED)


def test_a_bundle_that_was_tampered_with_is_refused(verifier: Path, made: Release, tmp_path: Path) -> None:
    other = make_release(tmp_path / "other", files={"config.json": b"{}", "model.safetensors": b"old"})
    failed = made.saying(SUMMARY_TYPE, lambda s: s["predicate"].update(verificationResult="FAILED"))
    tested = made.saying(TEST_RESULT_TYPE, lambda s: s["predicate"].update(result="FAILED"))
    some = made.each(lambda s: s["subject"].pop())
    twice = json.dumps(made.statements[0]).replace('"_type"', '"_type": "x", "_type"', 1).encode()
    assert run(verifier, replace(made, statements=made.statements[:2])) == (1, NOT_ATTESTED)
    assert run(verifier, replace(made, private=EXAMINER)) == (1, NOT_ATTESTED)
    assert run(verifier, replace(made, statements=other.statements)) == (1, NOT_ATTESTED)
    assert run(verifier, some) == (1, NOT_ATTESTED)
    assert run(verifier, failed) == run(verifier, tested) == (1, "refused: it did not pass")
    assert run(verifier, replace(made, extra=(signed_line(twice),))) == (1, "refused: a key stands twice")
    assert run(verifier, replace(made, extra=(b"{}\n",))) == (1, "KeyError")


def test_another_key_or_policy_is_refused(verifier: Path, made: Release) -> None:
    assert run(verifier, made, key=public(EXAMINER)) == (1, NOT_ATTESTED)
    stricter = policy_of(release={"channel": "open_weights", "max_failed": 0.01})
    assert run(verifier, made, policy=stricter.rules_digest()) == (1, NOT_ATTESTED)
