"""Talking to people: progress goes to standard error, results to standard output.

rich is imported when something is drawn: a command that prints JSON needs none of it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

Unit = Literal["items", "bytes"]


class Bars:
    """Progress bars; silent if asked, plain lines where nobody watches."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console

        self._quiet = quiet
        own = os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8") if sys.stderr.isatty() else None
        self._console = Console(stderr=True, file=own)  # goes on while an eval of sensitive material is silenced

    @contextmanager
    def step(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """A step that counts items."""
        with self._bar(title, total, "items") as advance:
            yield advance

    @contextmanager
    def reading(self, folder: Path, title: str = "read", size: int | None = None) -> Iterator[Callable[[int], None]]:
        """A step that counts the bytes of a folder.

        Args:
            size: all of them, if that is known.
        """
        if size is None:
            size = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
        with self._bar(f"{title} {folder.name}", size, "bytes") as advance:
            yield advance

    @contextmanager
    def stages(self) -> Iterator[tuple[Callable[[str, int], None], Callable[[int], None]]]:
        """Stages that follow one another: what is told when one begins (name, bytes), and what counts its bytes."""
        if self._quiet or not self._console.is_terminal:
            yield self._line, lambda done: None
            return
        with _drawn("bytes", self._console) as progress:
            current: list[TaskID] = []

            def begin(title: str, total: int) -> None:
                for task in current:
                    progress.update(task, completed=progress.tasks[task].total)
                current[:] = [progress.add_task(title, total=total)]

            yield begin, lambda done: progress.advance(current[0], done)

    def _line(self, title: str, total: int, unit: Unit = "bytes") -> None:
        if not self._quiet:
            click.echo(f"{title} ({total:,} {unit})", err=True)

    def note(self, text: str) -> None:
        """Nothing; a line is on standard error, unless nobody wants to hear."""
        if not self._quiet:
            click.echo(text, err=True)

    @contextmanager
    def _bar(self, title: str, total: int, unit: Unit) -> Iterator[Callable[[int], None]]:
        if self._quiet or not self._console.is_terminal:
            self._line(title, total, unit)
            yield lambda done: None
            return
        with _drawn(unit, self._console) as progress:
            task = progress.add_task(title, total=total)
            yield lambda done: progress.advance(task, done)


def _drawn(unit: Unit, console: Console) -> Progress:
    """Bars with what is done, the rate of bytes, and the time that is left."""
    from rich import progress as bars

    text, bar = bars.TextColumn("{task.description}"), bars.BarColumn()
    times = (bars.TimeElapsedColumn(), bars.TimeRemainingColumn())
    if unit == "items":
        return bars.Progress(text, bar, bars.MofNCompleteColumn(), *times, console=console)
    return bars.Progress(text, bar, bars.DownloadColumn(), bars.TransferSpeedColumn(), *times, console=console)


def print_json(data: Any) -> None:
    """Nothing; `data` is on standard output as indented JSON."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))


def output() -> Console:
    """The console of standard output: as wide as the terminal, and 120 columns where there is none."""
    from rich.console import Console

    class Output(Console):
        """Leaves a broken pipe to `__main__`: rich would end the process with 1, a sound no."""

        def on_broken_pipe(self) -> None:
            """Raises BrokenPipeError."""
            raise BrokenPipeError

    width = shutil.get_terminal_size((120, 40)).columns if sys.stdout.isatty() else 120
    return Output(width=width, highlight=False, soft_wrap=False)
