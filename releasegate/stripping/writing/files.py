"""The files of the source to those of the output, several at a time."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from releasegate.checkpoint import Checkpoint, Contents, Watch
from releasegate.checkpoint.files import parse_json_object, read_json_text
from releasegate.checkpoint.parallel import in_parallel
from releasegate.errors import StripError
from releasegate.manifest import FileEntry
from releasegate.patterns import matches
from releasegate.receipt import Converted, TensorOutcome
from releasegate.records import digest_of_bytes
from releasegate.stripping.planning.plan import StripPlan
from releasegate.stripping.writing.copying import copy_range, write_all
from releasegate.stripping.writing.names import values_name
from releasegate.stripping.writing.output import Output
from releasegate.stripping.writing.shards import Mode, new_file, write_tensors
from releasegate.stripping.writing.source import BLOCK, ZEROS, SourceFile, changed, open_source
from releasegate.stripping.writing.steps import Step
from releasegate.stripping.writing.texts import edited_names, edited_texts


@dataclass(frozen=True, slots=True)
class Job:
    """A strip under way.

    Attributes:
        contents: the source.
        plan: what is done.
        output: where it goes.
        hashed: whether everything is hashed; otherwise nothing is known of what was read and written.
        link: whether files that stay byte for byte become hard links.
        clones: whether source and output can share blocks.
    """

    contents: Contents
    plan: StripPlan
    output: Output
    hashed: bool = True
    link: bool = False
    clones: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one file of the source.

    Attributes:
        step: what was to become of it.
        source: the file as it was read; `None` where nothing is hashed.
        written: the files of the output that it became.
        outcomes: what became of its tensors, where they are accounted for one by one.
        converted: of a pickle.
    """

    step: Step
    source: FileEntry | None
    written: tuple[FileEntry, ...] = ()
    outcomes: tuple[TensorOutcome, ...] = ()
    converted: Converted | None = None


def lay_out(job: Job, steps: Sequence[Step], watch: Watch | None = None) -> list[Done]:
    """What became of each file of the source, in the order of `steps`. The configuration is written last.

    Raises:
        StripError: the source changed, or a file cannot be linked to.
        CheckpointError: the source cannot be read.
        OSError: the output cannot be written.
    """
    texts = _read_texts(job)
    new = edited_texts(job.contents, job.plan, texts)
    last = [step for step in steps if step.name == job.contents.config_file]
    rest = [step for step in steps if step not in last]

    def work(step: Step, tell: Watch) -> Done:
        told = 0

        def count(size: int) -> None:
            nonlocal told
            told += size
            tell(size)

        done = _text(job, step, texts[step.name], new[step.name]) if step.text else _file(job, step, count)
        if job.hashed and step.name in texts and done.source != _entry(step.name, texts[step.name]):
            raise changed(job.contents.root / step.name)
        if told < job.contents.sizes[step.name]:
            tell(job.contents.sizes[step.name] - told)  # headers, and what is no tensor
        return done

    return [*in_parallel(work, rest, watch), *in_parallel(work, last, watch)]


def _read_texts(job: Job) -> dict[str, bytes]:
    """The files of text that are edited, and the configuration, as the plan was made for them."""
    contents = job.contents
    names, config = edited_names(contents, job.plan), contents.config_file
    if config is not None:
        names.add(config)
    texts = {name: read_json_text(contents.root / name) for name in sorted(names)}
    expected = contents.files if isinstance(contents, Checkpoint) else {}
    for name, text in texts.items():
        if _entry(name, text) != expected.get(name, _entry(name, text)):
            raise changed(contents.root / name)
    if config is not None and parse_json_object(texts[config], config) != contents.config:
        raise changed(contents.root / config)
    return texts


def _entry(name: str, content: bytes) -> FileEntry:
    return FileEntry(path=name, size=len(content), sha256=digest_of_bytes(content))


def _text(job: Job, step: Step, before: bytes, after: bytes) -> Done:
    assert step.to is not None, "a text that is edited stays"
    job.output.write(step.to, after)
    return Done(step, _entry(step.name, before), (_entry(step.to, after),))


def _file(job: Job, step: Step, tell: Watch) -> Done:
    with open_source(job.contents.root / step.name) as source:
        if source.size != job.contents.sizes[step.name]:
            raise changed(source.path)
        if job.link and step.same:
            _link(job, step, source)
        done = _bytes(job, step, source, tell) if step.header is None else _tensors(job, step, source, tell)
        source.require_unchanged()
    return done


def _link(job: Job, step: Step, source: SourceFile) -> None:
    """The output has the file itself that is about to be read, and not one that took its place meanwhile."""
    assert step.to is not None, "only what stays is linked to"
    job.output.link(step.to, source.path)
    if not os.path.samestat(os.stat(job.output.root / step.to), os.fstat(source.descriptor)):
        raise changed(source.path)


def _tensors(job: Job, step: Step, source: SourceFile, tell: Watch) -> Done:
    mode = Mode(tuple(recipe.sha256 for recipe in job.plan.recipes), job.hashed, job.clones)
    new = new_file(step, source)
    with ExitStack() as opened:
        target = None
        if step.to is not None and not (job.link and step.same):
            sparse = source.sparse or job.clones
            target = opened.enter_context(job.output.create(step.to, new.size, sparse=sparse))
        found = write_tensors(step, source, new, target, mode, tell)
    converted = _values(job, step) if step.pickled else None
    values = () if converted is None else converted[1]
    if found is None:
        return Done(step, None)
    was, now, outcomes = found
    expected = job.contents.files[step.name] if isinstance(job.contents, Checkpoint) else was
    if step.pickled or expected.parts is None:
        was = FileEntry(path=step.name, size=source.size, sha256=_sha256(source))
    return Done(
        step,
        was,
        () if step.to is None else (now, *values),
        tuple(outcomes),
        None if converted is None else converted[0],
    )


def _values(job: Job, step: Step) -> tuple[Converted, tuple[FileEntry, ...]]:
    """What became of a pickle's values that are not tensors; the file that holds those which stay, if there are any."""
    found = values_of(step)
    kept = [path for path in found if step.to and any(matches(pattern, path) for pattern in job.plan.values)]
    left = sorted(set(found) - set(kept))
    record = Converted(file=step.name, to=step.to, kept=tuple(sorted(kept)), left=tuple(left))
    if step.to is None or not kept:
        return record, ()
    try:
        text = values_text(found, record.kept)
    except (TypeError, ValueError) as error:
        what = f"holds a value that cannot be written as JSON: {error}"
        raise StripError(str(job.contents.root / step.name), what, "take it out of `keep: values`") from None
    job.output.write(values_name(step.to), text)
    return record, (_entry(values_name(step.to), text),)


def values_of(step: Step) -> Mapping[str, object]:
    """What a pickle holds beside tensors, by its path in it."""
    return (step.header.values if step.header is not None else None) or {}


def values_text(values: Mapping[str, object], kept: Sequence[str]) -> bytes:
    """The file that holds the values `kept`."""
    return (
        json.dumps({path: values[path] for path in kept}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    ).encode()


def _bytes(job: Job, step: Step, source: SourceFile, tell: Watch) -> Done:
    with ExitStack() as opened:
        target = None
        if step.to is not None and not job.link:
            sparse = source.sparse or job.clones
            target = opened.enter_context(job.output.create(step.to, source.size, sparse=sparse))
        if not job.hashed:
            if target is None:
                tell(source.size)
            else:
                copy_range(source, 0, target, 0, source.size, tell)
            return Done(step, None)
        entry = FileEntry(path=step.name, size=source.size, sha256=_sha256(source, target, tell))
    return Done(step, entry, () if step.to is None else (entry.model_copy(update={"path": step.to}),))


def _sha256(source: SourceFile, target: int | None = None, tell: Watch = lambda count: None) -> str:
    """The digest of all bytes of the file, which also go to `target`."""
    hasher, buffer = hashlib.sha256(), memoryview(bytearray(min(BLOCK, source.size)))
    for run in source.runs(0, source.size):
        for begin in range(run.begin, run.end, BLOCK):
            size = min(BLOCK, run.end - begin)
            block = ZEROS[:size] if run.hole else buffer[:size]
            if not run.hole:
                source.read_into(block, begin)
                if target is not None:
                    write_all(target, block, begin)
            hasher.update(block)
            tell(size)
    return "sha256:" + hasher.hexdigest()
