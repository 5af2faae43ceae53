"""The sample for GitHub, copied by a lab and run step by step: pull requests rehearse, tags gate."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from releasegate.__main__ import run
from tests.lab import TOP, Lab, commands_of, starter_lab, tiny_lab
from tests.workflows import Ran, Runner, read

WORKFLOWS = Path(".github") / "workflows"
SECRET = "ghs_" + "t" * 36


def lab_on_github(folder: Path) -> Lab:
    policy = ("policies/mini-chameleon.yaml", "policies/tiny.yaml")
    ledger = ("https://github.com/my-lab/ledger.git", str(folder / "ledger"))
    release = [policy, ("FAMILY: mini-chameleon", "FAMILY: tiny"), ledger]
    return tiny_lab(
        folder, "ci-github", {".github/workflows/rehearse.yml": [policy], ".github/workflows/release.yml": release}
    )


def runner(lab: Lab, jobs: Path, event: dict[str, Any]) -> Runner:
    """GitHub, with the settings that README.md asks for."""
    environments = {
        "ledger": {"LEDGER_TOKEN": SECRET},
        "release": {"LEDGER_TOKEN": SECRET, "RELEASEGATE_KEY": lab.secret("release")},
    }
    told = {"repository": "my-lab/gates", **event}
    first = json.loads(lab.entries()[0])
    variables = {"LEDGER_HEAD": f"1:{first['hash']}"}
    actions = {"releasegate/releasegate": TOP}
    return Runner(jobs, lab.gates.root, told, lab.env, environments=environments, actions=actions, variables=variables)


def tagged(lab: Lab, jobs: Path, tag: str) -> Runner:
    event = {"event_name": "push", "ref_name": tag, "sha": lab.gates.git("rev-parse", tag)}
    return runner(lab, jobs, event)


def again(runs: Runner, file: Path, name: str) -> Ran:
    """One job, run again."""
    shutil.rmtree(runs.folder / name)
    data = read(file)
    runs.jobs[name] = runs.job(name, data["jobs"][name], data)
    return runs.jobs[name]


def release_file(lab: Lab) -> Path:
    return lab.gates.root / WORKFLOWS / "release.yml"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return lab_on_github(tmp_path_factory.mktemp("github"))


@pytest.fixture(scope="module")
def waiting(lab: Lab) -> Runner:
    """The pipeline of a tag whose model may go out, before anybody approved it."""
    lab.tag("model-1")
    runs = tagged(lab, lab.folder / "model-1", "model-1")
    runs.workflow(release_file(lab))
    return runs


@pytest.fixture(scope="module")
def published(lab: Lab, waiting: Runner) -> Runner:
    """The same after the research lead approved, and the last job was run again."""
    first = replace(waiting, jobs=dict(waiting.jobs))
    lab.approve(waiting.artifacts["decided"], "model-1")
    again(first, release_file(lab), "publish")
    return first


def test_a_tag_goes_through_four_jobs_and_waits_for_an_approval(lab: Lab, waiting: Runner) -> None:
    logs = {name: job.log for name, job in waiting.jobs.items()}
    ended = {name: (job.code, job.skipped) for name, job in waiting.jobs.items()}
    assert ended == {
        "open": (0, False),
        "measure": (0, False),
        "decide": (0, False),
        "publish": (3, False),
    }, logs
    assert "awaiting approval: research_lead" in waiting.jobs["publish"].log
    assert "Release the stripped checkpoint" in waiting.jobs["decide"].summary
    assert [a.properties["file"] for a in waiting.jobs["decide"].annotations if "file" in a.properties]
    assert "public" not in waiting.artifacts
    everything = "".join(logs.values())
    assert SECRET not in everything
    assert "PRIVATE KEY" not in everything


def test_no_job_that_runs_a_model_reads_a_secret(lab: Lab) -> None:
    for name, job in read(release_file(lab))["jobs"].items():
        asked = "secrets." in json.dumps(job)
        assert asked == ("environment" in job) == (name != "measure")
        assert job["permissions"] == {"contents": "read"}


def test_an_attempt_is_one_line_more_that_is_closed(lab: Lab, waiting: Runner) -> None:
    events = [json.loads(line)["event"] for line in lab.entries()]
    assert events == ["init", "opened", "nonce", "closed"]
    assert json.loads(lab.entries()[-1])["verdict"] == "release_stripped"
    assert waiting.jobs["open"].outputs["attempt"] == "1"
    decision = json.loads((waiting.artifacts["decided"] / "decision.json").read_text())
    assert decision["ledger"]["anchored"] is True


def test_once_it_is_approved_the_last_job_goes_on_to_a_folder_that_anybody_verifies(
    lab: Lab, published: Runner
) -> None:
    assert published.jobs["publish"].code == 0, published.jobs["publish"].log
    public = published.artifacts["public"]
    assert run(["verify", str(public), "--policy", str(lab.policy), "-q"]) == 0
    assert not list(lab.folder.rglob("key.pem"))


def test_a_tag_that_was_opened_is_refused_and_spends_nothing(lab: Lab, waiting: Runner, tmp_path: Path) -> None:
    before = lab.entries()
    jobs = tagged(lab, tmp_path / "jobs", "model-1").workflow(release_file(lab))
    assert jobs["open"].code == 2
    assert "opened before" in jobs["open"].log
    assert [name for name, job in jobs.items() if not job.skipped] == ["open"]
    assert lab.entries() == before


def test_a_run_that_was_tampered_with_after_measuring_is_refused(lab: Lab, waiting: Runner, tmp_path: Path) -> None:
    artifacts = {name: tmp_path / name for name in ("opened", "measured")}
    for name, folder in artifacts.items():
        shutil.copytree(waiting.artifacts[name], folder)
    shards = (artifacts["measured"] / "evidence").rglob("*.jsonl")
    shard = next(file for file in shards if '"legible":1.0' in file.read_text())
    shard.write_text(shard.read_text().replace('"legible":1.0', '"legible":0.0'))
    before = lab.entries()
    runs = tagged(lab, tmp_path / "jobs", "model-1")
    runs.artifacts |= artifacts
    runs.jobs |= {name: waiting.jobs[name] for name in ("open", "measure")}
    data = read(release_file(lab))
    ran = runs.job("decide", data["jobs"]["decide"], data)
    assert ran.code == 2
    assert shard.name in ran.log
    assert "decided" not in runs.artifacts
    assert lab.entries() == before
    runs.jobs["decide"] = ran
    assert runs.job("publish", data["jobs"]["publish"], data).skipped


@pytest.mark.slow
def test_a_tag_that_is_not_on_main_is_refused(lab: Lab, tmp_path: Path) -> None:
    lab.gates.git("checkout", "--quiet", "-b", "aside")
    lab.gates.commit("on no protected branch")
    lab.tag("model-aside")
    lab.gates.git("checkout", "--quiet", "main")
    jobs = tagged(lab, tmp_path / "jobs", "model-aside").workflow(release_file(lab))
    assert jobs["open"].code == 2
    assert "not on main" in jobs["open"].log


@pytest.mark.slow
def test_a_model_that_may_not_go_out_stops_at_decide(tmp_path: Path) -> None:
    lab = lab_on_github(tmp_path)
    lab.made.change(lab.made.policy, "otherwise: strip", "otherwise: withhold")
    assert run(["lock", "--repo", str(lab.gates.root)]) == 0
    lab.gates.commit("stricter")
    lab.tag("model-1")
    jobs = tagged(lab, tmp_path / "jobs", "model-1").workflow(release_file(lab))
    assert (jobs["decide"].code, jobs["publish"].skipped) == (1, True), jobs["decide"].log
    assert json.loads(lab.entries()[-1])["verdict"] == "withhold"


def rehearsed(lab: Lab, jobs: Path, head: str, file: Path) -> Ran:
    """The pull request of a commit, by a workflow."""
    base = {"sha": lab.gates.git("rev-parse", "main")}
    event = {"event_name": "pull_request", "sha": head, "event": {"pull_request": {"base": base}}}
    return runner(lab, jobs, event).workflow(file)["rehearse"]


@pytest.mark.slow
def test_a_pull_request_rehearses_and_says_so_at_the_lines_of_the_policy(lab: Lab, tmp_path: Path) -> None:
    before = lab.entries()
    ran = rehearsed(
        lab, tmp_path / "jobs", lab.gates.git("rev-parse", "main"), lab.gates.root / WORKFLOWS / "rehearse.yml"
    )
    assert ran.code == 0, ran.log
    assert "ehears" in ran.summary
    assert {a.properties["file"] for a in ran.annotations if a.properties} == {"policies/tiny.yaml"}
    assert lab.entries() == before


@pytest.mark.slow
def test_a_fork_that_edits_its_judge_is_judged_as_if_it_had_not(tmp_path: Path) -> None:
    lab = lab_on_github(tmp_path)
    lab.made.change(lab.made.policy, "otherwise: strip", "otherwise: withhold")
    assert run(["lock", "--repo", str(lab.gates.root)]) == 0
    lab.gates.commit("what may not be drawn stays in")
    file = tmp_path / "rehearse.yml"
    shutil.copyfile(lab.gates.root / WORKFLOWS / "rehearse.yml", file)
    lab.gates.git("checkout", "--quiet", "-b", "fork")
    lab.made.change(lab.made.policy, "at_most: 0.20", "at_most: 0.99")
    lab.made.change(lab.made.policy, "approvals:\n  - {role: research_lead, count: 1}\n", "")
    lab.made.change(lab.made.policy, "owner: ", "owner: Mallory, once ")
    harness = lab.made.harness()
    harness.write_text(harness.read_text().replace("float(subject.can", "0.0 * float(subject.can"))
    (lab.gates.root / "policies" / "ledger" / "tiny.jsonl").write_text("")
    assert run(["lock", "--repo", str(lab.gates.root)]) == 0
    theirs = lab.gates.root / WORKFLOWS / "rehearse.yml"
    leak = '      - run: echo "<$STOLEN>"\n        env: {STOLEN: "${{ secrets.RELEASEGATE_KEY }}${{ secrets.LEDGER_TOKEN }}"}\n'
    theirs.write_text(theirs.read_text() + leak.replace("      - run", "      - if: always()\n        run"))
    head = lab.gates.commit("a better model")
    fork = rehearsed(lab, tmp_path / "theirs", head, theirs)
    lab.gates.git("checkout", "--quiet", "main")
    assert fork.code == 1, fork.log  # the edited workflow still names the base, and reads no secret
    assert "<>" in fork.log
    assert rehearsed(lab, tmp_path / "ours", head, file).code == 1
    assert rehearsed(lab, tmp_path / "plain", lab.gates.git("rev-parse", "main"), file).code == 1


@pytest.mark.slow
def test_a_ledger_from_which_lines_were_taken_opens_nothing(tmp_path: Path) -> None:
    lab = lab_on_github(tmp_path)
    lab.tag("model-1")
    (lab.ledger.root / "tiny.jsonl").unlink()
    assert run(["ledger", "init", "tiny", "--ledger", str(lab.ledger.root / "tiny.jsonl")]) == 0
    lab.ledger.commit("nothing ever happened")
    runs = tagged(lab, tmp_path / "jobs", "model-1")
    runs.variables = {"LEDGER_HEAD": f"3:{'ab' * 32}"}
    assert runs.workflow(release_file(lab))["open"].code == 2
    assert len(lab.entries()) == 1


@pytest.mark.slow
def test_the_starter_takes_the_sample_as_it_is_and_its_own_model_goes_out(tmp_path: Path) -> None:
    names = {".github/workflows/release.yml": [("https://github.com/my-lab/ledger.git", str(tmp_path / "ledger"))]}
    lab = starter_lab(tmp_path, "ci-github", names)
    lab.tag("model-1")
    runs = tagged(lab, tmp_path / "jobs", "model-1")
    jobs = runs.workflow(release_file(lab))
    assert [job.code for job in jobs.values()] == [0, 0, 0, 3], {name: job.log for name, job in jobs.items()}
    shutil.copytree(runs.artifacts["decided"], lab.gates.root / "decided")
    lab.shell(commands_of("ci-github")[-1], lab.gates.root)
    shutil.rmtree(lab.gates.root / "decided")
    lab.gates.commit("approve")
    published = again(runs, release_file(lab), "publish")
    assert published.code == 0, published.log
    assert run(["verify", str(runs.artifacts["public"]), "--policy", str(lab.policy), "-q"]) == 0
