"""Directives that describe what ships from the very things that are used: commands, eval cards and policies."""

from __future__ import annotations

from inspect import cleandoc
from pathlib import Path
from textwrap import dedent

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from releasegate.cli import COMMANDS, cli
from releasegate.evalcard import EvalCard
from releasegate.policy import Policy, Requirement
from releasegate.repository import GateRepository

TOP = Path(__file__).parents[2]


class Commands(SphinxDirective):
    """`{commands}`: every command with its help, its usage and its options."""

    def run(self) -> list[nodes.Node]:
        top = click.Context(cli, info_name="releasegate")
        found = [(name, cli.get_command(top, name)) for name in COMMANDS]
        text = "\n\n".join(helped(command, name, top) for name, command in found if command is not None)
        return self.parse_text_to_nodes(text, allow_section_headings=True)


class EvalCards(SphinxDirective):
    """`{eval-cards}`: every eval of the repository, with its metrics, items and instruments."""

    def run(self) -> list[nodes.Node]:
        cards = GateRepository(TOP).cards()
        return self.parse_text_to_nodes(
            "\n\n".join(described(cards[name]) for name in sorted(cards)), allow_section_headings=True
        )


class Policies(SphinxDirective):
    """`{policies}`: every policy of the repository, with what each capability must show."""

    def run(self) -> list[nodes.Node]:
        repository = GateRepository(TOP)
        policies = [repository.read_policy(path).record for path in repository.policies()]
        return self.parse_text_to_nodes(
            "\n\n".join(demanded(policy) for policy in policies), allow_section_headings=True
        )


def helped(command: click.Command, name: str, above: click.Context) -> str:
    """A command and those below it in Markdown."""
    ctx = click.Context(command, info_name=name, parent=above)
    said, _, example = cleandoc(command.help or "").replace("\b\n", "").partition("Example:\n")
    parts = [f"## {ctx.command_path}", said.strip(), f"```text\n{command.get_usage(ctx)}\n```"]
    options = [row for p in command.get_params(ctx) if (row := p.get_help_record(ctx)) is not None]
    rows = [
        f"| `{names.replace(chr(124), chr(92) + chr(124))}` | {one_line(text)} |" for names, text in options if text
    ]
    parts.append("\n".join(["| option | meaning |", "|---|---|", *rows]))
    if example:
        parts.append(f"```sh\n{dedent(example).rstrip()}\n```")
    if isinstance(command, click.Group):
        inner = [(one, command.get_command(ctx, one)) for one in command.list_commands(ctx)]
        parts += [helped(one, below, ctx) for below, one in inner if one is not None]
    return "\n\n".join(parts)


def described(card: EvalCard) -> str:
    """An eval in Markdown."""
    rows = [
        f"| `{card.id}/{name}` | {metric.type} | {one_line(metric.unit)} | {metric.better} is better |"
        for name, metric in card.metrics.items()
    ]
    table = ["| metric | type | unit | direction |", "|---|---|---|---|", *rows]
    kind = card.items.kind.replace("_", " ")
    facts = [f"**Items**: {card.items.n} ({kind}). **Needs**: {', '.join(f'`{name}`' for name in card.needs)}."]
    if card.instruments:
        facts.append(f"**Instruments**: {', '.join(f'`{name}`' for name in card.instruments)}.")
    return "\n\n".join(
        [f"## `{card.id}`", f"*{one_line(card.title)}*", one_line(card.description), *facts, "\n".join(table)]
    )


def demanded(policy: Policy) -> str:
    """A policy in Markdown."""
    goes = ", ".join(f"{name} through `{channel}`" for name, channel in policy.release.channels.items())
    parts = [f"## `{policy.id}`", one_line(policy.title), f"Would go out: {goes}."]
    for capability in policy.capabilities:
        what = "released whatever is measured" if capability.unconditional else f"otherwise `{capability.otherwise}`"
        parts.append(f"**{one_line(capability.title)}** (`{capability.id}`; {what}). {one_line(capability.rationale)}")
        parts.append("\n".join(f"- {section}: {stated(r)}" for section, _, r in capability.sections()))
    return "\n\n".join(part for part in parts if part)


def stated(requirement: Requirement) -> str:
    """A requirement in words."""
    side, limit = requirement.stated
    return f"`{requirement.id}`: `{requirement.metric}` {side.replace('_', ' ')} {limit:g}"


def one_line(text: str) -> str:
    """`text` without line breaks, and without a sign that Markdown would take for its own."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("commands", Commands)
    app.add_directive("eval-cards", EvalCards)
    app.add_directive("policies", Policies)
    return {"parallel_read_safe": True}
