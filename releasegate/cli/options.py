"""Options that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path

import click

FILE = click.Path(path_type=Path)

model = click.option("--model", type=FILE, required=True, metavar="CHECKPOINT", help="Folder of the source checkpoint.")
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
quiet = click.option("--quiet", "-q", is_flag=True, help="No progress on standard error.")
repository = click.option(
    "--repo",
    type=FILE,
    default=Path(),
    show_default="the folder you stand in",
    help="A folder of the gate repository.",
)
run = click.argument("run", type=FILE)
