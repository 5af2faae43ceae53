"""The JSON Schemas that editors check YAML with, made from the records themselves: `python -m releasegate.schemas`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from releasegate.approval import Approval
from releasegate.attacks.suite import Suite
from releasegate.attestation import ReleaseAttestation
from releasegate.evalcard import EvalCard
from releasegate.lock import Lock
from releasegate.policy import Policy
from releasegate.policytest import PolicyTest
from releasegate.recipe import Recipe
from releasegate.records import Document
from releasegate.reporting.case import AssuranceCase
from releasegate.reporting.formats.report import Report
from releasegate.repository import GateRepository
from releasegate.repository.shipped import FILE, shipped_text
from releasegate.revocation import RevocationList

SCHEMAS: Mapping[str, type[Document]] = {
    "policies/policy.schema.json": Policy,
    "policies/recipes/recipe.schema.json": Recipe,
    "policies/tests/policytest.schema.json": PolicyTest,
    "evals/eval.schema.json": EvalCard,
    "evals/suite.schema.json": Suite,
}
"""The place of each in a gate repository, and the document that it describes."""

RENDERED: Mapping[str, type[Document]] = {
    "policies/approval.schema.json": Approval,
    "policies/lock.schema.json": Lock,
    "policies/revocations.schema.json": RevocationList,
    "reports/report.schema.json": Report,
    "reports/case.schema.json": AssuranceCase,
    "reports/attestation.schema.json": ReleaseAttestation,
}
"""The same of what commands write: nobody writes these documents by hand."""


def schema_text(document: type[Document]) -> str:
    """The JSON Schema of a document, as it is stored.

    >>> json.loads(schema_text(Policy))["$schema"]
    'https://json-schema.org/draft/2020-12/schema'
    """
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", **document.model_json_schema(by_alias=True)}
    return json.dumps(_as_read(made), indent=1, ensure_ascii=False) + "\n"


def _as_read(schema: Any) -> Any:
    """The schema as strict as the reader: a key that may be left out may not be empty, and names have their pattern."""
    if isinstance(schema, list):
        return [_as_read(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _as_read(part) for key, part in schema.items() if not (key == "default" and part is None)}
    if "anyOf" in made:
        branches = [branch for branch in made.pop("anyOf") if branch != {"type": "null"}]
        made = {**branches[0], **made} if len(branches) == 1 else {"anyOf": branches, **made}
    if "patternProperties" in made:
        made["additionalProperties"] = False
    return made


def main() -> None:
    """Nothing; the schemas of the gate repository around the working folder are up to date."""
    root = GateRepository.around(Path()).root
    for place, document in {**SCHEMAS, **RENDERED}.items():
        (root / place).write_text(schema_text(document), encoding="utf-8")
        sys.stdout.write(f"{place}\n")
    recipes = Path(__file__).with_name("repository") / FILE
    if root == Path(__file__).parents[1].resolve():  # what ships is that of releasegate's own repository
        recipes.write_text(shipped_text(GateRepository(root)), encoding="utf-8")


if __name__ == "__main__":
    main()
