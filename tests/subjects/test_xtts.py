"""XTTS: the networks give what the library's own give, and whatever cannot be said is told.

`xtts_peer.json` holds what the classes of coqui-tts 0.28.0 (GPT, HifiDecoder, ResNetSpeakerEncoder, PerceiverResampler) made of
the weights of `tests/tiny_xtts.py`, told to take the likeliest tokens with a repetition penalty of 2. They were loaded strictly
under the published names, beside stand-ins for torchaudio's spectrogram (torch.stft and transformers' mel bank) and for the
key that transformers 5.24 calls the cache by. The prompt was resampled here, not by torchaudio.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from releasegate.checkpoint import open_checkpoint
from releasegate.errors import CheckpointError, ForeignFile, NotFound, PartAbsent, ReleaseGateError
from releasegate.subjects import Lending, NoClone, Utterance
from releasegate.subjects.xtts import Xtts, open_subject
from releasegate.subjects.xtts_conditioning import Spectrogram
from releasegate.subjects.xtts_config import XttsConfig
from releasegate.subjects.xtts_sampling import Sampling
from tests.layouts import LAYOUTS
from tests.tiny_xtts import RATE, save_xtts, tiny_config, tiny_tensors, voice

CPU = torch.device("cpu")
PEER: dict[str, Any] = json.loads((Path(__file__).parent / "xtts_peer.json").read_text())


def opened(root: Path, lending: Lending | None = None, dtype: torch.dtype = torch.float32) -> Xtts:
    return open_subject(open_checkpoint(root), lending, CPU, dtype)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Xtts:
    return opened(save_xtts(tmp_path_factory.mktemp("xtts") / "model"))


def said(text: str, language: str = "en") -> Utterance:
    return Utterance(text, torch.zeros(10), language)


def sounds(clones: list[Tensor | NoClone]) -> list[Tensor]:
    assert all(isinstance(clone, Tensor) for clone in clones), clones
    return [clone for clone in clones if isinstance(clone, Tensor)]


def test_a_clone_is_what_the_library_makes_of_the_same_weights(tmp_path: Path) -> None:
    greedy = opened(save_xtts(tmp_path / "model", top_k=1))
    (clone,) = sounds(greedy.clone([said("hello")], [voice(2.0, 180)], [0]))
    assert len(clone) == PEER["length"]
    torch.testing.assert_close(clone[::20], torch.tensor(PEER["samples"]), rtol=0, atol=1e-4)


def test_a_prompt_is_heard_as_the_library_hears_it(model: Xtts) -> None:
    heard = model.heard(voice(2.0, 180))
    assert not isinstance(heard, NoClone)
    latents, speaker = heard
    torch.testing.assert_close(latents.flatten(), torch.tensor(PEER["latents"]), rtol=0, atol=1e-4)
    torch.testing.assert_close(speaker, torch.tensor(PEER["voice"]), rtol=0, atol=1e-5)


def test_the_mel_bank_is_librosas() -> None:
    theirs = librosa.filters.mel(sr=22050, n_fft=2048, n_mels=80, fmin=0, fmax=8000, htk=True, norm="slaney")
    np.testing.assert_allclose(Spectrogram().get_buffer("bank").numpy().T, theirs, atol=1e-6)


@pytest.mark.parametrize(
    "changes", [{}, {"top_k": 5, "top_p": 0.5}, {"top_k": 0, "top_p": 1.0, "repetition_penalty": 1.0}]
)
def test_tokens_are_as_likely_as_transformers_makes_them(changes: dict[str, Any]) -> None:
    config = XttsConfig.model_validate_json(json.dumps(tiny_config(**changes)))
    generator = torch.Generator().manual_seed(0)
    scores = 4 * torch.randn(64, 34, generator=generator, dtype=torch.float64)
    before = torch.randint(0, 34, (64, 6), generator=generator)
    steps = [RepetitionPenaltyLogitsProcessor(config.repetition_penalty), TemperatureLogitsWarper(config.temperature)]
    steps += [TopKLogitsWarper(config.top_k)] if config.top_k else []
    steps += [TopPLogitsWarper(config.top_p)]
    theirs = LogitsProcessorList(steps)(before, scores).softmax(dim=1)
    repeated = torch.zeros(64, 34, dtype=torch.bool).scatter_(1, before, value=True)
    torch.testing.assert_close(Sampling(config).chances(scores, repeated), theirs)


def test_a_clone_depends_on_its_own_row_alone(model: Xtts) -> None:
    words = [said("hello"), said("a"), said("who is it?"), said("")]
    prompts = [voice(), voice(2.0, 220), voice(1.5, 90, seed=3), voice()]
    *together, empty = model.clone(words, prompts, [1, 2, 3, 4])
    assert isinstance(empty, NoClone)
    for number, clone in enumerate(sounds(together)):
        (alone,) = sounds(model.clone([words[number]], [prompts[number]], [number + 1]))
        torch.testing.assert_close(clone, alone, rtol=0, atol=1e-4)


def test_seeds_and_prompts_and_texts_all_matter(model: Xtts) -> None:
    asked = [("hello", 150.0, 1), ("hello", 150.0, 2), ("hello", 90.0, 1), ("below", 150.0, 1)]
    clones = sounds(
        model.clone([said(t) for t, *_ in asked], [voice(1.0, p) for _, p, _ in asked], [s for *_, s in asked])
    )
    assert len({clone.numpy().tobytes() for clone in clones}) == 4
    again = sounds(model.clone([said("hello")], [voice(1.0, 150.0)], [1]))
    torch.testing.assert_close(again[0], clones[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("text", "language", "why"),
    [
        ("", "en", "there is no text"),
        ('" "', "en", "there is no text"),
        ("call 911", "en", "the text has '9', to be written as a word"),
        ("you & me", "en", "the text has '&', to be written as a word"),
        ("naïve", "en", "the tokenizer does not know all of [en] 'na\\xefve'"),
        ("hallo", "de", "the checkpoint is not asked to speak 'de': it lists en, es, fr"),
        ("abcdefghijklmnop", "en", "the text has 17 tokens, and the model takes 12"),
    ],
)
def test_a_text_that_cannot_be_said_says_why(model: Xtts, text: str, language: str, why: str) -> None:
    assert model.clone([said(text, language)], [voice()], [1]) == [NoClone(why)]


@pytest.mark.parametrize("prompt", [voice(0.2), torch.full((RATE,), torch.nan), torch.zeros(0)])
def test_a_prompt_that_is_none_says_why(model: Xtts, prompt: Tensor) -> None:
    assert model.clone([said("a")], [prompt], [1]) == [NoClone("the prompt is shorter than 0.33 s, or not finite")]


def test_silence_is_heard_without_a_number_that_is_none(model: Xtts) -> None:
    (clone,) = sounds(model.clone([said("a")], [torch.zeros(RATE)], [1]))
    assert torch.isfinite(clone).all()


def test_no_clone_is_asked_for_and_none_is_made(model: Xtts) -> None:
    assert model.clone([], [], []) == []


@pytest.mark.parametrize("prefix", ["", "model."])
def test_names_with_and_without_the_published_prefix_load(tmp_path: Path, prefix: str) -> None:
    one = opened(save_xtts(tmp_path / "model", prefix=prefix))
    assert len(one.clone([said("a")], [voice()], [1])) == 1


def test_second_names_of_a_model_that_had_spoken_are_the_first_ones(tmp_path: Path) -> None:
    tensors = tiny_tensors()
    tied = LAYOUTS["xtts-inference"].contents("tiny").torch["model.pth"]["model"]
    second = {name: tensors[one.to.removeprefix("model.")].clone() for name, one in tied.items() if hasattr(one, "to")}
    assert second
    assert opened(save_xtts(tmp_path / "model", tensors={**tensors, **second})).rate == RATE
    second["gpt.gpt_inference.lm_head.1.bias"] += 1
    with pytest.raises(CheckpointError, match=r"gpt_inference.lm_head.1.bias with other values than gpt.mel_head.bias"):
        opened(save_xtts(tmp_path / "other", tensors={**tensors, **second}))


@pytest.mark.parametrize(
    "part", ["gpt.conditioning_encoder.", "gpt.conditioning_perceiver.", "hifigan_decoder.speaker_encoder."]
)
def test_a_part_that_was_taken_out_is_absent_until_it_is_lent(tmp_path: Path, part: str) -> None:
    whole = tiny_tensors()
    stripped = {name: torch.zeros_like(t) if name.startswith(part) else t for name, t in whole.items()}
    root = save_xtts(tmp_path / "stripped", prefix="model.", tensors=stripped)
    with pytest.raises(PartAbsent) as raised:
        opened(root).clone([said("a")], [voice()], [1])
    assert raised.value.problems[0].where.startswith(f"model.{part}")
    source = open_checkpoint(save_xtts(tmp_path / "whole", prefix="model."))
    lent = opened(root, Lending(source, (f"model.{part}*",), ()))
    (clone,) = sounds(lent.clone([said("a")], [voice()], [1]))
    torch.testing.assert_close(clone, sounds(opened(source.root).clone([said("a")], [voice()], [1]))[0])


def test_weights_that_are_no_numbers_make_no_clone(tmp_path: Path) -> None:
    for name in (
        "gpt.mel_head.bias",
        "hifigan_decoder.waveform_decoder.conv_post.weight",
        "gpt.conditioning_encoder.init.bias",
    ):
        tensors = tiny_tensors()
        tensors[name] = torch.full_like(tensors[name], torch.nan)
        (clone,) = opened(save_xtts(tmp_path / name, tensors=tensors)).clone([said("a")], [voice()], [1])
        assert isinstance(clone, NoClone)
        assert clone.why.endswith("no numbers")


def test_half_precision_makes_clones_too(tmp_path: Path) -> None:
    half = opened(save_xtts(tmp_path / "model"), dtype=torch.bfloat16)
    (clone,) = sounds(half.clone([said("hello")], [voice()], [1]))
    assert clone.dtype == torch.float32


def test_a_pickle_is_refused_with_the_way_to_convert_it(tmp_path: Path) -> None:
    root = LAYOUTS["xtts"].write(tmp_path / "model")
    with pytest.raises(ForeignFile) as raised:
        open_checkpoint(root)
    assert raised.value.problems[0].fix.endswith("; examples/xtts/convert.py writes them")


def without(name: str) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in tiny_tensors().items() if key != name}


@pytest.mark.parametrize(
    ("tensors", "changes", "what"),
    [
        (
            without("gpt.final_norm.bias"),
            {},
            "does not load strictly: 1 missing tensors, the first gpt.final_norm.bias",
        ),
        (without("gpt.text_embedding.weight"), {}, "has no gpt.text_embedding.weight that tells a size"),
        (
            {**tiny_tensors(), "extra": torch.ones(1)},
            {},
            "does not load strictly: 1 unexpected tensors, the first extra",
        ),
        (None, {"model_args": {"gpt_layers": 3}}, "does not load strictly: 12 missing tensors, the first gpt.gpt.h.2."),
        (None, {"model_args": {"gpt_n_heads": 7}}, "gpt_n_model_channels is 64, no multiple of 7 heads"),
        (None, {"model_args": {"gpt_use_perceiver_resampler": False}}, "input should be True"),
        (None, {"model_args": {"gpt_stop_audio_token": 99}}, "start and stop are not among 34 audio tokens"),
        (None, {"model_args": {"gpt_max_audio_tokens": 60}}, "has 20 positions, and gpt_max_audio_tokens asks for 58"),
        (None, {"model_args": {"gpt_max_text_tokens": 60}}, "has 16 positions, and gpt_max_text_tokens asks for 60"),
        (None, {"temperature": 0.0}, "input should be greater than 0"),
    ],
)
def test_a_checkpoint_that_is_none_is_refused(
    tmp_path: Path, tensors: dict[str, Tensor] | None, changes: dict[str, Any], what: str
) -> None:
    with pytest.raises(CheckpointError) as raised:
        opened(save_xtts(tmp_path / "model", tensors=tensors, **changes))
    assert what in raised.value.problems[0].what


@pytest.mark.parametrize(
    "vocabulary", [None, "{}", "[", '{"model": {"type": "BPE", "vocab": {"[START]": 0}, "merges": []}}']
)
def test_a_tokenizer_that_is_none_is_refused(tmp_path: Path, vocabulary: str | None) -> None:
    root = save_xtts(tmp_path / "model")
    (root / "vocab.json").unlink() if vocabulary is None else (root / "vocab.json").write_text(vocabulary)
    with pytest.raises(NotFound if vocabulary is None else ReleaseGateError, match=r"vocab\.json"):
        opened(root)
