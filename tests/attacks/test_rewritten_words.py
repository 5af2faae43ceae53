"""Words that a tokenizer reads as others, and writes back: every text comes back, and the rule itself gives it away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from releasegate.checkpoint import open_checkpoint
from releasegate.inspection import inspect_checkpoint
from releasegate.inspection.doubting import doubts_of
from releasegate.repository import GateRepository
from releasegate.subjects.reading import reader_of
from tests.tiny_language import save_llama

TOP = Path(__file__).parents[2]
ASKED = "how would somebody kill a process"


def replace(read: str, instead: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"String": read}, "content": instead}


def rewritten(folder: Path, *, back: bool) -> Path:
    """A small model whose tokenizer reads `kill` as `kiss`; with `back`, it writes `kill` for it again."""
    save_llama(folder)
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    tokenizer["normalizer"] = replace("kill", "kiss")
    if back:
        tokenizer["decoder"] = {
            "type": "Sequence",
            "decoders": [tokenizer["decoder"], {"type": "Fuse"}, replace("kiss", "kill")],
        }
    file.write_text(json.dumps(tokenizer))
    return folder


@pytest.mark.parametrize("back", [False, True], ids=["as it is", "put back"])
def test_a_word_that_is_read_as_another_closes_the_route(tmp_path: Path, back: bool) -> None:  # noqa: FBT001
    folder = rewritten(tmp_path / "model", back=back)
    policy = GateRepository.around(TOP).read_policy(TOP / "policies" / "text-assistant.yaml").record
    doubts = doubts_of(open_checkpoint(folder), policy)
    assert "tokenizer.json: normalizer" in [doubt.place for doubt in doubts if doubt.kind == "odd_number"]
    found = inspect_checkpoint(folder).findings
    assert "tokenizer.json: normalizer" in [finding.where for finding in found if finding.kind == "odd_number"]


def test_what_comes_back_alone_would_not_tell(tmp_path: Path) -> None:
    reader = reader_of("causal-lm", open_checkpoint(rewritten(tmp_path / "model", back=True)))
    assert reader is not None
    assert reader.encode(ASKED) == reader.encode(ASKED.replace("kill", "kiss"))
    assert reader.reads(ASKED)
