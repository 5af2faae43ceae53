"""The metadata of a model card, as a model hub reads it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from releasegate.plan import Plan
from releasegate.publication import Publication
from releasegate.publishing.findings import Stated
from releasegate.publishing.licence import OTHER, Licence
from releasegate.publishing.quickstart import QuickStart
from releasegate.reporting.wording.numbers import MOST_TITLE, shortened
from releasegate.reporting.wording.visible import visible

_LISTED = """\
apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0
cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0
cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0
lgpl lgpl-2.1 lgpl-3.0 isc lppl-1.3c ms-pl mpl-2.0 odc-by odbl openrail++ osl-3.0 postgresql ofl-1.1 ncsa
unlicense zlib pddl lgpl-lr llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 gemma
"""
HUB_LICENSES = frozenset(_LISTED.split())
"""What a hub takes for `license:` (its documentation, "Licenses"); of another one, the name stands beside `other`."""
MOST_TAGS = 40


def card_data(
    plan: Plan, publication: Publication, licence: Licence, start: QuickStart, found: Sequence[Stated]
) -> ModelCardData:
    """The metadata: licence, base model, library, task, tags, and the findings as results of evals.

    Args:
        found: on the model that goes out; of those that compare with the source, none is a result of its own.
    """
    name = model_name(plan)
    known = licence.id in HUB_LICENSES
    more: dict[str, Any] = {}
    if not known:
        more["license_name"] = _slug(name) + "-license" if licence.id == OTHER else licence.id
        more["license_link"] = licence.path
    results = [_result(one, start.task) for one in found if one.finding.side != "margin"]
    results = [one for one in results if one.metric_value is not None]
    return ModelCardData(
        license=licence.id if known else OTHER,
        base_model=publication.base_model,
        library_name=start.library,
        pipeline_tag=start.task,
        tags=["releasegate", plan.model.layout, *_tags(plan)][:MOST_TAGS],
        model_name=name if results else None,
        eval_results=results or None,
        **more,
    )


def model_name(plan: Plan) -> str:
    """What people call the model, in one line."""
    return line(plan.policy.model.name or plan.policy.id)


def line(text: str, most: int = MOST_TITLE) -> str:
    """A text in one line, of at most so many characters and without those that hide or turn it.

    >>> line("a\\n---\\nb: c")
    'a --- b: c'
    """
    return " ".join(visible(shortened(text, most)).split())


def _tags(plan: Plan) -> list[str]:
    """What published frameworks call its capabilities."""
    return list(dict.fromkeys(tag for c in plan.policy.capabilities for tag in c.tags or ()))


def _result(one: Stated, task: str | None) -> EvalResult:
    worst = f", worst slice: {one.slice}" if one.slice else ""
    title = one.card.title if one.card else one.eval_id
    return EvalResult(
        task_type=task or OTHER,
        dataset_type=one.eval_id,
        dataset_name=line(title),
        metric_type=one.metric,
        metric_name=line(f"{one.title}{worst}"),
        metric_value=one.worst.estimate.value,
    )


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "model"
