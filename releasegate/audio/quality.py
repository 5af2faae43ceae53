"""How good a clip still is, beside what it was: the measures, all of them at once, and whether anybody would still use it.

PESQ, STOI and both ratios compare sample by sample, or within the small shifts that PESQ undoes. **After an attack that breaks
the alignment (speed, stretching, cutting) they mean nothing**: DNSMOS, which hears the clip alone, is all that is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from releasegate.audio.dnsmos import dnsmos_ovrl
from releasegate.audio.intrusive import pesq_wb, stoi
from releasegate.audio.overlap import iou
from releasegate.audio.ratios import si_snr, snr
from releasegate.errors import NotScorable

__all__ = ["Comparison", "Judged", "compare", "dnsmos_ovrl", "iou", "pesq_wb", "si_snr", "snr", "stoi", "usable"]

LEVEL = 10 ** (-23 / 20)  # rms at which DNSMOS hears a clip that is judged: a change of level alone ruins nothing
NOTHING = 2.0**-16  # below this peak, half a step of 16 bits, a clip is silence
NAMES = {"pesq": "PESQ", "stoi": "STOI", "dnsmos": "DNSMOS"}


@dataclass(frozen=True)
class Comparison:
    """A clip beside its reference.

    Attributes:
        pesq: wide band, MOS-LQO, 1.02 to 4.64.
        stoi: -1 to 1.
        si_snr: dB, means removed, -100 to 100.
        snr: dB, -100 to 100.
        dnsmos: overall, MOS, of the degraded clip.
        dnsmos_drop: by how much it is below that of the reference, MOS; negative where it is above.
    """

    pesq: float
    stoi: float
    si_snr: float
    snr: float
    dnsmos: float
    dnsmos_drop: float


@dataclass(frozen=True)
class Judged:
    """Whether a clip is still of use after an attack.

    Attributes:
        usable: False only if it is ruined by every measure that applies.
        why: the measure that says usable, or all that say ruined, with their numbers.
        values: what was measured, by name: `si_snr` (dB, means removed), `stoi` and `pesq` where the clip is aligned and they are
            defined; `dnsmos` where it had to be asked.
    """

    usable: bool
    why: str
    values: dict[str, float]


def compare(reference: Tensor, degraded: Tensor, rate: int) -> Comparison:
    """Every measure of one aligned clip.

    Args:
        reference: float [t] in [-1, 1], any device.
        degraded: float [t] in [-1, 1].
        rate: samples a second.

    Raises:
        NotScorable: a measure is not defined on these clips: silence, hardly any speech, or no finite number.
        NotFound: a package of the measures is not installed.
    """
    _refuse_unheard(reference, "the reference")
    _refuse_unheard(degraded, "the degraded clip")
    pair = reference[None], degraded[None]
    heard, understood = pesq_wb(*pair, rate)[0], stoi(*pair, rate)[0]
    if heard is None or understood is None:
        what = f"{'PESQ' if heard is None else 'STOI'} is not defined: there is too little speech in it"
        raise NotScorable("a pair of clips", what, "compare clips with at least a second of speech")
    before, after = dnsmos_ovrl(torch.stack([reference, degraded]), rate).tolist()
    return Comparison(
        pesq=heard,
        stoi=understood,
        si_snr=float(si_snr(*pair, zero_mean=True)),
        snr=float(snr(*pair)),
        dnsmos=after,
        dnsmos_drop=before - after,
    )


def usable(reference: Tensor, attacked: Tensor, rate: int, *, aligned: bool, floors: Mapping[str, float]) -> Judged:
    """Whether anybody would still use a clip after an attack; in doubt they would.

    A clip is ruined only if every measure that applies lies below its floor. Aligned, these are PESQ, STOI and DNSMOS; not
    aligned, DNSMOS alone. A measure that is not defined does not apply. None of them hears polarity, nor a delay of some
    milliseconds, and DNSMOS gets every clip at one level. A clip that DNSMOS put below its floor before the attack is not ruined
    by it. Silence is ruined.

    DNSMOS, much the slowest, is asked only where the others say ruined.

    Args:
        reference: float [t] in [-1, 1], what the clip was before the attack, any device.
        attacked: float [t'] in [-1, 1]; aligned, t' >= t and what comes after t is left out.
        rate: samples a second.
        aligned: whether sample i of the attacked clip is sample i of the reference.
        floors: `pesq` (MOS-LQO), `stoi` and `dnsmos` (MOS): below it, a measure says ruined.

    Raises:
        NotScorable: the reference is silent, a sample is no finite number, or an aligned clip is shorter than its reference.
        NotFound: a package of the measures is not installed.
    """
    _refuse_unheard(reference, "the reference")
    if not bool(torch.isfinite(attacked).all()):
        raise NotScorable("the attacked clip", "a sample is no finite number", "mend the attack: it returns no audio")
    if _is_silent(attacked):
        return Judged(usable=False, why="nothing is left: silence", values={})
    values = _aligned_values(reference, attacked, rate) if aligned else {}
    for name in ("stoi", "pesq"):
        if name in values and values[name] >= floors[name]:
            return Judged(usable=True, why=f"{_said(name, values)}: at least {floors[name]:g}", values=values)
    values["dnsmos"] = _mos(attacked, rate)
    if values["dnsmos"] >= floors["dnsmos"]:
        return Judged(usable=True, why=f"{_said('dnsmos', values)}: at least {floors['dnsmos']:g}", values=values)
    before = _mos(reference, rate)
    if before < floors["dnsmos"]:
        why = f"{_said('dnsmos', values)}, and {before:.2f} before the attack: DNSMOS cannot tell"
        return Judged(usable=True, why=why, values=values)
    asked = [name for name in ("stoi", "pesq", "dnsmos") if name in values]
    why = ", ".join(f"{_said(name, values)} (below {floors[name]:g})" for name in asked)
    return Judged(usable=False, why=f"ruined: {why}", values=values)


def _aligned_values(reference: Tensor, attacked: Tensor, rate: int) -> dict[str, float]:
    """What compares sample by sample, by name; without what is not defined."""
    if len(attacked) < len(reference):
        what = f"it has {len(attacked)} samples, and its reference {len(reference)}"
        raise NotScorable("an aligned clip", what, "say that the attack is not aligned")
    pair = reference[None], attacked[None, : len(reference)]
    found = {
        "si_snr": float(si_snr(*pair, zero_mean=True)),
        "stoi": stoi(*pair, rate)[0],
        "pesq": pesq_wb(*pair, rate)[0],
    }
    return {name: value for name, value in found.items() if value is not None}


def _mos(audio: Tensor, rate: int) -> float:
    """DNSMOS of a clip brought to one level."""
    rms, peak = audio.square().mean().sqrt(), audio.abs().max()
    return float(dnsmos_ovrl((audio * torch.minimum(LEVEL / rms, 1 / peak)).clamp(-1, 1)[None], rate))


def _is_silent(audio: Tensor) -> bool:
    return not len(audio) or bool(audio.abs().max() < NOTHING)


def _refuse_unheard(audio: Tensor, which: str) -> None:
    if not bool(torch.isfinite(audio).all()):
        raise NotScorable(which, "a sample is no finite number", "give it audio")
    if _is_silent(audio):
        raise NotScorable(which, "it is silent", "compare clips in which somebody speaks")
    if bool((audio.abs() > 1).any()):
        raise NotScorable(which, "a sample is beyond [-1, 1]", "clamp or scale it")


def _said(name: str, values: Mapping[str, float]) -> str:
    return f"{NAMES[name]} {values[name]:.2f}"
