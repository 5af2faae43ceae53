"""How surely the mark in the weights is found: `python examples/mini_voice/measure_mark.py --model FOLDER`.

Clones of every target as the weights say them, through edits, beside recordings of real people through the same edits; a clone
is found where the detector's score exceeds that of all but 1 % of unedited recordings. One minute on one core.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))  # for evals/, which is no installed package

import click
import numpy as np
import torch
from measure import RATE_OF_OTHERS, cloned
from torch import Tensor

from evals import voices
from releasegate.attacks import Given, find_attack
from releasegate.checkpoint import open_checkpoint
from releasegate.subjects.mini_voice import MiniVoice, open_subject

TARGETS = ("june_fr", "ivr_ru", "fillets_cs_v", "carlo_it", "novy_cs")
EDITS = (
    ("none", 0), ("mp3", 32), ("aac", 32), ("opus", 16), ("g722", 0), ("mulaw", 0), ("lowpass", 3400), ("highpass", 1000),
    ("gain", -20), ("white_noise", 30), ("white_noise", 20), ("white_noise", 10), ("resample", 8000), ("crop", 500),
    ("speed", 1.1), ("gsm", 0), ("world", 5),
)  # fmt: skip


def scores(model: MiniVoice, clips: list[Tensor], name: str, strength: float) -> np.ndarray:
    """The detector's scores of clips after an edit."""
    found = []
    for seed, clip in enumerate(clips):
        attack = find_attack(name)
        edited = attack.apply(Given(clip[None], voices.RATE, [seed]), float(strength))
        found.append(float(model.detect(edited).score[0]))
    return np.array(found)


@click.command(help=__doc__)
@click.option("--model", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--sentences", type=int, default=12, help="Of each target.")
@click.option("--real", type=int, default=30, help="Recordings of each target.")
@click.option("--edit", multiple=True, help="Measure these edits alone.")
def main(model: Path, sentences: int, real: int, edit: tuple[str, ...]) -> None:
    torch.set_num_threads(1)
    subject = open_subject(open_checkpoint(model), None, torch.device("cpu"), torch.float32)
    clones = [clone for target in TARGETS for clone in cloned(subject, target, 5.0, sentences)[0]]
    people = [voices.read(clip) for target in TARGETS for clip in voices.clips("calibration", target)[:real]]
    limit = float(np.quantile(scores(subject, people, "none", 0), 1 - RATE_OF_OTHERS, method="higher"))
    click.echo(json.dumps({"clones": len(clones), "people": len(people), "limit": round(limit, 4)}))
    for name, strength in EDITS:
        if edit and name not in edit:
            continue
        marked, clean = scores(subject, clones, name, strength), scores(subject, people, name, strength)
        rates = {"tpr": round(float((marked > limit).mean()), 3), "fpr": round(float((clean > limit).mean()), 3)}
        click.echo(json.dumps({"edit": f"{name} {strength:g}", **rates, "mean": round(float(marked.mean()), 3)}))


if __name__ == "__main__":
    main()
