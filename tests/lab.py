"""A laboratory in a temporary folder: what a sample of `examples/` is copied into, with its ledger, its keys and its people."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from releasegate.__main__ import run
from tests.git_repository import WHO, Clone, clone
from tests.tiny_decided import publishable
from tests.tiny_repository import Tiny

TOP = Path(__file__).parents[1]
RULES = """\
approvals:
  - {{role: research_lead, count: 1}}
trust:
  approvals:
{lead}
  attestations:
{release}
"""
Names = Mapping[str, Sequence[tuple[str, str]]]
COMMANDS = {
    "python3": """\
#!/bin/bash
[ "$1 $2 $3" = "-I -m venv" ] || exit 9
mkdir -p "$4/bin"
printf '#!/bin/sh\\nexit 0\\n' | tee "$4/bin/pip" >"$4/bin/python"
cp "$(dirname "$0")/releasegate" "$4/bin/"
chmod +x "$4/bin/"*
""",
    "releasegate": """\
#!/bin/sh
OMP_NUM_THREADS=1 PYTHONPATH=TOP exec PYTHON -P -c "from releasegate.__main__ import main; main()" "$@"
""",
    "sudo": """\
#!/bin/bash
exec "$@"
""",
    "unshare": """\
#!/bin/bash
real="$(PATH="${PATH#*:}" command -v unshare)"
options=()
for one in "$@"; do [ "$one" = -- ] && break; options+=("$one"); done
"$real" "${options[@]}" true 2>/dev/null && exec "$real" "$@"
while [ "$1" != env ]; do shift; done  # where nobody may make a network of their own, it is measured in this one
exec "$@"
""",
}
"""A Python that installs this checkout instead of a release, and a user who may do everything."""


@dataclass(frozen=True)
class Lab:
    """A lab whose gate repository judges a model, kept in the same repository under `model`.

    Attributes:
        folder: `my-gates` (the repository), `ledger` (one of its own), `releasegate-keys`, and `bin` with commands.
        family: the id of its policy.
    """

    folder: Path
    family: str = "tiny"

    @property
    def gates(self) -> Clone:
        """The gate repository."""
        return Clone(self.folder / "my-gates")

    @property
    def made(self) -> Tiny:
        """The same as files."""
        return Tiny(self.folder / "my-gates")

    @property
    def policy(self) -> Path:
        """The policy's file."""
        return self.gates.root / "policies" / f"{self.family}.yaml"

    @property
    def ledger(self) -> Clone:
        """The repository of the ledger."""
        return Clone(self.folder / "ledger")

    @property
    def env(self) -> dict[str, str]:
        """What every job sees."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1"}

    def secret(self, name: str) -> str:
        """A private key as it stands in the settings of a CI system."""
        return (self.folder / "releasegate-keys" / f"{name}.key").read_text().rstrip("\n")

    def entries(self) -> list[str]:
        """The lines of the ledger that everybody reads."""
        return self.ledger.git("show", f"HEAD:{self.family}.jsonl").splitlines()

    def tag(self, name: str) -> str:
        """The commit of a new tag on main."""
        self.gates.git("tag", name)
        return self.gates.git("rev-parse", name)

    def shell(self, block: str, folder: Path) -> None:
        """Nothing; commands were typed in a folder, and none failed."""
        call = ["bash", "-euo", "pipefail", "-c", block]
        done = subprocess.run(call, cwd=folder, env={**self.env, **WHO}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"

    def approve(self, decided: Path, tag: str) -> None:
        """Nothing; the research lead approved a run, and the approval was merged."""
        mine = self.folder / "mine"
        shutil.copytree(decided, mine)
        key = str(self.folder / "releasegate-keys" / "lead.key")
        assert run(["approve", str(mine), "--role", "research_lead", "--key", key, "--repo", str(self.gates.root)]) == 0
        shutil.copytree(mine / "approvals", self.gates.root / "approvals" / tag)
        self.gates.commit("approve")


def tiny_lab(folder: Path, sample: str, names: Names) -> Lab:
    """A lab with a tiny model, which copied a sample and replaced these names, by the file that they stand in."""
    lab = Lab(folder)
    _commands(folder / "bin")
    publishable(lab.gates.root, lambda made: made.rehearsable())
    shutil.move(lab.made.checkpoint, lab.gates.root / "model")
    shutil.copytree(TOP / "examples" / sample, lab.gates.root, dirs_exist_ok=True)
    _replace(lab.gates.root, names)
    keys = ["--out", str(folder / "releasegate-keys")]
    assert run(["keygen", "release", "--for", "attestations", *keys]) == 0
    assert run(["keygen", "lead", "--for", "approvals", "--role", "research_lead", *keys]) == 0
    _trust(lab)
    clone(lab.ledger.root)
    shutil.copyfile(lab.gates.root / "policies" / "ledger" / "tiny.jsonl", lab.ledger.root / "tiny.jsonl")
    lab.ledger.commit("a ledger")
    assert run(["lock", "--repo", str(lab.gates.root)]) == 0
    clone(lab.gates.root)
    lab.gates.commit("gates")
    lab.ledger.git("config", "receive.denyCurrentBranch", "ignore")
    return lab


def starter_lab(folder: Path, sample: str, names: Names) -> Lab:
    """A lab that did what the sample's README says, command by command, with the small model that ships."""
    lab = Lab(folder, "mini-chameleon")
    _commands(folder / "bin")
    (folder / "examples").symlink_to(TOP / "examples")
    made, ledger, keys, last, _ = commands_of(sample)
    lab.shell(made, folder)
    shutil.copytree(TOP / "examples" / "mini_chameleon" / "checkpoint", lab.gates.root / "model")
    _replace(lab.gates.root, names)
    for block in (ledger, keys):
        lab.shell(block, lab.gates.root)
    _trust(lab)
    lab.shell(last, lab.gates.root)
    lab.ledger.git("config", "receive.denyCurrentBranch", "ignore")
    return lab


def commands_of(sample: str) -> list[str]:
    """The blocks of commands in the README of a sample."""
    page = (TOP / "examples" / sample / "README.md").read_text()
    return re.findall(r"^```bash\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def _commands(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, text in COMMANDS.items():
        (folder / name).write_text(text.replace("TOP", str(TOP)).replace("PYTHON ", f"{sys.executable} "))
        (folder / name).chmod(0o755)


def _trust(lab: Lab) -> None:
    """Pastes the public halves of the keys into the policy."""
    keys = lab.folder / "releasegate-keys"
    listed = {name: (keys / f"{name}.pub.yaml").read_text().splitlines()[-1] for name in ("lead", "release")}
    lab.policy.write_text(lab.policy.read_text() + RULES.format(**listed))


def _replace(root: Path, names: Names) -> None:
    for name, pairs in names.items():
        text = (root / name).read_text()
        for before, after in pairs:
            assert before in text, (name, before)
            text = text.replace(before, after)
        (root / name).write_text(text)
