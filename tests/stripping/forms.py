"""Removed rows in other forms and places, each tried: the table of docs/leftovers.md.

    python -m tests.stripping.forms

rewrites the table.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import struct
import tempfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from releasegate.checkpoint import read_contents
from releasegate.stripping.edits import TensorEdit
from releasegate.stripping.searching.leaks import search_output
from tests.tiny_strips import plan_of

PAGE = Path(__file__).parents[2] / "docs" / "leftovers.md"
BEGIN, END = "<!-- table: python -m tests.stripping.forms -->", "<!-- end of the table -->"
ROWS, WIDTH = 64, 512
DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16}

Rows = torch.Tensor
Form = Callable[[Rows, Path], Rows | Mapping[str, Rows] | None]
"""Makes of removed rows a tensor (or several) that stays; or writes them to the folder elsewhere."""


def noise(shape: tuple[int, ...], dtype: torch.dtype, seed: int = 7) -> Rows:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype("float32")).to(dtype)


def stored(rows: Rows) -> bytes:
    return rows.contiguous().view(torch.uint8).numpy().tobytes()


def spread(rows: Rows, times: int) -> Rows:
    """Each number is followed by others."""
    held = noise((len(rows), rows.shape[1] * times), rows.dtype)
    held[:, ::times] = rows
    return held


def low_half(rows: Rows) -> Rows:
    """Two bytes at a time below two bytes of other numbers."""
    halves = np.frombuffer(stored(rows), "<u2").astype("<u4")
    upper = np.frombuffer(stored(noise((len(halves),), torch.bfloat16)), "<u2").astype("<u4")
    return torch.from_numpy((halves | (upper << 16)).view("<f4").copy()).reshape(len(rows), -1)


def nans(rows: Rows) -> Rows:
    """Two bytes at a time in the bits of NaNs of 32 bits that are left free."""
    halves = np.frombuffer(stored(rows), "<u2").astype("<u4")
    return torch.from_numpy((halves | np.uint32(0x7FC00000)).view("<f4").copy()).reshape(len(rows), -1)


def swapped(rows: Rows) -> Rows:
    size = rows.element_size()
    turned = np.frombuffer(stored(rows), "u1").reshape(-1, size)[:, ::-1].copy()
    return torch.from_numpy(turned).view(rows.dtype).reshape(rows.shape)


def byte_planes(rows: Rows) -> Rows:
    """First the lowest byte of every number of a row, then the next ones."""
    size = rows.element_size()
    turned = np.frombuffer(stored(rows), "u1").reshape(len(rows), -1, size).transpose(0, 2, 1).copy()
    return torch.from_numpy(turned.reshape(-1)).view(rows.dtype).reshape(rows.shape)


def wider(rows: Rows) -> Rows:
    held = noise((len(rows), 1000), rows.dtype)
    held[:, 100 : 100 + rows.shape[1]] = rows
    return held


def permuted_inside(rows: Rows) -> Rows:
    return rows[:, torch.from_numpy(np.random.default_rng(3).permutation(rows.shape[1]))]


def low_rank(rows: Rows, folder: Path) -> Mapping[str, Rows]:
    left, sizes, right = torch.linalg.svd(rows.float(), full_matrices=False)
    return {"a": (left * sizes).contiguous(), "b": right.contiguous()}


def text(name: str, make: Callable[[bytes], str]) -> Form:
    def write(rows: Rows, folder: Path) -> None:
        (folder / name).write_text(make(stored(rows)))

    return write


def decimals(rows: Rows, folder: Path) -> None:
    bias = [[[number, number + 1], value] for number, value in enumerate(rows.float().flatten().tolist())]
    (folder / "generation_config.json").write_text(json.dumps({"sequence_bias": bias}))


def raw(rows: Rows, folder: Path) -> None:
    (folder / "LICENSE.dat").write_bytes(stored(rows * 3))


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def picture(more: Callable[[bytes], bytes], after: Callable[[bytes], bytes] = lambda rows: b"") -> Form:
    def write(rows: Rows, folder: Path) -> None:
        head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
        body = chunk(b"IHDR", head) + more(stored(rows)) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
        (folder / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body + after(stored(rows)))

    return write


def names(rows: Rows, folder: Path) -> Mapping[str, Rows]:
    code = base64.urlsafe_b64encode(stored(rows)).decode()
    return {f"{at:05}.{code[at : at + 800]}": torch.zeros(0) for at in range(0, len(code), 800)}


def scalars(rows: Rows, folder: Path) -> Mapping[str, Rows]:
    return {f"n.{at}": value.clone() for at, value in enumerate(rows.flatten()[:20000])}


FORMS: dict[str, Form] = {
    "as they are": lambda rows, _: rows,
    "scaled": lambda rows, _: rows * 3,
    "scaled, in float16": lambda rows, _: (rows * 3).half(),
    "scaled, in float64": lambda rows, _: (rows * 3).double(),
    "scaled, transposed": lambda rows, _: (rows * 3).T.contiguous(),
    "cut in halves": lambda rows, _: rows.reshape(-1, WIDTH // 2),
    "cut in halves, scaled": lambda rows, _: (rows * 3).reshape(-1, WIDTH // 2),
    "joined in pairs": lambda rows, _: torch.cat([rows, rows.flip(0)], dim=1),
    "joined in pairs, scaled": lambda rows, _: 3 * torch.cat([rows, rows.flip(0)], dim=1),
    "inside wider rows, in another order": lambda rows, _: wider(rows.flip(0)),
    "inside wider rows, in another order, scaled": lambda rows, _: wider(3 * rows.flip(0)),
    "each second number of a tensor": lambda rows, _: spread(rows, 2),
    "each third number of a tensor": lambda rows, _: spread(rows, 3),
    "each fourth number of a tensor": lambda rows, _: spread(rows, 4),
    "each second number of a tensor, scaled": lambda rows, _: spread(rows * 3, 2),
    "two bytes at a time, in the low half of F32": lambda rows, _: low_half(rows),
    "two bytes at a time, as NaNs": lambda rows, _: nans(rows),
    "two bytes at a time, scaled, as NaNs": lambda rows, _: nans(rows * 3),
    "two bytes at a time, scaled, in the low half of F32": lambda rows, _: low_half(rows * 3),
    "bytes in the other order": lambda rows, _: swapped(rows),
    "first the lowest bytes, then the next": lambda rows, _: byte_planes(rows),
    "numbers of a row in another order": lambda rows, _: permuted_inside(rows),
    "factors of low rank": low_rank,
    "names of empty tensors, in base64": names,
    "tensors of one element": scalars,
    "README.md, in base64": text("README.md", lambda rows: base64.encodebytes(rows).decode()),
    "tokenizer.json, in hexadecimal digits": text("tokenizer.json", lambda rows: json.dumps({"x": rows.hex()})),
    "README.md, in base 85": text("README.md", lambda rows: base64.b85encode(rows).decode()),
    "generation_config.json, as decimals": decimals,
    "LICENSE.dat, scaled, as bytes": raw,
    "PNG, text chunk": picture(lambda rows: chunk(b"tEXt", b"a\0" + rows)),
    "PNG, packed text chunk": picture(lambda rows: chunk(b"zTXt", b"a\0\0" + zlib.compress(rows))),
    "PNG, after its end": picture(lambda rows: b"", lambda rows: rows),
}
PLACES = {"64 rows": ROWS, "1 row": 1}


def tried(form: Form, dtype: torch.dtype, count: int) -> str:
    """What becomes of a strip in which `count` of 64 removed rows stand in this form."""
    with tempfile.TemporaryDirectory() as place:
        source, output = Path(place) / "source", Path(place) / "output"
        rows, kept = noise((ROWS, WIDTH), dtype, 1), {"kept": noise((96, WIDTH), dtype, 2)}
        source.mkdir()
        output.mkdir()
        (source / "config.json").write_text('{"model_type": "llama"}')
        made = form(rows[:count].clone(), source)
        planted = {} if made is None else dict(made) if isinstance(made, Mapping) else {"planted": made.contiguous()}
        for path in source.iterdir():
            shutil.copy(path, output)
        save_file({"removed": rows, **kept, **planted}, source / "model.safetensors")
        save_file({**kept, **planted}, output / "model.safetensors")
        files = sorted(path.name for path in output.iterdir())
        found = search_output(read_contents(source), plan_of({"removed": TensorEdit("removed")}), output, files)
    if found.leak is None:
        return "no"
    what = found.leak.what
    return "found" if what.startswith(("holds a piece", "has a near copy", "has runs of")) else "over the bound"


def table() -> str:
    """The table as it stands in the docs."""
    lines = [
        "| form, or file and form | " + " | ".join(f"{name}, {place}" for name in DTYPES for place in PLACES) + " |",
        "|---|" + "---|" * (len(DTYPES) * len(PLACES)),
    ]
    for name, form in FORMS.items():
        cells = [tried(form, dtype, count) for dtype in DTYPES.values() for count in PLACES.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def rewritten(page: str) -> str:
    """The page with the table as it comes out."""
    return re.sub(f"(?<={re.escape(BEGIN)}\n\n).*?(?=\n\n{re.escape(END)})", lambda _: table(), page, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text()))
