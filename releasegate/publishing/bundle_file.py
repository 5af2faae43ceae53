"""The file of attestations beside a run: what stands in it already, and what is added. Nothing of before is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from releasegate.attestation import SignedStatement, parse_bundle_lines, subjects_of
from releasegate.attestation.bundle import MAX_BYTES, MAX_LINES
from releasegate.attesting.verifying import read_bundle
from releasegate.errors import NotFound, UsageError, VerifyError
from releasegate.released import BUNDLE, Released
from releasegate.repository import RunFolder
from releasegate.repository.nesting import refuse_file, refuse_in_checkpoint, run_around
from releasegate.repository.writing import write_whole

NAME = BUNDLE.split("/")[-1]
OF_A_CALL = 3
"""Attestations that one call makes."""


@dataclass(frozen=True)
class BundleFile:
    """A file of attestations.

    Attributes:
        path: where it lies.
        append: whether what stands in it stays, and what is new comes after it.
    """

    path: Path
    append: bool = False

    @classmethod
    def of(cls, run: RunFolder, out: Path | None, *, append: bool) -> BundleFile:
        """The file that a call writes to.

        Args:
            out: the place that was asked for; None: beside the run's other files.

        Raises:
            UsageError: attestations may not lie there.
            NotFound: there is nothing to append to.
        """
        path = out or run.root / NAME
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise UsageError(str(path), "is no regular file", "choose another place with --out")
        refuse_file(path.parent, UsageError)
        refuse_in_checkpoint(path, UsageError)
        around = run_around(path)
        if around is not None and path.resolve() != around / NAME:
            what = f"lies in the run folder {around}, which holds attestations as {NAME} alone"
            raise UsageError(str(path), what, "leave out --out, or choose a place outside of it")
        if append and not path.exists():
            raise NotFound(str(path), "there are no attestations to append to", "leave out --append")
        return cls(path, append)

    def kept(self, released: Released, signer: str) -> tuple[SignedStatement, ...]:
        """What stands in the file and stays, all of it about the same release.

        Args:
            signer: the id of whoever signs now.

        Raises:
            UsageError: the file holds something that would be lost.
            VerifyError: it is to be appended to, and holds something else than attestations of this release.
        """
        if not self.path.exists():
            return ()
        if not self.append:
            self._refuse_to_lose(signer)
            return ()
        before = parse_bundle_lines(read_bundle(self.path), str(self.path))
        files = {file.path: file.sha256 for file in released.files}
        for line in before:
            about = subjects_of(line.statement, line.where)
            if (about.release, dict(about.files)) != (released.digest(), files):
                what = f"is about another release, {about.release}; this one is {released.digest()}"
                raise VerifyError(line.where, what, "attest it in a file of its own, with --out")
        return before

    def write(self, before: Sequence[SignedStatement], added: Sequence[SignedStatement]) -> None:
        """Nothing; the file holds the attestations of before, byte for byte, and those that were added.

        Raises:
            UsageError: they would be too many.
        """
        data = b"".join(line.line + b"\n" for line in (*before, *added))
        if data.count(b"\n") > MAX_LINES or len(data) > MAX_BYTES:
            raise UsageError(str(self.path), "would hold too many attestations", "attest in a file of its own: --out")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, data)

    def _refuse_to_lose(self, signer: str) -> None:
        """Nothing, if all of it was made in one call, which this one repeats."""
        try:
            before = parse_bundle_lines(read_bundle(self.path), str(self.path))
        except VerifyError:
            what = "exists already, and holds something else than attestations"
            raise UsageError(str(self.path), what, "choose another place with --out, or remove the file") from None
        others = sorted({line.hint or "somebody without a key" for line in before} - {signer})
        if len(before) > OF_A_CALL or (others and not all(line.hint is None for line in before)):
            what = f"holds {len(before)} attestations" + (f", of {', '.join(others)}" if others else "")
            raise UsageError(str(self.path), what, "keep them with --append, or remove the file")
