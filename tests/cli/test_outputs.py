"""`--output KIND=PATH` on gate, decide and report: refused before anything runs, or written whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from releasegate.__main__ import run
from releasegate.cli import cli
from releasegate.reporting.formats import KINDS
from releasegate.repository import RunFolder
from tests.tiny_repository import Tiny, make_repository


@pytest.fixture
def made(ran: Tiny, tmp_path: Path) -> Tiny:
    """A copy of a repository with a run."""
    copy = Tiny(tmp_path / "repo")
    shutil.copytree(ran.root, copy.root)
    return copy


def outputs(*texts: str) -> list[str]:
    return [part for text in texts for part in ("--output", text)]


def call(made: Tiny, command: str, *texts: str) -> int:
    first = made.gate() if command == "gate" else [command, str(made.run.root), "--repo", str(made.root)]
    return run([*first, *outputs(*texts)])


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def bad_places(made: Tiny, elsewhere: Path) -> Iterator[tuple[tuple[str, ...], str]]:
    """Outputs that are refused, and the beginning of why."""
    root = made.run.root
    (elsewhere / "link.md").symlink_to(elsewhere / "real.md")
    yield ("mdd=x.md",), "no kind of report is called 'mdd'"
    yield ("x.md",), "no kind of report is called 'x.md'"
    yield ("md",), "names a kind and no file"
    yield ("md=",), "names no file"
    yield (
        (f"md={elsewhere}/a.md", f"json={elsewhere}/../{elsewhere.name}/a.md"),
        "is asked for twice, as md and as json",
    )
    yield (f"md={elsewhere}",), "is a folder, where a file is wanted"
    yield (f"md={elsewhere}/nowhere/a.md",), f"{elsewhere}/nowhere is not a folder"
    yield (f"md={elsewhere}/link.md",), "is no plain file"
    yield (f"md={elsewhere}/{'n' * 230}",), "has a name of more than 200 bytes"
    yield (f"md={made.root}/policies/a.md",), f"lies in {made.root}/policies"
    yield (f"md={made.root}/evals/drawing/a.md",), f"lies in {made.root}/evals"
    yield (f"md={made.checkpoint}/a.md",), "lies in "
    for name in ("stripped", "evidence", "outputs"):
        yield (f"md={root}/{name}/a.md",), f"lies in {root}/{name}"
    for name in ("plan.json", "decision.json", "report.html", "run.log"):
        yield (f"html={root}/{name}",), "is a file that releasegate reads or writes itself"


@pytest.mark.parametrize("command", ["decide", "report"])
def test_a_place_that_cannot_be_written_is_refused_and_nothing_is(
    made: Tiny, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    cases, before = list(bad_places(made, elsewhere)), files(tmp_path)
    for texts, why in cases:
        assert call(made, command, f"json={elsewhere}/good.json", *texts) == 2, texts
        said = capsys.readouterr().err
        assert why in said, (texts, said)
        assert "fix: " in said
        assert files(tmp_path) == before, texts


def test_the_gate_refuses_a_place_before_an_attempt_is_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, elsewhere = make_repository(tmp_path / "repo"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    cases, before = list(bad_places(made, elsewhere)), files(tmp_path)
    for texts, why in cases:
        assert call(made, "gate", *texts) == 2, texts
        assert why in capsys.readouterr().err
        assert files(tmp_path) == before, texts
    assert not made.run.root.exists()


def test_the_gate_writes_outputs_into_its_new_run_folder_and_elsewhere(tmp_path: Path) -> None:
    made = make_repository(tmp_path / "repo")
    assert call(made, "gate", f"md={made.run.root}/comment.md", f"json={tmp_path}/report.json") == 0
    assert (made.run.root / "comment.md").read_text().startswith("## Release the stripped checkpoint: ")
    assert json.loads((tmp_path / "report.json").read_text())["decision"] == made.run.read_decision().digest()
    assert call(made, "decide", f"md={tmp_path}/again.md") == 0
    assert (tmp_path / "again.md").read_bytes() == (made.run.root / "comment.md").read_bytes()


def test_every_kind_is_written_whatever_the_verdict_is(made: Tiny, tmp_path: Path) -> None:
    places = {kind: tmp_path / f"out.{kind}" for kind in KINDS}
    replayed = made.root / "policies" / "other.yaml"
    strict = made.policy.read_text().replace("id: tiny", "id: other").replace("margin: 0.20", "margin: 0.01")
    replayed.write_text(strict.replace("{channel: open_weights}", "{channel: open_weights, max_age_days: 3650}"))
    asked = outputs(*(f"{kind}={place}" for kind, place in places.items()))
    assert run(["decide", str(made.run.root), "--policy", str(replayed), *asked]) == 1
    assert json.loads(places["json"].read_text())["replay"] is True
    assert "> Replay: " in places["md"].read_text()
    assert all(place.stat().st_size for place in places.values())
    assert made.run.read_decision().verdict == "release_stripped"


def test_a_template_that_does_not_render_leaves_no_output(made: Tiny, tmp_path: Path) -> None:
    (made.root / "reports").mkdir(exist_ok=True)
    (made.root / "reports" / "report.html").write_text("{{ nothing.here }}")
    made.run.report_path.unlink()
    assert call(made, "report", f"md={tmp_path}/a.md", f"html={tmp_path}/a.html") == 2
    assert not (tmp_path / "a.md").exists()
    assert not RunFolder(made.run.root).report_path.exists()


def test_outputs_are_of_one_run(made: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    shutil.copytree(made.run.root, other)
    assert run(["report", str(made.run.root), str(other), "--output", f"md={tmp_path}/a.md"]) == 2
    assert "is for one run" in capsys.readouterr().err
    assert not (tmp_path / "a.md").exists()


@pytest.mark.parametrize("name", ["gate", "decide", "report"])
def test_help_names_every_kind(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    [option] = [p for p in command.params if isinstance(p, click.Option) and "--output" in p.opts]
    assert option.help is not None
    assert f"({', '.join(KINDS)})" in option.help
