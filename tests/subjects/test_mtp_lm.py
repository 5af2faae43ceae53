"""Models that predict several tokens at once, as a subject, with random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from releasegate.checkpoint import open_checkpoint
from releasegate.errors import CheckpointError, ForeignFile, PartAbsent, UsageError
from releasegate.repository import GateRepository
from releasegate.stripping import plan_strip, write_strip
from releasegate.subjects import Decoding, Lending, Message, NoAnswer
from releasegate.subjects.mtp_lm import MultiTokenLm, open_subject
from tests.tiny_language import save_multi_token

CPU = torch.device("cpu")
TOP = Path(__file__).parents[2]
PROMPTS = ("def add(a, b):", "The", "for number in range(10):\n    print(", "x")


def opened(root: Path, lending: Lending | None = None) -> MultiTokenLm:
    return open_subject(open_checkpoint(root), lending, CPU, torch.float32)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_multi_token(tmp_path_factory.mktemp("multi_token") / "model")


@pytest.fixture(scope="module")
def model(root: Path) -> MultiTokenLm:
    return opened(root)


def normed(states: Tensor, weight: Tensor, eps: float = 1e-5) -> Tensor:
    return states / (states.pow(2).mean(-1, keepdim=True) + eps).sqrt() * weight


def slow_block(states: Tensor, tensors: dict[str, Tensor], name: str) -> Tensor:
    """[t, 48]: a block of Llama written out: complex rotation of neighbouring channels, one head after another."""
    w = {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
    t, heads, groups, width = len(states), 4, 2, 12
    inner = normed(states, w["attention_norm.weight"])
    turn = torch.polar(torch.ones(t, 6), torch.outer(torch.arange(t), 10000.0 ** (-torch.arange(0, 12, 2) / 12)))

    def rotate(channels: Tensor) -> Tensor:
        return torch.view_as_real(torch.view_as_complex(channels.reshape(t, 6, 2).contiguous()) * turn).flatten(1)

    mixed = []
    for head in range(heads):
        group = head * groups // heads
        at, from_ = slice(head * width, (head + 1) * width), slice(group * width, (group + 1) * width)
        q = rotate(inner @ w["attention.wq.weight"][at].T)
        k = rotate(inner @ w["attention.wk.weight"][from_].T)
        scores = (q @ k.T / width**0.5).masked_fill(torch.ones(t, t).triu(1).bool(), -torch.inf)
        mixed.append(scores.softmax(-1) @ (inner @ w["attention.wv.weight"][from_].T))
    states = states + torch.cat(mixed, -1) @ w["attention.wo.weight"].T
    inner = normed(states, w["ffn_norm.weight"])
    gated = functional.silu(inner @ w["feed_forward.w1.weight"].T) * (inner @ w["feed_forward.w3.weight"].T)
    return states + gated @ w["feed_forward.w2.weight"].T


def test_every_head_scores_as_the_architecture_written_out_does(root: Path, model: MultiTokenLm) -> None:
    tensors = load_file(root / "consolidated.safetensors")
    window = torch.tensor([model.encode("for number in range(10):")])
    states = tensors["tok_embeddings.weight"][window[0]]
    for layer in range(2):
        states = slow_block(states, tensors, f"layers.{layer}")
    for head in range(4):
        last = slow_block(states, tensors, "layers.2" if head == 0 else f"extra_heads.{head - 1}")
        scores = normed(last, tensors["norm.weight"]) @ tensors["output.weight"].T
        assert model.head_logits(window, head)[0] == pytest.approx(scores, abs=2e-3)


def test_the_first_head_is_the_language_model(model: MultiTokenLm) -> None:
    window = torch.tensor([model.encode("for number in range(10):")])
    assert torch.equal(model.head_logits(window, 0), model.logits(window))
    assert not torch.equal(model.head_logits(window, 1), model.logits(window))


def test_it_scores_and_goes_on_alike_alone_and_in_a_batch(model: MultiTokenLm) -> None:
    seeds = [1, 2, 3, 4]
    for decoding in (Decoding(20), Decoding(20, 1.0)):
        together = model.generate(PROMPTS, seeds, decoding)
        pairs = zip(PROMPTS, seeds, strict=True)
        assert together == [model.generate([prompt], [seed], decoding)[0] for prompt, seed in pairs]
    options = [[" a", " b + a", "c"]] * 4
    for prompt, scores in zip(PROMPTS, model.score(PROMPTS, options), strict=True):
        assert not isinstance(scores, NoAnswer)
        alone = [model.score([prompt], [[option]])[0] for option in options[0]]
        assert [score.logprob for score in scores] == pytest.approx([one.logprob for (one,) in alone], abs=1e-3)


def test_speculation_gives_the_tokens_of_plain_decoding(model: MultiTokenLm) -> None:
    prefixes = [model.encode(prompt) for prompt in PROMPTS]
    found = model.speculate(prefixes, 40)
    assert [one.tokens for one in found] == model.extend(prefixes, 40)
    for one in found:
        assert all(1 <= step <= 4 for step in one.steps)
        assert 40 <= sum(one.steps) < 44
        assert one.steps[0] == 1


def test_heads_that_always_guess_right_yield_as_many_tokens_a_pass_as_there_are_heads(tmp_path: Path) -> None:
    """Blocks that do nothing, and an output that makes of token i token i + 1: what comes is what each head can know."""
    root = save_multi_token(tmp_path / "model")
    tensors = load_file(root / "consolidated.safetensors")
    for name in tensors:
        if name.endswith(("wo.weight", "w2.weight")):
            tensors[name] = torch.zeros_like(tensors[name])
    tensors["tok_embeddings.weight"] = torch.nn.functional.normalize(tensors["tok_embeddings.weight"], dim=-1)
    tensors["output.weight"] = tensors["tok_embeddings.weight"].clone()  # each token is followed by itself
    save_file(tensors, root / "consolidated.safetensors")
    (one,) = opened(root).speculate([[5]], 41)
    assert one.tokens == [5] * 41
    assert one.steps == [1, *[4] * 10]


def test_heads_that_always_guess_wrong_yield_one_token_a_pass(tmp_path: Path) -> None:
    root = save_multi_token(tmp_path / "model")
    model = opened(root)
    tensors = load_file(root / "consolidated.safetensors")
    for name in tensors:
        if name.startswith("extra_heads.") and name.endswith("attention_norm.weight"):
            tensors[name] = -7 * tensors[name]
    save_file(tensors, root / "consolidated.safetensors")
    (one,) = opened(root).speculate([model.encode("The")], 30)
    assert one.tokens == model.extend([model.encode("The")], 30)[0]
    assert sum(one.steps) / len(one.steps) < 1.5


def test_the_strip_takes_the_extra_heads_and_leaves_every_bit_of_the_next_token(root: Path, tmp_path: Path) -> None:
    checkpoint = open_checkpoint(root)
    recipe = GateRepository.around(TOP).recipe("multi-token-prediction/extra_heads")
    trimmed = tmp_path / "plain"
    shutil.copytree(root, trimmed)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (trimmed / name).unlink(missing_ok=True)
    receipt = write_strip(
        open_checkpoint(trimmed), plan_strip(open_checkpoint(trimmed), [recipe]), tmp_path / "stripped", lambda _: None
    )
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(root / name, tmp_path / "stripped" / name)
    whole, stripped = opened(root), opened(tmp_path / "stripped")
    window = torch.randint(2, 400, (3, 50), generator=torch.Generator().manual_seed(0))
    assert stripped.heads == 1
    assert torch.equal(whole.logits(window), stripped.logits(window))
    with pytest.raises(PartAbsent) as absent:
        stripped.head_logits(window, 2)
    assert receipt.takes_out(absent.value.problems[0].where)
    with pytest.raises(PartAbsent):
        stripped.speculate([[3]], 5)
    lent = Lending(checkpoint, ("extra_heads.*",), ())
    again = opened(tmp_path / "stripped", lent)
    assert torch.equal(again.head_logits(window, 2), whole.head_logits(window, 2))


def test_stored_frequencies_of_rotation_are_taken_and_not_read(root: Path, tmp_path: Path) -> None:
    other = save_multi_token(tmp_path / "rope", rope=True)
    window = torch.tensor([opened(root).encode("The quick brown")])
    assert torch.equal(opened(other).logits(window), opened(root).logits(window))


def test_a_vocabulary_that_is_left_open_is_as_large_as_the_embedding(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "open")
    change(tmp_path / "open", vocab_size=-1)
    assert opened(tmp_path / "open").vocabulary == 400


def test_published_pickles_are_refused(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "pickled")
    (tmp_path / "pickled" / "consolidated.safetensors").rename(tmp_path / "pickled" / "consolidated.pth")
    with pytest.raises(ForeignFile) as refused:
        open_checkpoint(tmp_path / "pickled")
    assert "safetensors" in refused.value.problems[0].fix


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"n_heads": 5}, "dim 48 cannot be shared by 5 heads"),
        ({"n_kv_heads": 3}, "4 heads cannot share 3 heads"),
        ({"n_future_tokens": 9}, "has no room for 9 heads"),
        ({"n_layers": 7}, "does not load strictly: 9 missing tensors"),
        ({"n_future_tokens": 3}, "does not load strictly"),
        ({"multiple_of": 512}, "its configuration asks for"),
        ({"vocab_size": 401}, "its configuration asks for"),
        ({"surprise": 1}, "surprise"),
        ({"norm_eps": "small"}, "norm_eps"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_sizes_that_do_not_fit_the_weights_are_refused(
    root: Path, tmp_path: Path, changes: dict[str, object], what: str
) -> None:
    shutil.copytree(root, tmp_path / "odd")
    change(tmp_path / "odd", **changes)
    with pytest.raises(CheckpointError, match=what):
        opened(tmp_path / "odd")


def change(root: Path, **changes: object) -> None:
    """Nothing; the configuration is changed."""
    path = root / "params.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_call_that_makes_no_sense_is_refused(model: MultiTokenLm) -> None:
    for call in (lambda: model.speculate([[]], 3), lambda: model.speculate([[3]], 300)):
        with pytest.raises(UsageError):
            call()
    with pytest.raises(PartAbsent):
        model.head_logits(torch.tensor([[3]]), 4)
    with pytest.raises(UsageError, match="no chat template"):
        model.generate([[Message("user", "Who?")]], [1], Decoding(3))
