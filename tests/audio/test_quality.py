"""The measures of quality, held to their packages, to slow definitions, and to what ruins a clip and what does not."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from releasegate.audio import dnsmos, quality
from releasegate.audio.quality import compare, dnsmos_ovrl, iou, pesq_wb, si_snr, snr, stoi, usable
from releasegate.errors import NotScorable

CLIPS = Path(__file__).parents[1] / "clips"
PAIRS: list[dict[str, Any]] = json.loads((CLIPS / "golden.json").read_text())["pairs"]
RATE = 16000
FLOORS = {"pesq": 1.5, "stoi": 0.8, "dnsmos": 1.5}


@cache
def read(name: str) -> Tensor:
    soundfile = pytest.importorskip("soundfile")
    return torch.from_numpy(soundfile.read(CLIPS / f"{name}.flac", dtype="float32")[0])


def batch(column: str) -> Tensor:
    return torch.stack([read(pair[column]) for pair in PAIRS])


def noise(seed: int, samples: int = 3 * RATE) -> Tensor:
    return torch.randn(samples, generator=torch.Generator().manual_seed(seed))


# PESQ and STOI.


def test_pesq_is_what_its_package_gave_for_the_committed_clips() -> None:
    pytest.importorskip("pesq")
    got = pesq_wb(batch("reference"), batch("degraded"), RATE)
    assert got == pytest.approx([pair["pesq_wb"] for pair in PAIRS], abs=5e-5)


def test_stoi_is_what_its_package_gave_for_the_committed_clips() -> None:
    pytest.importorskip("pystoi")
    got = stoi(batch("reference"), batch("degraded"), RATE)
    assert got == pytest.approx([pair["stoi"] for pair in PAIRS], abs=5e-5)


def test_pesq_and_stoi_are_what_their_packages_give_now() -> None:
    pesq, pystoi = pytest.importorskip("pesq"), pytest.importorskip("pystoi")
    clean = read("voice_1")[: 2 * RATE]
    other = (clean + 0.02 * noise(5, 2 * RATE)).clamp(-1, 1)
    assert pesq_wb(clean[None], other[None], RATE)[0] == pytest.approx(
        pesq.pesq(RATE, clean.numpy(), other.numpy(), "wb"), abs=5e-5
    )
    for rate in (8000, 10000, 16000):
        wanted = pystoi.stoi(clean.numpy(), other.numpy(), rate, extended=False)
        assert stoi(clean[None], other[None], rate)[0] == pytest.approx(wanted, abs=5e-5)


def test_pesq_at_another_rate_is_that_of_the_resampled_clip() -> None:
    pytest.importorskip("pesq")
    from releasegate.audio.resampling import resample

    clean, other = read("voice_0")[None], read("voice_0_noise_30_db")[None]
    high = [resample(a, RATE, 48000) for a in (clean, other)]
    got = pesq_wb(high[0], high[1], 48000)[0]
    assert got == pytest.approx(pesq_wb(clean, other, RATE)[0], abs=0.1)  # the noise at 8 kHz is filtered twice


def test_pesq_and_stoi_give_no_number_where_there_is_none() -> None:
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    voice, silence = read("voice_0")[None], torch.zeros(1, 3 * RATE)
    for reference, degraded in ((voice, silence), (silence, voice), (silence, silence), (voice[:, :100],) * 2):
        assert pesq_wb(reference, degraded, RATE) == [None]
        assert stoi(reference, degraded, RATE) == [None]
    assert stoi(voice[:, : RATE // 4], voice[:, : RATE // 4], RATE) == [None]
    assert pesq_wb(voice[:0], voice[:0], RATE) == []


def test_stoi_is_none_exactly_where_its_package_warns_of_too_few_frames() -> None:
    pystoi = pytest.importorskip("pystoi")
    import warnings

    for samples in range(5800, 6700, 100):
        clip = noise(0, samples) * 0.1
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            pystoi.stoi(clip.numpy(), clip.numpy(), RATE, extended=False)
        assert (stoi(clip[None], clip[None], RATE) == [None]) == bool(warned), samples


@pytest.mark.parametrize("measure", [pesq_wb, stoi])
def test_what_is_no_number_has_no_quality(measure: Any) -> None:
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    clip = read("voice_0")[None]
    with pytest.raises(ValueError, match="no finite number"):
        measure(clip, clip * math.nan, RATE)
    with pytest.raises(ValueError, match="of their shape"):
        measure(clip, clip[:, 1:], RATE)


# Ratios.


def slow_ratio(signal: list[float], noise_: list[float]) -> float:
    return 10 * math.log10(sum(s * s for s in signal) / sum(e * e for e in noise_))


def slow_si_snr(reference: list[float], degraded: list[float], *, zero_mean: bool) -> float:
    if zero_mean:
        of_reference, of_degraded = sum(reference) / len(reference), sum(degraded) / len(degraded)
        reference, degraded = [r - of_reference for r in reference], [d - of_degraded for d in degraded]
    share = sum(r * d for r, d in zip(reference, degraded, strict=True)) / sum(r * r for r in reference)
    signal = [share * r for r in reference]
    return slow_ratio(signal, [d - s for d, s in zip(degraded, signal, strict=True)])


@pytest.mark.parametrize("zero_mean", [True, False])
def test_si_snr_is_its_definition(zero_mean: bool) -> None:  # noqa: FBT001
    offset = torch.linspace(-0.1, 0.1, len(PAIRS))[:, None]
    reference, degraded = batch("reference")[:, :9000] + 0.03, batch("degraded")[:, :9000] + offset
    got = si_snr(reference, degraded, zero_mean=zero_mean)
    wanted = [
        slow_si_snr(r.double().tolist(), d.double().tolist(), zero_mean=zero_mean)
        for r, d in zip(reference, degraded, strict=True)
    ]
    assert got.tolist() == pytest.approx(wanted, abs=1e-6)
    assert (got - si_snr(reference, degraded, zero_mean=not zero_mean)).abs().max() > 0.5


def test_snr_is_its_definition_and_unlike_si_snr_hears_the_level() -> None:
    reference, degraded = batch("reference")[:, :9000], batch("degraded")[:, :9000]
    wanted = [
        slow_ratio(r.double().tolist(), (d.double() - r.double()).tolist())
        for r, d in zip(reference, degraded, strict=True)
    ]
    assert snr(reference, degraded).tolist() == pytest.approx(wanted, abs=1e-6)
    assert float(snr(reference[:1], reference[:1] * 0.9)) == pytest.approx(20, abs=1e-4)
    assert float(si_snr(reference[:1], reference[:1] * -0.5, zero_mean=True)) == 100


def test_ratios_of_equal_and_of_silent_clips_are_capped_and_nan_stays_nan() -> None:
    clip, silence = noise(1)[None], torch.zeros(1, 3 * RATE)
    for ratio in (snr, lambda r, d: si_snr(r, d, zero_mean=False), lambda r, d: si_snr(r, d, zero_mean=True)):
        assert float(ratio(clip, clip)) == 100
        assert float(ratio(silence, silence)) == 100
        assert float(ratio(silence, clip)) == -100
        assert math.isnan(float(ratio(clip, clip * math.nan)))
    assert float(si_snr(clip, silence, zero_mean=True)) in (-100, 100)
    assert float(snr(clip, silence)) == 0
    with pytest.raises(ValueError, match="sample by sample"):
        snr(clip, clip[:, 1:])


def test_a_ratio_has_a_gradient() -> None:
    clip, added = noise(1)[None], (noise(2) * 0.1)[None].requires_grad_()
    si_snr(clip, clip + added, zero_mean=True).sum().backward()
    assert added.grad is not None
    assert 0 < float(added.grad.abs().max()) < math.inf


# Localisation.


def test_iou_is_its_definition() -> None:
    generator = torch.Generator().manual_seed(3)
    predicted, truth = (torch.rand(2, 20, 50, generator=generator) < 0.4).unbind()
    for row, value in enumerate(iou(predicted, truth).tolist()):
        a = {i for i in range(50) if predicted[row, i]}
        b = {i for i in range(50) if truth[row, i]}
        assert value == pytest.approx(len(a & b) / len(a | b))


def test_iou_of_nothing_with_nothing_is_one_and_with_something_is_zero() -> None:
    nothing, something = torch.zeros(1, 8, dtype=torch.bool), torch.arange(8)[None] > 5
    assert iou(nothing, nothing).tolist() == [1]
    assert iou(nothing, something).tolist() == [0]
    assert iou(something, nothing).tolist() == [0]
    with pytest.raises(ValueError, match="apply a threshold first"):
        iou(something.float(), something)
    with pytest.raises(ValueError, match="one shape"):
        iou(something[:, 1:], something)


# DNSMOS.


@pytest.fixture
def network() -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("speechmos")


@pytest.mark.usefixtures("network")
def test_dnsmos_is_what_its_package_gave_for_the_committed_clips() -> None:
    some = [PAIRS[1], PAIRS[7]]
    got = dnsmos_ovrl(torch.stack([read(pair["degraded"]) for pair in some]), RATE)
    assert got.tolist() == pytest.approx([pair["dnsmos_ovrl"] for pair in some], abs=5e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("network")
def test_dnsmos_is_what_its_package_gives_now_for_clips_of_many_lengths() -> None:
    package = pytest.importorskip("speechmos.dnsmos")
    voice = torch.cat([read("voice_0"), read("voice_1")]).repeat(3)
    for seconds in (0.7, 2.25, 4.505, 9.01, 9.5, 11.02, 14.0):
        clip = voice[: int(seconds * RATE)]
        wanted = package.run(clip.numpy(), RATE)["ovrl_mos"]
        assert float(dnsmos_ovrl(clip[None], RATE)) == pytest.approx(wanted, abs=5e-5), seconds


def test_windows_are_a_second_apart_and_long_enough() -> None:
    ramp = torch.arange(11 * RATE, dtype=torch.float32).numpy()
    found = dnsmos.windows(ramp)
    assert found[:, 0].tolist() == [0, RATE]
    assert found.shape[1] == dnsmos.WINDOW
    assert dnsmos.windows(ramp[:RATE]).shape == (7, dnsmos.WINDOW)  # doubled to 16 s


@pytest.mark.usefixtures("network")
def test_dnsmos_refuses_what_is_beyond_full_scale_or_no_number() -> None:
    for clip in (read("voice_0") * 10, read("voice_0") * math.nan, torch.zeros(0)):
        with pytest.raises(ValueError, match=r"within \[-1, 1\]"):
            dnsmos_ovrl(clip[None], RATE)


# All of it, and the verdict.


@pytest.fixture
def packages(network: None) -> None:
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")


@pytest.mark.usefixtures("packages")
def test_a_comparison_holds_every_measure() -> None:
    pair = PAIRS[0]
    clean, other = read(pair["reference"]), read(pair["degraded"])
    found = compare(clean, other, RATE)
    assert found.pesq == pytest.approx(pair["pesq_wb"], abs=5e-5)
    assert found.stoi == pytest.approx(pair["stoi"], abs=5e-5)
    assert found.dnsmos == pytest.approx(pair["dnsmos_ovrl"], abs=5e-5)
    assert found.dnsmos_drop == pytest.approx(float(dnsmos_ovrl(clean[None], RATE)) - found.dnsmos, abs=1e-6)
    assert found.snr == pytest.approx(30, abs=0.1)
    assert found.si_snr == pytest.approx(30, abs=0.1)


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize(
    ("scale", "what"), [(0.0, "it is silent"), (math.nan, "a sample is no finite number"), (9.0, "beyond")]
)
def test_a_comparison_with_what_cannot_be_heard_is_an_error(scale: float, what: str) -> None:
    with pytest.raises(NotScorable) as raised:
        compare(read("voice_0"), read("voice_0") * scale, RATE)
    assert what in raised.value.problems[0].what


@pytest.fixture
def no_dnsmos(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNSMOS must not be asked."""

    def asked(audio: Tensor, rate: int) -> Tensor:
        raise AssertionError("DNSMOS was asked")

    monkeypatch.setattr(quality, "dnsmos_ovrl", asked)


@pytest.mark.usefixtures("packages", "no_dnsmos")
@pytest.mark.parametrize(
    "attacked",
    [
        lambda clip: clip,
        lambda clip: -clip,
        lambda clip: clip * 1e-3,
        lambda clip: torch.cat([torch.zeros(80), clip[:-80]]),
        lambda clip: torch.cat([clip, torch.zeros(500)]),
    ],
    ids=["none", "polarity", "60 dB quieter", "5 ms late", "longer"],
)
def test_what_an_ear_does_not_mind_ruins_nothing_and_the_slow_measure_is_not_asked(attacked: Any) -> None:
    judged = usable(read("voice_0"), attacked(read("voice_0")), RATE, aligned=True, floors=FLOORS)
    assert judged.usable
    assert set(judged.values) == {"si_snr", "stoi", "pesq"}
    assert judged.why.startswith("STOI ")


@pytest.mark.usefixtures("packages", "no_dnsmos")
def test_one_measure_at_its_floor_is_enough() -> None:
    clean, other = read("voice_0"), read("voice_0_noise_0_db")  # PESQ 1.02, STOI .78
    judged = usable(clean, other, RATE, aligned=True, floors={**FLOORS, "stoi": 0.78})
    assert judged == quality.Judged(usable=True, why="STOI 0.78: at least 0.78", values=judged.values)
    judged = usable(clean, other, RATE, aligned=True, floors={**FLOORS, "pesq": 1.02})
    assert judged == quality.Judged(usable=True, why="PESQ 1.02: at least 1.02", values=judged.values)


@pytest.mark.usefixtures("packages")
def test_a_clip_below_every_floor_is_ruined_and_all_of_them_say_so() -> None:
    clean, other = read("voice_0"), read("voice_0_noise_0_db")
    judged = usable(clean, other, RATE, aligned=True, floors=FLOORS)
    assert not judged.usable
    assert judged.why.startswith("ruined: STOI 0.78 (below 0.8), PESQ 1.02 (below 1.5), DNSMOS 1.")
    assert set(judged.values) == {"si_snr", "stoi", "pesq", "dnsmos"}
    unaligned = usable(clean, other[100:], RATE, aligned=False, floors=FLOORS)
    assert not unaligned.usable
    assert set(unaligned.values) == {"dnsmos"}


@pytest.mark.usefixtures("packages")
def test_unaligned_clips_are_judged_by_dnsmos_alone_at_one_level() -> None:
    clean = read("voice_1")
    judged = usable(clean, clean.roll(9000)[:40000] * 0.01, RATE, aligned=False, floors=FLOORS)
    assert judged.usable
    assert set(judged.values) == {"dnsmos"}
    again = usable(clean, -clean.roll(9000)[:40000], RATE, aligned=False, floors=FLOORS)
    assert again.values["dnsmos"] == pytest.approx(judged.values["dnsmos"], abs=0.02)


@pytest.mark.usefixtures("packages")
def test_a_clip_that_dnsmos_never_liked_is_not_called_ruined_by_it() -> None:
    clean, other = read("voice_0"), read("voice_0_noise_0_db")
    judged = usable(clean, other, RATE, aligned=True, floors={**FLOORS, "dnsmos": 4.5})
    assert judged.usable
    assert judged.why.endswith("before the attack: DNSMOS cannot tell")


@pytest.mark.usefixtures("packages", "no_dnsmos")
def test_silence_is_ruined_and_what_cannot_be_judged_is_an_error() -> None:
    clip = read("voice_0")
    assert not usable(clip, clip * 0, RATE, aligned=True, floors=FLOORS).usable
    assert not usable(clip, clip[:0], RATE, aligned=False, floors=FLOORS).usable
    for reference, attacked, what in (
        (clip * 0, clip, "silent"),
        (clip, clip * math.nan, "no finite number"),
        (clip, clip[1:], "47999 samples"),
    ):
        with pytest.raises(NotScorable) as raised:
            usable(reference, attacked, RATE, aligned=True, floors=FLOORS)
        assert what in raised.value.problems[0].what
