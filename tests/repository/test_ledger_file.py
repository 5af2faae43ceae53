"""The ledger's file: started once, opened by one gate at a time, whole after any stop."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from releasegate.__main__ import run
from releasegate.errors import LedgerError
from releasegate.ledger import MAX_BYTES, Anchor, parse_ledger
from releasegate.repository.ledger_file import LedgerFile, ledger_path
from tests.tiny_ledgers import EVENTS, closed, digest, digits, ledger

TOP = Path(__file__).parents[2]
DAY = "2026-01-31"


@pytest.fixture
def file(tmp_path: Path) -> LedgerFile:
    """A ledger without an attempt."""
    made = LedgerFile(tmp_path / "policies" / "ledger" / "tiny.jsonl")
    made.init("tiny")
    return made


def nonce(name: str = "nonce 1") -> Callable[[], str]:
    return lambda: digits(name)


def never() -> str:
    raise AssertionError("the nonce is drawn once")


def refused(act: Callable[[], Any]) -> str:
    """What is said to be wrong; there is always a remedy."""
    with pytest.raises(LedgerError) as caught:
        act()
    (problem,) = caught.value.problems
    assert problem.fix
    return problem.what


def enter(file: LedgerFile, family: str = "tiny", **options: Any) -> None:
    with file.locked(family, **options):
        pass


def child(code: str, file: LedgerFile) -> subprocess.Popen[str]:
    """Another process with `file` and `held` at hand, which says `ready` once it holds the ledger."""
    script = (
        "import os, secrets, signal, sys, time\n"
        "from pathlib import Path\n"
        "from releasegate.repository.ledger_file import LedgerFile\n"
        "file = LedgerFile(Path(sys.argv[1]))\n" + code
    )
    command = [sys.executable, "-c", script, str(file.path)]
    return subprocess.Popen(command, cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


HOLD = "with file.locked('tiny') as held:\n    print('ready', flush=True)\n    sys.stdin.read()\n"
OPEN = (
    "sys.stdin.read()\n"
    "for _ in range(4):\n"
    "    with file.locked('tiny') as held:\n"
    "        j = held.view.next_attempt\n"
    "        held.open('sha256:' + f'{os.getpid():x}-{j}'.encode().hex().rjust(64, '0'), '2026-01-31',\n"
    "            lambda: secrets.token_hex(32))\n"
)
KILLED = (
    "def draw():\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    "with file.locked('tiny') as held:\n    held.open(sys.stdin.read(), '2026-01-31', draw)\n"
)


def test_a_ledger_is_started_once(file: LedgerFile) -> None:
    before = file.path.read_bytes()
    assert refused(lambda: file.init("tiny")) == "there is a ledger already"
    assert file.path.read_bytes() == before


def test_a_link_in_the_place_of_a_new_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "l.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    assert refused(lambda: LedgerFile(tmp_path / "l.jsonl").init("tiny")) == "there is a ledger already"
    assert not (tmp_path / "elsewhere.jsonl").exists()


def test_a_start_that_fails_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", lambda descriptor, data: 0)
    with pytest.raises(OSError, match="No space left"):
        LedgerFile(tmp_path / "l.jsonl").init("tiny")
    assert not (tmp_path / "l.jsonl").exists()


def test_an_attempt_is_opened_before_its_nonce_is_drawn(file: LedgerFile) -> None:
    seen = []

    def draw() -> str:
        seen.append(parse_ledger(file.path.read_bytes(), "seen").attempts)
        return digits("nonce 1")

    with file.locked("tiny") as held:
        assert held.view.next_attempt == 1
        assert held.open(digest("plan 1"), DAY, draw) == digits("nonce 1")
        assert held.view.attempts[0].nonce == digits("nonce 1")
    ((attempt,),) = seen
    assert (attempt.plan, attempt.day, attempt.nonce) == (digest("plan 1"), DAY, None)
    assert file.read("tiny").count == 3


def test_file_and_folder_are_synced_before_the_nonce_is_drawn_and_again_after(
    file: LedgerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {os.stat(path).st_ino: name for path, name in ((file.path, "file"), (file.path.parent, "folder"))}
    real, seen = os.fsync, []

    def sync(descriptor: int) -> None:
        real(descriptor)
        seen.append(places[os.fstat(descriptor).st_ino])

    def draw() -> str:
        seen.append("draw")
        return digits("nonce 1")

    monkeypatch.setattr(os, "fsync", sync)
    with file.locked("tiny") as held:
        held.open(digest("plan 1"), DAY, draw)
    assert seen == ["file", "folder", "draw", "file", "folder"]


def test_resuming_gives_the_nonce_that_was_drawn(file: LedgerFile) -> None:
    with file.locked("tiny") as held:
        held.open(digest("plan 1"), DAY, nonce())
    before = file.path.read_bytes()
    with file.locked("tiny") as held:
        assert held.resume(digest("plan 1"), never) == digits("nonce 1")
        assert "no attempt was opened with plan" in refused(lambda: held.resume(digest("another"), never))
    assert file.path.read_bytes() == before


def test_an_attempt_killed_before_its_nonce_is_spent_and_can_be_resumed_with_its_plan_alone(file: LedgerFile) -> None:
    process = child(KILLED, file)
    process.communicate(digest("plan 1"), timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert [a.nonce for a in file.read("tiny").attempts] == [None]
    with file.locked("tiny", wait_s=0) as held:
        assert held.view.next_attempt == 2
        assert "no attempt was opened with plan" in refused(lambda: held.resume(digest("plan 2"), never))
        assert held.resume(digest("plan 1"), nonce()) == digits("nonce 1")
        assert held.resume(digest("plan 1"), never) == digits("nonce 1")
        assert "with the plan of attempt 1" in refused(lambda: held.open(digest("plan 1"), DAY, never))


def test_a_drawing_that_fails_leaves_a_spent_attempt(file: LedgerFile) -> None:
    with file.locked("tiny") as held, pytest.raises(AssertionError):
        held.open(digest("plan 1"), DAY, never)
    assert file.read("tiny").next_attempt == 2


def test_items_and_closing_are_written_once(file: LedgerFile) -> None:
    with file.locked("tiny") as held:
        held.open(digest("plan 1"), DAY, nonce())
        held.use(1, "questions", ["q2", "q1", "q1"])
        held.use(1, "questions", ["q1", "q3"])
        held.use(1, "questions", ["q3", "q2"])
        held.close(closed(1))
        held.close(closed(1))
        other = closed(1).model_copy(update={"evidence": digest("other evidence")})
        assert "closes attempt 1 on other evidence" in refused(lambda: held.close(other))
        assert "which was not opened" in refused(lambda: held.close(closed(2)))
        assert "which was not opened" in refused(lambda: held.use(2, "questions", ["q4"]))
    (attempt,) = file.read("tiny").attempts
    assert attempt.used == {"questions": ("q1", "q2", "q3")}
    assert attempt.closed == closed(1)
    assert file.read("tiny").count == 6


def test_two_ledgers_made_by_the_same_steps_have_the_same_bytes(file: LedgerFile) -> None:
    with file.locked("tiny") as held:
        for number, verdict in ((1, "withhold"), (2, "release")):
            held.open(digest(f"plan {number}"), DAY, nonce(f"nonce {number}"))
            held.use(number, "questions", ["q1", "q2"] if number == 1 else ["q3"])
            held.close(closed(number, verdict=verdict))
    assert file.path.read_bytes() == ledger(*EVENTS[:-1])


def test_a_second_gate_is_told_that_the_ledger_is_held(file: LedgerFile) -> None:
    process = child(HOLD, file)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    start = time.monotonic()
    assert refused(lambda: enter(file, wait_s=0.1)) == "another releasegate holds the ledger; waited 0.1 s"
    assert 0.1 <= time.monotonic() - start < 5
    assert "holds the ledger" in refused(lambda: file.read("tiny", wait_s=0))
    process.communicate("", timeout=60)
    enter(file, wait_s=0)


def test_the_lock_of_a_killed_gate_is_free(file: LedgerFile) -> None:
    process = child(HOLD, file)
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.communicate(timeout=60)
    enter(file, wait_s=0)


def test_gates_that_open_at_once_get_attempts_of_their_own(file: LedgerFile) -> None:
    processes = [child(OPEN, file) for _ in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()
    view = file.read("tiny")
    assert (len(view.attempts), view.count) == (12, 25)
    assert len({attempt.nonce for attempt in view.attempts}) == 12


def test_a_ledger_put_in_the_place_of_the_held_one_is_seen(file: LedgerFile) -> None:
    with file.locked("tiny") as held:
        file.path.rename(file.path.with_suffix(".old"))
        file.path.write_bytes(ledger())
        what = refused(lambda: held.open(digest("plan 1"), DAY, never))
    assert what == "was changed by something that does not heed its lock"
    assert file.read("tiny").next_attempt == 1


def test_a_ledger_put_there_while_a_gate_waits_is_the_one_that_it_gets(
    file: LedgerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = fcntl.flock, []

    def swap(descriptor: int, operation: int) -> None:
        real(descriptor, operation)
        calls.append(operation)
        if len(calls) == 1:
            other = file.path.with_suffix(".new")
            other.write_bytes(ledger(*EVENTS))
            other.rename(file.path)

    monkeypatch.setattr(fcntl, "flock", swap)
    with file.locked("tiny") as held:
        assert held.view.next_attempt == 4
    assert len(calls) == 2


def test_a_line_added_by_something_that_does_not_lock_is_seen(file: LedgerFile) -> None:
    with file.locked("tiny") as held:
        file.path.write_bytes(ledger(*EVENTS))
        assert "does not heed its lock" in refused(lambda: held.open(digest("plan 1"), DAY, never))


def test_a_write_that_fails_leaves_the_ledger_as_it_was(file: LedgerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    before, real = file.path.read_bytes(), os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:40]))
    with file.locked("tiny") as held:
        what = refused(lambda: held.open(digest("plan 1"), DAY, never))
    assert what == "could not be written: No space left on device; it is as it was"
    assert file.path.read_bytes() == before


def test_a_write_that_cannot_be_taken_back_is_seen_as_cut_off(
    file: LedgerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(descriptor: int, size: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:40]))
    monkeypatch.setattr(os, "ftruncate", broken)
    with file.locked("tiny") as held:
        what = refused(lambda: held.open(digest("plan 1"), DAY, never))
    assert what == "could not be written, and its last line may be cut off: Input/output error"
    assert refused(lambda: file.read("tiny")) == "is cut off in the middle of the line"


def test_a_full_ledger_says_so(file: LedgerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("releasegate.repository.ledger_file.MAX_BYTES", 400)
    with file.locked("tiny") as held:
        assert refused(lambda: held.open(digest("plan 1"), DAY, never)).startswith("is full")
    assert file.read("tiny").count == 1


def test_what_is_no_ledger_file_is_refused(tmp_path: Path, file: LedgerFile) -> None:
    link, fifo, huge, empty = (tmp_path / name for name in ("link", "fifo", "huge", "empty"))
    link.symlink_to(file.path)
    os.mkfifo(fifo)
    huge.touch()
    os.truncate(huge, MAX_BYTES + 1)
    empty.touch()
    said = {
        tmp_path / "none": "there is no ledger here",
        file.path / "below": "there is no ledger here",
        link: "is a symbolic link",
        tmp_path: "is not a file",
        fifo: "is not a file",
        huge: "is larger than 64 MiB",
        empty: "is empty: the ledger was truncated, or its making was cut off",
    }
    for path, what in said.items():
        assert refused(partial(LedgerFile(path).read, "tiny")) == what
        assert refused(partial(enter, LedgerFile(path))) == what


def test_a_missing_ledger_is_never_a_fresh_start(tmp_path: Path) -> None:
    with pytest.raises(LedgerError) as caught:
        LedgerFile(tmp_path / "none").read("tiny")
    assert "`releasegate ledger init`" in caught.value.problems[0].fix
    assert not (tmp_path / "none").exists()


def test_family_and_anchor_are_checked_before_anything_is_opened(file: LedgerFile) -> None:
    head = file.read("tiny").head
    enter(file, anchor=Anchor(count=1, head=head))
    assert "of family tiny, not of other" in refused(lambda: enter(file, family="other"))
    assert "was rolled back" in refused(lambda: enter(file, anchor=Anchor(count=2, head=head)))
    assert "was forked" in refused(lambda: enter(file, anchor=Anchor(count=1, head="0" * 64)))
    assert "was rolled back" in refused(lambda: file.read("tiny", Anchor(count=2, head=head)))


def releasegate(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code of a call, and what it printed."""
    code = run(["ledger", *arguments])
    said = capsys.readouterr()
    return code, said.out + said.err


def test_the_commands_start_show_and_verify_a_ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "l.jsonl"
    place = ("--ledger", str(path))
    assert releasegate(capsys, "init", "tiny", *place) == (0, f"{path}: started; next is attempt 1\n")
    code, said = releasegate(capsys, "init", "tiny", *place)
    assert (code, said.splitlines()[0]) == (2, f"{path}: there is a ledger already")
    path.write_bytes(ledger(*EVENTS))
    head = parse_ledger(path.read_bytes(), "made").head
    code, said = releasegate(capsys, "show", "tiny", *place)
    assert code == 0
    assert "not drawn" in said
    assert "questions 2" in said
    assert said.endswith(f"next: attempt 4, 0.038 of the policy's alpha\nanchor: 10:{head}\n")
    assert releasegate(capsys, "verify", "tiny", *place, "--anchor", f"10:{head}") == (
        0,
        f"ok: 10 lines, 3 attempts, the chain is whole\nok: goes on from the anchor at line 10\nanchor: 10:{head}\n",
    )
    assert (
        "unanchored: lines removed from its end would not be seen" in releasegate(capsys, "verify", "tiny", *place)[1]
    )
    assert releasegate(capsys, "verify", "tiny", *place, "--anchor", f"11:{head}")[0] == 2
    assert releasegate(capsys, "verify", "tiny", *place, "--anchor", "11")[0] == 2
    assert releasegate(capsys, "verify", "other", *place)[0] == 2


def test_the_commands_print_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "l.jsonl"
    place = ("--ledger", str(path), "--format", "json")
    assert json.loads(releasegate(capsys, "init", "tiny", *place)[1])["count"] == 1
    path.write_bytes(ledger(*EVENTS))
    shown = json.loads(releasegate(capsys, "show", "tiny", *place)[1])
    assert [(a["attempt"], a["nonce_drawn"], a["used"], a["verdict"]) for a in shown["attempts"]] == [
        (1, True, {"questions": 2}, "withhold"),
        (2, True, {"questions": 1}, "release"),
        (3, False, {}, None),
    ]
    assert shown["next"]["attempt"] == 4
    checked = json.loads(releasegate(capsys, "verify", "tiny", *place)[1])
    assert (checked["valid"], checked["anchored"], checked["attempts"]) == (True, False, 3)


def test_a_ledger_lies_beside_the_policies_and_knows_the_alpha_of_the_next_attempt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = (TOP / "policies" / "mini-chameleon.yaml").read_text().splitlines()
    schema = [line for line in shipped if line.startswith("schema:")]
    (tmp_path / "evals").mkdir()
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "tiny.yaml").write_text(
        f"{schema[0]}\nid: tiny\ntitle: Tiny\nmodel: {{layout: chameleon-hf, subject: chameleon}}\n"
        "release: {channel: open_weights}\n"
        "capabilities:\n  - {id: names, title: Names, rationale: Harmless., unconditional: true}\n"
    )
    assert releasegate(capsys, "init", "tiny", "--repo", str(tmp_path))[0] == 0
    assert ledger_path(tmp_path, "tiny").is_file()
    said = releasegate(capsys, "show", "tiny", "--repo", str(tmp_path))[1]
    left = "left: 1 of alpha; alpha over any number of attempts"
    assert said.startswith(f"{left}\nnext: attempt 1, effective alpha 0.0304\n")


@pytest.mark.parametrize("name", ["init", "show", "verify"])
def test_every_command_shows_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = releasegate(capsys, name, "--help")
    assert code == 0
    assert f"Example:\n    releasegate ledger {name} " in said
