"""The frameworks that come with releasegate, each in a file beside this one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from releasegate.taxonomy import Taxonomy


@cache
def read_taxonomies() -> Mapping[str, Taxonomy]:
    """Every framework that is known, by id.

    >>> read_taxonomies()["owasp-llm"].by_id["LLM01"].title
    'Prompt Injection'
    """
    files = sorted(Path(__file__).parent.glob("*.json"))
    read = [Taxonomy.from_text(file.read_text(encoding="utf-8")) for file in files]
    return {taxonomy.id: taxonomy for taxonomy in read}
