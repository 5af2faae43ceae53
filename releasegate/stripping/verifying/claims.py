"""What a receipt says of a strip beside the digests of tensors and files: held against the source before it is believed.

A receipt may be forged to agree with itself. Nothing of it is used to plan with, or reported, that the source denies.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from releasegate.checkpoint import Checkpoint
from releasegate.errors import VerifyError
from releasegate.patterns import matches
from releasegate.receipt import Bounded, Leftovers, Receipt
from releasegate.stripping.edits import edit_of
from releasegate.stripping.planning.plan import StripPlan
from releasegate.stripping.planning.vocabulary import edited_files, vocabulary_length
from releasegate.stripping.rows import has_rows
from releasegate.stripping.writing.files import values_of
from releasegate.stripping.writing.steps import Step, places

AGAIN = "do not trust this folder: strip the source again"
COMPRESSED = ("texts", "names")
ZLIBS = 1.1
"""How much more the same text may take when another build of zlib compresses it."""


def require_parts(source: Checkpoint, plan: StripPlan, receipt: Receipt) -> None:
    """Nothing, if the source has every file that was dropped, and every tensor and row that the receipt tells of.

    Raises:
        VerifyError: it lacks one.
    """
    for name in plan.dropped:
        if name not in source.sizes:
            raise VerifyError(str(source.root / name), "is not there, and the receipt says it was dropped", AGAIN)
    where = places(source, plan)
    for outcome in receipt.tensors:
        if outcome.name not in where:
            raise VerifyError(str(source.root), f"has no tensor {outcome.name}", AGAIN)
        place, edit = where[outcome.name], edit_of(outcome)
        shown = f"{source.root / place.file}: {outcome.name}"
        if edit is not None and edit.partial and not has_rows(place.entry, edit.rows, edit.dimension):
            raise VerifyError(shown, "does not have the rows that the receipt names", AGAIN)
        if outcome.size != place.entry.size:
            what = f"has {place.entry.size:,} bytes, and the receipt says {outcome.size:,}"
            raise VerifyError(shown, what, AGAIN)


def require_claims(source: Checkpoint, plan: StripPlan, receipt: Receipt, steps: Sequence[Step]) -> None:
    """Nothing, if the receipt tells of converted pickles and dropped tokens as they are, and lists what stays in part.

    Raises:
        VerifyError: it does not.
    """
    pickles = {step.name: step for step in steps if step.pickled}
    told = {one.file: one for one in receipt.converted or ()}
    for name in sorted(pickles.keys() | told.keys()):
        step, one = pickles.get(name), told.get(name)
        if step is None or one is None or step.to != one.to or (not one.to and sorted(values_of(step)) != [*one.left]):
            raise VerifyError(str(source.root / name), "was not converted as the receipt says", AGAIN)
    where = places(source, plan)
    for key, edit in plan.tensors.items():
        name = where[key].entry.name if where[key].file in source.shards else key
        if edit.partial and not any(matches(r.tensors or "", name, source.config) for r in receipt.residual):
            what = f"keeps a part of {key}, which the receipt does not list under residual"
            raise VerifyError(str(source.root), what, AGAIN)
    if receipt.vocabulary is not None:
        counted = vocabulary_length(source, plan.tensors, plan.vocabulary) is not None
        if not counted or receipt.vocabulary.files != tuple(sorted(edited_files(source, plan))):
            what = "did not lose the tokens that the receipt says were dropped, or in other files"
            raise VerifyError(str(source.root), what, AGAIN)


def require_told(told: Leftovers, found: Leftovers, folder: Path) -> None:
    """Nothing, if the receipt conceals nothing of what the search found, or of what could not be searched for.

    A receipt from before near copies were searched for tells of none, and is not asked for any; nor is one from before
    amounts were bounded.

    Raises:
        VerifyError: it conceals something.
    """
    if told.sketched is None:
        return
    fix = "do not trust this receipt: strip the source again"
    copies = {(one.part, one.tensor) for one in told.near_copies or ()}
    for copy in found.near_copies or ():
        if (copy.part, copy.tensor) not in copies:
            raise VerifyError(str(folder), f"has a copy of {copy.part} in {copy.tensor}; the receipt is silent", fix)
    files = {one.file for one in told.offers or ()}
    for offer in found.offers or ():
        if offer.file not in files:
            raise VerifyError(str(folder / offer.file), f"{offer.what}; the receipt is silent", fix)
    parts = {one.part for one in told.unsearched}
    for one in found.unsearched:
        if one.part not in parts:
            what = f"was not searched for all of {one.part} ({one.why}); the receipt is silent"
            raise VerifyError(str(folder), what, fix)
    if told.bounded is not None and found.bounded is not None:
        _require_amounts(told.bounded, found.bounded, folder, fix)


def _require_amounts(told: Bounded, found: Bounded, folder: Path, fix: str) -> None:
    """Raise if less goes out by the receipt than there is. Compressed sizes differ a little from one zlib to another."""
    for name, there in found:
        said = getattr(told, name)
        if there > (said * ZLIBS + 64 if name in COMPRESSED else said):
            what = f"lets out {there:,} of {name.replace('_', ' ')}; the receipt says {said:,}"
            raise VerifyError(str(folder), what, fix)
