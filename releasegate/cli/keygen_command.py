"""`releasegate keygen`: a key to sign with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError

from releasegate.cli import options
from releasegate.cli.console import print_json
from releasegate.cli.passphrase import passphrase
from releasegate.errors import UsageError
from releasegate.repository.key_files import List, Listed, snippet, write_key
from releasegate.signing import p256_public_bytes, public_bytes
from releasegate.trust import Approver, AttestationKey, PublicKey

if TYPE_CHECKING:
    from releasegate.repository.key_files import PrivateKey

KINDS: dict[List, type[Listed]] = {
    "waivers": PublicKey,
    "approvals": Approver,
    "revocations": PublicKey,
    "attestations": AttestationKey,
}
"""What a key may be for, and how a policy lists it."""


@click.command("keygen")
@click.argument("name")
@click.option("--out", type=options.FILE, required=True, metavar="FOLDER", help="Where the two files are written.")
@click.option(
    "--for",
    "list_",
    type=click.Choice(list(KINDS)),
    default="waivers",
    show_default=True,
    help="What it may sign; a key has one purpose.",
)
@click.option(
    "--role", "roles", multiple=True, metavar="ROLE", help="In which it may approve; may be given several times."
)
@click.option("--owner", metavar="TEXT", help="Who holds the key.  [default: NAME]")
@click.option("--valid-to", metavar="DATE", help="The last day on which it counts.  [default: in 365 days]")
@options.format_
def command(
    name: str, out: Path, list_: List, roles: tuple[str, ...], owner: str | None, valid_to: str | None, format_: str
) -> int:
    """Make a key: FOLDER/NAME.key, which is secret, and FOLDER/NAME.pub.yaml, to paste into a policy.

    The secret file is readable by you alone, and encrypted if RELEASEGATE_KEY_PASSPHRASE is set. Keep it out of the gate
    repository. A key for attestations is ECDSA P-256, every other one Ed25519.

    \b
    Example:
      releasegate keygen alice --out ~/releasegate-keys --owner "Alice Example, research lead"
      releasegate keygen alice-approves --for approvals --role research_lead --out ~/releasegate-keys
    """
    if list_ == "approvals" and not roles:
        raise UsageError("--role", "is missing: a key approves in the roles that the policy gives it", "name one")
    if list_ != "approvals" and roles:
        raise UsageError("--role", f"is for approvals, and the key is for {list_}", "leave it out")
    today = datetime.now(UTC).date()
    private, key = _made(list_)
    plain: dict[str, Any] = {
        "id": name,
        "key": key,
        "owner": name if owner is None else owner,
        "valid_from": today.isoformat(),
        "valid_to": valid_to if valid_to is not None else (today + timedelta(days=365)).isoformat(),
    }
    if roles:
        plain["roles"] = tuple(dict.fromkeys(roles))
    try:
        public = KINDS[list_].model_validate(plain)
    except ValidationError as error:
        raise _usage(error) from None
    secret = passphrase()
    files = write_key(out, private, public, secret, list_)
    if format_ == "json":
        print_json(
            {
                "private": str(files.private),
                "encrypted": secret is not None,
                "public": str(files.public),
                "for": list_,
                "key": public.plain(),
            }
        )
        return 0
    click.echo(f"private: {files.private} ({'encrypted' if secret else 'not encrypted'}; keep it secret)")
    click.echo(f"public:  {files.public}\n\n{snippet(public, list_)}", nl=False)
    return 0


def _made(list_: List) -> tuple[PrivateKey, str]:
    """A new private key, and its public half as a policy writes it."""
    if list_ == "attestations":
        from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

        curve = generate_private_key(SECP256R1())
        return curve, p256_public_bytes(curve)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    return private, public_bytes(private)


def _usage(error: ValidationError) -> UsageError:
    """What is wrong with the arguments, in the words of the command line."""
    first = error.errors()[0]
    field = str(first["loc"][0]) if first["loc"] else "valid_to"
    where = {"id": "NAME", "owner": "--owner", "valid_to": "--valid-to", "roles": "--role"}[field]
    if field == "id" or len(first["loc"]) > 1:
        return UsageError(where, "is no name", "use lower-case letters, digits, `-`, `_` and `.`; at most 64")
    return UsageError(where, first["msg"].removeprefix("Value error, "), "correct it")
