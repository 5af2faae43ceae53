"""Reads recorded speech out of extracted Debian packages: voices to train on, voices kept for measuring."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

RATE = 16000
GAP = RATE // 12  # silence between two recordings of a voice
QUIET = 0.004  # mean magnitude over 20 ms below which the ends of a recording are trimmed
DEVELOPMENT_SHARE = 10  # one recording in so many is held out

Wave = NDArray[np.float32]


@dataclass(frozen=True)
class Voice:
    """One speaker: where the recordings lie below the folder of packages, and under which licence."""

    name: str
    pattern: str
    licence: str
    format: str | None = None  # of files without a header


_ASTERISK = "asterisk-core-sounds-{0}-g722/usr/share/asterisk/sounds/**/*.g722"
_STAMPS = "tuxpaint-stamps-default/usr/share/tuxpaint/stamps/**/*_desc_{0}.ogg"
_POTATO = "ktuberling-data/usr/share/ktuberling/sounds/{0}/*.*"

TRAINING = (
    Voice("allison_en", _ASTERISK.format("en"), "CC-BY-SA-3.0", "g722"),
    Voice("allison_es", _ASTERISK.format("es"), "CC-BY-SA-3.0", "g722"),
    Voice("prompt_de", "asterisk-prompt-de/**/*.gsm", "GPL-2", "gsm"),
    Voice("july_es", "asterisk-prompt-es-co/**/*.gsm", "GPL-2", "gsm"),
    Voice("armelle_fr", "asterisk-prompt-fr-armelle/**/*.gsm", "BSD-2-clause", "gsm"),
    Voice("fillets_cs_v", "fillets-ng-data-cs/**/cs/*-v-*.ogg", "GPL-2"),
    *(
        Voice(f"stamps_{code}", _STAMPS.format(code), "GPL-2+")
        for code in ("be", "bg", "ca", "da", "el", "es", "fr", "nn", "ro", "ru")
    ),
    *(
        Voice(f"potato_{code}", _POTATO.format(code), "GPL-2+")
        for code in ("ca", "da", "de", "el", "en", "fr", "gl", "id", "lt", "nn", "ru", "sl", "uk", "wa")
    ),
)
GATE = (  # never trained on, and not looked at before the end
    Voice("june_fr", _ASTERISK.format("fr"), "CC-BY-SA-3.0", "g722"),
    Voice("carlo_it", _ASTERISK.format("it"), "CC-BY-SA-3.0", "g722"),
    Voice("ivr_ru", _ASTERISK.format("ru"), "CC-BY-3.0", "g722"),
    Voice("fillets_cs_m", "fillets-ng-data-cs/**/cs/*-m-*.ogg", "GPL-2"),
)


def read_recording(path: Path, container: str | None = None) -> Wave:
    """The recording at 16 kHz, one channel, quiet ends trimmed: float32, shape [t], within [-1, 1].

    What decodes louder than that (some Vorbis files do) is turned down as a whole.

    Args:
        path: An audio file that ffmpeg's libraries read.
        container: The format of a file that has no header, such as "g722".
    """
    pieces = []
    with av.open(str(path), format=container, metadata_errors="replace") as opened:
        stream = opened.streams.audio[0]
        for frame in opened.decode(stream):
            block = frame.to_ndarray()  # [channels, t] if planar, else [1, t * channels]
            if block.dtype == np.int16:
                block = block.astype(np.float32) / 32768
            if block.shape[0] == 1 and frame.layout.nb_channels > 1:
                block = block.reshape(-1, frame.layout.nb_channels).T  # [channels, t]
            pieces.append(block.mean(axis=0))
        rate = stream.rate
    ratio = Fraction(RATE, rate)
    wave = resample_poly(np.concatenate(pieces), ratio.numerator, ratio.denominator)
    return _trimmed((wave / max(1.0, float(np.abs(wave).max()))).astype(np.float32))


def _trimmed(wave: Wave) -> Wave:
    window = RATE // 50
    loud = np.flatnonzero(np.convolve(np.abs(wave), np.ones(window) / window, "same") > QUIET)
    return wave[loud[0] : loud[-1] + 1] if len(loud) else wave[:0]


def is_development(path: Path) -> bool:
    """Whether the recording is held out for choosing: one in ten, by its name, so that all takes of a name stay together."""
    return hashlib.sha256(path.stem.encode()).digest()[0] % DEVELOPMENT_SHARE == 0


def read_voice(folder: Path, voice: Voice, *, held_out: bool | None = None, shortest_s: float = 0.4) -> list[Wave]:
    """The recordings of a voice that last `shortest_s` seconds or more, in the order of their paths.

    Args:
        folder: Holds one folder a Debian package, extracted with `dpkg-deb -x`.
        voice: Which recordings.
        held_out: True for those of development, False for the rest, None for all.
        shortest_s: Seconds after trimming.
    """
    waves = (
        read_recording(path, voice.format)
        for path in sorted(folder.glob(voice.pattern))
        if "silence" not in path.parts and path.stat().st_size > 0 and held_out in (None, is_development(path))
    )
    return [wave for wave in waves if len(wave) >= shortest_s * RATE]


def join(recordings: Iterable[Wave]) -> Wave:
    """The recordings one after the other with 1/12 s of silence between them: float32, shape [t]."""
    gap = np.zeros(GAP, np.float32)
    return np.concatenate([part for wave in recordings for part in (wave, gap)])
