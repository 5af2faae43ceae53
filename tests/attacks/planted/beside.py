"""Leaks in files beside the model: the part itself in another form, states of training, caches, code."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save, save_file

from releasegate.errors import IndexMismatch, StripError
from tests.attacks.planted.leak import (
    DECODER,
    FIRST,
    HEAD,
    LAYER,
    SECOND,
    Leak,
    added,
    chameleon,
    changed,
    decoder,
    keeping,
    layout,
    planted,
)
from tests.tiny_checkpoints import Tiny, tiny


def sibling(name: str, tensors: Callable[[Tiny], dict[str, Any]]) -> Callable[[Path], Path]:
    """The control with one more safetensors file."""
    return planted(lambda control: control.siblings.update({name: tensors(control)}))


def unaccounted(name: str) -> str:
    return f"does not account for 1 file: {name!r}"


def dcp(path: Path) -> None:
    """A distributed checkpoint of the head, as torch writes one."""
    import torch
    import torch.distributed.checkpoint as distributed

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of what it does on a single process
        distributed.save({HEAD: torch.ones(18, 32)}, checkpoint_id=path)


def archive(path: Path) -> None:
    """The decoder as `torch.save` writes it."""
    import torch

    torch.save({name: torch.from_numpy(values) for name, values in decoder(tiny()).items()}, path)


def onnx(control: Tiny) -> bytes:
    """A file that begins as one of ONNX does, with the decoder's bytes."""
    return b"\x08\x07\x12\x07pytorch" + decoder(control)["decoder.conv_in.weight"].tobytes()


def gguf(control: Tiny) -> bytes:
    """A file that begins as one of GGUF does, with the head's bytes."""
    return b"GGUF" + (3).to_bytes(4, "little") + bytes(16) + control.shards[FIRST][HEAD].tobytes()


def numpys(path: Path) -> None:
    np.savez(path, head=tiny().shards[FIRST][HEAD])


def moments(control: Tiny) -> dict[str, Any]:
    return {f"exp_avg.{HEAD}": control.shards[FIRST][HEAD] * 0.01}


def without_drop(name: str) -> Callable[[dict[str, Any]], None]:
    """A recipe for what training leaves that has forgotten one file."""

    def change(plain: dict[str, Any]) -> None:
        plain["edits"] = [edit for edit in plain["edits"] if edit.get("drop_file") != name]
        plain["residual"] = [one for one in plain["residual"] if not one.get("copies", "").startswith(name[:5])]

    return change


def renamed_decoder(path: Path) -> None:
    """The decoder's file under a name that a pattern of the recipe keeps."""
    path.write_bytes(save(decoder(tiny())))


def half(path: Path) -> None:
    """The decoder cast to half precision, in a file that a pattern of the recipe keeps."""
    save_file({name: values.astype("float16") for name, values in decoder(tiny()).items()}, path)


def copied_archive(root: Path) -> None:
    """The decoder in a pickle, which the recipe leaves out unread, and once more in a tensor that stays."""

    def plant(control: Tiny) -> None:
        control.shards[SECOND][LAYER] = control.siblings.pop(DECODER)["decoder.conv_in.weight"].reshape(32, 36)

    planted(plant)(root)
    archive(root / "vqgan.ckpt")


def whole_model(root: Path) -> None:
    """The model once more, unsplit, as a conversion script may leave it."""
    made = tiny()
    made.write(root)
    joined = {name: values for file in made.shards for name, values in load_file(root / file).items()}
    save_file(joined, root / "consolidated.safetensors", metadata={"format": "pt"})


def cached(root: Path) -> None:
    """What a download leaves: the file before it was edited, and its record."""
    tiny().write(root)
    cache = root / ".cache" / "huggingface" / "download"
    cache.mkdir(parents=True)
    (cache / f"{FIRST}.lock").touch()
    (cache / f"{FIRST}.metadata").write_text("0123\nabcd\n1700000000.0\n")


def history(root: Path) -> None:
    """A git repository whose objects hold older versions of every file."""
    import zlib

    tiny().write(root)
    objects = root / ".git" / "objects" / "ab"
    objects.mkdir(parents=True)
    (root / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (objects / "0123456789").write_bytes(zlib.compress((root / DECODER).read_bytes()))


def large_files(root: Path) -> None:
    """The part of a git repository that keeps large files as they are."""
    tiny().write(root)
    objects = root / ".git" / "lfs" / "objects"
    objects.mkdir(parents=True)
    (objects / "0123456789").write_bytes((root / DECODER).read_bytes())


without_pickle = chameleon(lambda plain: plain["edits"].append({"drop_file": "vqgan.ckpt", "expect": 1}))
BESIDE: dict[str, Leak] = {
    "04-decoder-under-another-name": Leak(
        sibling("decoder_ema.safetensors", lambda control: dict(decoder(control))),
        unaccounted("decoder_ema.safetensors"),
    ),
    "04-decoder-in-a-subfolder": Leak(
        added("vqgan/diffusion_pytorch_model.safetensors", renamed_decoder),
        unaccounted("vqgan/diffusion_pytorch_model.safetensors"),
    ),
    "04-decoder-in-a-pickle": Leak(added("vqgan.ckpt", archive), "does not drop 'vqgan.ckpt', which is a pickle"),
    "04-decoder-in-a-pickle-that-is-kept": Leak(
        added("vqgan.ckpt", archive), "does not drop 'vqgan.ckpt', which is a pickle", recipe=keeping("vqgan.ckpt")
    ),
    "04-decoder-in-onnx": Leak(
        added("decoder.onnx", onnx(tiny())), "does not drop 'decoder.onnx', which is a second form of the weights"
    ),
    "04-decoder-in-a-file-that-is-kept": Leak(
        added("image_encoder.safetensors", renamed_decoder),
        f"holds a piece of {DECODER}:decoder.conv_in.",
        StripError,
        keeping("image_encoder.safetensors"),
    ),
    "04-decoder-cast-in-a-file-that-is-kept": Leak(
        added("image_encoder.safetensors", half),
        f"has a near copy of {DECODER}:decoder.conv_in.weight, which was to go",
        StripError,
        keeping("image_encoder.safetensors"),
    ),
    "04-decoder-with-the-ending-of-a-text": Leak(
        added("notes.txt", half),
        "does not drop 'notes.txt', which is a second form of the weights: a safetensors file under another name",
        recipe=keeping("notes.txt"),
    ),
    "04-decoder-in-a-file-without-a-header-that-is-kept": Leak(
        added("notes.txt", b"# Notes\n" + decoder(tiny())["decoder.conv_in.weight"].tobytes()),
        f"holds a piece of {DECODER}:decoder.conv_in.weight",
        StripError,
        keeping("notes.txt"),
    ),
    "04-decoder-of-a-pickle-that-goes-in-a-kept-tensor": Leak(
        copied_archive, "holds a piece of vqgan.ckpt, which was to go", StripError, without_pickle
    ),
    "04-codebook-beside": Leak(
        sibling("codebook.safetensors", lambda control: {"codebook": np.ones((8, 8), "float32")}),
        unaccounted("codebook.safetensors"),
    ),
    "06-in-a-consolidated-file": Leak(whole_model, unaccounted("consolidated.safetensors")),
    "06-in-a-pickle-of-transformers": Leak(
        added("pytorch_model.bin", archive), "does not drop 'pytorch_model.bin', which is a pickle"
    ),
    "06-in-gguf": Leak(
        added("model.Q8_0.gguf", gguf(tiny())), "does not drop 'model.Q8_0.gguf', which is a second form of the weights"
    ),
    "06-in-gguf-under-another-name": Leak(
        added("weights", gguf(tiny())), "does not drop 'weights', which is a second form of the weights"
    ),
    "06-in-a-distributed-checkpoint": Leak(added("dcp", dcp), "does not drop 'dcp/.metadata', which is a pickle"),
    "06-in-numpys-archive": Leak(added("head.npz", numpys), "does not drop 'head.npz', which is"),
    "09-optimizer-in-a-pickle": Leak(
        layout("trainer"),
        "does not drop 'optimizer.pt', which is a pickle",
        recipe=changed("llama-hf/training_state", without_drop("optimizer.*")),
    ),
    "09-optimizer-in-safetensors": Leak(
        sibling("optimizer.safetensors", moments), unaccounted("optimizer.safetensors")
    ),
    "09-average-beside": Leak(
        layout("ema-beside"),
        unaccounted("ema_model.safetensors"),
        recipe=changed("llama-hf/training_state", without_drop("ema_model.*")),
    ),
    "10-slices-of-another-rank": Leak(
        sibling("model-rank-01.safetensors", lambda control: {"lm_head.weight": control.shards[FIRST][HEAD][9:]}),
        "looks like a part of the model and is not in model.safetensors.index.json",
        IndexMismatch,
    ),
    "12-training-data": Leak(added("train_images.jsonl", "{}\n"), unaccounted("train_images.jsonl")),
    "13-code": Leak(
        added("modeling_chameleon.py", "import torch\n"), "does not drop 'modeling_chameleon.py', which is code"
    ),
    "13-code-that-is-kept": Leak(
        added("modeling_chameleon.py", "import torch\n"),
        "does not drop 'modeling_chameleon.py', which is code",
        recipe=keeping("*.py"),
    ),
    "16-cache-of-a-download": Leak(cached, "does not account for 2 files: '.cache/huggingface/download/"),
    "16-history": Leak(history, "does not account for 2 files: '.git/HEAD'"),
    "16-large-files-of-a-history-that-is-kept": Leak(
        large_files,
        "does not drop '.git/lfs/objects/0123456789', which is a second form of the weights",
        recipe=keeping(".git/*"),
    ),
}
