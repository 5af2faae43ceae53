"""The three tutorials are one story, and every command of it does what the text says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
STORY = ("tutorial-ci", "tutorial-research-lead", "tutorial-engineer")


def blocks(page: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", (TOP / "docs" / f"{page}.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_story_of_the_tutorials_ends_in_a_folder_that_anyone_can_verify(tmp_path: Path) -> None:
    shutil.copytree(TOP / "examples" / "mini_chameleon" / "checkpoint", tmp_path / "model")
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "releasegate").write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m releasegate "$@"\n')
    (commands / "releasegate").chmod(0o755)
    path = f"{commands}{os.pathsep}{os.environ['PATH']}"
    for page in STORY:
        for block in blocks(page):
            call = ["bash", "-euo", "pipefail", "-c", block]
            done = subprocess.run(
                call,
                cwd=tmp_path,
                env={**os.environ, "PATH": path},
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            assert done.returncode == 0, f"{page}:\n{block}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "mini-chameleon-public" / "README.md").is_file()
