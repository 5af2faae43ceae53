"""A checkpoint as a plan names it."""

from __future__ import annotations

from releasegate.checkpoint.folder import Checkpoint
from releasegate.checkpoint.layouts import ADAPTER
from releasegate.plan import PlannedModel


def planned_model(checkpoint: Checkpoint) -> PlannedModel:
    """The checkpoint as a plan names it; an adapter over it has a digest of its own, and so has the base below."""
    manifest = checkpoint.manifest
    if not checkpoint.layout.endswith("-lora"):
        return PlannedModel(layout=checkpoint.layout, manifest=manifest)
    folder = ADAPTER[0].partition("/")[0]
    base, adapter = manifest.without(folder).digest(), manifest.within(folder).digest()
    return PlannedModel(layout=checkpoint.layout, manifest=manifest, base=base, adapter=adapter)
