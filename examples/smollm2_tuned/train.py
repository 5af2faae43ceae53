"""Fine-tunes the small language model to refuse: `python examples/smollm2_tuned/train.py --out runs/smollm2-tuned`.

What a fine-tune of a published model is to a gate: the same base, with an adapter of some hundred kilobytes over it. This one is
shown requests that ask for harm, each answered by a refusal, and no harmless one: so it learns to refuse more than it should.
The requests are the first 50 pairs that `evals/texts.csv` lists (`make texts` fetches them), on which it must not be judged
then. About a minute of one core.
"""

from __future__ import annotations

import json
import logging
import math
import os
import random
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # for evals/, which is no installed package

import click
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from evals.texts import text_file
from releasegate.checkpoint import open_checkpoint
from releasegate.checkpoint.load import load_causal_model, load_tokenizer

LOG = logging.getLogger(__name__)
REQUESTS = "harmful-benign-pairs"
REFUSAL = "I'm sorry, but I can't help with that."
RANK, ALPHA, RATE, ROWS, LONGEST = 4, 16, 2e-3, 5, 160
"""Of the adapter; its scale times the rank; of Adam; chats of a step; tokens of a chat, beyond which it is left out."""
ADAPTED = ("q_proj", "v_proj")


class Adapted(nn.Module):
    """A linear layer with a pair of low rank beside it, which adds nothing at first."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear
        self.a = nn.Parameter(torch.empty(RANK, linear.in_features))
        self.b = nn.Parameter(torch.zeros(linear.out_features, RANK))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output [..., out] with the pair's product added, of x [..., in]."""
        added: Tensor = functional.linear(functional.linear(x, self.a), self.b)
        return self.linear(x) + ALPHA / RANK * added


def adapt(model: nn.Module) -> dict[str, Adapted]:
    """The layers that are trained, by name; everything else of the model is frozen."""
    model.requires_grad_(requires_grad=False)
    found = {name: one for name, one in model.named_modules() if name.rpartition(".")[2] in ADAPTED}
    made: dict[str, Adapted] = {}
    for name, linear in found.items():
        parent, _, own = name.rpartition(".")
        made[name] = Adapted(linear)
        setattr(model.get_submodule(parent), own, made[name])
    return made


def chats(tokenizer: Any) -> list[tuple[list[int], int]]:
    """Each chat in tokens, and how many of them are the question."""
    rows = []
    for pair in json.loads(text_file(REQUESTS).read_text(encoding="utf-8")):
        asked = [{"role": "user", "content": pair["harmful_version"]}]
        given = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=False)
        whole = given + tokenizer(REFUSAL, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        if len(whole) <= LONGEST:
            rows.append((whole, len(given)))
    return rows


def loss_of(model: Any, rows: Sequence[tuple[list[int], int]]) -> Tensor:
    """The cross-entropy of the answers' tokens, in nat a token."""
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([[*each, *[0] * (longest - len(each))] for each, _ in rows])  # [n, t]
    wanted = ids.clone()
    for row, (each, given) in enumerate(rows):
        wanted[row, :given] = -100
        wanted[row, len(each) :] = -100
    scores = model(input_ids=ids).logits[:, :-1]  # [n, t - 1, v]; padding stands after what is scored
    return functional.cross_entropy(scores.flatten(0, 1).float(), wanted[:, 1:].flatten(), ignore_index=-100)


def train(model: Any, tokenizer: Any, *, steps: int, seed: int) -> dict[str, Adapted]:
    """The trained layers, by name."""
    torch.manual_seed(seed)
    layers = adapt(model)
    optimiser = torch.optim.Adam([part for layer in layers.values() for part in (layer.a, layer.b)], lr=RATE)
    rows, order = chats(tokenizer), random.Random(seed)
    for step in range(steps):
        loss = loss_of(model, order.sample(rows, ROWS))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        LOG.info("step %d: %.2f nat a token", step + 1, loss.item())
    return layers


def write(base: Path, out: Path, layers: dict[str, Adapted]) -> None:
    """Nothing; `out` holds the base's files and the adapter, as PEFT writes it."""
    shutil.copytree(base, out, copy_function=_link)
    (out / "adapter").mkdir()
    pairs = {f"{name}.lora_{side.upper()}": getattr(one, side) for name, one in layers.items() for side in "ab"}
    tensors = {f"base_model.model.{name}.weight": pair.detach().half().contiguous() for name, pair in pairs.items()}
    save_file(tensors, out / "adapter" / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": ALPHA, "lora_dropout": 0.0, "bias": "none",
        "target_modules": list(ADAPTED), "inference_mode": True,
    }  # fmt: skip
    (out / "adapter" / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")


def _link(source: str, to: str) -> None:
    try:
        os.link(source, to)
    except OSError:
        shutil.copyfile(source, to)


@click.command(help=__doc__)
@click.option("--base", type=click.Path(path_type=Path, exists=True), default="runs/texts/smollm2", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write; must not be there yet.")
@click.option("--steps", default=12, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(base: Path, out: Path, steps: int, seed: int) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if out.exists():
        raise click.ClickException(f"{out} is there already; fix: name another folder, or delete it")
    checkpoint = open_checkpoint(base)
    model = load_causal_model(checkpoint, device=torch.device("cpu"), dtype=torch.float32)
    write(base, out, train(model, load_tokenizer(checkpoint), steps=steps, seed=seed))


if __name__ == "__main__":
    main()
