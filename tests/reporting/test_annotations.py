"""Findings for CI systems: JUnit, SARIF, GitLab's code quality, GitHub's annotations, of good, bad and hostile runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
from lxml import etree

from releasegate.decision.record import Waived
from releasegate.reporting import templates_of
from releasegate.reporting.annotations.github import escaped, escaped_property
from releasegate.reporting.formats import KINDS, Rendered
from releasegate.repository import GateRepository, starter
from tests.reporting.example_run import Example, Words, example
from tests.reporting.hostile import HOSTILE

PUBLISHED = Path(__file__).parent / "published"
SEVERITIES = {"info", "minor", "major", "critical", "blocker"}


def rendered(made: Example, policy_file: Path | None = None) -> Rendered:
    templates = templates_of(GateRepository(starter()))
    return Rendered(made.run, made.decision, made.plan, made.receipt, templates, None, policy_file)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return example(tmp_path_factory.mktemp("annotated") / "run", more=1)


def changed(made: Example, **keys: Any) -> Example:
    """The run with another first finding."""
    first = made.decision.capabilities[0]
    finding = first.findings[0].model_copy(update=keys)
    more = {"verdict": "withhold", "findings": (finding, *first.findings[1:])}
    update = {"capabilities": (first.model_copy(update=more), *made.decision.capabilities[1:]), "verdict": "withhold"}
    return Example(made.run, made.plan, made.decision.model_copy(update=update), made.receipt)


def waived(made: Example) -> Example:
    reason = "Nobody, will: see 100 %\nof it"
    by = Waived(
        status="violated",
        waiver="w",
        sha256="sha256:" + "0" * 64,
        owner="Ada",
        reason=reason,
        expires="2031-01-01",
        key="ada",
    )
    return changed(made, status="waived", waived=by)


def bare(made: Example) -> Example:
    """No finding at all, and evidence is wanting."""
    update = {"capabilities": (), "strip": None, "verdict": "incomplete"}
    return Example(made.run, made.plan, made.decision.model_copy(update=update), None)


def junit(made: Example) -> JUnitXml:
    return JUnitXml.fromstring(KINDS["junit"](rendered(made)))


def sarif(made: Example, policy_file: Path | None = None) -> dict[str, Any]:
    log: dict[str, Any] = json.loads(KINDS["sarif"](rendered(made, policy_file)))
    return log


def cases(made: Example) -> Iterator[tuple[TestSuite, TestCase]]:
    return ((suite, case) for suite in junit(made) for case in suite)


def test_a_case_is_a_finding_and_a_suite_a_capability(made: Example) -> None:
    found = [(s.name, c.name, [type(r) for r in c.result]) for s, c in cases(made)]
    assert found[0] == ("(verdict)", "Weights", [Failure])
    wanted = {"drawing": 1, "captions": 0, "more-0": 1}
    assert {suite: sum(s == suite for s, _, _ in found) for suite in wanted} == wanted
    assert [suite.name for suite in junit(made)] == ["(verdict)", *(c.id for c in made.decision.capabilities)]
    assert len(found) - 1 == len(made.decision.findings)


@pytest.mark.parametrize(("status", "kind"), [("not_shown", Error), ("violated", Failure), ("met", None)])
def test_each_status_has_its_outcome(made: Example, status: str, kind: type | None) -> None:
    reason = "unsettled" if status == "not_shown" else None
    [case] = [c for _, c in cases(changed(made, status=status, reason=reason)) if c.name == "weak (as trained)"]
    assert [type(r) for r in case.result] == ([kind] if kind else [])


def test_a_waived_finding_is_skipped_with_its_reason(made: Example) -> None:
    [case] = [c for _, c in cases(waived(made)) if c.name == "weak (as trained)"]
    [result] = case.result
    assert isinstance(result, Skipped)
    assert result.message == "Nobody, will: see 100 %\nof it"
    [result] = [r for r in sarif(waived(made))["runs"][0]["results"] if "suppressions" in r]
    assert (result["ruleId"], result["level"]) == ("weak", "note")
    assert result["suppressions"][0]["justification"] == "Nobody, will: see 100 %\nof it"
    assert "Nobody, will: see 100 %25%0Aof it" in KINDS["github"](rendered(waived(made))).decode()


def test_a_strip_that_is_awaited_and_a_run_without_findings_are_errors(tmp_path: Path, made: Example) -> None:
    awaiting = example(tmp_path / "run", strip=False)
    assert awaiting.decision.awaiting_strip == ("drawing",)
    assert {c.name: [type(r) for r in c.result] for s, c in cases(awaiting) if s.name == "(verdict)"} == {
        "Weights": [Error],
        "strip of drawing": [Error],
    }
    assert "title=drawing%3A strip awaited::" in KINDS["github"](rendered(awaiting)).decode()
    assert [r["ruleId"] for r in sarif(bare(made))["runs"][0]["results"]] == ["releasegate/verdict"]
    assert json.loads(KINDS["gitlab"](rendered(bare(made))))[0]["severity"] == "critical"


def test_no_suite_of_verdicts_is_green_for_what_may_not_go_out(made: Example) -> None:
    """Whatever the artefacts come to that the policy lists."""
    for verdict, kind in (("withhold", Failure), ("restrict", Failure), ("incomplete", Error)):
        decision = made.decision.model_copy(update={"verdict": verdict, "artefacts": (), "awaiting_strip": ()})
        held = Example(made.run, made.plan, decision, made.receipt)
        found = {c.name: [type(r) for r in c.result] for s, c in cases(held) if s.name == "(verdict)"}
        assert found == {"release": [kind]}


@pytest.fixture(scope="module")
def everyone(made: Example, tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    """Runs of every kind: good, bad, waived, without findings, rehearsed, replayed, and with hostile words."""
    text = (
        " ".join(one for name, one in HOSTILE.items() if not name.startswith("long")) + "\r\n::error::x ##[error]y ]]>"
    )
    words = Words(title=text, rationale=text, detail=text, error=text, label=text[:199], source=text)
    hostile = example(tmp_path_factory.mktemp("hostile") / "run", words, more=1)
    marked = made.decision.model_copy(update={"rehearsal": True, "replay": True})
    named = changed(hostile, sentence=text, settle=text, status="not_shown", reason="unsettled")
    return [made, waived(made), bare(made), Example(made.run, made.plan, marked, made.receipt), hostile, named]


def test_every_junit_is_valid_by_jenkins_schema_and_reads_back(everyone: list[Example]) -> None:
    schema = etree.XMLSchema(etree.parse(str(PUBLISHED / "junit-10.xsd")))
    for one in everyone:
        raw = KINDS["junit"](rendered(one))
        schema.assertValid(etree.fromstring(raw))
        read = JUnitXml.fromstring(raw)
        totals = (read.tests, read.failures, read.errors)
        read.update_statistics()
        assert (read.tests, read.failures, read.errors) == totals
        assert read.tests >= 1


def test_every_sarif_is_valid_by_its_published_schema(everyone: list[Example]) -> None:
    schema = Draft4Validator(json.loads((PUBLISHED / "sarif-2.1.0-rtm.5.json").read_text()))
    for one in everyone:
        assert [error.message for error in schema.iter_errors(sarif(one))] == []
    broken = sarif(everyone[0])
    broken["runs"][0]["results"][0]["level"] = "bad"
    assert not schema.is_valid(broken)


def test_every_sarif_names_the_rules_that_it_lists(everyone: list[Example]) -> None:
    for one in everyone:
        [run] = sarif(one)["runs"]
        listed = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        assert listed[:-2] == list(dict.fromkeys(r.id for r in one.plan.policy.requirements))
        assert all(listed[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
        prints = [result["partialFingerprints"]["releasegate/v1"] for result in run["results"]]
        assert len(set(prints)) == len(prints)


def test_a_rule_says_what_its_requirement_is_for(everyone: list[Example]) -> None:
    rules = [rule for one in everyone for rule in sarif(one)["runs"][0]["tool"]["driver"]["rules"]]
    said = {rule["properties"].get("section"): rule["help"]["text"] for rule in rules}
    assert "Asked for so that what is to stay survives the strip: " in said["keep"]
    assert "Asked for so that the capability is too weak to harm: " in said["misuse"]


def test_every_code_quality_report_has_what_gitlab_asks_for(everyone: list[Example]) -> None:
    for one in everyone:
        entries = json.loads(KINDS["gitlab"](rendered(one)))
        for entry in entries:
            assert set(entry) == {"description", "check_name", "fingerprint", "severity", "location"}
            assert entry["severity"] in SEVERITIES
            assert entry["location"] == {"path": "policies/toy.yaml", "lines": {"begin": 1}}
        assert len({entry["fingerprint"] for entry in entries}) == len(entries)


def test_every_line_for_github_is_one_command_whatever_stands_in_it(everyone: list[Example]) -> None:
    for one in everyone:
        lines = KINDS["github"](rendered(one)).decode().split("\n")
        assert lines.pop() == ""
        assert all(
            re.fullmatch(r"::(error|warning|notice) file=[^:,]+,line=1,title=[^:,]+::[^\r\n]+", x) for x in lines
        )


def test_what_github_reads_back_is_what_was_said() -> None:
    for text in (*HOSTILE.values(), "a%0Ab", "x::y", "100%, of: it"):
        said = escaped_property(text)
        assert not set(said) & set(":,\r\n")
        assert escaped(text).replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%") == text


def test_nothing_hides_or_turns_a_line(everyone: list[Example]) -> None:
    for kind in ("junit", "sarif", "gitlab", "github"):
        text = KINDS[kind](rendered(everyone[-1])).decode()
        assert not set(text) & set("\u202e\u2066\u200b\x00\x1b\x85\u2028")


def test_a_verdict_that_lets_the_model_out_stops_no_system_that_stops_at_errors(tmp_path: Path) -> None:
    out = example(tmp_path / "run")
    assert out.decision.verdict == "release_stripped"
    assert [c.name for s, c in cases(out) if s.name == "drawing"] == [
        "weak (as trained)",
        "gone (after the strip)",
        "kept (after the strip)",
    ]
    assert {r["level"] for r in sarif(out)["runs"][0]["results"]} == {"note"}
    assert {e["severity"] for e in json.loads(KINDS["gitlab"](rendered(out)))} == {"info"}
    assert set(re.findall(r"^::(\w+)", KINDS["github"](rendered(out)).decode(), re.MULTILINE)) == {"notice"}


def policy_file(made: Example, folder: Path) -> Path:
    """The policy of the run as a file of a gate repository, further down than it was written first."""
    (folder / "gates" / "policies").mkdir(parents=True)
    (folder / "gates" / "evals").mkdir()
    (folder / ".git").mkdir()
    file = folder / "gates" / "policies" / "toy.yaml"
    file.write_text("# A comment.\n\n" + json.dumps(made.plan.policy.plain(), indent=1))
    return file


def test_lines_are_those_of_the_policy_while_its_rules_are_the_same(made: Example, tmp_path: Path) -> None:
    file = policy_file(made, tmp_path)
    [result] = [r for r in sarif(made, file)["runs"][0]["results"] if r["ruleId"] == "weak"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "gates/policies/toy.yaml"
    line = file.read_text().splitlines()[place["region"]["startLine"] - 1 :]
    assert '"id": "weak"' in "".join(line[:2])
    file.write_text(file.read_text().replace("0.2", "0.3"))
    [result] = [r for r in sarif(made, file)["runs"][0]["results"] if r["ruleId"] == "weak"]
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 1}
    assert "the line is not known" in result["message"]["text"]


@pytest.mark.parametrize("text", ["", "{", "a: [", "\0", "schema: releasegate/policy/v1\n", "- 1"])
def test_a_policy_that_is_none_costs_the_lines_and_nothing_else(made: Example, tmp_path: Path, text: str) -> None:
    file = policy_file(made, tmp_path)
    file.write_text(text)
    assert sarif(made, file)["runs"][0]["properties"]["linesKnown"] is False


def test_fingerprints_outlast_new_numbers_and_moved_lines(made: Example, tmp_path: Path) -> None:
    other = changed(made, sentence="another one", settle=None)
    before, after = (
        {(r["ruleId"], r["partialFingerprints"]["releasegate/v1"]) for r in sarif(one, file)["runs"][0]["results"]}
        for one, file in ((changed(made), None), (other, policy_file(made, tmp_path)))
    )
    assert before == after


def test_no_form_tells_why_samples_failed_where_none_may_be_shown(tmp_path: Path) -> None:
    secret = example(tmp_path / "run", Words(error="quetzal-7781", detail="quetzal-7781"), samples="unshown")
    for kind in ("junit", "sarif", "gitlab", "github", "md", "json"):
        assert b"quetzal" not in KINDS[kind](rendered(secret)), kind
