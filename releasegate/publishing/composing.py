"""What goes out of a run, file by file: the model as it was measured, and what is said of it, rendered into RUN/release/."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from releasegate.approval import Wanted
from releasegate.checkpoint.files import open_regular
from releasegate.checkpoint.parallel import Watch
from releasegate.errors import PublishError
from releasegate.manifest import FileEntry, Manifest
from releasegate.plan import SOURCE
from releasegate.policy import Policy
from releasegate.publishing.bom import Billed, bill_of_materials
from releasegate.publishing.card import Carded, model_card
from releasegate.publishing.licence import Licence, licence_of
from releasegate.publishing.outgoing import Outgoing, hash_measured, outgoing
from releasegate.publishing.quickstart import quick_start
from releasegate.publishing.releasable import hindrance
from releasegate.publishing.screening import screen_model, screen_texts
from releasegate.publishing.shown import shown_decision, shown_report
from releasegate.records import digest_of_bytes, first_fault
from releasegate.released import BILL, CARD, DECISION, OWN, RECEIPT, REPORT, WHOLE, Released, ReleasedFile
from releasegate.reporting.wording.discreet import told
from releasegate.repository import GateRepository
from releasegate.repository.deciding_run import Decided
from releasegate.repository.writing import write_whole

MOST_CARD = 1 << 20
"""Bytes of the checkpoint's own card that are taken over."""


@dataclass(frozen=True)
class Composition:
    """Every file that goes out, but for the attestations.

    Attributes:
        checkpoint: the name of the model that goes out.
        model: its files as they were measured.
        released: every file of the folder.
        places: where each of them lies now.
        replaced: files of the model in whose place another goes out: its card, if it has one.
        source: every file of the source, where a stripped checkpoint goes out and the source was given.
    """

    checkpoint: str
    model: Manifest
    released: Released
    places: Mapping[str, Path]
    replaced: Mapping[str, FileEntry]
    source: tuple[ReleasedFile, ...] | None

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.released.files)


def compose(
    decided: Decided,
    repository: GateRepository,
    policy: Policy,
    model: Path | None = None,
    watch: Watch | None = None,
    approvals: tuple[Wanted, ...] = (),
) -> Composition:
    """What goes out. RUN/release/ holds what is said of the model, made anew from the run.

    Args:
        repository: where the text of the licence and the templates of the report lie.
        policy: as it is now: what it says of the publication may have changed since the run.
        model: the source checkpoint, which is needed where it goes out whole.
        watch: is told the number of bytes of the model that were read.
        approvals: every role that was asked to approve, which the report names.

    Raises:
        PublishError: the verdict lets nothing out, or a file of the model or of what is said of it may not go out.
        UsageError: the source checkpoint is needed.
        NotFound: it, the licence, or a package that writes something is not there.
        EvidenceUntrusted: the model's files are not those that were measured.
    """
    hindered = hindrance(decided.decision)
    if hindered is not None:
        fix = "nothing goes out of this run"
        raise PublishError(str(decided.run.root), hindered.sentence, fix)
    goes = outgoing(decided, model)
    names = [entry.path for entry in goes.manifest.files]
    refuse_taken(goes)
    screen_model(goes.folder)
    licence = licence_of(policy.published, repository, goes.folder, names)
    files = hash_measured(goes.folder, goes.manifest, watch)
    said = dict(_said(decided, repository, policy, goes, licence, files, approvals))
    screen_texts(said, os.environ)
    written = _write(decided.run.root / WHOLE, said)
    kept = [file for file in files if file.path not in said]
    released = _released(goes.folder, (*kept, *(_file(name, data) for name, data in said.items())))
    places = {file.path: goes.folder / file.path for file in kept} | written
    replaced = {entry.path: entry for entry in goes.manifest.files if entry.path in said}
    source = None
    if model is not None and goes.checkpoint != SOURCE:
        source = hash_measured(model, decided.plan.model.manifest, watch)
    return Composition(goes.checkpoint, goes.manifest, released, places, replaced, source)


def refuse_taken(goes: Outgoing) -> None:
    """Nothing, if no file of the model stands where one of ours belongs; the card alone may.

    Raises:
        PublishError: one does.
    """
    for name in (entry.path for entry in goes.manifest.files):
        folded = name.casefold()
        ours = f"{folded.split('/')[0]}/" == OWN
        if ours or name == WHOLE or (folded == CARD.casefold() and name != CARD):
            what = f"stands where the release has {'files' if ours else 'a name'} of its own"
            fix = "rename it in the checkpoint, and gate it anew"
            raise PublishError(str(goes.folder / name), what, fix)


def _said(
    decided: Decided,
    repository: GateRepository,
    policy: Policy,
    goes: Outgoing,
    licence: Licence,
    files: Sequence[ReleasedFile],
    approvals: tuple[Wanted, ...],
) -> Iterator[tuple[str, bytes]]:
    """What is said of the model, by the path under which it goes out."""
    plan = decided.plan
    decision = shown_decision(decided.decision, plan.policy)
    receipt = decided.receipt if goes.checkpoint != SOURCE else None
    names = [file.path for file in files]
    worded = told(decision, plan.policy)
    card = Carded(
        worded, plan, policy, receipt, goes.checkpoint, licence, names, sum(f.size for f in files), _authors(goes)
    )
    text = model_card(card).encode()
    yield CARD, text
    if licence.text is not None:
        yield licence.path, licence.text
    yield REPORT, shown_report(decided, repository, approvals).encode()
    yield DECISION, decision.text().encode()
    if receipt is not None:
        yield RECEIPT, receipt.text().encode()
    start, digest = quick_start(plan, names), goes.manifest.digest()
    out = [_file(CARD, text) if file.path == CARD else file for file in files]  # of its own card, the one that goes out
    billed = Billed(worded, plan, policy, receipt, goes.checkpoint, digest, out, licence, start)
    yield BILL, bill_of_materials(billed).encode()


def _authors(goes: Outgoing) -> str | None:
    """The text of the checkpoint's own card."""
    entry = next((entry for entry in goes.manifest.files if entry.path == CARD), None)
    if entry is None:
        return None
    path = goes.folder / CARD
    if entry.size > MOST_CARD:
        what = f"has {entry.size:,} bytes; a card of at most {MOST_CARD:,} is taken over"
        raise PublishError(str(path), what, "shorten it in the checkpoint, and gate it anew")
    with open_regular(path) as file:
        data = file.read(MOST_CARD + 1)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PublishError(str(path), "is not UTF-8", "save it as UTF-8 in the checkpoint, and gate it anew") from None


def _file(name: str, data: bytes) -> ReleasedFile:
    return ReleasedFile(path=name, size=len(data), sha256=digest_of_bytes(data))


def _released(folder: Path, files: Sequence[ReleasedFile]) -> Released:
    try:
        return Released(files=tuple(sorted(files, key=lambda file: file.path)))
    except ValidationError as error:
        raise PublishError(
            str(folder), first_fault(error), "rename the file in the checkpoint, and gate it anew"
        ) from None


def _write(folder: Path, said: Mapping[str, bytes]) -> dict[str, Path]:
    """Where each text lies: in a folder that is replaced as a whole."""
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".partial"))
    try:
        for name, data in said.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            write_whole(partial / name, data)
        os.chmod(partial, 0o755)
        if folder.is_symlink() or folder.is_file():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return {name: folder / name for name in said}
