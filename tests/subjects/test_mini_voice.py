"""The voice cloner as a subject, with random weights."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

if find_spec("audioseal") is None or find_spec("pyworld") is None:
    pytest.skip("the extra `audio` is not installed", allow_module_level=True)

from releasegate.checkpoint import open_checkpoint
from releasegate.errors import CheckpointError, PartAbsent, UsageError
from releasegate.subjects import Lending, Utterance
from releasegate.subjects.audioseal import open_subject as open_audioseal
from releasegate.subjects.mini_voice import MiniVoice, open_subject
from tests.tiny_audioseal import save_audioseal
from tests.tiny_mini_voice import save_mini_voice, sung

CPU = torch.device("cpu")


def opened(root: Path, lending: Lending | None = None) -> MiniVoice:
    return open_subject(open_checkpoint(root), lending, CPU, torch.float32)


def words(audio: Tensor) -> Utterance:
    return Utterance("la", audio, "en")


def cloned(
    model: MiniVoice, sources: Sequence[Tensor], prompts: Sequence[Tensor], seeds: Sequence[int]
) -> list[Tensor]:
    return model.clone([words(audio) for audio in sources], prompts, seeds)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_mini_voice(tmp_path_factory.mktemp("mini_voice") / "model")


@pytest.fixture(scope="module")
def model(root: Path) -> MiniVoice:
    return opened(root)


def copied(root: Path, to: Path, without: str = "") -> Path:
    shutil.copytree(root, to, ignore=shutil.ignore_patterns(without) if without else None)
    return to


SOURCES = (sung(120, 0.9), sung(180, 2.31), sung(90, 1.407), sung(120, 0.03))
PROMPTS = (sung(220, 1.0), sung(140, 3.3), sung(100, 0.7), sung(100, 0.02))


def test_a_checkpoint_is_known_by_its_layout(root: Path) -> None:
    assert open_checkpoint(root).layout == "mini-voice-hf"


def test_a_clone_is_as_long_as_the_audio_of_its_words_and_in_range(model: MiniVoice) -> None:
    clones = cloned(model, SOURCES, PROMPTS, range(4))
    assert [len(clone) for clone in clones] == [len(source) for source in SOURCES]
    for clone in clones:
        assert clone.dtype == torch.float32
        assert bool(torch.isfinite(clone).all())
        assert 1e-4 < float(clone.abs().max()) <= 1


def test_a_clone_is_the_same_alone_and_in_a_batch(model: MiniVoice) -> None:
    together = cloned(model, [*SOURCES, SOURCES[0]], [*PROMPTS, PROMPTS[1]], [0, 1, 2, 3, 4])
    for row in range(4):
        (alone,) = cloned(model, [SOURCES[row]], [PROMPTS[row]], [row])
        torch.testing.assert_close(together[row], alone, atol=1e-4, rtol=0)


def test_words_prompt_and_seed_each_change_the_clone(model: MiniVoice) -> None:
    sources = [SOURCES[0], SOURCES[0], SOURCES[0], sung(150, 0.9, seed=1)]
    first, other_seed, other_prompt, other_words = cloned(
        model, sources, [PROMPTS[0], PROMPTS[0], PROMPTS[1], PROMPTS[0]], [0, 1, 0, 0]
    )
    for other in (other_seed, other_prompt, other_words):
        assert float((first - other).abs().max()) > 1e-4


def test_one_seed_gives_one_clone(model: MiniVoice) -> None:
    first, second = cloned(model, [SOURCES[0]] * 2, [PROMPTS[0]] * 2, [7, 7])
    torch.testing.assert_close(first, second, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "prompt", [torch.zeros(16000), torch.ones(16000), 0.1 * torch.randn(16000), 1e-6 * sung(100, 1)]
)
def test_a_prompt_without_a_voice_still_gives_finite_sound(model: MiniVoice, prompt: Tensor) -> None:
    (clone,) = cloned(model, [SOURCES[0]], [prompt], [0])
    assert bool(torch.isfinite(clone).all())
    assert float(clone.abs().max()) <= 1


def test_silence_is_said_as_finite_sound(model: MiniVoice) -> None:
    (clone,) = cloned(model, [torch.zeros(8000)], [PROMPTS[0]], [0])
    assert len(clone) == 8000
    assert bool(torch.isfinite(clone).all())


def test_no_rows_give_no_clones(model: MiniVoice) -> None:
    assert model.clone([], [], []) == []


@pytest.mark.parametrize(
    ("audio", "said"),
    [
        (torch.zeros(0), "is torch.float32 [0]"),
        (torch.zeros(2, 100), "is torch.float32 [2, 100]"),
        (torch.zeros(100, dtype=torch.int16), "is torch.int16 [100]"),
        (torch.full((100,), torch.nan), "not finite"),
        (torch.full((100,), 1e6), "far beyond"),
        (torch.zeros(61 * 16000), "is 61 s long"),
    ],
)
def test_what_is_no_audio_is_refused_by_its_row(model: MiniVoice, audio: Tensor, said: str) -> None:
    with pytest.raises(UsageError, match=r"prompts\[1\]") as refused:
        cloned(model, SOURCES[:2], [PROMPTS[0], audio], [0, 0])
    assert said in str(refused.value)
    with pytest.raises(UsageError, match=r"words\[0\]"):
        cloned(model, [audio], [PROMPTS[0]], [0])


def test_rows_without_a_prompt_or_a_seed_are_refused(model: MiniVoice) -> None:
    with pytest.raises(UsageError, match="2 words, 1 prompts, 2 seeds"):
        cloned(model, SOURCES[:2], PROMPTS[:1], [0, 1])


def test_a_missing_part_is_missed_when_it_is_needed(root: Path, tmp_path: Path) -> None:
    for part in ("content", "speaker"):
        model = opened(copied(root, tmp_path / part, f"{part}.safetensors"))
        with pytest.raises(PartAbsent, match=f"{part}.safetensors"):
            cloned(model, SOURCES[:1], PROMPTS[:1], [0])
        assert model.bits == 8
    model = opened(copied(root, tmp_path / "watermark", "watermark.safetensors"))
    assert len(cloned(model, SOURCES[:1], PROMPTS[:1], [0])) == 1
    with pytest.raises(PartAbsent, match=r"watermark\.safetensors"):
        model.detect(SOURCES[0][None])
    with pytest.raises(PartAbsent, match=r"watermark\.safetensors"):
        _ = model.bits


def test_a_lent_part_takes_its_place(root: Path, tmp_path: Path, model: MiniVoice) -> None:
    poor = copied(root, tmp_path / "poor", "speaker.safetensors")
    lending = Lending(open_checkpoint(root), (), ("speaker.safetensors",))
    (lent,) = cloned(opened(poor, lending), SOURCES[:1], PROMPTS[:1], [0])
    (whole,) = cloned(model, SOURCES[:1], PROMPTS[:1], [0])
    torch.testing.assert_close(lent, whole, atol=0, rtol=0)


def test_it_marks_and_detects_as_the_audioseal_subject_does(root: Path, tmp_path: Path, model: MiniVoice) -> None:
    folder = save_audioseal(tmp_path / "audioseal")
    save_file(load_file(root / "watermark.safetensors"), folder / "model.safetensors")
    other = open_audioseal(open_checkpoint(folder), None, CPU, torch.float32)
    audio = torch.stack([SOURCES[0], SOURCES[0].flip(0)])
    messages = torch.tensor([[0, 1] * 4, [1, 1] * 4])
    torch.testing.assert_close(model.mark(audio, messages), other.mark(audio, messages), atol=1e-6, rtol=0)
    torch.testing.assert_close(model.detect(audio).score, other.detect(audio).score, atol=1e-6, rtol=0)


def test_a_part_of_another_shape_is_refused(root: Path, tmp_path: Path) -> None:
    folder = copied(root, tmp_path / "model")
    tensors = load_file(folder / "speaker.safetensors")
    save_file(tensors | {"linear.bias": torch.zeros(3)}, folder / "speaker.safetensors")
    with pytest.raises(CheckpointError, match=r"as linear\.bias"):
        opened(folder)


@pytest.mark.parametrize("file", ["model", "content", "speaker", "watermark"])
@pytest.mark.parametrize("kind", [torch.int64, torch.complex64])
def test_weights_of_whole_or_of_complex_numbers_are_refused(
    root: Path, tmp_path: Path, file: str, kind: torch.dtype
) -> None:
    folder = copied(root, tmp_path / "model")
    tensors = load_file(folder / f"{file}.safetensors")
    name = next(name for name, tensor in tensors.items() if tensor.is_floating_point())
    save_file(tensors | {name: tensors[name].to(kind)}, folder / f"{file}.safetensors")
    with pytest.raises(CheckpointError, match=re.escape(name)):
        opened(folder)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sample_rate": 8000}, "sample_rate"),
        ({"content": {"width": 32, "heads": 5, "hidden": [48]}}, "cannot be shared by 5 heads"),
        ({"content": {"width": 64, "heads": 2, "hidden": [48]}}, "of 64"),
        ({"content": {"width": 32, "heads": 2, "hidden": [48]}}, "as layers.1"),
        ({"vocoder": {"width": 20, "blocks": 1}}, "has vocoder"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(CheckpointError, match=r".") as refused:
        opened(save_mini_voice(tmp_path / "model", **changes))
    assert said in str(refused.value)


def test_weights_in_half_precision_give_nearly_the_same_clone(root: Path, model: MiniVoice) -> None:
    coarse = open_subject(open_checkpoint(root), None, CPU, torch.bfloat16)
    (rough,) = cloned(coarse, SOURCES[1:2], PROMPTS[1:2], [0])
    (fine,) = cloned(model, SOURCES[1:2], PROMPTS[1:2], [0])
    assert rough.dtype == torch.float32
    assert float((rough - fine).norm() / fine.norm()) < 0.5


def test_no_frame_bursts_out_above_the_level_of_the_prompt(root: Path, tmp_path: Path) -> None:
    """Weights that ask for envelopes far above any speech: what is said stays near the prompt's level all the same."""
    folder = copied(root, tmp_path / "loud")
    tensors = load_file(folder / "model.safetensors")
    tensors["vocoder.decode"] = torch.zeros_like(tensors["vocoder.decode"])
    tensors["vocoder.decode"][0] = 1.0  # the first cepstrum is the level
    tensors["vocoder.floor"] = torch.zeros_like(tensors["vocoder.floor"])
    quiet = copied(folder, tmp_path / "quiet")
    for place, bias in ((folder, 1000.0), (quiet, 0.0)):
        changed = dict(tensors)
        changed["converter.out.bias"] = torch.zeros_like(tensors["converter.out.bias"])
        changed["converter.out.bias"][0] = bias
        save_file(changed, place / "model.safetensors")
    (loud,), (plain,) = (cloned(opened(place), SOURCES[:1], PROMPTS[:1], [0]) for place in (folder, quiet))
    assert float(loud.square().mean() / plain.square().mean()) < 6
