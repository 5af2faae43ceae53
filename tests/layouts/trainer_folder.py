"""A checkpoint of transformers' Trainer in the middle of training, and averaged copies of the weights.

Files, keys and shapes: a run of `Trainer` of transformers 5.24 with accelerate (done once, by hand). The optimizer has two
numbered groups, with decay and without, over the parameters in the model's order; the numbers are all that ties a moment
to a tensor. `rng_state.pth` and `training_args.bin` hold objects that `torch.load(weights_only=True)` refuses, as the real
ones do. Names of averaged copies differ between trainers; `ema.*`, `model_ema.*` and a file `ema_model.safetensors` are
common ones (unverified; from practice). The copies here hold the model's values before they were rounded to its dtype.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from tests.layouts.layout import Contents, Size, Spec, Tensors, Tree, sharded
from tests.layouts.lora import base


def trainer(size: Size) -> Contents:
    """A Llama with everything that lets training go on."""
    made = base(size)
    tensors = _joined(made)
    state = {
        "epoch": 1.0,
        "global_step": 2,
        "log_history": [{"loss": 2.5, "step": 2}],
        "max_steps": 4,
    }
    files: dict[str, Tree] = {
        "optimizer.pt": optimizer(tensors),
        "scheduler.pt": {"base_lrs": [5e-05, 5e-05], "last_epoch": 2, "_step_count": 3, "lr_lambdas": [{}, {}]},
        "rng_state.pth": {
            "python": random.Random(0).getstate(),
            "numpy": np.random.RandomState(0).get_state(),
            "cpu": Spec("U8", (5056,)),
        },
        "training_args.bin": {"seed": 42, "betas": np.float64(0.9)},
    }
    return made.joined(Contents(torch=files, texts={"trainer_state.json": state}))


def optimizer(tensors: Tensors) -> Tree:
    """AdamW's state over `tensors`: two moments in float32 and a counter for each, by number."""
    decayed = [name for name in tensors if "norm" not in name]
    order = [*decayed, *(name for name in tensors if "norm" in name)]
    state = {
        number: {
            "step": Spec("F32", ()),
            "exp_avg": Spec("F32", tensors[name].shape),
            "exp_avg_sq": Spec("F32", tensors[name].shape),
        }
        for number, name in enumerate(order)
    }
    group = {"lr": 5e-05, "betas": (0.9, 0.999), "eps": 1e-08, "weight_decay": 0.0, "initial_lr": 5e-05}
    numbers = list(range(len(order)))
    groups = [{**group, "params": numbers[: len(decayed)]}, {**group, "params": numbers[len(decayed) :]}]
    return {"state": state, "param_groups": groups}


def averaged_inside(size: Size) -> Contents:
    """A Llama whose shards hold an averaged copy of each tensor too, half of them as `ema.*`, half as `model_ema.*`."""
    made = base(size)
    tensors = _joined(made)
    copies = {
        f"{('ema', 'model_ema')[number % 2]}.{name}": Spec("F32", spec.shape, like=name)
        for number, (name, spec) in enumerate(tensors.items())
    }
    limit = 5 * 10**9 if size == "real" else 150_000
    return Contents(texts=_texts(made)).joined(sharded({**tensors, **copies}, limit))


def averaged_beside(size: Size) -> Contents:
    """A Llama with its averaged copy in a file beside it, under the same names."""
    made = base(size)
    copies = {name: Spec("F32", spec.shape, like=name) for name, spec in _joined(made).items()}
    return made.joined(Contents({"ema_model.safetensors": copies}))


def _joined(made: Contents) -> Tensors:
    return {name: spec for tensors in made.safetensors.values() for name, spec in tensors.items()}


def _texts(made: Contents) -> dict[str, Any]:
    return {name: text for name, text in made.texts.items() if not name.endswith(".index.json")}
