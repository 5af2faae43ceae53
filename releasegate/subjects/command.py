"""A model that is a program: words and a voice go in as files, clones come out as files. No code of releasegate is needed.

The checkpoint folder holds the program, all that it needs, and a `config.json` that says how to start it. A policy consents to
every file that could be code (`model.runs`); the program is started without a shell, in an empty folder, within a time limit.
That is no sandbox: it can do what the user who runs the gate can do.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from releasegate.checkpoint import Checkpoint
from releasegate.checkpoint.sealed import file_states
from releasegate.errors import CheckpointError, CodeRequested
from releasegate.records import Record
from releasegate.subjects import Lending, NoClone, Utterance
from releasegate.subjects.command_files import Row, job
from releasegate.subjects.command_process import run_command
from releasegate.subjects.configuration import contradiction, read_configuration

ALWAYS = frozenset({"python", "model", "device"})
"""Placeholders that any argument may have: this interpreter, the checkpoint folder, where to compute."""
OF_A_CLONE = frozenset({"text", "language", "source", "prompt", "seed", "out"})
"""Placeholders of one clone; a program that has them is started once a clone."""
JOBS = "jobs"
"""The placeholder of a list of clones; a program that has it is started once for all of them."""

_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
_FIX = "see docs/adding-a-subject.md, a voice model that is a program"
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class CommandConfig(Record):
    """What stands in `config.json`."""

    model_type: Literal["command"]
    argv: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=4096)], ...], Field(min_length=1, max_length=100)
    ]
    """The program and its arguments, with placeholders in braces."""
    sample_rate: Annotated[int, Field(ge=4000, le=192_000)]
    """Samples a second of every sound file that goes in or comes out."""
    seconds_to_start: Seconds
    """That one start may take, whatever is asked for."""
    seconds_per_clone: Seconds
    """That each clone may take beyond."""
    longest_clone_seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Of sound; a longer clone is a failed one."""
    deterministic: bool = False
    """Whether the same words, prompt and seed give the same clone on one machine."""

    @model_validator(mode="after")
    def _startable(self) -> CommandConfig:
        names = {name for argument in self.argv for name in _PLACEHOLDER.findall(argument)}
        unknown = sorted(names - ALWAYS - OF_A_CLONE - {JOBS})
        if unknown:
            raise contradiction(f"argv has the placeholder {{{unknown[0]}}}, which stands for nothing")
        if not re.fullmatch(r"\{python\}|(\{model\})?/[^{}]+", self.argv[0]):
            raise contradiction("argv must begin with {python}, {model}/NAME or an absolute path")
        if JOBS in names and names & OF_A_CLONE:
            raise contradiction("argv has {jobs}, which lists all of a clone, beside placeholders of one clone")
        if JOBS not in names and not ({"prompt", "out"} <= names and names & {"text", "source"}):
            raise contradiction("argv needs {jobs}, or {prompt} and {out} with {text} or {source}")
        return self

    @property
    def batched(self) -> bool:
        """Whether one start makes all clones of a call."""
        return any(f"{{{JOBS}}}" in argument for argument in self.argv)


class Command:
    """A program that clones voices."""

    def __init__(self, config: CommandConfig, root: Path, device: torch.device) -> None:
        self._config = config
        self._root = root.resolve()
        self._always = {"python": sys.executable, "model": str(self._root), "device": str(device)}
        self._state = file_states(self._root)
        self.rate = config.sample_rate

    def clone(
        self, words: Sequence[Utterance], prompts: Sequence[Tensor], seeds: Sequence[int]
    ) -> list[Tensor | NoClone]:
        """One clone a row, or why there is none; see `ClonesVoice`.

        A start that fails, for whatever reason, fails every clone that it was for: what it wrote before is not looked at, and it
        is not tried again. Of a list of clones the program sees all; that each depends on its own row alone is its own promise.

        Raises:
            CheckpointError: the folder is not what it was when it was opened.
        """
        rows = [Row(*row) for row in zip(words, prompts, seeds, strict=True)]
        if not self._config.batched:
            return [made for row in rows for made in self._started([row])]
        return self._started(rows) if rows else []

    def _started(self, rows: Sequence[Row]) -> list[Tensor | NoClone]:
        if file_states(self._root) != self._state:
            what = "changed since it was opened"
            raise CheckpointError(str(self._root), what, "let nobody write to it, and open a new attempt")
        config = self._config
        with job(rows, config.sample_rate) as made:
            own = {"jobs": str(made.list)} if config.batched else made.values[0]
            argv = [_filled(argument, self._always | own) for argument in config.argv]
            why = run_command(argv, made.home, config.seconds_to_start + len(rows) * config.seconds_per_clone)
            if why is None and file_states(self._root) != self._state:
                why = "the program changed the folder of its checkpoint"
            if why is not None:
                return [NoClone(why)] * len(rows)
            return [made.clone(number, config.longest_clone_seconds) for number in range(len(rows))]


def open_subject(checkpoint: Checkpoint, lending: Lending | None, device: torch.device, dtype: torch.dtype) -> Command:
    """The subject; nothing can be lent to it, and the type of its numbers is its own affair.

    Raises:
        CheckpointError: the configuration is not one of a program, or the program is not there.
        CodeRequested: nobody consented to run it.
    """
    config = read_configuration(checkpoint, CommandConfig, _FIX)
    if checkpoint.config_file not in checkpoint.runs:
        what = "asks for a program to be run, and no policy consented"
        raise CodeRequested(str(checkpoint.root), what, "gate it under a policy whose model.runs lists its files")
    program = Path(_filled(config.argv[0], {"python": sys.executable, "model": str(checkpoint.root.resolve())}))
    if not program.is_file() or not os.access(program, os.X_OK):
        what = f"argv begins with {config.argv[0]}, which is no file that may be executed"
        fix = 'start it with an interpreter, as in ["{python}", "{model}/clone.py"], or make it executable'
        raise CheckpointError(str(checkpoint.root / "config.json"), what, fix)
    return Command(config, checkpoint.root, device)


def _filled(argument: str, values: Mapping[str, str]) -> str:
    """The argument with its placeholders filled in, once: braces in what is filled in stay as they are."""
    return _PLACEHOLDER.sub(lambda found: values[found[1]], argument)
