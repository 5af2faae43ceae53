"""A model that was gated, approved, attested and exported, with everything around it; and ways to tamper with any of it."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from releasegate.__main__ import run
from releasegate.approval import Approval
from releasegate.released import BUNDLE
from releasegate.revocation import RevocationList
from releasegate.signing import sign
from tests.tiny_releases import signed_line
from tests.tiny_repository import Tiny, make_repository

Plain = dict[str, Any]

KEYS = {
    "lab": ("attestations",),
    "examiner": ("attestations",),
    "ann": ("approvals", "--role", "lead"),
    "eve": ("approvals", "--role", "lead"),
    "rex": ("revocations",),
}
"""Every key by name, what it is for. The policy lists `lab`, `ann` and `rex`."""

RULES = """\
approvals:
  - {role: lead}
publication:
  license: mit
  license_file: policies/licenses/tiny.txt
  may_differ: [README.md, .gitattributes]
  max_age_days: 30
  revocations: lab-models
"""


def day(offset: int) -> str:
    """The day so many days from today, in UTC."""
    return (datetime.now(UTC).date() + timedelta(days=offset)).isoformat()


@dataclass(frozen=True)
class Said:
    """How a command ended.

    Attributes:
        code: its exit code.
        lines: what it said on either output, without the folder that all lies in.
    """

    code: int
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Scene:
    """Everything about one release.

    Attributes:
        root: `public`, the folder that was exported; `repo`, the gate repository with the run; `keys`.
    """

    root: Path

    @property
    def made(self) -> Tiny:
        """The gate repository."""
        return Tiny(self.root / "repo")

    @property
    def folder(self) -> Path:
        """What was exported."""
        return self.root / "public"

    @property
    def bundle(self) -> Path:
        """Its attestations."""
        return self.folder / BUNDLE

    @property
    def policy(self) -> Path:
        """The policy's file."""
        return self.made.policy

    @property
    def list(self) -> Path:
        """The revocation list."""
        return self.root / "repo" / "policies" / "revocations" / "lab-models.json"

    @property
    def weights(self) -> Path:
        """The first file of weights in the folder."""
        return min(self.folder.glob("*.safetensors"))

    def listed(self, name: str) -> str:
        """What the policy says of a key, or would."""
        line = (self.root / "keys" / f"{name}.pub.yaml").read_text().splitlines()[-1]
        return line.replace(day(0), day(-60))

    @property
    def stripped(self) -> Path:
        """The first file of weights in the run."""
        return min((self.root / "repo" / "run" / "stripped").glob("*.safetensors"))

    def key(self, name: str) -> Path:
        """The file of a private key."""
        return self.root / "keys" / f"{name}.key"

    def private(self, name: str) -> Any:
        """A private key."""
        return load_pem_private_key(self.key(name).read_bytes(), None)

    def call(self, *arguments: str | Path) -> Said:
        """How a call of releasegate ended."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), contextlib.chdir(self.root / "repo"):
            code = run([str(one) for one in arguments])
        return Said(code, tuple(out.getvalue().replace(f"{self.root}/", "").splitlines()))

    def must(self, *arguments: str | Path) -> None:
        """Nothing; the call ended with 0."""
        said = self.call(*arguments)
        assert said.code == 0, said

    # Attestations.

    def statements(self) -> list[Plain]:
        """What each line says."""
        found = []
        for line in self.bundle.read_bytes().splitlines():
            found.append(json.loads(base64.b64decode(json.loads(line)["dsseEnvelope"]["payload"])))
        return found

    def attest(self, said: list[Plain], name: str = "lab", key_id: str | None = None) -> None:
        """Nothing; the folder has these statements, signed with a key under its own or another name."""
        private: EllipticCurvePrivateKey = self.private(name)
        self.bundle.write_bytes(b"".join(signed_line(one, private, key_id or name) for one in said))

    def say(self, change: Callable[[Plain], object], number: int | None = None) -> None:
        """Nothing; one line (from 0), or each, says something else, signed with the right key."""
        said = self.statements()
        for one in said if number is None else [said[number]]:
            change(one)
        self.attest(said)

    def relist(self, name: str = "rex", **changes: Any) -> None:
        """Nothing; the revocation list has other fields, signed anew."""
        plain = {**json.loads(self.list.read_text()), **changes, "signature": None}
        draft = RevocationList.model_validate_json(json.dumps(plain))
        signed = draft.model_copy(update={"signature": sign(draft, self.private(name))})
        self.list.write_text(signed.text())

    def revoke(self, **entry: str) -> None:
        """Nothing; the revocation list has this entry."""
        self.relist(revoked=[{"reason": "Recalled.", "day": day(0), **entry}])

    def repolicy(self, before: str, after: str) -> None:
        """Nothing; a piece of the policy's text is another one."""
        self.made.change(self.policy, before, after)

    def approvals(self) -> Iterator[Path]:
        """The approvals of the run."""
        yield from (self.root / "repo" / "run" / "approvals").iterdir()

    def reapprove(self, name: str = "ann", **changes: Any) -> None:
        """Nothing; the approval says something else, signed anew."""
        (path,) = self.approvals()
        plain = {**json.loads(path.read_text()), **changes, "signature": None}
        draft = Approval.model_validate_json(json.dumps(plain))
        path.write_text(draft.model_copy(update={"signature": sign(draft, self.private(name))}).text())


def make_scene(root: Path) -> Scene:
    """A release in `root`, by the commands that its makers use."""
    scene = Scene(root)
    made = make_repository(root / "repo")
    for name, purpose in KEYS.items():
        scene.must("keygen", name, "--out", root / "keys", "--for", *purpose)
    trust = ["trust:\n"]
    for name in ("lab", "ann", "rex"):
        trust.append(f"  {KEYS[name][0]}:\n{scene.listed(name)}\n")
    made.policy.write_text(made.policy.read_text() + "".join(trust) + RULES)
    (made.root / "policies" / "licenses").mkdir()
    (made.root / "policies" / "licenses" / "tiny.txt").write_text("Do what you like.\n")
    assert scene.call(*made.gate()).code == 3, "it waits for an approval"
    scene.must("approve", made.run.root, "--role", "lead", "--key", scene.key("ann"))
    scene.must("attest", made.run.root, "--key", scene.key("lab"), "-q")
    scene.must("revoke", "lab-models", "--key", scene.key("rex"), "--next-update", day(20))
    scene.must("export", made.run.root, scene.folder, "-q")
    return scene


def copy_of(scene: Scene, root: Path) -> Scene:
    """A copy that can be tampered with."""
    shutil.copytree(scene.root, root)
    return Scene(root)
