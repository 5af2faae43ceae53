"""A plan to a stripped checkpoint on disk, and its receipt. The source is only read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from releasegate.checkpoint import Checkpoint, Contents, Watch, read_contents
from releasegate.checkpoint.vocabulary import read_vocabulary
from releasegate.errors import CheckpointError, JsonMalformed, StripError
from releasegate.manifest import Manifest
from releasegate.receipt import Leftovers, Receipt, Removed, TensorOutcome, VocabularyEdit, tier_means
from releasegate.stripping.planning.plan import StripPlan
from releasegate.stripping.planning.vocabulary import edited_files
from releasegate.stripping.searching.leaks import search_output
from releasegate.stripping.writing.files import Done, Job, lay_out
from releasegate.stripping.writing.output import Output, new_folder
from releasegate.stripping.writing.reread import read_back
from releasegate.stripping.writing.room import can_share, refuse_writable, room
from releasegate.stripping.writing.settings import require_settings, unread
from releasegate.stripping.writing.source import changed
from releasegate.stripping.writing.steps import Step, steps_of
from releasegate.stripping.writing.target import require_place

Stage = Callable[[str, int], None]
"""Is told when a stage of the work begins: its name, and how many bytes will be done in it."""


def write_strip(
    contents: Contents,
    plan: StripPlan,
    target: Path,
    watch: Watch | None = None,
    *,
    stage: Stage = lambda name, total: None,
    rehearsal: bool = False,
    link_untouched: bool = False,
    verify_written: bool = False,
) -> Receipt:
    """The receipt of the stripped checkpoint, which stands at `target` when this returns; the receipt stands beside it.

    Untouched tensors are copied as bytes and never loaded. If anything fails, or the process is interrupted, nothing is
    left at `target`. The source's digest comes out of the same pass; a `Checkpoint`, whose digest is known, must still
    have it.

    Args:
        contents: the source.
        plan: made for it.
        target: the folder that shall come to be; must not exist, nor its receipt.
        watch: is told the number of bytes done: of the source, then those of the output that are read back, then those
            that are searched.
        stage: is told when each of these three begins.
        rehearsal: whether its receipt says that nothing of it may go out.
        link_untouched: whether files that stay byte for byte become hard links to the source, which must be read-only.
        verify_written: whether everything is read back from disk and compared with what was written.

    Raises:
        StripError: the target may not be taken, the disk is too full or fails, the source changed, or a removed part is still in
            the output.
        CheckpointError: the source cannot be read.
    """
    target = Path(target).absolute()
    require_place(contents.root, target)
    contents = plan.opened(contents)
    steps = steps_of(contents, plan)
    staying = [step.name for step in steps if step.to is not None and step.header is None]
    _require_settings(contents, plan, staying)
    if link_untouched:
        refuse_writable(contents, steps)
    clones = can_share(contents, target.parent)
    needed = room(contents, steps, free=[step for step in steps if step.same and (link_untouched or clones)])
    try:
        with new_folder(target, needed) as output:
            job = Job(contents, plan, output, link=link_untouched, clones=clones)
            stage("strip", sum(contents.sizes.values()))
            done = lay_out(job, steps, watch)
            _refuse_changes(contents, done)
            made = Manifest(files=tuple(sorted((e for one in done for e in one.written), key=lambda entry: entry.path)))
            if verify_written:
                stage("read back", sum(entry.size for entry in made.files))
                read_back(job, done, watch)
            outcomes = tuple(sorted((o for one in done for o in one.outcomes), key=lambda outcome: outcome.name))
            _require_sound(output, steps, outcomes)
            require_settings(output.root, [entry.path for entry in made.files])
            stage("search", sum(entry.size * (1 + (entry.parts is not None)) for entry in made.files))
            searched = search_output(contents, plan, output.root, [entry.path for entry in made.files], watch)
            if searched.leak is not None:
                place = Path(searched.leak.where).relative_to(output.root).as_posix()
                raise StripError(f"{target}: {place}", f"{searched.leak.what} (nothing was written)", searched.leak.fix)
            receipt = _receipt(
                job, output.root, done, made, searched.leftovers, outcomes, rehearsal=rehearsal, verified=verify_written
            )
            output.publish(receipt.text())
    except OSError as error:
        what = f"could not be written: {error.strerror or error}"
        raise StripError(str(target), what, "nothing was left behind; check the disk and try again") from error
    return receipt


def _require_settings(contents: Contents, plan: StripPlan, names: Sequence[str]) -> None:
    """Refuse settings that hand control over; a file that cannot be read any more has changed."""
    try:
        require_settings(contents.root, names, [(key.file, key.key) for key in plan.keys])
    except JsonMalformed as error:
        path = Path(error.problems[0].where)
        entry = (
            contents.files.get(path.relative_to(contents.root).as_posix()) if isinstance(contents, Checkpoint) else None
        )
        if entry is not None and entry.sha256 != f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}":
            raise changed(path) from error
        raise


def _refuse_changes(contents: Contents, done: Sequence[Done]) -> None:
    """What was read is what was opened, where that is known; and names the tokens that the plan went by."""
    names = sorted(contents.sizes)
    if read_vocabulary(contents.root, names, contents.config_file, contents.config) != contents.vocabulary:
        raise changed(contents.root)
    if isinstance(contents, Checkpoint):
        expected = contents.files
        for one in done:
            if one.source != expected[one.step.name]:
                raise changed(contents.root / one.step.name)


def _require_sound(output: Output, steps: Sequence[Step], outcomes: Sequence[TensorOutcome]) -> None:
    """What is published can be opened as a checkpoint, and has the tensors that it is to have."""
    try:
        written = read_contents(output.root, strict=True)
    except CheckpointError as error:
        what = f"would not be a sound checkpoint: {error.problems[0].what}"
        raise StripError(str(output.target), what, "correct the keys that the recipe sets") from error
    headers = {**written.shards, **written.siblings}
    found = [step.keys[name] for step in steps if step.keys and step.to for name in headers[step.to].entries]
    staying = [outcome.name for outcome in outcomes if not isinstance(outcome, Removed)]
    assert sorted(found) == staying, "the new headers and the receipt disagree"


def _receipt(
    job: Job,
    root: Path,
    done: Sequence[Done],
    made: Manifest,
    leftovers: Leftovers,
    outcomes: tuple[TensorOutcome, ...],
    *,
    rehearsal: bool,
    verified: bool,
) -> Receipt:
    plan = job.plan
    sources = sorted((one.source for one in done if one.source is not None), key=lambda entry: entry.path)
    source = Manifest(files=tuple(sources)).digest()
    dropped = [one.source for one in done if one.source is not None and one.step.name in plan.dropped]
    return Receipt(
        source=source,
        recipes=plan.recipes,
        planned=plan.identity(source),
        output_digest=made.digest(),
        tier=plan.tier,
        tier_means=tier_means(plan.tier, plan.restored),
        rehearsal=rehearsal,
        tensors=outcomes,
        dropped=tuple(sorted(dropped, key=lambda entry: entry.path)),
        keys=plan.keys,
        vocabulary=_vocabulary(job.contents, plan),
        converted=tuple(one.converted for one in done if one.converted is not None) or None,
        residual=plan.residual,
        lent=plan.lent,
        restored=plan.restored or None,
        remaining=plan.remaining or None,
        leftovers=leftovers,
        exact=plan.exact,
        unread=unread(root, [entry.path for entry in made.files], _undeclared(job)),
        wide=plan.wide,
        output=made,
        read_back=verified or None,
    )


def _undeclared(job: Job) -> dict[str, tuple[str, ...]]:
    name = job.contents.config_file
    return {name: job.plan.undeclared} if name is not None and job.plan.undeclared is not None else {}


def _vocabulary(contents: Contents, plan: StripPlan) -> VocabularyEdit | None:
    if not plan.vocabulary:
        return None
    return VocabularyEdit(tokens=plan.vocabulary, files=tuple(sorted(edited_files(contents, plan))))
