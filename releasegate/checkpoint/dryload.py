"""The program of the child process that loads models without their weights. It imports nothing of releasegate.

`layingout.py` runs it as a file, in an isolated interpreter. On standard input, a line of JSON for each request: the class,
the configuration, that of generation, and dtype and shape of each tensor. On standard output, for each request, a line with
the number of bytes that follow and an exit code, and these bytes: as one line of JSON
`["loaded", version, type of the model, what is left over, undeclared settings]`,
`["absent", what there is not]`, or `["raised", kind, text]`. It is given no
file of the checkpoint, so that it can neither read weights nor run code from it. Each request is answered by a fork, which
has limits of its own and leaves nothing behind; the libraries are imported once.

Each tensor is handed to transformers as something that it slices, as it slices a safetensors file; what comes out is a
tensor on the device `meta`, which has a shape and no data. Names, converters of fused experts, ties and shapes are
transformers' own work. What it never slices it has not used, whether it says so or not; what it slices it asks for in the
dtype that the class declares; and of two tensors under names that come to one, it takes one and says nothing.
"""

from __future__ import annotations

import inspect
import json
import logging
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any

import torch
import transformers
from transformers import core_model_loading

DTYPES: dict[str, torch.dtype] = {}
"""torch's dtype of each name in a header; from the request."""
USUAL = (
    "_attn_implementation", "_name_or_path", "architectures", "attn_implementation", "auto_map", "dtype", "id2label", "label2id",
    "model_type", "quantization_config", "rope_scaling", "rope_theta", "torch_dtype", "transformers_version", "use_cache",
)  # fmt: skip
"""Settings that every class takes."""
MOST = 20
"""Keys of a kind that are named."""

Answer = list[Any]


class Stored:
    """A tensor of the checkpoint, which can be taken as a whole, and remembers whether it was, and as what."""

    def __init__(self, dtype: str, shape: list[int]) -> None:
        self.dtype, self.shape, self.used = dtype, shape, False
        self.wanted: torch.dtype | None = None

    def get_dtype(self) -> str:
        """As the header of a safetensors file spells it."""
        return self.dtype

    def __getitem__(self, _: object) -> Moving:
        self.used = True
        return Moving(self)

    @property
    def other_kind(self) -> str | None:
        """What differs where the class wants whole numbers and there are others, or the reverse, or twice the width."""
        own, wanted = DTYPES[self.dtype], self.wanted
        if wanted is None:
            return None
        wide = own == torch.float64 and wanted != torch.float64
        kinds = [(one.is_floating_point, one.is_complex, one == torch.bool) for one in (own, wanted)]
        return f"{self.dtype} and {str(wanted).removeprefix('torch.')}" if wide or kinds[0] != kinds[1] else None


class Moving:
    """A tensor on its way to a device; whatever the device, it arrives on `meta`."""

    def __init__(self, stored: Stored) -> None:
        self.stored = stored

    def to(self, device: object = None, dtype: torch.dtype | None = None) -> torch.Tensor:
        """It, without data."""
        self.stored.wanted = dtype
        return torch.empty(self.stored.shape, dtype=dtype or DTYPES[self.stored.dtype], device="meta")


def main() -> None:
    """Answers the requests on standard input, one after the other, until there are no more."""
    transformers.utils.logging.set_verbosity(logging.CRITICAL)
    transformers.utils.logging.disable_progress_bar()
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        with suppress(ImportError, AttributeError, RuntimeError, ValueError, OSError):  # the fork comes to it again
            class_of(request["class"])
        output, code = forked(request)
        sys.stdout.buffer.write(b"%d %d\n" % (len(output), code) + output)
        sys.stdout.buffer.flush()


def forked(request: dict[str, Any]) -> tuple[bytes, int]:
    """What a fork of this process writes as the answer to `request`, and its exit code, or the negative signal."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.dup2(writing, 1)
        with open(os.devnull) as nothing_more:
            os.dup2(nothing_more.fileno(), 0)
        sys.excepthook = tell
        answer(request)
        sys.exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        output = pipe.read()
    return output, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def answer(request: dict[str, Any]) -> None:
    """Answers one request, within the limits that it names."""
    restrict(request["memory"], request["seconds"])
    DTYPES.update({name: getattr(torch, spelt) for spelt, name in request["dtypes"].items() if hasattr(torch, spelt)})
    cls = class_of(request["class"])
    if cls is None:
        say(["absent", f"transformers {transformers.__version__} has no model class {request['class']}"])
    else:
        transformers.GenerationConfig.from_dict(request["generation"])
        config = request["config"]
        left = leftovers(cls, config, request["tensors"])
        say(
            [
                "loaded",
                transformers.__version__,
                str(cls.config_class.model_type),
                left,
                undeclared(cls.config_class, config),
            ]
        )


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
    sys.stdout.flush()


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
    with taken() as sources:
        _, info = weightless(cls).from_pretrained(
            None,
            config=cls.config_class.from_dict(config),
            state_dict=stored,
            trust_remote_code=False,
            use_kernels=False,  # there are none for `meta`, and they would be fetched from a hub
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told, with what else does not fit
            dtype=torch.float32,
        )
    found = {kind: sorted(told(one) for one in left or ()) for kind, left in info.items()}
    found["ignored"] = sorted(name for name, one in stored.items() if not one.used)
    found["twice"] = sorted(f"{' and '.join(names)} ({target})" for target, names in doubled(sources).items())
    found["of_another_kind"] = sorted(f"{name} ({one.other_kind})" for name, one in stored.items() if one.other_kind)
    return {kind: [str(len(left)), *left[:MOST]] for kind, left in found.items() if left}


def undeclared(cls: type[Any], config: dict[str, Any], above: str = "") -> list[str]:
    """Dotted paths of the settings that a class of configurations, or that of a part, does not declare."""
    known = {*USUAL, *getattr(cls, "attribute_map", {})}
    for one in cls.__mro__:
        known.update(getattr(one, "__annotations__", ()))
        if "__init__" in vars(one):
            known.update(inspect.signature(vars(one)["__init__"]).parameters)
    parts = getattr(cls, "sub_configs", {})
    found: list[str] = []
    for key, value in config.items():
        part = parts.get(key)
        if inspect.isclass(part) and isinstance(value, dict) and part is not transformers.AutoConfig:
            found += undeclared(part, value, f"{above}{key}.")
        elif key not in known:
            found.append(above + key)
    return found


@contextmanager
def taken() -> Iterator[dict[str, list[tuple[Any, str, str]]]]:
    """Notes which tensors are taken for which of the class: by its name there, the transform, its pattern, and their names."""
    sources: dict[str, list[tuple[Any, str, str]]] = {}
    before = core_model_loading.WeightTransform.add_tensor

    def add_tensor(self: Any, target_key: str, source_key: str, source_pattern: str, future: Any) -> None:
        sources.setdefault(target_key, []).append((self, source_pattern, source_key))
        before(self, target_key, source_key, source_pattern, future)

    setattr(core_model_loading.WeightTransform, "add_tensor", add_tensor)  # noqa: B010 (a method of another's class)
    try:
        yield sources
    finally:
        setattr(core_model_loading.WeightTransform, "add_tensor", before)  # noqa: B010


def doubled(sources: dict[str, list[tuple[Any, str, str]]]) -> dict[str, list[str]]:
    """Tensors under names that come to one of the class, where a converter does not join them."""
    found: dict[str, list[str]] = {}
    for target, given in sources.items():
        joins = isinstance(given[0][0], core_model_loading.WeightConverter)
        known = given[0][0].source_patterns if joins else [given[0][1]]
        odd = [name for _, pattern, name in given if pattern not in known]
        if odd or (not joins and len(given) > 1):
            found[target] = [name for _, _, name in given][:3]
    return found


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
