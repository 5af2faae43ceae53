"""Perth as a subject: what holds for it with any weights; `test_perth_weights.py` holds it against the package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from releasegate.checkpoint import open_checkpoint
from releasegate.errors import CheckpointError, UsageError
from releasegate.subjects.perth import Perth, open_subject
from tests.tiny_perth import save_perth

CPU = torch.device("cpu")
NO_MESSAGE = torch.empty(1, 0, dtype=torch.int64)


def opened(root: Path) -> Perth:
    return open_subject(open_checkpoint(root), None, CPU, torch.float32)


def noise(rows: int, samples: int = 8000, seed: int = 0) -> Tensor:
    """float32 [rows, samples], louder and softer."""
    drawn = torch.randn(rows, samples, generator=torch.Generator().manual_seed(seed))
    return drawn * torch.tensor([0.1, 0.02, 0.3, 0.005])[torch.arange(rows) % 4, None]


@pytest.fixture(scope="module")
def perth(tmp_path_factory: pytest.TempPathFactory) -> Perth:
    return opened(save_perth(tmp_path_factory.mktemp("perth") / "model"))


def test_a_score_stands_for_the_whole_clip_and_no_message_is_carried(perth: Perth) -> None:
    found = perth.detect(noise(3))
    assert found.score.shape == (3,)
    assert found.score.dtype == torch.float32
    assert torch.equal(found.presence, found.score[:, None].expand(3, 8000))
    assert found.bits.shape == (3, 0)
    assert (perth.rate, perth.bits) == (16000, 0)
    assert len(set(found.score.tolist())) == 3


@pytest.mark.parametrize("samples", [8000, 8001, 8159, 8160])
def test_rows_do_not_depend_on_the_batch(perth: Perth, samples: int) -> None:
    audio = noise(5, samples)
    audio[1, 2000:6000] = 0  # some frames of digital silence
    score, marked = perth.detect(audio).score, perth.mark(audio, NO_MESSAGE.expand(5, 0))
    for row in range(5):
        alone = audio[row : row + 1]
        assert perth.detect(alone).score[0].item() == pytest.approx(score[row].item(), abs=1e-5)
        assert torch.allclose(perth.mark(alone, NO_MESSAGE)[0], marked[row], atol=1e-5)


def test_a_nearly_silent_part_counts_the_same_beside_a_silent_clip(perth: Perth) -> None:
    audio = noise(8)
    audio[:, 3000:6000] *= torch.logspace(-3, -10, 8)[:, None]
    together = perth.detect(torch.cat([audio, torch.zeros(1, 8000)])).score[:8]  # for which all bins are looked at
    alone = torch.cat([perth.detect(clip[None]).score for clip in audio])
    assert alone.tolist() == pytest.approx(together.tolist(), abs=1e-5)
    assert alone[0].item() != pytest.approx(alone[7].item(), abs=1e-3)


def test_what_a_mark_adds_lies_below_2_khz(perth: Perth) -> None:
    audio = noise(2, 16000)
    added = perth.mark(audio, NO_MESSAGE.expand(2, 0)) - audio
    spectrum = torch.fft.rfft(added * torch.hann_window(16000)).abs().square()  # bins of 1 Hz
    assert added.shape == audio.shape
    assert spectrum.sum() > 0
    assert spectrum[:, 2100:].sum() < 1e-6 * spectrum.sum()


def test_a_clip_without_sound_is_unmarked_and_stays_as_it_is(perth: Perth) -> None:
    audio = noise(2)
    audio[0] = 0
    found = perth.detect(audio)
    assert found.score[0] == 0
    assert not found.presence[0].any()
    assert found.score[1] > 0
    assert torch.equal(perth.mark(audio, NO_MESSAGE.expand(2, 0))[0], audio[0])


def test_a_single_click_in_silence_has_a_finite_score(perth: Perth) -> None:
    audio = torch.zeros(60, 4000)
    audio[torch.arange(60), torch.arange(60) * 60] = 0.5
    assert torch.isfinite(perth.detect(audio).score).all()


def test_a_clip_that_is_not_finite_has_no_score(perth: Perth) -> None:
    audio = noise(3)
    audio[1, 100], audio[2] = torch.nan, torch.inf
    score = perth.detect(audio).score
    assert torch.isfinite(score).tolist() == [True, False, False]


def test_gradients_flow_to_the_audio_from_score_and_mark(perth: Perth) -> None:
    for function in (lambda x: perth.detect(x).score, lambda x: perth.mark(x, NO_MESSAGE.expand(2, 0))):
        audio = noise(2)
        audio[:, 3000:5000] = 0
        audio.requires_grad_(True)
        function(audio).square().sum().backward()
        assert audio.grad is not None
        assert torch.isfinite(audio.grad).all()
        assert (audio.grad.abs().amax(dim=1) > 0).all()


def test_a_gradient_is_the_slope_of_the_score(perth: Perth) -> None:
    audio = noise(1).requires_grad_(True)
    (slope,) = torch.autograd.grad(perth.detect(audio).score.sum(), audio)
    with torch.no_grad():
        step = 1e-4 * slope / slope.norm()
        rise = perth.detect(audio + step).score - perth.detect(audio - step).score
    assert rise.item() == pytest.approx(2e-4 * slope.norm().item(), rel=0.1)


def test_a_score_at_the_end_of_its_range_still_has_a_gradient(tmp_path: Path) -> None:
    root = save_perth(tmp_path / "model")
    tensors = load_file(root / "model.safetensors")
    for name in tensors:
        if name.startswith("decoder") and name.endswith("6.conv.bias"):
            tensors[name] = tensors[name] + 9
    save_file(tensors, root / "model.safetensors", metadata={"format": "pt"})
    audio = noise(2).requires_grad_(True)
    score = opened(root).detect(audio).score
    assert score.tolist() == [1, 1]
    score.sum().backward()
    assert audio.grad is not None
    assert audio.grad.abs().sum() > 0


def test_a_clip_shorter_than_half_a_frame_is_refused(perth: Perth) -> None:
    assert perth.detect(noise(1, 513)).score.shape == (1,)
    with pytest.raises(UsageError) as caught:
        perth.detect(noise(1, 512))
    assert caught.value.problems[0].what == "has clips of 512 samples, and Perth needs 513 (0.032 s)"
    with pytest.raises(UsageError):
        perth.mark(noise(1, 100), NO_MESSAGE)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"window": "kaiser"}, "window: input should be 'hann'"),
        ({"sample_rate": 44100}, "has frames at 32000 Hz that are no whole samples at 44100 Hz"),
        ({"hidden_size": 0}, "hidden_size: input should be greater than 0"),
        ({"extra": 1}, "extra: extra inputs are not permitted"),
    ],
)
def test_a_configuration_that_is_not_perths_is_refused(tmp_path: Path, changes: dict[str, object], what: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        opened(save_perth(tmp_path / "model", **changes))
    assert caught.value.problems[0].what == what


def test_tensors_have_to_fit_the_configuration(tmp_path: Path) -> None:
    root = save_perth(tmp_path / "model")
    config = json.loads((root / "config.json").read_text())
    (root / "config.json").write_text(json.dumps(config | {"hidden_size": 9}))
    with pytest.raises(CheckpointError, match="and its configuration asks for"):
        opened(root)
    (root / "config.json").write_text(json.dumps(config))
    tensors = load_file(root / "model.safetensors")
    bias = tensors.pop("encoder.layers.0.conv.bias")
    save_file(tensors, root / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"1 missing tensors, the first encoder\.layers\.0\.conv\.bias"):
        opened(root)
    save_file(tensors | {"encoder.layers.0.conv.bias": bias, "more": bias.clone()}, root / "model.safetensors")
    with pytest.raises(CheckpointError, match="1 unexpected tensors, the first more"):
        opened(root)
