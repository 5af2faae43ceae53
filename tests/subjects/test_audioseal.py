"""AudioSeal as a subject, on the package's own classes with random weights."""

from __future__ import annotations

import json
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

if find_spec("audioseal") is None:  # importing it here would let it compile: see the subject
    pytest.skip("audioseal is not installed", allow_module_level=True)

from releasegate.checkpoint import open_checkpoint
from releasegate.checkpoint.load import load_module
from releasegate.errors import CheckpointError, UsageError
from releasegate.subjects.audioseal import AudioSeal, AudioSealConfig, Networks, open_subject
from releasegate.subjects.envelope import Envelope
from tests.tiny_audioseal import CONFIG, SEANET, save_audioseal

CPU = torch.device("cpu")


def opened(root: Path) -> AudioSeal:
    return open_subject(open_checkpoint(root), None, CPU, torch.float32)


def networks(root: Path) -> Networks:
    """The package's modules with the weights of a folder, to be called as the package means it."""
    config = AudioSealConfig.model_validate_json((root / "config.json").read_text())
    return load_module(open_checkpoint(root), Networks(config), device=CPU, dtype=torch.float32)


def noise(rows: int, samples: int = 4000) -> Tensor:
    drawn = torch.randn(rows, samples, generator=torch.Generator().manual_seed(0))
    return drawn * torch.tensor([0.1, 0.02, 0.2, 0.005])[torch.arange(rows) % 4, None]


def messages(rows: int) -> Tensor:
    return torch.randint(0, 2, (rows, 8), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_audioseal(tmp_path_factory.mktemp("audioseal") / "model")


@pytest.fixture(scope="module")
def audioseal(root: Path) -> AudioSeal:
    return opened(root)


@pytest.mark.parametrize("samples", [4000, 4001, 4039, 39, 100])
def test_it_detects_what_the_packages_forward_pass_does(root: Path, audioseal: AudioSeal, samples: int) -> None:
    audio = noise(4, samples)
    with torch.no_grad():
        result, message = networks(root).detector(audio[:, None])
        found = audioseal.detect(audio)
    assert torch.allclose(found.presence, result[:, 1], atol=1e-5)
    assert torch.allclose(found.score, result[:, 1].mean(dim=1), atol=1e-5)
    assert torch.allclose(found.bits, message, atol=1e-5)
    assert found.presence.std() > 1e-3
    assert (audioseal.rate, audioseal.bits, found.bits.shape) == (16000, 8, (4, 8))


def test_a_causal_net_is_read_alike(tmp_path: Path) -> None:
    causal = {"seanet": SEANET | {"causal": True, "pad_mode": "reflect"}}
    root = save_audioseal(tmp_path / "model", detector=causal, generator=CONFIG["generator"] | causal, envelope=None)
    with torch.no_grad():
        result, message = networks(root).detector(noise(2)[:, None])
        found = opened(root).detect(noise(2))
    assert torch.allclose(found.presence, result[:, 1], atol=1e-5)
    assert torch.allclose(found.bits, message, atol=1e-5)


def test_without_an_envelope_the_mark_is_added_as_published(tmp_path: Path) -> None:
    root = save_audioseal(tmp_path / "model", envelope=None)
    tensors = load_file(root / "model.safetensors")
    last = max(name for name in tensors if name.startswith("generator.decoder") and name.endswith("weight"))
    tensors[last] *= 0.1  # loud weights would clip
    save_file(tensors, root / "model.safetensors", metadata={"format": "pt"})
    audio, sent = noise(3), messages(3)
    with torch.no_grad():
        expected = networks(root).generator(audio[:, None], message=sent, alpha=1.0)[:, 0]
        assert (expected - audio).abs().max() > 1e-3
        assert torch.allclose(opened(root).mark(audio, sent), expected.clamp(-1, 1), atol=1e-6)


def test_with_an_envelope_the_mark_lies_so_far_below_the_speech_everywhere(audioseal: AudioSeal) -> None:
    audio = noise(3)
    audio[:, :2000] *= 0.01
    with torch.no_grad():
        added = audioseal.mark(audio, messages(3)) - audio
    for part in (slice(400, 1600), slice(2400, 3600)):
        ratio = 20 * torch.log10(
            audio[:, part].square().mean(dim=1).sqrt() / added[:, part].square().mean(dim=1).sqrt()
        )
        assert ratio.tolist() == pytest.approx([24] * 3, abs=1)


def test_an_envelope_is_the_slow_definition() -> None:
    speech, watermark = noise(2, 50).double(), 3 * noise(2, 50).flip(0).double()
    speech[0, :20] = 0
    window = 8

    def rms(row: list[float], i: int) -> float:
        near = [row[min(max(j, 0), len(row) - 1)] ** 2 for j in range(i - window // 2, i + window // 2)]
        return max(1e-5, (sum(near) / window) ** 0.5)

    fitted = Envelope(snr_db=20.0, window=window).fitted(watermark, speech)
    for row in range(2):
        s, w = speech[row].tolist(), watermark[row].tolist()
        expected = [0.1 * w[i] * rms(s, i) / rms(w, i) for i in range(50)]
        assert fitted[row].tolist() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_message_is_the_one_that_was_given(audioseal: AudioSeal) -> None:
    audio = noise(1).expand(2, -1)
    sent = torch.tensor([[0] * 8, [1] * 8])
    marked = audioseal.mark(audio, sent)
    assert not torch.allclose(marked[0], marked[1], atol=1e-4)
    assert torch.equal(marked, audioseal.mark(audio, sent))
    assert torch.allclose(audioseal.mark(audio, sent.flip(0)), marked.flip(0), atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 8), (3, 7), (8,)])
def test_a_message_must_be_given_for_each_clip(audioseal: AudioSeal, shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="messages"):
        audioseal.mark(noise(3), torch.zeros(shape, dtype=torch.int64))


def test_rows_do_not_depend_on_the_batch(audioseal: AudioSeal) -> None:
    audio, sent = noise(60), messages(60)
    found, marked = audioseal.detect(audio), audioseal.mark(audio, sent)
    for row in (0, 7, 49, 50, 59):
        alone = slice(row, row + 1)
        single = audioseal.detect(audio[alone])
        for ours, batch in zip(single, found, strict=True):
            assert torch.allclose(ours, batch[alone], atol=1e-5)
        assert torch.allclose(audioseal.mark(audio[alone], sent[alone]), marked[alone], atol=1e-5)


def test_gradients_flow_to_the_audio(audioseal: AudioSeal) -> None:
    sums: list[Any] = [
        lambda x: audioseal.detect(x).score.sum(),
        lambda x: audioseal.detect(x).bits.sum(),
        lambda x: audioseal.mark(x, messages(2)).square().sum(),
    ]
    for function in sums:
        audio = noise(2).requires_grad_(True)
        function(audio).backward()
        assert audio.grad is not None
        assert torch.isfinite(audio.grad).all()
        assert (audio.grad.abs().amax(dim=1) > 0).all()


def test_silence_stays_silent_and_has_a_score(audioseal: AudioSeal) -> None:
    silence = torch.zeros(1, 4000)
    assert (audioseal.mark(silence, messages(1)).abs() < 1e-5).all()
    assert torch.isfinite(audioseal.detect(silence).score).all()


def test_a_clip_that_is_not_finite_has_no_score(audioseal: AudioSeal) -> None:
    audio = noise(3)
    audio[1, 100], audio[2] = torch.nan, -torch.inf
    found = audioseal.detect(audio)
    for part in (found.score[:, None], found.presence, found.bits):
        assert torch.isfinite(part).all(dim=1).tolist() == [True, False, False]


def test_nothing_is_drawn_from_the_global_generator(root: Path) -> None:
    before = torch.random.get_rng_state()
    subject = opened(root)
    subject.detect(subject.mark(noise(1), messages(1)))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"nbits": 0}, "nbits: input should be greater than 0"),
        ({"nbits": 9}, "and its configuration asks for"),
        ({"detector": {"seanet": SEANET | {"norm": "weight_norm"}}}, "detector.seanet.norm: input should be 'none'"),
        (
            {"detector": {"seanet": SEANET | {"activation": "Module"}}},
            "detector.seanet.activation: input should be 'ELU'",
        ),
        ({"detector": {"seanet": SEANET | {"lstm": 2}}}, "4 missing tensors"),
        ({"envelope": {"snr_db": 24.0, "window": 641}}, "envelope.window: input should be a multiple of 2"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], what: str) -> None:
    root = save_audioseal(tmp_path / "model", **changes)
    with pytest.raises(CheckpointError) as caught:
        opened(root)
    assert what in caught.value.problems[0].what


def test_a_folder_is_a_checkpoint_like_any_other(root: Path) -> None:
    checkpoint = open_checkpoint(root)
    assert checkpoint.layout == "audioseal-hf"
    assert json.loads((root / "config.json").read_text()) == checkpoint.config


def test_an_envelope_is_that_of_the_example_that_trains_with_it() -> None:
    path = Path(__file__).parents[2] / "examples/mini_audioseal/envelope.py"
    if not path.is_file():
        pytest.skip("the example is not there")
    spec = spec_from_file_location("example_envelope", path)
    assert spec is not None
    assert spec.loader is not None
    example = module_from_spec(spec)
    spec.loader.exec_module(example)
    speech, watermark = noise(4), noise(4).flip(0)
    speech[0, :2000], watermark[1, 1000:1900] = 0, 0
    expected = example.embed(speech[:, None], watermark[:, None], 24.0, 640)[:, 0]
    ours = speech + Envelope(snr_db=24.0, window=640).fitted(watermark, speech)
    assert torch.allclose(ours, expected, atol=1e-7)
