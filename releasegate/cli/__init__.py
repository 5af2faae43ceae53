"""The command line. Importing this imports click alone; each command's module loads when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import click

COMMANDS: Mapping[str, str] = {
    "gate": "Decide whether a model may be published: every step, from policy to report.",
    "check": "Check policies against their evals and recipes.",
    "test": "Run policy tests: evidence in, verdict expected.",
    "plan": "Show what would be measured; with --open, open an attempt.",
    "eval": "Measure what the plan of a run lists and is missing.",
    "decide": "Decide on the evidence of a run.",
    "explain": "Walk from a verdict to the samples that decide it.",
    "diff": "Compare two runs, or two policies.",
    "report": "Render the HTML report of a run.",
    "inspect": "Say what a checkpoint holds, without loading it.",
    "strip": "Take capabilities out of a checkpoint, with a receipt.",
    "verify": "Check a release against its attestations, or a strip against its receipt.",
    "attest": "Sign for every file of a release, and for what was decided on it.",
    "export": "Write the folder that goes public; with --push, upload it.",
    "lock": "Pin what judges: policies, evals, recipes, templates.",
    "ledger": "Start, show or verify the record of attempts.",
    "keygen": "Make a key to sign with: waivers, approvals, revocations, attestations.",
    "waive": "Sign an exception for one finding of a run.",
    "approve": "Approve what a run decided, in a role that its policy asks for.",
    "revoke": "Revoke releases, models, attestations or keys: issue a signed list.",
    "attack": "Put sound files through attacks on watermarks.",
    "list": "List policies, evals, subjects and recipes.",
    "fetch": "Fetch the texts and recordings that evals read.",
    "init": "Start a gate repository: policies, evals, reports.",
}
"""Every command and its one line of help. The module `cli.<name>_command` has the function `command`."""


class LazyGroup(click.Group):
    """A group that imports a command's module only when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        from releasegate.garbage import uncollected  # not for --help

        with uncollected():
            command: click.Command = import_module(f"releasegate.cli.{cmd_name}_command").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(name, COMMANDS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"no such command {name!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="releasegate", message="%(version)s")
def cli() -> None:
    """Decide from measurements whether a model may be published, and export what may.

    \b
    Exit codes, the same for every command:
      0  yes: release, release_stripped, valid, done
      1  a sound no: withhold, restrict
      2  could not run, or what was given cannot be trusted
      3  incomplete, or awaiting approval
      130, 143  interrupted, terminated
    """
