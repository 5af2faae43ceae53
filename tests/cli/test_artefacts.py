"""What the commands say and return where a policy lists several artefacts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from releasegate.__main__ import run
from tests.tiny_repository import Tiny, make_repository

LISTED = "release: {artefacts: {weights: open_weights, paper: open_weights, demo: api}}"


def gated(made: Tiny, *more: str) -> int:
    return run(
        ["gate", str(made.policy), "--model", str(made.checkpoint), "--out", str(made.run.root), "--quiet", *more]
    )


def repository(root: Path) -> Tiny:
    """Drawing keeps the weights in; what is served is guarded; the paper carries nothing."""
    made = make_repository(root)
    made.change(made.policy, "release: {channel: open_weights}", LISTED)
    made.change(
        made.policy,
        "    otherwise: strip\n",
        "    safeguards:\n      served:\n"
        "        - {id: served, metric: naming/right, at_least: 0.8, enforced_by: server}\n"
        "    otherwise: withhold\n",
    )
    return made


@pytest.fixture(scope="module")
def voiced(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A run that others only look at: the weights stay in, the paper and the demo go out."""
    made = repository(tmp_path_factory.mktemp("artefacts") / "repo")
    assert gated(made) == 1
    return made


def test_the_summary_has_a_line_for_each_artefact(voiced: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["decide", str(voiced.run.root)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("withhold · tiny\n")
    lines = [line.split() for line in out.splitlines()]
    assert ["weights", "withhold", "open_weights", "none", "drawing"] in lines
    assert ["paper", "release", "open_weights", "open_weights", "–"] in lines
    assert ["demo", "release", "api", "api", "–"] in lines
    assert "channel none" not in out


def test_where_there_is_one_artefact_no_line_is_added(ran: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    run(["decide", str(ran.run.root)])
    out = capsys.readouterr().out
    assert "artefact" not in out
    assert "channel " in out


@pytest.mark.parametrize(
    ("asked", "code"),
    [((), 1), (("paper",), 0), (("demo", "paper"), 0), (("weights",), 1), (("paper", "weights"), 1)],
)
def test_the_exit_code_is_that_of_the_artefacts_asked_for(voiced: Tiny, asked: tuple[str, ...], code: int) -> None:
    options = [part for name in asked for part in ("--artefact", name)]
    stored = voiced.run.decision_path.read_bytes()
    assert run(["decide", str(voiced.run.root), *options]) == code
    assert voiced.run.decision_path.read_bytes() == stored
    assert gated(voiced, *options) == code
    assert voiced.run.decision_path.read_bytes() == stored


def test_a_replay_answers_for_the_artefacts_of_its_own_policy(
    voiced: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "repo"
    copy = repository(other)
    copy.change(copy.policy, LISTED, "release: {artefacts: {weights: open_weights, code: api}, max_age_days: 3650}")
    replay = ["decide", str(voiced.run.root), "--policy", str(copy.policy)]
    assert run([*replay, "--artefact", "code"]) == 0
    assert run([*replay, "--artefact", "paper"]) == 2
    assert capsys.readouterr().err == (
        "--artefact: policy tiny lists no artefact 'paper'\n  fix: use one of weights, code\n"
    )


def test_an_artefact_that_is_not_listed_is_refused_before_anything_is_spent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = repository(tmp_path / "repo")
    assert gated(made, "--artefact", "wieghts") == 2
    assert capsys.readouterr().err == (
        "--artefact: policy tiny lists no artefact 'wieghts'\n  fix: did you mean `weights`?\n"
    )
    assert not made.run.root.exists()


def test_an_artefact_that_is_not_listed_leaves_the_stored_decision_alone(
    ran: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = ran.run.decision_path.read_bytes()
    assert run(["decide", str(ran.run.root), "--artefact", "paper"]) == 2
    assert capsys.readouterr().err == "--artefact: policy tiny lists no artefact 'paper'\n  fix: use one of weights\n"
    assert ran.run.decision_path.read_bytes() == stored


def test_an_explanation_names_each_artefact_and_each_channel(voiced: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", str(voiced.run.root), "drawing", "--samples", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    wanted = [
        "  weights at open_weights: withhold",
        "  demo at api: release by safeguards/served",
        "  route misuse is not met: needs weak, drawing.works.naming.right",
        "  route safeguards/served is not met at open_weights: needs served",
        "  route safeguards/served is met at api: needs served",
        "served on the source checkpoint at open_weights: does not count",
        "served on the source checkpoint at api: met",
    ]
    assert [line for line in lines if line in wanted] == wanted


def test_a_difference_names_the_artefacts_that_changed(
    voiced: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = json.loads(voiced.run.decision_path.read_text())
    data["artefacts"][1] |= {"verdict": "incomplete", "granted": "none"}
    other = tmp_path / "other.json"
    other.write_text(json.dumps(data))
    assert run(["diff", str(voiced.run.root), str(other)]) == 0
    assert capsys.readouterr().out == "paper: release through open_weights -> incomplete\n"


def test_the_report_shows_each_artefact_on_its_first_screen(voiced: Tiny) -> None:
    page = voiced.run.report_path.read_text()
    first = page[page.index('<header class="first') : page.index("What becomes of each capability")]
    for name, channel, sentence in (
        ("Weights", "open weights", "The weights may not be published, because of drawing."),
        ("Paper", "open weights", "The paper may be published: nothing that is judged goes out with it."),
        ("Demo", "API only", "The demo may be published unchanged."),
    ):
        assert f"<b>{name}</b>, asked for {channel}. {sentence}</p>" in first
    assert "nothing is published" not in first
    anchors = [part.split('"')[0] for part in page.split(' id="')[1:]]
    assert len(anchors) == len(set(anchors))
    assert {"finding-source-served~open_weights", "finding-source-served~api"} <= set(anchors)


def test_a_report_about_one_artefact_has_no_list_of_them(ran: Tiny) -> None:
    page = ran.run.report_path.read_text()
    assert "What becomes of each artefact" not in page
    assert "<dt>channel</dt>" in page
