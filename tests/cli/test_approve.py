"""Approving what a run decided, as at a terminal; and how a gate waits for it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from releasegate.__main__ import run
from releasegate.approval import Wanted
from releasegate.cli.awaited import exit_with
from releasegate.repository import GateRepository, RunFolder
from releasegate.yamltext import parse_yaml
from tests.tiny_gates import WEAK, Gate, capability, policy, share
from tests.tiny_repository import Tiny, make_repository

NOW = datetime.now(UTC).date()
PEOPLE = {"ann": ("Ann", ["lead", "safety"]), "bob": ("Bob", ["lead"]), "cyd": ("Cyd", ["safety"])}
VARIABLE = "RELEASEGATE_KEY_PASSPHRASE"


@pytest.fixture(autouse=True)
def _no_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@dataclass(frozen=True)
class Desk:
    """A gate repository with a run of `release_stripped` that waits for two leads and one of safety."""

    root: Path

    @property
    def made(self) -> Tiny:
        return Tiny(self.root / "repo")

    @property
    def run(self) -> RunFolder:
        return self.made.run

    def key(self, name: str) -> str:
        return str(self.root / "keys" / f"{name}.key")

    def approve(self, name: str, role: str, *more: str) -> int:
        arguments = ["--role", role, "--key", self.key(name), "--repo", str(self.made.root), *more]
        return run(["approve", str(self.run.root), *arguments])

    def listed(self, *more: str) -> int:
        return run(["approve", str(self.run.root), "--list", "--repo", str(self.made.root), *more])

    def decide(self, *more: str) -> int:
        return run(["decide", str(self.run.root), "--repo", str(self.made.root), *more])

    def file(self, role: str, name: str) -> Path:
        return self.run.root / "approvals" / f"{role}-{name}.json"

    def ask(self, text: str) -> None:
        """Nothing; the policy asks for this instead."""
        path = self.made.policy
        before = next(line for line in path.read_text().splitlines() if line.startswith("approvals:"))
        self.made.change(path, before, f"approvals: {text}")


def keys_of(folder: Path) -> str:
    """The lines of a policy that list everybody's key."""
    lines = ["trust:", "  approvals:"]
    for name, (owner, roles) in PEOPLE.items():
        given = [part for role in roles for part in ("--role", role)]
        assert run(["keygen", name, "--for", "approvals", *given, "--owner", owner, "--out", str(folder)]) == 0
        lines += (folder / f"{name}.pub.yaml").read_text().splitlines()[3:]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk that others copy."""
    desk = Desk(tmp_path_factory.mktemp("approvals"))
    made = make_repository(desk.root / "repo")
    asks = "approvals: [{role: lead, count: 2}, {role: safety}]\n"
    made.policy.write_text(made.policy.read_text() + asks + keys_of(desk.root / "keys"))
    assert run(made.gate()) == 3
    return desk


@pytest.fixture
def desk(decided: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    """A copy that a test may change."""
    shutil.copytree(decided.root, tmp_path / "desk", ignore=shutil.ignore_patterns("approvals"))
    capsys.readouterr()
    return Desk(tmp_path / "desk")


def test_a_gate_waits_for_everybody_and_the_decision_stays_as_it_is(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    before = desk.run.decision_path.read_bytes()
    awaited = ("lead (0 of 2), safety", "lead (1 of 2), safety", "lead (0 of 2)")
    assert desk.decide() == 3
    out = capsys.readouterr()
    assert f"awaiting approval: {awaited[0]}\n" in out.err
    assert f"awaiting approval: {awaited[0]}" in out.out
    assert desk.approve("ann", "lead") == 0
    assert desk.decide() == 3
    assert f"awaiting approval: {awaited[1]}\n" in capsys.readouterr().err
    for name, role in (("bob", "lead"), ("cyd", "safety")):
        assert desk.approve(name, role) == 0
    assert desk.decide() == 0
    out = capsys.readouterr()
    assert "awaiting" not in out.err
    assert "approved: lead by Ann (key ann) on" in out.out
    assert desk.run.decision_path.read_bytes() == before
    assert desk.listed() == 0
    assert "no approval is missing" in capsys.readouterr().out


def test_the_gate_on_a_finished_run_waits_too_and_says_so_in_its_report(
    decided: Desk, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    page = decided.run.report_path.read_text()
    assert "awaiting lead (0 of 2), safety" in page
    assert "Awaiting approval: lead (0 of 2), safety. Nothing goes out before." in page
    for name, role in (("ann", "lead"), ("bob", "lead"), ("cyd", "safety")):
        assert desk.approve(name, role) == 0
    assert run(["report", str(desk.run.root), "--repo", str(desk.made.root)]) == 0
    page = desk.run.report_path.read_text()
    assert f"lead: Ann, {NOW}; lead: Bob, {NOW}; safety: Cyd, {NOW}" in page
    assert "waiting" not in page


@pytest.mark.parametrize("kind", ["json", "md"])
def test_other_forms_of_the_report_name_who_is_missing(
    desk: Desk, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    assert desk.approve("bob", "lead") == 0
    capsys.readouterr()
    assert desk.decide("--format", kind) == 3
    out = capsys.readouterr()
    assert out.err.endswith("awaiting approval: lead (1 of 2), safety\n")
    if kind == "md":
        assert "awaiting lead \\(1 of 2\\), safety" in out.out or "awaiting lead (1 of 2), safety" in out.out
        return
    lead, safety = json.loads(out.out)["approvals"]
    assert (lead["missing"], lead["given"]) == (1, [{"owner": "Bob", "key": "bob", "day": str(NOW)}])
    assert (safety["role"], safety["count"], safety["missing"]) == ("safety", 1, 1)


def test_a_difference_tells_the_approvals_of_both(decided: Desk, desk: Desk) -> None:
    assert desk.approve("bob", "lead") == 0
    page = desk.root / "diff.html"
    given = [str(decided.run.root), str(desk.run.root), "--html", str(page), "--repo", str(desk.made.root)]
    assert run(["diff", *given]) == 0
    assert "awaiting lead (0 of 2), safety" in page.read_text()
    assert "awaiting lead (1 of 2), safety" in page.read_text()


def test_what_is_signed_is_shown_before_it_is(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.listed() == 3
    out = capsys.readouterr().out
    decision = desk.run.read_decision()
    for line in (
        "release_stripped · tiny · channel open_weights",
        "release_stripped  Draws",
        "leans on: ",
        decision.digest(),
    ):
        assert line in out
    assert decision.strip is not None
    assert f"released: {decision.strip.model}" in out
    assert not (desk.run.root / "approvals").exists()
    assert desk.approve("ann", "lead", "--format", "json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["path"] == str(desk.file("lead", "ann"))
    assert said["approval"] == json.loads(desk.file("lead", "ann").read_text())
    assert said["matter"]["decision"] == said["approval"]["decision"] == decision.digest()
    assert said["matter"]["capabilities"] == {c.id: c.verdict for c in decision.capabilities}
    assert [one["missing"] for one in said["approvals"]] == [1, 1]


def test_one_person_is_counted_once_and_told_so(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    for name, role in (("ann", "lead"), ("ann", "safety"), ("bob", "lead")):
        assert desk.approve(name, role) == 0
    capsys.readouterr()
    assert desk.listed() == 3
    out = capsys.readouterr().out
    assert "it is by Ann, who is counted once, as" in out
    assert desk.approve("cyd", "safety") == 0
    assert desk.listed() == 0


def refused(desk: Desk, capsys: pytest.CaptureFixture[str], name: str, role: str, code: int = 2) -> str:
    """What is said of an approval that is not written."""
    capsys.readouterr()
    before = sorted((desk.run.root / "approvals").glob("*")) if (desk.run.root / "approvals").exists() else []
    assert desk.approve(name, role) == code
    after = sorted((desk.run.root / "approvals").glob("*")) if (desk.run.root / "approvals").exists() else []
    assert before == after
    return capsys.readouterr().err


def test_a_role_that_nobody_asks_for_and_a_key_without_the_role_are_refused(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(desk, capsys, "ann", "leed") == (
        "--role: no approval is asked for as 'leed'\n  fix: did you mean `lead`?\n"
    )
    assert refused(desk, capsys, "bob", "safety") == (
        f"{desk.key('bob')}: is key bob, which has no role safety; it has lead\n  fix: sign with a key of that role\n"
    )


def test_a_key_that_the_policy_does_not_list_today_is_refused_and_counts_no_more(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["keygen", "eve", "--for", "approvals", "--role", "lead", "--out", str(desk.root / "keys")]) == 0
    assert "is not trusted for approvals by policy tiny in the repository" in refused(desk, capsys, "eve", "lead")
    assert run(["keygen", "wes", "--out", str(desk.root / "keys")]) == 0
    assert "is not trusted for approvals by policy tiny" in refused(desk, capsys, "wes", "lead")
    assert desk.approve("ann", "lead") == 0
    listed = next(line for line in desk.made.policy.read_text().splitlines() if 'id: "ann"' in line)
    desk.made.change(desk.made.policy, listed + "\n", "")
    assert desk.listed() == 3
    out = capsys.readouterr().out
    assert (
        "approval by ann as lead does not count: it is signed with key ann, which is not trusted for approvals" in out
    )


def test_an_expired_key_signs_nothing(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    soon = parse_yaml((desk.root / "keys" / "ann.pub.yaml").read_text(), "p").data["trust"]["approvals"][0]
    past = str(NOW - timedelta(days=1))
    line = next(line for line in desk.made.policy.read_text().splitlines() if 'id: "ann"' in line)
    spent = line.replace(soon["valid_from"], "2020-01-01").replace(soon["valid_to"], past)
    desk.made.change(desk.made.policy, line, spent)
    said = refused(desk, capsys, "ann", "lead")
    assert f"would not count: it is signed with key ann, which is valid from 2020-01-01 to {past}, not on {NOW}" in said


def test_a_file_that_exists_is_kept(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.approve("ann", "lead") == 0
    before = desk.file("lead", "ann").read_bytes()
    assert "exists already" in refused(desk, capsys, "ann", "lead")
    assert desk.file("lead", "ann").read_bytes() == before
    desk.file("safety", "ann").symlink_to(desk.file("lead", "nobody"))
    assert "is a symlink" in refused(desk, capsys, "ann", "safety")


def test_an_approval_of_the_decision_before_is_listed_as_one(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.approve("ann", "lead") == 0
    stored = json.loads(desk.file("lead", "ann").read_text())
    changed = {**stored, "decision": "sha256:" + "0" * 64}
    desk.file("lead", "ann").write_text(json.dumps(changed))
    assert desk.decide() == 3
    out = capsys.readouterr()
    assert "approval by ann as lead does not count: it is for another decision" in out.out
    assert "awaiting approval: lead (0 of 2), safety" in out.err


def test_a_decision_that_does_not_follow_from_the_evidence_is_not_approved(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    text = desk.run.decision_path.read_text()
    desk.run.decision_path.write_text(text.replace('"verdict": "release_stripped"', '"verdict": "release"', 1))
    assert "is not what the evidence, the policy and the waivers decide" in refused(desk, capsys, "ann", "lead")


@pytest.mark.usefixtures("quick_report")
def test_what_lets_nothing_out_waits_for_nobody(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    made = make_repository(desk.root / "other").able(naming=0.3)
    policy = desk.made.policy.read_text()
    made.policy.write_text(policy.replace("otherwise: strip", "otherwise: withhold"))
    assert run(made.gate()) == 1
    out = capsys.readouterr()
    assert "awaiting" not in out.out + out.err
    other = Desk(desk.root)
    arguments = ["--role", "lead", "--key", other.key("ann"), "--repo", str(made.root)]
    assert run(["approve", str(made.run.root), *arguments]) == 2
    assert "says withhold: nothing that it decides waits for approval" in capsys.readouterr().err


@pytest.mark.usefixtures("quick_report")
def test_a_rehearsal_is_not_approved_and_waits_for_nobody(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.made.rehearsable()
    assert run(desk.made.gate("--rehearse", out="rehearsal")) == 0
    rehearsal = str(desk.made.root / "rehearsal")
    capsys.readouterr()
    arguments = ["--role", "lead", "--key", desk.key("ann"), "--repo", str(desk.made.root)]
    assert run(["approve", rehearsal, *arguments]) == 2
    assert "is a rehearsal, of which nothing goes out" in capsys.readouterr().err


def test_a_role_that_the_policy_asks_for_from_today_on_is_asked_of_runs_of_before(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.ask("[{role: safety, count: 2}]")
    assert desk.decide() == 3
    assert "awaiting approval: lead (0 of 2), safety (0 of 2)\n" in capsys.readouterr().err


def test_without_the_policy_in_the_repository_no_key_counts(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    for name, role in (("ann", "lead"), ("bob", "lead"), ("cyd", "safety")):
        assert desk.approve(name, role) == 0
    desk.made.policy.rename(desk.root / "tiny.yaml")
    assert desk.decide() == 3
    assert "lead (0 of 2), safety" in capsys.readouterr().err
    assert "is not in the gate repository" in refused(desk, capsys, "bob", "lead")
    assert GateRepository.here(desk.root) is None
    assert run(["decide", str(desk.run.root), "--repo", str(desk.root)]) == 3


def test_of_several_artefacts_those_asked_for_wait(capsys: pytest.CaptureFixture[str]) -> None:
    both = policy(capability("drawing", misuse=[WEAK]), artefacts={"weights": "open_weights", "paper": "open_weights"})
    decision = Gate(both, {("drawing", "source"): share(90)}).decide()
    assert {a.name: a.verdict for a in decision.artefacts} == {"weights": "withhold", "paper": "release"}
    waits = [Wanted("lead", 1)]
    assert exit_with(decision, ["weights"], waits) == exit_with(decision, [], waits) == 1
    assert exit_with(decision, ["paper"], []) == 0
    assert capsys.readouterr().err == ""
    assert exit_with(decision, ["paper"], waits) == 3
    assert capsys.readouterr().err == "awaiting approval: lead\n"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--role", "lead"], "--key: is missing"),
        (["--key", "x.key"], "--role: is missing"),
        ([], "--role: is missing"),
        (["--list", "--role", "lead"], "--list: signs nothing"),
    ],
)
def test_a_call_that_does_not_say_what_it_wants_is_refused(
    desk: Desk, capsys: pytest.CaptureFixture[str], given: list[str], message: str
) -> None:
    assert run(["approve", str(desk.run.root), *given]) == 2
    assert message in capsys.readouterr().err


HOSTILE: dict[str, Any] = {
    "two keys": lambda good: good.replace(b'"role"', b'"role": "safety", "role"', 1),
    "NaN": lambda good: good.replace(b'"lead"', b"NaN", 1),
    "deep": lambda good: b"[" * 100_000,
    "huge": lambda good: good + b" " * (65 << 10),
    "empty": lambda good: b"",
    "no JSON": lambda good: b"\xff\xfe\x00",
    "unknown key": lambda good: good.replace(b"{", b'{"\\u001b[2J": 1, ', 1),
    "another version": lambda good: good.replace(b"approval/v1", b"approval/v2"),
    "another role": lambda good: good.replace(b'"role": "lead"', b'"role": "safety"'),
    "a path": lambda good: good.replace(b'"key": "ann"', b'"key": "../ann"'),
    "wrong type": lambda good: good.replace(b'"lead"', b'["lead"]', 1),
    "surrogate": lambda good: good.replace(b'"Ann"', b'"\\ud800"', 1),
    "bidi": lambda good: good.replace(b'"Ann"', b'"\\u202enna"', 1),
    "short signature": lambda good: good.replace(b'"signature": "', b'"signature": "AAAA', 1),
}


def test_an_approval_that_cannot_be_read_is_never_passed_over(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.approve("ann", "lead") == 0
    file = desk.file("lead", "ann")
    good = file.read_bytes()
    for name, spoil in HOSTILE.items():
        spoilt = spoil(good)
        assert spoilt != good, name
        file.write_bytes(spoilt)
        capsys.readouterr()
        assert desk.listed() == 2, name
        said = capsys.readouterr().err
        assert said.startswith(f"{file}: "), name
        assert "  fix: " in said, name
        assert "Traceback" not in said, name
        assert "\x1b" not in said, name
    file.unlink()
    (file.parent / ".hidden.json").write_bytes(good)
    assert desk.listed() == 2
    assert "is an approval by ann as lead" in capsys.readouterr().err


def test_who_approves_reads_the_words_of_the_repository_and_not_those_of_the_run(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    before = desk.run.read_plan().measured_under
    plan, index = desk.run.plan_path, desk.run.root / "evidence" / "index.jsonl"
    plan.write_text(plan.read_text().replace('"title": "Names"', '"title": "Harmless chatter"'))
    index.write_text(index.read_text().replace(before, desk.run.read_plan().measured_under))
    assert desk.decide() == 3
    assert "Harmless chatter" in desk.run.decision_path.read_text()
    capsys.readouterr()
    assert desk.listed() == 3
    assert desk.listed("--format", "json") == 3
    said = capsys.readouterr().out
    assert "Harmless chatter" not in said
    assert "  Names\n" in said
