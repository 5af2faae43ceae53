"""The composite action, run step by step: verdict, annotations, summary, outputs, and no input that is run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tiny_repository import Tiny
from tests.workflows import Ran, Runner

TOP = Path(__file__).parents[1]
CALLED = f"""#!{sys.executable}
import sys
from releasegate.__main__ import main
main()
"""

Act = Callable[..., Ran]


@pytest.fixture
def act(made: Tiny, tmp_path: Path) -> Act:
    """Runs the action in the gate repository, with the releasegate of this checkout."""
    called = tmp_path / "bin" / "releasegate"
    called.parent.mkdir()
    called.write_text(CALLED)
    called.chmod(0o755)
    (made.root / ".git").mkdir()
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    temp = tmp_path / "temp"
    temp.mkdir()

    def run(**given: str) -> Ran:
        inputs = {"policy": "policies/tiny.yaml", "model": str(made.checkpoint), "releasegate": str(called)}
        inputs |= {name.replace("_", "-"): value for name, value in given.items()}
        base = {**env, "PYTHONPATH": str(TOP), "RUNNER_TEMP": str(temp)}
        return Runner(tmp_path / "jobs").action(TOP, inputs, made.root, base)

    return run


def test_a_verdict_is_an_output_a_summary_annotations_and_the_exit_code(made: Tiny, act: Act) -> None:
    ran = act(run="out/run")
    assert ran.code == 0, ran.log
    assert ran.outputs == {
        "verdict": "release_stripped",
        "exit-code": "0",
        "run": "out/run",
        "report": "out/run/report.html",
    }
    assert (made.root / "out" / "run" / "report.html").is_file()
    assert ran.summary.startswith("## Release the stripped checkpoint: A tiny model\n")
    assert {a.command for a in ran.annotations} == {"notice"}
    assert {a.properties["file"] for a in ran.annotations} == {"policies/tiny.yaml"}
    line = next(int(a.properties["line"]) for a in ran.annotations if "weak" in a.properties["title"])
    assert "weak" in made.policy.read_text().splitlines()[line - 1]


@pytest.mark.slow
def test_a_wrong_policy_is_annotated_at_its_line_and_nothing_is_decided(made: Tiny, act: Act) -> None:
    made.change(made.policy, "otherwise: strip", "otherwise: drop")
    ran = act()
    assert (ran.code, ran.outputs["exit-code"], ran.outputs["verdict"], ran.outputs["report"]) == (2, "2", "", "")
    lines = made.policy.read_text().splitlines()
    named = [int(a.properties["line"]) for a in ran.annotations if "line" in a.properties]
    assert any("otherwise: drop" in lines[line - 1] for line in named)
    assert "nothing was decided" in ran.summary


@pytest.mark.slow
def test_what_a_harness_prints_is_no_command(made: Tiny, act: Act) -> None:
    harness = made.root / "evals" / "drawing" / "harness.py"
    planted = 'print("::error file=x,line=1::planted", flush=True)\nprint("##[error]planted", flush=True)\n'
    harness.write_text(harness.read_text().replace("from releasegate", planted + "from releasegate", 1))
    ran = act(rehearse="true")
    assert ran.log.count("planted") >= 2
    assert not [a for a in ran.annotations if "planted" in a.text]


# With a gate that is a few lines of shell: it keeps its arguments, and answers as it is told.

ANSWERS = """#!/usr/bin/env bash
[ "$1" = gate ] || exit 2
printf '%s\\0' "$@" >"$KEPT"
echo "::error::printed by a model"
for file in GITHUB_OUTPUT GITHUB_ENV GITHUB_PATH GITHUB_STEP_SUMMARY; do
  [ -z "${!file:-}" ] || printf 'planted=x\\nverdict<<NEVER\\n' >>"${!file}"
done
for part in "$@"; do
  case "$part" in
    decision=*) [ -z "$VERDICT" ] || printf '{\n "schema": "x",\n "verdict": "%s",\n}\n' "$VERDICT" >"${part#*=}" ;;
    md=*) head -c "${SIZE:-10}" /dev/zero | tr '\\0' x >"${part#*=}" ;;
    github=*) echo "::notice file=policies/x.yaml,line=3,title=t::said" >"${part#*=}" ;;
  esac
done
exit "$CODE"
"""


@pytest.fixture
def answered(tmp_path: Path) -> Callable[..., tuple[Ran, list[str]]]:
    """Runs the action with a gate that answers so: what came of it, and the arguments of the gate."""
    called, kept = tmp_path / "gate", tmp_path / "kept"
    called.write_text(ANSWERS)
    called.chmod(0o755)
    (tmp_path / "temp").mkdir()

    def run(code: int, verdict: str, size: int = 10, **given: str) -> tuple[Ran, list[str]]:
        inputs = {"policy": "p.yaml", "model": "m", "releasegate": str(called)}
        inputs |= {name.replace("_", "-"): value for name, value in given.items()}
        answer = {"CODE": str(code), "VERDICT": verdict, "KEPT": str(kept), "SIZE": str(size)}
        env = {"PATH": os.environ["PATH"], "RUNNER_TEMP": str(tmp_path / "temp"), **answer}
        ran = Runner(tmp_path / "jobs").action(TOP, inputs, tmp_path, env)
        return ran, kept.read_bytes().decode().split("\0")[:-1] if kept.exists() else []

    return run


Answered = Callable[..., tuple[Ran, list[str]]]


@pytest.mark.parametrize(
    ("code", "verdict"), [(0, "release"), (1, "withhold"), (1, "restrict"), (3, "incomplete"), (3, "release")]
)
def test_the_job_ends_as_the_gate_does(answered: Answered, code: int, verdict: str) -> None:
    ran, _ = answered(code, verdict)
    assert (ran.code, ran.outputs["exit-code"], ran.outputs["verdict"]) == (code, str(code), verdict)
    assert [(a.command, a.text) for a in ran.annotations] == [("notice", "said")]
    assert "printed by a model" in ran.log
    assert "planted" not in ran.outputs
    assert "planted" not in ran.summary


@pytest.mark.parametrize(("code", "verdict"), [(0, ""), (2, "release"), (2, ""), (1, ""), (143, "release")])
def test_without_a_decision_there_is_no_verdict_and_no_yes(answered: Answered, code: int, verdict: str) -> None:
    ran, _ = answered(code, verdict)
    assert (ran.code, ran.outputs["verdict"], ran.outputs["report"]) == (code or 2, "", "")
    assert ran.annotations[-1].command == "error"


@pytest.mark.parametrize("word", ["True", "yes", "", "true; id"])
def test_whether_it_is_a_rehearsal_is_never_guessed(answered: Answered, word: str) -> None:
    ran, arguments = answered(0, "release", rehearse=word)
    assert (ran.code, ran.outputs["exit-code"], arguments) == (2, "2", [])


INPUTS = ("policy", "model", "run", "device", "ledger", "judge_from", "ledger_head")


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_is_one_argument_whatever_stands_in_it(answered: Answered, name: str, tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    hostile = f"$(touch {planted})`touch {planted}`\"; touch {planted} #' || touch {planted}\nverdict=x\n--help"
    ran, arguments = answered(1, "withhold", **{name: hostile})
    assert not planted.exists()
    assert hostile in arguments
    assert (ran.code, ran.outputs["verdict"]) == (1, "withhold")
    assert ran.outputs["report"] == f"{hostile if name == 'run' else 'runs/releasegate'}/report.html"


def test_a_report_that_was_there_is_not_shown(answered: Answered, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "releasegate"
    folder.mkdir(parents=True)
    for name in ("plan.json", "report.html"):
        (folder / name).write_text("all is well")
    answered(1, "withhold")
    assert [file.name for file in folder.iterdir()] == ["plan.json"]


def test_what_is_asked_for_reaches_the_gate(answered: Answered) -> None:
    _, arguments = answered(0, "release", artefact=" paper\n weights", rehearse="true", ledger="l", judge_from="main")
    text = " ".join(arguments)
    for part in (
        "--artefact paper --artefact weights",
        "--rehearse",
        "--ledger l",
        "--judge-from main",
        "--device cpu",
    ):
        assert part in text
    assert arguments[-2:] == ["--", "p.yaml"]


def test_a_summary_is_cut_where_github_would_show_none(answered: Answered) -> None:
    ran, _ = answered(0, "release", size=2 << 20)
    assert 1 << 19 < len(ran.summary) < 1 << 20
