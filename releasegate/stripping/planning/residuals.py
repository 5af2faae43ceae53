"""What stays although an attacker could use it, and what an attacker is lent: held against what the edits leave."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from releasegate.receipt import LentParts
from releasegate.recipe import Residual
from releasegate.stripping.edits import TensorEdit
from releasegate.stripping.planning.fitting import Fitting

_WHY: Mapping[str, tuple[str, str]] = {
    "rows_zeroed": (
        "zeroes rows of",
        "zeroed rows are where a restoration starts: list it, with the reason why it stays",
    ),
    "rows_reinitialised": (
        "reinitialises rows of",
        "reinitialised rows are where a restoration starts: list it, with the reason why it stays",
    ),
    "rows_removed": ("removes rows of", "the rest of it stays: list it, with the reason why"),
}


def check_residual(fitting: Fitting, edits: Mapping[str, TensorEdit], dropped: Collection[str]) -> None:
    """Nothing, if every tensor of which a part stays is listed, and everything that is listed stays.

    Raises:
        RecipeMismatch: otherwise.
    """
    for residual in fitting.recipe.residual:
        if not any(True for _ in staying(fitting, residual, edits, dropped)):
            noun = "tensor" if residual.tensors is not None else "file"
            what = f"lists as residual {residual.pattern!r}, which matches no {noun} that stays"
            raise fitting.mismatch(what, "correct the pattern, or take the entry out")
    listed = {name for one in fitting.recipe.residual if one.tensors for name in fitting.tensors(one.tensors)}
    for name, parts in fitting.parts.items():
        edit = next((edits[part.key] for part in parts if part.key in edits), None)
        if edit is not None and edit.partial and name not in listed:
            does, fix = _WHY[edit.outcome]
            raise fitting.mismatch(f"{does} {name} and does not list it under `residual`", fix)


def staying(
    fitting: Fitting, residual: Residual, edits: Mapping[str, TensorEdit], dropped: Collection[str]
) -> Iterable[str]:
    """Names of what `residual` lists and the edits leave."""
    if residual.files is not None:
        return (name for name in fitting.files(residual.files) if name not in dropped)
    return (
        name
        for name in fitting.tensors(residual.tensors or "")
        if any(part.key not in edits or edits[part.key].partial for part in fitting.parts[name])
    )


def lent_parts(fitting: Fitting, edits: Mapping[str, TensorEdit], dropped: Collection[str]) -> LentParts:
    """What the recipe lends, by the names in the plan.

    Raises:
        RecipeMismatch: it lends what it does not take away.
    """
    fix = "lend what the recipe takes away, or take the entry out"
    tensors: set[str] = set()
    for pattern in fitting.recipe.lent.tensors:
        found = {part.key for name in fitting.tensors(pattern) for part in fitting.parts[name]}
        if not found or not found <= edits.keys():
            raise fitting.mismatch(f"lends {pattern!r}, which is no tensor that it removes or zeroes", fix)
        tensors |= found
    files: set[str] = set()
    for pattern in fitting.recipe.lent.files:
        found = set(fitting.files(pattern))
        if not found <= set(dropped):
            raise fitting.mismatch(f"lends {pattern!r}, which is no file that it drops", fix)
        files |= found
    return LentParts(tensors=tuple(sorted(tensors)), files=tuple(sorted(files)))
