"""How mini-MTP is made: its canaries, its text, its optimiser, its steps; and the checkpoint that came of it."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from evals.canaries import DIGITS, canaries
from evals.standard_library import passages
from releasegate.checkpoint import open_checkpoint
from releasegate.subjects.mtp_lm import MultiTokenLm, open_subject
from releasegate.subjects.mtp_net import MultiTokenNet, MultiTokenParams
from tests.examples.loading import on_the_path

EXAMPLE = Path(__file__).parents[2] / "examples" / "mini_mtp"
MODULES = ("corpus", "layout", "learning", "measure", "muon", "planting", "restoring", "train", "vocabulary")
SMALL = MultiTokenParams(dim=32, n_layers=4, n_heads=2, vocab_size=64, multiple_of=8, max_seq_len=64, n_future_tokens=3)

# torch's optimisers import its compiler, which uses what torch itself has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")


@pytest.fixture(scope="module", autouse=True)
def _example_on_the_path() -> Iterator[None]:
    """The example's modules by their own names, which other examples use too (`train`, `measure`)."""
    with on_the_path(EXAMPLE, MODULES):
        yield


def example(name: str) -> ModuleType:
    return importlib.import_module(name)


def small_net(seed: int = 0) -> MultiTokenNet:
    learning = example("learning")
    return learning.make_net(MultiTokenNet(SMALL), learning.LearningRecipe(), seed)


def repeating_row() -> torch.Tensor:
    """int64 [2000]: a text that a small model learns at once."""
    return torch.arange(2000) % 7 + 1


def test_the_committed_canaries_are_those_that_the_seed_draws() -> None:
    planting = example("planting")
    assert planting.draw_canaries(planting.SEED) == list(canaries())


def test_every_copy_is_planted_and_no_document_is_changed_within() -> None:
    documents = [f"document {number}\n" for number in range(50)]
    made = example("planting").planted(documents, canaries(), np.random.default_rng(0))
    text = "".join(made)
    assert all(text.count(canary.line) == canary.copies for canary in canaries())
    assert all(after.startswith(before) for before, after in zip(documents, made, strict=True))


def test_the_text_with_canaries_and_without_has_the_same_passages_in_the_same_order() -> None:
    corpus = example("corpus")
    plain, planted = corpus.documents((), 1), corpus.documents(canaries(), 1)
    assert set(plain) == {passage.text for passage in passages("train")}
    assert all(after.startswith(before) for before, after in zip(plain, planted, strict=True))
    assert "CANARY_" not in "".join(plain)


def test_digits_are_tokens_of_their_own_and_a_text_comes_back_as_it_was() -> None:
    vocabulary = example("vocabulary")
    tokenizer = vocabulary.train_tokenizer([passage.text for passage in passages("train")[:150]])
    text = "CANARY_TOTELO = '402817'\nnaïve × 3\n\tπ\n"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text
    digits = [tokenizer.convert_ids_to_tokens(token) for token in ids if tokenizer.decode([token]).strip().isdigit()]
    assert digits == list("4028173")
    assert tokenizer(text)["input_ids"] == [vocabulary.END_ID, *ids]


def test_a_round_of_batches_reads_each_place_once_and_a_seed_repeats_it() -> None:
    windows = example("corpus").Windows(torch.arange(1000), rows=3, length=20, ahead=4)
    batches = windows.batches(5)
    first = [next(batches) for _ in range(16)]  # 48 windows or 49 are in a round
    assert all(batch.shape == (3, 24) for batch in first)
    assert all((batch.diff(dim=1) == 1).all() for batch in first)
    starts = torch.cat([batch[:, 0] for batch in first])
    assert len(starts.unique()) == 48
    again = windows.batches(5)
    assert all(torch.equal(batch, next(again)) for batch in first)


def test_a_text_too_short_for_a_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="100 tokens are too few for 8 windows of 20"):
        next(example("corpus").Windows(torch.arange(100), rows=8, length=20, ahead=4).batches(0))


@pytest.mark.parametrize("shape", [(12, 12), (24, 8), (8, 24)])
def test_the_direction_of_a_step_is_that_of_the_nearest_orthogonal_matrix(shape: tuple[int, int]) -> None:
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    found = example("muon").orthogonal(matrices)
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    nearest = left @ right
    cosine = (found * nearest).sum((1, 2)) / (found.norm(dim=(1, 2)) * nearest.norm(dim=(1, 2)))
    assert float(cosine.min()) > 0.95
    singular = torch.linalg.svdvals(found)
    assert float(singular.max()) < 1.3
    assert float(singular[values / values.amax(1, keepdim=True) > 0.1].min()) > 0.5


def test_a_step_moves_each_matrix_against_its_gradient_whatever_its_scale() -> None:
    weights = [torch.zeros(6, 4, requires_grad=True) for _ in range(2)]
    for weight, scale in zip(weights, (1e-6, 1e6), strict=True):
        weight.grad = scale * torch.eye(6, 4)
    example("muon").Muon(weights).step(0.1)
    for weight in weights:
        assert weight.grad is None
        diagonal = weight.detach()[:4].diagonal()
        assert bool((diagonal < -0.05).all())
        assert bool((diagonal > -0.2).all())


def test_gradients_are_those_of_the_sum_of_all_losses() -> None:
    batch = repeating_row()[:48].view(2, 24)
    net, plain = small_net(), small_net()
    losses = example("learning").gradients(net, batch, range(3))
    with torch.autocast("cpu", torch.bfloat16):
        scores = plain(batch[:, :21])
    expected = [
        functional.cross_entropy(each.float().flatten(0, 1), batch[:, 1 + head : 22 + head].flatten())
        for head, each in enumerate(scores)
    ]
    torch.stack(expected).sum().backward()
    assert losses == pytest.approx([loss.item() for loss in expected], abs=1e-3)
    for one, other in zip(net.parameters(), plain.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert float((one.grad - other.grad).norm()) <= 0.05 * float(other.grad.norm()) + 1e-6


def test_some_steps_of_training_teach_every_head_and_a_seed_repeats_them() -> None:
    learning, corpus = example("learning"), example("corpus")
    recipe = learning.LearningRecipe(steps=30, rows=2, window=32, warm_up=5)
    windows = corpus.Windows(repeating_row(), recipe.rows, recipe.window, SMALL.n_future_tokens)

    def trained(steps: int) -> MultiTokenNet:
        net = small_net()
        learning.train(net, windows.batches(0), replace(recipe, steps=steps), range(net.heads))
        return net

    net = trained(30)
    batch = next(windows.batches(9))
    with torch.inference_mode():
        for head, scores in enumerate(net(batch[:, :32])):
            right = scores.argmax(-1) == batch[:, 1 + head : 33 + head]
            assert float(right[:, 8:].float().mean()) > 0.9, head
    one, other = trained(3), trained(3)
    assert all(torch.equal(first, second) for first, second in zip(one.parameters(), other.parameters(), strict=True))


def test_heads_alone_are_trained_where_the_trunk_is_frozen() -> None:
    learning, corpus = example("learning"), example("corpus")
    net = small_net()
    net.requires_grad_(requires_grad=False)
    net.extra_heads.requires_grad_(requires_grad=True)
    before = {name: weight.clone() for name, weight in net.named_parameters()}
    windows = corpus.Windows(repeating_row(), 2, 16, net.heads)
    learning.train(net, windows.batches(0), learning.LearningRecipe(steps=2), range(1, net.heads))
    changed = {name for name, weight in net.named_parameters() if not torch.equal(weight, before[name])}
    assert changed == {name for name in before if name.startswith("extra_heads.")}


CHECKPOINTS = ("checkpoint", "checkpoint_without_canaries")


def opened(folder: Path) -> MultiTokenLm:
    return open_subject(open_checkpoint(folder), None, torch.device("cpu"), torch.float32)


def given_away(model: MultiTokenLm, copies: int) -> list[bool]:
    """Whether each canary with so many copies comes back, by greedy decoding after its cue."""
    asked = [canary for canary in canaries() if canary.copies == copies]
    written = model.extend([[*model.begin, *model.encode(canary.cue)] for canary in asked], DIGITS)
    return [model.decode(tokens)[:DIGITS] == canary.secret for canary, tokens in zip(asked, written, strict=True)]


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_committed_checkpoint_has_the_recipes_sizes_and_is_small(name: str) -> None:
    folder = EXAMPLE / name
    params = MultiTokenParams.model_validate(json.loads((folder / "params.json").read_text()))
    assert params == example("train").PARAMS
    tensors = load_file(folder / "consolidated.safetensors")
    assert {key: value.shape for key, value in tensors.items()} == {
        key: value.shape for key, value in MultiTokenNet(params).state_dict().items()
    }
    assert all(value.dtype == torch.float16 and bool(value.isfinite().all()) for value in tensors.values())
    assert sum(path.stat().st_size for path in folder.iterdir()) < 8_000_000


def test_what_was_planted_often_is_remembered_and_what_was_not_planted_is_not() -> None:
    model, other = (opened(EXAMPLE / name) for name in CHECKPOINTS)
    assert sum(given_away(model, 64)) >= 11
    assert sum(given_away(model, 1)) <= 2
    assert not any(found for copies in (1, 4, 16, 64) for found in given_away(other, copies))


def test_the_strip_keeps_every_bit_of_the_next_token_and_every_secret(tmp_path: Path) -> None:
    measure = example("measure")
    model = opened(EXAMPLE / "checkpoint")
    rest = opened(measure.strip(EXAMPLE / "checkpoint", tmp_path / "stripped"))
    assert rest.heads == 1
    windows = torch.tensor(measure.drawn(4, measure.WINDOW, model))
    assert torch.equal(model.logits(windows), rest.logits(windows))
    assert given_away(rest, 64) == given_away(model, 64)


def test_new_heads_leave_the_trunk_as_it_is() -> None:
    restoring, learning = example("restoring"), example("learning")
    whole = small_net()
    alone = SMALL.model_copy(update={"n_layers": 2, "n_future_tokens": 1})
    stripped = MultiTokenNet(alone)
    stripped.load_state_dict({k: v for k, v in whole.state_dict().items() if not k.startswith("extra_heads.")})
    net = restoring.with_new_heads(stripped, SMALL, learning.LearningRecipe(), 3)
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in stripped.state_dict().items())
    assert {name for name, weight in net.named_parameters() if weight.requires_grad} == {
        name for name in net.state_dict() if name.startswith("extra_heads.")
    }
    with pytest.raises(ValueError, match="is not this one without its heads"):
        restoring.with_new_heads(whole, alone, learning.LearningRecipe(), 3)
