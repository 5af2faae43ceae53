"""The four jobs that release a model, on a tiny one: from a tag to a folder that those who receive it can verify."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from releasegate.__main__ import run
from tests.tiny_repository import Tiny
from tests.workflows import Runner

TOP = Path(__file__).parents[1]
SHIPPED = TOP / ".github" / "workflows" / "release.yml"
PUBLICATION = "publication: {license: mit, license_file: policies/LICENSE}\n"
INSTALLED = """\
mkdir -p "$RUNNER_TEMP/venv/bin"
printf '%s\\n' '#!/bin/sh' 'PYTHONPATH=TOP exec PYTHON -P -c "from releasegate.__main__ import main; main()" "$@"' \
  >"$RUNNER_TEMP/venv/bin/releasegate"
chmod +x "$RUNNER_TEMP/venv/bin/releasegate"
ln -s venv "$RUNNER_TEMP/releasegate"
""".replace("TOP", str(TOP)).replace("PYTHON ", f"{sys.executable} ")
SUDO = """#!/bin/bash
for program in unshare setpriv; do  # no other network and no other user here
  [ "$1" = "$program" ] || exit 99
  while [ "$1" != -- ]; do shift; done
  shift
done
exec "$@"
"""


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def lab(made: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """A git repository with the policy on main, the ledger on a branch of its own, and a tag."""
    keys = tmp_path / "keys"
    keys.mkdir()
    assert run(["keygen", "lab", "--for", "attestations", "--out", str(keys)]) == 0
    line = (keys / "lab.pub.yaml").read_text().splitlines()[-1]
    made.policy.write_text(f"{made.policy.read_text()}{PUBLICATION}trust:\n  attestations:\n  {line}\n")
    (made.root / "policies" / "LICENSE").write_text("Do as you like.\n")
    (made.root / ".gitignore").write_text("ledger/\n")
    (made.root / ".ci").mkdir()
    for name in ("action.yml", ".ci/action"):
        shutil.copyfile(TOP / name, made.root / name)
    git(made.root, "init", "--quiet", "--initial-branch", "main")
    git(made.root, "add", "--all")
    git(made.root, "commit", "--quiet", "--message", "a policy")
    git(made.root, "tag", "model-1")
    book = tmp_path / "book"
    assert run(["ledger", "init", "tiny", "--ledger", str(book / "tiny.jsonl")]) == 0
    git(book, "init", "--quiet", "--initial-branch", "ledger")
    git(book, "add", "tiny.jsonl")
    git(book, "commit", "--quiet", "--message", "a ledger")
    git(made.root, "fetch", "--quiet", str(book), "ledger:ledger")
    return made


def runner(lab: Tiny, tmp_path: Path) -> tuple[Runner, Path]:
    """A runner for the shipped workflow, whose three names are those of the tiny model."""
    text = SHIPPED.read_text()
    for before, after in (("mini-chameleon.yaml", "tiny.yaml"), ("FAMILY: mini-chameleon", "FAMILY: tiny")):
        assert before in text
        text = text.replace(before, after)
    text = text.replace("examples/mini_chameleon/checkpoint", lab.checkpoint.relative_to(lab.root).as_posix())
    file = tmp_path / "release.yml"
    file.write_text(text)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sudo").write_text(SUDO)
    (tmp_path / "bin" / "sudo").chmod(0o755)
    env = {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path), "USER": "root"}
    event = {"event_name": "push", "ref_name": "model-1", "sha": git(lab.root, "rev-parse", "model-1"), "token": "t"}
    secrets = {"RELEASEGATE_KEY": (tmp_path / "keys" / "lab.key").read_text().rstrip("\n")}
    made = Runner(tmp_path / "jobs", lab.root, event, env, secrets, "release")
    return Runner(**{**vars(made), "replaced": {"Install releasegate": INSTALLED}}), file


@pytest.mark.slow
def test_a_tag_is_opened_measured_decided_signed_and_written(lab: Tiny, tmp_path: Path) -> None:
    runs, file = runner(lab, tmp_path)
    jobs = runs.workflow(file)
    assert jobs["publish"].code == 0, jobs["publish"].log
    logs = {name: job.log for name, job in jobs.items()}
    assert {name: (job.code, job.skipped) for name, job in jobs.items()} == {
        "rehearse": (0, True),
        "open": (0, False),
        "measure": (0, False),
        "decide": (0, False),
        "publish": (0, False),
    }, logs
    assert "Release the stripped checkpoint" in jobs["decide"].summary
    assert run(["verify", str(runs.artifacts["public"]), "--policy", str(lab.policy), "-q"]) == 0
    lines = git(lab.root, "show", "ledger:tiny.jsonl").splitlines()
    assert len(lines) > 1
    assert "PRIVATE KEY" not in "".join(logs.values())
    assert not list((tmp_path / "jobs").rglob("key.pem"))


@pytest.mark.slow
def test_a_verdict_that_is_no_closes_the_attempt_and_signs_nothing(lab: Tiny, tmp_path: Path) -> None:
    lab.change(lab.policy, "at_most: 0.20", "at_most: 0.01")
    lab.change(lab.policy, "otherwise: strip", "otherwise: withhold")
    git(lab.root, "commit", "--quiet", "--all", "--message", "stricter")
    runs, file = runner(lab, tmp_path)
    jobs = runs.workflow(file)
    assert (jobs["decide"].code, jobs["publish"].skipped) == (1, True), jobs["decide"].log
    assert '"withhold"' in git(lab.root, "show", "ledger:tiny.jsonl")


@pytest.mark.slow
def test_a_pull_request_rehearses_by_the_judge_of_its_base(lab: Tiny, tmp_path: Path) -> None:
    base = git(lab.root, "rev-parse", "main")
    git(lab.root, "checkout", "--quiet", "-b", "change")
    lab.change(lab.policy, "otherwise: strip", "unconditional: true")
    (lab.root / ".ci" / "action").write_text("echo verdict=release >>$GITHUB_OUTPUT\nexit 0\n")
    git(lab.root, "commit", "--quiet", "--all", "--message", "everything may go out")
    runs, file = runner(lab, tmp_path)
    event = {"event_name": "pull_request", "sha": git(lab.root, "rev-parse", "change"), "ref_name": "1/merge"}
    runs.event = {**event, "event": {"pull_request": {"base": {"sha": base}}}}
    jobs = runs.workflow(file)
    assert {name: job.skipped for name, job in jobs.items()} == {
        "rehearse": False,
        **dict.fromkeys(("open", "measure", "decide", "publish"), True),
    }
    assert jobs["rehearse"].code == 3, jobs["rehearse"].log  # the pool of `naming` has no items for rehearsals
    assert "> Rehearsal: " in jobs["rehearse"].summary
    assert "| **Incomplete** | Draws |" in jobs["rehearse"].summary
    assert set(runs.artifacts) == {"report"}
    assert git(lab.root, "show", "ledger:tiny.jsonl").count("\n") == 0
