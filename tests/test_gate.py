"""The whole story through the command line: verdicts, exit codes, messages, and what is left on disk after an error."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

import releasegate.gate
from releasegate.__main__ import Terminated, run
from releasegate.decision import Decision
from releasegate.errors import RunError, StripError
from releasegate.gate import gate
from releasegate.repository import GateRepository, LedgerFile, RunFolder
from releasegate.repository.evidence_store import EvidenceStore
from tests.tiny_repository import OPENED, Silent, Tiny, index_lines


def arguments(made: Tiny, *more: str) -> list[str]:
    return ["gate", str(made.policy), "--model", str(made.checkpoint), "--out", str(made.run.root), "--quiet", *more]


def decision(made: Tiny) -> Decision:
    return made.run.read_decision()


@pytest.fixture
def real_report() -> None:
    """Asks for the real report, which takes half a second and has tests of its own."""


@pytest.fixture(autouse=True)
def _report(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report of one line, unless the real one is asked for."""

    def write(run: RunFolder, repository: GateRepository, decision: Decision, *more: object) -> None:
        run.report_path.write_text(decision.verdict)

    if "real_report" not in request.fixturenames:
        monkeypatch.setattr(releasegate.gate, "write_report", write)


def withheld(made: Tiny) -> Tiny:
    made.change(made.policy, "otherwise: strip", "otherwise: withhold")
    return made


def restricted(made: Tiny) -> Tiny:
    """Served safely, and not published safely."""
    made.change(
        made.policy,
        "    otherwise: strip\n",
        "    safeguards:\n      served:\n"
        "        - {id: served, metric: naming/right, at_least: 0.6, enforced_by: server}\n"
        "    otherwise: restrict\n    restrict: {channel: api}\n",
    )
    return made


def broken(made: Tiny) -> Tiny:
    made.change(
        made.harness("naming"), "    for item in items:\n", "    raise ValueError('broken')\n    for item in items:\n"
    )
    return made


def as_it_is(made: Tiny) -> Tiny:
    return made


CASES: dict[str, tuple[Callable[[Tiny], Tiny], str, int, str]] = {
    "release": (lambda made: made.able(drawing=0.0), "release", 0, "open_weights"),
    "release_stripped": (as_it_is, "release_stripped", 0, "open_weights"),
    "restrict": (restricted, "restrict", 1, "api"),
    "withhold": (withheld, "withhold", 1, "none"),
    "incomplete": (broken, "incomplete", 3, "none"),
}


@pytest.mark.usefixtures("real_report")
@pytest.mark.parametrize(("prepare", "verdict", "code", "channel"), CASES.values(), ids=CASES)
def test_each_verdict_has_its_exit_code(
    made: Tiny,
    capsys: pytest.CaptureFixture[str],
    prepare: Callable[[Tiny], Tiny],
    verdict: str,
    code: int,
    channel: str,
) -> None:
    assert run(arguments(prepare(made))) == code
    assert (decision(made).verdict, decision(made).channel) == (verdict, channel)
    assert capsys.readouterr().out.startswith(f"{verdict} · tiny\n")
    assert made.run.report_path.stat().st_size > 1000
    assert made.run.stripped.exists() == (verdict in ("release_stripped", "incomplete"))


@pytest.mark.usefixtures("real_report")
def test_the_decision_is_printed_as_it_is_stored(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments(withheld(made), "--format", "decision")) == 1
    assert capsys.readouterr().out == made.run.decision_path.read_text()


@pytest.mark.usefixtures("real_report")
def test_the_steps_come_to_the_same_decision_as_the_gate(made: Tiny, tmp_path: Path) -> None:
    """plan --open, eval, decide, report: and then the gate, with the same nonce."""
    model, folder, repository = str(made.checkpoint), str(made.run.root), str(made.root)
    assert run(["plan", str(made.policy), "--model", model, "-q"]) == 0
    assert not made.run.root.exists()
    assert run(["plan", str(made.policy), "--model", model, "--open", folder, "-q"]) == 0
    assert run(["decide", folder]) == 3
    assert run(["eval", folder, "--model", model, "--repo", repository, "-q"]) == 0
    assert run(["verify", f"{folder}/stripped", "--source", model, "-q"]) == 0
    assert made.ledger.read("tiny").attempts[0].closed is None
    assert run(["decide", folder, "--repo", repository, "--model", model]) == 0
    assert run(["report", folder, "--repo", repository]) == 0
    plan = made.run.read_plan()
    ledger = made.fresh_ledger("again")
    day, nonce = date.fromisoformat(plan.opened), lambda: plan.nonce
    call = made.call(run=tmp_path / "again", today=day, draw_nonce=nonce, ledger=ledger)
    assert gate(call, Silent()).text() == made.run.decision_path.read_text()
    (by_gate,), (by_steps,) = (file.read("tiny").attempts for file in (LedgerFile(ledger), made.ledger))
    assert by_gate.closed == by_steps.closed
    assert by_steps.closed is not None


# Resuming.


def test_running_the_same_command_again_measures_nothing_and_decides_the_same(made: Tiny) -> None:
    assert run(arguments(made)) == 0
    before, lines = made.run.decision_path.read_bytes(), index_lines(made)
    assert run(arguments(made)) == 0
    assert made.run.decision_path.read_bytes() == before
    assert index_lines(made) == lines


@pytest.mark.parametrize("shards", [0, 3, 8, 13])
def test_an_interrupted_gate_is_resumed_to_the_same_bytes(made: Tiny, tmp_path: Path, shards: int) -> None:
    whole = gate(made.call(run=tmp_path / "whole", ledger=made.fresh_ledger("whole")), Silent())
    original = EvidenceStore.finish_shard
    count = 0

    def finish(self: EvidenceStore, *given: Any) -> Any:
        nonlocal count
        count += 1
        if count > shards:
            raise KeyboardInterrupt
        return original(self, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EvidenceStore, "finish_shard", finish)
        with pytest.raises(KeyboardInterrupt):
            gate(made.call(), Silent())
    assert not made.run.decision_path.exists()
    assert gate(made.call(draw_nonce=lambda: "never drawn again"), Silent()) == whole
    assert made.run.decision_path.read_text() == whole.text()
    done = [(line["measurement"], line["shard"]) for line in index_lines(made) if line["event"] == "done"]
    assert len(done) == len(set(done)) == 14


def test_a_torn_index_line_is_mended_on_resuming(made: Tiny) -> None:
    gate(made.call(), Silent())
    before = made.run.decision_path.read_bytes()
    index = made.run.root / "evidence" / "index.jsonl"
    index.write_bytes(index.read_bytes()[:-20])
    gate(made.call(), Silent())
    assert made.run.decision_path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda made: made.change(made.policy, "0.20}\n    otherwise", "0.30}\n    otherwise"), "policy"),
        (lambda made: made.able(drawing=0.1), "model"),
        (lambda made: made.change(made.harness(), "Asks", "Now asks"), "harness of eval drawing"),
        (
            lambda made: made.change(made.root / "evals" / "drawing" / "eval.yaml", "n: 100", "n: 90"),
            "card of eval drawing",
        ),
        (
            lambda made: made.change(made.root / "evals" / "tiny" / "subject.py", "1000 *", "1_000 *"),
            "subject of eval drawing",
        ),
        (
            lambda made: made.change(made.root / "policies/recipes/chameleon-hf/drawing.yaml", "title:", "title: A"),
            "strips",
        ),
    ],
)
def test_a_run_folder_of_another_attempt_is_not_resumed(made: Tiny, change: Callable[[Tiny], Any], what: str) -> None:
    gate(made.call(), Silent())
    before = made.run.decision_path.read_bytes()
    change(made)
    with pytest.raises(RunError, match="holds an attempt that was opened with another") as caught:
        gate(made.call(), Silent())
    assert what in str(caught.value)
    assert made.run.decision_path.read_bytes() == before


def test_old_evidence_is_not_believed_on_resuming(made: Tiny) -> None:
    gate(made.call(), Silent())
    later = gate(made.call(today=OPENED + timedelta(days=91)), Silent())
    assert later.verdict == "incomplete"


def test_no_attempt_opens_where_what_an_eval_reads_is_missing(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    harness = made.root / "evals" / "naming" / "harness.py"
    refusal = 'NotFound("a.wav", "no such recording", "fetch it")'
    lines = ["", "", "def require(params):", "    from releasegate.errors import NotFound", f"    raise {refusal}", ""]
    harness.write_text(harness.read_text() + "\n".join(lines))
    before = made.ledger.path.read_bytes()
    assert run(arguments(made)) == 2
    assert "a.wav: no such recording\n  fix: fetch it" in capsys.readouterr().err
    assert made.ledger.path.read_bytes() == before
    assert not made.run.plan_path.exists()


def test_a_changed_stripped_checkpoint_is_not_believed(made: Tiny) -> None:
    gate(made.call(), Silent())
    config = made.run.stripped / "config.json"
    config.write_text(config.read_text() + " ")
    assert run(["decide", str(made.run.root)]) == 2
    assert run(arguments(made)) == 2


def test_nothing_of_a_decision_names_this_machine(made: Tiny) -> None:
    gate(made.call(), Silent())
    for path in (made.run.decision_path, made.run.plan_path):
        assert str(made.root) not in path.read_text()


# What cannot be run, or cannot be trusted, is 2; a bug is 2; never a verdict.


def said(capsys: pytest.CaptureFixture[str], code: int, given: list[str], expected: int = 2) -> str:
    capsys.readouterr()
    assert run(given) == expected, code
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_a_typo_in_the_policy_is_named_by_line_and_column(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    made.change(made.policy, "otherwise: strip", "otherwise: drop")
    assert said(capsys, 2, arguments(made)) == (
        'policies/tiny.yaml:12:16: capabilities.0.otherwise: must be one of strip, restrict, withhold; got "drop"\n'
        "  fix: use one of them\n"
    )
    assert not made.run.root.exists()


POLICY_ERRORS = {
    "a duplicate key": (
        "otherwise: strip",
        "otherwise: strip\n    otherwise: strip",
        ':13:5: duplicate key "otherwise"',
    ),
    "an unknown eval": (
        "metric: drawing/legible",
        "metric: drawings/legible",
        ":11:28: capabilities.0.misuse.0.metric: no eval",
    ),
    "an unknown recipe": (
        "recipe: chameleon-hf/draw",
        "recipe: chameleon-hf/draws",
        ":13:13: capabilities.0.recipe: no recipe",
    ),
    "an unknown subject": ("subject: tiny", "subject: tinny", ":4:40: model.subject: no subject 'tinny'"),
    "a void limit": ("at_most: 0.20", "at_most: 1", ":11:54: capabilities.0.misuse.0.at_most: 1 is at or beyond"),
    "another name": ("id: tiny", "id: small", ":2:5: id: the file is named tiny.yaml"),
    "no YAML": ("schema: ", "schema: [", ": not valid YAML: "),
}


@pytest.mark.parametrize(("before", "after", "message"), POLICY_ERRORS.values(), ids=POLICY_ERRORS)
def test_a_bad_policy_opens_no_attempt(
    made: Tiny, capsys: pytest.CaptureFixture[str], before: str, after: str, message: str
) -> None:
    text = made.policy.read_text()
    assert before in text
    made.policy.write_text(text.replace(before, after, 1))
    error = said(capsys, 2, arguments(made))
    assert error.startswith("policies/tiny.yaml:")
    assert message in error
    assert "  fix: " in error
    assert not made.run.root.exists()
    assert message in said(capsys, 2, ["check", str(made.policy)])


def test_a_policy_under_another_name_is_refused_however_its_path_is_written(
    made: Tiny, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made.policy.rename(made.policy.with_name("other.yaml"))
    monkeypatch.chdir(made.root)
    for path in (
        "policies/other.yaml",
        "./policies/../policies/other.yaml",
        str(made.root / "policies" / "other.yaml"),
    ):
        assert "the file is named other.yaml" in said(capsys, 2, ["check", path])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "Usage: releasegate"),
        (["gates"], "o such command 'gates'"),
        (["gate"], "Missing argument 'POLICY'"),
        (["gate", "x.yaml"], "Missing option '--model'"),
        (["gate", "--alpha", "1"], "No such option"),
        (["check", "--format", "xml"], "'xml' is not one of 'text', 'json'"),
        (["decide"], "Missing argument 'RUN'"),
    ],
)
def test_a_wrong_call_is_2(capsys: pytest.CaptureFixture[str], given: list[str], message: str) -> None:
    assert run(given) == 2
    captured = capsys.readouterr()
    assert message in captured.err + captured.out


def test_a_missing_policy_is_named(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    made.policy.unlink()
    assert str(made.policy) in said(capsys, 2, arguments(made))


def test_a_missing_checkpoint_is_named_and_opens_no_attempt(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    error = said(
        capsys, 2, ["gate", str(made.policy), "--model", str(made.root / "none"), "--out", str(made.run.root), "-q"]
    )
    assert error.startswith(f"{made.root / 'none'}: ")
    assert not made.run.root.exists()


def test_a_checkpoint_of_another_layout_is_refused(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    made.change(made.checkpoint / "config.json", '"chameleon"', '"llama"')
    error = said(capsys, 2, arguments(made))
    assert "has layout llama-hf, and policy tiny is about chameleon-hf" in error
    assert not made.run.root.exists()


@pytest.mark.parametrize("file", ["model-00001-of-00002.safetensors", "config.json", "model.safetensors.index.json"])
def test_a_truncated_checkpoint_is_refused(made: Tiny, capsys: pytest.CaptureFixture[str], file: str) -> None:
    path = made.checkpoint / file
    path.write_bytes(path.read_bytes()[:-20])
    assert file in said(capsys, 2, arguments(made))
    assert not made.run.root.exists()


def test_an_unknown_device_opens_no_attempt(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, 2, arguments(made, "--device", "abacus")).startswith("--device: unknown device 'abacus'")
    assert not made.run.root.exists()


def test_a_run_folder_that_holds_something_else_is_left_alone(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    made.run.root.mkdir()
    (made.run.root / "thesis.tex").write_text("x")
    assert "is not empty and not a run" in said(capsys, 2, arguments(made))
    assert [path.name for path in made.run.root.iterdir()] == ["thesis.tex"]


def test_a_run_folder_that_is_a_file_is_named(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    made.run.root.write_text("x")
    error = said(capsys, 2, arguments(made))
    assert str(made.run.root) in error
    assert "a bug" not in error
    assert made.run.root.read_text() == "x"


def test_a_truncated_shard_is_named(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments(withheld(made))) == 1
    shard = sorted((made.run.root / "evidence").glob("*/*.jsonl"))[0]
    shard.write_bytes(shard.read_bytes()[:-30])
    for given in (arguments(made), ["decide", str(made.run.root)]):
        error = said(capsys, 2, given)
        assert str(shard) in error
        assert "  fix: " in error


def test_steps_on_a_folder_without_a_run_say_so(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    for given in (
        ["decide", str(made.root / "none")],
        ["report", str(made.root / "none")],
        ["eval", str(made.root / "none"), "--model", str(made.checkpoint)],
    ):
        assert "no run here" in said(capsys, 2, given) or given[0] == "report"
        assert not (made.root / "none").exists()


class Strange(BaseException):
    """Neither an error nor an interrupt."""


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("1/0"),
        KeyError("verdict"),
        AssertionError("the plan lists every strip"),
        EOFError("cut off"),
        SystemExit(0),
        SystemExit(1),
        GeneratorExit(),
        Strange("what?"),
        RecursionError("deep"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("where", ["decide_run", "open_source"])
def test_a_bug_inside_releasegate_is_2_and_never_a_verdict(
    made: Tiny, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, where: str, error: BaseException
) -> None:
    def raising(*arguments: object, **keys: object) -> None:
        raise error

    monkeypatch.setattr(releasegate.gate, where, raising)
    message = said(capsys, 2, arguments(made))
    assert "Traceback" in message
    assert f"releasegate: a bug in releasegate: {type(error).__name__}: " in message
    assert "the exit code is no verdict" in message


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "interrupted; run the same command again to resume\n"),
        (Terminated(), 143, "terminated; run the same command again to resume\n"),
        (
            StripError("out", "could not be written: No space", "make room"),
            2,
            "out: could not be written: No space\n  fix: make room\n",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "plan.json"),
            2,
            "plan.json: No space left on device\n"
            "  fix: check the path, its permissions and the space on the disk, and run the same command again\n",
        ),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 2, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_what_ends_a_command_has_its_own_code(
    made: Tiny,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    message: str,
) -> None:
    def raising(*arguments: object) -> None:
        raise error

    capfd.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(releasegate.gate, "measure", raising)
        assert run(arguments(made)) == code
    assert capfd.readouterr().err.lstrip("\n") == message
    assert run(arguments(made)) == 0, "whatever was left on disk can be resumed"


@pytest.mark.parametrize("step", ["measure", "decide_run", "strip_for", "measure_stripped", "write_report"])
def test_whatever_breaks_is_resumed_without_measuring_anything_twice(
    made: Tiny, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def raising(*arguments: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(releasegate.gate, step, raising)
        assert run(arguments(made)) == 2
    assert run(arguments(made)) == 0
    done = [(line["measurement"], line["shard"]) for line in index_lines(made) if line["event"] == "done"]
    assert len(done) == len(set(done)) == 14
    assert not list(made.run.root.rglob("*.partial"))


# As a process.


def process(made: Tiny, *given: str, **keys: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "releasegate", *given], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **keys
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_process_with_its_code_and_the_run_is_resumed(made: Tiny, number: int, code: int) -> None:
    slow = "    import time\n    (Path(__file__).parent / 'README.md').touch()\n    time.sleep(30)\n"
    fast = made.harness().read_text()
    made.write_harness(
        "from pathlib import Path\n" + fast.replace("    for item in items:\n", slow + "    for item in items:\n")
    )
    running = process(made, *arguments(made))
    started = made.harness().with_name("README.md")
    for _ in range(600):
        if started.exists():
            break
        time.sleep(0.05)
    running.send_signal(number)
    _, error = running.communicate(timeout=120)
    assert running.returncode == code
    assert "run the same command again to resume" in error
    assert not made.run.decision_path.exists()
    assert not list(made.run.root.rglob("*.partial"))


def test_a_reader_that_goes_away_is_never_a_verdict(made: Tiny) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "releasegate", "check", str(made.policy)],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
