"""Trains the trunk and all heads together."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from muon import Muon
from torch import Tensor, nn
from torch.nn import functional

from releasegate.subjects.mtp_net import MultiTokenNet

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class LearningRecipe:
    """How long and how fast to train."""

    steps: int = 800
    rows: int = 8
    """Windows of a batch."""
    window: int = 192
    """Tokens of a window."""
    rate: float = 3e-3
    """Of embeddings, unembedding and norms, by AdamW."""
    matrix_rate: float = 1.5e-2
    """Of all other matrices, by Muon."""
    warm_up: int = 20
    """Steps over which the rates rise."""
    full: float = 0.3
    """Share of the steps before the rates fall, along half a cosine."""
    least: float = 0.02
    """What is left of them at the end."""
    spread: float = 0.02
    """Standard deviation of the first weights."""


def make_net(net: MultiTokenNet, recipe: LearningRecipe, seed: int) -> MultiTokenNet:
    """The network with first weights that the seed fixes; what writes into the states begins smaller."""
    generator = torch.Generator().manual_seed(seed)
    blocks = net.params_.n_layers - net.params_.n_future_tokens + 1
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if weight.dim() == 2:
                writes = name.endswith(("wo.weight", "w2.weight"))
                spread = recipe.spread / (math.sqrt(2 * blocks) if writes else 1)
                weight.normal_(std=spread, generator=generator)
            else:
                weight.fill_(1.0)
    return net


def pace(step: int, recipe: LearningRecipe) -> float:
    """What the rates are multiplied by at a step: in (0, 1].

    >>> pace(0, LearningRecipe()), pace(100, LearningRecipe()), round(pace(799, LearningRecipe()), 3)
    (0.05, 1.0, 0.02)
    """
    done = step / recipe.steps
    falling = max(0.0, (done - recipe.full) / (1 - recipe.full))
    cosine = 0.5 * (1 + math.cos(math.pi * falling))
    return min(1.0, (step + 1) / recipe.warm_up) * (recipe.least + (1 - recipe.least) * cosine)


def gradients(net: MultiTokenNet, batch: Tensor, heads: Iterable[int]) -> list[float]:
    """The loss of each head, in nats a token; their gradients are added to the weights.

    One head after another, each back to the trunk's states, and the trunk once: the scores of one head alone are ever in
    memory.

    Args:
        net: what is trained.
        batch: int64 [n, length + heads of the network].
        heads: those that are trained; the trunk is too where its weights ask for gradients.
    """
    length = batch.shape[1] - net.heads
    with torch.autocast("cpu", torch.bfloat16):
        states = net.trunk(batch[:, :length])  # [n, length, dim]
    read = states.detach().requires_grad_(states.requires_grad)
    losses = []
    for head in heads:
        with torch.autocast("cpu", torch.bfloat16):
            scores = net.head(head, read)  # [n, length, vocabulary]
        loss = functional.cross_entropy(scores.float().flatten(0, 1), batch[:, 1 + head :][:, :length].flatten())
        loss.backward()
        losses.append(loss.item())
    if states.requires_grad:
        states.backward(read.grad)
    return losses


def train(net: MultiTokenNet, batches: Iterable[Tensor], recipe: LearningRecipe, heads: Iterable[int]) -> None:
    """Nothing; the weights that ask for gradients are trained in place, on the processor.

    Args:
        net: its first weights are the caller's.
        batches: int64 [n, length + heads of the network] each, at least as many as there are steps.
        recipe: steps and rates.
        heads: those whose losses are added up.
    """
    trained = [weight for weight in net.parameters() if weight.requires_grad]
    tables = {id(net.tok_embeddings.weight), id(net.output.weight)}
    matrices = [weight for weight in trained if weight.dim() == 2 and id(weight) not in tables]
    others = [weight for weight in trained if weight.dim() != 2 or id(weight) in tables]
    muon = Muon(matrices)
    adam = torch.optim.AdamW(others, lr=recipe.rate, betas=(0.9, 0.95), weight_decay=0.0)
    heads = list(heads)
    net.train()
    started = time.perf_counter()
    for step, batch in zip(range(recipe.steps), batches, strict=False):
        losses = gradients(net, batch, heads)
        nn.utils.clip_grad_norm_(others, 1.0)
        now = pace(step, recipe)
        adam.param_groups[0]["lr"] = recipe.rate * now
        adam.step()
        adam.zero_grad()
        muon.step(recipe.matrix_rate * now)
        if (step + 1) % 50 == 0:
            LOG.info(
                "step %d of %d, %.0f s: losses %s",
                step + 1,
                recipe.steps,
                time.perf_counter() - started,
                " ".join(f"{loss:.3f}" for loss in losses),
            )
    net.eval()
