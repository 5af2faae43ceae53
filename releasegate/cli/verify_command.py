"""`releasegate verify`: a release against its attestations and a policy, or a stripped checkpoint against its receipt."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from releasegate.cli import options
from releasegate.cli.console import Bars, print_json
from releasegate.errors import Exit, NotFound, ReleaseRefused, UsageError


@click.command("verify")
@click.argument("folder", type=options.FILE)
@click.option("--policy", type=options.FILE, metavar="FILE", help="Verify a release: by this policy.")
@click.option(
    "--bundle",
    type=options.FILE,
    metavar="FILE",
    help="Of a release: its attestations. Default: releasegate/attestations.jsonl in the folder.",
)
@click.option(
    "--revocations",
    type=options.FILE,
    metavar="FILE",
    help="Of a release: the signed list of what was revoked. Default: revocations/<id>.json beside the policy.",
)
@click.option("--receipt", type=options.FILE, metavar="FILE", help="Of a strip. Default: the one beside the folder.")
@click.option(
    "--source", type=options.FILE, metavar="CHECKPOINT", help="Of a strip: also compare with what it came from."
)
@click.option(
    "--loads/--no-loads",
    default=None,
    help="Of a strip: that its library loads it, nothing missing or over. Default: where the strip was held against its class.",
)
@click.option(
    "--recipe",
    "recipes",
    type=options.FILE,
    multiple=True,
    metavar="FILE",
    help="Of a strip: the recipe that it must be by; with --source also that it fits. May be repeated.",
)
@click.option(
    "--repo",
    type=options.FILE,
    metavar="FOLDER",
    help="Of a strip: the gate repository whose lock names its recipes. Default: the one around the working folder, if any.",
)
@options.format_
@options.quiet
def command(
    folder: Path,
    policy: Path | None,
    bundle: Path | None,
    revocations: Path | None,
    receipt: Path | None,
    source: Path | None,
    loads: bool | None,
    recipes: tuple[Path, ...],
    repo: Path | None,
    format_: str,
    quiet: bool,
) -> int:
    """Check that FOLDER is what was attested, and may be used by the policy; or, without --policy, what its receipt says.

    Of a release: every file, none extra, by whom it is attested, and that nothing was revoked. Nothing but the folder, its
    attestations and the policy's file is needed. Of a strip: every file, every tensor, whose recipe it is by, and with
    --source every byte that stayed.

    \b
    Example:
      releasegate verify mini-chameleon --policy policies/mini-chameleon.yaml
      releasegate verify runs/mini-chameleon/stripped --source examples/mini_chameleon/checkpoint
    """
    of_release = {"--bundle": bundle, "--revocations": revocations}
    of_strip = {
        "--receipt": receipt,
        "--source": source,
        "--loads": loads or None,
        "--recipe": recipes or None,
        "--repo": repo,
    }
    if policy is None:
        _refuse_release(folder, receipt)
        _refuse_beside(of_release, "is about a release, which takes a policy", "add --policy FILE, or leave it out")
        from releasegate.cli.verified_strip import StripCall, verified_strip

        call = StripCall(folder, receipt, source, recipes, repo, loads=loads)
        return verified_strip(call, format_, quiet=quiet)
    _refuse_beside(of_strip, "is about a strip, and --policy about a release", "leave one of them out")
    return _verify_release(folder, policy, bundle, revocations, format_, quiet=quiet)


def _refuse_beside(given: Mapping[str, object], what: str, fix: str) -> None:
    for option, value in given.items():
        if value is not None:
            raise UsageError(option, what, fix)


def _refuse_release(folder: Path, receipt: Path | None) -> None:
    """Nothing, unless the folder brings attestations: what no policy vouches for is not looked at as a strip instead."""
    from releasegate.released import BUNDLE

    if receipt is None and os.path.lexists(folder / BUNDLE):
        what = f"holds a release ({BUNDLE}), and no policy says whose signature counts"
        raise UsageError(str(folder), what, "name the publisher's policy with --policy FILE")


def _verify_release(
    folder: Path, policy: Path, bundle: Path | None, listed: Path | None, format_: str, *, quiet: bool
) -> int:
    from releasegate.attesting.hashing import list_folder
    from releasegate.attesting.verifying import verify_release
    from releasegate.cli.verified import lines_of, plain
    from releasegate.cli.verified_strip import plain_recipes, stripped_by
    from releasegate.namedrecipe import recipe_line
    from releasegate.policy import parse_policy
    from releasegate.released import BUNDLE
    from releasegate.repository.reading import read_file
    from releasegate.repository.revocations import revocations_for

    if not policy.is_file() and policy.exists():  # a pipe or a device would be read for ever
        raise NotFound(str(policy), "is no plain file, where a policy is wanted", "name the policy's file")
    judge = parse_policy(read_file(policy, "policy", "name the policy's file"), str(policy)).record
    today = datetime.now(UTC).date()
    revoked = revocations_for(judge, policy, today, listed)
    size = list_folder(folder).size
    try:
        with Bars(quiet=quiet).reading(folder, "verify", size) as watch:
            verified = verify_release(folder, bundle or folder / BUNDLE, judge, today, revoked, watch)
    except ReleaseRefused as error:
        (problem,) = error.problems
        if format_ == "json":
            print_json({"valid": False, "where": problem.where, "what": problem.what, "fix": problem.fix})
        click.echo(f"{problem.where}: {problem.what}\n  fix: {problem.fix}", err=True)
        return Exit.NO
    stripped, known = stripped_by(folder, policy)
    if format_ == "json":
        more = {} if stripped is None else {"recipes": plain_recipes(stripped, known)}
        print_json({**plain(verified, judge, revoked), **more})
    else:
        for line in lines_of(verified, judge, revoked):
            click.echo(line)
        if stripped is not None:
            click.echo(f"recipe: {recipe_line(stripped, known)}")
    return Exit.YES
