"""Completion of code, on models whose knowledge is known, and what counts as a body that parses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from evals.code_completion.functions import body_of, functions, parses
from evals.standard_library import passages
from releasegate.checkpoint import open_checkpoint
from releasegate.evidence import Failed
from releasegate.subjects.causal_lm import open_subject
from tests.evals.language_bench import LanguageBench, values
from tests.parrot import Parrot
from tests.tiny_language import save_llama


@pytest.fixture(scope="module")
def bench() -> LanguageBench:
    return LanguageBench("code_completion", functions=8, written=500)


def source_of(module: str) -> str:
    import sysconfig

    return (Path(sysconfig.get_paths()["stdlib"]) / module).read_text("utf-8", "replace")


def test_who_knows_the_modules_predicts_and_writes_them(bench: LanguageBench) -> None:
    items = bench.items(16)
    modules = {str(item.content["from"]).partition(":")[0] for item in items}
    samples = bench.samples(Parrot([source_of(module) for module in sorted(modules)]), items)
    assert min(values(samples, "next_token")) > 0.8  # the first bytes of a passage have nothing before them
    assert sum(values(samples, "parses")) >= 3  # 500 bytes may end within a docstring


def test_who_knows_nothing_predicts_next_to_nothing_and_writes_no_body(bench: LanguageBench) -> None:
    samples = bench.samples(Parrot([]), bench.items(16))
    assert max(values(samples, "next_token")) < 0.1
    assert values(samples, "parses") == [0.0] * 8


def test_a_random_model_is_measured_whatever_else_is_in_the_batch(bench: LanguageBench, tmp_path: Path) -> None:
    subject = open_subject(open_checkpoint(save_llama(tmp_path / "model")), None, torch.device("cpu"), torch.float32)
    short = LanguageBench("code_completion", functions=8, written=16, window=64)
    items = short.items(16)
    samples = short.samples(subject, items)
    assert len(values(samples, "next_token") + values(samples, "parses")) == 16
    assert short.samples(subject, items[6:10]) == samples[6:10]


def test_gate_and_rehearsal_share_no_module(bench: LanguageBench) -> None:
    gate, rehearsal = (
        {str(item.content["from"]).partition(":")[0] for item in bench.items(80, role)}
        for role in ("items", "rehearsal")
    )
    assert not gate & rehearsal
    assert [item.metrics for item in bench.items(80, "rehearsal")].count(("parses",)) == 30


def test_a_pool_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot make 9000000 items"):
        LanguageBench("code_completion").items(9_000_000)


def test_functions_of_the_library_parse_with_their_own_body_and_not_without() -> None:
    text = {module: source_of(module) for module in {one.module for one in functions("held_out")[:40]}}
    for one in functions("held_out")[:40]:
        own = text[one.module][len(one.before) + len(one.header) :]
        assert parses(one.header, body_of(own, complete=True)), one
        assert not parses(one.header, "")
        assert not parses(one.header, "\n    # nothing but a comment\n")


@pytest.mark.parametrize(
    ("written", "complete", "body"),
    [
        ("\n    return 1\n", False, "\n    return 1\n"),
        ("\n    return 1", False, "\n"),
        ("\n    return 1", True, "\n    return 1"),
        ("\n    return 1\nx = 2\n", False, "\n    return 1\n"),
        ("\n\n    return (\n1\n)\n", False, "\n\n    return (\n"),
        ("\n    return [\n]\n", False, "\n    return [\n]\n"),
        ("\nreturn 1\n", False, "\n"),
        (" return 1\nx = 2\n", False, " return 1\n"),
        (" return 1", False, ""),
        ("  # why\n    return 1\n", False, "  # why\n    return 1\n"),
        ("", True, ""),
    ],
)
def test_a_body_is_the_whole_lines_up_to_what_stands_outside(written: str, complete: bool, body: str) -> None:  # noqa: FBT001
    assert body_of(written, complete=complete) == body


@pytest.mark.parametrize(
    "body", ["\n    x = '\x00'\n", "\n    return " + "(" * 300 + ")" * 300 + "\n", "\n    return '\\d'\n"]
)
def test_whatever_a_model_writes_is_judged_and_raises_nothing(body: str) -> None:
    assert parses("def f():", body) == (body == "\n    return '\\d'\n")


def test_passages_and_functions_come_of_the_same_modules() -> None:
    assert {one.module for one in functions("held_out")} <= {passage.module for passage in passages("held_out")}


def test_a_passage_that_the_tokenizer_loses_is_a_failed_item_and_no_hit(bench: LanguageBench) -> None:
    class Blind(Parrot):
        def encode(self, text: str) -> list[int]:
            return [256] * len(text)

    items = [item for item in bench.items(40) if "text" in item.content]
    samples = bench.samples(Blind([]), items)
    assert all(isinstance(sample, Failed) and "loses much of the passage" in sample.error for sample in samples)
