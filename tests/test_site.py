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


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site, made as `make docs` makes it: a warning, such as a link that leads nowhere, is an error."""
    out = tmp_path_factory.mktemp("site")
    call = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs", "-b", "html", ".", str(out)]
    done = subprocess.run(call, cwd=TOP, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return out / "docs"


def text_of(page: Path) -> str:
    body = re.sub(r"(?s)<(script|style|nav|aside).*?</\1>", "", page.read_text())
    return html.unescape(re.sub(r"<[^>]+>", "", body))


def test_every_command_and_every_option_stands_in_the_reference(site: Path) -> None:
    said = text_of(site / "commands.html")
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
    said = text_of(site / "evals.html")
    for card in GateRepository(TOP).cards().values():
        assert " ".join(card.title.split())[:30] in said
        assert [name for name in card.metrics if f"{card.id}/{name}" not in said] == []


def test_every_requirement_of_every_policy_stands_in_the_reference(site: Path) -> None:
    said = text_of(site / "policies.html")
    repository = GateRepository(TOP)
    for path in repository.policies():
        policy = repository.read_policy(path).record
        assert policy.id in said
        assert [r.id for r in policy.requirements if r.id not in said] == []
