"""Tokens are taken out of every file that knows them; what stays reads and writes as before, under its new ids."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoTokenizer, ChameleonForConditionalGeneration, LlamaConfig, LlamaForCausalLM

from releasegate.checkpoint import read_contents
from releasegate.errors import RecipeMismatch, ReleaseGateError
from releasegate.receipt import KeySet
from releasegate.recipe import Recipe
from releasegate.stripping import plan_strip, verify_strip, write_strip
from releasegate.stripping.planning.vocabulary import edited_files
from tests.layouts import LAYOUTS

LETTERS = [*"abcdefgh", "Ġ"]
PLAIN = ["<s>", "</s>", *LETTERS]
IMAGES = ["<img0>", "<img1>", "<img2>"]
VOCABULARY = [*PLAIN[:4], IMAGES[0], *PLAIN[4:], *IMAGES[1:], "ab", "cd", "abcd", "<end>"]
"""18 tokens; the images are 4, 12 and 13."""
SIZE = len(VOCABULARY)
IDS = {token: number for number, token in enumerate(VOCABULARY)}
TEXT = "abcd hg a<end>fab"


def tokenizer_text() -> str:
    model = models.BPE(vocab=IDS, merges=[("a", "b"), ("c", "d"), ("ab", "cd")])
    made = Tokenizer(model)
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.add_special_tokens(["<s>", "</s>", *IMAGES, "<end>"])
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", IDS["<s>"]), ("</s>", IDS["</s>"])]
    )
    return str(made.to_str())


def recipe(**changes: Any) -> Recipe:
    rows = {"rows": {"vocabulary": "<img*>"}, "expect": 3}
    plain = {
        "schema": "releasegate/recipe/v1",
        "id": "llama-hf/images",
        "title": "Image tokens out of a Llama",
        "rationale": "Only image tokens draw.",
        "layout": "llama-hf",
        "edits": [
            {"drop_tokens": "<img*>", "expect": 3},
            {"remove_rows": "model.embed_tokens.weight", **rows},
            {"remove_rows": "lm_head.weight", **rows},
        ],
        "keep": {
            "tensors": ["model.layers.*", "model.norm.weight"],
            "files": ["*.json"],
        },
        "residual": [
            {"tensors": "model.embed_tokens.weight", "why": "The other tokens are read."},
            {"tensors": "lm_head.weight", "why": "The other tokens are written."},
        ],
    }
    return Recipe.from_text(json.dumps({**plain, **changes}))


def llama(root: Path) -> Path:
    """A random Llama with a tokenizer of its own, as the two libraries save them."""
    config = LlamaConfig(
        vocab_size=SIZE,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=False,
        bos_token_id=IDS["<s>"],
        eos_token_id=IDS["<end>"],
        pad_token_id=None,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    model.generation_config.suppress_tokens = [IDS["<img1>"], IDS["ab"]]
    model.generation_config.bad_words_ids = [[IDS["<img2>"], 2], [IDS["cd"]]]
    model.save_pretrained(root)
    stated = json.loads((root / "config.json").read_text())
    (root / "config.json").write_text(json.dumps({**stated, "tie_word_embeddings": False}))
    (root / "tokenizer.json").write_text(tokenizer_text())
    special = {"bos_token": "<s>", "eos_token": "<end>", "additional_special_tokens": [*IMAGES, "</s>"]}
    decoder = {str(IDS[token]): {"content": token, "special": True} for token in ("<s>", "</s>", *IMAGES, "<end>")}
    (root / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "added_tokens_decoder": decoder, **special})
    )
    (root / "special_tokens_map.json").write_text(json.dumps(special))
    (root / "vocab.json").write_text(json.dumps(IDS))
    (root / "added_tokens.json").write_text(json.dumps({token: IDS[token] for token in IMAGES}))
    return root


def change(root: Path, file: str, **keys: Any) -> None:
    data = json.loads((root / file).read_text())
    (root / file).write_text(json.dumps({**data, **keys}))


def test_a_model_without_its_image_tokens_reads_and_writes_the_others_as_before(tmp_path: Path) -> None:
    before = llama(tmp_path / "model")
    after = tmp_path / "stripped"
    contents = read_contents(before)
    receipt = write_strip(contents, plan_strip(contents, [recipe()]), after)
    assert receipt.vocabulary is not None
    assert receipt.vocabulary.tokens == ((4, 4), (12, 13))
    assert verify_strip(after, receipt, before)
    kept = [number for number, token in enumerate(VOCABULARY) if token not in IMAGES]
    read = [AutoTokenizer.from_pretrained(root).encode(TEXT) for root in (before, after)]
    assert [kept[new] for new in read[1]] == read[0]
    models, info = zip(
        *(LlamaForCausalLM.from_pretrained(root, output_loading_info=True) for root in (before, after)), strict=True
    )
    assert not any(info[1].values())
    with torch.inference_mode():
        states = [model.model(torch.tensor([ids])).last_hidden_state for model, ids in zip(models, read, strict=True)]
        scores = [model.lm_head(state) for model, state in zip(models, states, strict=True)]
    assert torch.equal(*states)
    assert torch.equal(models[0].lm_head.weight[kept], models[1].lm_head.weight)
    assert torch.allclose(scores[0][..., kept], scores[1])  # products of another size are summed in another order


def test_every_file_has_the_new_ids(tmp_path: Path) -> None:
    contents = read_contents(llama(tmp_path / "model"))
    plan = plan_strip(contents, [recipe()])
    assert plan.vocabulary == ((4, 4), (12, 13))
    files = edited_files(contents, plan)
    new = {token: number for number, token in enumerate(token for token in VOCABULARY if token not in IMAGES)}
    assert files["vocab.json"] == new
    assert files["added_tokens.json"] == {}
    assert files["tokenizer.json"]["model"]["vocab"] == new
    assert {one["content"]: one["id"] for one in files["tokenizer.json"]["added_tokens"]} == {
        token: new[token] for token in ("<s>", "</s>", "<end>")
    }
    assert files["config.json"]["vocab_size"] == SIZE - 3
    assert files["config.json"]["eos_token_id"] == new["<end>"]
    assert files["generation_config.json"]["suppress_tokens"] == [new["ab"]]
    assert files["generation_config.json"]["bad_words_ids"] == [[new["cd"]]]
    assert set(files["tokenizer_config.json"]["added_tokens_decoder"]) == {"0", "1", str(new["<end>"])}
    assert files["special_tokens_map.json"]["additional_special_tokens"] == ["</s>"]


def test_nothing_is_edited_where_no_token_is_dropped(tmp_path: Path) -> None:
    contents = read_contents(llama(tmp_path / "model"))
    rows = {"zero_rows": "lm_head.weight", "rows": {"vocabulary": "<img*>"}, "expect": 3}
    zeroing = recipe(
        edits=[rows],
        keep={**recipe().plain()["keep"], "tensors": ["model.*"]},
        residual=[recipe().plain()["residual"][1]],
    )
    assert edited_files(contents, plan_strip(contents, [zeroing])) == {}


def test_tokens_to_suppress_are_named_by_their_new_ids(tmp_path: Path) -> None:
    root = llama(tmp_path / "model")
    suppress = {"set": "generation_config.json", "key": "suppress_tokens", "tokens": {"vocabulary": "abcd"}}
    listed = recipe().plain()
    keep = {**listed["keep"], "files": ["[!g]*.json"]}
    plan = plan_strip(read_contents(root), [recipe(edits=[*listed["edits"], suppress], keep=keep)])
    assert plan.keys == (KeySet(file="generation_config.json", key="suppress_tokens", tokens=((13, 13),)),)


def test_a_key_that_the_recipe_sets_need_not_be_understood(tmp_path: Path) -> None:
    root = llama(tmp_path / "model")
    change(root, "generation_config.json", image_start_id=12)
    listed = recipe().plain()
    keep = {**listed["keep"], "files": ["[!g]*.json"]}
    unset = {"unset": "generation_config.json", "key": "image_start_id"}
    plan = plan_strip(read_contents(root), [recipe(edits=[*listed["edits"], unset], keep=keep)])
    assert plan.keys[0].unset


def unedited_head(root: Path) -> Recipe:
    plain = recipe().plain()
    keep = {**plain["keep"], "tensors": [*plain["keep"]["tensors"], "lm_head.weight"]}
    return recipe(edits=plain["edits"][:2], keep=keep, residual=plain["residual"][:1])


def other_rows(root: Path) -> Recipe:
    tokens, embedding, head = recipe().plain()["edits"]
    return recipe(edits=[tokens, embedding, {**head, "rows": {"ids": [[3, 5]]}}])


def rows_alone(root: Path) -> Recipe:
    return recipe(edits=recipe().plain()["edits"][1:])


def suppressed_and_dropped(root: Path) -> Recipe:
    plain = recipe().plain()
    suppress = {"set": "generation_config.json", "key": "suppress_tokens", "tokens": {"vocabulary": "<img0>"}}
    return recipe(edits=[*plain["edits"], suppress], keep={**plain["keep"], "files": ["[!g]*.json"]})


def changed(file: str, **keys: Any) -> Callable[[Path], Recipe]:
    def make(root: Path) -> Recipe:
        change(root, file, **keys)
        return recipe()

    return make


def tokenizer_with(edit: Callable[[dict[str, Any]], None]) -> Callable[[Path], Recipe]:
    def make(root: Path) -> Recipe:
        data = json.loads((root / "tokenizer.json").read_text())
        edit(data)
        (root / "tokenizer.json").write_text(json.dumps(data))
        return recipe()

    return make


def with_unused_file(name: str, data: Any) -> Callable[[Path], Recipe]:
    def make(root: Path) -> Recipe:
        (root / name).write_text(data if isinstance(data, str) else json.dumps(data))
        keep = {**recipe().plain()["keep"], "files": ["*.json", "*.model"]}
        return recipe(keep=keep)

    return make


WRONG: dict[str, tuple[Callable[[Path], Recipe], str]] = {
    "head_keeps_its_rows": (
        unedited_head,
        "drops 3 tokens, and lm_head.weight, which has a row for each of 18 along dimension 0, does not lose them",
    ),
    "head_loses_other_rows": (
        other_rows,
        "lm_head.weight, which has a row for each of 18 along dimension 0, does not lose them",
    ),
    "rows_without_tokens": (
        rows_alone,
        "removes rows of lm_head.weight, which has a row for each token along dimension 0, and drops no tokens",
    ),
    "suppresses_what_it_drops": (
        suppressed_and_dropped,
        "sets suppress_tokens of generation_config.json to tokens that it drops",
    ),
    "config_needs_it": (
        changed("config.json", bos_token_id=4),
        "needs token 4 as bos_token_id, and the recipe drops it",
    ),
    "one_of_several_ends": (
        changed("generation_config.json", eos_token_id=[17, 12]),
        "needs token 12 as eos_token_id, and the recipe drops it",
    ),
    "forced": (
        changed("generation_config.json", forced_decoder_ids=[[1, 4]]),
        "needs token 4 as forced_decoder_ids, and the recipe drops it",
    ),
    "named": (
        changed("tokenizer_config.json", image_token="<img0>"),
        "needs token '<img0>' as image_token, and the recipe drops it",
    ),
    "named_in_full": (
        changed("special_tokens_map.json", pad_token={"content": "<img1>", "special": True}),
        "needs token '<img1>' as pad_token, and the recipe drops it",
    ),
    "not_understood": (
        changed("config.json", image_start_id=12),
        "has image_start_id, which may hold ids of tokens and is not understood",
    ),
    "no_size": (changed("config.json", vocab_size=20), "states no vocab_size of 18, which tensors have as rows"),
    "template": (
        tokenizer_with(
            lambda data: data["post_processor"]["special_tokens"].update(
                {"<img0>": {"id": "<img0>", "ids": [4], "tokens": ["<img0>"]}}
            )
        ),
        "needs token 4 as post_processor, <img0>, and the recipe drops it",
    ),
    "padding": (
        tokenizer_with(lambda data: data.update(padding={"pad_id": 12})),
        "needs token 12 as padding.pad_id, and the recipe drops it",
    ),
    "unknown": (
        tokenizer_with(lambda data: data["model"].update(unk_token="<img0>")),
        "needs token '<img0>' as model.unk_token, and the recipe drops it",
    ),
    "strange_processor": (
        tokenizer_with(lambda data: data.update(post_processor={"type": "New"})),
        "has a post_processor of type 'New', which is not understood",
    ),
    "malformed": (tokenizer_with(lambda data: data["model"].update(merges=[1])), "has a part that is not understood"),
    "closed_form": (
        with_unused_file("tokenizer.model", "\n\n"),
        "holds the vocabulary in a form in which no token can be dropped",
    ),
    "another_file_that_names_them": (
        with_unused_file("tokens.json", {"<img0>": 4}),
        "names tokens that the recipe drops, in a form that is not understood",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_renumbered_is_refused_by_name(name: str, tmp_path: Path) -> None:
    make, what = WRONG[name]
    root = llama(tmp_path / "model")
    chosen = make(root)
    with pytest.raises(ReleaseGateError) as caught:
        plan_strip(read_contents(root), [chosen])
    assert what in caught.value.problems[0].what
    assert caught.value.problems[0].fix


def test_a_merge_of_a_dropped_token_that_makes_one_that_stays_is_refused(tmp_path: Path) -> None:
    root = llama(tmp_path / "model")
    rows = {"rows": {"vocabulary": "ab"}, "expect": 1}
    edits = [
        {"drop_tokens": "ab", "expect": 1},
        {"remove_rows": "model.embed_tokens.weight", **rows},
        {"remove_rows": "lm_head.weight", **rows},
    ]
    with pytest.raises(RecipeMismatch, match="makes token 'abcd', which stays, out of a token that the recipe drops"):
        plan_strip(read_contents(root), [recipe(edits=edits)])


def test_a_chameleon_loses_words_from_its_vocabulary_map_too(tmp_path: Path) -> None:
    source = LAYOUTS["chameleon-hf"].write(tmp_path / "model")
    rows = {"rows": {"vocabulary": "word4?"}, "expect": 8}
    words = Recipe.from_text(
        json.dumps(
            {
                **recipe().plain(),
                "id": "chameleon-hf/words",
                "layout": "chameleon-hf",
                "edits": [
                    {"drop_tokens": "word4?", "expect": 8},
                    {"remove_rows": "model.embed_tokens.weight", **rows},
                    {"remove_rows": "lm_head.weight", **rows},
                ],
                "keep": {"tensors": ["model.layers.*", "model.norm.*", "model.vqmodel.*"], "files": ["*"]},
            }
        )
    )
    contents = read_contents(source)
    stripped = tmp_path / "stripped"
    receipt = write_strip(contents, plan_strip(contents, [words]), stripped)
    assert verify_strip(stripped, receipt, source)
    models = [
        ChameleonForConditionalGeneration.from_pretrained(root, dtype=torch.float32) for root in (source, stripped)
    ]
    assert len(models[1].config.vocabulary_map) == models[1].config.vocab_size == 40
    for name in ("lm_head", "model.embed_tokens"):
        before, after = (model.get_submodule(name).weight for model in models)
        assert torch.equal(before[:40], after)
