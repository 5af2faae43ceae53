"""The hook for pre-commit, by pre-commit itself: it installs, runs on what concerns it, and refuses a policy that is wrong."""

from __future__ import annotations

import os
import re
import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
CONFIG = """\
repos:
  - repo: {repo}
    rev: v1
    hooks: [{{id: releasegate-check, args: [--repo, gates]}}]
"""


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


def published(folder: Path) -> Path:
    """The files of this checkout as a repository of their own. What it depends on is here already, and is lent to the hook."""
    listed = subprocess.run(
        ["git", "-C", str(TOP), "ls-files", "-z"], check=True, capture_output=True, text=True
    ).stdout
    for name in listed.split("\0"):
        if (
            name
            and not name.startswith(("tests/", "examples/", "docs/", "reports/examples/"))
            and (TOP / name).is_file()
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(TOP / name, folder / name)
    project = folder / "pyproject.toml"
    project.write_text(re.sub(r"^dependencies = \[.*?^\]", "dependencies = []", project.read_text(), flags=re.M | re.S))
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all")
    git(folder, "tag", "v1")
    return folder


@pytest.mark.slow
def test_the_hook_installs_runs_on_what_concerns_it_and_refuses_a_wrong_policy(tmp_path: Path) -> None:
    pytest.importorskip("pre_commit")
    project, env = (
        tmp_path / "project",
        {**os.environ, "PRE_COMMIT_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"},
    )
    env.pop("PYTHONPATH", None)

    def pre_commit(*arguments: str) -> subprocess.CompletedProcess[str]:
        call = [sys.executable, "-m", "pre_commit", *arguments]
        return subprocess.run(call, cwd=project, env=env, capture_output=True, text=True, check=False)

    (project / "gates").mkdir(parents=True)
    for name in ("policies", "evals"):
        shutil.copytree(TOP / name, project / "gates" / name)
    repo = published(tmp_path / "releasegate")
    (project / ".pre-commit-config.yaml").write_text(CONFIG.format(repo=repo))
    git(project, "init", "--quiet")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "all")
    installed = pre_commit("install-hooks")
    if installed.returncode:
        pytest.skip(f"pip has no network here: {installed.stdout[-300:]}")
    [packages] = (tmp_path / "home").glob("repo*/py_env*/lib/python*/site-packages")
    (packages / "lent.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    said = pre_commit("run", "--all-files")
    assert (said.returncode, "Passed" in said.stdout) == (0, True), said.stdout
    (project / "README").write_text("no policy\n")
    git(project, "add", "README")
    assert "(no files to check)" in pre_commit("run").stdout
    card = project / "gates" / "evals" / "image_generation" / "eval.yaml"
    card.write_text(card.read_text().replace("legible_rate:", "readable_rate:"))
    git(project, "add", "--all")
    said = pre_commit("run")
    assert said.returncode == 1
    assert "policies/mini-chameleon.yaml:" in said.stdout
    assert "has no metric 'legible_rate'" in said.stdout
