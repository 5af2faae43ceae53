"""Options that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


def _anchor(value: str) -> object:
    from releasegate.ledger import parse_anchor

    return parse_anchor(value, "--ledger-head")


def _outputs(texts: tuple[str, ...]) -> object:
    if not texts:
        return ()
    from releasegate.reporting.formats import parse_outputs

    return parse_outputs(texts)


class _Place(click.Path):
    """A path. The empty text, which an unset variable of a shell leaves, would stand for the folder one stands in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("is empty: name a file or folder (is a variable of the shell unset?)", param, ctx)
        return super().convert(value, param, ctx)


FILE = _Place(path_type=Path)

model = click.option("--model", type=FILE, required=True, metavar="CHECKPOINT", help="Folder of the source checkpoint.")
checked_model = click.option(
    "--model", type=FILE, metavar="CHECKPOINT", help="Whether the policies' subjects can read this checkpoint here."
)
device = click.option("--device", default="cpu", show_default=True, help="Where the model runs: cpu, cuda, cuda:N.")
dtype = click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16", "float64"]),
    default="float32",
    show_default=True,
    help="Of the weights in memory; part of every measurement.",
)
format_ = click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Of what goes to standard output.",
)
KINDS = ("html", "md", "json", "decision", "csv", "case", "junit", "sarif", "gitlab", "github")
"""What a decided run can be written as: the names of `releasegate.reporting.formats.KINDS`, which no help waits for."""
report_format = click.option(
    "--format",
    "format_",
    type=click.Choice(["text", *KINDS]),
    default="text",
    show_default=True,
    help="Of what goes to standard output: a summary, or any kind of --output.",
)
check_format = click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "junit", "sarif", "gitlab", "github"]),
    default="text",
    show_default=True,
    help="Of what goes to standard output.",
)
for_power = click.option(
    "--for-power",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="CHANCE",
    help="Generate as many items as a model half-way between every limit and the ideal needs to pass with this chance.",
)
quiet = click.option("--quiet", "-q", is_flag=True, help="No progress on standard error.")
repository = click.option(
    "--repo",
    type=FILE,
    default=Path(),
    show_default="the folder you stand in",
    help="A folder of the gate repository.",
)
judge_from = click.option(
    "--judge-from",
    metavar="GITREF",
    help="Take policies, evals, recipes, waivers and templates from this commit, not from the working tree.",
)
ledger = click.option(
    "--ledger",
    type=FILE,
    metavar="FILE",
    help="Where attempts are counted; default: policies/ledger/<family>.jsonl of the gate repository.",
)
ledger_head = click.option(
    "--ledger-head",
    metavar="COUNT:HASH",
    callback=lambda ctx, param, value: value and _anchor(value),
    help="A place in the ledger that somebody else remembers; a rolled back or forked ledger is refused.",
)
anchor = click.option(
    "--anchor", "anchor_run", type=FILE, metavar="RUN", help="Take that place from the decision of an earlier run."
)
artefact = click.option(
    "--artefact",
    "artefacts",
    multiple=True,
    metavar="NAME",
    help="Exit with the verdict on this artefact; may be given several times. Default: the worst of all.",
)
outputs = click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="KIND=PATH",
    callback=lambda ctx, param, value: _outputs(value),
    help=f"Also write the report as KIND ({', '.join(KINDS)}) to PATH; may be given several times.",
)
run = click.argument("run", type=FILE)
