"""The folder that goes public: what was attested, copied to a place of its own and verified there before it has a name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Protocol

from releasegate.approval import awaiting_sentence
from releasegate.attesting.verifying import Verified, read_bundle, verify_release
from releasegate.checkpoint.files import list_files
from releasegate.checkpoint.parallel import Watch
from releasegate.errors import EvidenceUntrusted, Exit, FolderDiffers, NotFound, PublishError
from releasegate.policy import Policy
from releasegate.publishing.bundle_file import NAME
from releasegate.publishing.folder import copied, require_place
from releasegate.publishing.hub.pushable import UNANCHORED, Pushable
from releasegate.publishing.outgoing import Outgoing, outgoing
from releasegate.publishing.releasable import Hindrance, hindrance
from releasegate.publishing.screening import screen_attestations, screen_model
from releasegate.released import BUNDLE, WHOLE, Released, ReleasedFile
from releasegate.repository import GateRepository, RunFolder, read_decided
from releasegate.repository.approvals import approvals_wanted
from releasegate.repository.deciding_run import Decided
from releasegate.repository.revocations import revocations_for

ATTEST = "run `releasegate attest`"


class Progress(Protocol):
    """Tells people how far it is."""

    def reading(self, folder: Path, title: str = "read") -> AbstractContextManager[Watch]:
        """A step that counts the bytes of a folder."""


@dataclass(frozen=True)
class Call:
    """What is to be exported.

    Attributes:
        run: a decided and attested run.
        place: the folder that shall come to be.
        repository: where the policy lies as it is today.
        today: the day, in UTC.
        model: the source checkpoint, which is needed where it goes out whole.
        push: whether it is to go to a hub; what no hub may have is then refused before anything is written.
    """

    run: RunFolder
    place: Path
    repository: GateRepository
    today: date
    model: Path | None = None
    push: bool = False


@dataclass(frozen=True)
class Exported:
    """A folder that may go public.

    Attributes:
        place: where it lies.
        decided: the run that it came from.
        policy: as it is today.
        verified: what was checked of it.
    """

    place: Path
    decided: Decided
    policy: Policy
    verified: Verified

    @property
    def released(self) -> Released:
        """Every file of the folder, but for the attestations."""
        digests = self.verified.attested.subjects.files
        sizes = {path: os.stat(self.place / path, follow_symlinks=False).st_size for path in digests}
        found = (ReleasedFile(path=path, size=sizes[path], sha256=digests[path]) for path in sorted(digests))
        return Released(files=tuple(found))


def export(call: Call, progress: Progress) -> Exported | Hindrance:
    """The folder, or what keeps it from coming to be; only in the first case was anything written.

    Raises:
        NotFound: the run, its attestations or what they are about is not there.
        UsageError: the folder may not be written there, or the source checkpoint is needed.
        EvidenceUntrusted: the run was changed, or was attested for another decision.
        VerifyError: the folder is not what the attestations say, or its policy does not vouch for it.
        PublishError: a file of the model may not go out.
    """
    call.run.read_plan()  # no run here: said before anything is locked
    with call.run.locked():
        ready = _ready(call)
        if isinstance(ready, Hindrance):
            return ready
        decided, policy = ready
        goes = outgoing(decided, call.model)
        places = _places(decided, goes)
        require_place(call.place, (call.run.root, *((call.model,) if call.model else ())))
        with progress.reading(goes.folder, "copy") as watch, copied(places, call.place, watch) as partial:
            with progress.reading(partial, "verify") as told, _placed(partial, places):
                verified = verify(partial, call.run.root / NAME, call, policy, told)
            _require_same(verified, decided)
    return Exported(call.place, decided, policy, verified)


def again(call: Call, progress: Progress) -> Exported | Hindrance:
    """The folder that an earlier export of the same run wrote, verified anew.

    Raises:
        As `export`, but for those of writing.
    """
    ready = _ready(call)
    if isinstance(ready, Hindrance):
        return ready
    decided, policy = ready
    bundle = call.place / BUNDLE
    screen_attestations(read_bundle(bundle), str(bundle), os.environ)
    with progress.reading(call.place, "verify") as told:
        verified = verify(call.place, bundle, call, policy, told)
    _require_same(verified, decided)
    return Exported(call.place, decided, policy, verified)


def verify(folder: Path, bundle: Path, call: Call, policy: Policy, watch: Watch) -> Verified:
    """What was checked of a folder, as whoever receives it checks it.

    Args:
        bundle: its attestations, of which it holds a copy.

    Raises:
        VerifyError: it does not hold.
    """
    listed = revocations_for(policy, call.repository.policy_path(policy.id), call.today)
    return verify_release(folder, bundle, policy, call.today, listed, watch)


@contextmanager
def _placed(partial: Path, places: Mapping[str, Path]) -> Iterator[None]:
    """Nothing; what differs in the copy is told of the file that was copied: the copy is gone when somebody reads it."""
    try:
        yield
    except FolderDiffers as error:
        found = []
        for problem in error.problems:
            path = problem.where.removeprefix(f"{partial}/")
            found.append(replace(problem, where=str(places.get(path, path)), fix=f"{ATTEST} again"))
        error.problems = tuple(found)
        raise


def _ready(call: Call) -> tuple[Decided, Policy] | Hindrance:
    """The run, and the policy by which whoever receives the folder verifies it; or what keeps it in."""
    decided = read_decided(call.run, call.repository, call.today, still=True)
    policy = call.repository.require_policy_today(decided.plan.policy.id, "so nobody could verify what goes out")
    return _hindrance(call, decided, policy) or (decided, policy)


def _hindrance(call: Call, decided: Decided, policy: Policy) -> Hindrance | None:
    hindered = hindrance(decided.decision)
    if hindered is not None:
        return hindered
    ledger = decided.decision.ledger
    if call.push and not (ledger is not None and ledger.anchored):
        raise PublishError(str(call.run.root), *UNANCHORED)
    awaited = awaiting_sentence(approvals_wanted(call.run, decided.plan, policy, decided.decision, call.today))
    return Hindrance(Exit.INCOMPLETE, awaited) if awaited is not None else None


def _places(decided: Decided, goes: Outgoing) -> Mapping[str, Path]:
    """Where each file that was attested lies now: the model's, what is said of it, and the attestations."""
    root = decided.run.root
    bundle, said = root / NAME, root / WHOLE
    if not bundle.is_file() or not said.is_dir():
        raise NotFound(str(bundle), "the run was never attested", ATTEST)
    for part in (bundle, said):
        if part.is_symlink():
            raise EvidenceUntrusted(str(part), "is a symlink", f"{ATTEST} again")
    screen_model(goes.folder)
    screen_attestations(read_bundle(bundle), str(bundle), os.environ)
    rendered = {name: said / name for name in list_files(said)}
    measured = {entry.path: goes.folder / entry.path for entry in goes.manifest.files if entry.path not in rendered}
    if BUNDLE in rendered:
        raise EvidenceUntrusted(str(said / BUNDLE), "is nothing that releasegate wrote there", f"{ATTEST} again")
    return dict(sorted({**measured, **rendered, BUNDLE: bundle}.items()))


def _require_same(verified: Verified, decided: Decided) -> None:
    """Nothing, if what was attested is the decision of this run, and lies there byte for byte.

    What a policy lets differ may differ with those who received a release, and not when it goes out.
    """
    stated = verified.attested.release.decision
    where = str(decided.run.root / NAME)
    if stated != decided.decision.digest():
        what = f"is about decision {stated}, and this run's is {decided.decision.digest()}"
        raise EvidenceUntrusted(where, what, f"{ATTEST} again")
    for one in verified.may_differ:
        raise EvidenceUntrusted(where, f"is about another {one.path}: it {one.sentence}", f"{ATTEST} again")


def pushable(exported: Exported) -> Pushable:
    """The folder as something that may be pushed to a hub.

    Raises:
        PublishError: nothing says which files of the source a hub must not hold.
    """
    release = exported.verified.attested.release
    if release.strip is not None and release.source_files is None:
        what = "does not name the files of the source, so a hub could hold the unstripped weights unnoticed"
        fix = f"{ATTEST} again with --model CHECKPOINT, and export into another folder"
        raise PublishError(str(exported.place / BUNDLE), what, fix)
    out = {file.sha256 for file in release.files}
    return Pushable(
        folder=exported.place,
        released=exported.released,
        verdict=release.verdict,
        channel=release.channel,
        anchored=release.ledger.opened.anchored,
        withheld=tuple(
            ReleasedFile(path=file.path, size=file.size, sha256=file.sha256)
            for file in release.source_files or ()
            if file.sha256 not in out
        ),
        bundle=exported.verified.own_bundle,
        may_differ=exported.policy.published.may_differ or (),
    )
