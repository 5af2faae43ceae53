"""`releasegate attest`: a signed account of what a run decided, for those who get the weights."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from releasegate.cli import options
from releasegate.cli.console import Bars, print_json
from releasegate.cli.passphrase import passphrase
from releasegate.errors import Exit, UsageError
from releasegate.publishing.attestation import Attested, Call, attest
from releasegate.publishing.bundle_file import BundleFile
from releasegate.publishing.releasable import Hindrance
from releasegate.repository import GateRepository, RunFolder

if TYPE_CHECKING:
    from releasegate.attesting.signing import Signer
    from releasegate.policy import Policy


@click.command("attest")
@options.run
@click.option("--key", metavar="KEY", help="The private key: a file, or a URI such as awskms:alias/release.")
@click.option("--key-id", metavar="ID", help="Of a URI: which key of the policy it is, where that lists several.")
@click.option("--keyless", is_flag=True, help="Sign as the identity of this CI job, through Sigstore.")
@click.option(
    "--identity-token-file", type=options.FILE, metavar="FILE", help="Of --keyless: the OpenID Connect token to use."
)
@click.option(
    "--model", type=options.FILE, metavar="CHECKPOINT", help="The source checkpoint; needed where it goes out whole."
)
@click.option("--out", type=options.FILE, metavar="FILE", help="Default: RUN/attestations.jsonl.")
@click.option("--append", is_flag=True, help="Keep the attestations that stand there already.")
@options.ledger
@options.repository
@options.format_
@options.quiet
def command(
    run: Path,
    key: str | None,
    key_id: str | None,
    keyless: bool,
    identity_token_file: Path | None,
    model: Path | None,
    out: Path | None,
    append: bool,
    ledger: Path | None,
    repo: Path,
    format_: str,
    quiet: bool,
) -> int:
    """Attest what RUN decided: sign for every file that goes out, and for what the decision rests on.

    Only a release is attested: never a rehearsal, a replay, what is incomplete or not approved yet, nor what the ledger does
    not know. The policy as it is today says whose signature counts. Whoever gets the weights checks the file with
    `releasegate verify`.

    \b
    Example:
      releasegate attest runs/mini-chameleon --key ~/releasegate-keys/release.key
    """
    _require_one_way(key, key_id, identity_token_file, keyless=keyless)
    today = datetime.now(UTC).date()
    folder = RunFolder(run)
    folder.read_plan()  # no run here: said first
    file = BundleFile.of(folder, out, append=append)
    call = Call(folder, GateRepository.around(repo), today, file, ledger, model)

    def signer_for(policy: Policy) -> Signer:
        return _signer(key, key_id, identity_token_file, policy, today)

    with Bars(quiet=quiet).reading(model or folder.stripped, "attest") as watch:
        found = attest(call, signer_for, watch)
    return _told(found, file, as_json=format_ == "json")


def _require_one_way(key: str | None, key_id: str | None, token: Path | None, *, keyless: bool) -> None:
    from releasegate.attesting.managed_keys import is_managed

    if (key is None) == (not keyless):
        what = "cannot be given with --keyless" if keyless else "is missing"
        raise UsageError("--key", what, "sign either with --key or with --keyless")
    if key == "":
        raise UsageError("--key", "is empty", "name a file (is a variable of the shell unset?)")
    if token is not None and not keyless:
        raise UsageError("--identity-token-file", "is for --keyless alone", "leave it out, or sign with --keyless")
    if key_id is not None and (key is None or not is_managed(key)):
        what = "is for a key that is kept elsewhere; one in a file is known by its public half"
        raise UsageError("--key-id", what, "leave it out")


def _signer(key: str | None, key_id: str | None, token: Path | None, policy: Policy, today: date) -> Signer:
    if key is None:
        from releasegate.attesting.keyless import keyless_signer

        return keyless_signer(token, policy, today)
    from releasegate.attesting.managed_keys import is_managed, managed_key_signer
    from releasegate.attesting.signing import file_key_signer

    if is_managed(key):
        return managed_key_signer(key, key_id, passphrase(), policy, today)
    return file_key_signer(Path(key), passphrase(), policy, today)


def _told(found: Attested | Hindrance, file: BundleFile, *, as_json: bool) -> int:
    if isinstance(found, Hindrance):
        if as_json:
            print_json({"attested": False, "why": found.sentence})
        else:
            click.echo(f"not attested: {found.sentence}", err=True)
        return found.exit
    added = [{"predicate_type": one.predicate_type, "digest": one.digest} for one in found.added]
    if as_json:
        told = {"attested": True, "path": str(file.path), "release": found.release, "signer": found.signer}
        print_json({**told, "files": found.files, "size": found.size, "kept": found.kept, "added": added})
        return Exit.YES
    click.echo(f"{file.path}: {len(added)} attestations by {found.signer} of {found.files} files, {found.size:,} bytes")
    click.echo(f"release digest: {found.release}")
    if found.kept:
        click.echo(f"{found.kept} attestations of before stand as they were")
    if found.sources is False:
        click.echo("not named: the files of the source, which a hub's history is searched for (--model)", err=True)
    return Exit.YES
