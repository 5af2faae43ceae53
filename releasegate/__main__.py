"""The command `releasegate`: one place turns what went wrong into text and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from releasegate.cli import cli
from releasegate.errors import Exit, ReleaseGateError, Terminated


def main() -> NoReturn:
    """Runs the command line, and ends the process with one of the exit codes of `Exit`."""
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit code of one call. One of the three places that catch everything: a bug is 2, never a verdict."""
    try:
        code = _invoke(arguments)
        sys.stdout.flush()
        return code
    except ReleaseGateError as error:
        for problem in error.problems:
            said = f"{problem.where}: {problem.what}".replace(
                "\n", "\\n"
            )  # a line of its own might be a command to a runner
            _say(f"{said}\n  fix: {problem.fix}")
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        _say(f"{context.command_path if context else 'releasegate'}: {error.format_message()}")
        _say("  fix: see " + (f"`{context.command_path} --help`" if context else "`releasegate --help`"))
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted; run the same command again to resume")
        return Exit.INTERRUPTED
    except Terminated:
        _say("terminated; run the same command again to resume")
        return Exit.TERMINATED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        _say(f"{error.filename or 'releasegate'}: {error.strerror or error}")
        _say("  fix: check the path, its permissions and the space on the disk, and run the same command again")
    except BaseException as error:  # noqa: BLE001
        return _bug(error)
    return Exit.CANNOT


def _invoke(arguments: list[str]) -> int:
    """What a command returns. Not by click's `main`, which exits with 1, a sound no, when a pipe breaks."""
    try:
        with cli.make_context("releasegate", list(arguments)) as context:
            code = cli.invoke(context)
    except click.exceptions.Exit as done:  # after --help or --version
        return done.exit_code
    if not isinstance(code, int):
        raise TypeError(f"a command returned {code!r}, which is no exit code")
    return code


def _bug(error: BaseException) -> Exit:
    import traceback

    _say("".join(traceback.format_exception(error)))
    _say(f"releasegate: a bug in releasegate: {type(error).__name__}: {error}")
    _say("  fix: report it with the text above; the exit code is no verdict")
    return Exit.CANNOT


def _say(text: str) -> None:
    from releasegate.secrets import credentials, hide  # not for --help

    click.echo(_harmless(hide(text, credentials(os.environ))), err=True)


def _harmless(text: str) -> str:
    """A text in which no character of somebody else's hides, turns or colours what follows on a terminal."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else ascii(sign)[1:-1] for sign in text)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


if __name__ == "__main__":
    main()
