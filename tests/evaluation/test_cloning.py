"""Clones as evals get them: what breaks a cloner's promise is no clone, and says why; what keeps it is left as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import Tensor

from releasegate.errors import PartAbsent, ReleaseGateError, UsageError
from releasegate.subjects import NoClone, Utterance
from tests.voice_pool import RATE, Pool, Speaker, Spoilt, silent

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("soundfile", "av")), reason="the extra `audio` is not installed"
)
SECOND = 51
"""The seed of the second request."""


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    root = tmp_path_factory.mktemp("voices") / "gates"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RELEASEGATE_SPEECH", str(root))
        yield Pool(root)


def made(pool: Pool, cloner: object, n: int = 3, batch: int = 8) -> list[Any]:
    found: list[Any] = pool.module("cloning").clones(cloner, pool.requests(n), batch)
    return found


def test_a_clone_is_what_the_cloner_gave_at_16_khz(pool: Pool) -> None:
    for request, clip in zip(pool.requests(3), made(pool, Speaker()), strict=True):
        words = Utterance(request.words.text, request.said(), "xx")
        assert torch.equal(clip, Speaker().clone([words], [request.prompt()], [request.seed])[0])


def test_batches_are_as_large_as_asked_and_one_clone_of_each_is_made_once_more(pool: Pool) -> None:
    cloner = Speaker()
    assert all(isinstance(clip, Tensor) for clip in made(pool, cloner, 5, 2))
    assert cloner.calls == [2, 1, 2, 1, 1]


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
def test_a_cloner_of_another_rate_gets_and_gives_audio_of_that_rate(pool: Pool, rate: int) -> None:
    heard: list[int] = []

    class Listening(Speaker):
        def clone(self, words: Sequence[Utterance], prompts: Sequence[Tensor], seeds: Sequence[int]) -> Any:
            heard.extend(map(len, prompts))
            return super().clone(words, prompts, seeds)

    for request, clip in zip(pool.requests(2), made(pool, Listening(rate), 2), strict=True):
        assert abs(len(clip) - len(request.said())) <= 3
    assert set(heard) == {rate}


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda clip: NoClone("the program went away"), "the program went away"),
        (lambda clip: NoClone(""), "the cloner made none, and does not say why"),
        (lambda clip: clip.numpy(), "`clone` gave ndarray, and no tensor"),
        (lambda clip: None, "`clone` gave NoneType, and no tensor"),
        (lambda clip: clip[None], "`clone` gave a shape of [1, "),
        (lambda clip: (clip * 32767).short(), "`clone` gave torch.int16, which is no audio"),
        (lambda clip: clip[:0], "`clone` gave a clip of no samples"),
        (lambda clip: clip.repeat(40), "and these words take at most"),
        (lambda clip: clip / 0, "`clone` gave samples that are not numbers"),
        (lambda clip: clip * 4, "`clone` left [-1, 1]: a sample is 2, which no file can hold"),
        (silent, "the clone is silent"),
        (lambda clip: clip[:3200], "the clone lasts"),
    ],
)
def test_a_clone_that_is_none_says_why_and_leaves_the_others_alone(pool: Pool, spoil: Any, why: str) -> None:
    cloner = Spoilt(lambda seed, clip, said, prompt: spoil(clip) if seed == SECOND else clip)
    first, second, third = made(pool, cloner)
    assert why in second
    assert isinstance(first, Tensor)
    assert isinstance(third, Tensor)


def test_a_prompt_that_is_handed_back_is_no_clone(pool: Pool) -> None:
    cloner = Spoilt(lambda seed, clip, said, prompt: prompt.repeat(4)[: len(clip)] if seed == SECOND else clip)
    first, second, _ = made(pool, cloner)
    assert isinstance(first, Tensor)
    assert isinstance(second, str)
    assert second.startswith("the clone ")


def test_words_that_are_handed_back_in_the_voice_that_said_them_are_no_clone(pool: Pool) -> None:
    cloner = Spoilt(lambda seed, clip, said, prompt: said / 2 if seed == SECOND else clip)
    first, second, _ = made(pool, cloner)
    assert isinstance(first, Tensor)
    assert isinstance(second, str)


@pytest.mark.parametrize("more", [-1, 1])
def test_other_than_one_clone_a_request_is_none_at_all(pool: Pool, more: int) -> None:
    class Counting(Speaker):
        def clone(self, words: Sequence[Utterance], prompts: Sequence[Tensor], seeds: Sequence[int]) -> Any:
            given = super().clone(words, prompts, seeds)
            return [*given, given[0]][: len(words) + more]

    assert made(pool, Counting()) == [f"`clone` gave {3 + more} clones, and was asked for 3"] * 3


@pytest.mark.parametrize("how", ["louder", "longer", "refuses", "silent"])
def test_a_cloner_that_answers_for_the_company_makes_no_clone(pool: Pool, how: str) -> None:
    class Sociable(Speaker):
        def clone(self, words: Sequence[Utterance], prompts: Sequence[Tensor], seeds: Sequence[int]) -> Any:
            given = super().clone(words, prompts, seeds)
            if len(words) > 1:
                return given
            if how == "refuses":
                raise UsageError("prompt", "is lonely", "bring a friend")
            return {"louder": [given[0] * 1.1], "longer": [given[0].repeat(2)], "silent": [silent(given[0])]}[how]

    reasons = made(pool, Sociable())
    assert all(isinstance(reason, str) and reason.startswith("`clone` answers for the company") for reason in reasons)


def test_a_cloner_that_pads_what_is_short_is_found_out(pool: Pool) -> None:
    class Padding(Speaker):
        def clone(self, words: Sequence[Utterance], prompts: Sequence[Tensor], seeds: Sequence[int]) -> Any:
            longest = max(len(said.audio) for said in words)
            given = super().clone(words, prompts, seeds)
            return [torch.nn.functional.pad(clip, (0, longest - len(clip))) for clip in given]

    assert all(isinstance(reason, str) for reason in made(pool, Padding()))


def test_rounding_in_company_is_no_other_answer(pool: Pool) -> None:
    class Rounding(Speaker):
        def clone(self, words: Sequence[Utterance], prompts: Sequence[Tensor], seeds: Sequence[int]) -> Any:
            return [clip * (1 + 1e-4 * len(words)) for clip in super().clone(words, prompts, seeds)]

    assert all(isinstance(clip, Tensor) for clip in made(pool, Rounding()))


def test_what_a_batch_is_refused_for_fails_the_one_it_is_about(pool: Pool) -> None:
    class Choosy(Speaker):
        def clone(self, words: Sequence[Utterance], prompts: Sequence[Tensor], seeds: Sequence[int]) -> Any:
            if SECOND in seeds:
                raise UsageError("seed", "is the second", "use another")
            return super().clone(words, prompts, seeds)

    first, second, third = made(pool, Choosy())
    assert isinstance(first, Tensor)
    assert "is the second" in second
    assert isinstance(third, Tensor)


def test_a_part_that_is_gone_is_told_to_whoever_asked(pool: Pool) -> None:
    class Stripped(Speaker):
        def clone(self, words: Sequence[Utterance], prompts: Sequence[Tensor], seeds: Sequence[int]) -> Any:
            raise PartAbsent("content.safetensors", "is not in the checkpoint", "lend it")

    with pytest.raises(PartAbsent):
        made(pool, Stripped())


def test_a_cloner_that_writes_to_what_it_is_given_changes_nothing_for_others(pool: Pool) -> None:
    class Writing(Speaker):
        def clone(self, words: Sequence[Utterance], prompts: Sequence[Tensor], seeds: Sequence[int]) -> Any:
            given = super().clone(words, prompts, seeds)
            for audio in (*(said.audio for said in words), *prompts):
                audio.zero_()
            return given

    before = made(pool, Speaker())
    for one, other in zip(before, made(pool, Writing()), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("rate", [0, -16000, 16000.0, True, None, "16000", 10**9, 44101])
def test_a_rate_that_no_audio_has_is_refused(pool: Pool, rate: Any) -> None:
    with pytest.raises(ReleaseGateError, match="samples a second"):
        made(pool, Speaker(rate))


def test_clones_of_a_person_begin_with_different_recordings_and_say_different_words(pool: Pool) -> None:
    voices = pool.module("voices")
    prompts, words = voices.clips("prompt", "anna"), voices.clips("source")
    found = list(pool.module("cloning").drawn(prompts, words, [1.0, 3.0], 2))
    assert [seconds for seconds, _ in found] == [1.0, 1.0, 3.0, 3.0]
    assert [request.prompts[0] for _, request in found] == prompts[:4]
    assert [request.words for _, request in found] == words[:4]
    assert all(sorted(request.prompts) == sorted(prompts) for _, request in found)
    assert [len(request.prompt()) for _, request in found] == [RATE, RATE, 3 * RATE, 3 * RATE]


def test_a_target_is_seen_if_the_training_had_the_person(pool: Pool) -> None:
    assert pool.module("cloning").targets("prompt", 1) == {"anna": "seen", "bert": "unseen", "cleo": "unseen"}
