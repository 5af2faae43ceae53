"""What the ear, or what stands in for it, says of marked and of attacked clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from releasegate.audio.quality import compare, pesq_wb, si_snr, stoi
from releasegate.errors import NotScorable

from .recordings import RATE


def kept(
    metrics: Sequence[str], clean: Tensor, marked: Tensor, floors: Mapping[str, float]
) -> tuple[dict[str, float], dict[str, str]]:
    """Whether each measure is above its floor, 0 or 1 by metric; and what they are, for readers.

    DNSMOS, which takes a hundred times as long as the others, is heard only where it is asked for.

    Args:
        metrics: those that are asked for: `pesq_kept`, `stoi_kept`, `si_snr_kept`, `dnsmos_kept`.
        clean, marked: float [t] in [-1, 1], sample by sample.
        floors: `pesq`, `stoi`, `si_snr_db`, and `dnsmos_drop`, by which DNSMOS may fall.

    Raises:
        NotScorable: a measure is not defined on these clips.
    """
    if "dnsmos_kept" in metrics:
        heard = compare(clean, marked, RATE)
        measured = {"pesq": heard.pesq, "stoi": heard.stoi, "si_snr": heard.si_snr}
        dropped = {"dnsmos": f"{heard.dnsmos:.2f}, {heard.dnsmos_drop:+.2f} below the unmarked clip"}
        values = {"dnsmos_kept": float(heard.dnsmos_drop <= floors["dnsmos_drop"])}
    else:
        measured, dropped, values = aligned(clean, marked), {}, {}
    values |= {
        "pesq_kept": float(measured["pesq"] >= floors["pesq"]),
        "stoi_kept": float(measured["stoi"] >= floors["stoi"]),
        "si_snr_kept": float(measured["si_snr"] >= floors["si_snr_db"]),
    }
    said = {
        "pesq": f"{measured['pesq']:.2f}",
        "stoi": f"{measured['stoi']:.3f}",
        "si_snr_db": f"{measured['si_snr']:.1f}, means removed",
    }
    return {name: values[name] for name in metrics}, {**said, **dropped}


def aligned(reference: Tensor, degraded: Tensor) -> dict[str, float]:
    """PESQ (wide band), STOI and SI-SNR (dB, means removed) of a clip beside another, sample by sample.

    Args:
        reference: float [t] in [-1, 1].
        degraded: float [t'] in [-1, 1]; what is longer than the reference is left out.

    Raises:
        NotScorable: one of them is not defined on these clips.
    """
    before, after = reference[None], degraded[None, : len(reference)]
    values = {
        "pesq": pesq_wb(before, after, RATE)[0],
        "stoi": stoi(before, after, RATE)[0],
        "si_snr": float(si_snr(before, after, zero_mean=True)),
    }
    known = {name: value for name, value in values.items() if value is not None}
    lacking = ", ".join(sorted(values.keys() - known.keys()))
    if lacking:
        raise NotScorable("an attacked clip", f"{lacking} is not defined", "leave the attack out")
    return known
