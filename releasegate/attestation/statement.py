"""The in-toto statement: what an attestation is about, by name and digest, and what it says of it.

Format: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, JsonValue, StringConstraints, TypeAdapter, ValidationError

from releasegate.attestation.reading import RESTORE, Growing, read_json
from releasegate.canonical import canonical
from releasegate.errors import VerifyError
from releasegate.manifest import RelativePath
from releasegate.records import Record, digest_of_bytes
from releasegate.released import BUNDLE, WHOLE, Released

R = TypeVar("R", bound=Record)

MOST_SUBJECTS = 100_000
"""Files of a release; a larger list is refused."""

Hexadecimal = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""The 64 digits of a sha256, without its name before them."""
_PATH: TypeAdapter[str] = TypeAdapter(RelativePath)
_DIGITS: TypeAdapter[str] = TypeAdapter(Hexadecimal)


class Subject(Growing):
    """Something that an attestation is about."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    """The path of a file in the released folder; of the first subject `release`, the folder as a whole."""
    digests: dict[str, str] = Field(alias="digest", min_length=1)
    """By the name of the algorithm, in hexadecimal digits."""


class Statement(Growing):
    """Subjects, and a predicate that holds of them."""

    type_: Annotated[Literal["https://in-toto.io/Statement/v1"], Field(alias="_type")] = (
        "https://in-toto.io/Statement/v1"
    )
    subject: Annotated[tuple[Subject, ...], Field(min_length=1, max_length=MOST_SUBJECTS)]
    predicateType: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,400}$")]  # noqa: N815 - as in-toto spells it
    """A URI that says how `predicate` is to be read."""
    predicate: dict[str, JsonValue]

    def payload(self) -> bytes:
        """The bytes that are signed as its payload: the RFC 8785 form."""
        return canonical(self.plain())


@dataclass(frozen=True)
class Subjects:
    """The subjects of a statement about a released folder.

    Attributes:
        release: the release digest, `sha256:…`.
        files: the digest of every file, `sha256:…`, by path.
    """

    release: str
    files: Mapping[str, str]


def parse_statement(payload: bytes, where: str) -> Statement:
    """The statement that a payload holds.

    Args:
        where: the file and line, for messages.

    Raises:
        VerifyError: it holds something else.
    """
    return read_json(Statement, payload, where, "an in-toto statement")


def subjects_for(released: Released) -> tuple[Subject, ...]:
    """What a statement about a released folder is about: the folder as a whole, then every file."""
    named = [(WHOLE, released.digest()), *((file.path, file.sha256) for file in released.files)]
    return tuple(Subject(name=name, digest={"sha256": digest.removeprefix("sha256:")}) for name, digest in named)


def subjects_of(statement: Statement, where: str) -> Subjects:
    """The subjects of a statement, if they are a released folder: the folder first, then its files, sorted by path.

    Args:
        where: the file and line, for messages.

    Raises:
        VerifyError: they are something else: a path leads out of the folder or stands twice, or a digest is missing.
    """
    first, *others = statement.subject
    if first.name != WHOLE:
        raise VerifyError(where, f"has no subject {WHOLE!r} before the others", RESTORE)
    names = [subject.name for subject in others]
    if not others or names != sorted(set(names)):
        raise VerifyError(where, "does not list the files of a folder, sorted by path, each once", RESTORE)
    for name in names:
        if name in (WHOLE, BUNDLE) or not _fits(_PATH, name):
            raise VerifyError(where, f"has a subject that is no path in a released folder: {name[:200]!a}", RESTORE)
    return Subjects(_sha256(first, where), {subject.name: _sha256(subject, where) for subject in others})


def _sha256(subject: Subject, where: str) -> str:
    digits = subject.digests.get("sha256", "")
    if not _fits(_DIGITS, digits):
        raise VerifyError(where, f"has a subject without a sha256: {subject.name[:200]!a}", RESTORE)
    return f"sha256:{digits}"


def _fits(kind: TypeAdapter[str], text: str) -> bool:
    try:
        kind.validate_python(text)
    except ValidationError:
        return False
    return True


def statement_about(subjects: Iterable[Subject], predicate_type: str, predicate: Record) -> Statement:
    """The statement that `predicate` holds of `subjects`."""
    plain: dict[str, Any] = predicate.plain()
    return Statement(subject=tuple(subjects), predicateType=predicate_type, predicate=plain)


def digest_of_payload(payload: bytes) -> str:
    """What an attestation is known by, `sha256:…`: the digest of its payload, however the bundle around it is written."""
    return digest_of_bytes(payload)
