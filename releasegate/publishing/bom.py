"""The bill of materials of what goes out, in CycloneDX 1.6: the model, its files, what it was made from, and its evals.

It holds no time and no random number: the same release gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from releasegate import __version__
from releasegate.decision import Decision
from releasegate.errors import NotFound
from releasegate.plan import SOURCE, Plan
from releasegate.policy import Policy
from releasegate.publishing.cardmeta import line, model_name
from releasegate.publishing.findings import Stated, stated, withheld
from releasegate.publishing.licence import OTHER, Licence
from releasegate.publishing.quickstart import QuickStart
from releasegate.receipt import Receipt, tier_means
from releasegate.released import ReleasedFile
from releasegate.reporting.first.leaning import leant_on

if TYPE_CHECKING:
    from cyclonedx.model.component import Component
    from cyclonedx.model.license import DisjunctiveLicense

MODEL, SOURCE_MODEL, BASE = "model", "source-model", "base-model"
MOST_TEXT = 2_000
"""Characters of a text."""


@dataclass(frozen=True)
class Billed:
    """What a bill is about.

    Attributes:
        decision: without the reasons of failures.
        plan: of the run.
        policy: as it is now.
        receipt: of the strip, where a stripped checkpoint goes out.
        checkpoint: the name of what goes out.
        digest: the model digest of what goes out.
        files: of the model, as they go out.
        licence: of the model.
        start: how it is loaded.
    """

    decision: Decision
    plan: Plan
    policy: Policy
    receipt: Receipt | None
    checkpoint: str
    digest: str
    files: Sequence[ReleasedFile]
    licence: Licence
    start: QuickStart


def bill_of_materials(of: Billed) -> str:
    """The bill as JSON.

    Raises:
        NotFound: the library that writes it is not installed.
    """
    try:
        from cyclonedx.model.bom import Bom, BomMetaData
        from cyclonedx.model.tool import ToolRepository
        from cyclonedx.output.json import JsonV1Dot6
    except ImportError:
        what = "is not installed, and writes the bill of materials of a release"
        raise NotFound("package cyclonedx-python-lib", what, "pip install 'releasegate[attest]'") from None
    model = _model(of)
    evals = _evals(of)
    bom = Bom(
        components=evals,
        metadata=BomMetaData(component=model, tools=ToolRepository(components=[_tool()])),
        serial_number=uuid5(NAMESPACE_URL, f"releasegate:{of.digest}:{of.decision.digest()}"),
    )
    bom.register_dependency(model, evals)
    found = json.loads(JsonV1Dot6(bom).output_as_string())
    found["metadata"].pop("timestamp", None)
    found["metadata"]["component"]["modelCard"] = _card(of)
    return json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _tool() -> Component:
    from cyclonedx.model.component import Component, ComponentType

    return Component(type=ComponentType.APPLICATION, name="releasegate", version=__version__)


def _model(of: Billed) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType, Pedigree

    files = [
        Component(
            type=ComponentType.FILE,
            name=file.path,
            bom_ref=f"file:{file.path}",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file.sha256.removeprefix("sha256:"))],
        )
        for file in of.files
    ]
    ancestors = list(_ancestors(of))
    return Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=model_name(of.plan),
        bom_ref=MODEL,
        version=of.digest,
        description=line(of.plan.policy.title, MOST_TEXT),
        licenses=[_license(of.licence)],
        components=files,
        pedigree=Pedigree(ancestors=ancestors) if ancestors else None,
        properties=[
            Property(name="releasegate:model-digest", value=of.digest),
            Property(name="releasegate:decision-digest", value=of.decision.digest()),
            Property(name="releasegate:verdict", value=of.decision.verdict),
            Property(name="releasegate:layout", value=of.plan.model.layout),
        ],
    )


def _ancestors(of: Billed) -> Iterator[Component]:
    """What the model was made from: the checkpoint that was stripped, and the base model that the policy names."""
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType

    kind = ComponentType.MACHINE_LEARNING_MODEL
    if of.checkpoint != SOURCE:
        digest = Property(name="releasegate:model-digest", value=of.decision.model)
        name = f"{model_name(of.plan)}, as trained"
        yield Component(type=kind, name=name, bom_ref=SOURCE_MODEL, version=of.decision.model, properties=[digest])
    base = of.policy.published.base_model
    if base is not None:
        yield Component(type=kind, name=base, bom_ref=BASE)


def _license(licence: Licence) -> DisjunctiveLicense:
    from cyclonedx.model.license import DisjunctiveLicense
    from cyclonedx.spdx import fixup_id

    known = fixup_id(licence.id)
    if known is not None:
        return DisjunctiveLicense(id=known)
    return DisjunctiveLicense(name=f"see {licence.path}" if licence.id == OTHER else licence.id)


def _evals(of: Billed) -> list[Component]:
    """The evals whose findings are stated, as data, with the digests of card and harness."""
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType

    found = {}
    for measurement in of.plan.measurements:
        if measurement.role != "gate" or measurement.eval in found:
            continue
        card = of.plan.cards[measurement.eval]
        found[measurement.eval] = Component(
            type=ComponentType.DATA,
            name=measurement.eval,
            bom_ref=f"eval:{measurement.eval}",
            version=measurement.card,
            description=line(f"{card.title}: {card.description}", MOST_TEXT),
            properties=[
                Property(name="releasegate:items", value=card.items.kind),
                Property(name="releasegate:harness-digest", value=measurement.harness),
            ],
        )
    return list(found.values())


def _card(of: Billed) -> dict[str, Any]:
    """The model card of the bill, for which the library has no class."""
    parameters: dict[str, Any] = {
        "modelArchitecture": of.plan.model.layout,
        "datasets": [{"ref": f"eval:{name}"} for name in dict.fromkeys(m.eval for m in of.plan.measurements)],
    }
    if of.start.task:
        parameters["task"] = of.start.task
    metrics = [_metric(one) for one in stated(of.decision, of.plan, of.checkpoint)]
    card: dict[str, Any] = {"bom-ref": "model-card", "modelParameters": parameters}
    if metrics:
        card["quantitativeAnalysis"] = {"performanceMetrics": metrics}
    card["considerations"] = _considerations(of)
    return card


def _metric(one: Stated) -> dict[str, Any]:
    e = one.worst.estimate
    found: dict[str, Any] = {"type": f"{one.finding.metric}: {line(one.title)}"}
    if e.value is not None:
        found["value"] = repr(e.value)
    if one.slice:
        found["slice"] = line(one.slice)
    if e.low is not None and e.high is not None:
        found["confidenceInterval"] = {"lowerBound": repr(e.low), "upperBound": repr(e.high)}
    return found


def _considerations(of: Billed) -> dict[str, Any]:
    kept_in = withheld(of.decision)
    limits = [line(text, MOST_TEXT) for text in (*of.decision.not_measured, *leant_on(of.decision))]
    found: dict[str, Any] = {}
    if limits:
        found["technicalLimitations"] = limits
    if kept_in:
        how = tier_means(of.receipt.tier, of.receipt.restored or ()) if of.receipt else "not in these weights"
        found["ethicalConsiderations"] = [
            {"name": line(f"{c.title}: {c.rationale}", MOST_TEXT), "mitigationStrategy": f"withheld; {how}"}
            for c in kept_in
        ]
    return found
