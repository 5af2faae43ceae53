import io
import subprocess
import sys
from math import ceil

import pytest
import torch

from releasegate.attacks import FAMILIES, Given, find_attack
from releasegate.attacks.coding import AMR, ATTACKS, STANDARDS
from releasegate.audio.companding import mu_law
from releasegate.audio.resampling import resample
from releasegate.errors import NotFound, UsageError
from tests.measured_sound import band_db, lag, snr_db, tone
from tests.voices import voice, voices

pytest.importorskip("av")
soundfile = pytest.importorskip("soundfile")

RATE = 16000
MIDDLE = {"mp3": 32, "aac": 32, "opus": 16, "vorbis": 32, "amr": 12.2, "gsm": 0, "g722": 0, "mulaw": 0}
GRID = [
    *[("mp3", kbps) for kbps in (8, 16, 32, 64, 128, 192, 320)],
    *[("aac", kbps) for kbps in (8, 16, 32, 64, 96, 128, 256)],
    *[("opus", kbps) for kbps in (6, 8, 12, 16, 24, 32, 64, 128)],
    *[("vorbis", kbps) for kbps in (16, 24, 32, 64, 96, 128, 192)],
    *[("amr", kbps) for kbps in AMR],
    ("gsm", 0),
    ("g722", 0),
    ("mulaw", 0),
]
every = pytest.mark.parametrize("name", sorted(MIDDLE))


def through(name, audio, strength=None, rate=RATE):
    given = Given(audio, rate, tuple(range(len(audio))))
    return find_attack(name).apply(given, MIDDLE[name] if strength is None else strength)


def test_the_family_is_the_one_that_is_listed():
    assert tuple(ATTACKS) == FAMILIES["coding"]
    assert all(attack.family == "coding" and attack.aligned for attack in ATTACKS.values())


@pytest.mark.parametrize(("name", "strength"), GRID)
def test_speech_stays_in_its_place_as_long_and_as_loud_as_it_was(name, strength):
    audio = voice(1.5, 1)[None]
    attacked = through(name, audio, strength)
    assert attacked.shape == audio.shape
    assert attacked.dtype == torch.float32
    assert float(attacked.abs().max()) <= 1
    assert abs(lag(attacked[0], audio[0])) <= (1 if name == "amr" else 0)
    for last in (24000, 8000, 1600):  # a hiss lies above what telephones carry, so the level is that of the low band
        came, went = (band_db(clip[0, -last:], RATE, 200, 2000) for clip in (attacked, audio))
        assert came == pytest.approx(went, abs=3)
    low, high = find_attack(name).domain
    assert low <= strength <= high


@pytest.mark.parametrize("rate", [8000, 22050, 24000, 48000])
@every
def test_clips_of_other_rates_stay_in_their_place_to_within_a_sample_of_the_codec(name, rate):
    audio = voice(1.0, 2, rate)[None]
    attacked = through(name, audio, rate=rate)
    assert attacked.shape == audio.shape
    assert abs(lag(attacked[0], audio[0])) <= max(1, rate // 16000)


@every
def test_a_clip_comes_out_the_same_alone_in_a_batch_and_in_any_order(name):
    audio = voices(4, 0.8)
    together = through(name, audio)
    assert torch.allclose(together.flip(0), through(name, audio.flip(0)), atol=1e-5)
    for row, clip in zip(together, audio, strict=True):
        assert torch.allclose(row, through(name, clip[None])[0], atol=1e-5)


@every
def test_silence_short_clips_and_full_scale_come_out_finite_and_as_long(name):
    assert float(through(name, torch.zeros(2, 4000)).abs().max()) < 2e-3
    for clip in (torch.full((1, 1), 0.5), voice(0.1, 0)[None], torch.ones(1, 3200), tone(440, 0.2)[None].sign()):
        attacked = through(name, clip)
        assert attacked.shape == clip.shape
        assert bool(torch.isfinite(attacked).all())
        assert float(attacked.abs().max()) <= 1


RATES = [
    *[("mp3", kbps, kbps, 0.01) for kbps in (8, 32, 128, 320)],
    *[("aac", kbps, kbps, 0.3) for kbps in (16, 32, 64)],
    *[("opus", kbps, kbps, 0.3) for kbps in (6, 16, 32, 64)],
    *[("vorbis", kbps, kbps, 0.3) for kbps in (16, 24, 32, 64)],
    *[("amr", kbps, 0.4 * (1 + ceil(2.5 * kbps)), 1e-9) for kbps in AMR],  # 20 ms: a head of one byte, then whole bytes
    ("gsm", 0, 13.2, 1e-9),
    ("g722", 0, 64, 1e-9),
]


@pytest.mark.parametrize(("name", "strength", "kbps", "within"), RATES)
def test_another_two_seconds_of_speech_take_the_bits_that_the_bit_rate_says(name, strength, kbps, within):
    standard = STANDARDS[name]
    own = standard.rate(RATE, strength)
    speech = resample(voice(4.0, 3)[None], RATE, own)[0].numpy()
    short, long = (standard.through(speech[: own * seconds], own, strength).bits for seconds in (2, 4))
    assert (long - short) / 2000 == pytest.approx(kbps, rel=within)


@pytest.mark.parametrize(
    ("name", "few", "many", "gain_db"),
    [("mp3", 8, 32, 5), ("aac", 8, 32, 5), ("opus", 6, 24, 5), ("vorbis", 16, 64, 5), ("amr", 4.75, 12.2, 0.5)],
)
def test_more_bits_leave_more_of_the_clip(name, few, many, gain_db):
    audio = voice(1.5, 4)[None]
    coarse, fine = (snr_db(through(name, audio, strength)[0], audio[0]) for strength in (few, many))
    assert fine > coarse + gain_db


@pytest.mark.parametrize(
    ("name", "kept", "gone"),
    [("amr", (500, 3000), (4400, 8000)), ("gsm", (500, 3400), (4400, 8000)), ("mulaw", (500, 3600), (4400, 8000))],
)
def test_telephones_let_nothing_through_above_four_kilohertz(name, kept, gone):
    noise = 0.1 * torch.randn(1, 16000, generator=torch.Generator().manual_seed(0)).clamp(-3, 3)
    attacked = through(name, noise)[0]
    assert band_db(attacked, RATE, *gone) < band_db(noise[0], RATE, *gone) - 40
    assert band_db(attacked, RATE, *kept) == pytest.approx(band_db(noise[0], RATE, *kept), abs=3)


def test_wide_band_telephones_carry_seven_kilohertz():
    noise = 0.1 * torch.randn(1, 16000, generator=torch.Generator().manual_seed(0)).clamp(-3, 3)
    attacked = through("g722", noise)[0]
    assert band_db(attacked, RATE, 4500, 6800) == pytest.approx(band_db(noise[0], RATE, 4500, 6800), abs=1)


def test_an_mp3_of_few_bits_cuts_off_the_top_of_the_band():
    noise = 0.1 * torch.randn(1, 16000, generator=torch.Generator().manual_seed(0)).clamp(-3, 3)
    lost = [
        band_db(noise[0], RATE, 6500, 8000) - band_db(through("mp3", noise, kbps)[0], RATE, 6500, 8000)
        for kbps in (16, 64)
    ]
    assert lost[0] > 30
    assert lost[1] < lost[0] - 10


def test_mu_law_gives_the_levels_that_libsndfile_gives():
    audio = (torch.arange(-8192, 8192) / 8192)[None]
    file = io.BytesIO()
    soundfile.write(file, audio[0].numpy(), 8000, format="RAW", subtype="ULAW")
    file.seek(0)
    expected = soundfile.read(
        file, samplerate=8000, channels=1, format="RAW", subtype="ULAW", dtype="float32", frames=16384
    )[0]
    ours = mu_law(audio)[0]
    assert len(ours.unique()) == 255
    assert ours.numpy() == pytest.approx(expected, abs=1e-6)


def test_mu_law_computes_on_the_device_of_the_audio():
    """On `meta` nothing is computed, but what is made on another device cannot be combined with it."""
    assert through("mulaw", torch.zeros(2, 4000, device="meta")).device.type == "meta"


@pytest.mark.parametrize(("name", "strength", "fix"), [("mp3", 50, "48, 56"), ("amr", 5, "4.75, 5.15")])
def test_a_bit_rate_that_a_codec_does_not_have_is_refused_with_those_that_it_has(name, strength, fix):
    with pytest.raises(UsageError, match=f"attack {name}: the codec has no bit rate of {strength} kbit/s") as raised:
        through(name, voice(0.1, 0)[None], strength)
    assert fix in raised.value.problems[0].fix


def test_a_missing_package_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(NotFound, match="package av: av is not installed") as raised:
        through("g722", voice(0.1, 0, 12345)[None], rate=12000)
    assert raised.value.problems[0].fix == "pip install 'releasegate[audio]'"


def test_the_attacks_can_be_listed_without_the_packages_that_they_need():
    program = (
        "import sys\n"
        "for name in ('av', 'soundfile', 'pyworld'): sys.modules[name] = None\n"
        "from releasegate.attacks import FAMILIES, find_attack\n"
        "names = [n for f in ('coding', 'regenerating', 'warping') for n in FAMILIES[f]]\n"
        "print(*[find_attack(n).name for n in names])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        name for family in ("coding", "regenerating", "warping") for name in FAMILIES[family]
    ]
