"""The documentation names everything that there is, its links and commands work, and its examples are valid.

Conventions: a ```yaml block that begins with `schema: releasegate/…` (after comments) is a whole document; a ```sh block
holds commands that work; a block of the adding-… pages that begins with a comment `# <path>` is that file.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import click
import pytest

from releasegate.cli import COMMANDS, cli
from releasegate.documents import parse_document
from releasegate.evalcard import parse_card
from releasegate.policy import parse_policy
from releasegate.recipe import Recipe
from releasegate.repository import GateRepository

TOP = Path(__file__).parents[1]
PAGES = sorted([*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md")])
CHECKLISTS = ("adding-an-eval", "adding-a-subject", "adding-a-recipe")
PARSERS: Mapping[str, Callable[[str, str], object]] = {
    "policy": parse_policy,
    "eval": parse_card,
    "recipe": lambda text, source: parse_document(Recipe, text, source),
}


def name_of(page: Path) -> str:
    return page.relative_to(TOP).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    """Each shell line of a page, continued lines joined."""
    text = "".join(blocks(page, "sh")).replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip()]


def calls(page: Path) -> list[list[str]]:
    """The arguments of each call of releasegate on a page."""
    return [shlex.split(line)[1:] for line in commands(page) if line.startswith("releasegate ")]


def sections(page: Path) -> dict[str, str]:
    """The text below each heading of the second level."""
    parts = re.split(r"^## (.+)$", page.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def command_of(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented_under_its_heading(name: str) -> None:
    section = sections(TOP / "docs" / "cli.md")[name]
    long = [o for p in command_of(name).params if isinstance(p, click.Option) for o in p.opts if o.startswith("--")]
    assert [o for o in long if f"{o}`" not in section and f"{o} " not in section] == []
    assert f"releasegate {name}" in section


def test_every_policy_eval_recipe_and_subject_is_named_in_the_docs() -> None:
    repository = GateRepository.around(TOP)
    ids = {path.stem for path in repository.policies()} | set(repository.eval_ids())
    ids |= set(repository.recipes()) | set(repository.subjects())
    docs = "".join(page.read_text() for page in PAGES)
    assert {i for i in ids if f"`{i}`" not in docs} == set()


def test_every_page_of_docs_is_listed_in_the_index() -> None:
    index = (TOP / "docs" / "README.md").read_text()
    pages = [p.relative_to(TOP / "docs").as_posix() for p in PAGES if p.is_relative_to(TOP / "docs")]
    assert [page for page in pages if page != "README.md" and f"({page})" not in index] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for link in re.findall(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)", page.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE) if anchor else []
        assert not anchor or anchor in map(slug, headings), link


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_policies_cards_and_recipes_on_a_page_parse(page: Path) -> None:
    for block in blocks(page, "yaml"):
        kind = re.match(r"(?:#.*\n)*schema: releasegate/(\w+)/", block)
        assert kind, f"a yaml block is no document: {block[:60]}"
        PARSERS[kind[1]](block, name_of(page))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_calls_of_releasegate_on_a_page_are_understood(page: Path) -> None:
    for name, *arguments in calls(page):
        command_of(name).make_context(name, arguments)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_on_a_page_exist(page: Path) -> None:
    targets = set(re.findall(r"^(\w+):", (TOP / "Makefile").read_text(), re.MULTILINE))
    text = page.read_text()
    named = {line.split()[1] for line in commands(page) if line.startswith("make ")}
    named |= set(re.findall(r"`(?:\w+=\S+ )?make (\w+)`", text))
    assert named <= targets


@pytest.mark.slow
def test_the_checklists_lead_to_the_verdicts_that_they_promise(tmp_path: Path) -> None:
    """Follows the three pages to the letter: writes each file, runs each command."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    folder, codes = tmp_path, {}
    for name in CHECKLISTS:
        page = TOP / "docs" / f"{name}.md"
        for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
            file = re.match(r"# (\S+/\S+)\n", block)
            if language in ("yaml", "python") and file:
                (folder / file[1]).parent.mkdir(parents=True, exist_ok=True)
                (folder / file[1]).write_text(block)
            for command in re.findall(r".+<<'END'\n(?s:.*?)^END$|.+", block, re.MULTILINE) if language == "sh" else []:
                if command.startswith("cd "):
                    folder = folder / command.removeprefix("cd ")
                    continue
                done = subprocess.run(
                    ["bash", "-c", command], cwd=folder, env={**os.environ, "PATH": path}, check=False
                )
                codes[command] = done.returncode
    refused = {command: code for command, code in codes.items() if code}
    gate = "releasegate gate policies/toy.yaml --model model --out runs/"
    assert refused == {
        f"{gate}first": 1,
        f"{gate}broken": 3,
        f"{gate}second": 1,
        "releasegate strip model --recipe toy-hf/insults --out public2": 2,
    }
    assert codes[f"{gate}third"] == 0
