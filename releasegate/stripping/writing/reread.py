"""What was written, read back from disk and compared with what the source gives when it is edited once more."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from releasegate.checkpoint import Watch
from releasegate.checkpoint.parallel import in_parallel
from releasegate.errors import CheckpointError, StripError
from releasegate.manifest import FileEntry
from releasegate.records import digest_of_bytes
from releasegate.stripping.writing.files import Done, Job
from releasegate.stripping.writing.shards import new_file, seed_of
from releasegate.stripping.writing.source import BLOCK, ZEROS, SourceFile, open_source
from releasegate.stripping.writing.steps import Step
from releasegate.stripping.writing.stream import pieces


def read_back(job: Job, done: Sequence[Done], watch: Watch | None = None) -> None:
    """Nothing; every byte of the output, read from disk, is the one that was to be written.

    Nothing is hashed again: byte for byte the output is what the source gives, whose digests were taken when it was
    written. A file that is a link was not written, and is passed over.

    Args:
        job: the strip under way, its output on disk.
        done: what became of each file.
        watch: is told the number of bytes of the output that are done.

    Raises:
        StripError: a file holds other bytes than were written.
        CheckpointError: the source cannot be read.
    """
    in_parallel(lambda one, tell: _file(job, one, tell), [one for one in done if one.written], watch)


def _file(job: Job, done: Done, tell: Watch) -> None:
    first, *others = done.written
    if done.step.text:
        others = [first, *others]
    elif job.link and done.step.same:
        tell(first.size)
    else:
        with open_source(job.contents.root / done.step.name) as source, _written(job, first) as written:
            for place, expected, hole in _expected(job, done.step, source):
                if not (hole and written.is_hole(place, place + len(expected))):
                    _compare(job, first, written, place, expected)
                tell(len(expected))
            source.require_unchanged()
    for entry in others:
        with _written(job, entry) as written:
            if digest_of_bytes(written.read(0, written.size)) != entry.sha256:
                raise _other_bytes(job, entry)
        tell(entry.size)


@contextmanager
def _written(job: Job, entry: FileEntry) -> Iterator[SourceFile]:
    """A file of the output, as long as it was written."""
    with open_source(job.output.root / entry.path) as written:
        if job.output.durable:  # from the disk, not from memory
            os.posix_fadvise(written.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        if written.size != entry.size:
            raise _other_bytes(job, entry)
        yield written


def _expected(job: Job, step: Step, source: SourceFile) -> Iterator[tuple[int, memoryview, bool]]:
    """What the file was to hold: where, bytes that are valid until the next are asked for, and whether they are a hole."""
    if step.header is None:
        buffer = memoryview(bytearray(min(BLOCK, source.size)))
        for run in source.runs(0, source.size):
            for begin in range(run.begin, run.end, BLOCK):
                size = min(BLOCK, run.end - begin)
                if not run.hole:
                    source.read_into(buffer[:size], begin)
                yield begin, ZEROS[:size] if run.hole else buffer[:size], run.hole
        return
    new = new_file(step, source)
    for begin in range(0, len(new.first), BLOCK):
        yield begin, memoryview(new.first)[begin : begin + BLOCK], False
    for name, entry in new.header.entries.items():
        old, place = step.header.entries[name], new.header.data_start + entry.begin
        seed = seed_of(step, old, [recipe.sha256 for recipe in job.plan.recipes])
        for piece in pieces(source, step.header.data_start + old.begin, old, step.edits.get(name), seed):
            yield place, piece.new, piece.hole
            place += len(piece.new)


def _compare(job: Job, entry: FileEntry, written: SourceFile, place: int, expected: memoryview) -> None:
    held = bytearray(len(expected))
    try:
        written.read_into(memoryview(held), place)
    except CheckpointError as error:
        what = f"cannot be read back: {error.problems[0].what}"
        raise StripError(str(job.output.target / entry.path), what, _FIX) from error
    if held != expected:
        raise _other_bytes(job, entry)


def _other_bytes(job: Job, entry: FileEntry) -> StripError:
    what = "came back from the disk with other bytes than were written"
    return StripError(str(job.output.target / entry.path), what, _FIX)


_FIX = "nothing was left behind; check the disk, or choose another"
