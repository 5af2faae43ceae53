"""Other forms of a language model: a GGUF file, an adapter over a base, a tokenizer of SentencePiece."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from releasegate.checkpoint import open_checkpoint, read_chat_template
from releasegate.checkpoint.load import load_causal_model
from releasegate.checkpoint.planned import planned_model
from releasegate.errors import CheckpointError, ForeignFile, GgufError, LayoutUnknown, StripError
from releasegate.records import digest_of_bytes
from releasegate.stripping import plan_strip
from releasegate.subjects import Decoding, Message
from releasegate.subjects.causal_lm import open_subject
from releasegate.subjects.lora import apply_adapter
from releasegate.subjects.mtp_lm import open_subject as open_multi_token
from releasegate.subjects.text_model import TextModel
from tests.tiny_checkpoints import recipe
from tests.tiny_language import TEMPLATE, save_adapter, save_gguf, save_llama, save_multi_token

CPU = torch.device("cpu")
PROMPTS = ("def add(a, b):", "The", "Naïve café")


def opened(root: Path) -> TextModel:
    return open_subject(open_checkpoint(root), None, CPU, torch.float32)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("forms") / "llama")


def window(model: TextModel) -> torch.Tensor:
    return torch.tensor([model.encode("for number in range(10):\n")])


# A GGUF file.


def test_a_gguf_file_is_the_model_that_it_was_made_from(llama: Path, tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    root = save_gguf(tmp_path / "gguf", llama)
    checkpoint = open_checkpoint(root)
    assert checkpoint.layout == "llama-gguf"
    assert [entry.path for entry in checkpoint.manifest.files] == ["tiny.gguf"]
    (root / "tiny.gguf").rename(root / "tiny[8B]*.gguf")
    assert open_checkpoint(root).layout == "llama-gguf"
    assert (
        read_chat_template(checkpoint)
        == read_chat_template(open_checkpoint(llama))
        == digest_of_bytes(TEMPLATE.encode())
    )
    model, source = opened(root), opened(llama)
    for prompt in PROMPTS:
        assert model.encode(prompt) == source.encode(prompt)
    assert model.logits(window(model)) == pytest.approx(source.logits(window(source)), abs=1e-3)
    assert model.generate(PROMPTS, [1, 2, 3], Decoding(9, 1.0)) == source.generate(PROMPTS, [1, 2, 3], Decoding(9, 1.0))
    chat = [[Message("user", "Who?")]]
    assert model.generate(chat, [1], Decoding(9)) == source.generate(chat, [1], Decoding(9))


def test_a_quantised_gguf_file_is_nearly_that_model(llama: Path, tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    model, source = opened(save_gguf(tmp_path / "gguf", llama, quantised=True)), opened(llama)
    mine, theirs = model.logits(window(model)), source.logits(window(source))
    assert not torch.equal(mine, theirs)
    assert torch.nn.functional.cosine_similarity(mine, theirs, dim=-1).min() > 0.99


def test_a_gguf_file_is_not_stripped(llama: Path, tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    checkpoint = open_checkpoint(save_gguf(tmp_path / "gguf", llama))
    with pytest.raises(StripError, match="cannot be edited without being quantised again"):
        plan_strip(checkpoint, [recipe(layout="llama-gguf")])


def test_a_gguf_file_that_is_cut_off_or_one_of_two_is_refused(llama: Path, tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    root = save_gguf(tmp_path / "gguf", llama)
    shutil.copy(root / "tiny.gguf", root / "more.gguf")
    with pytest.raises(ForeignFile, match="a second form of the weights"):
        open_checkpoint(root)
    (root / "more.gguf").unlink()
    with (root / "tiny.gguf").open("r+b") as file:
        file.truncate(50_000)
    with pytest.raises(GgufError, match="cut off"):
        open_checkpoint(root)


def test_a_gguf_file_beside_other_weights_is_a_second_form_of_them(llama: Path, tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    root = save_gguf(tmp_path / "gguf", llama)
    shutil.copytree(llama, tmp_path / "both")
    shutil.copy(root / "tiny.gguf", tmp_path / "both" / "tiny.gguf")
    with pytest.raises(ForeignFile, match="a second form of the weights") as caught:
        open_checkpoint(tmp_path / "both")
    assert "give a folder that holds it and neither config.json nor other weights" in str(caught.value.problems[0].fix)


def test_a_gguf_file_that_names_no_architecture_is_refused(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    (tmp_path / "odd").mkdir()
    writer = gguf.GGUFWriter(tmp_path / "odd" / "odd.gguf", "../llama")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises((LayoutUnknown, ForeignFile)):
        open_checkpoint(tmp_path / "odd")


# An adapter.


def test_an_adapter_adds_its_products_to_the_weights_of_the_base(llama: Path, tmp_path: Path) -> None:
    root = save_adapter(shutil.copytree(llama, tmp_path / "adapted"))
    merged = shutil.copytree(llama, tmp_path / "merged")
    tensors, pairs = load_file(merged / "model.safetensors"), load_file(root / "adapter" / "adapter_model.safetensors")
    for module in ("model.layers.0.self_attn.q_proj", "model.layers.2.mlp.down_proj", "lm_head"):
        a, b = (pairs[f"base_model.model.{module}.lora_{side}.weight"] for side in "AB")
        tensors[f"{module}.weight"] += 2 / 4 * b @ a
    save_file(tensors, merged / "model.safetensors", {"format": "pt"})
    adapted, plain = opened(root), opened(merged)
    assert open_checkpoint(root).layout == "llama-lora"
    assert adapted.logits(window(adapted)) == pytest.approx(plain.logits(window(plain)), abs=1e-3)
    base = opened(llama)
    assert not torch.allclose(base.logits(window(base)), adapted.logits(window(adapted)), atol=1e-2)


def test_the_digests_of_base_and_adapter_are_kept_apart(llama: Path, tmp_path: Path) -> None:
    root = save_adapter(shutil.copytree(llama, tmp_path / "adapted"))
    planned, base = planned_model(open_checkpoint(root)), planned_model(open_checkpoint(llama))
    assert planned.base == base.manifest.digest()
    assert (base.base, base.adapter) == (None, None)
    other = save_adapter(shutil.copytree(llama, tmp_path / "other"), seed=6)
    assert planned_model(open_checkpoint(other)).base == planned.base
    assert planned_model(open_checkpoint(other)).adapter != planned.adapter
    assert open_checkpoint(other).digest != open_checkpoint(root).digest


def test_the_scale_of_an_adapter_follows_its_rule(llama: Path, tmp_path: Path) -> None:
    plain = opened(save_adapter(shutil.copytree(llama, tmp_path / "plain"), lora_alpha=4))
    rooted = opened(save_adapter(shutil.copytree(llama, tmp_path / "rooted"), lora_alpha=2, use_rslora=True))
    assert torch.equal(plain.logits(window(plain)), rooted.logits(window(rooted)))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"peft_type": "IA3"}, "of the type 'IA3'"),
        ({"bias": "all"}, "with bias 'all'"),
        ({"use_dora": True}, "uses 'use_dora'"),
        ({"modules_to_save": ["lm_head"]}, "uses 'modules_to_save'"),
        ({"rank_pattern": {"q_proj": 8}}, "uses 'rank_pattern'"),
        ({"something_new": 1}, "uses 'something_new'"),
        ({"r": "4"}, "does not state r and lora_alpha"),
        ({"r": 3}, "rank 3 of it is"),
        ({"lora_alpha": float("nan")}, "does not state r and lora_alpha|JSON"),
        ({"lora_alpha": 10**400}, "does not state r and lora_alpha"),
        ({"lora_alpha": True}, "does not state r and lora_alpha"),
        ({"r": 0}, "does not state r and lora_alpha"),
        ({"use_rslora": 1}, "use_rslora as true or false"),
        ({"init_lora_weights": "pissa"}, "began as 'pissa'"),
        ({"layers_to_transform": [0]}, "uses 'layers_to_transform'"),
        ({"exclude_modules": ["lm_head"]}, "uses 'exclude_modules'"),
        ({"target_modules": ["q_proj", "down_proj"]}, "adapts 'lm_head', which is none of the target_modules"),
        ({"target_modules": ["proj", "lm_head"]}, "is none of the target_modules"),
        ({"target_modules": "all-linear"}, "adapts 'lm_head', which is none of the target_modules"),
        ({"target_modules": r".*_proj"}, "does not list its target_modules"),
        ({"target_modules": []}, "does not list its target_modules"),
        ({"target_modules": None}, "does not list its target_modules"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_adapter_that_does_something_else_is_refused(
    llama: Path, tmp_path: Path, changes: dict[str, Any], what: str
) -> None:
    root = save_adapter(shutil.copytree(llama, tmp_path / "adapted"), **changes)
    with pytest.raises(CheckpointError, match=what):
        opened(root)


def test_an_adapter_of_a_head_that_is_tied_to_the_embeddings_leaves_these_alone(tmp_path: Path) -> None:
    base = save_llama(tmp_path / "tied", tie_word_embeddings=True)
    root = save_adapter(shutil.copytree(base, tmp_path / "adapted"))
    checkpoint = open_checkpoint(root)
    model = load_causal_model(checkpoint, device=torch.device("cpu"), dtype=torch.float32)
    embeddings = model.get_input_embeddings().weight.clone()
    apply_adapter(model, checkpoint)
    pairs = load_file(root / "adapter" / "adapter_model.safetensors")
    a, b = (pairs[f"base_model.model.lm_head.lora_{side}.weight"] for side in "AB")
    assert torch.equal(model.get_input_embeddings().weight, embeddings)
    assert torch.allclose(model.get_output_embeddings().weight, embeddings + 2 / 4 * b @ a, atol=1e-5)


def test_an_adapter_of_embeddings_in_the_name_of_a_linear_layer_is_refused(llama: Path, tmp_path: Path) -> None:
    layers = ["q_proj", "down_proj", "lm_head", "embed_tokens"]
    root = save_adapter(shutil.copytree(llama, tmp_path / "adapted"), target_modules=layers)
    file = root / "adapter" / "adapter_model.safetensors"
    name = "base_model.model.model.embed_tokens.lora"
    save_file(
        {**load_file(file), f"{name}_A.weight": torch.zeros(4, 48), f"{name}_B.weight": torch.zeros(400, 4)}, file
    )
    with pytest.raises(CheckpointError, match="is no linear layer of the base"):
        opened(root)


@pytest.mark.parametrize("name", ["adapter_model.bin", "optimizer.pt", "training_args.bin"])
def test_an_adapter_with_a_pickle_beside_it_is_refused(llama: Path, tmp_path: Path, name: str) -> None:
    root = save_adapter(shutil.copytree(llama, tmp_path / "adapted"))
    torch.save({"a": torch.zeros(2)}, root / "adapter" / name)
    with pytest.raises(CheckpointError):
        open_checkpoint(root)


def test_an_adapter_for_a_larger_vocabulary_is_refused(llama: Path, tmp_path: Path) -> None:
    root = save_adapter(shutil.copytree(llama, tmp_path / "adapted"))
    file = root / "adapter" / "adapter_model.safetensors"
    tensors = load_file(file)
    tensors["base_model.model.lm_head.lora_B.weight"] = torch.zeros(416, 4)
    save_file(tensors, file)
    with pytest.raises(CheckpointError, match="rank 4 of it is 400 by 48"):
        opened(root)


def test_an_adapter_of_other_layers_or_of_half_a_pair_is_refused(llama: Path, tmp_path: Path) -> None:
    root = save_adapter(shutil.copytree(llama, tmp_path / "adapted"))
    file = root / "adapter" / "adapter_model.safetensors"
    tensors = load_file(file)
    for name, what in {
        "base_model.model.model.layers.9.mlp.up_proj.lora_A.weight": "half a pair",
        "base_model.model.model.embed_tokens.lora_embedding_A": "belongs to no linear layer",
        "base_model.model.lm_head.weight": "belongs to no linear layer",
    }.items():
        save_file({**tensors, name: torch.zeros(4, 48)}, file)
        with pytest.raises(CheckpointError, match=what):
            opened(root)
    (root / "adapter" / "adapter_config.json").write_text(
        (root / "adapter" / "adapter_config.json").read_text().replace('"down_proj"', '"down_proj", "up_proj"')
    )
    both = {f"base_model.model.model.layers.9.mlp.up_proj.lora_{side}.weight": torch.zeros(4, 4) for side in "AB"}
    save_file({**tensors, **both}, file)
    with pytest.raises(CheckpointError, match="is no linear layer of the base"):
        opened(root)


def test_an_adapter_elsewhere_in_the_folder_is_refused(llama: Path, tmp_path: Path) -> None:
    root = save_adapter(shutil.copytree(llama, tmp_path / "adapted"))
    shutil.copy(root / "adapter" / "adapter_config.json", root / "adapter_config.json")
    with pytest.raises(ForeignFile, match="an adapter, which a loader would apply") as caught:
        open_checkpoint(root)
    assert "put it into the folder of its base, as adapter/adapter_config.json" in str(caught.value.problems[0].fix)
    (root / "adapter_config.json").unlink()
    (root / "adapter" / "adapter_model.safetensors").unlink()
    with pytest.raises(ForeignFile, match="an adapter, which a loader would apply"):
        open_checkpoint(root)


# Templates and tokenizers.


def test_the_template_of_chats_has_a_digest_wherever_it_stands(llama: Path, tmp_path: Path) -> None:
    assert read_chat_template(open_checkpoint(llama)) == digest_of_bytes(TEMPLATE.encode())
    root = shutil.copytree(llama, tmp_path / "inside")
    (root / "chat_template.jinja").unlink()
    config = json.loads((root / "tokenizer_config.json").read_text())
    (root / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": TEMPLATE}))
    assert read_chat_template(open_checkpoint(root)) == digest_of_bytes(TEMPLATE.encode())
    assert opened(root).generate([[Message("user", "Who?")]], [1], Decoding(5)) == opened(llama).generate(
        [[Message("user", "Who?")]], [1], Decoding(5)
    )
    (root / "tokenizer_config.json").write_text(json.dumps(config))
    assert read_chat_template(open_checkpoint(root)) is None
    assert not opened(root).chats


def test_a_tokenizer_of_sentencepiece_alone_is_used_by_the_rules_of_llama(tmp_path: Path) -> None:
    pieces = pytest.importorskip("sentencepiece")
    root = save_multi_token(tmp_path / "model")
    for file in root.glob("tokenizer*.json"):
        file.unlink()
    pieces.SentencePieceTrainer.train(
        sentence_iterator=iter(["def add(a, b): return a + b", "The quick brown fox"] * 9),
        model_prefix=str(root / "tokenizer"), vocab_size=300, model_type="bpe", byte_fallback=True,
        hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    (root / "tokenizer.vocab").unlink()
    model = open_multi_token(open_checkpoint(root), None, CPU, torch.float32)
    assert model.begin == (1,)
    assert 2 in model.ends
    plain = pieces.SentencePieceProcessor(model_file=str(root / "tokenizer.model")).encode("def add(a")
    assert model.encode("def add(a") == plain
    assert model._wording.after(plain, model.encode("  x\n y")[1:]) == " x\n y"


def test_a_checkpoint_without_a_tokenizer_is_refused(llama: Path, tmp_path: Path) -> None:
    root = shutil.copytree(llama, tmp_path / "bare")
    for file in root.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(CheckpointError, match="has no tokenizer: no file of it holds the tokens"):
        opened(root)
