"""Prompts and answers that are sensitive, or that no policy lets be kept: wherever they could come out, they do not."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest

from releasegate.__main__ import run
from releasegate.discretion import hashed, is_hashed
from releasegate.errors import EvidenceUntrusted
from releasegate.evidence import Failed, Measured
from releasegate.gate import gate
from releasegate.reporting.formats import KINDS
from tests.telling import ANSWER, PROMPT, files_that_tell, telling, told
from tests.tiny_repository import Silent, Tiny, make_repository


def looked_at(made: Tiny) -> None:
    """Nothing; everything that prints something about the run has done so."""
    folder = str(made.run.root)
    for form in ("text", "json"):
        run(["explain", folder, "drawing", "--format", form, "--samples", "100"])
        run(["diff", folder, folder, "--format", form])
    kinds = sorted(
        KINDS.keys() - {"html", "csv", "case"}
    )  # the page lies in the run, the others have tests of their own
    outputs = [f"--output={kind}={made.root.parent / kind}.written" for kind in kinds]
    run(["decide", folder, "--repo", str(made.root), *outputs])
    for path in made.root.parent.glob("*.written"):
        click.echo(path.read_bytes())
    run(["report", folder, "--repo", str(made.root)])


@pytest.mark.parametrize("fault", ["", "all", "items"])
@pytest.mark.parametrize("way", ["sensitive", "hashed", "unshown"])
def test_whatever_a_harness_does_no_text_is_told(
    made: Tiny,
    way: str,
    fault: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    telling(made, fault=fault, **{way: True})
    scratch = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    assert (run(made.gate()) == 2) == (fault == "items"), "what cannot say what to measure opens no attempt"
    assert made.run.plan_path.exists() == (fault != "items")
    looked_at(made)
    printed = capfd.readouterr()
    assert told((printed.out + printed.err).encode()) == []
    assert files_that_tell(scratch) == []
    kept = files_that_tell(made.run.root)
    if way == "hashed":
        assert kept == []
        assert not made.run.outputs.exists()
    elif way == "unshown":
        assert all(place.startswith(("evidence/", "outputs/")) for place in kept)
    else:
        assert all(place.startswith(("evidence/", "outputs/", "report.html")) for place in kept)
    if fault != "items":
        assert ("quetzal" in made.run.root.joinpath("report.html").read_text()) == (way == "sensitive")


def test_without_either_the_same_harness_tells_everything(made: Tiny, capfd: pytest.CaptureFixture[str]) -> None:
    telling(made, fault="all")
    run(made.gate())
    printed = capfd.readouterr()
    assert told(printed.out.encode())
    assert told(printed.err.encode())
    assert {"run.log", "decision.json"} <= set(files_that_tell(made.run.root))


def reasons(made: Tiny) -> set[str]:
    """Why items of `drawing` failed; the place in the runner's own code without its line."""
    plan = made.run.read_plan()
    samples = [s for m in plan.measurements if m.eval == "drawing" for s in made.run.evidence.samples(plan, m)]
    return {re.sub(r"(runner\.py):\d+", r"\1", s.error) for s in samples if isinstance(s, Failed)}


def test_a_reason_says_where_to_look(made: Tiny, quick_report: None) -> None:
    telling(made, fault="all", sensitive=True)
    gate(made.call(), Silent())
    assert reasons(made) == {
        "ValueError at harness.py:57; what it says is not kept",
        "Loud at harness.py:59; what it says is not kept",
        "the harness failed it for a reason of its own; what it says is not kept",
        "the answer is empty",
        "the harness yielded something that is no number",
        "the harness yielded other metrics than the item carries",
        "the harness yielded an output that tools.write did not return",
        "the harness yielded an item that it was not asked for or had yielded before",
        "ValidationError at runner.py; what it says is not kept",
    }
    assert "/harness.py:57" in (made.run.root / "run.log").read_text()


def test_where_nothing_is_kept_not_even_the_harness_words_its_reasons(made: Tiny, quick_report: None) -> None:
    telling(made, fault="all", hashed=True)
    gate(made.call(), Silent())
    assert "the answer is empty" not in reasons(made)
    assert len(reasons(made)) == 8


def without_digests(made: Tiny) -> dict[str, Any]:
    """The decision but for what names the policy and the evidence."""
    found = made.run.read_decision().plain()
    return {key: value for key, value in found.items() if key not in ("policy_digest", "plan", "evidence", "ledger")}


def test_a_hashed_run_comes_to_the_verdict_and_the_numbers_of_a_kept_one(tmp_path: Path, quick_report: None) -> None:
    found, shown = [], []
    for number, keeps in enumerate(("kept", "hashed")):
        made = telling(make_repository(tmp_path / str(number)), sensitive=True, hashed=keeps == "hashed")
        gate(made.call(), Silent())
        found.append(without_digests(made))
        plan = made.run.read_plan()
        drawing = next(m for m in plan.measurements if m.eval == "drawing")
        first = next(s for s in made.run.evidence.samples(plan, drawing) if isinstance(s, Measured))
        shown.append(first.detail["prompt"])
        assert set(first.detail) == ({"prompt", "answer"} if keeps == "kept" else {"prompt", "answer", "said"})
        assert keeps == "kept" or (not first.outputs and first.detail["said"] == hashed(f"{ANSWER} {first.item}"))
    assert found[0] == found[1]
    assert shown[1] == hashed(shown[0])


def test_a_text_is_hashed_whole_though_a_kept_one_is_cut() -> None:
    long = "x" * 100_000 + "\ud800"
    assert hashed(long) != hashed(long[:2000])
    assert hashed(long).endswith(" (100003 bytes)")
    assert is_hashed(hashed(hashed(long)))


def test_a_run_goes_on_under_the_setting_that_it_was_opened_with(made: Tiny, capfd: pytest.CaptureFixture[str]) -> None:
    telling(made, sensitive=True)
    made.opened()
    made.change(made.policy, "title: A tiny model\n", "title: A tiny model\nsamples: hashed\n")
    assert run(made.gate()) == 2
    assert "was opened with another policy" in capfd.readouterr().err
    assert files_that_tell(made.run.root) == []


def test_a_killed_run_leaves_no_text_and_is_resumed_to_the_same_evidence(tmp_path: Path, quick_report: None) -> None:
    whole = telling(make_repository(tmp_path / "whole"), hashed=True)
    gate(whole.call(), Silent())
    made = telling(make_repository(tmp_path / "killed"), hashed=True)
    made.opened()
    command = [sys.executable, "-m", "releasegate", "eval", str(made.run.root), "--model", str(made.checkpoint)]
    died = subprocess.run(
        [*command, "--repo", str(made.root)],
        env=os.environ | {"TELLING_DIES": "1"},
        capture_output=True,
        check=False,
    )
    assert died.returncode == -9
    assert told(died.stdout + died.stderr) == []
    assert files_that_tell(made.run.root) == []
    gate(made.call(), Silent())
    assert made.run.read_decision().evidence == whole.run.read_decision().evidence
    assert files_that_tell(made.run.root) == []


@pytest.mark.parametrize("fault", ["", "all"])
def test_what_no_report_may_show_is_in_no_form_of_it(
    made: Tiny, tmp_path: Path, fault: str, quick_report: None
) -> None:
    telling(made, fault=fault, unshown=True)
    gate(made.call(today=datetime.now(UTC).date()), Silent())
    assert any(place.startswith("evidence/") for place in files_that_tell(made.run.root))
    folder, out = str(made.run.root), tmp_path / "out"
    out.mkdir()
    asked = [part for kind in ("html", "md", "json", "csv", "case") for part in ("--output", f"{kind}={out}/of.{kind}")]
    assert run(["report", folder, "--repo", str(made.root), *asked]) == 0
    run(["report", folder, "--repo", str(made.root), "--index", f"{out}/index.html"])
    run(["diff", folder, folder, "--html", f"{out}/diff.html"])
    assert len(list(out.iterdir())) == 7
    assert files_that_tell(out) == []
    assert not any(place.startswith("report") for place in files_that_tell(made.run.root))


def test_a_replay_shows_no_sample_that_the_runs_own_policy_hides(
    made: Tiny, tmp_path: Path, quick_report: None
) -> None:
    telling(made, fault="all", unshown=True)
    gate(made.call(today=datetime.now(UTC).date()), Silent())
    other = made.root / "policies" / "other.yaml"
    other.write_text(made.policy.read_text().replace("id: tiny", "id: other").replace("samples: unshown\n", ""))
    asked = ("--output", f"html={tmp_path}/replay.html", "--output", f"md={tmp_path}/replay.md")
    assert run(["decide", str(made.run.root), "--policy", str(other), *asked]) in (0, 1, 3)
    assert "Replay" in (tmp_path / "replay.html").read_text()
    assert [place for place in files_that_tell(tmp_path) if place.startswith("replay")] == []


# Replays, and evidence that holds what it may not.


def replayed(made: Tiny, samples: str) -> int:
    text = made.policy.read_text().replace("id: tiny", "id: other").replace("samples: hashed\n", "")
    other = made.root / "policies" / "other.yaml"
    other.write_text(text.replace("title: A tiny model\n", f"title: A tiny model\nsamples: {samples}\n"))
    return run(["decide", str(made.run.root), "--policy", str(other)])


def test_a_replay_brings_nothing_back_and_takes_nothing_that_may_not_be_kept(
    made: Tiny, tmp_path: Path, quick_report: None, capsys: pytest.CaptureFixture[str]
) -> None:
    telling(made, hashed=True)
    today = datetime.now(UTC).date()
    verdict = gate(made.call(today=today), Silent()).exit_code
    assert replayed(made, "kept") == replayed(made, "hashed") == verdict
    other = telling(make_repository(tmp_path / "kept"))
    gate(other.call(today=today), Silent())
    assert replayed(other, "kept") == verdict
    capsys.readouterr()
    assert replayed(other, "hashed") == 2
    said = capsys.readouterr().err
    assert "the policy says `samples: hashed`" in said
    assert told(said.encode()) == []
    shutil.rmtree(other.run.outputs)
    assert replayed(other, "hashed") == 2
    assert "holds the text 'prompt', and the policy says `samples: hashed`" in capsys.readouterr().err


GOOD = hashed(PROMPT)


@pytest.mark.parametrize(
    ("sample", "held"),
    [
        ({"detail": {"prompt": PROMPT}}, "the text 'prompt'"),
        ({"detail": {"prompt": GOOD, "answer": GOOD + " "}}, "the text 'answer'"),
        ({"detail": {"prompt": GOOD.upper()}}, "the text 'prompt'"),
        ({"detail": {"prompt": ""}}, "the text 'prompt'"),
        ({"detail": {"prompt": GOOD}, "outputs": {"said": "0" * 64 + ".txt"}}, "the output 'said'"),
        ({"error": f"ValueError: {PROMPT}"}, "a text as the reason of a failure"),
        ({"error": f"ValueError at {PROMPT}.py:3; what it says is not kept"}, "a text as the reason of a failure"),
        ({"error": "the harness yielded nothing for it\n" + PROMPT}, "a text as the reason of a failure"),
    ],
)
@pytest.mark.parametrize("among", [0, 24])
def test_evidence_that_holds_a_text_is_not_trusted(made: Tiny, sample: dict[str, Any], held: str, among: int) -> None:
    telling(made, hashed=True)
    plan = made.opened()
    m = next(m for m in plan.measurements if m.eval == "drawing" and m.checkpoint == "source")
    labels = [cell.labels for cell in m.cells for _ in range(cell.n)]

    def stored(item: int, changes: dict[str, Any]) -> Measured | Failed:
        if "error" in changes:
            return Failed(item=item, labels=labels[item], metrics=("legible",), **changes)
        return Measured(item=item, labels=labels[item], values={"legible": 1.0}, **changes)

    samples = [
        stored(item, sample if item == among else {"detail": {"prompt": GOOD, "answer": GOOD}}) for item in range(25)
    ]
    identity = plan.identity(m)
    made.run.evidence.start_shard(plan, identity, 0)
    made.run.evidence.finish_shard(identity, 0, plan.source, samples)
    with pytest.raises(EvidenceUntrusted) as refused:
        made.run.evidence.read(plan)
    assert refused.value.problems[0].what == f"item {among} holds {held}, and the policy says `samples: hashed`"
    with pytest.raises(EvidenceUntrusted):
        list(made.run.evidence.samples(plan, m))


def test_explain_names_sensitive_texts_by_their_digests(
    made: Tiny, quick_report: None, capsys: pytest.CaptureFixture[str]
) -> None:
    telling(made, sensitive=True)
    gate(made.call(), Silent())
    capsys.readouterr()
    run(["explain", str(made.run.root), "drawing", "--format", "json"])
    shown = json.loads(capsys.readouterr().out)["requirements"][0]["samples"]
    assert shown
    assert all(is_hashed(text) for sample in shown for text in sample["detail"].values())
