"""The sample for GitLab, copied by a lab and run step by step: merge requests rehearse, protected tags gate."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from releasegate.__main__ import run
from tests.git_repository import clone
from tests.gitlab_jobs import Pipeline
from tests.lab import TOP, Lab, tiny_lab

TEMPLATE = "/.ci/gitlab/releasegate.yml"
TOKEN = "glpat-" + "t" * 20


def lab_on_gitlab(folder: Path) -> Lab:
    names = [
        ("policies/mini-chameleon.yaml", "policies/tiny.yaml"),
        ("FAMILY: mini-chameleon", "FAMILY: tiny"),
        ("https://gitlab.example.com/my-lab/ledger.git", str(folder / "ledger")),
    ]
    return tiny_lab(folder, "ci-gitlab", {".gitlab-ci.yml": names})


def pipeline(lab: Lab, jobs: Path, **variables: str) -> Pipeline:
    """GitLab, with the settings that README.md asks for; releasegate is installed there."""
    told = {"CI_DEFAULT_BRANCH": "main", "CI_PROJECT_PATH": "my-lab/gates", "RELEASEGATE_INSTALL": "", **variables}
    scoped = {
        "ledger": {"LEDGER_TOKEN": TOKEN},
        "release": {"LEDGER_TOKEN": TOKEN, "RELEASEGATE_KEY": str(lab.folder / "releasegate-keys" / "release.key")},
    }
    included = {TEMPLATE: TOP / TEMPLATE.lstrip("/")}
    return Pipeline(jobs, lab.gates.root, told, lab.env, included, scoped=scoped)


def tagged(lab: Lab, jobs: Path, tag: str) -> Pipeline:
    return pipeline(lab, jobs, CI_COMMIT_TAG=tag, CI_COMMIT_REF_PROTECTED="true")


def skipped(runs: Pipeline) -> list[str]:
    return [name for name, job in runs.jobs.items() if job.skipped]


@pytest.mark.slow
def test_a_protected_tag_waits_for_an_approval_and_goes_on_to_a_folder_that_anybody_verifies(tmp_path: Path) -> None:
    lab = lab_on_gitlab(tmp_path)
    lab.tag("model-1")
    runs = tagged(lab, tmp_path / "jobs", "model-1")
    runs.run()
    assert {name: job.code for name, job in runs.jobs.items() if not job.skipped} == {
        "open": 0,
        "measure": 0,
        "decide": 0,
        "publish": 3,
    }, {name: job.log for name, job in runs.jobs.items()}
    assert "awaiting approval: research_lead" in runs.jobs["publish"].log
    assert TOKEN not in "".join(job.log for job in runs.jobs.values())
    assert json.loads(lab.entries()[-1])["verdict"] == "release_stripped"
    assert runs.reports["decide"]["junit"].exists()
    decided = runs.folder / "decide" / "artifacts" / "decided"
    lab.approve(decided, "model-1")
    assert runs.again("publish").code == 0, runs.jobs["publish"].log
    released = runs.folder / "publish" / "artifacts" / "released"
    assert run(["verify", str(released), "--policy", str(lab.policy), "-q"]) == 0

    before = lab.entries()
    second = tagged(lab, tmp_path / "second", "model-1")
    second.run()
    assert second.jobs["open"].code == 2
    assert "opened before" in second.jobs["open"].log
    assert skipped(second) == ["rehearse", "measure", "decide", "publish"]
    assert lab.entries() == before


@pytest.mark.slow
def test_a_model_that_may_not_go_out_stops_at_decide(tmp_path: Path) -> None:
    lab = lab_on_gitlab(tmp_path)
    lab.made.change(lab.made.policy, "otherwise: strip", "otherwise: withhold")
    assert run(["lock", "--repo", str(lab.gates.root)]) == 0
    lab.gates.commit("stricter")
    runs = tagged(lab, tmp_path / "jobs", "model-1")
    runs.run()
    assert runs.jobs["decide"].code == 1, runs.jobs["decide"].log
    assert skipped(runs) == ["rehearse", "publish"]
    assert json.loads(lab.entries()[-1])["verdict"] == "withhold"


def test_a_tag_that_anybody_may_set_opens_nothing(tmp_path: Path) -> None:
    project = tmp_path / "my-gates"
    shutil.copytree(TOP / "examples" / "ci-gitlab", project)
    lab = Lab(tmp_path)
    runs = pipeline(lab, tmp_path / "jobs", CI_COMMIT_TAG="model-1", CI_COMMIT_REF_PROTECTED="false")
    runs.run()
    assert skipped(runs) == ["rehearse", "open", "measure", "decide", "publish"]


def test_evidence_that_was_committed_is_refused_before_anything_runs(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    shutil.copytree(TOP / "examples" / "ci-gitlab", lab.gates.root)
    (lab.gates.root / "measured").mkdir()
    (lab.gates.root / "measured" / "plan.json").write_text("{}")
    clone(lab.gates.root).commit("a run of mine")
    runs = tagged(lab, tmp_path / "jobs", "model-1")
    runs.run()
    assert runs.jobs["open"].code == 2
    assert "take what is committed there away" in runs.jobs["open"].log
    assert skipped(runs) == ["rehearse", "measure", "decide", "publish"]


@pytest.mark.slow
def test_a_merge_request_that_edits_its_judge_is_judged_by_where_it_starts(tmp_path: Path) -> None:
    lab = lab_on_gitlab(tmp_path)
    base = lab.gates.git("rev-parse", "HEAD")
    before = lab.entries()
    codes = {}
    for name, after in (("plain", "at_most: 0.20"), ("edited", "at_most: 0.99")):
        lab.gates.git("checkout", "--quiet", "-b", name, base)
        lab.made.change(lab.made.policy, "at_most: 0.20", after)
        lab.made.change(
            lab.made.policy, "otherwise: strip", "otherwise: withhold" if name == "edited" else "otherwise: strip"
        )
        lab.gates.commit(name)
        runs = pipeline(lab, tmp_path / name, CI_MERGE_REQUEST_IID="1", CI_MERGE_REQUEST_DIFF_BASE_SHA=base)
        runs.run()
        assert skipped(runs) == ["open", "measure", "decide", "publish"]
        codes[name] = runs.jobs["rehearse"].code
    assert codes == {"plain": 0, "edited": 0}, runs.jobs["rehearse"].log
    assert runs.reports["rehearse"]["codequality"].exists()
    assert lab.entries() == before
