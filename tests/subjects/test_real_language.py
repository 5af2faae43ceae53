"""The subject of language models with a real small model, in both of its forms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from releasegate.checkpoint import open_checkpoint
from releasegate.errors import CheckpointError
from releasegate.subjects import Answer, Decoding, Message, NoAnswer, Prompt
from releasegate.subjects.causal_lm import open_subject
from releasegate.subjects.text_model import TextModel
from tests.fetched import fetched

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")
QUESTIONS = ("What is the capital of France?", "Hi.", "Name three colours, " * 30 + "please.", "", "\U0001f600 naïve?")
CHATS: tuple[Prompt, ...] = tuple([Message("user", text)] for text in QUESTIONS)
SEEDS = tuple(range(len(CHATS)))


@pytest.fixture(scope="module")
def model() -> TextModel:
    return open_subject(open_checkpoint(fetched("smollm2")), None, CPU, torch.float32)


@pytest.mark.parametrize("decoding", [Decoding(8), Decoding(8, 0.8, 0.9, ("\n",))], ids=["greedy", "drawn"])
def test_an_answer_of_the_real_model_is_the_same_alone_and_in_a_batch(model: TextModel, decoding: Decoding) -> None:
    together = model.generate(CHATS, SEEDS, decoding)
    assert all(isinstance(answer, Answer) for answer in together)
    assert together == [model.generate([chat], [seed], decoding)[0] for chat, seed in zip(CHATS, SEEDS, strict=True)]


def test_scores_of_the_real_model_are_the_same_alone_and_in_a_batch(model: TextModel) -> None:
    prompts: Sequence[Prompt] = ["The capital of France is", "A", "one two three " * 40 + "four", CHATS[0]]
    options = [[" Paris", " Rome"], [" man"], [" five", " one two"], ["Paris", "Rome", "The capital"]]
    together = model.score(prompts, options)
    for prompt, texts, scores in zip(prompts, options, together, strict=True):
        assert not isinstance(scores, NoAnswer)
        for text, score in zip(texts, scores, strict=True):
            ((alone,),) = model.score([prompt], [[text]])
            assert score.logprob == pytest.approx(alone.logprob, abs=1e-3)
            assert score[1:] == alone[1:]
    assert together[0][0][0] > together[0][1][0]


def test_a_prompt_of_100_kilobytes_is_too_long_for_the_real_model(model: TextModel) -> None:
    found = model.generate([[Message("user", "word " * 20_000)], CHATS[1]], [1, 2], Decoding(2))
    assert isinstance(found[0], NoAnswer)
    assert "the model reads 8,192" in found[0].why
    assert isinstance(found[1], Answer)


def test_both_forms_of_the_real_model_answer_alike(model: TextModel) -> None:
    file = open_subject(open_checkpoint(fetched("smollm2-gguf")), None, CPU, torch.float32)
    prompts, options = ["The capital of France is", "Two plus two is"], [[" Paris", " Rome"], [" four", " red"]]
    for one, two in zip(model.score(prompts, options), file.score(prompts, options), strict=True):
        assert [score.logprob for score in one] == pytest.approx([score.logprob for score in two], abs=0.2)
    assert model.encode("Two plus two\n  is") == file.encode("Two plus two\n  is")
    assert model._wording.prompt(CHATS[0]) == file._wording.prompt(CHATS[0])


@pytest.mark.parametrize("kind", ["cut", "longer", "count", "head"])
def test_a_real_file_that_is_damaged_is_refused(tmp_path: Path, kind: str) -> None:
    (source,) = fetched("smollm2-gguf").glob("*.gguf")
    data = bytearray(source.read_bytes())
    if kind == "cut":
        del data[len(data) // 2 :]
    elif kind == "longer":
        data += bytes(64)
    elif kind == "count":
        data[8:16] = (1 << 62).to_bytes(8, "little")
    else:
        data[:4] = b"GGML"
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / source.name).write_bytes(data)
    with pytest.raises(CheckpointError):
        open_subject(open_checkpoint(tmp_path / "damaged"), None, CPU, torch.float32)
