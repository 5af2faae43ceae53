"""How fast voices are cloned: batches, as the evals ask for them, beside one clip at a time, as a loop over files would.

The same checkpoint, sentences, prompts and threads; the two take turns, and each clone of the one is compared with that of the
other, so that what is faster is also the same. Seconds are of audio that was made. Needs the extra `audio` and `make speech`.

    python benchmarks/bench_voice.py [--model FOLDER] [--sentences N] [--prompts N] [--seconds S] [--rounds N] [--threads N]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # for evals/, which is no installed package

import torch
from torch import Tensor

from evals.voices import by_speaker, clips, prompt, read
from releasegate.checkpoint import open_checkpoint
from releasegate.subjects import ClonesVoice, Utterance
from releasegate.subjects.mini_voice import open_subject

TOP = Path(__file__).parents[1]
WANTED = 2.0
"""Audio-seconds a second in batches over those of one clip at a time."""
SAME = 1e-3
"""What a sample of a clone may differ by: the last bits of a float32 depend on the size of a batch."""

Pair = tuple[Utterance, Tensor]


def pairs(sentences: int, prompts: int, seconds: float) -> list[Pair]:
    """Every sentence in every voice: the targets take turns, and each prompt serves all sentences."""
    words = [Utterance(clip.text, read(clip), clip.language) for clip in clips("source_rehearsal")[:sentences]]
    targets = by_speaker("rehearsal", 1)
    drawn = [list(targets.values())[i % len(targets)] for i in range(prompts)]
    voices = [prompt(listed[i // len(targets) :] + listed, seconds) for i, listed in enumerate(drawn)]
    return [(said, voice) for voice in voices for said in words]


def in_batches(subject: ClonesVoice, asked: Sequence[Pair]) -> list[Tensor]:
    return subject.clone([said for said, _ in asked], [voice for _, voice in asked], list(range(len(asked))))


def one_by_one(subject: ClonesVoice, asked: Sequence[Pair]) -> list[Tensor]:
    return [subject.clone([said], [voice], [seed])[0] for seed, (said, voice) in enumerate(asked)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=TOP / "examples" / "mini_voice" / "checkpoint")
    parser.add_argument("--sentences", type=int, default=16)
    parser.add_argument("--prompts", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each prompt")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    subject = open_subject(open_checkpoint(asked.model), None, torch.device("cpu"), torch.float32)
    work = pairs(asked.sentences, asked.prompts, asked.seconds)
    in_batches(subject, work[:2])  # what is loaded once is not timed
    rates: dict[str, list[float]] = {"batches": [], "one by one": []}
    worst = 0.0
    with torch.inference_mode():
        for _ in range(asked.rounds):
            made = {}
            for name, run in (("batches", in_batches), ("one by one", one_by_one)):
                begin = time.perf_counter()
                made[name] = run(subject, work)
                seconds = time.perf_counter() - begin
                rates[name].append(sum(map(len, made[name])) / subject.rate / seconds)
            both = zip(made["batches"], made["one by one"], strict=True)
            worst = max([worst, *(float((a - b).abs().max()) if len(a) == len(b) else 1.0 for a, b in both)])
    median = {name: statistics.median(of) for name, of in rates.items()}
    ratio = median["batches"] / median["one by one"]
    sys.stdout.write(
        f"cloning: {len(work)} clones, {asked.sentences} sentences x {asked.prompts} prompts of {asked.seconds:g} s, "
        f"{asked.threads} threads, {asked.rounds} rounds\n"
        f"  batches     {median['batches']:8.1f} audio-s per s\n"
        f"  one by one  {median['one by one']:8.1f} audio-s per s\n"
        f"  ratio       {ratio:8.2f}   wanted {WANTED:g}   {'ok' if ratio >= WANTED else 'MISSED'}\n"
        f"  largest difference of a sample: {worst:.1e}{'' if worst <= SAME else '   NOT THE SAME'}\n"
    )
    return 0 if worst <= SAME else 1


if __name__ == "__main__":
    sys.exit(main())
