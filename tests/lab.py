"""A laboratory in a temporary folder: what a sample of `examples/` is copied into, with its ledger, its keys and its people."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from releasegate.__main__ import run
from tests.git_repository import Clone, clone
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
COMMANDS = {
    "python3": """\
#!/bin/bash
[ "$1 $2" = "-m venv" ] || exit 9
mkdir -p "$3/bin"
printf '#!/bin/sh\\nexit 0\\n' | tee "$3/bin/pip" >"$3/bin/python"
printf '#!/bin/sh\\nPYTHONPATH=TOP exec PYTHON -c "from releasegate.__main__ import main; main()" "$@"\\n' >"$3/bin/releasegate"
chmod +x "$3/bin/"*
""",
    "sudo": """\
#!/bin/bash
unshare --net true 2>/dev/null && exec "$@"
while [ "$1" != env ]; do shift; done  # who may not make a network of its own measures in this one
exec "$@"
""",
}
"""A Python that installs this checkout instead of a release, and a user who may do everything."""


@dataclass(frozen=True)
class Lab:
    """A lab whose gate repository judges a model, kept in the same repository under `model`.

    Attributes:
        folder: `gates` (the repository), `ledger` (one of its own), `keys`, and `bin` with commands.
        family: the id of its policy.
    """

    folder: Path
    family: str = "tiny"

    @property
    def gates(self) -> Clone:
        """The gate repository."""
        return Clone(self.folder / "gates")

    @property
    def made(self) -> Tiny:
        """The same as files."""
        return Tiny(self.folder / "gates")

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
        return (self.folder / "keys" / f"{name}.key").read_text().rstrip("\n")

    def entries(self) -> list[str]:
        """The lines of the ledger that everybody reads."""
        return self.ledger.git("show", f"HEAD:{self.family}.jsonl").splitlines()

    def tag(self, name: str) -> str:
        """The commit of a new tag on main."""
        self.gates.git("tag", name)
        return self.gates.git("rev-parse", name)

    def approve(self, decided: Path, tag: str) -> None:
        """Nothing; the research lead approved a run, and the approval was merged."""
        mine = self.folder / "mine"
        shutil.copytree(decided, mine)
        key = str(self.folder / "keys" / "lead.key")
        assert run(["approve", str(mine), "--role", "research_lead", "--key", key, "--repo", str(self.gates.root)]) == 0
        shutil.copytree(mine / "approvals", self.gates.root / "approvals" / tag)
        self.gates.commit("approve")


def tiny_lab(folder: Path, sample: str, names: Mapping[str, Sequence[tuple[str, str]]]) -> Lab:
    """A lab with a tiny model, which copied a sample and replaced these names, by the file that they stand in."""
    lab = Lab(folder)
    publishable(lab.gates.root, lambda made: made.rehearsable())
    shutil.move(lab.made.checkpoint, lab.gates.root / "model")
    return _started(lab, sample, names)


def starter_lab(folder: Path, sample: str, names: Mapping[str, Sequence[tuple[str, str]]]) -> Lab:
    """A lab with all that `releasegate init` writes, and the small model that ships."""
    lab = Lab(folder, "mini-chameleon")
    assert run(["init", str(lab.gates.root)]) == 0
    shutil.copytree(TOP / "examples" / "mini_chameleon" / "checkpoint", lab.gates.root / "model")
    assert run(["ledger", "init", lab.family, "--repo", str(lab.gates.root)]) == 0
    return _started(lab, sample, names)


def _started(lab: Lab, sample: str, names: Mapping[str, Sequence[tuple[str, str]]]) -> Lab:
    _keys(lab)
    _take(sample, lab.gates.root, names)
    clone(lab.ledger.root)
    name = f"{lab.family}.jsonl"
    shutil.copyfile(lab.gates.root / "policies" / "ledger" / name, lab.ledger.root / name)
    lab.ledger.commit("a ledger")
    lab.ledger.git("config", "receive.denyCurrentBranch", "ignore")
    assert run(["lock", "--repo", str(lab.gates.root)]) == 0
    clone(lab.gates.root)
    lab.gates.commit("gates")
    (lab.folder / "bin").mkdir()
    for name, text in COMMANDS.items():
        command = lab.folder / "bin" / name
        command.write_text(text.replace("TOP", str(TOP)).replace("PYTHON ", f"{sys.executable} "))
        command.chmod(0o755)
    return lab


def _keys(lab: Lab) -> None:
    keys = lab.folder / "keys"
    keys.mkdir()
    lead = ["keygen", "lead", "--for", "approvals", "--role", "research_lead", "--out", str(keys)]
    assert run(lead) == 0
    assert run(["keygen", "release", "--for", "attestations", "--out", str(keys)]) == 0
    listed = {name: (keys / f"{name}.pub.yaml").read_text().splitlines()[-1] for name in ("lead", "release")}
    lab.policy.write_text(lab.policy.read_text() + RULES.format(**listed))


def _take(sample: str, root: Path, names: Mapping[str, Sequence[tuple[str, str]]]) -> None:
    """Copies a sample as its README says, and replaces the names."""
    shutil.copytree(TOP / "examples" / sample, root, dirs_exist_ok=True)
    for name, pairs in names.items():
        text = (root / name).read_text()
        for before, after in pairs:
            assert before in text, (name, before)
            text = text.replace(before, after)
        (root / name).write_text(text)
