"""`releasegate keygen`: a key to sign with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from pydantic import ValidationError

from releasegate.cli import options
from releasegate.cli.console import print_json
from releasegate.cli.passphrase import passphrase
from releasegate.errors import UsageError
from releasegate.repository.key_files import snippet, write_key
from releasegate.signing import public_bytes
from releasegate.trust import PublicKey


@click.command("keygen")
@click.argument("name")
@click.option("--out", type=options.FILE, required=True, metavar="FOLDER", help="Where the two files are written.")
@click.option("--owner", metavar="TEXT", help="Who holds the key.  [default: NAME]")
@click.option("--valid-to", metavar="DATE", help="The last day on which it counts.  [default: in 365 days]")
@options.format_
def command(name: str, out: Path, owner: str | None, valid_to: str | None, format_: str) -> int:
    """Make a key: FOLDER/NAME.key, which is secret, and FOLDER/NAME.pub.yaml, to paste into a policy.

    The secret file is readable by you alone, and encrypted if RELEASEGATE_KEY_PASSPHRASE is set. Keep it out of the gate
    repository.

    \b
    Example:
      releasegate keygen alice --out ~/releasegate-keys --owner "Alice Example, research lead"
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    today = datetime.now(UTC).date()
    private = Ed25519PrivateKey.generate()
    try:
        public = PublicKey(
            id=name,
            key=public_bytes(private),
            owner=name if owner is None else owner,
            valid_from=today.isoformat(),
            valid_to=valid_to if valid_to is not None else (today + timedelta(days=365)).isoformat(),
        )
    except ValidationError as error:
        raise _usage(error) from None
    secret = passphrase()
    files = write_key(out, private, public, secret)
    if format_ == "json":
        print_json(
            {
                "private": str(files.private),
                "encrypted": secret is not None,
                "public": str(files.public),
                "key": public.plain(),
            }
        )
        return 0
    click.echo(f"private: {files.private} ({'encrypted' if secret else 'not encrypted'}; keep it secret)")
    click.echo(f"public:  {files.public}\n\n{snippet(public)}", nl=False)
    return 0


def _usage(error: ValidationError) -> UsageError:
    """What is wrong with the arguments, in the words of the command line."""
    first = error.errors()[0]
    field = str(first["loc"][0]) if first["loc"] else "valid_to"
    where = {"id": "NAME", "owner": "--owner", "valid_to": "--valid-to"}[field]
    if field == "id":
        return UsageError(where, "is no name", "use lower-case letters, digits, `-`, `_` and `.`; at most 64")
    return UsageError(where, first["msg"].removeprefix("Value error, "), "correct it")
