"""Tags: checked against the lists that ship, shown in the report, and without a say in any verdict."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from releasegate.__main__ import run
from releasegate.decision import decide
from releasegate.errors import DocumentError
from releasegate.plan import Plan
from releasegate.policy import parse_policy
from releasegate.policycheck import problems
from releasegate.reporting import gather, make_view, render_report, templates_of
from releasegate.repository import GateRepository, starter
from releasegate.taxonomies import read_taxonomies
from tests.reporting.example_run import DAY, Example, example
from tests.test_policycheck import changed, repository

KNOWN = {"ailuminate": 12, "atlas": 169, "eu-ai-act": 126, "nist-ai-rmf": 72, "nist-genai": 12, "owasp-llm": 10}


def found(tags: str) -> list[str]:
    """`where: what | fix` of every problem of a policy whose first capability has these tags."""
    located = parse_policy(changed(("    rationale:", f"    tags: {tags}\n    rationale:")), "p.yaml")
    beside = replace(repository(), taxonomies=read_taxonomies())
    return [f"{p.where}: {p.what} | {p.fix}" for p in problems(located, beside)]


def test_each_framework_has_all_the_entries_of_its_edition_each_once() -> None:
    read = read_taxonomies()
    assert {name: len(t.entries) for name, t in read.items()} == KNOWN
    assert {name for name, t in read.items() if len(t.by_id) < len(t.entries)} == set()
    articles = [e.id for e in read["eu-ai-act"].entries if e.id.startswith("article-")]
    assert articles == [f"article-{n}" for n in range(1, 114)]


def test_what_a_framework_knows_is_no_problem() -> None:
    assert found("[ailuminate/vcr, atlas/AML.T0051.001, eu-ai-act/annex-XI, nist-ai-rmf/measure-2.10]") == []


@pytest.mark.parametrize(
    ("tags", "problem"),
    [
        ("[owasp/LLM01]", "no framework 'owasp' | did you mean `owasp-llm`?"),
        (
            "[ailuminate/vcrs]",
            "ailuminate (1.0) has no entry 'vcrs' | did you mean `ailuminate/vcr`?",
        ),
        (
            "[atlas/aml.t0051]",
            "atlas (5.4.0) has no entry 'aml.t0051' | did you mean `atlas/AML.T0051`?",
        ),
        ("[owasp-llm/zzzz]", "owasp-llm (2025) has no entry 'zzzz' | see `releasegate list tags`"),
    ],
)
def test_an_unknown_tag_is_an_error_with_the_nearest_match(tags: str, problem: str) -> None:
    (told,) = found(tags)
    assert told.endswith(f"capabilities.0.tags.0: {problem}")
    assert told.startswith("p.yaml:")


def test_a_tag_stands_once() -> None:
    (told,) = found("[ailuminate/vcr, ailuminate/hte, ailuminate/vcr]")
    assert told.endswith("capabilities.0.tags.2: ailuminate/vcr stands twice | list each tag once")


@pytest.mark.parametrize(
    "tags", ["[]", "[ailuminate]", "['ailuminate/../vcr']", "['ailuminate/<b>']", "ailuminate/vcr"]
)
def test_what_is_no_tag_is_refused(tags: str) -> None:
    with pytest.raises(DocumentError, match="tags"):
        found(tags)


def tagged(plan: Plan, *tags: str) -> Plan:
    first, *others = plan.policy.capabilities
    capabilities = (first.model_copy(update={"tags": tags}), *others)
    return plan.model_copy(update={"policy": plan.policy.model_copy(update={"capabilities": capabilities})})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return example(tmp_path_factory.mktemp("run") / "run")


def test_no_verdict_depends_on_a_tag(made: Example) -> None:
    plan = tagged(made.plan, "ailuminate/vcr", "eu-ai-act/article-5")
    decision = decide(plan.policy, plan, made.run.evidence.read(made.plan), made.receipt, DAY)
    same = ("policy_digest", "plan")
    assert plan.policy.digest() != made.plan.policy.digest()
    assert decision.model_dump(exclude=set(same)) == made.decision.model_dump(exclude=set(same))


def page(made: Example, plan: Plan) -> str:
    view = make_view(made.decision, plan, made.receipt, gather(made.run, made.plan, made.decision), made.run.outputs)
    return render_report(view, templates_of(GateRepository(starter())))


def test_the_report_groups_by_framework_and_links_to_its_publisher(made: Example) -> None:
    text = page(made, tagged(made.plan, "owasp-llm/LLM02", "eu-ai-act/article-53"))
    section = text[text.index('<section id="frameworks"') : text.index('<section id="evidence"')]
    assert 'rel="noreferrer" href="https://eur-lex.europa.eu/eli/reg/2024/1689/oj#art_53"' in section
    assert section.index("Artificial Intelligence Act") < section.index("OWASP Top 10")
    assert section.count('href="#capability-drawing"') == 2
    assert 'href="#capability-captions"' not in section


def test_a_tag_that_this_release_does_not_list_is_shown_without_a_link(made: Example) -> None:
    text = page(made, tagged(made.plan, "owasp-llm/LLM99", "gone/x"))
    section = text[text.index('<section id="frameworks"') : text.index('<section id="evidence"')]
    assert section.count("not in the list that comes with this release") >= 2
    assert 'href="https://genai.owasp.org/llmrisk' not in section


def test_without_tags_nothing_leads_out_of_the_page(made: Example) -> None:
    text = page(made, made.plan)
    assert "noreferrer" not in text
    assert 'id="frameworks"' not in text


def test_shipped_tags_are_known() -> None:
    repository_ = GateRepository.around(Path(__file__).parent)
    policies = [repository_.read_policy(path).record for path in repository_.policies()]
    assert any(c.tags for p in policies for c in p.capabilities)


def test_every_tag_is_listed_and_only_if_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    top = str(Path(__file__).parents[1])
    assert run(["list", "tags", "--repo", top]) == 0
    listed = capsys.readouterr().out
    assert "  eu-ai-act/article-53" in listed
    assert listed.count("\n") == 1 + sum(KNOWN.values())
    assert run(["list", "--repo", top, "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert "tags" not in shown
    assert {row["id"]: row["entries"] for row in shown["taxonomies"]} == KNOWN
