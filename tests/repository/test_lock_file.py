"""The lock of a gate repository: what differs is named, and nothing runs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from releasegate.__main__ import run
from releasegate.errors import LockError, NotFound
from releasegate.lock import Lock
from releasegate.repository import starter
from releasegate.repository.lock_file import NAME, lock_now, read_lock, require_locked, unlocked, write_lock
from releasegate.schemas import schema_text
from tests.git_repository import without_other_recipes
from tests.tiny_repository import Tiny, make_repository


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A gate repository with a template of its own, and a lock."""
    made = make_repository(tmp_path_factory.mktemp("locked") / "repo")
    without_other_recipes(made.root)
    (made.root / "reports").mkdir()
    (made.root / "reports" / "report.css").write_text("body {}")
    (made.root / "evals" / "naming" / "judge.safetensors").write_bytes(b"weights")
    (made.root / "evals" / "shared.py").write_text("LIMIT = 1\n")
    write_lock(made.repository)
    return made


@pytest.fixture
def locked(original: Tiny, tmp_path: Path) -> Tiny:
    """A copy of it."""
    shutil.copytree(original.root, tmp_path / "repo")
    return Tiny(tmp_path / "repo")


def calls(made: Tiny) -> dict[str, list[str]]:
    policy, model, repo = str(made.policy), ["--model", str(made.checkpoint)], ["--repo", str(made.root)]
    return {
        "gate": [*made.gate()],
        "plan": ["plan", policy, *model, "-q"],
        "check": ["check", policy],
        "check all": ["check", *repo],
        "lock": ["lock", "--check", *repo],
    }


def append(file: str) -> Callable[[Tiny], object]:
    def change(made: Tiny) -> None:
        with (made.root / file).open("ab") as opened:
            opened.write(b"\n# changed\n")

    return change


CHANGES: dict[str, tuple[Callable[[Tiny], object], str]] = {
    "a policy": (append("policies/tiny.yaml"), "policies/tiny.yaml: is a policy that is locked as sha256:"),
    "a recipe": (append("policies/recipes/chameleon-hf/drawing.yaml"), "is a recipe that is locked as"),
    "a card": (append("evals/drawing/eval.yaml"), "evals/drawing/eval.yaml: is a card that is locked as"),
    "a harness": (append("evals/drawing/harness.py"), "evals/drawing/harness.py: is a harness that is locked as"),
    "shared code": (append("evals/shared.py"), "evals/shared.py: is a harness that is locked as"),
    "a plug-in": (append("evals/tiny/subject.py"), "evals/tiny/subject.py: is a subject that is locked as"),
    "an instrument": (append("evals/naming/judge.safetensors"), "judge.safetensors: is an instrument that is locked"),
    "a template": (append("reports/report.css"), "reports/report.css: is a template that is locked as"),
    "one more module": (append("evals/drawing/more.py"), "evals/drawing/more.py: is a harness that is not locked"),
    "one more plug-in": (append("evals/naming/subject.py"), "naming/subject.py: is a subject that is not locked"),
    "a hidden file": (append("evals/drawing/.hook"), "evals/drawing/.hook: is an instrument that is not locked"),
    "one file less": (
        lambda made: (made.root / "reports" / "report.css").unlink(),
        "report.css: is a template that is",
    ),
    "a link": (
        lambda made: (made.root / "evals" / "drawing" / "data").symlink_to("/etc"),
        "evals/drawing/data: is no regular file, and cannot be locked",
    ),
    "a pipe": (lambda made: os.mkfifo(made.root / "evals" / "p"), "evals/p: is no regular file, and cannot be locked"),
    "a name that turns around": (append("evals/a‮b.py"), "has a name that cannot be locked"),
}


@pytest.mark.parametrize(("change", "what"), CHANGES.values(), ids=CHANGES)
def test_what_differs_from_the_lock_is_named_and_nothing_is_measured(
    locked: Tiny, capsys: pytest.CaptureFixture[str], change: Callable[[Tiny], object], what: str
) -> None:
    change(locked)
    for name in ("check all", "lock"):
        assert run(calls(locked)[name]) == 2
        said = capsys.readouterr()
        assert what in said.err
        assert "\n  fix: " in said.err


@pytest.mark.parametrize("name", ["gate", "plan", "check"])
def test_every_command_that_measures_or_checks_heeds_the_lock(
    locked: Tiny, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    append("evals/shared.py")(locked)
    (before,) = (one.sha256 for one in read_lock(locked.repository).files if one.file == "evals/shared.py")
    after = lock_now(locked.repository)["evals/shared.py"].sha256
    assert run(calls(locked)[name]) == 2
    said = capsys.readouterr().err
    assert f"evals/shared.py: is a harness that is locked as {before}, and is {after} now\n" in said
    assert not locked.run.root.exists()


def test_eval_heeds_the_lock(locked: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    locked.opened()
    append("evals/naming/judge.safetensors")(locked)
    given = ["eval", str(locked.run.root), "--model", str(locked.checkpoint), "--repo", str(locked.root), "-q"]
    assert run(given) == 2
    assert "evals/naming/judge.safetensors: is an instrument" in capsys.readouterr().err
    assert not (locked.run.root / "evidence").exists()


@pytest.mark.parametrize("file", ["drafts/lax.yaml", "policies/tests/lax.yaml", "policies/waivers/lax.yaml"])
def test_a_policy_that_lies_where_nothing_is_locked_judges_nothing(
    locked: Tiny, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    (locked.root / file).parent.mkdir(exist_ok=True)
    shutil.copy(locked.policy, locked.root / file)
    locked.change(locked.root / file, "at_most: 0.20", "at_most: 0.90")
    assert unlocked(locked.repository) == ()
    for name in ("gate", "plan", "check"):
        call = [str(locked.root / file) if part == str(locked.policy) else part for part in calls(locked)[name]]
        assert run(call) == 2
        assert f"{file}: is a policy that is not among the files of {NAME}\n  fix: " in capsys.readouterr().err
    assert not locked.run.root.exists()


@pytest.mark.parametrize("file", ["data/README.md", "words.schema.json"])
def test_every_file_that_a_harness_may_read_is_locked(locked: Tiny, file: str) -> None:
    before = locked.repository.code_digest(locked.root / "evals" / "drawing")
    (locked.root / "evals" / "drawing" / file).parent.mkdir(exist_ok=True)
    append(f"evals/drawing/{file}")(locked)
    assert locked.repository.code_digest(locked.root / "evals" / "drawing") != before
    assert [one.file for one in unlocked(locked.repository)] == [f"evals/drawing/{file}"]


def test_every_difference_is_listed_and_a_policy_of_which_only_prose_changed_is_told(locked: Tiny) -> None:
    locked.change(locked.policy, "Not mature.", "Immature.")
    (locked.root / "reports" / "report.css").unlink()
    append("evals/new.py")(locked)
    found = unlocked(locked.repository)
    assert [(one.file, one.kind) for one in found] == [
        ("evals/new.py", "added"),
        ("policies/tiny.yaml", "changed"),
        ("reports/report.css", "missing"),
    ]
    assert found[1].sentence().endswith(" now (its rules are the same)")
    with pytest.raises(LockError) as raised:
        require_locked(locked.repository)
    assert len(raised.value.problems) == 3
    locked.change(locked.policy, "at_most: 0.20", "at_most: 0.30")
    assert unlocked(locked.repository)[1].rules is True


@pytest.mark.parametrize(
    "file", ["policies/ledger/tiny.jsonl", "policies/waivers/w.json", "policies/revocations/r.json",
             "policies/tests/tiny.yaml", "reports/examples/a.html", "evals/drawing/README.md",
             "evals/drawing/__pycache__/harness.pyc", "evals/eval.schema.json", "model/config.json"]
)  # fmt: skip
def test_what_judges_nothing_or_comes_with_time_is_not_locked(locked: Tiny, file: str) -> None:
    (locked.root / file).parent.mkdir(parents=True, exist_ok=True)
    append(file)(locked)
    assert unlocked(locked.repository) == ()


def test_the_lock_is_written_again_by_the_same_command(locked: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    append("evals/shared.py")(locked)
    given = ["lock", "--repo", str(locked.root)]
    assert run(given) == 0
    assert (
        capsys.readouterr().out
        == f"evals/shared.py: changed\n{NAME}: {len(lock_now(locked.repository))} files locked\n"
    )
    text = (locked.root / NAME).read_bytes()
    assert run(given) == 0
    assert (locked.root / NAME).read_bytes() == text
    assert run([*given, "--check"]) == 0
    capsys.readouterr()
    assert run([*given, "--check", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"differences": []}


BAD: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"evals/a.py",
    "another version": b'{"schema": "releasegate/lock/v2", "files": []}',
    "an empty list": b'{"schema": "releasegate/lock/v1", "files": []}',
    "a key twice": b'{"schema": "releasegate/lock/v1", "schema": "releasegate/lock/v1", "files": []}',
    "too deep": b"[" * 100_000,
    "no number": b'{"schema": "releasegate/lock/v1", "files": [NaN]}',
    "a path that leaves": json.dumps(
        {"schema": "releasegate/lock/v1", "files": [{"file": "../a", "what": "card", "sha256": "sha256:" + "0" * 64}]}
    ).encode(),
    "a file twice": json.dumps(
        {"schema": "releasegate/lock/v1", "files": [{"file": "a", "what": "card", "sha256": "sha256:" + "0" * 64}] * 2}
    ).encode(),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_a_lock_that_is_none_stops_everything(locked: Tiny, capsys: pytest.CaptureFixture[str], data: bytes) -> None:
    (locked.root / NAME).write_bytes(data)
    for name in ("gate", "lock"):
        assert run(calls(locked)[name]) == 2
        assert "is not a lock" in capsys.readouterr().err
    assert run(["lock", "--repo", str(locked.root)]) == 0
    assert unlocked(locked.repository) == ()


def test_a_lock_that_is_a_link_or_a_folder_is_refused(locked: Tiny, tmp_path: Path) -> None:
    path = locked.root / NAME
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LockError, match="is a symlink"):
        require_locked(locked.repository)
    path.unlink()
    path.mkdir()
    with pytest.raises(NotFound):
        require_locked(locked.repository)


def test_without_a_lock_nothing_is_asked(locked: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    (locked.root / NAME).unlink()
    append("evals/shared.py")(locked)
    require_locked(locked.repository)
    assert run(calls(locked)["lock"]) == 2
    assert "there is no lock" in capsys.readouterr().err


def test_a_new_gate_repository_starts_without_a_lock() -> None:
    assert not (starter() / NAME).exists()


def test_the_lock_reads_back_as_it_was_written(locked: Tiny) -> None:
    lock = read_lock(locked.repository)
    assert Lock.from_text(lock.text()) == lock
    Draft202012Validator(json.loads(schema_text(Lock))).validate(json.loads((locked.root / NAME).read_text()))
    assert {one.what for one in lock.files} >= {
        "policy",
        "recipe",
        "card",
        "harness",
        "subject",
        "instrument",
        "template",
    }
    policy = next(one for one in lock.files if one.what == "policy")
    assert policy.rules == locked.repository.read_policy(locked.policy).record.rules_digest()
