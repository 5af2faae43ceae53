"""Codecs: a clip is encoded and decoded again, as platforms, messengers and telephones do.

Everything happens in memory, one clip a thread. A clip comes out as long as it went in, and in its place: what a codec puts
in front is measured once a codec, rate and strength, with a sound of our own, and cut off. libav cuts some of it itself (MP3,
most of Opus) and leaves the rest (AAC, AMR, G.722), so a table of the delays in the standards would not hold. What a codec of
speech makes is no copy of the wave: there the place is good to half a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import torch
from torch import Tensor
from torch.nn import functional

from releasegate.attacks.attack import Attack, Given
from releasegate.attacks.rowwise import Samples, each_row
from releasegate.attacks.strengths import at_rate
from releasegate.audio.companding import mu_law
from releasegate.audio.libav import Codec, Coded, code
from releasegate.audio.packages import package
from releasegate.audio.sndfile import gsm, nominal, vorbis
from releasegate.errors import UsageError

MP3 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 192, 224, 256, 320)
"""kbit/s, the constant bit rates of MPEG-1 and MPEG-2 layer III together (ISO/IEC 11172-3, 2.4.2.3; 13818-3, 2.4.2.3)."""
AMR = (4.75, 5.15, 5.9, 6.7, 7.4, 7.95, 10.2, 12.2)
"""kbit/s, the modes of AMR narrow-band (3GPP TS 26.071)."""

TAIL = 0.06
"""Seconds of silence appended, so that a codec that holds back the end of what it is fed (G.722 does) gives all of the clip."""


@dataclass(frozen=True)
class Standard:
    """A codec as a standard has it.

    Attributes:
        rates: samples a second that it may be fed, rising.
        through: a clip at one of them and the strength, to what came back.
        has: whether it has a strength at a rate.
        strengths: those that it has, in kbit/s; None for any.
    """

    rates: tuple[int, ...]
    through: Callable[[Samples, int, float], Coded]
    has: Callable[[float, int], bool] = lambda strength, rate: True
    strengths: Sequence[float] | None = None

    def rate(self, rate: int, strength: float) -> int:
        """The rate to encode a clip of `rate` samples a second at: the lowest that loses nothing, else the highest there is.

        A bit rate may be too low or too high for some rates, as 128 kbit/s are for MP3 at 8 kHz: those do not count.
        """
        able = [own for own in self.rates if self.has(strength, own)]
        return next((own for own in able if own >= rate), able[-1])


def _libav(codec: Codec, samples: Samples, rate: int, strength: float) -> Coded:
    return code(package("av"), codec, samples, rate, round(1000 * strength) or None)


def _gsm(samples: Samples, rate: int, strength: float) -> Coded:
    return gsm(package("soundfile"), samples, rate)


def _vorbis(samples: Samples, rate: int, strength: float) -> Coded:
    return vorbis(package("soundfile"), samples, rate, round(1000 * strength))


def _mp3_has(strength: float, rate: int) -> bool:
    if rate >= 32000:
        return strength >= 32 and strength != 144
    return strength <= (160 if rate >= 16000 else 64)


def _aac_has(strength: float, rate: int) -> bool:
    """At most 6,144 bits for each 1,024 samples of a channel (ISO/IEC 14496-3, 4.5.3)."""
    return 1000 * strength <= 6 * rate


def _vorbis_has(strength: float, rate: int) -> bool:
    soundfile = package("soundfile")
    return nominal(soundfile, rate, 0.0) <= 1000 * strength <= nominal(soundfile, rate, 1.0)


STANDARDS: Mapping[str, Standard] = {
    "mp3": Standard(
        rates=(8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
        through=partial(_libav, Codec("libmp3lame", "mp3float", "fltp")),
        has=_mp3_has,
        strengths=MP3,
    ),
    "aac": Standard(
        rates=(8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
        through=partial(_libav, Codec("aac", "aac", "fltp")),
        has=_aac_has,
    ),
    "opus": Standard(
        rates=(8000, 12000, 16000, 24000, 48000),
        through=partial(_libav, Codec("libopus", "opus", "flt")),
    ),
    "vorbis": Standard(
        rates=(8000, 11025, 16000, 22050, 32000, 44100, 48000),
        through=_vorbis,
        has=_vorbis_has,
    ),
    "amr": Standard(
        rates=(8000,),
        through=partial(_libav, Codec("libopencore_amrnb", "amrnb", "s16")),
        strengths=AMR,
    ),
    "gsm": Standard(rates=(8000,), through=_gsm),
    "g722": Standard(rates=(16000,), through=partial(_libav, Codec("g722", "g722", "s16"))),
}


def _coded(name: str, given: Given, strength: float) -> Tensor:
    """float32 [n, t], in its place.

    Raises:
        NotFound: the package of the codec is not installed.
        UsageError: the codec has no such bit rate, or the clips a rate from which its own cannot be reached.
    """
    wanted = _wanted(name, strength)
    if wanted is not None:
        raise UsageError(f"attack {name}", f"the codec has no bit rate of {strength:g} kbit/s", f"give {wanted}")
    delay = delay_of(name, given.rate, strength)
    came = _through(name, given.audio, given.rate, strength)
    samples = given.audio.shape[1]
    inside = came[:, max(delay, 0) : max(delay, 0) + samples]
    before = max(-delay, 0)
    return functional.pad(inside, (before, samples - inside.shape[1]))[:, :samples].clamp(-1, 1)


def _wanted(name: str, strength: float) -> str | None:
    """The bit rates of a codec that has no other than these; None if this is one, or it has any."""
    strengths = STANDARDS[name].strengths if name in STANDARDS else None
    if strengths is None or strength in strengths:
        return None
    return f"one of {', '.join(f'{own:g}' for own in strengths)}"


def _through(name: str, audio: Tensor, rate: int, strength: float) -> Tensor:
    """float32 [n, t'], with the codec's delay in front and silence or its echo behind, at the rate of the clips."""
    standard = STANDARDS[name]
    own = standard.rate(rate, strength)
    fed = at_rate(name, functional.pad(audio, (0, round(TAIL * rate))), rate, own)  # [n, t at own rate]
    came_at: set[int] = set()

    def row(samples: Samples) -> Samples:
        coded = standard.through(samples, own, strength)
        came_at.add(coded.rate)
        return coded.samples

    came = each_row(row, fed)
    return at_rate(name, came, came_at.pop(), rate)


@lru_cache(maxsize=256)
def delay_of(name: str, rate: int, strength: float) -> int:
    """Samples at `rate` by which what comes back from a codec is late: where its cross-correlation with what went in peaks."""
    sound = _glides(rate)
    came = _through(name, sound[None], rate, strength)[0]
    size = 2 * max(len(came), len(sound))
    product = torch.fft.rfft(came.double(), size) * torch.fft.rfft(sound.double(), size).conj()
    lag = int(torch.fft.irfft(product, size).argmax())
    return lag if lag < size // 2 else lag - size


def _glides(rate: int) -> Tensor:
    """float32 [t], a second of what codecs of speech take for speech, between about 300 and 3,400 Hz.

    Harmonics of one loudness, of a pitch that glides from 110 to 190 Hz: where low ones lead, what comes back is as like what
    went in half a pitch later.
    """
    clock = torch.arange(rate, dtype=torch.float64) / rate
    turns = 110 * clock + 40 * clock**2
    harmonics = torch.arange(3, 19, dtype=torch.float64)[:, None]  # [16, 1]
    buzz = torch.cos(2 * torch.pi * harmonics * turns).sum(0)  # [t]
    loudness = 0.2 + 0.8 * torch.sin(4 * torch.pi * clock) ** 2
    return (0.5 * loudness * buzz / buzz.abs().max()).float()


def _mulaw(given: Given, strength: float) -> Tensor:
    """float32 [n, t], through a telephone line of 8,000 samples a second at 8 bits each."""
    line = mu_law(at_rate("mulaw", given.audio, given.rate, 8000))
    return at_rate("mulaw", line, 8000, given.rate)[:, : given.audio.shape[1]].clamp(-1, 1)


def _attack(name: str, title: str, low: float = 0.0, high: float = 0.0) -> Attack:
    return Attack(
        name=name,
        title=title,
        unit="kbit/s" if high else "",
        family="coding",
        apply=partial(_coded, name) if name in STANDARDS else _mulaw,
        aligned=True,
        domain=(low, high),
        wanted=partial(_wanted, name),
    )


ATTACKS: Mapping[str, Attack] = {
    attack.name: attack
    for attack in (
        _attack("mp3", "MP3 at a constant bit rate", 8, 320),
        _attack("aac", "AAC-LC", 8, 256),
        _attack("opus", "Opus", 6, 256),
        _attack("vorbis", "Ogg Vorbis at a nominal bit rate", 16, 224),
        _attack("gsm", "Mobile telephone, GSM 06.10 full rate"),
        _attack("amr", "Mobile telephone, AMR narrow-band", 4.75, 12.2),
        _attack("g722", "Wide-band telephone, G.722 at 64 kbit/s"),
        _attack("mulaw", "Telephone, G.711 mu-law at 8 kHz"),
    )
}
