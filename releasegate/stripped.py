"""The stripped checkpoint of a run: whether it is what the plan, its recipes and its source make it. Runs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from releasegate.checkpoint import Checkpoint, Watch, open_checkpoint
from releasegate.errors import EvidenceUntrusted, RunError
from releasegate.plan import Plan, PlannedStrip
from releasegate.policy import Policy
from releasegate.receipt import Receipt
from releasegate.repository import GateRepository, RunFolder
from releasegate.stripping import plan_strip, verify_strip


@dataclass(frozen=True)
class Stripped:
    """A stripped checkpoint, proven to be a strip of the plan.

    Attributes:
        planned: which one.
        checkpoint: its files, as they were hashed.
    """

    planned: PlannedStrip
    receipt: Receipt
    checkpoint: Checkpoint


def open_source(path: Path, policy: Policy, watch: Watch | None = None) -> Checkpoint:
    """The source checkpoint, checked file by file.

    Raises:
        RunError: its layout is not the policy's.
    """
    checkpoint = open_checkpoint(path, watch, runs=policy.model.runs)
    if checkpoint.layout not in policy.model.layouts:
        what = f"has layout {checkpoint.layout}, and policy {policy.id} is about {', '.join(policy.model.layouts)}"
        raise RunError(str(path), what, "choose the policy of that layout")
    return checkpoint


def require_source(path: Path, plan: Plan, checkpoint: Checkpoint) -> None:
    """Nothing, if `checkpoint` is the model that the plan was opened for.

    Raises:
        RunError: it is another one.
    """
    if checkpoint.digest != plan.source:
        raise RunError(str(path), "is not the model that the attempt was opened for", "name that one")


def open_stripped(run: RunFolder, plan: Plan, repository: GateRepository, source: Checkpoint) -> Stripped:
    """The stripped checkpoint in the run folder: its receipt holds, byte by byte, and does what its recipes say.

    Raises:
        EvidenceUntrusted: it is no strip of the plan, or its receipt is of something else.
        VerifyError: a file or tensor is not what the receipt, or the source, says.
    """
    receipt = run.receipt()
    planned = next((s for s in plan.strips if receipt and s.model == receipt.planned), None)
    if receipt is None or planned is None:
        raise EvidenceUntrusted(str(run.stripped), "is not a strip of the plan", "remove it, and resume")
    if receipt.rehearsal and not plan.rehearsal:
        raise EvidenceUntrusted(str(run.stripped), "was made in a rehearsal", "remove it, and resume")
    recipes = [repository.recipe(ref.id) for ref in planned.recipes]
    stripped = open_checkpoint(run.stripped, like=receipt.output)
    verify_strip(stripped, receipt, source)
    if not plan_strip(source, recipes).made(receipt):
        what = "has a receipt of something else than its recipes do"
        raise EvidenceUntrusted(str(run.stripped), what, "remove it, and resume")
    return Stripped(planned, receipt, stripped)


def require_told(receipt: Receipt, plan: Plan, repository: GateRepository) -> None:
    """Nothing, if a receipt tells people what its recipes say: what was left in, what is not touched, what bringing it back cost.

    That is all that can be seen without the source; `open_stripped` sees the rest.

    Raises:
        EvidenceUntrusted: it tells something else, or a recipe is not the one that the attempt was opened with.
    """
    planned = next((s for s in plan.strips if s.model == receipt.planned), None)
    if planned is None:
        raise EvidenceUntrusted("the receipt", "is of no strip of the plan", "restore it, or gate the model anew")
    recipes = [repository.recipe(ref.id) for ref in planned.recipes]
    for ref, recipe in zip(planned.recipes, recipes, strict=True):
        if recipe.digest() != ref.sha256:
            what = "is not the recipe that the attempt was opened with"
            raise EvidenceUntrusted(f"policies/recipes/{ref.id}.yaml", what, "restore it")
    listed = tuple(dict.fromkeys(known for recipe in recipes for known in recipe.residual))
    whole = receipt.residual == listed if len(recipes) == 1 else set(receipt.residual) <= set(listed)
    for name, told, known in (
        ("restored", receipt.restored or (), tuple(k for recipe in recipes for k in recipe.restored or ())),
        ("remaining", receipt.remaining or (), tuple(k for recipe in recipes for k in recipe.remaining or ())),
        ("residual", () if whole else receipt.residual, () if whole else listed),
    ):
        if told != tuple(dict.fromkeys(known)):
            what = f"tells something else under `{name}` than its recipes do"
            raise EvidenceUntrusted("the receipt", what, "restore it, or gate the model anew")
