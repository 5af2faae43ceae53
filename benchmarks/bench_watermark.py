"""How fast a watermark is measured: the eval's own code beside a plain loop over clips and attacks (`watermark_loops.py`).

The same Perth weights, the same recordings, the same attacks, as many threads. The two take turns, attack by attack, and the
time of each is split: the codecs, the other attacks, the watermark itself. The plain loop runs those other attacks by the same
code as a batch of one, so that nothing but batching tells there. Left out on both sides are splices, attacks on the generator
or the detector, and codecs that the installed ffmpeg cannot encode. Needs the extra `audio`, ffmpeg, and `make speech`.

    python benchmarks/bench_watermark.py [--clips N] [--rounds N] [--threads N] [--only ATTACK]…
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # for evals/, which is no installed package

import torch
from watermark_loops import CODERS, RATE, PerthPackage, Wave, attacked, encodes

from evals.speech import Clip, clips, read
from evals.watermark_items import read_suite
from evals.watermark_measuring import measure
from releasegate.attacks import Attack
from releasegate.checkpoint import open_checkpoint
from releasegate.errors import ReleaseGateError
from releasegate.evaluation.tools import Tools
from releasegate.evidence import Item, Reading
from releasegate.repository import GateRepository
from releasegate.subjects import Detection
from releasegate.subjects.perth import Perth, open_subject

TOP = Path(__file__).parents[1]
EVAL = "audio_watermark"
SUITE = TOP / "evals" / EVAL / "suite.yaml"
SECONDS = 3.0
PARTS = {"codecs": 5.0, "signal processing": None, "model": 2.0, "whole": None}
"""What is timed, and how many times as fast as the plain loop it is to be."""

Cell = tuple[Attack, float | None]


@dataclass
class Cost:
    """Seconds by part, of one side in one round."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    scores: dict[tuple[str, str, bool], float] = field(default_factory=dict)

    def add(self, part: str, seconds: float) -> None:
        self.seconds[part] += seconds
        self.seconds["whole"] += seconds


class Timed:
    """A watermark that counts the seconds spent in it."""

    def __init__(self, subject: Perth) -> None:
        self._subject = subject
        self.rate, self.bits, self.rule = subject.rate, subject.bits, subject.rule
        self.seconds = 0.0

    def mark(self, audio: torch.Tensor, messages: torch.Tensor) -> torch.Tensor:
        return self._counted(lambda: self._subject.mark(audio, messages))

    def detect(self, audio: torch.Tensor) -> Detection:
        return self._counted(lambda: self._subject.detect(audio))

    def _counted(self, work: Callable[[], Any]) -> Any:
        begin = time.perf_counter()
        done = work()
        self.seconds += time.perf_counter() - begin
        return done


class Ours:
    """The eval's code, with everything of one attack in one call, as a shard hands it over."""

    def __init__(self, subject: Perth, drawn: Sequence[Clip]) -> None:
        self._subject = Timed(subject)
        self._drawn = drawn
        params = GateRepository(TOP).cards()[EVAL].params
        self._tools = Tools(params, torch.device("cpu"), {}, lambda data, extension: f"{len(data):064x}.{extension}")

    def run(self, cell: Cell, cost: Cost) -> None:
        items = list(self._items(cell))
        before, begin = self._subject.seconds, time.perf_counter()
        readings = [r for r in measure(self._subject, items, self._tools) if isinstance(r, Reading)]
        passed, model = time.perf_counter() - begin, self._subject.seconds - before
        cost.add("model", model)
        cost.add(part_of(cell), passed - model)
        for reading in readings:
            item = items[reading.item]
            key = (item.labels["attack"], item.content["clip"].path, bool(item.content["marked"]))
            cost.scores[key] = float(next(iter(reading.values.values())))

    def _items(self, cell: Cell) -> Sequence[Item]:
        attack, strength = cell
        content = {"message": 0, "book": 0, "keep": False, "do": "detect", "attack": attack.name, "strength": strength}
        return [
            Item(
                ("tpr" if marked else "fpr",),
                {"attack": attack.label(strength), "speaker": clip.speaker},
                {**content, "clip": clip, "marked": marked},
                number=number,
                seed=number,
            )
            for number, (marked, clip) in enumerate(both(self._drawn))
        ]


class Plain:
    """The plain loop."""

    def __init__(self, drawn: Sequence[Clip]) -> None:
        self._package = PerthPackage()
        self._drawn = drawn
        self._marked: dict[str, Wave] = {}

    def run(self, cell: Cell, cost: Cost) -> None:
        attack, strength = cell
        for number, (marked, clip) in enumerate(both(self._drawn)):
            begin = time.perf_counter()
            given = self._before(clip) if marked else read(clip).numpy()
            ready = time.perf_counter()
            heard = attacked(attack, strength, given, number)
            done = time.perf_counter()
            cost.scores[attack.label(strength), clip.path, marked] = self._package.detect(heard)
            cost.add("model", ready - begin + time.perf_counter() - done)
            cost.add(part_of(cell), done - ready)

    def _before(self, clip: Clip) -> Wave:
        if clip.path not in self._marked:
            self._marked[clip.path] = self._package.mark(read(clip).numpy())
        return self._marked[clip.path]


def both(drawn: Sequence[Clip]) -> list[tuple[bool, Clip]]:
    """Each clip marked and each clip clean."""
    return [(marked, clip) for marked in (True, False) for clip in drawn]


def part_of(cell: Cell) -> str:
    """Which part the time of an attack counts to."""
    return "codecs" if cell[0].name in CODERS else "signal processing"


def cells(only: Sequence[str]) -> list[Cell]:
    """The attacks of the suite that both sides can carry out."""
    found = [
        (attack, strength)
        for attack, strength in read_suite(SUITE).cells()
        if attack.family != "splicing" and attack.needs == "nothing" and attack.target == "any"
    ]
    missing = sorted({attack.name for attack, _ in found if attack.name in CODERS and not encodes(attack.name)})
    if missing:
        say(f"left out, since ffmpeg has no encoder for them: {', '.join(missing)}")
    return [c for c in found if c[0].name not in missing and (not only or c[0].name in only)]


def draw(count: int) -> list[Clip]:
    """So many clips of the rehearsal, of all speakers in turn; read, so that decoding them counts on neither side."""
    by_speaker: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips("rehearsal"):
        by_speaker[clip.speaker].append(clip)
    drawn = [clip for several in zip(*by_speaker.values(), strict=False) for clip in several][:count]
    for clip in drawn:
        read(clip)
    return drawn


def perth(folder: Path) -> Perth:
    """Perth with the weights of its package, exported into `folder`."""
    spec = importlib.util.spec_from_file_location("export_perth", TOP / "examples/perth/export.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    example.export(example.installed(), folder)
    return open_subject(open_checkpoint(folder), None, torch.device("cpu"), torch.float32)


def rounds_of(subject: Perth, drawn: Sequence[Clip], chosen: Sequence[Cell], rounds: int) -> list[tuple[Cost, Cost]]:
    """The costs of both sides in each round, ours first."""
    found = []
    for number in range(rounds):
        sides, costs = (Ours(subject, drawn), Plain(drawn)), (Cost(), Cost())
        for place, cell in enumerate(chosen):
            turn = list(zip(sides, costs, strict=True))
            for side, cost in turn if place % 2 else reversed(turn):
                side.run(cell, cost)
            whole = [cost.seconds["whole"] for cost in costs]
            sys.stderr.write(
                f"round {number + 1}: {cell[0].label(cell[1])}: {whole[0]:.1f} s, plain {whole[1]:.1f} s\n"
            )
        found.append(costs)
    return found


def audio_of(chosen: Sequence[Cell], drawn: Sequence[Clip]) -> dict[str, float]:
    """Seconds of audio that go through each part: every clip, marked and clean, once an attack."""
    through = {part: sum(part_of(cell) == part for cell in chosen) for part in PARTS}
    through |= {"model": len(chosen), "whole": len(chosen)}
    return {part: SECONDS * 2 * len(drawn) * count for part, count in through.items()}


def table(found: Sequence[tuple[Cost, Cost]], audio: Mapping[str, float]) -> None:
    """Prints audio-seconds a second of both, part by part, and how many times as fast ours is: medians over the rounds.

    Args:
        found: the costs of both sides in each round, ours first.
        audio: seconds of audio that go through each part in a round.
    """
    say(f"\n{'audio-seconds per second':<28}{'ours':>9}{'plain':>9}{'ratio':>8}{'target':>8}")
    for part, target in PARTS.items():
        pairs = [(ours.seconds[part], plain.seconds[part]) for ours, plain in found if ours.seconds[part]]
        if pairs:
            ours, plain = (audio[part] / statistics.median(pair[side] for pair in pairs) for side in (0, 1))
            ratio = statistics.median(other / own for own, other in pairs)
            say(f"{part:<28}{ours:>9.1f}{plain:>9.1f}{ratio:>8.1f}" + (f"{target:>8.1f}" if target else ""))
    ours_scores, plain_scores = found[0][0].scores, found[0][1].scores
    unattacked = [abs(ours_scores[k] - plain_scores[k]) for k in ours_scores if k[0] == "none" and k in plain_scores]
    if unattacked:
        say(f"scores of unattacked clips differ by at most {max(unattacked):.4f}")


def say(line: str) -> None:
    """Nothing; the line is on standard output."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=8, help="each marked and clean")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", action="append", default=[], metavar="ATTACK")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(asked.threads)
    try:
        drawn = draw(asked.clips)
    except ReleaseGateError as error:
        raise SystemExit(f"{error}; fix: {error.problems[0].fix}") from None
    chosen = cells(asked.only)
    with tempfile.TemporaryDirectory(prefix="bench_watermark.") as folder, torch.inference_mode():
        subject = perth(Path(folder))
        for side in (Ours(subject, drawn[:1]), Plain(drawn[:1])):  # imports, caches and the first call of each
            side.run(chosen[0], Cost())
        say(f"{len(chosen)} attacks, {len(drawn)} marked and {len(drawn)} clean clips of {SECONDS:g} s at {RATE} Hz;")
        say(f"{os.cpu_count()} CPUs, {asked.threads} threads, rounds: {asked.rounds}")
        table(rounds_of(subject, drawn, chosen, asked.rounds), audio_of(chosen, drawn))


if __name__ == "__main__":
    main(sys.argv[1:])
