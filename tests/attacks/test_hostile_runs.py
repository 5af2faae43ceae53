"""A run folder comes from a machine that ran the model's own code. Whatever it holds, `decide` runs none of it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from releasegate.__main__ import run
from releasegate.checkpoint import read_manifest
from releasegate.ledger import Anchor
from releasegate.repository import LedgerFile, receipt_path
from tests.git_repository import clone, without_other_recipes
from tests.tiny_repository import Tiny, make_repository


def offline(*given: object) -> None:
    raise AssertionError("nobody is to be asked")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A clone of a gate repository, its ledger outside, and a run that was opened and measured by that commit."""
    top = tmp_path_factory.mktemp("hostile")
    made = make_repository(top / "repo")
    without_other_recipes(made.root)
    git = clone(made.root)
    git.commit()
    git.git("gc", "--quiet")  # a few files to copy in place of a hundred
    shutil.move(made.ledger.path, top / "ledger.jsonl")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made.root)
        ledger = ["--ledger", str(top / "ledger.jsonl")]
        model = ["--model", "checkpoint", "--judge-from", "main", "-q"]
        assert run(["plan", "policies/tiny.yaml", "--open", "run", *ledger, *model]) == 0
        for name in ("connect", "connect_ex", "sendto"):  # whoever asks the network would be told
            patch.setattr(socket.socket, name, offline, raising=False)
        assert run(["eval", "run", *model]) == 0
    return made


@pytest.fixture
def measured(original: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """A copy of it, in whose top one stands."""
    shutil.copytree(original.root.parent, tmp_path / "job")
    monkeypatch.chdir(tmp_path / "job" / "repo")
    return Tiny(tmp_path / "job" / "repo")


def deciding(*more: str, model: bool = True) -> list[str]:
    source = ["--model", "checkpoint"] if model else []
    return ["decide", "run", "--judge-from", "main", "--ledger", "../ledger.jsonl", *source, *more]


def refusal(capsys: pytest.CaptureFixture[str], given: list[str]) -> str:
    """What is said by a call that ends with 2; no verdict is, and none is stored."""
    capsys.readouterr()
    assert run(given) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "\n  fix: " in said.err
    assert "a bug" not in said.err
    assert not Path("run/decision.json").is_file()
    assert LedgerFile(Path("../ledger.jsonl")).read("tiny").attempts[0].closed is None
    return said.err


def edit(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    plain = json.loads(file.read_text())
    change(plain)
    file.write_text(json.dumps(plain, indent=1))


def test_a_run_that_is_carried_from_job_to_job_is_decided_and_closed(measured: Tiny) -> None:
    assert run(deciding()) == 0
    (attempt,) = LedgerFile(Path("../ledger.jsonl")).read("tiny").attempts
    assert attempt.closed is not None
    assert attempt.closed.decision == measured.run.read_decision().digest()
    lines = (measured.run.root / "run.log").read_text().splitlines()
    assert len(lines) == 3
    assert len(set(lines)) == 1


@pytest.mark.slow
def test_a_run_is_measured_where_there_is_no_network(original: Tiny, tmp_path: Path) -> None:
    alone = ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody leave the network")
    shutil.copytree(original.root, tmp_path / "repo")
    made = Tiny(tmp_path / "repo")
    shutil.rmtree(made.run.root / "evidence")
    command = [
        sys.executable,
        "-P",
        "-m",
        "releasegate",
        "eval",
        "run",
        "--model",
        "checkpoint",
        "--judge-from",
        "main",
    ]
    done = subprocess.run([*alone, *command], cwd=made.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "350 measured, 0 failed, in 14 shards\n"


def test_measuring_needs_no_ledger_and_no_network_and_stores_no_verdict(original: Tiny) -> None:
    assert not original.ledger.path.exists()
    assert {done.failed for done in original.run.evidence.done().values()} == {0}
    assert original.run.stripped.is_dir()
    assert not original.run.decision_path.exists()


def retitle(plan: dict[str, Any]) -> None:
    plan["policy"]["title"] = "Another"


def trust_another(plan: dict[str, Any]) -> None:
    plan["policy"]["publication"] = {"license": "mit"}


def reword(plan: dict[str, Any]) -> None:
    plan["wording"] = {name: {"title": "Another", "rationale": "Another."} for name in ("drawing", "naming")}


@pytest.mark.parametrize("change", [retitle, trust_another, reword])
def test_a_plan_with_other_keys_than_the_commit_is_refused(
    measured: Tiny, capsys: pytest.CaptureFixture[str], change: Callable[[dict[str, Any]], object]
) -> None:
    """Even where the ledger remembers nothing of them."""
    edit(measured.run.plan_path, change)
    said = refusal(capsys, deciding())
    assert "no attempt was opened with plan" in said or "is not the policy that the run was opened under" in said


def test_a_policy_that_changed_in_the_commit_is_named(measured: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    measured.change(measured.policy, "Not mature.", "Immature.")
    clone(measured.root).commit()
    assert "policies/tiny.yaml: is not the policy that the run was opened under" in refusal(capsys, deciding())


@pytest.mark.parametrize("before", ["it is closed", "it is decided again"])
def test_an_anchor_that_only_the_plan_tells_of_is_not_believed(
    measured: Tiny, capsys: pytest.CaptureFixture[str], before: str
) -> None:
    """The index is rewritten to fit, as a job that owns the whole folder would."""
    if before == "it is decided again":
        assert run(deciding()) == 0
    under = measured.run.read_plan().measured_under
    edit(measured.run.plan_path, lambda plan: plan["ledger"].update(anchored=True))
    index = measured.run.root / "evidence" / "index.jsonl"
    index.write_text(index.read_text().replace(under, measured.run.read_plan().measured_under))
    assert run(deciding()) == 2
    assert "as plan.json says, and nothing shows that" in capsys.readouterr().err
    first = LedgerFile(Path("../ledger.jsonl")).read("tiny")
    place = first.anchor_of(first.attempts[0])
    assert isinstance(place, Anchor)
    assert run(deciding("--ledger-head", f"{place.count}:{place.head}")) == 0
    assert run(deciding()) == 0, "the decision that it was closed with needs no place"


def test_the_source_is_wanted_where_there_is_a_stripped_checkpoint(
    measured: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "nothing shows what it was made from" in refusal(capsys, deciding(model=False))
    config = measured.checkpoint / "config.json"
    config.write_text(config.read_text() + " ")
    assert "is not the model that the attempt was opened for" in refusal(capsys, deciding())


def test_a_run_of_before_does_not_stand_for_the_attempt_that_was_opened(
    measured: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "run: holds attempt 1, not attempt 2" in refusal(capsys, deciding("--attempt", "2"))
    assert run(deciding("--attempt", "1")) == 0


def test_another_model_in_the_place_of_the_stripped_one_is_refused(
    measured: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was taken out is back; receipt, shards and index were made to fit, as a job that owns the whole folder could."""
    stripped, receipt = measured.run.stripped, receipt_path(measured.run.stripped)
    before = json.loads(receipt.read_text())["output_digest"]
    for file in stripped.iterdir():
        if (measured.checkpoint / file.name).exists():
            shutil.copy(measured.checkpoint / file.name, file)
    manifest = read_manifest(stripped)
    edit(receipt, lambda r: r.update(output=manifest.plain(), output_digest=manifest.digest()))
    index = measured.run.root / "evidence" / "index.jsonl"
    index.write_text(index.read_text().replace(before, manifest.digest()))
    assert manifest.digest() != before
    assert run(["decide", "run", "--ledger", "../ledger.jsonl", "--out", "x"]) == 2
    assert "stripped" in refusal(capsys, deciding())


def put(name: str, data: bytes = b"x") -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)

    return write


def instead(name: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    """Something else at a place where a file or folder was."""

    def swap(folder: Path) -> None:
        path = folder / name
        if path.exists():
            path.rename(folder.parent / "kept")
        make(path)

    return swap


def link(target: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(target)


def listen(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the name of a socket may not be long
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(here)


def grow(name: str, size: int) -> Callable[[Path], object]:
    def extend(folder: Path) -> None:
        with (folder / name).open("ab") as file:
            file.truncate(size)

    return extend


def a_shard(folder: Path) -> str:
    return sorted(p.relative_to(folder).as_posix() for p in folder.glob("evidence/*/*.jsonl"))[0]


TERABYTE = 1 << 40
LEFT: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link to the plan": (instead("plan.json", link("../kept")), "plan.json: is a symlink"),
    "a link to the evidence": (instead("evidence", link("../kept")), "evidence: is a symlink"),
    "a link to the stripped checkpoint": (instead("stripped", link("../kept")), "stripped: is a symlink"),
    "a log that leads out": (instead("run.log", link("../repo.log")), "run.log: is a symlink"),
    "a decision that leads out": (instead("decision.json", link("/dev/full")), "decision.json: is a symlink"),
    "a link deep inside": (instead("stripped/config.json", link("/etc/passwd")), "config.json: is a symlink"),
    "a pipe for a plan": (instead("plan.json", os.mkfifo), "plan.json: is no regular file"),
    "a pipe for a receipt": (instead("stripped.receipt.json", os.mkfifo), "receipt.json: is no regular file"),
    "a pipe among the shards": (instead("evidence/pipe.jsonl", os.mkfifo), "pipe.jsonl: is no regular file"),
    "a socket": (instead("run.sock", listen), "run.sock: is no regular file"),
    "a pickle": (put("model.pkl", b"cos\nsystem\n(S'true'\ntR."), "model.pkl: is nothing that releasegate puts"),
    "a pickle in the stripped checkpoint": (put("stripped/pytorch_model.bin"), "stripped"),
    "a folder of one's own": (put("evals/x/harness.py"), "evals: is nothing that releasegate puts"),
    "a file for a folder": (instead("stripped", lambda path: path.write_text("")), "stripped: is nothing that"),
    "a folder for a file": (instead("run.log", Path.mkdir), "run.log: is nothing that releasegate puts"),
    "a hidden file": (put(".env"), ".env: is nothing that releasegate puts"),
    "a name with a newline": (put("a\nb"), "has a name that is not printable"),
    "a name that turns around": (put("a‮b"), "has a name that is not printable"),
    "one more shard": (put("evidence/00/000000.jsonl"), "000000.jsonl: is not in the index"),
    "a shard twice": (
        lambda folder: shutil.copy(folder / a_shard(folder), (folder / a_shard(folder)).with_name("000099.jsonl")),
        "000099.jsonl: is not in the index",
    ),
    "an endless plan": (grow("plan.json", TERABYTE), "plan.json: is larger than"),
    "an endless receipt": (grow("stripped.receipt.json", TERABYTE), "stripped.receipt.json: is larger than"),
    "an endless index": (grow("evidence/index.jsonl", TERABYTE), "index.jsonl: is larger than"),
    "an endless shard": (lambda folder: grow(a_shard(folder), TERABYTE)(folder), "000000.jsonl"),
    "an endless stripped file": (grow("stripped/config.json", TERABYTE), "stripped"),
    "a deep plan": (put("plan.json", b"[" * 100_000), "plan.json: is not what releasegate wrote"),
    "a plan with a key twice": (put("plan.json", b'{"schema": 1, "schema": 2}'), "the key 'schema' stands twice"),
    "a plan of no numbers": (put("plan.json", b'{"alpha": NaN}'), "plan.json: is not what releasegate wrote"),
    "a plan that is none": (put("plan.json", b"\x80\x04N."), "plan.json: is not what releasegate wrote"),
    "an empty plan": (put("plan.json", b""), "plan.json: is not what releasegate wrote"),
}


@pytest.mark.parametrize(("plant", "what"), LEFT.values(), ids=LEFT)
def test_what_a_hostile_measure_job_leaves_is_refused(
    measured: Tiny, capsys: pytest.CaptureFixture[str], plant: Callable[[Path], object], what: str
) -> None:
    plant(measured.run.root)
    assert what in refusal(capsys, deciding())
    assert not (measured.root / "repo.log").exists()


def test_files_of_ones_own_in_a_run_are_no_matter_where_nobody_is_distrusted(measured: Tiny) -> None:
    (measured.run.root / "notes.md").write_text("ours")
    assert run(["decide", "run", "--ledger", "../ledger.jsonl"]) == 0
    (measured.run.root / "evals").mkdir()
    assert run(["decide", "run", "--ledger", "../ledger.jsonl"]) == 2
