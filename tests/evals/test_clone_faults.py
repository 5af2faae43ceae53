"""What is no clone is told by its fault, whatever was done to it; real speech and honest conversions have none."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from evals import voices
from evals.clone_faults import fault
from evals.recordings import RATE
from releasegate.attacks import Given, find_attack
from releasegate.errors import NotFound


def there() -> bool:
    try:
        return bool(voices.find(voices.clips("source")[0]))
    except NotFound:
        return False


needs_recordings = pytest.mark.skipif(not there(), reason="no recordings here: make speech")
pytestmark = needs_recordings


@lru_cache(maxsize=16)
def said(index: int = 0) -> Tensor:
    return voices.read(voices.clips("source")[index])


@lru_cache(maxsize=16)
def prompt(speaker: str = "june_fr", seconds: float = 5.0) -> Tensor:
    return voices.prompt(voices.clips("prompt", speaker)[:12], seconds)


@lru_cache(maxsize=16)
def real(speaker: str = "june_fr", index: int = 0) -> Tensor:
    return voices.read(voices.clips("real", speaker)[index])


def after(sound: Tensor, attack: str, strength: float) -> Tensor:
    return find_attack(attack).apply(Given(sound[None], RATE, (7,)), strength)[0].clamp(-1, 1)


def like(sound: Tensor) -> Tensor:
    """The loudness of a sound over time: float32 [t]."""
    return functional.avg_pool1d(sound.abs()[None, None], 401, 1, 200)[0, 0]


def noise(seconds: float = 3.0, slope: float = 0.0) -> Tensor:
    """float32 [t] with a spectrum that falls by `slope` x 20 dB a decade."""
    samples = round(seconds * RATE)
    white = torch.fft.rfft(torch.randn(samples, generator=torch.Generator().manual_seed(1)))
    coloured = torch.fft.irfft(white / torch.arange(1, len(white) + 1) ** slope, n=samples)
    return 0.3 * coloured / coloured.abs().max()


def tone(hertz: float, seconds: float = 3.0) -> Tensor:
    return torch.sin(2 * math.pi * hertz * torch.arange(round(seconds * RATE)) / RATE)


# No fault.


@pytest.mark.parametrize("speaker", ["june_fr", "ivr_ru", "carlo_it", "novy_cs", "fillets_cs_v"])
def test_another_recording_of_the_person_has_no_fault(speaker: str) -> None:
    for index in range(4):
        clip = real(speaker, index)
        assert fault(clip, clip.flip(0), prompt(speaker)) is None


@pytest.mark.parametrize(
    ("attack", "strength"),
    [("white_noise", 15), ("mp3", 16), ("gsm", 13), ("lowpass", 1000), ("world", 5), ("gain", -40), ("pitch", 4)],
)
def test_speech_of_low_quality_has_no_fault(attack: str, strength: float) -> None:
    clip = after(real(), attack, strength)
    assert fault(clip, clip.flip(0), prompt()) is None


def test_speech_behind_a_crack_or_beside_an_offset_has_no_fault() -> None:
    quiet = real() * 0.02
    crack = quiet + functional.pad(noise(0.08) * 3, (0, len(quiet) - RATE * 8 // 100))
    assert fault(crack, quiet.flip(0), prompt()) is None
    assert fault(real() * 0.5 + 0.4, real().flip(0), prompt()) is None


def test_two_takes_of_one_sentence_are_two_sounds() -> None:
    takes = {voice.path.rpartition("/")[2]: voices.read(voice) for voice in voices.clips("source_rehearsal")}
    first, second = takes["confbridge-begin-glorious-a.g722"], takes["confbridge-begin-glorious-c.g722"]
    assert fault(first, said(), second) is None
    assert fault(first, second, prompt()) is None


@pytest.mark.parametrize("name", ["world_moments", "world_affine", "residual_swap"])
def test_the_words_of_one_in_the_voice_of_another_have_no_fault(name: str) -> None:
    pytest.importorskip("pyworld")
    from evals.voice_routes import ROUTES, Asked, cloned
    from evals.world_frames import spoken

    person = [spoken(voice) for voice in voices.clips("prompt", "carlo_it")[:3]]
    for index, voice in enumerate(voices.clips("source")[2:5]):
        clone = cloned(ROUTES[name], Asked(spoken(voice), person, index))
        assert fault(clone, voices.read(voice), prompt("carlo_it")) is None


# Malformed, silent, of a wrong length.

MALFORMED: dict[str, tuple[Callable[[], Tensor], str]] = {
    "two channels": (lambda: torch.stack([real(), real()]), "not one channel"),
    "whole numbers": (lambda: (real() * 1000).short(), "not one channel"),
    "empty": (lambda: torch.zeros(0), "has 0 samples"),
    "a tenth of a second": (lambda: real()[: RATE // 10 - 1], "has 1599 samples"),
    "a NaN": (lambda: real().clone().index_fill_(0, torch.tensor([9]), math.nan), "no finite number"),
    "an infinity": (lambda: real().clone().index_fill_(0, torch.tensor([9]), math.inf), "no finite number"),
    "beyond 1": (lambda: real() / real().abs().max() * 1.01, "has a sample of magnitude 1.01, beyond 1"),
    "silence": (lambda: torch.zeros(3 * RATE), "is silent"),
    "next to silence": (lambda: noise() * 1e-4, "is silent"),
    "too short": (lambda: real()[: len(said()) // 5], "s, and the recording of its words"),
    "too long": (lambda: torch.cat([real("ivr_ru", k) for k in range(9)])[: 5 * len(said())], "lasts"),
    "a word and silence": (lambda: functional.pad(real()[: len(said()) // 6], (0, len(said()))), "sounds for"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_malformed_silent_or_of_a_wrong_length_is_told(name: str) -> None:
    make, what = MALFORMED[name]
    found = fault(make(), said(), prompt())
    assert found is not None
    assert what in found


def test_rounding_at_full_scale_is_no_fault() -> None:
    clip = real() / real().abs().max() * 1.00005
    assert fault(clip, clip.flip(0), prompt()) is None


# Noise and hum.

NOISES: dict[str, Callable[[], Tensor]] = {
    "white": noise,
    "pink": lambda: noise(slope=0.5),
    "brown": lambda: noise(slope=1.0),
    "white as loud as speech": lambda: noise(len(said()) / RATE)[: len(said())] * like(said()) * 3,
    "brown as loud as speech": lambda: noise(len(said()) / RATE, 1.0)[: len(said())] * like(said()) * 3,
    "a tone": lambda: 0.3 * tone(200),
    "a tone that swells": lambda: 0.2 * tone(150) * (1 + tone(4)),
    "a buzz": lambda: 0.3 * tone(120).sign(),
    "a buzz that swells": lambda: 0.2 * tone(120).sign() * (1 + tone(4)),
    "a gliding tone": lambda: 0.3 * torch.sin(2 * math.pi * (torch.arange(3 * RATE) / RATE) ** 2 * 200),
    "clicks": lambda: (torch.arange(3 * RATE) % 4000 < 16).float() * 0.5,
    "a constant": lambda: torch.full((3 * RATE,), 0.25),
    "the loudest square": lambda: tone(440).sign(),
}


@pytest.mark.parametrize("name", NOISES)
def test_noise_and_hum_are_told_from_speech(name: str) -> None:
    found = fault(NOISES[name](), said(), prompt())
    assert found is not None
    assert found.startswith(("is noise", "is no speech", "sounds for")), found


# The prompt, or the words' recording, given back.

HANDLED = [
    ("none", 0),
    ("gain", -20),
    ("polarity", 0),
    ("shift", 13),
    ("white_noise", 15),
    ("pink_noise", 15),
    ("mp3", 16),
    ("gsm", 13),
    ("mulaw", 0),
    ("lowpass", 3400),
    ("equalise", 6),
    ("resample", 8000),
    ("echo", 100),
]


def handled(sound: Tensor, attack: str, strength: float) -> Tensor:
    if attack in ("mp3", "gsm", "mulaw"):
        pytest.importorskip("av")
        pytest.importorskip("soundfile")
    return after(sound, attack, strength)


@pytest.mark.parametrize(("attack", "strength"), HANDLED)
def test_the_prompt_given_back_is_found(attack: str, strength: float) -> None:
    found = fault(handled(prompt(), attack, strength), said(), prompt())
    assert found is not None
    assert found.startswith("holds the sound of its prompt")


@pytest.mark.parametrize(("attack", "strength"), HANDLED)
def test_the_recording_of_the_words_passed_through_is_found(attack: str, strength: float) -> None:
    found = fault(handled(said(), attack, strength), said(), prompt())
    assert found is not None
    assert "passed through" in found


@pytest.mark.parametrize("seconds", [1.0, 2.0, 10.0])
def test_a_prompt_of_any_length_is_found_in_a_clone(seconds: float) -> None:
    given = prompt("june_fr", seconds)
    repeated = given.repeat(9)[1000 : 1000 + len(said())]
    found = fault(repeated, said(), given)
    assert found is not None
    assert found.startswith("holds the sound of its prompt")


def test_a_second_of_the_prompt_inside_something_else_is_found() -> None:
    clone = torch.cat([real("june_fr", 1), prompt()[RATE : 2 * RATE], real("june_fr", 2)])
    found = fault(clone, clone.flip(0), prompt())
    assert found is not None
    assert found.startswith("holds the sound of its prompt")


@pytest.mark.parametrize(("attack", "strength"), [("griffin_lim", 32), ("speed", 1.01), ("world", 5)])
def test_the_prompt_made_anew_is_found(attack: str, strength: float) -> None:
    if attack == "world":
        pytest.importorskip("pyworld")
    found = fault(after(prompt(), attack, strength), said(), prompt())
    assert found is not None
    assert "its prompt" in found


def test_a_clone_that_is_half_the_words_recording_is_passed_through_and_a_quarter_is_not() -> None:
    own = said(1)
    other = real("ivr_ru", 0)
    half = torch.cat([own, other[: len(own) // 3]])
    assert "passed through" in str(fault(half, own, prompt()))
    little = torch.cat([own[:RATE], other, real("ivr_ru", 1)])
    assert fault(little, own.repeat(2), prompt()) is None
