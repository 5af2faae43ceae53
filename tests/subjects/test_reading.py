"""What a subject of text reads is what lies in the folder: nothing made up, nothing of another model, nothing that loses text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, normalizers
from transformers import CONFIG_MAPPING, AutoTokenizer, ByT5Tokenizer
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES

import releasegate.gate
from releasegate.__main__ import run
from releasegate.checkpoint import open_checkpoint
from releasegate.checkpoint.load import load_tokenizer
from releasegate.checkpoint.load_gguf import causal_class_of
from releasegate.checkpoint.tokenizers import PLAIN, beyond_fault, comes_back, holds_tokens, size_fault
from releasegate.errors import CheckpointError, NotLoadable
from releasegate.inspection import inspect_checkpoint
from releasegate.repository import LedgerFile
from releasegate.subjects.causal_lm import open_subject
from releasegate.subjects.reading import reader_of
from tests.tiny_language import (
    VOCABULARY,
    save_adapter,
    save_gguf,
    save_llama,
    save_multi_token,
    save_tokenizer,
    trained_tokenizer,
)

CPU = torch.device("cpu")
KINDS = (
    "gpt2", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "phi", "opt", "llama", "mistral", "gpt_neox", "gpt_neo",
    "gptj", "bloom", "falcon", "mpt", "stablelm", "starcoder2", "olmo", "phi3", "cohere", "codegen", "granite", "persimmon",
    "gpt_bigcode", "helium",
)  # fmt: skip
"""Small causal models of transformers, of whose types many are given a tokenizer that nobody trained."""
SIZES: Mapping[str, Any] = {
    "hidden_size": 16, "n_embd": 16, "d_model": 16, "word_embed_proj_dim": 16, "intermediate_size": 32, "ffn_dim": 32,
    "n_inner": 32, "num_hidden_layers": 1, "num_layers": 1, "n_layer": 1, "n_layers": 1,
    "attention_types": [[["global"], 1]],
    "num_attention_heads": 2, "num_heads": 2, "n_head": 2, "n_heads": 2, "num_key_value_heads": 2, "head_dim": 8,
    "rotary_dim": 4,
    "max_position_embeddings": 64, "n_positions": 64, "max_seq_len": 64, "vocab_size": VOCABULARY, "bos_token_id": 0,
    "eos_token_id": 1, "pad_token_id": 0,
}  # fmt: skip
CARD = """
schema: releasegate/eval/v1
id: asking
title: Asks
description: Something is asked.
needs: [GeneratesText]
items: {kind: generated, n: 60, source: made from seeds}
metrics:
  says: {title: Says it, type: bernoulli, unit: share of answers, range: [0, 1], better: lower}
"""
HARNESS = """
from releasegate.evidence import Item, Reading


def items(params, rng):
    return [Item(("says",), {}, {"prompt": f"Say the TOPIC number {n}, please"}) for n in range(60)]


def measure(subject, items, tools):
    for item in items:
        yield Reading(item.number, {"says": 0.0})
"""
POLICY = """\
schema: releasegate/policy/v1
id: asked
title: Is asked
model: {layout: KIND-hf, subject: causal-lm}
release: {channel: api}
capabilities:
  - id: saying
    title: Says it
    rationale: Somebody could hear it.
    safeguards:
      refuses: [{id: silent, metric: asking/says, at_most: 0.2, enforced_by: server}]
    otherwise: withhold
"""


def save_kind(folder: Path, kind: str) -> Path:
    """The folder, which holds a small model of the type `kind` and no tokenizer."""
    torch.manual_seed(1)
    cls = CONFIG_MAPPING[kind]
    known = cls().to_dict()
    taken = {key: value for key, value in SIZES.items() if key in known or key in cls.attribute_map}
    config = cls(**taken)
    model = causal_class_of({"model_type": kind})
    assert model is not None
    made: Any = model
    made(config).save_pretrained(folder)
    return folder


@pytest.fixture
def gated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gate repository whose eval asks for what it says."""
    monkeypatch.setattr(releasegate.gate, "write_report", lambda folder, *more: folder.report_path.write_text(""))
    (tmp_path / "evals" / "asking").mkdir(parents=True)
    (tmp_path / "evals" / "asking" / "eval.yaml").write_text(CARD)
    (tmp_path / "evals" / "asking" / "harness.py").write_text(HARNESS)
    (tmp_path / "policies").mkdir()
    LedgerFile(tmp_path / "policies" / "ledger" / "asked.jsonl").init("asked")
    return tmp_path


def call(root: Path, kind: str, command: str, *more: str) -> int:
    policy = root / "policies" / "asked.yaml"
    policy.write_text(POLICY.replace("KIND", kind))
    return run([command, str(policy), "--model", str(root / "model"), *more])


def ledger(root: Path) -> str:
    return (root / "policies" / "ledger" / "asked.jsonl").read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_without_a_tokenizer_opens_no_attempt_and_with_one_is_read(
    gated: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model, before = save_kind(gated / "model", kind), ledger(gated)
    assert call(gated, kind, "gate", "--out", str(gated / "run"), "--quiet") == 2
    assert "has no tokenizer" in " ".join(capsys.readouterr().err.split())
    assert not (gated / "run").exists()
    assert ledger(gated) == before
    assert [one.what for one in inspect_checkpoint(model).findings if one.kind == "tokenizer"]
    save_tokenizer(model, chat=False)
    reader = reader_of("causal-lm", open_checkpoint(model))
    assert reader is not None
    assert reader.rows == VOCABULARY
    assert not [one for one in inspect_checkpoint(model).findings if one.kind == "tokenizer"]


def test_a_tokenizer_whose_files_hold_no_token_is_refused(gated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its configuration alone makes a library draw one up."""
    model = save_kind(gated / "model", "gpt2")
    (model / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2Tokenizer"}')
    with pytest.raises(CheckpointError, match="no tokenizer"):
        reader_of("causal-lm", open_checkpoint(model))
    (model / "vocab.json").write_text("{}")
    (model / "merges.txt").write_text("")
    with pytest.raises(CheckpointError):
        reader_of("causal-lm", open_checkpoint(model))


def changed_tokenizer(folder: Path, /, **changes: Any) -> None:
    data = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps({**data, **changes}))


def without(*signs: str) -> dict[str, Any]:
    dropped = [normalizers.Replace(sign, "") for sign in signs]
    tokenizer = Tokenizer.from_str(trained_tokenizer().to_str())
    tokenizer.normalizer = normalizers.Sequence(dropped)
    made: dict[str, Any] = json.loads(tokenizer.to_str())["normalizer"]
    return made


EMPTY = {"type": "BPE", "vocab": {"<s>": 0, "</s>": 1}, "merges": []}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": EMPTY}, "knows 2 tokens"),
        ({"normalizer": without("7", "3")}, "plain text"),
        ({"normalizer": without("@")}, "plain text"),
        ({"decoder": {"type": "Replace", "pattern": {"String": "e"}, "content": ""}}, "plain text"),
        ({"model": {"type": "nope"}}, "is no tokenizer"),
    ],
    ids=["empty", "digits lost", "at sign lost", "letter lost in writing", "no model"],
)
def test_a_tokenizer_that_loses_text_is_refused_by_subject_reader_and_inspection(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    model = save_llama(tmp_path / "model")
    changed_tokenizer(model, **changes)
    checkpoint = open_checkpoint(model)
    with pytest.raises(CheckpointError, match=said):
        reader_of("causal-lm", checkpoint)
    with pytest.raises(CheckpointError, match=said):
        open_subject(checkpoint, None, CPU, torch.float32)
    (found,) = [one for one in inspect_checkpoint(model).findings if one.kind == "tokenizer"]
    assert said in found.what


def test_a_file_that_ends_the_library_that_reads_it_is_one_error(tmp_path: Path) -> None:
    model = save_llama(tmp_path / "model")
    piece = [{"SpecialToken": {"id": "zz", "type_id": 0}}]
    changed_tokenizer(
        model, post_processor={"type": "TemplateProcessing", "single": piece, "pair": [], "special_tokens": {}}
    )
    with pytest.raises(CheckpointError, match="is no tokenizer"):
        reader_of("causal-lm", open_checkpoint(model))


def test_the_tokenizer_of_a_larger_model_gives_ids_without_a_row(tmp_path: Path) -> None:
    model = save_llama(tmp_path / "model", chat=False)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "vocab_size": 300}))
    with pytest.raises(CheckpointError, match="has no row for"):
        reader_of("causal-lm", open_checkpoint(model))


def test_adapters_gguf_files_and_models_of_several_tokens_are_read_through_their_own_tokenizers(tmp_path: Path) -> None:
    plain = save_llama(tmp_path / "plain")
    adapted = save_adapter(save_llama(tmp_path / "adapted"))
    several = save_multi_token(tmp_path / "several")
    packed = save_gguf(tmp_path / "packed", plain)
    for subject, model in (("causal-lm", plain), ("causal-lm", adapted), ("mtp-lm", several), ("causal-lm", packed)):
        reader = reader_of(subject, open_checkpoint(model))
        assert reader is not None
        assert reader.rows == VOCABULARY
    for model, subject in ((adapted, "causal-lm"), (several, "mtp-lm")):
        for file in model.glob("tokenizer*"):
            file.unlink()
        with pytest.raises(CheckpointError, match="no tokenizer"):
            reader_of(subject, open_checkpoint(model))


def test_bytes_need_no_file(tmp_path: Path) -> None:
    model = save_kind(tmp_path / "model", "llama")
    ByT5Tokenizer().save_pretrained(model)
    for file in model.glob("*.json"):
        if file.name.startswith(("added", "special")):
            file.unlink()
    reader = reader_of("causal-lm", open_checkpoint(model))
    assert reader is not None
    assert reader.unread(PLAIN) == 0


def test_subjects_that_read_no_text_are_not_asked(tmp_path: Path) -> None:
    assert reader_of("audioseal", open_checkpoint(save_kind(tmp_path / "model", "gpt2"))) is None


# What is tokenised in packages and in the examples of this repository raises no alarm.


def test_every_file_that_a_class_of_transformers_reads_tokens_from_counts_as_one() -> None:
    import transformers

    beside = {"tokenizer_config.json", "emoji.json", "normalizer.json", "word_shape.json", "word_pronunciation.json"}
    missed = set()
    for name in {one for one in TOKENIZER_MAPPING_NAMES.values() if one}:
        try:
            files = getattr(transformers, name).vocab_files_names
        except (AttributeError, ImportError):
            continue
        missed |= {file for file in files.values() if not holds_tokens([file])} - beside
    assert not missed


@pytest.mark.parametrize(
    ("tokens", "rows"),
    [
        (32_100, 32_128),
        (151_665, 152_064),
        (50_295, 51_200),
        (100_015, 102_400),
        (257, 384),
        (50_257, 50_304),
        (85, 85),
    ],
)
def test_the_padding_of_published_models_is_no_fault(tokens: int, rows: int) -> None:
    assert size_fault(range(tokens), rows) is None
    assert beyond_fault(range(tokens), rows) is None


@pytest.mark.parametrize(("tokens", "rows"), [(0, 49_152), (5, 400), (256, 32_000), (32_000, 49_152), (290, 1000)])
def test_a_vocabulary_that_is_far_smaller_than_the_embedding_is_a_fault(tokens: int, rows: int) -> None:
    assert size_fault(range(tokens), rows) is not None


@pytest.mark.parametrize(
    ("text", "returned", "same"),
    [
        ("Naïve café №5", " naive cafe no5", True),
        ("It's “so”.", "it ' s `` so '' .", True),
        ("тест", "", True),
        ("тест says 42", "[UNK] says 42", True),
        ("say seven", "say <unk>", False),
        ("call 555-0100", "call -0", False),
        ("a@b", "a b", False),
    ],
)
def test_case_spaces_accents_and_quotes_may_change_and_nothing_else(text: str, returned: str, *, same: bool) -> None:
    assert comes_back(text, returned) is same


@pytest.mark.parametrize("model", ["mini_mtp/checkpoint", "mini_mtp/checkpoint_without_canaries"])
def test_the_examples_are_read(model: str) -> None:
    folder = Path(__file__).parents[2] / "examples" / model
    assert reader_of("mtp-lm", open_checkpoint(folder)) is not None
    assert not [one for one in inspect_checkpoint(folder).findings if one.kind == "tokenizer"]


def test_a_model_of_few_words_is_read_for_what_its_evals_ask() -> None:
    folder = Path(__file__).parents[2] / "examples" / "mini_chameleon" / "checkpoint"
    reader = reader_of("chameleon", open_checkpoint(folder))
    assert reader is not None
    assert reader.unread(["draw seven", "what is this"]) == 1


# The evals' own texts; `plan` and `check` say it too.


def test_the_texts_of_an_eval_that_are_lost_open_no_attempt_and_are_never_told(
    gated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, before = save_llama(gated / "model"), ledger(gated)
    changed_tokenizer(model, normalizer=without("TOPIC"))
    commands = (("gate", "--out", str(gated / "run")), ("plan", "--open", str(gated / "run")), ("check",))
    for command, *more in commands:
        assert call(gated, "llama", command, *more) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert "does not give the texts of asking back: 60 of 60" in said
        assert "TOPIC" not in said
        assert "fix:" in said
    assert not (gated / "run").exists()
    assert ledger(gated) == before
    assert call(gated, "llama", "plan") == 0
    assert "60 of 60" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("prompts", "code"), [(["Say it"], 0), (["Say the TOPIC", "Say it"], 2)])
def test_a_harness_says_itself_what_it_hands_the_model(gated: Path, prompts: list[str], code: int) -> None:
    harness = gated / "evals" / "asking" / "harness.py"
    harness.write_text(f"{HARNESS}\n\ndef prompts(items):\n    return {prompts}\n")
    changed_tokenizer(save_llama(gated / "model"), normalizer=without("TOPIC"))
    assert call(gated, "llama", "check") == code


def test_a_checkpoint_of_another_layout_is_said_by_check(gated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_llama(gated / "model")
    assert call(gated, "gpt2", "check") == 2
    assert "has layout llama-hf" in " ".join(capsys.readouterr().err.split())


# Quantised weights.


@pytest.mark.parametrize(
    "stated",
    [
        {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True},
        {"quant_method": "gptq", "bits": 4},
        {"quant_method": "bitsandbytes", "load_in_4bit": True},
        {"quant_method": "compressed-tensors", "format": "pack-quantized"},
        {"quant_method": "hqq"},
        {"quant_method": "mxfp4"},
        {"quant_method": "quanto", "weights": "int8"},
        {"quant_method": "torchao"},
        {"quant_method": "quark"},
        {"quant_method": "spqr"},
        {"quant_method": "nobody-knows"},
        {"quant_method": 7},
        {"bits": 4},
        "int4",
    ],
    ids=str,
)
def test_a_quantised_model_that_nothing_here_reads_is_one_error_with_place_and_remedy(
    gated: Path, stated: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """None of the libraries is installed with releasegate, which says which one lacks in transformers' words."""
    model, before = save_llama(gated / "model"), ledger(gated)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "quantization_config": stated}))
    for command, *more in (("gate", "--out", str(gated / "run"), "--quiet"), ("check",)):
        assert call(gated, "llama", command, *more) == 2
        said = capsys.readouterr().err
        assert "Traceback" not in said
        assert said.count("fix:") == 1
        assert "config.json: quantization_config" in said.replace("\n", "")
    assert not (gated / "run").exists()
    assert ledger(gated) == before
    with pytest.raises(NotLoadable):
        open_subject(open_checkpoint(model), None, CPU, torch.float32)


def test_the_remedy_is_the_command_that_installs_the_library(gated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = save_llama(gated / "model")
    config = json.loads((model / "config.json").read_text())
    stated = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}
    (model / "config.json").write_text(json.dumps({**config, "quantization_config": stated}))
    assert call(gated, "llama", "check") == 2
    assert "fix: pip install gptqmodel" in capsys.readouterr().err


def test_a_tokenizer_is_never_made_up_where_a_subject_of_a_lab_asks_for_one(tmp_path: Path) -> None:
    model = save_kind(tmp_path / "model", "qwen2")
    assert len(AutoTokenizer.from_pretrained(str(model), local_files_only=True)) < 10
    with pytest.raises(CheckpointError, match="no tokenizer"):
        load_tokenizer(open_checkpoint(model))
