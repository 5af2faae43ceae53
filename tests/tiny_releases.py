"""A released folder of a few files, the policy that it was released under, and attestations by a key of one's own."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, derive_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from releasegate.attestation import RELEASE_TYPE, SUMMARY_TYPE, TEST_RESULT_TYPE, bundle_line, pae
from releasegate.attesting.hashing import hash_folder
from releasegate.attesting.verifying import Verified, verify_release
from releasegate.manifest import FileEntry, Manifest
from releasegate.policy import Policy
from releasegate.released import BUNDLE, Released
from releasegate.revocation import RevocationList
from tests.tiny_gates import capability, policy, unconditional

MADE = "2026-02-01"
TODAY = date(2026, 3, 1)
Plain = dict[str, Any]
Change = Callable[[Plain], object]


def signing_key(number: int) -> EllipticCurvePrivateKey:
    """A P-256 key that is the same in every test."""
    return derive_private_key(number, SECP256R1())


LAB, EXAMINER = signing_key(11), signing_key(12)


def public(private: EllipticCurvePrivateKey) -> str:
    """The public half as a policy lists it."""
    data = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(data).decode()


def listed(key_id: str = "lab", private: EllipticCurvePrivateKey = LAB, **changes: str) -> Plain:
    """An entry of `trust.attestations`."""
    days = {"valid_from": "2026-01-01", "valid_to": "2026-12-31"}
    return {"id": key_id, "key": public(private), "owner": "Lab Example", **days, **changes}


def policy_of(**changes: Any) -> Policy:
    """A policy that trusts the lab's key; `trust`, `publication` and `approvals` as JSON data."""
    plain = policy(capability("drawing"), unconditional("naming")).plain()
    return Policy.from_text(json.dumps({**plain, "trust": {"attestations": [listed()]}, **changes}))


FILES: Mapping[str, bytes] = {
    "config.json": b'{"model_type": "tiny"}',
    "model.safetensors": b"weights" * 1000,
    "README.md": b"# Tiny\n",
    "LICENSE": b"Do what you like.\n",
    "releasegate/decision.json": b"{}",
}
MODEL = ("config.json", "model.safetensors")


def write_folder(folder: Path, files: Mapping[str, bytes] = FILES) -> Path:
    """The folder, with these files in it."""
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def released_of(folder: Path) -> Released:
    """What the folder holds, its attestations apart."""
    return Released(files=tuple(file for file in hash_folder(folder).files if file.path != BUNDLE))


def subjects(released: Released) -> list[Plain]:
    """The folder as a whole and each file, as a statement lists them."""
    named = [("release", released.digest()), *((file.path, file.sha256) for file in released.files)]
    return [{"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}} for name, digest in named]


def sha(text: str) -> str:
    """A digest of its own for each text."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def predicates(released: Released, of: Policy, day: str = MADE, *, model: tuple[str, ...] = MODEL) -> dict[str, Plain]:
    """The three predicates of a release of the model's files whole, by predicate type."""
    files = [released.find(path) for path in sorted(model)]
    measured = [file.plain() for file in files if file is not None]
    digest = Manifest(files=tuple(FileEntry(**file) for file in measured)).digest()
    rules = of.rules_digest()
    stated = {"policy": rules, "plan": sha("plan"), "evidence": sha("evidence"), "decision": sha("decision")}
    weights = {"name": "weights", "asked": "open_weights", "granted": "open_weights", "verdict": "release"}
    release = {
        "schema": "releasegate/attestation/v1",
        "releasegate": "0.1",
        "day": day,
        "verdict": "release",
        "channel": "open_weights",
        "artefacts": [{**weights, "checkpoint": "source"}],
        "policy": of.id,
        "policy_digest": rules,
        **{name: stated[name] for name in ("plan", "evidence", "decision")},
        "attempt": 1,
        "ledger": {
            "family": of.id,
            "opened": {"count": 3, "head": "ab" * 32, "anchored": True},
            "closed": {"count": 4, "head": "cd" * 32},
        },
        "model": {"source": digest, "released": digest},
        "files": measured,
        "findings": [],
        "leans_on": ["naming: unconditional, because: Harmless."],
    }
    summary = {
        "verifier": {"id": "urn:releasegate:verifier:lab"},
        "timeVerified": f"{day}T00:00:00Z",
        "resourceUri": f"urn:releasegate:release:{released.digest()}",
        "policy": {"uri": f"urn:releasegate:policy:{of.id}", "digest": {"sha256": rules.removeprefix("sha256:")}},
        "verificationResult": "PASSED",
        "verifiedLevels": ["RELEASEGATE_RELEASE"],
    }
    tested = [{"name": n, "digest": {"sha256": d.removeprefix("sha256:")}} for n, d in stated.items()]
    result = {"result": "PASSED", "configuration": tested, "passedTests": ["weak on source"]}
    return {SUMMARY_TYPE: summary, TEST_RESULT_TYPE: result, RELEASE_TYPE: release}


def statement(about: list[Plain], kind: str, predicate: Plain) -> Plain:
    """An in-toto statement."""
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": about,
        "predicateType": kind,
        "predicate": predicate,
    }


def signed_line(said: Plain | bytes, private: EllipticCurvePrivateKey = LAB, key_id: str = "lab") -> bytes:
    """A statement, signed, as a line of a bundle."""
    payload = said if isinstance(said, bytes) else json.dumps(said).encode()
    return bundle_line(payload, private.sign(pae(payload), ECDSA(SHA256())), key_id)


@dataclass(frozen=True)
class Release:
    """A released folder, its policy, and what is said of it.

    Attributes:
        statements: each is a line, signed with `private` as `key_id`.
        extra: lines that stand after those.
    """

    folder: Path
    policy: Policy
    statements: tuple[Plain, ...]
    private: EllipticCurvePrivateKey = LAB
    key_id: str = "lab"
    extra: tuple[bytes, ...] = ()
    today: date = TODAY
    revocations: RevocationList | None = None
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def bundle(self) -> Path:
        """Where the attestations lie."""
        return self.folder.parent / "attestations.jsonl"

    @property
    def lines(self) -> bytes:
        """The attestations."""
        made = [signed_line(one, self.private, self.key_id) for one in self.statements]
        return b"".join([*made, *self.extra])

    def verify(self) -> Verified:
        """What `verify_release` finds."""
        self.bundle.write_bytes(self.lines)
        return verify_release(self.folder, self.bundle, self.policy, self.today, self.revocations)

    def saying(self, kind: str, change: Change) -> Release:
        """The same with one of the statements changed, and signed again by the right key."""
        changed = json.loads(json.dumps(self.statements))
        for one in changed:
            if one["predicateType"] == kind:
                change(one)
        return replace(self, statements=tuple(changed))

    def each(self, change: Change) -> Release:
        """The same with every statement changed, and signed again by the right key."""
        changed = json.loads(json.dumps(self.statements))
        for one in changed:
            change(one)
        return replace(self, statements=tuple(changed))


def make_release(
    root: Path,
    of: Policy | None = None,
    files: Mapping[str, bytes] = FILES,
    day: str = MADE,
    *,
    model: tuple[str, ...] = MODEL,
) -> Release:
    """A release in `root` that holds: these files and those that lie in `root/release` already."""
    judged = of or policy_of()
    folder = write_folder(root / "release", files)
    released = released_of(folder)
    about = subjects(released)
    said = tuple(
        statement(about, kind, predicate) for kind, predicate in predicates(released, judged, day, model=model).items()
    )
    return Release(folder, judged, said)
