"""A finished run gives its decision again: nothing is loaded, measured or entered; and whatever changed is noticed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import releasegate.finished
import releasegate.gate
from releasegate.__main__ import run as command
from releasegate.approval import Wanted
from releasegate.decision import Decision
from releasegate.errors import ReleaseGateError
from releasegate.finished import finished
from releasegate.gate import gate
from releasegate.ledger import parse_anchor
from releasegate.plan import Plan
from releasegate.reporting.formats import Output
from releasegate.reporting.standing import HEAD_BYTES, mark_of
from releasegate.repository import GateRepository, LedgerFile, RunFolder, read_decided
from tests.tiny_repository import Silent, Tiny, make_repository

TODAY = datetime.now(UTC).date()
FLAG = "broken.flag"
"""A file outside of the repository; while it is there, harnesses and subject fail as they are loaded."""


def fragile(made: Tiny) -> Tiny:
    """The repository, with code that cannot be loaded while the flag is there, and that has the same digests all the same."""
    flag = made.root.parent / FLAG
    for file in (made.harness("drawing"), made.harness("naming"), made.root / "evals/tiny/subject.py"):
        text = file.read_text().replace(str(flag), "")
        docstring, rest = text.split("\n", 1)
        guard = f'import os\nif os.path.exists("{flag}"):\n    raise RuntimeError("loaded")\n'
        file.write_text(f"{docstring}\n{guard}{rest}")
    return made


def write_page(run: RunFolder, repository: GateRepository, decision: Decision, plan: Plan, *more: Any) -> None:
    """Writes no report, but a page that says of what it tells, and takes no second to draw."""
    run.report_path.write_text(f'<html data-told="{mark_of(decision, plan, ())}">kept')


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A repository with a finished run that is released stripped, and with a rehearsal of it."""
    made = fragile(make_repository(tmp_path_factory.mktemp("finished") / "repo", n=50).rehearsable(50))
    (made.root / "evals" / "shared.py").write_text('"""Nothing."""\n')
    made.change(made.policy, "at_most: 0.20}\n    keep", "at_most: 0.30}\n    keep")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(releasegate.gate, "write_report", write_page)
        assert gate(made.call(today=TODAY), Silent()).verdict == "release_stripped"
        gate(made.call(today=TODAY, run=made.root / "rehearsal", rehearsal=True), Silent())
    return made


@pytest.fixture
def done(original: Tiny, tmp_path: Path) -> Tiny:
    """A copy of it, whose code must not be loaded."""
    shutil.copytree(original.root, tmp_path / "repo", symlinks=True)
    (original.root.parent / FLAG).write_text("")
    yield Tiny(tmp_path / "repo")  # type: ignore[misc]
    (original.root.parent / FLAG).unlink()


def files(made: Tiny) -> dict[str, bytes]:
    return {str(p.relative_to(made.root)): p.read_bytes() for p in sorted(made.root.rglob("*")) if p.is_file()}


def again(made: Tiny, **changes: Any) -> Any:
    return finished(made.call(today=TODAY, **changes), Silent())


def test_an_unchanged_run_is_decided_without_a_byte_written_or_a_line_of_code_loaded(done: Tiny) -> None:
    before, stored = files(done), done.run.read_decision()
    assert again(done) == stored
    assert command(done.gate("--anchor", str(done.run.root))) == 0
    assert files(done) == before


def test_a_rehearsal_is_decided_again_too(done: Tiny) -> None:
    before = files(done)
    there = {"run": done.root / "rehearsal", "rehearsal": True}
    decision = again(done, **there)
    assert decision is not None
    assert decision.rehearsal
    assert files(done) == before
    with pytest.raises(ReleaseGateError, match="purpose: a rehearsal"):
        again(done, **there | {"rehearsal": False})
    with pytest.raises(ReleaseGateError, match="purpose: an attempt that counts"):
        again(done, rehearsal=True)


def test_a_report_that_is_missing_is_rendered_and_what_is_asked_for_too(done: Tiny, tmp_path: Path) -> None:
    assert again(done, outputs=(Output("md", tmp_path / "report.md"),)) is not None
    assert (tmp_path / "report.md").read_text().startswith("##")
    assert done.run.report_path.read_text().endswith("kept")
    done.run.report_path.unlink()
    assert again(done) is not None
    assert done.run.report_path.read_text().lower().startswith("<!doctype html>")


def test_a_report_that_tells_of_something_else_is_rendered(done: Tiny) -> None:
    mark = mark_of(done.run.read_decision(), done.run.read_plan(), ())
    done.run.report_path.write_text('<html data-told="sha256:0">of another decision')
    assert again(done) is not None
    page = done.run.report_path.read_text()
    assert f'data-told="{mark}"' in page[:HEAD_BYTES]
    assert again(done) is not None
    assert done.run.report_path.read_text() == page
    assert mark_of(done.run.read_decision(), done.run.read_plan(), [Wanted("lead", 1)]) != mark


def test_new_titles_are_told_and_the_decision_stays_to_the_byte(done: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    decision, ledger, stored = done.run.decision_path.read_bytes(), done.ledger.path.read_bytes(), done.run.read_plan()
    done.change(done.policy, "title: Draws", "title: Sketches figures")
    done.change(done.policy, "rationale: Harmless.", "rationale: Known to harm nobody.\n    tags: [ailuminate/vcr]")
    done.change(done.policy, "title: A tiny model", "title: A small model")
    assert command(done.gate()) == 0
    assert "Sketches figures" in capsys.readouterr().out
    plan, page = done.run.read_plan(), done.run.report_path.read_text()
    assert (done.run.decision_path.read_bytes(), done.ledger.path.read_bytes()) == (decision, ledger)
    assert plan.fixed == stored.fixed
    assert plan.policy.title == "A small model"
    assert "Sketches figures" in page
    assert "Known to harm nobody." in page
    assert ">Draws<" not in page
    assert read_decided(done.run, done.repository, TODAY).decision == done.run.read_decision()
    before = files(done)
    assert again(done) == done.run.read_decision()
    assert files(done) == before
    done.change(done.policy, "title: Sketches figures", "title: Draws")
    done.change(done.policy, "rationale: Known to harm nobody.\n    tags: [ailuminate/vcr]", "rationale: Harmless.")
    assert again(done) is not None
    assert done.run.read_plan().wording is None


def test_rules_in_another_order_are_the_same_rules(done: Tiny) -> None:
    done.change(
        done.policy, "    title: Draws\n    rationale: Not mature.\n", "    rationale: Not mature.\n    title: Draws\n"
    )
    done.change(done.policy, "{layout: chameleon-hf, subject: tiny}", "{subject: tiny, layout: chameleon-hf}")
    before = files(done)
    assert again(done) is not None
    assert files(done) == before


def a_key(made: Tiny) -> None:
    trust = "trust: {waivers: [{id: k, key: 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=, owner: A, "
    made.policy.write_text(f"{trust}valid_from: 2026-01-01, valid_to: 2026-12-31}}]}}\n" + made.policy.read_text())


def an_approver(made: Tiny) -> None:
    trust = "trust: {approvals: [{id: k, key: 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=, owner: A, roles: [lead], "
    days = "valid_from: 2026-01-01, valid_to: 2026-12-31}]}\n"
    made.policy.write_text(f"approvals: [{{role: lead}}]\n{trust}{days}" + made.policy.read_text())


def first(made: Tiny, key: str, value: str) -> None:
    made.policy.write_text(f"{key}: {value}\n" + made.policy.read_text())


def card(eval_id: str, before: str, after: str) -> Callable[[Tiny], None]:
    return lambda made: made.change(made.root / "evals" / eval_id / "eval.yaml", before, after)


def append(path: str, text: str = "\n") -> Callable[[Tiny], None]:
    def change(made: Tiny) -> None:
        with (made.root / path).open("a") as file:
            file.write(text)

    return change


def weights(made: Tiny) -> None:
    path = next(made.checkpoint.glob("*.safetensors"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


CHANGES: dict[str, tuple[Callable[[Tiny], object], str]] = {
    "a limit": (lambda made: made.change(made.policy, "at_most: 0.30", "at_most: 0.29"), "another policy"),
    "alpha": (
        lambda made: made.change(made.policy, "{channel: open_weights}", "{channel: open_weights, alpha: 0.06}"),
        "another policy, alpha",
    ),
    "the age of evidence": (
        lambda made: made.change(made.policy, "{channel: open_weights}", "{channel: open_weights, max_age_days: 91}"),
        "another policy",
    ),
    "whose waivers count": (a_key, "another policy"),
    "what samples keep": (lambda made: first(made, "samples", "unshown"), "another policy"),
    "the family": (lambda made: first(made, "ledger", "{family: tiny}"), "another policy"),
    "who must approve": (an_approver, "another policy"),
    "a weight": (weights, "another model"),
    "the model's configuration": (
        lambda made: made.change(made.checkpoint / "config.json", '"naming": 0.95', '"naming": 0.96'),
        "another model",
    ),
    "a chat template": (lambda made: (made.checkpoint / "chat_template.jinja").write_text("{{ x }}"), "another model"),
    "a card": (card("naming", "description: Asks", "description: Now asks"), "another card of eval naming"),
    "the size of a shard": (card("naming", "shard: 25", "shard: 5"), "another card of eval naming"),
    "parameters": (card("drawing", "shard: 25", "shard: 25\nparams: {x: 1}"), "another card of eval drawing"),
    "a harness": (append("evals/drawing/harness.py"), "another harness of eval drawing"),
    "a file beside a harness": (append("evals/drawing/words.txt"), "another harness of eval drawing"),
    "what lies among compiled files": (
        lambda made: (
            (made.root / "evals/drawing/__pycache__").mkdir(exist_ok=True),
            (made.root / "evals/drawing/__pycache__/words.txt").write_text("x"),
        ),
        "another harness of eval drawing",
    ),
    "a module that harnesses share": (append("evals/shared.py"), "another harness of eval drawing"),
    "the subject": (append("evals/tiny/subject.py"), "another subject of eval drawing"),
    "a recipe": (
        append("policies/recipes/chameleon-hf/drawing.yaml", "# a note\ntitle: B\n"),
        "another strips",
    ),
}


@pytest.mark.parametrize(("change", "named"), CHANGES.values(), ids=CHANGES)
def test_each_change_is_named_and_nothing_is_written(done: Tiny, change: Callable[[Tiny], object], named: str) -> None:
    if named == "another strips":
        recipe = done.root / "policies/recipes/chameleon-hf/drawing.yaml"
        title = next(line for line in recipe.read_text().splitlines() if line.startswith("title:"))
        done.change(recipe, title, "title: Another title")
    else:
        change(done)
    before = files(done)
    with pytest.raises(ReleaseGateError) as caught:
        again(done)
    assert f"was opened with {named}" in str(caught.value)
    assert files(done) == before


@pytest.mark.parametrize("target", ["/etc", "nowhere"])
def test_a_link_beside_a_harness_whose_target_no_digest_covers_is_refused(done: Tiny, target: str) -> None:
    (done.root / "evals/drawing/words").symlink_to(target)
    with pytest.raises(ReleaseGateError, match="evals/drawing/words: is no file of the eval"):
        again(done)


def test_another_type_of_weights_is_another_subject(done: Tiny) -> None:
    with pytest.raises(ReleaseGateError, match="another subject of eval drawing"):
        again(done, dtype="bfloat16")


def test_other_libraries_are_another_subject(done: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    assert again(done) is not None
    monkeypatch.setattr(releasegate.finished, "subject_code", lambda *given: "releasegate 9")
    with pytest.raises(ReleaseGateError, match="another subject of eval drawing"):
        again(done)


def edit(path: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Tiny], None]:
    def edited(made: Tiny) -> None:
        plain = json.loads((made.root / path).read_text())
        change(plain)
        (made.root / path).write_text(json.dumps(plain))

    return edited


def without_last_line(made: Tiny) -> None:
    lines = made.ledger.path.read_bytes().splitlines(keepends=True)
    made.ledger.path.write_bytes(b"".join(lines[:-1]))


UNTRUSTED: dict[str, tuple[Callable[[Tiny], object], str]] = {
    "the nonce of the plan": (
        edit("run/plan.json", lambda plan: plan.update(nonce="cd" * 32)),
        "holds another nonce than plan.json",
    ),
    "fewer items in the plan": (
        edit("run/plan.json", lambda p: p["measurements"][0]["cells"][0].update(n=1)),
        "another cells of eval",
    ),
    "a problem in the plan": (
        edit("run/plan.json", lambda p: p["measurements"][0].update(problem="none")),
        "another problem of",
    ),
    "alpha in the plan": (edit("run/plan.json", lambda plan: plan.update(alpha=0.05)), "opened with another alpha"),
    "a byte of the evidence": (
        lambda made: append(str(next((made.run.root / "evidence").glob("*/*.jsonl")).relative_to(made.root)))(made),
        "evidence",
    ),
    "a file of the stripped checkpoint": (append("run/stripped/config.json", " "), "not what its receipt says"),
    "a receipt of a rehearsal": (
        edit("run/stripped.receipt.json", lambda receipt: receipt.update(rehearsal=True)),
        "was made in a rehearsal",
    ),
    "a receipt without what is left of a row": (
        edit("run/stripped.receipt.json", lambda receipt: receipt.update(residual=[])),
        "does not list under residual",
    ),
    "a receipt of other recipes": (
        edit("run/stripped.receipt.json", lambda receipt: receipt.update(lent={"tensors": [], "files": []})),
        "something else than its recipes do",
    ),
    "a receipt that hides a tensor": (
        edit("run/stripped.receipt.json", lambda receipt: receipt.update(tensors=receipt["tensors"][1:])),
        "is not in the receipt",
    ),
    "a receipt of other weights": (
        edit("run/stripped.receipt.json", lambda receipt: receipt["tensors"][-1].update(sha256="sha256:" + "0" * 64)),
        "is not what the receipt says",
    ),
    "a receipt that hides a file": (
        edit("run/stripped.receipt.json", lambda receipt: receipt.update(dropped=[], lent={})),
        "is not in the stripped checkpoint",
    ),
    "no ledger": (lambda made: made.ledger.path.unlink(), "there is no ledger"),
}


@pytest.mark.parametrize(("change", "named"), UNTRUSTED.values(), ids=UNTRUSTED)
def test_what_cannot_be_trusted_is_no_decision(done: Tiny, change: Callable[[Tiny], object], named: str) -> None:
    change(done)
    with pytest.raises(ReleaseGateError, match=named):
        again(done)


def test_a_ledger_behind_the_anchor_is_refused(done: Tiny) -> None:
    view = done.ledger.read("tiny")
    without_last_line(done)
    with pytest.raises(ReleaseGateError, match="rolled back"):
        again(done, anchor=parse_anchor(f"{view.count}:{view.head}", "--anchor"))


OPEN: dict[str, Callable[[Tiny], object]] = {
    "no decision": lambda made: made.run.decision_path.unlink(),
    "another decision": edit("run/decision.json", lambda decision: decision.update(summary="All is well.")),
    "a title that nobody gave": edit("run/decision.json", lambda d: d["capabilities"][0].update(title="Harmless")),
    "a ledger that has not closed it": without_last_line,
    "a ledger that does not know it": (
        lambda made: (made.ledger.path.unlink(), LedgerFile(made.ledger.path).init("tiny"))
    ),
    "no plan": lambda made: made.run.plan_path.unlink(),
    "a plan that was not opened": edit("run/plan.json", lambda plan: (plan.pop("nonce"), plan.pop("ledger"))),
}


@pytest.mark.parametrize("change", OPEN.values(), ids=OPEN)
def test_a_run_that_is_not_finished_is_left_to_the_gate(done: Tiny, change: Callable[[Tiny], object]) -> None:
    change(done)
    before = files(done)
    assert again(done) is None
    assert files(done) == before


def test_evidence_that_has_grown_too_old_is_decided_anew(done: Tiny) -> None:
    limit = timedelta(days=90)
    assert finished(done.call(today=TODAY + limit), Silent()) is not None
    assert finished(done.call(today=TODAY + limit + timedelta(days=1)), Silent()) is None
    with pytest.raises(ReleaseGateError, match="after today"):
        finished(done.call(today=date(2026, 1, 1)), Silent())


def test_a_rehearsal_with_a_shard_missing_is_left_to_the_gate(done: Tiny) -> None:
    index = done.root / "rehearsal/evidence/index.jsonl"
    lines = index.read_text().splitlines(keepends=True)
    gone = json.loads(lines[-1])
    index.write_text("".join(lines[:-2]))
    folder = gone["measurement"].removeprefix("sha256:")
    next((done.root / "rehearsal/evidence").glob(f"{folder[:8]}*/{gone['shard']:06d}.jsonl")).unlink()
    assert again(done, run=done.root / "rehearsal", rehearsal=True) is None


def test_a_call_says_where_it_may_not_write(done: Tiny) -> None:
    with pytest.raises(ReleaseGateError, match="of which every file counts"):
        again(done, outputs=(Output("md", done.checkpoint / "report.md"),))
    shutil.copytree(done.run.root, done.checkpoint / "run")
    with pytest.raises(ReleaseGateError, match="checkpoint"):
        again(done, run=done.checkpoint / "run")
