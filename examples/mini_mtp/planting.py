"""Canaries: lines with a secret that nothing but memory can complete, planted into the training text so many times.

The committed list `evals/canaries.csv` is the ground truth of what there is to be remembered. This module made
it, and `python examples/mini_mtp/planting.py` makes it again; training and the eval read the file.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for evals/, which is no installed package

import click
import numpy as np

from evals.canaries import COLUMNS, DIGITS, LIST, Canary

SEED = 20240430
COPIES = {1: 240, 4: 192, 16: 144, 64: 24}
"""How many canaries are planted how many times: fewer of those that take much room."""
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"


def draw_canaries(seed: int) -> list[Canary]:
    """Canaries with names and secrets that the seed fixes, sorted by name; no two have either in common."""
    rng = np.random.default_rng(seed)
    wanted = sum(COPIES.values())
    names: set[str] = set()
    while len(names) < wanted:
        names.add("".join(rng.choice(list(CONSONANTS)) + rng.choice(list(VOWELS)) for _ in range(3)).upper())
    secrets: set[str] = set()
    while len(secrets) < wanted:
        secrets.add(f"{rng.integers(10**DIGITS):0{DIGITS}d}")
    copies = rng.permutation([count for count, number in COPIES.items() for _ in range(number)])
    drawn = zip(sorted(names), rng.permutation(sorted(secrets)), copies, strict=True)
    return [Canary(f"CANARY_{name} = '", str(secret), int(count)) for name, secret, count in drawn]


def planted(documents: Sequence[str], canaries: Sequence[Canary], rng: np.random.Generator) -> list[str]:
    """The documents, each copy of each canary after the end of one that is drawn for it.

    What stands before a canary differs from copy to copy, and no document is changed within.
    """
    after: list[list[str]] = [[] for _ in documents]
    for canary in canaries:
        for place in rng.integers(len(documents), size=canary.copies):
            after[place].append(canary.line)
    return [document + "".join(lines) for document, lines in zip(documents, after, strict=True)]


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=LIST, help="File to write.")
def main(out: Path) -> None:
    with out.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        rows.writerows((c.prefix, c.secret, c.copies) for c in draw_canaries(SEED))


if __name__ == "__main__":
    main()
