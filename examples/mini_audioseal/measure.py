"""Measures a checkpoint: `python examples/mini_audioseal/measure.py --speech FOLDER --checkpoint FOLDER --out FILE`.

The threshold is set on held-out recordings of the training voices and then left alone; the figures are of the gate's
voices, which training never heard. `--voices development` measures on the other half of the held-out recordings, for
choosing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from edits import EDITS, Edit
from envelope import embed
from model import read_checkpoint
from numpy.typing import NDArray
from pesq import pesq
from pystoi import stoi
from speech import GATE, RATE, TRAINING, Voice, Wave, join, read_voice

LOG = logging.getLogger(__name__)
LENGTH = 3 * RATE
FALSE_POSITIVES = 0.01  # of clean development clips at the threshold
FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
Scores = NDArray[np.float64]


class Watermark:
    """A checkpoint as a function from clips to marked clips, and from clips to scores."""

    def __init__(self, folder: Path) -> None:
        self.generator, self.detector, config = read_checkpoint(folder)
        self.nbits, self.envelope = config["nbits"], config["envelope"]

    @torch.inference_mode()
    def mark(self, clips: Sequence[Wave], messages: NDArray[np.int64]) -> list[Wave]:
        """The marked clips; clip by clip, so that nothing depends on what else is in a batch."""
        marked = []
        for clip, message in zip(clips, messages, strict=True):
            speech = torch.from_numpy(clip)[None, None]  # [1, 1, t]
            residual = self.generator.get_watermark(speech, message=torch.from_numpy(message)[None])
            marked.append(embed(speech, residual, **self.envelope)[0, 0].numpy())
        return marked

    @torch.inference_mode()
    def listen(self, clip: Wave) -> tuple[Wave, Wave]:
        """The probability of a mark at each sample, shape [t], and of a 1 in each bit, shape [nbits]."""
        samples, bits = self.detector(torch.from_numpy(np.ascontiguousarray(clip))[None, None])
        return samples[0, 1, : len(clip)].numpy(), bits[0].numpy()


def development_clips(speech: Path, count: int) -> dict[str, list[Wave]]:
    """Up to `count` clips of 3 s of each training voice, from its held-out recordings one after the other."""
    clips = {}
    for voice in TRAINING:
        held_out = read_voice(speech, voice, held_out=True)
        if held_out:
            wave = join(held_out)
            pieces = [wave[i : i + LENGTH] for i in range(0, len(wave) - LENGTH + 1, LENGTH)]
            clips[voice.name] = [piece for piece in pieces if piece.std() > 0.004][:count]
    return clips


def gate_clips(speech: Path, voices: Sequence[Voice], count: int, seed: int) -> dict[str, list[Wave]]:
    """`count` clips of each voice: the first 3 s of recordings that last as long, drawn by the seed."""
    clips = {}
    for voice in voices:
        long = [wave[:LENGTH] for wave in read_voice(speech, voice, shortest_s=LENGTH / RATE)]
        drawn = np.random.default_rng(seed).permutation(len(long))[:count]
        clips[voice.name] = [long[i] for i in drawn]
    return clips


def si_snr(reference: Wave, heard: Wave) -> float:
    """Decibels of what lies along the reference against the rest, without removing means; higher is cleaner."""
    along = (heard @ reference) / (reference @ reference) * reference
    return float(10 * np.log10((along**2).sum() / ((heard - along) ** 2).sum()))


def _score(watermark: Watermark, clips: Sequence[Wave], edit: Edit, seed: int) -> tuple[Scores, Scores]:
    """The mean probability of a mark of each edited clip, and its bits, shapes [n] and [n, nbits]."""
    random = np.random.default_rng(seed)
    heard = [watermark.listen(edit(clip, random)) for clip in clips]
    return np.array([samples.mean() for samples, _ in heard]), np.array([bits for _, bits in heard])


def _localised(watermark: Watermark, clean: Sequence[Wave], marked: Sequence[Wave], seed: int) -> list[float]:
    """Intersection over union of the samples called marked with the one second in three that is."""
    random, ratios = np.random.default_rng(seed), []
    for before, after in zip(clean, marked, strict=True):
        truth = np.zeros(len(before), bool)
        start = int(random.integers(0, len(before) - RATE))
        truth[start : start + RATE] = True
        called = watermark.listen(np.where(truth, after, before))[0] > 0.5
        ratios.append(float((called & truth).sum() / max(1, (called | truth).sum())))
    return ratios


def measure(watermark: Watermark, clips: dict[str, list[Wave]], threshold: float, seed: int) -> dict[str, Any]:
    """Counts and means over all clips, and per edit: hits, false alarms and bits, in all and by voice."""
    names = [name for name, waves in clips.items() for _ in waves]
    clean = [wave for waves in clips.values() for wave in waves]
    messages = np.random.default_rng(seed).integers(0, 2, (len(clean), watermark.nbits))
    marked = watermark.mark(clean, messages)
    pairs = list(zip(clean, marked, strict=True))
    quality = {
        "pesq_wb": [pesq(RATE, a, b, "wb") for a, b in pairs],
        "stoi": [float(stoi(a, b, RATE)) for a, b in pairs],
        "si_snr_db": [si_snr(a, b) for a, b in pairs],
        "iou_1s_in_3s": _localised(watermark, clean, marked, seed),
    }
    rows = {}
    for name, edit in EDITS.items():
        false, _ = _score(watermark, clean, edit, seed)
        true, bits = _score(watermark, marked, edit, seed)
        right = (bits > 0.5) == (messages == 1)
        rows[name] = {
            "hits": int((true > threshold).sum()),
            "false_alarms": int((false > threshold).sum()),
            "bits_right": int(right.sum()),
            "messages_right": int(right.all(axis=1).sum()),
            "auc": round(float((true[:, None] > false[None]).mean()), 4),
            "by_voice": {
                voice: {
                    "hits": int((true > threshold)[np.array(names) == voice].sum()),
                    "false_alarms": int((false > threshold)[np.array(names) == voice].sum()),
                }
                for voice in clips
            },
        }
        LOG.info("%-18s %s", name, json.dumps({key: rows[name][key] for key in list(rows[name])[:5]}))
    return {
        "clips": {name: len(waves) for name, waves in clips.items()},
        "bits_per_clip": watermark.nbits,
        **{name: {"mean": round(float(np.mean(v)), 4), "worst": round(min(v), 4)} for name, v in quality.items()},
        "pesq_at_least_3.5": sum(value >= 3.5 for value in quality["pesq_wb"]),
        "edits": rows,
    }


@click.command(help=__doc__)
@click.option("--speech", type=FOLDER, required=True, help="Extracted packages.")
@click.option("--checkpoint", type=FOLDER, required=True, help="Folder to measure.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="JSON file to write.")
@click.option("--voices", type=click.Choice(["gate", "development"]), default="gate", help="Whom to measure on.")
@click.option("--clips", type=click.IntRange(1), default=40, help="Clips a voice.")
@click.option("--seed", type=int, default=0, help="Draws clips, messages, noise and spans.")
def main(speech: Path, checkpoint: Path, out: Path, voices: str, clips: int, seed: int) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    watermark = Watermark(checkpoint)
    held_out = development_clips(speech, 2 * clips)
    calibration = [clip for waves in held_out.values() for clip in waves[::2]]
    scores, _ = _score(watermark, calibration, EDITS["none"], seed)
    threshold = float(np.quantile(scores, 1 - FALSE_POSITIVES))
    LOG.info("threshold %.4f on %d clean development clips", threshold, len(calibration))
    others = {name: waves[1::2] for name, waves in held_out.items() if len(waves) > 1}
    heard = others if voices == "development" else gate_clips(speech, GATE, clips, seed)
    measured = measure(watermark, heard, threshold, seed)
    head = {"voices": voices, "threshold": round(threshold, 4), "calibration_clips": len(calibration), "seed": seed}
    out.write_text(json.dumps({**head, **measured}, indent=1) + "\n")
    LOG.info("%s", json.dumps({k: v for k, v in measured.items() if k != "edits"}))


if __name__ == "__main__":
    main()
