"""From a gate of the embedded model to a folder that anybody can verify and load: the commands of the page, word for word."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from releasegate.publishing.quickstart import OWN, USES

TOP = Path(__file__).parents[2]
MODEL = "examples/mini_chameleon/checkpoint"
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WITHOUT = """\
import importlib.metadata as metadata, re, sys

def named(text):
    return re.sub("[-_.]+", "-", text).lower()

left, allowed = list(sys.argv[2:]), set()
while left:
    name = named(re.match(r"[A-Za-z0-9._-]+", left.pop())[0])
    if name in allowed:
        continue
    try:
        asked = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        continue
    allowed.add(name)
    left += [one for one in asked if "extra ==" not in one]

def may(module):
    if module == "releasegate":  # where it is installed from a checkout, no distribution owns the module
        return False
    return not (found := owners.get(module)) or any(named(one) in allowed for one in found)

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return self.finder.find_spec(name, path, target) if may(name.partition(".")[0]) else None

    def find_distributions(self, *given):
        found = getattr(self.finder, "find_distributions", lambda *given: ())(*given)
        return (one for one in found if named(one.name) in allowed)

owners = metadata.packages_distributions()
assert not may("releasegate") and not may("pandas") and may("torch")
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
exec(compile(open(sys.argv[1]).read(), "quick start", "exec"))
"""
"""Runs a file as where nothing is installed but the packages that are named, and what those need."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gate repository as `init` makes it, with the embedded model."""
    folder = tmp_path_factory.mktemp("publishing") / "gates"
    assert releasegate(folder.parent, "init", "gates").returncode == 0
    assert releasegate(folder, "ledger", "init", "mini-chameleon").returncode == 0
    shutil.copytree(TOP / MODEL, folder / MODEL)
    (folder / "public").mkdir()
    return folder


def releasegate(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = f"{TOP}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "HOME": str(cwd), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-W", "error", "-m", "releasegate", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600, check=False)


def commands() -> list[list[str]]:
    """The arguments of each command of the page's first block."""
    block = re.search(r"^```sh\n(.*?)^```$", (TOP / "docs" / "publishing.md").read_text(), re.MULTILINE | re.DOTALL)
    assert block
    return [shlex.split(line)[1:] for line in block[1].splitlines()]


@pytest.mark.slow
def test_the_six_commands_lead_from_a_gate_to_a_folder_that_loads_by_its_own_quick_start(desk: Path) -> None:
    (desk / "releasegate-keys").mkdir()
    keygen, *between, push = [[word.replace("~", str(desk)) for word in command] for command in commands()]
    assert [command[0] for command in between] == ["gate", "attest", "export", "verify"]
    assert releasegate(desk, *keygen).returncode == 0
    policy = desk / "policies" / "mini-chameleon.yaml"
    policy.write_text(policy.read_text() + (desk / "releasegate-keys" / "release.pub.yaml").read_text())
    for command in between:
        done = releasegate(desk, *command)
        assert done.returncode == 0, (command, done.stderr)
    pushed = releasegate(desk, *push)
    assert pushed.returncode == 2  # no network here, and no anchored ledger
    assert "Traceback" not in pushed.stderr
    loads(desk / "public" / "mini-chameleon", desk)


def loads(folder: Path, beside: Path) -> None:
    """Nothing, if the quick start of the folder's card runs in a process of its own, and names a digit."""
    code = re.search(r"^```python\n(.*?)^```$", (folder / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    asked = re.search(r"^pip install (.*)$", (folder / "README.md").read_text(), re.MULTILINE)
    assert code
    assert asked
    (beside / "quick.py").write_text(code[1])
    (beside / "without.py").write_text(WITHOUT)
    command = [sys.executable, "-I", str(beside / "without.py"), str(beside / "quick.py"), *asked[1].split()]
    environment = {"PATH": os.environ["PATH"], "HOME": str(beside), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    before = sorted(path for path in folder.rglob("*"))
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] in DIGITS, done.stdout
    assert sorted(path for path in folder.rglob("*")) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("example", "subject", "said"),
    [
        ("mini_mtp", "mtp-lm", ""),
        ("mini_audioseal", "audioseal", "score before: "),
        ("mini_voice", "mini_voice", "Size"),
    ],
)
def test_a_model_that_no_library_loads_has_a_quick_start_with_the_gates_own_code(
    example: str, subject: str, said: str, tmp_path: Path
) -> None:
    folder = tmp_path / "public"
    shutil.copytree(TOP / "examples" / example / "checkpoint", folder)
    (folder / "releasegate").mkdir()
    (folder / "releasegate" / "decision.json").write_text("{}")  # as the folder that goes out has it
    (tmp_path / "quick.py").write_text(OWN.format(subject=subject, use=USES[subject]))
    command = [sys.executable, str(tmp_path / "quick.py")]
    environment = {**os.environ, "PYTHONPATH": str(TOP), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    assert done.stdout.strip()
