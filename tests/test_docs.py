"""The documentation names everything that there is, its links and commands work, and its examples are valid.

Conventions: a ```yaml or ```yml block begins with `schema: releasegate/…` (after comments) and is a whole document; a ```sh block
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

from releasegate.approval import Approval
from releasegate.attacks.record import AttackRecord
from releasegate.attacks.suite import Suite, parse_suite
from releasegate.attestation import ReleaseAttestation
from releasegate.cardcheck import parse_card
from releasegate.cli import COMMANDS, cli
from releasegate.decision import Decision
from releasegate.documents import parse_document
from releasegate.evalcard import EvalCard
from releasegate.evidence import Done, Failed, Measured, Started
from releasegate.inspection import Inspection
from releasegate.ledger import Closed, Extended, NonceDrawn, Opened, Scheduled, Used
from releasegate.ledger.lines import Init, Link
from releasegate.lock import Lock
from releasegate.plan import Plan
from releasegate.policy import Policy, parse_policy
from releasegate.policytest import PolicyTest, StatedCell, parse_policy_test
from releasegate.receipt import Receipt
from releasegate.recipe import Recipe
from releasegate.records import Record
from releasegate.reporting.case import AssuranceCase
from releasegate.reporting.formats.report import Report
from releasegate.repository import GateRepository
from releasegate.revocation import RevocationList
from releasegate.trust import Trust
from releasegate.waiver import Waiver

TOP = Path(__file__).parents[1]
PAGES = sorted([*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md")])
CHECKLISTS = ("adding-an-eval", "adding-a-subject", "adding-a-recipe")
PARSERS: Mapping[str, Callable[[str, str], object]] = {
    "policy": parse_policy,
    "eval": parse_card,
    "recipe": lambda text, source: parse_document(Recipe, text, source),
    "policytest": parse_policy_test,
    "suite": parse_suite,
}
STORED: Mapping[str, tuple[type[Record], ...]] = {
    "waivers.md#keys": (Trust,),
    "attestation.md#the-predicate": (ReleaseAttestation,),
    "waivers.md#format": (Waiver,),
    "approvals.md#format": (Approval,),
    "revocations.md#format": (RevocationList,),
    "formats.md#policy": (Policy,),
    "formats.md#eval-card": (EvalCard,),
    "formats.md#suite": (Suite,),
    "formats.md#attacked-sounds": (AttackRecord,),
    "formats.md#recipe": (Recipe,),
    "formats.md#lock": (Lock,),
    "formats.md#plan": (Plan,),
    "formats.md#evidence": (Started, Done, Measured, Failed),
    "formats.md#decision": (Decision,),
    "formats.md#assurance-case": (AssuranceCase,),
    "formats.md#report": (Report,),
    "formats.md#receipt": (Receipt,),
    "inspecting.md#format": (Inspection,),
    "ledger.md#format": (Init, Scheduled, Opened, Extended, NonceDrawn, Used, Closed, Link),
    "policy-tests.md#a-cell": (StatedCell,),
    "policy-tests.md#a-test": (PolicyTest,),
}
"""Where the fields of each stored record are described; of one that stands in several, the first place counts."""


def name_of(page: Path) -> str:
    return page.relative_to(TOP).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    """Each shell line of a page, continued lines joined."""
    text = "".join(blocks(page, "sh")).replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip()]


def calls(page: Path) -> list[list[str]]:
    """The arguments of each call of releasegate on a page, its variables filled in."""
    lines = [line.replace("$LEDGER_ANCHOR", f"1:{'0' * 64}") for line in commands(page)]
    return [shlex.split(line.partition(" || ")[0])[1:] for line in lines if line.startswith("releasegate ")]


def sections(page: Path) -> dict[str, str]:
    """The text below each heading of the second level."""
    parts = re.split(r"^## (.+)$", page.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def section_at(place: str) -> str:
    """The text below the heading that `page#anchor` names."""
    page, _, anchor = place.partition("#")
    return next(text for heading, text in sections(TOP / "docs" / page).items() if slug(heading) == anchor)


def words_in_code(text: str) -> set[str]:
    """Every name that stands in a code span or a fenced block."""
    fenced = re.findall(r"^```.*?^```$", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
    return set(re.findall(r"[a-z][a-z0-9_]*", " ".join(fenced + spans)))


def fields_of(record: type[Record]) -> dict[str, set[str]]:
    """The fields of a record and of every record inside it, by the name of the record."""
    schema = record.model_json_schema(by_alias=True)
    parts = {record.__name__: schema, **schema.get("$defs", {})}
    return {name: set(part.get("properties", {})) for name, part in parts.items()}


def command_of(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


def in_full(command: click.Command) -> list[click.Command]:
    """A command and those below it."""
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    return [command, *inner]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented_under_its_heading(name: str) -> None:
    section = sections(TOP / "docs" / "cli.md")[name]
    params = [p for command in in_full(command_of(name)) for p in command.params]
    long = [o for p in params if isinstance(p, click.Option) for o in p.opts if o.startswith("--")]
    assert [o for o in long if f"{o}`" not in section and f"{o} " not in section] == []
    assert f"releasegate {name}" in section
    below = [command.name for command in in_full(command_of(name))[1:]]
    assert [inner for inner in below if f"releasegate {name} {inner}" not in section] == []


def test_every_field_of_every_stored_record_is_described() -> None:
    described: dict[str, tuple[str, set[str]]] = {}
    for place, records in STORED.items():
        for record in records:
            for name, fields in fields_of(record).items():
                described.setdefault(name, (place, fields - {"schema"}))
    missing = {
        f"{name} in {place}": fields - words_in_code(section_at(place)) for name, (place, fields) in described.items()
    }
    assert {where: fields for where, fields in missing.items() if fields} == {}


def test_every_policy_eval_recipe_and_subject_is_named_in_the_docs() -> None:
    repository = GateRepository.around(TOP)
    ids = {path.stem for path in repository.policies()} | set(repository.eval_ids())
    ids |= set(repository.recipe_files.paths()) | set(repository.subjects())
    docs = "".join(page.read_text() for page in PAGES)
    assert {i for i in ids if f"`{i}`" not in docs} == set()


def test_every_part_of_a_report_is_listed_beside_it() -> None:
    listed = (TOP / "reports" / "README.md").read_text()
    parts = {re.sub("^figure_.*", "figure_….html", path.name) for path in (TOP / "reports").iterdir() if path.is_file()}
    assert sorted(part for part in parts if f"`{part}`" not in listed) == ["README.md"]


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
    for block in blocks(page, "ya?ml"):
        kind = re.match(r"(?:#.*\n)*schema: releasegate/(\w+)/", block)
        assert kind, f"a yaml block is no document: {block[:60]}"
        PARSERS[kind[1]](block, name_of(page))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_calls_of_releasegate_on_a_page_are_understood(page: Path) -> None:
    for name, *arguments in calls(page):
        command = command_of(name)
        context = command.make_context(name, arguments)
        if isinstance(command, click.Group):
            inner, *rest = arguments
            command.commands[inner].make_context(inner, rest, parent=context)


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
        f"{gate}rehearsal --rehearse": 1,
        f"{gate}first": 1,
        f"{gate}broken": 3,
        f"{gate}second": 1,
        "releasegate strip model --recipe toy-hf/insults --out public2": 2,
    }
    assert codes[f"{gate}third"] == 0
