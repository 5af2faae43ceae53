"""`releasegate test`: which tests run, what is printed, and the exit codes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from releasegate.__main__ import run

TOP = Path(__file__).parents[2]
TEST = """\
schema: releasegate/policytest/v1
policy: mini-chameleon
cases:
  - title: Cannot draw
    evidence:
      calibration:
        image_generation:
          - n: 360
            hits: {judge_sensitivity: 358, judge_specificity: 359, sight_sensitivity: 358, sight_specificity: 359}
      source:
        image_generation:
          - {n: 400, hits: {legible_rate: 0}}
          - {each: {temperature: ["0", "0.2", "0.8"]}, n: 400, hits: {any_digit_rate: 0}}
    expect: {verdict: release}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A gate repository with the shipped policy and one test of its own."""
    ignore = shutil.ignore_patterns("__pycache__", "*.safetensors")
    for part in ("policies", "evals"):
        shutil.copytree(TOP / part, tmp_path / part, ignore=ignore)
    shutil.rmtree(tmp_path / "policies" / "tests")
    (tmp_path / "policies" / "tests").mkdir()
    return tmp_path


def write(repository: Path, text: str = TEST, name: str = "own") -> Path:
    file = repository / "policies" / "tests" / f"{name}.yaml"
    file.write_text(text)
    return file


def test_all_tests_of_the_repository_run_by_default(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(repository)
    write(repository, TEST.replace("Cannot draw", "Again"), "two")
    assert run(["test", "--repo", str(repository)]) == 0
    assert capsys.readouterr().out == (
        "ok    policies/tests/own.yaml:4:5: Cannot draw\n"
        "ok    policies/tests/two.yaml:4:5: Again\n"
        "2 cases, none failed\n"
    )


def test_a_failing_case_exits_with_1_and_says_why(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(repository, TEST.replace("legible_rate: 0", "legible_rate: 300"))
    assert run(["test", str(file)]) == 1
    first, detail, last = capsys.readouterr().out.splitlines()
    assert first == "FAIL  policies/tests/own.yaml:4:5: Cannot draw"
    assert detail.startswith("      verdict: expected release, got incomplete: no stripped checkpoint was measured; ")
    assert last == "1 case, 1 failed"
    assert run(["test", str(file), "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["passed"], found["failed"]) == (0, 1)
    assert found["cases"][0]["verdict"] == "incomplete"
    assert len(found["cases"][0]["differences"]) == 1


def test_a_policy_that_was_loosened_fails_its_tests(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(repository, TEST.replace("legible_rate: 0", "legible_rate: 80").replace("release}", "incomplete}"))
    policy = repository / "policies" / "mini-chameleon.yaml"
    assert run(["test", "--repo", str(repository)]) == 0
    policy.write_text(policy.read_text().replace("at_most: 0.20", "at_most: 0.50"))
    assert run(["test", "--repo", str(repository)]) == 1
    assert "expected incomplete, got release" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            "verdict: release",
            "verdict: yes",
            "policies/tests/own.yaml:14:23: cases.0.expect.verdict: must be one of release, release_stripped, restrict, "
            'withhold, incomplete; got "yes"\n  fix: use one of them\n',
        ),
        (
            "policy: mini-chameleon",
            "policy: mini-camel",
            "policies/tests/own.yaml:2:9: policy: no policy 'mini-camel'\n  fix: did you mean `mini-chameleon`?\n",
        ),
        (
            "legible_rate: 0",
            "legible: 0",
            "policies/tests/own.yaml:12:29: cases.0.evidence.source.image_generation.0.hits.legible: eval "
            "image_generation has no metric 'legible'\n  fix: did you mean `legible_rate`?\n",
        ),
    ],
)
def test_a_test_with_a_mistake_exits_with_2_at_its_place(
    repository: Path, capsys: pytest.CaptureFixture[str], before: str, after: str, message: str
) -> None:
    write(repository, TEST.replace(before, after))
    write(repository, name="sound")
    assert run(["test", "--repo", str(repository)]) == 2
    found = capsys.readouterr()
    assert message in found.err
    assert found.out == ""


def test_no_tests_at_all_is_no_success(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["test", "--repo", str(repository)]) == 2
    assert "policies/tests: has no policy tests" in capsys.readouterr().err
    assert run(["test", str(repository / "policies" / "tests")]) == 2
    assert "is no file" in capsys.readouterr().err


def test_torch_is_not_imported() -> None:
    code = (
        "import sys; import releasegate.cli.test_command, releasegate.cli.diff_command, releasegate.cli.explain_command"
    )
    subprocess.run([sys.executable, "-c", f"{code}; sys.exit('torch' in sys.modules)"], check=True, cwd=TOP)
