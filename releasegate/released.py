"""The folder that goes public, file by file: what an attestation is about, and what whoever receives it checks. Pure."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from releasegate.manifest import RelativePath
from releasegate.records import Digest, Record, digest_of

CARD = "README.md"
"""The model card: the one file of a checkpoint in whose place another one goes out, as no loader reads it."""

LICENCE = "LICENSE"
"""Where the text of the licence lies, unless the checkpoint has it under a name of its own."""

OWN = "releasegate/"
"""The folder of what releasegate adds."""

BUNDLE = f"{OWN}attestations.jsonl"
"""Where the attestations lie in the folder: the one file that no digest covers, as its signatures do."""

REPORT, DECISION, RECEIPT, BILL = (
    f"{OWN}{name}" for name in ("report.html", "decision.json", "receipt.json", "bom.cdx.json")
)
COMPANIONS = (CARD, LICENCE, REPORT, DECISION, RECEIPT, BILL)
"""Every file that may go out beside those of the model, the attestations apart: none that a loader reads."""

WHOLE = "release"
"""What an attestation calls the folder as a whole, beside its files."""


class ReleasedFile(Record):
    """One file."""

    path: RelativePath
    size: Annotated[int, Field(ge=0)]
    """Bytes."""
    sha256: Digest
    """Of all bytes, of safetensors files too: what `sha256sum` prints."""


class Released(Record):
    """Every file of the folder, dot-files included and the attestations apart, sorted by path."""

    files: Annotated[tuple[ReleasedFile, ...], Field(min_length=1)]

    def digest(self) -> str:
        """The release digest: `sha256:…` of the RFC 8785 form of `{"files": [{"path", "sha256", "size"}, …]}`.

        >>> one = ReleasedFile(path="a", size=0, sha256="sha256:" + "0" * 64)
        >>> Released(files=(one,)).digest() == Released(files=(one,)).digest()
        True
        """
        return digest_of({"files": [file.plain() for file in self.files]})

    def find(self, path: str) -> ReleasedFile | None:
        """The file at a path, if there is one."""
        return next((file for file in self.files if file.path == path), None)

    @model_validator(mode="after")
    def _lists_each_file_once(self) -> Self:
        paths = [file.path for file in self.files]
        if paths != sorted(set(paths)):
            raise ValueError("files must be sorted by path, each once")
        folded = {path.casefold(): path for path in paths}
        if len(folded) < len(paths):
            twin = next(path for path in paths if folded[path.casefold()] != path)
            raise ValueError(f"{twin!r} and {folded[twin.casefold()]!r} are one file where case does not count")
        folders = {path[:at] for path in paths for at, sign in enumerate(path) if sign == "/"}
        if folders & set(paths):
            raise ValueError(f"{sorted(folders & set(paths))[0]!r} is a file and a folder")
        taken = [path for path in paths if path in (BUNDLE, WHOLE)]
        if taken:
            raise ValueError(f"no file may be called {taken[0]!r}, which means something else here")
        return self
