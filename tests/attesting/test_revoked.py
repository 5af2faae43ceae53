"""A release is refused for anything of it that stands on the revocation list, and for nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from releasegate.attestation import RELEASE_TYPE
from releasegate.errors import VerifyError
from releasegate.records import digest_of
from tests.tiny_approvals import revocations, revoker
from tests.tiny_releases import Release, listed, make_release, policy_of

WAIVER = {
    "requirement": "weak",
    "checkpoint": "source",
    "waiver": "weak-for-now",
    "sha256": digest_of("waiver"),
    "owner": "Alice Example",
    "expires": "2026-12-31",
    "key": "alice",
}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """One that rests on a waiver, by a policy that names a list."""
    trust = {"attestations": [listed()], "revocations": [revoker().plain()]}
    policy = policy_of(trust=trust, publication={"revocations": "tiny-models"})
    made = make_release(tmp_path_factory.mktemp("revoked"), policy)

    def waived(statement: dict[str, Any]) -> None:
        statement["predicate"]["waivers"] = [WAIVER]

    return made.saying(RELEASE_TYPE, waived)


def on_list(release: Release, **entry: str) -> Release:
    return replace(release, revocations=revocations(dict(entry)))


def test_what_is_not_on_the_list_is_no_matter(release: Release) -> None:
    verified = replace(release, revocations=revocations()).verify()
    model, other = verified.attested.release.model.released, digest_of("other")
    for entry in (
        {"what": "release", "sha256": model},
        {"what": "model", "sha256": verified.attested.subjects.release},
        {"what": "attestation", "sha256": other},
        {"what": "key", "key": "bob"},
    ):
        assert on_list(release, **entry).verify().files == verified.files


@pytest.mark.parametrize("what", ["release", "model", "attestation"])
def test_what_was_revoked_by_its_digest_is_refused(release: Release, what: str) -> None:
    attested = replace(release, revocations=revocations()).verify().attested
    digests = {
        "release": attested.subjects.release,
        "model": attested.release.model.released,
        "attestation": attested.lines[0].digest,
    }
    revoked = on_list(release, what=what, sha256=digests[what])
    with pytest.raises(VerifyError, match=f"is revoked: {what} sha256:[0-9a-f]+, on 2026-02-01: It was broken"):
        revoked.verify()


@pytest.mark.parametrize("key", ["lab", "alice"])
def test_what_a_revoked_key_signed_is_refused_attestation_and_waiver_alike(release: Release, key: str) -> None:
    with pytest.raises(VerifyError, match=f"is revoked: key {key}, on 2026-02-01"):
        on_list(release, what="key", key=key).verify()


def test_without_the_list_that_the_policy_names_nothing_is_valid(release: Release) -> None:
    with pytest.raises(VerifyError, match="names the revocation list tiny-models, which is not at hand"):
        release.verify()
    stale = replace(release, revocations=revocations(next_update="2026-02-28"))
    with pytest.raises(VerifyError, match="is stale"):
        stale.verify()
