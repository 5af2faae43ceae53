"""The model card: what went out, what was decided and why, what is not known, how to load and how to verify it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from huggingface_hub import ModelCard

from releasegate.decision import Decision
from releasegate.decision.owners import after_by_capability
from releasegate.namedrecipe import recipe_line
from releasegate.plan import SOURCE, Plan
from releasegate.policy import Policy
from releasegate.publishing.cardmeta import card_data, model_name
from releasegate.publishing.findings import Stated, stated, withheld
from releasegate.publishing.licence import Licence
from releasegate.publishing.quickstart import QuickStart, quick_start
from releasegate.receipt import Receipt, tier_means
from releasegate.reporting.findings.reasons import reason
from releasegate.reporting.findings.standing import standing
from releasegate.reporting.first.beyond import outside
from releasegate.reporting.first.leaning import leant_on
from releasegate.reporting.formats.markdown_text import code, plain
from releasegate.reporting.wording.numbers import MOST_PROSE, MOST_TITLE, sentence, size
from releasegate.reporting.wording.visible import visible
from releasegate.reporting.wording.words import CHANNEL, STATUS
from releasegate.repository.shipped import known_recipes

MOST_LINES = 60
"""Lines of a list or of a table."""
MOST_RATIONALE = 4_000
"""Characters of a rationale: all that a policy can hold."""

OUTCOMES = {
    "release": "released",
    "release_stripped": "taken out",
    "restrict": "not in these weights",
    "withhold": "not in these weights",
    "incomplete": "not in these weights",
}


@dataclass(frozen=True)
class Carded:
    """What a card is about.

    Attributes:
        decision: without the reasons of failures.
        plan: of the run.
        policy: as it is now: what it says of the publication may have changed since the run.
        receipt: of the strip, where a stripped checkpoint goes out.
        checkpoint: the name of what goes out.
        licence: of the model.
        names: of the model's files.
        size: of the model's files, in bytes.
        authors: the text of the checkpoint's own card, if it has one.
    """

    decision: Decision
    plan: Plan
    policy: Policy
    receipt: Receipt | None
    checkpoint: str
    licence: Licence
    names: Sequence[str]
    size: int
    authors: str | None


def model_card(of: Carded) -> str:
    """The card as Markdown, its metadata before it. The same run and policy give the same text."""
    found, start = list(stated(of.decision, of.plan, of.checkpoint)), quick_start(of.plan, of.names)
    data = card_data(of.plan, of.policy.published, of.licence, start, found)
    parts = [
        *_head(of),
        *_decided(of),
        *_stripped(of),
        *_measured(found),
        *_limits(of),
        *_start(start),
        *_verify(of),
        *_authors(of),
    ]
    body = "\n\n".join(parts)
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{body}\n"))


def _head(of: Carded) -> Iterator[str]:
    weights = of.decision.weights
    assert weights is not None, "whoever writes a card knows that the weights may be published"
    yield f"# {plain(model_name(of.plan), MOST_TITLE)}"
    yield plain(sentence(of.plan.policy.title), MOST_PROSE)
    yield f"**{plain(sentence(weights.sentence), MOST_PROSE)}**"
    files = f"{len(of.names)} files of the model, {size(of.size)}"
    lines = [
        f"layout: `{of.plan.model.layout}`; {files}",
        f"licence: {plain(of.licence.id)}, text in [{of.licence.path}]({of.licence.path})",
        f"channel that was asked for and granted: {CHANNEL[weights.granted]}",
    ]
    base = of.policy.published.base_model
    if base is not None:
        lines.append(f"made from: {plain(base)}")
    lines.append(
        f"decided under policy `{of.decision.policy}`, attempt {of.decision.attempt}, opened {of.plan.opened}; "
        "in full in [releasegate/report.html](releasegate/report.html)"
    )
    yield "\n".join(f"- {line}" for line in lines)


def _decided(of: Carded) -> Iterator[str]:
    weights = of.decision.weights
    carried = {one.id: one for one in weights.capabilities} if weights else {}
    after = after_by_capability(of.decision, of.plan.policy)
    lines = []
    for c in of.decision.capabilities:
        own = carried.get(c.id)
        word = OUTCOMES[own.verdict] if own else "not in these weights"
        lines.append(f"- **{plain(c.title, MOST_TITLE)}** (`{c.id}`): {word}. {plain(reason(c, after[c.id], of.plan))}")
    yield "## What was decided"
    yield _cut(lines)


def _stripped(of: Carded) -> Iterator[str]:
    """What did not go out, why, and what is known of bringing it back."""
    kept_in = withheld(of.decision)
    if not kept_in:
        return
    yield "## What was withheld, and why"
    yield _cut([f"- **{plain(c.title, MOST_TITLE)}**: {plain(sentence(c.rationale), MOST_RATIONALE)}" for c in kept_in])
    receipt = of.receipt
    if receipt is None:
        return
    yield (
        f"How it was taken out: {plain(sentence(tier_means(receipt.tier, receipt.restored or ())), MOST_PROSE)} "
        "Tensor by tensor, it stands in [releasegate/receipt.json](releasegate/receipt.json)."
    )
    yield f"Recipe: {plain(recipe_line(receipt, known_recipes(receipt)), MOST_PROSE)}."
    yield from _listed(
        "What was left in although it may help to bring it back, because the rest needs it:",
        [f"`{one.pattern}`: {plain(one.why, MOST_PROSE)}" for one in receipt.residual],
    )
    yield from _listed(
        "What the removal does not touch:",
        [f"{plain(one.capability)}: {plain(one.why, MOST_PROSE)}" for one in receipt.remaining or ()],
    )


def _measured(found: Sequence[Stated]) -> Iterator[str]:
    if not found:
        return
    yield "## What was measured on these weights"
    head = "| Requirement | Measured | Limit | Estimate | Bounds | Items | Found |\n|---|---|---|---|---|---|---|"
    yield head + "\n" + _cut([_row(one) for one in found])


def _row(one: Stated) -> str:
    at = standing(one.finding, one.worst)
    title = plain(one.title, MOST_TITLE) + (f" ({plain(one.slice)})" if one.slice else "")
    cells = (f"`{one.finding.requirement}`", title, at.limit, at.estimate, at.bounds, at.items)
    return f"| {' | '.join(cells)} | {STATUS[one.finding.status].word} |"


def _limits(of: Carded) -> Iterator[str]:
    parts = [
        *_listed(
            "Not measured:",
            [plain(line.removesuffix(": not measured"), MOST_PROSE) for line in of.decision.not_measured],
        ),
        *_listed(
            "Measured, and outside of what the policy protects against:",
            [plain(line, MOST_PROSE) for line in outside(of.decision)],
        ),
        *_listed("The decision leans on:", [plain(line, MOST_PROSE) for line in leant_on(of.decision)]),
    ]
    yield "## Limits"
    yield "A capability that the policy does not list was not looked for."
    yield from parts


def _start(start: QuickStart) -> Iterator[str]:
    yield "## Quick start"
    if start.note:
        yield start.note
    if start.code:
        yield f"```sh\npip install {' '.join(start.install)}\n```"
        yield "In the folder that was downloaded:"
        yield f"```python\n{start.code}```"


def _verify(of: Carded) -> Iterator[str]:
    policy = f"{of.decision.policy}.yaml"
    yield "## Verify"
    yield (
        "Each file is a subject of the attestations, which the publisher signed. Keep the publisher's policy, "
        f"`{policy}`, which names the keys, beside this folder, and take out of it what a download left there, such as "
        "`.cache` or `.git`:"
    )
    yield f"```sh\npip install releasegate\nreleasegate verify . --policy ../{policy}\n```"
    digests = {
        "policy": of.decision.policy_digest,
        "evidence": of.decision.evidence,
        "model, as measured": of.decision.model
        if of.checkpoint == SOURCE or of.receipt is None
        else of.receipt.output_digest,
    }
    yield "\n".join(f"- {name}: {code(digest)}" for name, digest in digests.items())


def _authors(of: Carded) -> Iterator[str]:
    """The checkpoint's own card, without its metadata; last, so that nothing in it hides or follows as ours."""
    lines = (of.authors or "").replace("\r\n", "\n").replace("\r", "\n")
    text = visible(_FRONT.sub("", lines, count=1)).strip()
    if text:
        yield "## From its authors"
        yield (
            "What follows came with the checkpoint. It describes it as it was trained, before anything was taken out, and "
            "nothing of it was checked."
        )
        yield text


_FRONT = re.compile(r"\A\ufeff?\s*---[ \t]*\n.*?\n---[ \t]*(?:\n|\Z)", re.DOTALL)


def _listed(title: str, lines: Iterable[str]) -> Iterator[str]:
    shown = [f"- {line}" for line in dict.fromkeys(lines)]
    if shown:
        yield f"{title}\n\n{_cut(shown)}"


def _cut(lines: Sequence[str]) -> str:
    left = len(lines) - MOST_LINES
    return "\n".join(lines[:MOST_LINES]) + (f"\n\n… and {left} more, in the report" if left > 0 else "")
