"""All searches of a finished strip for what was to go: its bytes, near copies of it, and texts that still offer it.

What is found is a leak, unless the recipe lists it as residual: tensors that it says hold copies, files that it says offer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from releasegate.checkpoint import Contents, Header, Place, Watch, read_contents
from releasegate.errors import Problem
from releasegate.patterns import matches
from releasegate.receipt import Bounded, Leftovers, NearCopyFound, Offer, Unsearched, expand
from releasegate.recipe import Residual
from releasegate.stripping.planning.plan import StripPlan
from releasegate.stripping.planning.tokenrows import counts_tokens, other_lengths, vocabulary_sizes
from releasegate.stripping.searching.goingout import look_at_what_goes_out
from releasegate.stripping.searching.leftovers import Finding, read_needles, search, spans_to_search
from releasegate.stripping.searching.nearcopies import NearCopy, search_near_copies
from releasegate.stripping.searching.offers import find_offers, gone_components
from releasegate.stripping.searching.planes import Planes
from releasegate.stripping.searching.removedparts import RemovedPart
from releasegate.stripping.searching.runs import removed_runs
from releasegate.stripping.searching.runsearch import RunsFound, search_runs
from releasegate.stripping.searching.sketches import sketch_removed
from releasegate.stripping.writing.steps import places, steps_of

MOST_ODD = 64
"""NaNs of a tensor with bits that arithmetic does not leave."""
MOST_MIXED = 4096
"""Infinities and NaNs of a tensor that are not all of the same bits."""

COPY = "the source has a second copy of it: name that in the recipe too, or list under `residual` what `copies` it"
OFFER = "set, unset or drop that in the recipe, or list the file under `residual`"

SUPPRESS = (
    "suppress them (`{set: generation_config.json, key: suppress_tokens, tokens: {vocabulary: PATTERN}}`), "
    "or list the file under `residual`"
)


@dataclass(frozen=True, slots=True)
class Searched:
    """What was searched for, and found: the first leak, if there is one; what is listed as residual is in `leftovers`."""

    leftovers: Leftovers
    leak: Problem | None


@dataclass(slots=True)
class _Output:
    """A finished strip, in the names of the source.

    Attributes:
        contents: the source.
        plan: what was done.
        root: the output.
        found: what lies there.
        where: where in the source each tensor lies that is accounted for, by its name in the plan.
        names: the names of its tensors in the plan, by file and name; a file whose tensors are not listed is `FILE:NAME`.
        seen: copies that the recipe lists, by part and tensor.
        begins: where the tensors of a file begin, in bytes, and their names in the plan; of files that were asked about.
    """

    contents: Contents
    plan: StripPlan
    root: Path
    found: Contents
    where: Mapping[str, Place]
    names: Mapping[tuple[str, str], str]
    seen: dict[tuple[str, str], NearCopyFound] = field(default_factory=dict)
    begins: dict[str, tuple[list[int], list[str]]] = field(default_factory=dict)

    @property
    def headers(self) -> Mapping[str, Header]:
        """Of every file of tensors in the output."""
        return {**self.found.shards, **self.found.siblings}

    def tensor_at(self, file: str, offset: int) -> str | None:
        """The tensor of which the byte at `offset` of `file` is a part; `None` outside of tensors."""
        header = self.headers.get(file)
        if header is None:
            return None
        if file not in self.begins:
            entries = [entry for entry in header.in_file_order() if entry.size]
            places = [header.data_start + entry.begin for entry in entries]
            self.begins[file] = places, [self.names[file, entry.name] for entry in entries]
        places, names = self.begins[file]
        at = bisect_right(places, offset) - 1
        return names[at] if at >= 0 else None

    def row_at(self, one: Finding) -> str:
        """Which tensor, and which row of it, a piece was found in, in words; empty outside of tensors."""
        tensor = self.tensor_at(one.file, one.offset)
        if tensor is None:
            return ""
        header = self.headers[one.file]
        place = one.offset - header.data_start
        entry = next(entry for entry in header.entries.values() if entry.begin <= place < entry.end)
        row = f", row {(place - entry.begin) // entry.row_size:,}" if entry.row_size and len(entry.shape) > 1 else ""
        return f" (in {tensor}{row})"

    def listed(self, part: str, tensor: str) -> Residual | None:
        """The residual that says that `tensor` holds a copy of `part`."""
        for residual in self.plan.residual:
            if residual.copies and self._means(residual.tensors or "", tensor) and self._means(residual.copies, part):
                return residual
        return None

    def _means(self, pattern: str, name: str) -> bool:
        """Whether the pattern of a recipe means what the plan calls `name`; one without a colon, no tensor of another file."""
        place = self.contents.tensors.get(name)
        if place is not None:
            return matches(pattern, place.entry.name, self.contents.config)
        return (":" in pattern or name in self.contents.sizes) and matches(pattern, name, self.contents.config)


def search_output(
    contents: Contents, plan: StripPlan, root: Path, files: Sequence[str], watch: Watch | None = None
) -> Searched:
    """What stands in the finished output `root` of what was to go.

    Args:
        contents: the source.
        plan: what was done.
        root: the output.
        files: its files.
        watch: is told the number of bytes searched: each file once, and each file of tensors once more.

    Raises:
        CheckpointError: a file cannot be read.
    """
    found = read_contents(root, strict=True)
    where = places(contents, plan)
    output = _Output(contents, plan, root, found, where, _names(contents, plan, found))
    found_bytes = _same_bytes(output, files, watch)
    sketched, unlike, alike = _same_numbers(output, watch)
    uncut, mixed = _same_runs(output)
    offers = find_offers(
        root, files, _tokens(contents, plan, where), _gone(plan, where), _dropped_tokens(contents, plan)
    )
    listed = [one for one in offers if any(r.files and matches(r.files, one.file) for r in plan.residual)]
    unlisted = (one for one in offers if one not in listed)
    leaks = (Problem(str(root / one.file), one.what, SUPPRESS if one.of_tokens else OFFER) for one in unlisted)
    offered = next(leaks, None)
    unsearched = {*found_bytes.unsearched, *unlike, *uncut, *_unread(contents, plan)}
    return Searched(
        Leftovers(
            pieces=found_bytes.pieces,
            unsearched=tuple(sorted(unsearched, key=lambda one: (one.part, one.why))),
            sketched=sketched,
            near_copies=tuple(output.seen[key] for key in sorted(output.seen)) or None,
            offers=tuple(Offer(file=one.file, what=one.what) for one in listed) or None,
            bounded=found_bytes.bounded,
        ),
        found_bytes.leak or alike or mixed or found_bytes.apart or offered or found_bytes.over,
    )


@dataclass(frozen=True, slots=True)
class _Bytes:
    """What the search for the same bytes found, and what goes out beside them."""

    pieces: int
    unsearched: Sequence[Unsearched]
    leak: Problem | None
    apart: Problem | None
    over: Problem | None
    bounded: Bounded


def _same_bytes(output: _Output, files: Sequence[str], watch: Watch | None) -> _Bytes:
    """Pieces that were searched for, those that could not be, and the first leak. The tables are gone when it returns."""
    contents = output.contents
    needles = read_needles(contents.root, spans_to_search(contents, output.plan))
    leak = _exact(output, search(needles, output.root, files, watch))
    planes = Planes(needles, output.root, output.headers)
    taken_apart = _in_planes(output, planes)
    tokens = max([len(contents.vocabulary), *vocabulary_sizes(contents)])
    out = look_at_what_goes_out(output.root, files, output.headers, needles, tokens)
    tallies = planes.non_finite.values()
    bounded = Bounded(
        texts=out.texts,
        names=out.names,
        metadata=out.metadata,
        small_tensors=out.small,
        empty_tensors=out.empty,
        beside_pictures=out.beside,
        non_finite=sum(tally.count for tally in tallies),
        non_finite_mixed=sum(tally.mixed for tally in tallies),
        odd_nans=sum(tally.odd for tally in tallies),
    )
    over = out.problem or _too_many_odd(output, planes)
    return _Bytes(needles.pieces, needles.unsearched, leak, taken_apart, over, bounded)


def _in_planes(output: _Output, planes: Planes) -> Problem | None:
    """The first piece that stands in a tensor with other bytes between its own, where the recipe lists no copy."""
    leak: Problem | None = None
    for one in planes.search():  # to the end: it counts what is not finite on the way
        tensor = output.names[one.file, one.tensor]
        if leak is None and output.listed(one.part, tensor) is None:
            how = f"{one.size} of every {one.width} bytes from byte {one.offset:,} of it on"
            what = f"holds a piece of {one.part}, which was to go, in {tensor}: {how}"
            leak = Problem(str(output.root / one.file), what, COPY)
    return leak


def _too_many_odd(output: _Output, planes: Planes) -> Problem | None:
    """Values that are not finite, where there are more different ones than arithmetic leaves."""
    for (file, name), tally in planes.non_finite.items():
        where, tensor = str(output.root / file), output.names[file, name]
        fix = "set them to zero, or to one and the same value: other bits can hide in them"
        if tally.odd > MOST_ODD:
            what = f"has {tally.odd:,} NaNs in {tensor} with bits that arithmetic does not leave; at most {MOST_ODD} go out"
            return Problem(where, what, fix)
        if tally.mixed > MOST_MIXED:
            what = (
                f"has {tally.count:,} infinities and NaNs of different bits in {tensor}; at most {MOST_MIXED:,} go out"
            )
            return Problem(where, what, fix)
    return None


def _same_numbers(output: _Output, watch: Watch | None) -> tuple[int, Sequence[Unsearched], Problem | None]:
    """The same for vectors and their near copies."""
    contents = output.contents
    headers = {**contents.shards, **contents.siblings}
    sketches = sketch_removed(contents.root, _removed(contents, output.plan, output.where), headers)
    near = search_near_copies(sketches, output.root, output.headers, watch=watch)
    if watch:
        watch(sum(header.data_start for header in output.headers.values()))
    return sketches.count, (*sketches.unsearched, *near.unsearched), _near(output, near.copies)


def _same_runs(output: _Output) -> tuple[Sequence[Unsearched], Problem | None]:
    """What could not be searched for in runs, and the first leak where rows were cut, joined or mixed."""
    contents = output.contents
    headers = {**contents.shards, **contents.siblings}
    runs = removed_runs(contents.root, list(_removed(contents, output.plan, output.where)), headers)
    return runs.unsearched, _mixed(output, search_runs(runs, output.root, output.headers))


def _mixed(output: _Output, found: Sequence[RunsFound]) -> Problem | None:
    for one in found:
        tensor = output.names[one.file, one.tensor]
        if output.listed(one.part, tensor) is None:
            what = (
                f"has runs of {one.part}, which was to go, in {tensor}: of {one.matched:,} of {one.of:,} rows, "
                f"{one.how}, {one.equal:.0%} of what was compared equal"
            )
            return Problem(str(output.root / one.file), what, COPY)
        if (one.part, tensor) not in output.seen:
            output.seen[one.part, tensor] = NearCopyFound(
                part=one.part, tensor=tensor, rows=one.matched, form="runs", likeness=one.equal
            )
    return None


def _names(contents: Contents, plan: StripPlan, found: Contents) -> dict[tuple[str, str], str]:
    listed = {step.to: step.keys for step in steps_of(contents, plan) if step.to is not None and step.keys}
    return {
        (file, name): listed[file][name] if file in listed else f"{file}:{name}"
        for file, header in {**found.shards, **found.siblings}.items()
        for name in header.entries
    }


def _exact(output: _Output, findings: Iterator[Finding]) -> Problem | None:
    """The first piece that stands where the recipe lists no copy; the others are noted."""
    for one in findings:
        tensor = output.tensor_at(one.file, one.offset)
        if tensor is None or output.listed(one.part, tensor) is None:
            what = f"holds a piece of {one.part}, which was to go, at byte {one.offset:,}{output.row_at(one)}"
            return Problem(str(output.root / one.file), what, COPY)
        before = output.seen.get((one.part, tensor))
        rows = 1 if before is None else before.rows + 1
        output.seen[one.part, tensor] = NearCopyFound(
            part=one.part, tensor=tensor, rows=rows, form="rows", likeness=1.0
        )
    return None


def _near(output: _Output, copies: Sequence[NearCopy]) -> Problem | None:
    for one in copies:
        tensor = output.names[one.file, one.tensor]
        if output.listed(one.part, tensor) is None:
            what = (
                f"has a near copy of {one.part}, which was to go, in {tensor}: {one.matched:,} of {one.of:,} vectors "
                f"({one.form}), {one.equal:.0%} of their sketches equal"
            )
            return Problem(str(output.root / one.file), what, COPY)
        output.seen[one.part, tensor] = NearCopyFound(
            part=one.part, tensor=tensor, rows=one.matched, form=one.form, likeness=one.equal
        )
    return None


def _removed(contents: Contents, plan: StripPlan, where: Mapping[str, Place]) -> Iterator[RemovedPart]:
    headers = {**contents.shards, **contents.siblings}
    for key, edit in plan.tensors.items():
        place = where[key]
        rows = edit.rows if edit.partial else None
        yield RemovedPart(key, place.file, place.entry, headers[place.file].data_start, rows, edit.dimension)
    for file in plan.dropped:
        if file in contents.siblings:
            header = contents.siblings[file]
            for name, entry in header.entries.items():
                yield RemovedPart(f"{file}:{name}", file, entry, header.data_start)


def _unread(contents: Contents, plan: StripPlan) -> Iterator[Unsearched]:
    """Files of tensors that were left out without being read."""
    for file in plan.dropped:
        if file in contents.foreign and file not in contents.siblings:
            yield Unsearched(part=file, pieces=1, why="left out unread: searched for as bytes, not as tensors")


def _tokens(contents: Contents, plan: StripPlan, where: Mapping[str, Place]) -> set[int]:
    """Tokens whose row was emptied and stays in place, in a tensor that has one for each token."""
    sizes = vocabulary_sizes(contents)
    others, shards = other_lengths(contents.config), sorted(contents.shards)
    found: set[int] = set()
    for key, edit in plan.tensors.items():
        entry, file, side = where[key].entry, where[key].file, edit.dimension
        if edit.outcome in ("rows_zeroed", "rows_reinitialised"):
            length, joined = entry.shape[side], len(shards) if contents.parallel else 1
            whole = (*entry.shape[:side], length * joined, *entry.shape[side + 1 :])
            if length in sizes and (key in plan.by_token or counts_tokens(entry.name, entry.shape, side, others)):
                found |= set(expand(edit.rows))
            elif length * joined in sizes and file in shards and counts_tokens(entry.name, whole, side, others):
                found |= {shards.index(file) * length + row for row in expand(edit.rows)}
    return found


def _dropped_tokens(contents: Contents, plan: StripPlan) -> list[str]:
    """Tokens that were taken out of the vocabulary, by their names."""
    ids = frozenset(expand(plan.vocabulary)) if contents.vocabulary else frozenset()
    return [token for token, identity in contents.vocabulary.items() if identity in ids]


def _gone(plan: StripPlan, where: Mapping[str, Place]) -> list[str]:
    names = {key: place.entry.name for key, place in where.items()}
    empty = {key for key, edit in plan.tensors.items() if not edit.partial}
    return gone_components(names.values(), [name for key, name in names.items() if key not in empty])
