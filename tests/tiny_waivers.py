"""Keys, a policy that trusts one, a finding that it violates, and the waiver of that finding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from releasegate.decision.waiving import case_of
from releasegate.plan import Plan
from releasegate.policy import Policy
from releasegate.repository import RunFolder
from releasegate.signing import public_bytes, sign
from releasegate.trust import PublicKey, Trust
from releasegate.waiver import Case, Counts, DoesNotCount, Waiver, standing
from tests.tiny_gates import WEAK, Gate, capability, finding, policy, share

SIGNED = date(2026, 2, 1)
TODAY = date(2026, 3, 1)


def private_key(number: int) -> Ed25519PrivateKey:
    """A key that is the same in every test."""
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


ALICE, MALLORY = private_key(1), private_key(2)


def listed(private: Ed25519PrivateKey, key_id: str = "alice", **changes: str) -> PublicKey:
    """The public half as a policy lists it."""
    plain = {"owner": key_id.title(), "valid_from": "2026-01-01", "valid_to": "2026-12-31", **changes}
    return PublicKey(id=key_id, key=public_bytes(private), **plain)


TRUST = Trust(waivers=(listed(ALICE),))


def with_trust(plain: Policy, trust: Trust | None = TRUST) -> Policy:
    """The policy, trusting these keys."""
    return plain.model_copy(update={"trust": trust})


def violated(hits: int = 90, **changes: Any) -> Gate:
    """A gate on a model that draws too well, under a policy that trusts a key for waivers."""
    made = Gate(with_trust(policy(capability("drawing", misuse=[WEAK]))), {("drawing", "source"): share(hits)})
    return replace(made, **changes)


def case(gate: Gate | None = None, requirement: str = "weak") -> Case:
    """The finding of a gate, by default one that is violated."""
    return VIOLATED if gate is None else case_of(gate.policy, gate.plan, finding(gate.decide(), requirement))


VIOLATED = case(violated())


def draft(of: Case | None = None, **changes: Any) -> Waiver:
    """An unsigned waiver of a finding."""
    about = of or case()
    plain: dict[str, Any] = {
        "schema": "releasegate/waiver/v1",
        "id": "weak-for-now",
        "owner": "Alice Example",
        "reason": "Draws digits alone.\nReviewed in February.",
        "opened": SIGNED.isoformat(),
        "expires": "2026-06-30",
        "policy": about.policy,
        "requirement": about.requirement,
        "metric": about.metric,
        "side": about.side,
        "limit": about.limit,
        "checkpoint": about.checkpoint,
        "measurement": about.measurement,
        "finding": about.status,
        "key": "alice",
        **changes,
    }
    return Waiver.model_validate(plain)


def signed(of: Case | None = None, private: Ed25519PrivateKey = ALICE, **changes: Any) -> Waiver:
    """A signed waiver of a finding."""
    made = draft(of, **changes)
    return made.model_copy(update={"signature": sign(made, private)})


def judged(waiver: Waiver, **changes: Any) -> Counts | DoesNotCount:
    """Its standing; by default against what it was signed for, a month later."""
    given: dict[str, Any] = {"case": case(), "trust": TRUST, "today": TODAY, **changes}
    return standing(waiver, given["case"], given["trust"], given["today"])


def why_not(waiver: Waiver, **changes: Any) -> str:
    """Why it does not count."""
    found = judged(waiver, **changes)
    assert isinstance(found, DoesNotCount), found
    return found.why


@dataclass(frozen=True)
class Desk:
    """A gate repository and a decided run in it, on disk; no model is needed."""

    root: Path

    @property
    def run(self) -> RunFolder:
        """The run."""
        return RunFolder(self.root / "run")

    @property
    def waivers(self) -> Path:
        """Where waivers lie."""
        return self.root / "policies" / "waivers"

    @property
    def policy(self) -> Path:
        """The policy's file."""
        return self.root / "policies" / "tiny.yaml"

    @property
    def plan(self) -> Plan:
        """The plan of the run."""
        return self.run.read_plan()


def make_desk(root: Path, gate: Gate) -> Desk:
    """The repository in `root` with the policy of `gate`, and its run, decided."""
    made = Desk(root)
    (root / "policies").mkdir(parents=True)
    (root / "evals").mkdir()
    made.policy.write_text(gate.policy.text())
    made.run.open(gate.plan)
    made.run.write_decision(gate.decide())
    return made
