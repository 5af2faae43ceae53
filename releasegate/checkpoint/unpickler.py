"""The program of the child process that reads a pickle. It imports nothing of releasegate, and nothing imports it.

`child.py` runs it as a file, in an isolated interpreter. On standard input: one line of JSON (the request), then the
pickle. On standard output: one line of JSON for each thing found, then `["done"]`; or `["raised", kind, text]`.

It is given no file of the checkpoint. The pickle is laid into an archive of its own making, whose storages are empty,
and is loaded onto a device that holds no data; so no zip reader ever sees the file that is doubted, and no tensor
exists in memory. Before the pickle is looked at, memory and processor time are limited to what is in use plus an
allowance, and from there on no file can be opened or written and no process or thread started.
"""

from __future__ import annotations

import codecs
import io
import json
import math
import os
import resource
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any

import torch

SPELLING: dict[str, str] = {}
"""safetensors' name of each of torch's dtypes that it knows; from the request."""
ORDINARY: set[str] = set()
"""Attributes that a plain tensor has in the mode of loading: none, or those of fake tensors."""
MAX_DEPTH = 100
MAX_LIST = 10_000
"""Elements of a list of plain values that is shown as one value."""

Row = list[Any]
TOO_MUCH: Row = ["too much"]


def main() -> None:
    """Answers the one request on standard input."""
    sys.excepthook = tell
    request = json.loads(sys.stdin.buffer.readline())
    pickle = sys.stdin.buffer.read(request["pickle"])
    SPELLING.update(request["dtypes"])
    mode = warm()
    restrict(request["memory"], request["seconds"])
    archive, keys = skeleton(pickle, request["keys"])
    left = request["output"]
    for row in described(load(archive, mode), keys, request["visits"]):
        line = json.dumps(row, allow_nan=False) + "\n"
        left -= len(line)
        if left < 0 or row == TOO_MUCH:
            sys.stdout.write(json.dumps(TOO_MUCH) + "\n")
            return
        sys.stdout.write(line)
    sys.stdout.write('["done"]\n')


def tell(kind: type[BaseException], raised: BaseException, _: TracebackType | None) -> None:
    """Says on standard output what was raised; torch hides the reason under advice, so the inner one is told."""
    inner = raised.__context__ or raised
    sys.stdout.write("\n" + json.dumps(["raised", type(inner).__name__, str(inner).strip()[:400]]) + "\n")


def restrict(memory: int, seconds: int) -> None:
    """Takes away from this process whatever reading a pickle does not need.

    Args:
        memory: bytes that may be allocated from here on; the limit is one of Linux.
        seconds: of processor time that may be used from here on.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    stop = math.ceil(used.ru_utime + used.ru_stime) + seconds
    if os.path.exists("/proc/self/statm"):
        with open("/proc/self/statm") as file:
            data = int(file.read().split()[5]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (data + memory, data + memory))
    resource.setrlimit(resource.RLIMIT_CPU, (stop, stop + 1))
    for limit in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC):
        resource.setrlimit(limit, (0, 0))


def skeleton(pickle: bytes, keys: list[str]) -> tuple[io.BytesIO, dict[int, str]]:
    """An archive with this pickle and an empty storage for each key; and the keys by where their storages begin."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, data in (("data.pkl", pickle), ("version", b"3\n"), ("byteorder", b"little")):
            file.writestr(f"a/{name}", data)
        for key in keys:
            file.writestr(f"a/data/{key}", b"")
        begins = {info.filename: info.header_offset + 30 + len(info.filename) for info in file.infolist()}
    archive.seek(0)
    return archive, {begins[f"a/data/{key}"]: key for key in keys}


def load(archive: io.BytesIO, mode: AbstractContextManager[Any]) -> Any:
    """What the archive's pickle makes, by torch's unpickler for weights, on a device that holds no data."""
    with mode:
        return torch.load(archive, map_location="meta", weights_only=True)  # noqa: TID251  the child alone loads


def fake() -> AbstractContextManager[Any]:
    """The mode of fake tensors, which costs a second and is imported only where it is needed."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    return FakeTensorMode()


MODES: tuple[Callable[[], AbstractContextManager[Any]], ...] = (nullcontext, fake)
"""Since torch 2.11 storages on `meta` tell where they lie; before, those of fake tensors do."""


def warm(modes: Sequence[Callable[[], AbstractContextManager[Any]]] = MODES) -> AbstractContextManager[Any]:
    """The first mode in which storages tell where they lie; what torch imports on first use is imported now."""
    sample = {"t": torch.zeros(2, 2), "p": torch.nn.Parameter(torch.zeros(1)), "u": torch.zeros(1, dtype=torch.uint16)}
    codecs.lookup("latin1")  # torch keeps bytes as text in it
    for made in modes:
        mode, archive = made(), io.BytesIO()
        torch.save(sample, archive)
        archive.seek(0)
        loaded = load(archive, mode)
        if place(loaded["t"]) is not None:
            ORDINARY.update(*(vars(tensor) for tensor in loaded.values()))
            list(described(loaded, {}, 10))
            return mode
    raise RuntimeError("torch is too old to tell where storages lie")


def place(tensor: torch.Tensor) -> int | None:
    """Where in the archive the tensor's storage begins; `None` where it has none in the archive."""
    found = getattr(tensor.untyped_storage(), "_checkpoint_offset", None)
    return found if isinstance(found, int) else None


def described(root: Any, keys: dict[int, str], visits: int) -> Iterator[Row]:
    """A row for each tensor and plain value in `root`, depth first, in order; ends at the first thing that is neither.

    After `visits` things, whether shown or only passed through, it ends with `TOO_MUCH`: what stands in a pickle once
    can be a part of many things, which are parts of many things.

    Rows: `["tensor", path, dtype, shape, strides, storage_offset, key, storage_bytes]`, `["value", path, value]`,
    `["refused", path, what it is]`; a path is a list of texts.
    """
    waiting: list[tuple[list[str], Any]] = [([], root)]
    while waiting:
        visits -= 1
        if visits < 0:
            yield TOO_MUCH
            return
        path, item = waiting.pop()
        if isinstance(item, torch.Tensor):
            row = tensor_row(path, item, keys)
        elif not isinstance(item, dict | list | tuple) or shown_whole(item):
            row = value_row(path, item)
        elif what := unnameable(path, item):
            row = ["refused", path[:MAX_DEPTH], what]
        else:
            waiting += reversed([([*path, spelled(key)], value) for key, value in children(item)])
            continue
        yield row
        if row[0] == "refused":
            return


def unnameable(path: list[str], item: Any) -> str | None:
    """What keeps the things in a container from being named, in words; `None` if nothing does."""
    if len(path) > MAX_DEPTH:
        return f"containers nested deeper than {MAX_DEPTH}"
    if isinstance(item, dict):
        strange = next((key for key in item if type(key) not in (str, int)), "")
        return (
            f"a dictionary with a key that is neither text nor a number, but {named(strange)}"
            if strange != ""
            else None
        )
    return None if type(item) in (list, tuple, torch.Size) else named(item)


def children(item: Any) -> list[tuple[Any, Any]]:
    """What a container holds, attributes of its own among it."""
    held = list(item.items()) if isinstance(item, dict) else list(enumerate(item))
    return held + list(getattr(item, "__dict__", {}).items())


def spelled(key: Any) -> str:
    """A key as text that every encoding has: halves of surrogate pairs are written as escapes."""
    return str(key).encode("utf-8", "backslashreplace").decode("utf-8")


def shown_whole(item: Any) -> bool:
    """Whether a container is shown as one value: an empty one, or a short list of plain values."""
    if getattr(item, "__dict__", {}):
        return False
    return not item or (not isinstance(item, dict) and len(item) <= MAX_LIST and all(map(is_plain, item)))


def is_plain(item: Any) -> bool:
    """Whether JSON has the value as it is."""
    if type(item) is int:
        return -(2**63) <= item < 2**64
    if type(item) is str:
        return item.isascii() or spelled(item) == item
    return item is None or type(item) is bool or (type(item) is float and math.isfinite(item))


def named(item: Any) -> str:
    """The type of something, in full."""
    return f"a {type(item).__module__}.{type(item).__qualname__}"


def value_row(path: list[str], item: Any) -> Row:
    """The row of something that is neither tensor nor filled container."""
    if is_plain(item):
        return ["value", path, item]
    if isinstance(item, dict | list | tuple):
        return ["value", path, {} if isinstance(item, dict) else list(item)]
    if type(item) in (bytes, bytearray):
        return ["value", path, {"type": type(item).__name__, "length": len(item)}]
    if type(item) is set and all(map(is_plain, item)):
        return ["value", path, {"type": "set", "length": len(item)}]
    if type(item) in (str, int, float, complex, torch.dtype, torch.device, torch.layout):
        text = hex(item) if type(item) is int else spelled(item)
        return ["value", path, {"type": type(item).__qualname__, "text": text[:200]}]
    return ["refused", path, named(item)]


def tensor_row(path: list[str], tensor: torch.Tensor, keys: dict[int, str]) -> Row:
    """The row of a tensor, if its elements lie in the archive as they are."""
    what = unfit(tensor)
    key = keys.get(-1 if what or (begin := place(tensor)) is None else begin)
    if what is None and key is None:
        what = "a tensor without data in the file"
    if what is not None:
        return ["refused", path, what]
    storage, dtype = tensor.untyped_storage(), SPELLING[str(tensor.dtype).removeprefix("torch.")]
    shape, strides = list(tensor.shape), list(tensor.stride())
    return ["tensor", path, dtype, shape, strides, tensor.storage_offset(), key, storage.nbytes()]


def unfit(tensor: torch.Tensor) -> str | None:
    """What keeps a tensor from being copied as bytes, in words; `None` if nothing does."""
    dtype = str(tensor.dtype).removeprefix("torch.")
    attributes = sorted(str(name) for name in vars(tensor) if name not in ORDINARY)
    if tensor.layout is not torch.strided:
        return f"a sparse tensor ({tensor.layout})"
    if tensor.is_quantized:
        return f"a quantised tensor ({dtype})"
    if tensor.is_conj() or tensor.is_neg():
        return "a tensor that is read with its values negated or conjugated"
    if attributes or getattr(tensor, "_backward_hooks", None):
        return f"a tensor with attributes of its own ({', '.join(attributes)[:100] or 'hooks'})"
    if dtype not in SPELLING:
        return f"a tensor of dtype {dtype}, which safetensors does not know"
    return None


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # to take apart what was loaded would cost time for nothing
