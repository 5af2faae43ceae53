"""Measures a mini-voice checkpoint as its README tells: `python examples/mini_voice/measure.py --model FOLDER`.

Words and prompts are those of rehearsals, so that nothing is chosen on what gates measure. A clone is accepted where its cosine
with the mean of 12 recordings of the person exceeds all but 1 % of those of others, recorded in the same way. Two minutes for
each target and prompt length on one core.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))  # for evals/, which is no installed package

import click
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from evals import voices
from evals.clone_faults import fault
from evals.speaker_encoders import ENCODERS, encoder
from evals.speech_recogniser import transcribe
from evals.spoken_texts import word_errors
from releasegate.audio.packages import package
from releasegate.checkpoint import open_checkpoint
from releasegate.subjects import Utterance
from releasegate.subjects.mini_voice import MiniVoice, open_subject

RATE_OF_OTHERS = 0.01
ENROLLED = 12


def embedded(name: str, clips: Sequence[Tensor]) -> Tensor:
    """float32 [n, d], of norm 1."""
    return functional.normalize(encoder(name).embed(clips), dim=1)


@cache
def enrolled(name: str, target: str) -> Tensor:
    """float32 [d], what a verifier knows a person by."""
    known = [voices.read(clip) for clip in voices.clips("enrolment", target)[:ENROLLED]]
    return functional.normalize(embedded(name, known).mean(dim=0), dim=0)


@cache
def cut(name: str, target: str, channel: str) -> float:
    """The cosine that 1 % of others, recorded in the same way, exceed."""
    others = [clip for clip in voices.clips("calibration") if clip.channel == channel and clip.speaker != target]
    found = embedded(name, [voices.read(clip) for clip in others]) @ enrolled(name, target)
    return float(np.quantile(found.numpy(), 1 - RATE_OF_OTHERS, method="higher"))


def quality(clips: Sequence[Tensor]) -> float:
    """The mean of DNSMOS overall, 1 to 5."""
    dnsmos = package("speechmos.dnsmos")
    return float(np.mean([dnsmos.run(clip.clamp(-1, 1).numpy(), voices.RATE)["ovrl_mos"] for clip in clips]))


def cloned(
    model: MiniVoice, target: str, seconds: float, sentences: int
) -> tuple[list[Tensor], list[Utterance], list[Tensor]]:
    """Clones, what they say, and the prompts, each of which begins with another recording."""
    said = [
        Utterance(clip.text, voices.read(clip), clip.language) for clip in voices.clips("source_rehearsal")[:sentences]
    ]
    given = voices.clips("rehearsal", target)
    prompts = [voices.prompt(given[row % len(given) :] + given, seconds) for row in range(len(said))]
    return model.clone(said, prompts, list(range(len(said)))), said, prompts


def figures(model: MiniVoice, target: str, seconds: float, sentences: int, *, heard: bool) -> dict[str, Any]:
    """What is measured of the clones of one target."""
    clones, said, prompts = cloned(model, target, seconds, sentences)
    channel = voices.clips("enrolment", target)[0].channel
    found: dict[str, Any] = {"target": target, "seconds": seconds, "clones": len(clones)}
    for name in ENCODERS:
        near = embedded(name, clones) @ enrolled(name, target)
        limit = cut(name, target, channel)
        found[name] = {
            "mean": round(float(near.mean()), 3),
            "cut": round(limit, 3),
            "accepted": int((near > limit).sum()),
        }
    reasons = [fault(clone, each.audio, prompt) for clone, each, prompt in zip(clones, said, prompts, strict=True)]
    found["faults"] = [reason for reason in reasons if reason is not None]
    if heard:
        counts = [word_errors(each.text, text) for each, text in zip(said, transcribe(clones), strict=True)]
        found["word errors"] = round(sum(wrong for wrong, _ in counts) / sum(words for _, words in counts), 3)
        found["quality"] = round(quality(clones), 2)
    if model.bits:
        score = torch.stack([model.detect(clone[None]).score[0] for clone in clones])
        found["watermark score"] = round(float(score.mean()), 3)
    return found


@click.command(help=__doc__)
@click.option("--model", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--target", multiple=True, default=("june_fr", "ivr_ru", "fillets_cs_v", "carlo_it", "novy_cs"))
@click.option("--seconds", multiple=True, type=float, default=(10.0,), help="Of the prompts.")
@click.option("--sentences", type=int, default=16)
@click.option("--heard/--not-heard", default=True, help="Whether to count words and rate quality.")
def main(model: Path, target: tuple[str, ...], seconds: tuple[float, ...], sentences: int, *, heard: bool) -> None:
    torch.set_num_threads(1)
    subject = open_subject(open_checkpoint(model), None, torch.device("cpu"), torch.float32)
    for each in target:
        for length in seconds:
            click.echo(json.dumps(figures(subject, each, length, sentences, heard=heard)))


if __name__ == "__main__":
    main()
