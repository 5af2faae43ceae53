"""The program of the child process that loads a model without its weights. It imports nothing of releasegate.

`loadable.py` runs it as a file, in an isolated interpreter. On standard input, as JSON: the class, the configuration,
that of generation, and dtype and shape of each tensor. On standard output, as one line of JSON:
`["loaded", version, what is left over]`, `["absent", what there is not]`, or `["raised", kind, text]`. It is given no
file of the checkpoint, so that it can neither read weights nor run code from it.

Each tensor is handed to transformers as something that it slices, as it slices a safetensors file; what comes out is a
tensor on the device `meta`, which has a shape and no data. Names, converters of fused experts, ties and shapes are
transformers' own work. What it never slices it has not used, whether it says so or not.
"""

from __future__ import annotations

import inspect
import json
import logging
import os
import resource
import sys
from types import TracebackType
from typing import Any

import torch
import transformers

DTYPES: dict[str, torch.dtype] = {}
"""torch's dtype of each name in a header; from the request."""
MOST = 20
"""Keys of a kind that are named."""

Answer = list[Any]


class Stored:
    """A tensor of the checkpoint, which can be taken as a whole, and remembers whether it was."""

    def __init__(self, dtype: str, shape: list[int]) -> None:
        self.dtype, self.shape, self.used = dtype, shape, False

    def get_dtype(self) -> str:
        """As the header of a safetensors file spells it."""
        return self.dtype

    def __getitem__(self, _: object) -> Moving:
        self.used = True
        return Moving(self.dtype, self.shape)


class Moving:
    """A tensor on its way to a device; whatever the device, it arrives on `meta`."""

    def __init__(self, dtype: str, shape: list[int]) -> None:
        self.dtype, self.shape = dtype, shape

    def to(self, device: object = None, dtype: torch.dtype | None = None) -> torch.Tensor:
        """It, without data."""
        return torch.empty(self.shape, dtype=dtype or DTYPES[self.dtype], device="meta")


def main() -> None:
    """Answers the one request on standard input."""
    sys.excepthook = tell
    request = json.load(sys.stdin)
    restrict(request["memory"], request["seconds"])
    DTYPES.update({name: getattr(torch, spelt) for spelt, name in request["dtypes"].items() if hasattr(torch, spelt)})
    transformers.utils.logging.set_verbosity(logging.CRITICAL)
    transformers.utils.logging.disable_progress_bar()
    cls = class_of(request["class"])
    if cls is None:
        say(["absent", f"transformers {transformers.__version__} has no model class {request['class']}"])
    else:
        transformers.GenerationConfig.from_dict(request["generation"])
        say(["loaded", transformers.__version__, leftovers(cls, request["config"], request["tensors"])])


def restrict(memory: int, seconds: int) -> None:
    """Limits this process to so many bytes beyond those in use, and to seconds of processor time; no large files."""
    if os.path.exists("/proc/self/statm"):  # the limit is one of Linux
        with open("/proc/self/statm") as file:
            data = int(file.read().split()[5]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (data + memory, data + memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))  # Python tries where temporary files can stand
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def say(answer: Answer) -> None:
    """Writes the answer."""
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


def tell(kind: type[BaseException], raised: BaseException, _: TracebackType | None) -> None:
    """Says on standard output what was raised."""
    say(["raised", kind.__name__, str(raised).strip()[:1000]])


def class_of(name: str) -> type[Any] | None:
    """The class `name` of transformers' own modules; `None` where it has no such model."""
    found = getattr(transformers, name, None)
    return found if inspect.isclass(found) and issubclass(found, transformers.PreTrainedModel) else None


def leftovers(cls: type[Any], config: dict[str, Any], tensors: dict[str, Any]) -> dict[str, list[str]]:
    """What is left over on either side when tensors are loaded: of each kind how many, and the first of them.

    Args:
        cls: what they are loaded into.
        config: of the checkpoint.
        tensors: dtype and shape of each.
    """
    stored = {name: Stored(*spec) for name, spec in tensors.items()}
    _, info = weightless(cls).from_pretrained(
        None,
        config=cls.config_class.from_dict(config),
        state_dict=stored,
        trust_remote_code=False,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # they are told, with what else does not fit
        dtype=torch.float32,
    )
    found = {kind: sorted(told(one) for one in left or ()) for kind, left in info.items()}
    found["ignored"] = sorted(name for name, one in stored.items() if not one.used)
    return {kind: [str(len(left)), *left[:MOST]] for kind, left in found.items() if left}


def weightless(cls: type[Any]) -> type[Any]:
    """`cls`, which leaves what it lacks on `meta` in place of drawing it at random."""
    empty = {"initialize_weights": nothing, "_move_missing_keys_from_meta_to_device": nothing}
    return type(cls.__name__, (cls,), {**empty, "__module__": cls.__module__})


def nothing(*_: object, **__: object) -> None:
    """Nothing is done."""


def told(one: Any) -> str:
    """A key, or a key with the two shapes that differ."""
    if isinstance(one, tuple):
        name, *shapes = one
        return f"{name} ({' and '.join(str(list(shape)) for shape in shapes)})" if len(shapes) == 2 else str(name)
    return str(one)


if __name__ == "__main__":
    main()
