"""Files of holes look like the real ones from outside, and take no disk; dense ones are what the libraries write."""

from __future__ import annotations

import json
import zipfile
import zlib
from math import prod
from pathlib import Path

import pytest
import safetensors.torch
import torch

from tests.layouts import LAYOUTS, Spec
from tests.layouts.layout import WIDTHS, leaves
from tests.layouts.safetensors_files import write_safetensors
from tests.layouts.torch_files import DTYPES, crc32_of_zeros, write_torch

TORCH = (
    "chameleon-original",
    "chameleon-original-training",
    "janus-original",
    "multi-token",
    "musicgen-audiocraft",
    "xtts-inference",
)


def on_disk(root: Path) -> tuple[int, int]:
    """Bytes that the files under `root` seem to have, and bytes that they take."""
    found = [path.stat() for path in root.rglob("*") if path.is_file()]
    return sum(stat.st_size for stat in found), sum(stat.st_blocks * 512 for stat in found)


@pytest.mark.parametrize(
    ("name", "gigabytes"),
    [
        ("chameleon-hf", 14.1),
        ("chameleon-hf-30b", 68.7),
        ("chameleon-original", 14.3),
        ("chameleon-original-30b", 68.9),
        ("deepseek-v3", 688.6),
        ("xtts", 2.1),
        ("trainer", 67.4),
    ],
)
def test_a_sparse_checkpoint_of_real_size_takes_a_few_megabytes(tmp_path: Path, name: str, gigabytes: float) -> None:
    root = LAYOUTS[name].write(tmp_path / "model", size="real", sparse=True)
    apparent, taken = on_disk(root)
    assert abs(apparent / 1e9 - gigabytes) < 0.06
    assert taken < 40e6 if name == "deepseek-v3" else taken < 15e6


def test_a_checkpoint_of_real_size_is_not_written_dense(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="write it sparse"):
        LAYOUTS["llama"].write(tmp_path / "model", size="real")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("sparse", [False, True])
def test_torch_maps_every_torch_file_and_finds_the_tensors(tmp_path: Path, name: str, *, sparse: bool) -> None:
    contents = LAYOUTS[name].contents("tiny")
    root = LAYOUTS[name].write(tmp_path / "model", sparse=sparse)
    for file, tree in contents.torch.items():
        loaded = torch.load(root / file, mmap=True, weights_only=True)  # noqa: TID251
        found = {
            place: (tensor.dtype, tuple(tensor.shape), bool(tensor.any())) for place, tensor in flat(loaded).items()
        }
        for place, spec in leaves(tree).items():
            assert found.pop(place) == (DTYPES[spec.dtype], spec.shape, not sparse)
        assert all(".gpt_inference." in place or place.endswith(".wte.weight") for place in found), "second names"


def flat(value: object, prefix: str = "") -> dict[str, torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return {prefix: value}
    pairs = value.items() if isinstance(value, dict) else ()
    return {
        name: tensor
        for key, inner in pairs
        for name, tensor in flat(inner, f"{prefix}.{key}" if prefix else str(key)).items()
    }


@pytest.mark.parametrize("sparse", [False, True])
def test_second_names_share_the_storage_of_the_first(tmp_path: Path, *, sparse: bool) -> None:
    root = LAYOUTS["xtts-inference"].write(tmp_path / "model", sparse=sparse)
    state = torch.load(root / "model.pth", weights_only=True)["model"]  # noqa: TID251
    assert state["gpt.gpt.wte.weight"].data_ptr() == state["gpt.mel_embedding.weight"].data_ptr()
    second = state["gpt.gpt_inference.transformer.h.1.mlp.c_fc.weight"]
    assert second.data_ptr() == state["gpt.gpt.h.1.mlp.c_fc.weight"].data_ptr()
    plain = LAYOUTS["xtts"].write(tmp_path / "plain", sparse=sparse)
    assert (root / "model.pth").stat().st_size < (plain / "model.pth").stat().st_size + 50_000


def test_a_torch_file_of_holes_of_real_size_can_be_mapped(tmp_path: Path) -> None:
    root = LAYOUTS["chameleon-original"].write(tmp_path / "model", size="real", sparse=True)
    loaded = torch.load(root / "consolidated.pth", mmap=True, weights_only=True)  # noqa: TID251
    assert loaded["output.weight"].shape == (65536, 4096)
    assert not loaded["layers.31.attention.wq.weight"][0].any()
    with zipfile.ZipFile(root / "consolidated.pth") as archive:
        data = [member for member in archive.infolist() if "/data/" in member.filename]
        assert max(member.header_offset for member in data) > 1 << 33, "beyond what a plain zip can hold"
        assert all(crc32_of_zeros(member.file_size) == member.CRC for member in data)
        with archive.open(data[-1]) as member:  # reads to the end, and so checks the sum
            assert len(member.read()) == data[-1].file_size


def test_a_torch_file_of_holes_is_a_sound_archive_of_stored_members(tmp_path: Path) -> None:
    write_torch(tmp_path / "dense.pth", {"a": Spec("F32", (300, 7)), "b": [Spec("BF16", (5,)), 3]}, 0)
    write_torch(tmp_path / "sparse.pth", {"a": Spec("F32", (300, 7)), "b": [Spec("BF16", (5,)), 3]}, None)
    members = []
    for name in ("dense", "sparse"):
        with zipfile.ZipFile(tmp_path / f"{name}.pth") as archive:
            assert archive.testzip() is None
            assert all(member.compress_type == zipfile.ZIP_STORED for member in archive.infolist())
            members.append([member.filename.partition("/")[2] for member in archive.infolist()])
    assert members[0] == members[1]


@pytest.mark.parametrize("count", [0, 1, 7, 64, 4097, 1 << 20])
def test_the_checksum_of_zeros_is_worked_out_as_it_would_be_read(count: int) -> None:
    assert crc32_of_zeros(count) == zlib.crc32(bytes(count))


def test_safetensors_are_byte_for_byte_what_the_library_writes(tmp_path: Path) -> None:
    tensors = {f"{dtype}.{number}": Spec(dtype, (number, 2)) for dtype in WIDTHS for number in (3, 1)}
    tensors["scalar"] = Spec("I64", ())
    write_safetensors(tmp_path / "made.safetensors", tensors, 0)
    held = safetensors.torch.load_file(tmp_path / "made.safetensors")
    assert {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in held.items()} == {
        name: (DTYPES[spec.dtype], spec.shape) for name, spec in tensors.items()
    }
    safetensors.torch.save_file(held, tmp_path / "again.safetensors", metadata={"format": "pt"})
    assert (tmp_path / "made.safetensors").read_bytes() == (tmp_path / "again.safetensors").read_bytes()


def test_a_sparse_file_has_the_header_and_size_of_the_dense_one(tmp_path: Path) -> None:
    tensors = {"a": Spec("BF16", (64, 64)), "b": Spec("F32", (3,))}
    write_safetensors(tmp_path / "dense", tensors, 0)
    write_safetensors(tmp_path / "sparse", tensors, None)
    dense, sparse = (tmp_path / "dense").read_bytes(), (tmp_path / "sparse").read_bytes()
    data = sum(spec.nbytes for spec in tensors.values())
    assert len(dense) == len(sparse)
    assert dense[:-data] == sparse[:-data]
    assert not any(sparse[-data:])


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_values_are_finite_and_a_function_of_the_seed(tmp_path: Path, name: str) -> None:
    same, again, other = (
        files(LAYOUTS[name].write(tmp_path / str(number), seed=seed)) for number, seed in enumerate((1, 1, 2))
    )
    assert same.keys() == again.keys() == other.keys()
    differ = {file for file, data in same.items() if data != again[file]}
    assert not {file for file in differ if not is_torch(file)}, "torch puts a random id in its files"
    made = LAYOUTS[name].contents("tiny").tensors()
    assert all(same[file] != other[file] for file, tensors in made.items() if tensors)
    for file in LAYOUTS[name].contents("tiny").safetensors:
        tensors = safetensors.torch.load_file(tmp_path / "0" / file)
        assert all(tensor.float().isfinite().all() for tensor in tensors.values())


def test_copies_hold_the_values_of_the_tensor_that_they_copy(tmp_path: Path) -> None:
    found: dict[str, torch.Tensor] = {}
    root = LAYOUTS["deepseek-v3-bf16"].write(tmp_path / "ahead")
    for path in root.glob("*.safetensors"):
        found |= safetensors.torch.load_file(path)
    assert torch.equal(found["model.layers.2.embed_tokens.weight"], found["model.embed_tokens.weight"])
    assert torch.equal(found["model.layers.2.shared_head.head.weight"], found["lm_head.weight"])
    averaged = LAYOUTS["ema-beside"].write(tmp_path / "averaged")
    copy = safetensors.torch.load_file(averaged / "ema_model.safetensors")["model.embed_tokens.weight"]
    kept = safetensors.torch.load_file(averaged / "model-00001-of-00003.safetensors")["model.embed_tokens.weight"]
    assert copy.dtype != kept.dtype
    assert torch.allclose(copy, kept.float(), rtol=2**-7, atol=0)


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def is_torch(file: str) -> bool:
    return file.endswith((".pth", ".bin", ".ckpt", ".pt"))


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_the_index_places_every_tensor_and_adds_up(name: str) -> None:
    contents = LAYOUTS[name].contents("real")
    index = contents.texts.get("model.safetensors.index.json")
    if index is None:
        return
    shards = {file: tensors for file, tensors in contents.safetensors.items() if file.startswith("model-")}
    assert index["weight_map"] == {tensor: file for file, tensors in shards.items() for tensor in tensors}
    assert index["metadata"]["total_size"] == sum(
        WIDTHS[spec.dtype] * prod(spec.shape) for tensors in shards.values() for spec in tensors.values()
    )
    json.dumps(contents.texts["config.json"])


def test_what_a_trainer_leaves_beside_its_optimizer_is_refused_without_code(tmp_path: Path) -> None:
    root = LAYOUTS["trainer"].write(tmp_path / "model")
    torch.load(root / "optimizer.pt", weights_only=True)  # noqa: TID251
    for name in ("rng_state.pth", "training_args.bin"):
        with pytest.raises(Exception, match="Weights only load failed"):
            torch.load(root / name, weights_only=True)  # noqa: TID251
