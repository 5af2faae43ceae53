"""What it costs to give a stripped model new heads: they are trained on its trunk, which stays as it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import torch
from corpus import Windows
from learning import LearningRecipe, make_net, train

from releasegate.subjects.mtp_net import MultiTokenNet, MultiTokenParams


def with_new_heads(
    stripped: MultiTokenNet, params: MultiTokenParams, recipe: LearningRecipe, seed: int
) -> MultiTokenNet:
    """The stripped network with heads that know nothing; they alone ask for gradients.

    Args:
        stripped: without extra heads.
        params: of the network that it was.
        recipe: of the first weights.
        seed: of the same.
    """
    net = make_net(MultiTokenNet(params), recipe, seed)
    left, strange = net.load_state_dict(stripped.state_dict(), strict=False)
    if strange or not all(name.startswith("extra_heads.") for name in left):
        raise ValueError(f"the stripped network is not this one without its heads: {[*strange, *left][:3]}")
    net.requires_grad_(requires_grad=False)
    net.extra_heads.requires_grad_(requires_grad=True)
    return net


def restoration(
    net: MultiTokenNet,
    windows: Windows,
    recipe: LearningRecipe,
    budgets: tuple[int, ...],
    seed: int,
    measured: Callable[[MultiTokenNet], float],
) -> list[dict[str, float]]:
    """For each budget what new heads are worth, and the processor time that they took; each is trained from the start.

    Args:
        net: with new heads.
        windows: what is trained on.
        recipe: rates; the steps are the budget's.
        budgets: steps of training.
        seed: of the batches.
        measured: what a network is worth.
    """
    first = {name: weight.clone() for name, weight in net.state_dict().items()}
    found = [{"steps": 0, "seconds": 0.0, "worth": measured(net)}]
    for steps in budgets:
        net.load_state_dict(first)
        started = time.process_time()
        with torch.enable_grad():
            train(net, windows.batches(seed), replace(recipe, steps=steps), range(1, net.heads))
        seconds = round(time.process_time() - started, 1)
        found.append({"steps": steps, "seconds": seconds, "worth": measured(net)})
    return found
