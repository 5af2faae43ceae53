"""A run on disk: plan, evidence, outputs, stripped checkpoint, decision, report.

::

    RUN/plan.json  evidence/index.jsonl  evidence/<measurement>/<shard>.jsonl  outputs/<sha256>.<ext>
        stripped/  stripped.receipt.json  decision.json  report.html  run.log
        approvals/<role>-<key>.json  release/  attestations.jsonl
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from releasegate.checkpoint import read_manifest
from releasegate.checkpoint.files import list_files
from releasegate.decision import Decision
from releasegate.errors import EvidenceUntrusted, RunError
from releasegate.plan import Plan, differences
from releasegate.policy import Policy
from releasegate.receipt import Receipt
from releasegate.repository.evidence_store import EvidenceStore
from releasegate.repository.modes import make_folder, owner_keeps_access
from releasegate.repository.nesting import refuse_file, refuse_in_run, refuse_nested
from releasegate.repository.receipts import read_receipt, receipt_path
from releasegate.repository.stored import Wording, read_stored
from releasegate.repository.writing import write_whole
from releasegate.secrets import credentials, hide

WRITTEN = "what releasegate wrote"
AGAIN = "restore it, or start a new run"
PLAN = Wording(WRITTEN, ("no run here", "run `releasegate gate` or `releasegate plan --open`"), AGAIN)
DECISION = Wording(WRITTEN, ("no decision yet", "run `releasegate decide`"), AGAIN)


@dataclass(frozen=True)
class RunFolder:
    """One run folder."""

    root: Path

    @property
    def plan_path(self) -> Path:
        """plan.json"""
        return self.root / "plan.json"

    @property
    def stripped(self) -> Path:
        """The folder of the stripped checkpoint."""
        return self.root / "stripped"

    @property
    def decision_path(self) -> Path:
        """decision.json"""
        return self.root / "decision.json"

    @property
    def report_path(self) -> Path:
        """report.html"""
        return self.root / "report.html"

    @property
    def outputs(self) -> Path:
        """Where outputs lie, each named by its sha256."""
        return self.root / "outputs"

    @property
    def evidence(self) -> EvidenceStore:
        """What was measured."""
        return EvidenceStore(self.root / "evidence")

    def require_place(self, source: Path) -> None:
        """Nothing, if a run on the checkpoint `source` may lie here.

        Raises:
            RunError: a file is there; it would lie in a checkpoint or another run folder, or the source in it.
        """
        refuse_file(self.root, RunError)
        refuse_nested(self.root, source, RunError)
        refuse_in_run(self.root, RunError)

    def nearest_folder(self) -> Path:
        """The run folder, or the nearest folder above it that is there."""
        return next(path for path in (self.root.absolute(), *self.root.absolute().parents) if path.is_dir())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process out of this folder, which is made if need be, as long as the block lasts.

        Its owner can enter it and read what is written in it, whatever the mask of the process says.

        Raises:
            RunError: another one does.
        """
        with owner_keeps_access():
            self.root.mkdir(parents=True, exist_ok=True)
        folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._lock(folder)
            try:
                with owner_keeps_access():
                    yield
            finally:
                if self._holds(folder) and not any(self.root.iterdir()):
                    self.root.rmdir()  # no attempt was opened
        finally:
            os.close(folder)

    def _lock(self, folder: int) -> None:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(str(self.root), "another releasegate works in this run folder", "wait for it") from None
        if not self._holds(folder):
            raise RunError(str(self.root), "was removed by another releasegate", "run the same command again")

    def _holds(self, folder: int) -> bool:
        """Whether the folder at this path is still the one that was opened."""
        return self.root.is_dir() and os.path.samestat(os.stat(self.root), os.fstat(folder))

    def open(self, plan: Plan) -> None:
        """Nothing; the run folder exists, with its plan.

        Raises:
            RunError: it holds something already.
        """
        if self.plan_path.exists():
            raise RunError(str(self.root), "holds a run already", "resume it, or choose another folder")
        if self.root.exists() and any(not path.name.endswith(".partial") for path in self.root.iterdir()):
            raise RunError(str(self.root), "is not empty and not a run", "choose another folder")
        make_folder(self.root)
        self.write_plan(plan)

    def write_plan(self, plan: Plan) -> None:
        """Nothing; plan.json holds it."""
        write_whole(self.plan_path, plan.text().encode())

    def read_plan(self, *, half_opened: bool = False) -> Plan:
        """The plan of the run.

        Args:
            half_opened: take one without a nonce too: its opening was cut off before the ledger gave it one.

        Raises:
            NotFound: there is no run here.
            EvidenceUntrusted: plan.json is not a plan, not one that was opened, or its policy is not the one that it fixed.
        """
        plan = read_stored(Plan, self.plan_path, PLAN)
        if not plan.is_open and not half_opened:
            raise EvidenceUntrusted(str(self.plan_path), "was never opened: it has no nonce", "start a new run")
        if plan.is_open and (plan.ledger is None) != plan.rehearsal:
            what = "has a place in a ledger" if plan.rehearsal else "has no place in a ledger, and is no rehearsal"
            raise EvidenceUntrusted(str(self.plan_path), what, "start a new run")
        if plan.policy_digest is not None and plan.policy_digest != plan.policy.rules_digest():
            raise EvidenceUntrusted(str(self.plan_path), "holds another policy than it was opened with", AGAIN)
        if plan.wording is not None and (
            plan.policy_digest is None or plan.wording.keys() != {c.id for c in plan.policy.capabilities}
        ):
            raise EvidenceUntrusted(str(self.plan_path), "words other capabilities than its policy has", AGAIN)
        return plan

    def refuse_other_plan(self, stored: Plan, now: Plan) -> None:
        """Nothing, if the plan that would be made now is the stored one, but for what its opening gave it, and prose.

        Raises:
            RunError: it is another one.
        """
        if changed := differences(stored, now):
            what = f"holds an attempt that was opened with another {', '.join(changed)}"
            raise RunError(str(self.root), what, "restore what changed, or open a new attempt in another run folder")

    def reword(self, plan: Plan, policy: Policy) -> Plan:
        """The stored plan with the prose of `policy`, which has the same rules; plan.json holds it."""
        reworded = plan.reworded(policy)
        if reworded is not plan:
            self.write_plan(reworded)
        return reworded

    def receipt(self) -> Receipt | None:
        """The receipt of the run's stripped checkpoint, whose files are those that it lists; None before there is one.

        Raises:
            NotFound: there is a stripped checkpoint without a receipt.
            VerifyError: the receipt is none.
            EvidenceUntrusted: a file of the folder is not what it says.
        """
        if not self.stripped.exists():
            return None
        receipt = read_receipt(receipt_path(self.stripped))
        sizes = {name: (self.stripped / name).stat().st_size for name in list_files(self.stripped)}
        listed = sizes == {entry.path: entry.size for entry in receipt.output.files}  # before anything is hashed
        if not listed or read_manifest(self.stripped, like=receipt.output).digest() != receipt.output_digest:
            raise EvidenceUntrusted(str(self.stripped), "is not what its receipt says", "remove it, and resume the run")
        return receipt

    def clear_receipt(self) -> None:
        """Nothing; no receipt is left of a stripped checkpoint that was removed."""
        if not self.stripped.exists():
            receipt_path(self.stripped).unlink(missing_ok=True)

    def log(self, text: str) -> None:
        """Nothing; run.log ends with `text`, in which no credential stands.

        Raises:
            EvidenceUntrusted: something else than a file lies there.
        """
        path = self.root / "run.log"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            with os.fdopen(os.open(path, flags, 0o644), "a", encoding="utf-8") as file:
                plain = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
                if plain:
                    file.write(hide(text, credentials(os.environ)).rstrip("\n") + "\n")
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
                raise
            plain = False
        if not plain:
            raise EvidenceUntrusted(str(path), "is no regular file", "remove it, and run the same command again")

    def note_judge(self, commit: str | None) -> None:
        """Nothing; run.log says which commit the gate repository was taken from, if it was taken from one."""
        if commit is not None:
            self.log(f"judged by commit {commit}")

    def write_output(self, data: bytes, extension: str) -> str:
        """The name under which `data` lies in `outputs/`."""
        self.outputs.mkdir(exist_ok=True)
        name = f"{hashlib.sha256(data).hexdigest()}.{extension}"
        path = self.outputs / name
        if not path.exists():
            write_whole(path, data)
        return name

    def refuse_outputs(self, policy: Policy) -> None:
        """Nothing, if no output lies here, or the policy lets outputs be kept.

        Raises:
            EvidenceUntrusted: one lies here.
        """
        if policy.hashes_samples and self.outputs.exists():
            what = "is there, and the policy says `samples: hashed`"
            raise EvidenceUntrusted(str(self.outputs), what, "remove it, or judge by a policy that keeps samples")

    def write_decision(self, decision: Decision) -> None:
        """Nothing; decision.json holds it."""
        write_whole(self.decision_path, decision.text().encode())

    def read_decision(self) -> Decision:
        """The stored decision.

        Raises:
            NotFound: none was made.
            EvidenceUntrusted: decision.json is not a decision.
        """
        return read_stored(Decision, self.decision_path, DECISION)
