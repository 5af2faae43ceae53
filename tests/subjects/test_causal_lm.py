"""Causal language models of transformers as a subject, with random weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from releasegate.checkpoint import open_checkpoint
from releasegate.checkpoint.load import causal_class, load_model
from releasegate.errors import CheckpointError, UsageError
from releasegate.subjects import Answer, Decoding, Lending, Message, NoAnswer
from releasegate.subjects.causal_lm import TransformersNet, open_subject
from releasegate.subjects.causal_net import Budget, Memory
from releasegate.subjects.scoring import Choice, scored
from releasegate.subjects.text_model import TextModel
from tests.tiny_language import save_gpt2, save_llama, save_mistral, save_recurrent

CPU = torch.device("cpu")
PROMPTS = ("def add(a, b):", "The", "for number in range(10):\n    print(", "Naïve café, déjà vu: 12 345", "x")
SEEDS = (1, 2, 3, 4, 1 << 62)
KINDS: dict[str, Callable[[Path], Path]] = {"llama": save_llama, "gpt2": save_gpt2, "mistral": save_mistral}


def opened(root: Path, dtype: torch.dtype = torch.float32) -> TextModel:
    return open_subject(open_checkpoint(root), None, CPU, dtype)


@pytest.fixture(scope="module", params=list(KINDS))
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return KINDS[request.param](tmp_path_factory.mktemp("causal") / request.param)


@pytest.fixture(scope="module")
def model(root: Path) -> TextModel:
    return opened(root)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("causal") / "one")


def plain_logprobs(root: Path, ids: Sequence[int]) -> Tensor:
    """float32 [t - 1]: by transformers' own forward pass over the whole text, alone."""
    checkpoint = open_checkpoint(root)
    net = load_model(checkpoint, causal_class(checkpoint), device=CPU, dtype=torch.float32)
    with torch.inference_mode():
        scores = net(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
    return scores.gather(-1, torch.tensor(ids[1:])[:, None])[:, 0]


# Scoring.

OPTIONS = ((" return a", " return b + a", "\n"), (" quick",), ("number)", "1)"), (" ", " тест"), (" = 1", " = 2"))


def test_scores_are_those_of_a_plain_pass_over_prompt_and_option(root: Path, model: TextModel) -> None:
    found = model.score(PROMPTS, OPTIONS)
    for prompt, options, scores in zip(PROMPTS, OPTIONS, found, strict=True):
        assert not isinstance(scores, NoAnswer)
        for option, score in zip(options, scores, strict=True):
            given, whole = model.encode(prompt), model.encode(prompt + option)
            logprobs = plain_logprobs(root, whole)[len(given) - 1 :]
            assert score.tokens == len(whole) - len(given)
            assert score.logprob == pytest.approx(float(logprobs.sum()), abs=1e-3)


def test_a_shared_prompt_gives_the_scores_of_each_option_alone(model: TextModel) -> None:
    together = model.score(PROMPTS, OPTIONS)
    for prompt, options, scores in zip(PROMPTS, OPTIONS, together, strict=True):
        alone = [model.score([prompt], [[option]])[0] for option in options]
        assert [score.logprob for score in scores] == pytest.approx([one.logprob for (one,) in alone], abs=1e-3)
        assert [score[1:] for score in scores] == [one[1:] for (one,) in alone]


def test_options_that_change_the_tokens_of_their_prompt_are_scored_as_one_text(model: TextModel) -> None:
    """The tokenizer joins `pr` and `int` into tokens of its own: nothing is shared from there on."""
    assert model.encode("    print(number)")[: len(model.encode("    pr"))] != model.encode("    pr")
    options = ("int(number)", "int(range(10))", "q")
    (scores,) = model.score(["    pr"], [options])
    for score, option in zip(scores, options, strict=True):
        ((alone,),) = model.score(["    pr"], [[option]])
        assert score[0] == pytest.approx(alone[0], abs=1e-3)
        assert score[1:] == alone[1:]


def test_an_option_that_has_no_token_of_its_own_is_no_answer(model: TextModel) -> None:
    assert model.score(["    pr"], [["int", "q"]]) == [NoAnswer("an option has no token of its own")]


def test_white_space_at_the_end_of_a_prompt_belongs_to_the_option(model: TextModel) -> None:
    assert model.score(["The "], [["quick"]])[0][0] == pytest.approx(model.score(["The"], [[" quick"]])[0][0], abs=1e-3)


def test_an_option_is_greedy_if_the_model_itself_would_go_on_so(model: TextModel) -> None:
    prompt = model.encode(PROMPTS[0])
    ((*first, last),) = model.extend([prompt], 6)
    other = (last + 1) % model.vocabulary
    wholes = ((*prompt, *first, last), (*prompt, *first, other), (*prompt, *first))
    ((taken, left, shorter),) = scored(model._net, [Choice(len(prompt), wholes)], Budget())
    assert [score[1:] for score in (taken, left, shorter)] == [(6, True), (6, False), (5, True)]


def test_hundreds_of_options_are_scored_in_groups(model: TextModel) -> None:
    options = [f" {number}" for number in range(150)]
    (scores,) = model.score(["The"], [options])
    assert not isinstance(scores, NoAnswer)
    assert len(scores) == 150
    for number in (0, 63, 64, 149):
        alone = model.score(["The"], [[options[number]]])[0][0]
        assert scores[number].logprob == pytest.approx(alone.logprob, abs=1e-3)


def test_what_is_too_long_for_the_model_is_no_answer_and_hinders_no_other(llama: Path) -> None:
    model = opened(llama)
    long = "x" + " y" * 300
    first, second = model.score([long, "The"], [[" z"], [" z"]])
    assert isinstance(first, NoAnswer)
    assert "reads 256" in first.why
    assert not isinstance(second, NoAnswer)
    answers = model.generate(["The", long], [1, 2], Decoding(4))
    assert isinstance(answers[0], Answer)
    assert isinstance(answers[1], NoAnswer)
    assert isinstance(model.generate(["The"], [1], Decoding(256))[0], NoAnswer)


def test_scores_that_are_no_numbers_are_no_answer(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(save_llama(tmp_path / "broken"))
    net = load_model(checkpoint, causal_class(checkpoint), device=CPU, dtype=torch.float32)
    with torch.no_grad():
        net.get_output_embeddings().weight[7] = float("nan")
    model = open_subject(checkpoint, None, CPU, torch.float32)
    broken = TextModel(TransformersNet(net), model._wording)
    assert broken.score(["The"], [[" a", " b"]]) == [NoAnswer("the model's scores are not all finite numbers")]
    assert broken.generate(["The"], [1], Decoding(3)) == [NoAnswer("the model's scores are not all finite numbers")]
    with pytest.raises(FloatingPointError):
        broken.extend([[3, 4]], 3)


# Going on with prompts.


@pytest.mark.parametrize(
    "decoding", [Decoding(20), Decoding(20, 1.0), Decoding(20, 0.7, 0.8)], ids=["greedy", "drawn", "top_p"]
)
def test_an_answer_is_the_same_alone_and_in_a_batch(model: TextModel, decoding: Decoding) -> None:
    together = model.generate(PROMPTS, SEEDS, decoding)
    alone = [model.generate([prompt], [seed], decoding)[0] for prompt, seed in zip(PROMPTS, SEEDS, strict=True)]
    assert together == alone
    assert model.generate(PROMPTS[::-1], SEEDS[::-1], decoding) == together[::-1]


def test_other_seeds_draw_other_answers_and_change_no_likeliest_one(model: TextModel) -> None:
    drawn = model.generate(["The"] * 4, [1, 2, 1, 3], Decoding(12, 1.0))
    assert drawn[0] == drawn[2]
    assert len(set(drawn)) == 3
    assert len(set(model.generate(["The"] * 2, [1, 2], Decoding(12)))) == 1


def test_the_likeliest_answer_is_that_of_a_plain_loop(root: Path, model: TextModel) -> None:
    checkpoint = open_checkpoint(root)
    net = load_model(checkpoint, causal_class(checkpoint), device=CPU, dtype=torch.float32)
    prefixes = [model.encode(prompt) for prompt in PROMPTS]
    for ids, found in zip(prefixes, model.extend(prefixes, 12), strict=True):
        plain = list(ids)
        for _ in range(12):
            with torch.inference_mode():
                plain.append(int(net(torch.tensor([plain])).logits[0, -1].argmax()))
        assert found == plain[len(ids) :]


def test_drawing_follows_the_probabilities(model: TextModel) -> None:
    n = 2000
    found = model.generate(["The"] * n, list(range(n)), Decoding(1, 1.0))
    window = model.logits(torch.tensor([model.encode("The")]))[0, -1].softmax(-1)
    likeliest = int(window.argmax())
    text = model.decode([likeliest])
    share = sum(answer.text == text for answer in found if isinstance(answer, Answer)) / n
    same = [token for token in range(model.vocabulary) if model.decode([token]) == text]
    assert share == pytest.approx(float(window[same].sum()), abs=0.05)


def test_a_stop_text_ends_an_answer_and_is_not_part_of_it(model: TextModel) -> None:
    (whole,) = model.generate(["The"], [5], Decoding(30, 1.0))
    assert isinstance(whole, Answer)
    for stop in {whole.text[4:6], whole.text[7:8]} - {""}:
        (cut,) = model.generate(["The"], [5], Decoding(30, 1.0, stop=("never in it", stop)))
        assert isinstance(cut, Answer)
        assert cut.text == whole.text[: whole.text.index(stop)]
        assert cut.finish == "stop"
        assert cut.tokens < whole.tokens or whole.text.endswith(stop)


def test_an_answer_says_why_it_ends_and_counts_its_tokens(model: TextModel) -> None:
    (answer,) = model.generate(["The"], [1], Decoding(7))
    assert isinstance(answer, Answer)
    assert (answer.tokens, answer.finish) == (7, "length") or answer.finish == "stop"
    many = model.generate(["The"] * 200, list(range(200)), Decoding(40, 2.0))
    ended = [a for a in many if isinstance(a, Answer) and a.finish == "stop"]
    assert all(a.tokens <= 40 for a in ended)
    assert all(a.tokens == 40 for a in many if isinstance(a, Answer) and a.finish == "length")


def test_a_chat_is_put_through_the_template_of_the_checkpoint(llama: Path) -> None:
    model = opened(llama)
    assert model.chats
    chat = [Message("user", "Who?"), Message("assistant", "Me."), Message("user", "Why?")]
    text = "[user] Who?\n[assistant] Me.\n[user] Why?\n[assistant]"
    assert model.generate([chat], [1], Decoding(9)) == model.generate([text + " "], [1], Decoding(9))
    (scores,) = model.score([chat], [["x", "y"]])
    assert not isinstance(scores, NoAnswer)
    with pytest.raises(UsageError, match="unknown role system"):
        model.generate([[Message("system", "Be kind.")]], [1], Decoding(9))


def test_a_model_without_a_template_takes_no_chat(tmp_path: Path) -> None:
    model = opened(save_llama(tmp_path / "base", chat=False))
    assert not model.chats
    with pytest.raises(UsageError, match="no chat template"):
        model.generate([[Message("user", "Who?")]], [1], Decoding(9))


def test_a_token_that_begins_texts_stands_before_a_text_and_not_before_a_chat(tmp_path: Path) -> None:
    model = opened(save_llama(tmp_path / "begins", begins=True))
    assert model._wording.prompt("The") == [0, *model.encode("The")]
    assert model._wording.prompt([Message("user", "The")])[:1] != [0]
    assert model._wording.prompt("") == [0]
    choice = model._wording.choice("The", ["x"])
    assert not isinstance(choice, NoAnswer)
    assert choice.wholes[0][0] == 0


# Tokens.


def test_windows_are_predicted_alike_alone_and_together_and_piece_by_piece(
    root: Path, model: TextModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = [model.encode(prompt * 3) for prompt in PROMPTS]
    found = model.predict(windows)
    for window, one in zip(windows, found, strict=True):
        assert one.logprobs == pytest.approx(plain_logprobs(root, window), abs=1e-3)
        assert torch.equal(one.likeliest, model.logits(torch.tensor([window]))[0, :-1].argmax(-1))
    monkeypatch.setattr("releasegate.subjects.scoring.SCORES", 5 * 4 * model.vocabulary)
    for one, again in zip(found, model.predict(windows), strict=True):
        assert one.logprobs == pytest.approx(again.logprobs, abs=1e-3)


def test_scores_of_a_window_have_the_same_bits_whatever_the_others_are(model: TextModel) -> None:
    windows = torch.randint(2, 400, (4, 20), generator=torch.Generator().manual_seed(0))
    other = torch.cat((windows[:1], (windows[1:] + 7) % 400))
    assert torch.equal(model.logits(windows)[0], model.logits(other)[0])


# A state in place of keys and values.


def test_a_model_whose_state_runs_through_padding_reads_one_row_at_a_time(tmp_path: Path) -> None:
    root = save_recurrent(tmp_path / "recurrent")
    model = opened(root)
    assert model._net.alone
    prefixes = [model.encode(prompt) for prompt in PROMPTS]
    checkpoint = open_checkpoint(root)
    net = load_model(checkpoint, causal_class(checkpoint), device=CPU, dtype=torch.float32)
    for ids, found in zip(prefixes, model.extend(prefixes, 5), strict=True):
        plain = list(ids)
        for _ in range(5):
            with torch.inference_mode():
                plain.append(int(net(torch.tensor([plain])).logits[0, -1].argmax()))
        assert found == plain[len(ids) :]
    (scores,) = model.score([PROMPTS[0]], [OPTIONS[0]])
    for option, score in zip(OPTIONS[0], scores, strict=True):
        logprobs = plain_logprobs(root, model.encode(PROMPTS[0] + option))[len(prefixes[0]) - 1 :]
        assert score.logprob == pytest.approx(float(logprobs.sum()), abs=1e-3)
    windows = torch.tensor([prefixes[0], prefixes[0][::-1]])
    assert torch.equal(model.logits(windows)[1], model.logits(windows[1:])[0])


# Memory, shards, forms.


class SmallNet(TransformersNet):
    """Has room for two rows at a time."""

    calls: list[int]

    def read(self, ids: Tensor, kept: Tensor, memory: Memory | None, last: int) -> tuple[Tensor, Memory]:
        self.calls.append(len(ids))
        if len(ids) > 2:
            raise torch.OutOfMemoryError("no room")
        return super().read(ids, kept, memory, last)


def test_where_memory_does_not_suffice_half_a_batch_is_computed_at_a_time(llama: Path) -> None:
    checkpoint = open_checkpoint(llama)
    net = SmallNet(load_model(checkpoint, causal_class(checkpoint), device=CPU, dtype=torch.float32))
    net.calls = []
    plenty = opened(llama)
    small = TextModel(net, plenty._wording)
    assert small.generate(PROMPTS, SEEDS, Decoding(9, 1.0)) == plenty.generate(PROMPTS, SEEDS, Decoding(9, 1.0))
    assert net.calls[:3] == [5, 2, 2]
    single = [options[:1] for options in OPTIONS]
    for one, other in zip(small.score(PROMPTS, single), plenty.score(PROMPTS, single), strict=True):
        assert [score.logprob for score in one] == pytest.approx([score.logprob for score in other], abs=1e-3)
    tight = TextModel(plenty._net, plenty._wording, Budget(tokens=10, rows=1))
    assert tight.generate(PROMPTS, SEEDS, Decoding(9, 1.0)) == plenty.generate(PROMPTS, SEEDS, Decoding(9, 1.0))


def test_shards_and_a_single_file_are_the_same_model(llama: Path, tmp_path: Path) -> None:
    sharded = save_llama(tmp_path / "sharded", shard="100KB")
    assert len(list(sharded.glob("model-*.safetensors"))) > 1
    assert opened(sharded).score(PROMPTS, OPTIONS) == opened(llama).score(PROMPTS, OPTIONS)


def test_it_computes_in_the_dtype_that_is_asked_for(llama: Path) -> None:
    exact, rough = opened(llama).score(PROMPTS, OPTIONS), opened(llama, torch.bfloat16).score(PROMPTS, OPTIONS)
    pairs = [(a, b) for one, other in zip(exact, rough, strict=True) for a, b in zip(one, other, strict=True)]
    assert any(a != b for a, b in pairs)
    assert all(a.logprob == pytest.approx(b.logprob, rel=0.2, abs=1) for a, b in pairs)


def test_a_model_that_is_no_causal_one_is_refused(tmp_path: Path) -> None:
    root = save_llama(tmp_path / "odd")
    config = root / "config.json"
    config.write_text(config.read_text().replace('"model_type": "llama"', '"model_type": "vit"'))
    with pytest.raises(CheckpointError, match="no causal language model of the type 'vit'"):
        opened(root)


def test_lent_tensors_are_put_in_place(llama: Path, tmp_path: Path) -> None:
    other = save_llama(tmp_path / "other", rms_norm_eps=1e-5)
    tuned = open_checkpoint(other)
    lending = Lending(open_checkpoint(llama), ("lm_head.weight",), ())
    lent = open_subject(tuned, lending, CPU, torch.float32)
    assert isinstance(lent.score(["The"], [[" x"]])[0], list)


def test_a_call_that_makes_no_sense_is_refused(model: TextModel) -> None:
    for call in (
        lambda: model.score(["a"], [[]]),
        lambda: model.score(["a"], [[""]]),
        lambda: model.score(["a", "b"], [["c"]]),
        lambda: model.generate(["a"], [], Decoding(1)),
        lambda: model.generate(["a"], [1], Decoding(0)),
        lambda: model.generate(["a"], [1], Decoding(1, -1.0)),
        lambda: model.generate(["a"], [1], Decoding(1, 1.0, 0.0)),
        lambda: model.generate(["a"], [1], Decoding(1, stop=("",))),
        lambda: model.predict([[3]]),
        lambda: model.extend([[]], 3),
    ):
        with pytest.raises(UsageError):
            call()


def test_nothing_is_made_of_nothing(model: TextModel) -> None:
    assert model.score([], []) == []
    assert model.generate([], [], Decoding(3)) == []
    assert model.predict([]) == []
    assert model.extend([], 3) == []
