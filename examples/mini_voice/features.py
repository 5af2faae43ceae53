"""Computes what mini-voice is trained on: `python examples/mini_voice/features.py --speech FOLDER --out FILE`.

For each recording: the states of the content encoder, of the recording and of two copies in other voices (WORLD moves formants,
pitch and the equaliser), its pitch, loudness, mel-cepstra, aperiodicity and speaker embedding. Five minutes on one core.
"""

from __future__ import annotations

import logging
import sys
import time
from itertools import chain
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for evals/, which is no installed package

import click
import frozen
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from speech import Take, listed, volunteers
from torch import Tensor

from releasegate.subjects import mini_voice_analysis as analysis
from releasegate.subjects.mini_voice_content import Content
from releasegate.subjects.mini_voice_frames import RATE, frames_in, padded
from releasegate.subjects.mini_voice_speaker import Speaker

LOG = logging.getLogger(__name__)
COPIES = 2
Wave = NDArray[np.float64]


def encoders() -> tuple[Content, Speaker]:
    """The frozen encoders, from the packages that hold them."""
    content, speaker = Content(**frozen.CONTENT), Speaker()
    content.load_state_dict({name: tensor.float() for name, tensor in frozen.content().items()})
    speaker.load_state_dict({name: tensor.float() for name, tensor in frozen.speaker().items()})
    return content.eval().requires_grad_(requires_grad=False), speaker.eval().requires_grad_(requires_grad=False)


def disguised(pitch: Wave, envelope: Wave, aperiodicity: Wave, random: np.random.Generator) -> Tensor:
    """The same words in no one's voice: formants, pitch and equaliser moved, at times a telephone's upper limit."""
    bins = np.arange(envelope.shape[1])
    stretched = np.clip(bins / np.exp(random.uniform(-0.22, 0.22)), 0, len(bins) - 1)
    log = np.log(envelope + 1e-12)
    below = np.minimum(stretched.astype(int), len(bins) - 2)
    share = stretched - below
    log = log[:, below] * (1 - share) + log[:, below + 1] * share
    shape = np.interp(bins, np.linspace(0, bins[-1], 8), random.normal(0, 0.9, 8))
    if random.random() < 0.4:
        shape = shape - np.clip((bins / bins[-1] * RATE / 2 - random.uniform(3200, 4200)) / 200, 0, 10)
    moved = pitch * np.exp(random.uniform(-0.5, 0.5))
    wave = analysis.pyworld.synthesize(
        moved, np.ascontiguousarray(np.exp(log + shape)), aperiodicity, RATE, analysis.PERIOD
    )
    return torch.from_numpy(wave.astype(np.float32))


@torch.inference_mode()
def features(take: Take, content: Content, speaker: Speaker, random: np.random.Generator) -> dict[str, Tensor]:
    """What is learnt of a recording, by name; `frames` is an even number of frames of 10 ms.

    states float16 [1 + COPIES, frames / 2, width]; cepstra float32 [frames, CEPSTRA]; pitch, loudness, roughness float32
    [frames]; embedding float32 [256]; audio float16 [t].
    """
    pitch, places = analysis._pitch(take.audio)
    wave = take.audio.double().numpy()
    envelope = analysis.pyworld.cheaptrick(wave, pitch, places, RATE)
    aperiodicity = analysis.pyworld.d4c(wave, pitch, places, RATE)
    count = frames_in(len(take.audio))
    copies = [disguised(pitch, envelope, aperiodicity, random) for _ in range(COPIES)]
    cut = [copy[: len(take.audio)] for copy in copies]
    states = [content(padded([each]), [frames_in(len(each))])[0] for each in (take.audio, *cut)]
    shortest = min(count // 2, *(len(each) for each in states), len(pitch) // 2)
    prosody = analysis.heard(take.audio)
    roughness = analysis.pyworld.code_aperiodicity(aperiodicity, RATE)[:, 0].astype(np.float32)
    return {
        "states": torch.stack([each[:shortest] for each in states]).half(),
        "cepstra": torch.from_numpy(analysis.coded(envelope))[: 2 * shortest],
        "pitch": prosody.pitch[: 2 * shortest].clone(),
        "loudness": prosody.loudness[: 2 * shortest].clone(),
        "roughness": torch.from_numpy(roughness)[: 2 * shortest],
        "embedding": speaker.embed([take.audio])[0],
        "audio": take.audio.half(),
    }


@click.command(help=__doc__)
@click.option("--speech", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True,
              help="Unpacked packages of the volunteers; those of the pool are looked for where evals do.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--adaptation", is_flag=True, help="Of the recordings for adaptation, and of no others.")
@click.option("--part", type=int, default=0, help="Which part to compute, of --parts.")
@click.option("--parts", type=int, default=1)
def main(speech: Path, out: Path, part: int, parts: int, *, adaptation: bool) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    content, speaker = encoders()
    found: dict[str, Tensor] = {}
    begin = time.perf_counter()
    takes = listed("adaptation") if adaptation else chain(listed(), volunteers(speech))
    for place, take in enumerate(takes):
        if place % parts == part:
            made = features(take, content, speaker, np.random.default_rng(place))
            found |= {f"{take.speaker}/{place:04}/{name}": tensor.contiguous() for name, tensor in made.items()}
            if place % 100 < parts:
                LOG.info("%d recordings, %.0f s", place, time.perf_counter() - begin)
    save_file(found, out)


if __name__ == "__main__":
    main()
