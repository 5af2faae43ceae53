"""Attacks on audio: what people do to a clip, by accident or on purpose, before somebody looks for a watermark in it.

One module a family. A module has `ATTACKS`, which lists its attacks; it is imported when one of them is asked for, since
codecs and vocoders need packages that the rest does not. How strong they are is said by a suite, which is YAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module

from releasegate.attacks.attack import Attack, Given

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "filtering": ("highpass", "lowpass", "bandpass", "equalise", "smooth", "median"),
    "adding": ("white_noise", "pink_noise", "music"),
    "levelling": ("gain", "polarity", "compress", "limit", "clip"),
    "sampling": ("resample", "requantise"),
    "cutting": ("shift", "crop", "pad", "dropout"),
    "warping": ("speed", "stretch", "pitch"),
    "reflecting": ("echo", "reverb"),
    "coding": ("mp3", "aac", "opus", "vorbis", "gsm", "amr", "g722", "mulaw"),
    "regenerating": ("world", "griffin_lim", "denoise"),
    "splicing": ("splice_marked", "splice_clean"),
    "forging": ("residual_copy", "overwrite", "average_removal"),
    "querying": ("square",),
    "descending": ("pgd_remove", "pgd_forge"),
}
"""The attacks of each family, by the module that holds it; `none` is in none of them."""


@lru_cache(maxsize=1)
def _none() -> Attack:
    return Attack(
        name="none",
        title="Left as it is",
        unit="",
        family="",
        apply=lambda given, strength: given.audio,
        aligned=True,
        domain=(0.0, 0.0),
    )


def family_of(name: str) -> str | None:
    """The module that holds an attack; None if there is no such attack."""
    return next((family for family, names in FAMILIES.items() if name in names), None)


def find_attack(name: str) -> Attack:
    """The attack `name`.

    Raises:
        KeyError: there is none.
        ModuleNotFoundError: a package that its family needs is not installed.
    """
    if name == "none":
        return _none()
    family = family_of(name)
    if family is None:
        raise KeyError(name)
    attacks: Mapping[str, Attack] = import_module(f"{__name__}.{family}").ATTACKS
    return attacks[name]


__all__ = ["FAMILIES", "Attack", "Given", "family_of", "find_attack"]
