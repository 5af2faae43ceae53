"""What `torch.save` writes is read as torch would load it, and no byte of it is left out."""

from __future__ import annotations

import os
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.serialization import skip_data

from releasegate.checkpoint.coverage import joined, pieces, shown
from releasegate.checkpoint.dtypes import TORCH_DTYPES
from releasegate.checkpoint.headers import BITS
from releasegate.checkpoint.pickled import ALONE, Pickled, StoredTensor, read_pickled, refuse_slack
from releasegate.errors import PickledError
from tests.torch_archives import torch_file

SHARED = torch.arange(24, dtype=torch.float32).reshape(4, 6)


class Holder(torch.nn.Module):
    """A module with a buffer, whose state dict carries `_metadata`."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(3, 2)
        self.register_buffer("seen", torch.tensor(7))


def everything() -> dict[str, Any]:
    """Of all that a checkpoint may hold, one."""
    dtypes = {name: torch.arange(6).to(getattr(torch, name)) for name in TORCH_DTYPES if name != "float8_e8m0fnu"}
    return {
        "dtypes": dtypes,
        "model": Holder().state_dict(),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "flat.name.weight": torch.full((2, 2), 3.0),
        "tied": {"a": SHARED, "b": SHARED, "rows": SHARED[1:3], "columns": SHARED[:, 4:]},
        "lists": [torch.zeros(1), {"inner": torch.ones(1)}],
        "turned": torch.arange(6.0).reshape(2, 3).t(),
        "stretched": torch.arange(3.0).expand(4, 3),
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(2.5),
        "state": {0: {"step": 4, "exp_avg": torch.ones(2)}},
        "plain": {"none": None, "text": "yes", "float": 0.5, "nan": float("nan"), "true": True, "big": 2**70},
        "betas": (0.9, 0.999),
        "names": ["a", "b"],
        "nothing": {},
        "counts": Counter({"a": 2}),
        "raw": b"abc",
        "size": torch.Size([2, 3]),
        "dtype": torch.bfloat16,
        "ordered": OrderedDict(a=1),
    }


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pickled, dict[str, Any]]:
    data, path = everything(), tmp_path_factory.mktemp("saved") / "model.pth"
    torch.save(data, path)
    return read_pickled(path), data


def flat(data: Any, name: str = "") -> dict[str, torch.Tensor]:
    """Every tensor by its dotted name."""
    if isinstance(data, torch.Tensor):
        return {name: data}
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return {n: t for key, value in inner for n, t in flat(value, f"{name}.{key}".strip(".")).items()}


def loaded(path: Path, stored: StoredTensor) -> torch.Tensor:
    """The tensor, by nothing but what is known of where it lies."""
    raw = path.read_bytes()
    begin, end = stored.storage
    dtype = next(name for name, spelling in TORCH_DTYPES.items() if spelling == stored.dtype)
    held = torch.frombuffer(bytearray(raw[begin:end]), dtype=getattr(torch, dtype))
    return held.as_strided(stored.shape, stored.strides, (stored.offset - begin) // (BITS[stored.dtype] // 8))


def test_every_tensor_is_found_where_its_bytes_lie(saved: tuple[Pickled, dict[str, Any]]) -> None:
    pickled, data = saved
    tensors = flat(data)
    assert set(pickled.tensors) == set(tensors)
    for name, tensor in tensors.items():
        stored = pickled.tensors[name]
        assert stored.dtype == TORCH_DTYPES[str(tensor.dtype).removeprefix("torch.")]
        assert stored.shape == tuple(tensor.shape)
        assert stored.is_contiguous == tensor.is_contiguous()
        if tensor.numel():
            wide = torch.complex128
            assert loaded(pickled.path, stored).to(wide).equal(tensor.detach().to(wide)), name


def test_what_is_no_tensor_is_kept_as_a_value(saved: tuple[Pickled, dict[str, Any]]) -> None:
    values = saved[0].values
    expected = {
        "plain.none": None,
        "plain.text": "yes",
        "plain.float": 0.5,
        "plain.nan": {"type": "float", "text": "nan"},
        "plain.true": True,
        "plain.big": {"type": "int", "text": hex(2**70)},
        "betas": [0.9, 0.999],
        "names": ["a", "b"],
        "nothing": {},
        "counts.a": 2,
        "raw": {"type": "bytes", "length": 3},
        "size": [2, 3],
        "dtype": {"type": "dtype", "text": "torch.bfloat16"},
        "ordered.a": 1,
        "state.0.step": 4,
    }
    assert {name: values[name] for name in expected} == expected
    assert {name for name in values if name not in expected} == {
        "model._metadata..version",
        "model._metadata.fc.version",
    }


def test_tensors_that_share_bytes_are_tied_and_nothing_is_left_over(saved: tuple[Pickled, dict[str, Any]]) -> None:
    pickled, _ = saved
    assert pickled.ties == (("tied.a", "tied.b", "tied.rows", "tied.columns"),)
    assert pickled.slack == {}
    assert pickled.unreferenced == ()
    refuse_slack(pickled)


def test_a_slice_that_keeps_its_whole_storage_is_reported_and_refused(tmp_path: Path) -> None:
    path = tmp_path / "slice.pth"
    torch.save(torch.randn(1000, 4)[:10], path)
    pickled = read_pickled(path)
    stored = pickled.tensors[ALONE]
    assert stored.shape == (10, 4)
    assert pickled.slack == {"data/0": [(stored.offset + 160, stored.offset + 16_000)]}
    assert pickled.unreferenced == ()
    with pytest.raises(PickledError, match="keeps 15,840 bytes behind tensor 'tensor' that no tensor shows"):
        refuse_slack(pickled)


def test_a_member_that_no_tensor_uses_is_reported_and_refused(tmp_path: Path) -> None:
    path = tmp_path / "hidden.pth"
    path.write_bytes(torch_file(storages={"0": bytes(24), "7": bytes(4000)}))
    pickled = read_pickled(path)
    assert pickled.unreferenced == ("data/7",)
    assert [end - begin for begin, end in pickled.slack["data/7"]] == [4000]
    with pytest.raises(PickledError, match="has a member data/7 of 4,000 bytes that belongs to no tensor"):
        refuse_slack(pickled)


def test_a_checkpoint_of_fourteen_gigabytes_is_read_without_its_data(tmp_path: Path) -> None:
    """The data are holes; members beyond 4 GiB have zip64 headers."""
    path = tmp_path / "consolidated.00.pth"
    shapes = {"tok_embeddings.weight": (65_536, 32_768), "output.weight": (65_536, 32_768), "norm.weight": (32_768,)}
    with skip_data():  # nothing is written, and what is empty takes no memory until it is touched
        made = {name: torch.empty(shape, dtype=torch.bfloat16) for name, shape in shapes.items()}
        torch.save({"first": torch.empty(3, dtype=torch.bfloat16), **made, "last": torch.empty(2**31)}, path)
    assert os.stat(path).st_blocks * 512 < 1 << 20
    pickled = read_pickled(path)
    assert {name: stored.shape for name, stored in pickled.tensors.items() if name in shapes} == shapes
    assert pickled.slack == {}
    assert pickled.tensors["last"].offset > 8 << 30


def test_what_a_strided_tensor_shows_is_what_its_addresses_say() -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(300):
        rank = int(torch.randint(0, 4, (), generator=generator))
        shape = torch.randint(0, 4, (rank,), generator=generator).tolist()
        strides = torch.randint(0, 7, (rank,), generator=generator).tolist()
        addresses = torch.arange(200).as_strided(shape, strides, 5).reshape(-1).tolist()
        expected = joined((address * 2, address * 2 + 2) for address in addresses)
        found = shown(shape, strides, 10, 2)
        assert found == expected
        assert len(found) <= pieces(shape, strides)
