"""The plan of a policy for no model in particular: what it could show is known before there is a checkpoint."""

from __future__ import annotations

from releasegate.errors import ReleaseGateError
from releasegate.evaluation.planning import eval_code
from releasegate.manifest import FileEntry, Manifest
from releasegate.plan import Plan, PlannedModel, make_plan
from releasegate.policy import Policy
from releasegate.records import digest_of
from releasegate.repository import GateRepository
from releasegate.repository.gate_repository import Beside
from releasegate.working import control_evals

DAY = "2000-01-01"


def bare_plan(repository: GateRepository, policy: Policy, beside: Beside | None = None) -> Plan | None:
    """Return what an attempt would measure on some checkpoint of the policy's layout; None where an eval's code does not load.

    The model, the recipes and the day are made up: no number of items depends on them.

    Args:
        beside: what lies beside the policy, where several policies are planned.
    """
    beside = beside or Beside(repository)
    try:
        names = sorted({r.eval for r in policy.requirements} | control_evals(policy, beside.cards))
        evals = {
            name: eval_code(repository, policy, name, "float32", folder=beside.eval_folder(name)) for name in names
        }
    except (ReleaseGateError, OSError):
        return None
    if any(code.problem is not None for code in evals.values()):
        return None
    recipes = {str(c.recipe): digest_of(c.recipe) for c in policy.capabilities if c.recipe}
    manifest = Manifest(files=(FileEntry(path="model", size=1, sha256=digest_of("model")),))
    model = PlannedModel(layout=policy.model.layout, manifest=manifest)
    return make_plan(policy, evals, recipes, model, DAY, controlled=True, own_items=True)
