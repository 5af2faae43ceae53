"""`releasegate attack`: sounds, put through the attacks of a suite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from releasegate.cli import options
from releasegate.cli.console import Bars, print_json
from releasegate.errors import NotFound, UsageError, nearest
from releasegate.yamltext import LARGEST_INTEGER

if TYPE_CHECKING:
    from releasegate.attacks.suite import Suite
    from releasegate.cli.attacked import Weapon
    from releasegate.repository import GateRepository

SUITE = Path("evals", "audio_watermark", "suite.yaml")
"""Where a gate repository has the suite that is used where none is named."""


@click.command("attack")
@click.argument("audio", type=options.FILE, nargs=-1, required=True)
@click.option("--out", type=options.FILE, required=True, metavar="FOLDER", help="Comes to be; must not exist.")
@click.option(
    "--suite",
    "suite_file",
    type=options.FILE,
    metavar="FILE",
    help=f"Which attacks, how strong. Default: {SUITE} of the gate repository, else the one that ships.",
)
@click.option(
    "--only", multiple=True, metavar="NAME", help="Only this attack of the suite; may be given several times."
)
@click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_INTEGER),
    default=0,
    show_default=True,
    help="Of all that is random.",
)
@click.option("--model", type=options.FILE, metavar="CHECKPOINT", help="Folder of a watermark, for attacks on it.")
@click.option("--subject", metavar="NAME", help="What runs it: audioseal, perth, or one of the repository's.")
@options.device
@options.repository
@options.format_
@options.quiet
def command(
    audio: tuple[Path, ...],
    out: Path,
    suite_file: Path | None,
    only: tuple[str, ...],
    seed: int,
    model: Path | None,
    subject: str | None,
    device: str,
    repo: Path,
    format_: str,
    quiet: bool,
) -> int:
    """Put AUDIO, sound files, through the attacks of a suite: a WAV file each, and attacks.json, which says what was done.

    Channels are mixed to one; the sample rate stays. Attacks that need a watermark are left out, and named, unless one is
    given: what is on marked sounds marks the file first, and all else takes the file as it is.

    \b
    Example:
      releasegate attack speech.wav --out attacked --only mp3 --only pitch
    """
    from releasegate.cli.attacked import attack_all, lines, read_sounds
    from releasegate.repository.new_folder import require_free

    require_free(out, model or audio[0])
    repository = _repository(repo)
    suite = _chosen(_suite(suite_file, repository), only)
    sounds = read_sounds(audio)
    weapon = _weapon(model, subject, device, repository)
    record = attack_all(sounds, suite, seed, weapon, out, Bars(quiet=quiet))
    if format_ == "json":
        print_json(record.plain())
    else:
        for line in lines(record, out):
            click.echo(line)
    return 0


def _repository(repo: Path) -> GateRepository:
    """The gate repository around `repo`, else the one that ships."""
    from releasegate.repository import GateRepository, starter

    if not repo.exists():
        raise NotFound(str(repo), "no such file or folder", "check the path")
    return GateRepository.here(repo) or GateRepository(starter())


def _suite(file: Path | None, repository: GateRepository) -> Suite:
    from releasegate.attacks.suite import parse_suite
    from releasegate.repository.reading import read_file

    path = file or repository.root / SUITE
    text = read_file(path, "suite", "name one with --suite")
    return parse_suite(text, str(path) if file else repository.shown(path)).record


def _chosen(suite: Suite, only: Sequence[str]) -> Suite:
    """The part of a suite that was asked for, in the order of the suite."""
    known = [entry.attack for entry in suite.attacks]
    for name in only:
        if name not in known:
            raise UsageError(
                "--only", f"the suite {suite.id} has no attack {name!r}", nearest(name, known, "leave it out")
            )
    if not only:
        return suite
    return suite.model_copy(update={"attacks": tuple(entry for entry in suite.attacks if entry.attack in only)})


def _weapon(model: Path | None, subject: str | None, device: str, repository: GateRepository) -> Weapon:
    """The device, and the watermark if one was named."""
    from releasegate.cli.attacked import Weapon
    from releasegate.evaluation import torch_device

    if (model is None) != (subject is None):
        raise UsageError("releasegate attack", "--model and --subject go together", "give both, or neither")
    where = torch_device(device)
    if model is None or subject is None:
        return Weapon(where)
    return Weapon.open(model, subject, where, repository)
