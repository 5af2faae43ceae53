"""What a decision rests on: digests, measurements, and how to check them again."""

from __future__ import annotations

from releasegate.decision import Decision
from releasegate.plan import Measurement, Plan
from releasegate.receipt import Receipt
from releasegate.reporting.findings.measures import ungated
from releasegate.reporting.gathered.gathering import Gathered, Place
from releasegate.reporting.gathered.tallying import Tally
from releasegate.reporting.views.pair import Pair
from releasegate.reporting.views.report import EvidenceView, MeasurementView
from releasegate.reporting.wording.words import checkpoint


def evidence_view(decision: Decision, plan: Plan, receipt: Receipt | None, gathered: Gathered) -> EvidenceView:
    """Digests, measurements, ungated metrics, and the commands that check them."""
    return EvidenceView(
        digests=(
            Pair("policy", decision.policy_digest, code=True),
            Pair("plan", decision.plan, code=True),
            Pair("evidence", decision.evidence, code=True),
            Pair("model, as trained", decision.model, code=True),
            *((Pair("model, stripped", receipt.output_digest, code=True),) if receipt else ()),
            Pair("decision", decision.digest(), code=True),
            *_chat_template(plan),
        ),
        measurements=tuple(_measurement(m, plan, gathered) for m in plan.measurements),
        ungated=ungated(gathered, plan),
        commands=tuple(_commands(receipt)),
    )


def _chat_template(plan: Plan) -> list[Pair]:
    """The template by which a language model was asked. A model without one is another kind of model than one that chats."""
    asked = [m for m in plan.measurements if "GeneratesText" in plan.cards[m.eval].needs and not m.subject.served]
    found = sorted({m.subject.chat_template for m in asked if m.subject.chat_template})
    if asked and not found:
        return [Pair("chat template", "none: what is asked in turns was written out as text")]
    return [Pair("chat template", digest, code=True) for digest in found]


def _measurement(m: Measurement, plan: Plan, gathered: Gathered) -> MeasurementView:
    seen = counts(m, gathered)
    return MeasurementView(
        eval=m.eval,
        role=m.role,
        checkpoint=checkpoint(m.checkpoint),
        planned=m.items,
        scored=seen.scored,
        failed=seen.failed,
        instruments=tuple(Pair(name, digest, code=True) for name, digest in sorted(m.instruments.items())),
        harness=m.harness,
        identity=plan.identity(m) if plan.nonce else "",
        problem=m.problem,
    )


def counts(m: Measurement, gathered: Gathered) -> Tally:
    """Items by outcome: one metric of each set of metrics that an item can carry stands for all of them."""
    place: Place = (m.eval, m.role, m.checkpoint)
    found = Tally()
    for first in sorted({sorted(cell.metrics)[0] for cell in m.cells}):
        tally = gathered.tallies.get((place, first, ()), Tally())
        found.scored += tally.scored
        found.failed += tally.failed
    return found


def _commands(receipt: Receipt | None) -> list[Pair]:
    found = [Pair("Decide again on the same evidence, without the model", "releasegate decide RUN", code=True)]
    if receipt is not None:
        text = "releasegate verify RUN/stripped --source CHECKPOINT"
        found.append(
            Pair("Compare the stripped checkpoint with its receipt and with the source, byte by byte", text, True)
        )
    found.append(Pair("Render this page again", "releasegate report RUN", code=True))
    return found
