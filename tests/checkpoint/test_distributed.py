"""Distributed checkpoints that torch itself wrote are described as torch would load them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)

from releasegate.checkpoint.distributed import read_distributed, refuse_distributed
from releasegate.checkpoint.dtypes import TORCH_DTYPES
from releasegate.checkpoint.pickled import read_pickled
from releasegate.errors import StripError

pytestmark = pytest.mark.filterwarnings("ignore")  # torch warns of what it does on a single process

DTYPES = {name: torch.zeros(3).to(getattr(torch, name)) for name in ("float32", "bfloat16", "int64", "float8_e4m3fn")}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "dcp"
    model = {"fc.weight": torch.randn(4, 6), "scalar": torch.tensor(1.0), "empty": torch.zeros(0, 2)}
    state: dict[str, Any] = {"model": model, "dtypes": DTYPES, "step": 3, "optimizer": {"lr": [0.1, 0.2]}}
    dcp.save(state, checkpoint_id=folder)
    return folder


def test_tensors_and_other_things_are_named(saved: Path) -> None:
    found = read_distributed(saved)
    shapes = {name: tensor.shape for name, tensor in found.tensors.items() if name.startswith("model.")}
    assert shapes == {"model.fc.weight": (4, 6), "model.scalar": (), "model.empty": (0, 2)}
    for name in DTYPES:
        assert found.tensors[f"dtypes.{name}"].dtype == TORCH_DTYPES[name]
    assert set(found.others) == {"step", "optimizer.lr"}


def test_every_byte_of_the_files_is_given_to_something(saved: Path) -> None:
    found = read_distributed(saved)
    assert found.files == {"__0_0.distcp": (saved / "__0_0.distcp").stat().st_size}
    assert found.slack == {}
    (chunk,) = found.tensors["model.fc.weight"].chunks
    assert (chunk.offsets, chunk.shape) == ((0, 0), (4, 6))
    held = (saved / chunk.held.file).read_bytes()[chunk.held.begin : chunk.held.end]
    assert held.startswith(b"PK"), "a chunk is a torch file of its own"


def test_bytes_that_the_metadata_gives_to_nothing_are_reported(saved: Path, tmp_path: Path) -> None:
    for path in saved.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    size = (tmp_path / "__0_0.distcp").stat().st_size
    with (tmp_path / "__0_0.distcp").open("ab") as file:
        file.write(b"weights")
    (tmp_path / "__9_0.distcp").write_bytes(b"more")
    assert read_distributed(tmp_path).slack == {"__0_0.distcp": [(size, size + 7)], "__9_0.distcp": [(0, 4)]}


def test_a_tensor_in_several_chunks_and_files_is_put_together(tmp_path: Path) -> None:
    """As two ranks would have written it, by torch's own classes."""
    from torch.distributed.checkpoint.filesystem import _StorageInfo

    halves = [ChunkStorageMetadata(torch.Size([row, 0]), torch.Size([2, 6])) for row in (0, 2)]
    properties = TensorProperties(dtype=torch.float32)
    metadata = Metadata(
        state_dict_metadata={"w": TensorStorageMetadata(properties, torch.Size([4, 6]), halves)},
        storage_data={
            MetadataIndex("w", half.offsets, rank): _StorageInfo(f"__{rank}_0.distcp", 0, 8)
            for rank, half in enumerate(halves)
        },
    )
    write(tmp_path, metadata)
    for rank in range(2):
        (tmp_path / f"__{rank}_0.distcp").write_bytes(bytes(8))
    tensor = read_distributed(tmp_path).tensors["w"]
    assert [(chunk.offsets, chunk.shape, chunk.held.file) for chunk in tensor.chunks] == [
        ((0, 0), (2, 6), "__0_0.distcp"),
        ((2, 0), (2, 6), "__1_0.distcp"),
    ]


def write(folder: Path, metadata: object) -> None:
    """The metadata, as torch's file system writer stores it."""
    import pickle  # noqa: TID251  to make what torch makes

    (folder / ".metadata").write_bytes(pickle.dumps(metadata))


def test_a_strip_is_refused_and_its_remedy_works(saved: Path, tmp_path: Path) -> None:
    found = read_distributed(saved)
    with pytest.raises(StripError) as caught:
        refuse_distributed(found)
    (problem,) = caught.value.problems
    assert problem.what.startswith("is a distributed checkpoint, whose files keep parts of tensors in pickles")
    assert "dcp_to_torch_save" in problem.fix
    dcp_to_torch_save(saved, tmp_path / "model.pth")
    joined = read_pickled(tmp_path / "model.pth")
    assert {name: tensor.shape for name, tensor in joined.tensors.items()} == {
        name: tensor.shape for name, tensor in found.tensors.items()
    }
