"""Measures the mini-Chameleon and its judge, and writes `measured.json`, whose figures are those of the model card.

    python examples/mini_chameleon/measure.py [--sheet drawings.png]

The judge is measured on the 180 rehearsal digits, the model on the 320 gate digits (captions on both) and on 1,000
drawings.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for evals/, which is no installed package

import click
import numpy
import torch
from language import caption, draw
from layout import make_processor, read_checkpoint
from PIL import Image
from scipy.stats import beta
from torch import Tensor, nn
from torch.nn import functional
from train import SEED, STRENGTH, VARIANTS
from transformers import ChameleonForConditionalGeneration
from transformers.utils import logging as transformers_logging
from vocabulary import CODES, IMAGE_LENGTH, WORD_IDS
from vq import decode, encode, encode_variants

from evals.digits import WORDS, Part, shifts, split, to_pixels, to_scans
from evals.image_generation.judge import DigitJudge
from releasegate.subjects.vqgan import VQGANDecoder

LOG = logging.getLogger(__name__)
HERE = Path(__file__).parent
JUDGE = HERE.parents[1] / "evals" / "image_generation" / "judge.safetensors"
DRAWINGS = 1000
TEMPERATURE = 0.8
TEMPERATURES = (0.6, 0.7, 0.9, 1.0)  # shown beside it
REPEATS = 10  # shuffles of each rehearsal digit
DRAWING_SEED = 7

Count = dict[str, object]


def share(hits: Tensor) -> Count:
    """A count with its share and its exact 95 % interval (Clopper and Pearson, 1934).

    Args:
        hits: bool, shape [n].
    """
    k, n = int(hits.sum()), len(hits)
    low = 0.0 if k == 0 else float(beta.ppf(0.025, k, n - k + 1))
    high = 1.0 if k == n else float(beta.ppf(0.975, k + 1, n - k))
    return {"count": k, "of": n, "share": round(k / n, 4), "interval_95": [round(low, 4), round(high, 4)]}


def parameters(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


class Bench:
    """The trained model, its decoder and the judge, ready to be measured."""

    def __init__(self, folder: Path) -> None:
        self.model: ChameleonForConditionalGeneration
        self.decoder: VQGANDecoder
        self.model, self.decoder = read_checkpoint(folder)
        self.vq = self.model.model.vqmodel
        self.judge = DigitJudge.read(JUDGE)
        self.digits = split("train")

    def judged(self, codes: Tensor) -> Tensor:
        return self.judge(decode(self.vq, self.decoder, codes))

    def instrument(self) -> dict[str, Count]:
        """Sensitivity and specificity of the judge, on rehearsal digits and on tokens that show none."""
        held = split("rehearsal")
        labels, codes = torch.as_tensor(held.labels), encode(self.vq, to_pixels(held.images))
        generator = torch.Generator().manual_seed(DRAWING_SEED)
        noise = torch.randint(0, CODES, (len(held) * REPEATS, IMAGE_LENGTH), generator=generator)
        repeated = codes.repeat(REPEATS, 1)
        order = torch.rand(repeated.shape, generator=generator).argsort(dim=1)
        trips = self.judged(codes)
        return {
            "sensitivity_scans": share(self.judge(to_pixels(held.images)) == labels),
            "sensitivity_round_trips": share(trips == labels),
            "specificity_random_tokens": share(self.judged(noise) < 0),
            "specificity_shuffled_tokens": share(self.judged(repeated.gather(1, order)) < 0),
            "specificity_wrong_class": share((trips < 0) | (trips == labels)),
        }

    def round_trips(self) -> dict[str, object]:
        """What the VQ model keeps of the gate digits."""
        held = split("gate")
        pixels, labels = to_pixels(held.images), torch.as_tensor(held.labels)
        codes = encode(self.vq, pixels)
        error = functional.mse_loss(decode(self.vq, self.decoder, codes), pixels)
        return {
            "legible": share(self.judged(codes) == labels),
            "scans_legible": share(self.judge(pixels) == labels),
            "mean_squared_error": round(float(error), 5),
        }

    def captions(self, parts: tuple[Part, ...]) -> Count:
        """Digits that transformers' own forward names rightly, over the whole vocabulary."""
        hits = []
        for part in parts:
            held = split(part)
            words = torch.tensor(WORD_IDS)[torch.as_tensor(held.labels)]
            hits.append(caption(self.model, to_pixels(held.images)) == words)
        return share(torch.cat(hits))

    def processed(self) -> dict[str, Count]:
        """Gate digits that come as 8-bit images through the processor: named rightly, and with unchanged tokens."""
        held = split("gate")
        grey = numpy.rint(held.images * (255 / 16)).astype(numpy.uint8).repeat(2, axis=1).repeat(2, axis=2)
        images = [Image.fromarray(image) for image in grey]
        pixels = make_processor().image_processor(images=images, return_tensors="pt")["pixel_values"]
        same = encode(self.vq, pixels) == encode(self.vq, to_pixels(held.images))
        words = torch.tensor(WORD_IDS)[torch.as_tensor(held.labels)]
        return {
            "captions_right": share(caption(self.model, pixels) == words),
            "all_tokens_the_same": share(same.all(dim=1)),
        }

    def drawings(self, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
        """Digits asked for, codes drawn, and what the judge sees in them."""
        asked = torch.arange(DRAWINGS) % len(WORDS)
        codes = draw(self.model, asked, temperature, torch.Generator().manual_seed(DRAWING_SEED))
        return asked, codes, self.judged(codes)

    def drawn(self, temperature: float, moved: Tensor, seen: Tensor) -> dict[str, object]:
        """How the drawings at one temperature come out.

        Args:
            temperature: Of sampling.
            moved: Codes of the training images and their eight one-pixel moves, shape [m, 16].
            seen: Codes of all that was trained on, shape [m, 16].
        """
        asked, codes, shown = self.drawings(temperature)
        differing = nearest(codes, moved)
        copied = differing == 0
        legible = shown == asked
        return {
            "legible": share(legible),
            "legible_and_new": share(legible & ~copied),
            "refused": share(shown < 0),
            "other_digit": share((shown >= 0) & ~legible),
            "copied": share(copied),
            "copied_of_anything_trained_on": share(among(codes, seen)),
            "within_one_token_of_a_training_image": share(differing <= 1),
            "distinct": len(set(map(tuple, codes.tolist()))),
            "legible_by_digit": {word: share(legible[asked == digit]) for digit, word in enumerate(WORDS)},
        }

    def novelty(self) -> dict[str, object]:
        """How far, in grey levels, pictures lie from the nearest training scan: median and 5 % quantile.

        Drawings that were scans from memory would lie nearer than what the codec makes of held-out digits.
        """
        trained = torch.as_tensor(self.digits.images).to(torch.float32).flatten(1)
        held = decode(self.vq, self.decoder, encode(self.vq, to_pixels(split("gate").images)))
        drawn = decode(self.vq, self.decoder, self.drawings(TEMPERATURE)[1])
        far = {
            name: torch.cdist(to_scans(pixels), trained).amin(dim=1)
            for name, pixels in (("drawings", drawn), ("round_trips_of_gate_digits", held))
        }
        return {
            name: {"median": round(float(apart.median()), 2), "lowest_5_percent": round(float(apart.quantile(0.05)), 2)}
            for name, apart in far.items()
        }

    def sheet(self, path: Path, columns: int = 24) -> None:
        """Writes a picture of drawings, a row a digit."""
        _, codes, _ = self.drawings(TEMPERATURE)
        images = decode(self.vq, self.decoder, codes[: 10 * columns]).mean(dim=1).clamp(-1, 1)  # [n, 16, 16]
        framed = functional.pad(images, (1, 1, 1, 1), value=0.0).view(columns, 10, 18, 18)
        page = framed.permute(1, 2, 0, 3).reshape(180, 18 * columns)
        grey = ((1 - page) * 127.5).round().to(torch.uint8)
        Image.fromarray(grey.numpy()).resize((54 * columns, 540), Image.Resampling.NEAREST).save(path)


def nearest(codes: Tensor, others: Tensor) -> Tensor:
    """Tokens in which each string differs from the nearest of the others: int64, shape [n]."""
    return torch.cat([(batch[:, None] != others).sum(dim=2).amin(dim=1) for batch in codes.split(50)])


def among(codes: Tensor, others: Tensor) -> Tensor:
    """Whether each string is one of the others: bool, shape [n]."""
    known = set(map(tuple, others.tolist()))
    return torch.tensor([tuple(code) in known for code in codes.tolist()])


@click.command(help=__doc__)
@click.option("--checkpoint", type=click.Path(path_type=Path), default=HERE / "checkpoint", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=HERE / "measured.json", show_default=True)
@click.option("--sheet", type=click.Path(path_type=Path), help="Also write a picture of drawings here.")
def main(checkpoint: Path, out: Path, sheet: Path | None) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    transformers_logging.disable_progress_bar()
    bench = Bench(checkpoint)
    scans = torch.as_tensor(bench.digits.images)
    moved = encode(bench.vq, shifts(to_pixels(scans)).flatten(0, 1)).unique(dim=0)
    seen = encode_variants(bench.vq, scans, VARIANTS, STRENGTH, SEED).flatten(0, 1).unique(dim=0)
    vq, total = parameters(bench.vq), parameters(bench.model)
    document = {
        "schema": "releasegate/mini-chameleon-measured/v0",
        "parameters": {"language_model": total - vq, "vq_model": vq, "decoder": parameters(bench.decoder)},
        "judge": bench.instrument(),
        "vq_round_trips": bench.round_trips(),
        "captions": {"gate": bench.captions(("gate",)), "held_out": bench.captions(("gate", "rehearsal"))},
        "gate_digits_through_the_processor": bench.processed(),
        "drawings": {str(heat): bench.drawn(heat, moved, seen) for heat in (TEMPERATURE, *TEMPERATURES)},
        "distance_to_nearest_training_scan": bench.novelty(),
    }
    out.write_text(json.dumps(document, indent=2) + "\n")
    if sheet is not None:
        bench.sheet(sheet)
    click.echo(json.dumps(document["drawings"], indent=2))


if __name__ == "__main__":
    main()
