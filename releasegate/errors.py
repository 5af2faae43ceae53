"""What can go wrong, as data: where, what, and what to do about it. Text is made at the command line.

::

    ReleaseGateError              exit 2: could not run, or what was given cannot be trusted
    ├── UsageError                the call itself is wrong
    ├── DocumentError             a policy, card or recipe is not what it must be (carries every problem)
    ├── LockError                 a file that is not as it was locked, or a lock that is none
    ├── NotFound                  a file, policy, eval, recipe or subject that does not exist
    ├── CheckpointError           a checkpoint folder that cannot be read or trusted
    │   ├── NotPlainFile          a symlink, pipe, device or folder where a file must be
    │   ├── FileNameRefused       a name that not every file system carries, or that differs from another in case alone
    │   ├── JsonMalformed         a JSON file that is too large, not UTF-8, not an object, or has a key twice
    │   ├── ForeignFile           a file that no published checkpoint may hold: pickle, code, archive, other weights
    │   ├── CodeRequested         a configuration that asks for code from the checkpoint to be run
    │   ├── LayoutUnknown         a folder that nothing says the layout of
    │   ├── NoWeights             a folder without a tensor
    │   ├── VocabularyMalformed   a vocabulary that gives a token no id, or two
    │   ├── IndexMalformed        an index of the shards that does not map names to files, or a second one
    │   │   └── PathEscapes       an index that leads out of the folder
    │   ├── IndexMismatch         an index and shards that do not agree
    │   ├── HeaderError           a safetensors file that is malformed, in one of these ways
    │   │   ├── HeaderUnreadable      a file that cannot be opened, or is a symlink, a pipe or a folder
    │   │   ├── HeaderCutOff          fewer bytes than the header or the tensors need
    │   │   ├── HeaderTooLarge        a longer header, or more tensors, than are read
    │   │   ├── HeaderOffGrid         a header whose length is no multiple of 8
    │   │   ├── HeaderSyntax          a header that is not one JSON object, padded with spaces
    │   │   ├── HeaderKeyTwice        a header in which an object has the same key twice
    │   │   ├── MetadataRefused       a `__metadata__` that is not a small object of texts
    │   │   ├── TensorNameRefused     a name that is empty, too long, unprintable, or looks like another
    │   │   ├── TensorMalformed       an entry that is not dtype, shape and data_offsets
    │   │   ├── DtypeUnknown          a dtype that the format does not have
    │   │   ├── ShapeMalformed        a shape that is not a list of whole numbers, or is beyond 64 bits
    │   │   ├── OffsetsMalformed      data_offsets that are not a range of bytes
    │   │   ├── SizeMismatch          a tensor with other bytes than dtype and shape need
    │   │   ├── TensorsOverlap        bytes that belong to two tensors
    │   │   └── BytesUncovered        bytes that belong to no tensor
    │   ├── ArchiveError          a torch file whose zip archive is not as torch writes it
    │   ├── PickledError          a pickle that holds code, or more than tensors and plain values
    │   ├── ChildError            the process that reads a pickle ran out of memory or time, or died
    │   ├── NotLoadable           a checkpoint that its library does not load, or not strictly
    │   ├── GgufError             a GGUF file that is malformed
    │   └── DistributedError      a distributed checkpoint whose metadata and files do not agree
    ├── RecordingChanged          a recording of a pool of speech with other bytes than its list says
    ├── TextChanged               a listed file of texts, or of weights that judge them, with other bytes than listed
    ├── InstrumentChanged         weights of an instrument with other bytes than were pinned
    ├── FetchError                a package that cannot be had, or that holds other files than are listed
    ├── NotScorable               a clip on which a measure of quality is not defined
    ├── RunError                  a run folder that does not fit what was asked
    │   └── EvidenceUntrusted     stored evidence that was changed, doubled or does not belong to the plan
    ├── GitError                  a name of a commit that says nothing or too much, or a commit that cannot be taken
    ├── LedgerError               a ledger that is missing, held, changed, or does not fit what was asked
    ├── TrustError                a key that cannot be used, or a waiver that may not be given
    ├── HubError                  a hub that refused, failed, or holds other than what was sent to it
    ├── RecipeMismatch            a recipe that does not account for a checkpoint
    ├── StripError                a strip that could not be written
    ├── VerifyError               a stripped checkpoint that is not what its receipt says, or a release that cannot be trusted
    │   ├── FolderDiffers         a released folder that is not the one that was attested (carries every difference)
    │   └── ReleaseRefused        a release whose attestation holds and says no: exit 1
    ├── PublishError              a run, or a part of it, that may not be published as it is
    │   └── UnfitFiles            files that hold what no release may carry (carries every one)
    ├── HarnessError              a harness or subject of the repository that does not load
    └── PartAbsent                a part of the model that a capability needs is provably gone
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Self


class Exit(IntEnum):
    """The exit codes of every command. They are API."""

    YES = 0
    NO = 1
    CANNOT = 2
    INCOMPLETE = 3
    INTERRUPTED = 130
    TERMINATED = 143


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: `where` (file, or file:line:column), `what`, and the `fix`."""

    where: str
    what: str
    fix: str


class ReleaseGateError(Exception):
    """An expected failure that ends a command with exit code 2.

    Attributes:
        problems: one or more, each with its place and remedy.
    """

    def __init__(self, where: str, what: str, fix: str) -> None:
        self.problems: tuple[Problem, ...] = (Problem(where, what, fix),)
        super().__init__(where, what, fix)

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> Self:
        """The error of several problems, at least one."""
        found = cls(problems[0].where, problems[0].what, problems[0].fix)
        found.problems = tuple(problems)
        return found

    def __str__(self) -> str:
        return "; ".join(f"{p.where}: {p.what}" for p in self.problems)


class UsageError(ReleaseGateError):
    """The call itself is wrong."""


class DocumentError(ReleaseGateError):
    """A document is not what it must be; every problem is listed, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = problems[0]
        super().__init__(first.where, first.what, first.fix)
        self.problems = tuple(problems)


class LockError(ReleaseGateError):
    """Files are not as they were locked, or a lock is none; each is listed."""


class NotFound(ReleaseGateError):
    """Something named does not exist."""


class CheckpointError(ReleaseGateError):
    """A checkpoint folder cannot be read or trusted."""


class NotPlainFile(CheckpointError):
    """There is a symlink, a pipe, a device or a folder where a file must be."""


class FileNameRefused(CheckpointError):
    """A file's name cannot be carried to every file system, or differs from another in case alone."""


class JsonMalformed(CheckpointError):
    """A JSON file is too large, not UTF-8, not an object, or has a key twice."""


class ForeignFile(CheckpointError):
    """A file is something that no published checkpoint may hold."""


class CodeRequested(CheckpointError):
    """A configuration asks for code from the checkpoint to be run."""


class LayoutUnknown(CheckpointError):
    """Nothing says which layout a folder has."""


class NoWeights(CheckpointError):
    """A folder has no file of weights, or none with a tensor in it."""


class VocabularyMalformed(CheckpointError):
    """A vocabulary gives a token no id, or two."""


class IndexMalformed(CheckpointError):
    """An index does not map the names of tensors to files, or there is a second one."""


class PathEscapes(IndexMalformed):
    """An index leads out of the folder."""


class IndexMismatch(CheckpointError):
    """Index and shards do not agree, or two shards hold a tensor of the same name."""


class HeaderError(CheckpointError):
    """A safetensors file is malformed."""


class HeaderUnreadable(HeaderError):
    """The file cannot be opened, or is a symlink, a pipe or a folder."""


class HeaderCutOff(HeaderError):
    """There are fewer bytes than the header or the tensors need."""


class HeaderTooLarge(HeaderError):
    """The header is longer, or has more tensors, than are read."""


class HeaderOffGrid(HeaderError):
    """The header's length is no multiple of 8."""


class HeaderSyntax(HeaderError):
    """The header is not one JSON object in UTF-8, padded with spaces."""


class HeaderKeyTwice(HeaderError):
    """An object of the header has the same key twice."""


class MetadataRefused(HeaderError):
    """`__metadata__` is not a small object of texts."""


class TensorNameRefused(HeaderError):
    """A tensor's name is empty, too long, unprintable, or looks like another's."""


class TensorMalformed(HeaderError):
    """A tensor's entry is not dtype, shape and data_offsets."""


class DtypeUnknown(HeaderError):
    """A tensor has a dtype that the format does not have."""


class ShapeMalformed(HeaderError):
    """A tensor's shape is not a list of whole numbers, or is beyond 64 bits."""


class OffsetsMalformed(HeaderError):
    """A tensor's data_offsets are not a range of bytes."""


class SizeMismatch(HeaderError):
    """A tensor has other bytes than its dtype and shape need."""


class TensorsOverlap(HeaderError):
    """Bytes belong to two tensors."""


class BytesUncovered(HeaderError):
    """Bytes belong to no tensor."""


class ArchiveError(CheckpointError):
    """A torch file is not the plain zip archive that torch writes."""


class PickledError(CheckpointError):
    """A pickle holds code, or something that is neither a tensor nor a plain value."""


class ChildError(CheckpointError):
    """The process that reads a pickle ran out of memory or time, or died."""


class NotLoadable(CheckpointError):
    """The library that a checkpoint belongs to does not load it, or leaves tensors over on either side."""


class GgufError(CheckpointError):
    """A GGUF file is malformed."""


class DistributedError(CheckpointError):
    """A distributed checkpoint's metadata is malformed, or does not agree with its files."""


class RecordingChanged(ReleaseGateError):
    """A recording has other bytes than the list of its pool says."""


class TextChanged(ReleaseGateError):
    """A file of the list of texts has other bytes than the list says."""


class InstrumentChanged(ReleaseGateError):
    """The weights of an instrument have other bytes than those that were pinned."""


class FetchError(ReleaseGateError):
    """A package cannot be had, or holds other files than those that are listed."""


class NotScorable(ReleaseGateError):
    """A measure of quality is not defined on a clip."""


class RunError(ReleaseGateError):
    """A run folder does not fit what was asked."""


class EvidenceUntrusted(RunError):
    """Stored evidence was changed, doubled, or does not belong to the plan."""


class GitError(ReleaseGateError):
    """Git is missing, a name stands for no commit or for several, or what a commit holds cannot be taken."""


class LedgerError(ReleaseGateError):
    """A ledger is missing, held by another process, changed, or does not fit what was asked."""


class TrustError(ReleaseGateError):
    """A key cannot be used, or a waiver may not be given."""


class HubError(ReleaseGateError):
    """A hub refused, failed, or holds other than what was sent to it."""


class RecipeMismatch(ReleaseGateError):
    """A recipe does not account for every tensor and file of a checkpoint."""


class StripError(ReleaseGateError):
    """A strip could not be written."""


class VerifyError(ReleaseGateError):
    """A stripped checkpoint is not what its receipt says, or a release cannot be trusted."""


class FolderDiffers(VerifyError):
    """A released folder is not the one that was attested; every difference is listed, in the order of the paths."""


class ReleaseRefused(VerifyError):
    """An attestation holds, and says that the weights do not go out: a sound no, exit code 1."""


class PublishError(ReleaseGateError):
    """A run, or a part of it, may not be published as it is."""


class UnfitFiles(PublishError):
    """Files hold what no release may carry; each is a problem of its own."""


class HarnessError(ReleaseGateError):
    """A harness or subject that a gate repository supplies does not load."""


class PartAbsent(ReleaseGateError):
    """A part of the model that a capability needs is not in the checkpoint, and was not lent."""


class Terminated(BaseException):
    """SIGTERM arrived; what is half-written is cleaned up on the way out."""


def nearest(name: str, known: Sequence[str], none: str) -> str:
    """The remedy for a name that is not known: the one it is nearest to, else all of them.

    Args:
        none: the remedy where nothing is known.

    >>> nearest("legibel", ["copied", "legible"], "add it"), nearest("x", ["a", "b"], "add it"), nearest("x", [], "add it")
    ('did you mean `legible`?', 'use one of a, b', 'add it')
    """
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"use one of {', '.join(known)}" if known else none
