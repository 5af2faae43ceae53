"""Private keys on disk, and the lines that make the public halves known.

Ed25519 for what a person signs, ECDSA P-256 for attestations, as the verifiers of others expect.

::

    FOLDER/<name>.key       the private key: PKCS #8 in PEM, encrypted under a passphrase if there is one; mode 0600
           <name>.pub.yaml  the public key, as a policy lists it
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from releasegate.errors import NotFound, TrustError, UsageError
from releasegate.repository.nesting import refuse_file
from releasegate.repository.writing import sync_folder
from releasegate.trust import Approver, AttestationKey, PublicKey, Purpose

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey

List = Purpose | Literal["attestations"]
"""The list of a policy's `trust` that a key is for."""
Listed = PublicKey | Approver | AttestationKey
"""A public key, as a list holds it."""

MAX_BYTES = 16 << 10


@dataclass(frozen=True)
class KeyFiles:
    """Where the two halves of a key lie."""

    private: Path
    public: Path


def write_key(
    folder: Path, private: PrivateKey, public: Listed, passphrase: str | None, list_: List = "waivers"
) -> KeyFiles:
    """Where both halves lie now, each in a file that did not exist before.

    Args:
        folder: made, for its owner alone, if it does not exist.
        public: the public half, as a policy lists it.
        passphrase: what the private half is encrypted under; None: nothing.
        list_: the list that the public half is for.

    Raises:
        UsageError: one of the files exists, or `folder` is a file; nothing was written.
    """
    refuse_file(folder, UsageError)
    files = KeyFiles(folder / f"{public.id}.key", folder / f"{public.id}.pub.yaml")
    for path in (files.private, files.public):
        if os.path.lexists(path):
            raise UsageError(
                str(path), "exists already, and a key is never overwritten", "choose another name or folder"
            )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_new(files.private, _pem(private, passphrase), 0o600)
    try:
        _write_new(files.public, snippet(public, list_).encode(), 0o644)
    except OSError:
        files.private.unlink()
        raise
    sync_folder(folder)
    return files


def snippet(public: Listed, list_: List = "waivers") -> str:
    """The lines that list a key in a policy."""
    pairs = ", ".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in public.plain().items())
    return (
        "# The public half of a key. Paste this into the policy; if it has `trust:` already, add the last line there.\n"
        f"trust:\n  {list_}:\n    - {{{pairs}}}\n"
    )


def read_key(path: Path, passphrase: str | None) -> Ed25519PrivateKey:
    """The Ed25519 private key in a file.

    Args:
        passphrase: tried only if the key is encrypted.

    Raises:
        NotFound: there is no such file.
        TrustError: it holds no such key, cannot be decrypted, or lies there unencrypted for others to read.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = _private_key(path, passphrase)
    if not isinstance(key, Ed25519PrivateKey):
        raise TrustError(
            str(path),
            "is not an Ed25519 key, which people sign with",
            "name the .key file of who signs, made with `releasegate keygen NAME --for approvals` (or waivers, revocations)",
        )
    return key


def read_attestation_key(path: Path, passphrase: str | None) -> EllipticCurvePrivateKey:
    """The ECDSA P-256 private key in a file.

    Args:
        passphrase: tried only if the key is encrypted.

    Raises:
        NotFound: there is no such file.
        TrustError: it holds no such key, cannot be decrypted, or lies there unencrypted for others to read.
    """
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey

    key = _private_key(path, passphrase)
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        fix = "make one with `releasegate keygen NAME --for attestations`"
        raise TrustError(str(path), "is not an ECDSA P-256 key, which attestations are signed with", fix)
    return key


def _private_key(path: Path, passphrase: str | None) -> object:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _key_bytes(path)
    encrypted = b"ENCRYPTED" in data
    if encrypted and passphrase is None:
        raise TrustError(str(path), "is encrypted", "set RELEASEGATE_KEY_PASSPHRASE")
    try:
        key = load_pem_private_key(data, passphrase.encode() if encrypted and passphrase else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        what = "cannot be decrypted with that passphrase" if encrypted else "is not a private key in PEM"
        fix = (
            "correct RELEASEGATE_KEY_PASSPHRASE" if encrypted else "name the .key file that `releasegate keygen` wrote"
        )
        raise TrustError(str(path), what, fix) from None
    if not encrypted and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise TrustError(str(path), "is unencrypted, and others may read it", f"run `chmod 600 {path}`")
    return key


def _key_bytes(path: Path) -> bytes:
    if not path.is_file():
        raise NotFound(str(path), "no such key", "name the .key file that `releasegate keygen` wrote")
    with path.open("rb") as file:
        return file.read(MAX_BYTES)


def _pem(private: PrivateKey, passphrase: str | None) -> bytes:
    from cryptography.hazmat.primitives import serialization as form

    lock = form.BestAvailableEncryption(passphrase.encode()) if passphrase else form.NoEncryption()
    return private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, lock)


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Nothing; a new file holds `data` and is on disk, or there is none."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink()
        raise
