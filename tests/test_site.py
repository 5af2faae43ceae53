"""The site's reference is made from what there is: every command with its options, every eval with its metrics, every policy."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from releasegate.cli import COMMANDS, cli
from releasegate.repository import GateRepository

TOP = Path(__file__).parents[1]


def built(builder: str, out: Path) -> Path:
    """The pages, in one of Sphinx' forms; a warning, such as a link that leads nowhere, is an error."""
    call = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs", "-b", builder, ".", str(out)]
    done = subprocess.run(call, cwd=TOP, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return out / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every page as XML, which takes half the time of HTML."""
    return built("xml", tmp_path_factory.mktemp("site"))


def text_of(page: Path) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", page.read_text())).split())


@pytest.mark.slow
def test_the_site_is_made_and_names_every_command(tmp_path: Path) -> None:
    pages = built("html", tmp_path)
    assert (tmp_path / "index.html").is_file()
    assert [name for name in COMMANDS if f"releasegate {name}" not in (pages / "commands.html").read_text()] == []


def test_every_command_and_every_option_stands_in_the_reference(site: Path) -> None:
    said = text_of(site / "commands.xml")
    top = click.Context(cli, info_name="releasegate")
    for name in COMMANDS:
        command = cli.get_command(top, name)
        assert command is not None
        assert f"releasegate {name}" in said
        for option in (p for p in command.params if isinstance(p, click.Option)):
            assert option.opts[0] in said, f"{name} {option.opts[0]}"
            assert option.help is None or " ".join(option.help.replace("`", "").split())[:40] in said, (
                f"{name} {option.opts[0]}"
            )


def test_every_metric_of_every_eval_stands_in_the_reference(site: Path) -> None:
    said = text_of(site / "evals.xml")
    for card in GateRepository(TOP).cards().values():
        assert " ".join(card.title.split())[:30] in said
        assert [name for name in card.metrics if f"{card.id}/{name}" not in said] == []


def test_every_requirement_of_every_policy_stands_in_the_reference(site: Path) -> None:
    said = text_of(site / "policies.xml")
    repository = GateRepository(TOP)
    for path in repository.policies():
        policy = repository.read_policy(path).record
        assert policy.id in said
        assert [r.id for r in policy.requirements if r.id not in said] == []
