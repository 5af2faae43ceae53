"""Leaks in files that `torch.save` wrote: storages that hold more than is seen, ties, members that nothing refers to."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from releasegate.errors import ArchiveError, PickledError, StripError
from releasegate.recipe import Recipe
from tests.attacks.planted.leak import Leak
from tests.torch_archives import torch_file

ROWS, WIDTH = 64, 32
SLACK = "keeps 6,912 bytes behind tensor 'head.weight' that no tensor shows: a slice keeps its whole storage"


def tensors() -> dict[str, Any]:
    """A tiny model, in torch's tensors."""
    import torch

    generator = torch.Generator().manual_seed(0)
    return {
        "embed.weight": torch.randn((ROWS, WIDTH), generator=generator),
        "head.weight": torch.randn((ROWS, WIDTH), generator=generator),
        "body.weight": torch.randn((WIDTH, WIDTH), generator=generator),
    }


def saved(change: Callable[[dict[str, Any]], object], name: str = "pytorch_model.bin") -> Callable[[Path], object]:
    """A folder with the model in one pickle; what `change` makes of it."""

    def make(root: Path) -> None:
        import torch

        root.mkdir()
        held = tensors()
        change(held)
        config = {"model_type": "toy", "vocab_size": ROWS, "tie_word_embeddings": False}
        (root / "config.json").write_text(json.dumps(config))
        torch.save(held, root / name)

    return make


def plain_recipe() -> dict[str, Any]:
    """Rows 10 and after go out of the head."""
    return {
        "schema": "releasegate/recipe/v1",
        "id": "toy-hf/tail",
        "title": "Most of the head",
        "rationale": "A test.",
        "layout": "toy-hf",
        "edits": [{"zero_rows": "head.weight", "rows": {"ids": [[10, 63]]}, "expect": 54}],
        "keep": {"tensors": ["embed.weight", "body.weight", "small"], "files": ["config.json"]},
        "residual": [{"tensors": "head.weight", "why": "The first rows are words."}],
    }


def recipe() -> Recipe:
    return Recipe.from_text(json.dumps(plain_recipe()))


def kept() -> Recipe:
    """Keeps the pickle beside the model as it is."""
    plain = plain_recipe()
    plain["keep"]["files"].append("codec.ckpt")
    return Recipe.from_text(json.dumps(plain))


def opened() -> Recipe:
    """Accounts for the tensors of the pickle beside the model."""
    plain = plain_recipe()
    plain["keep"]["tensors"].append("codec.ckpt:*")
    return Recipe.from_text(json.dumps(plain))


def tie(held: dict[str, Any]) -> None:
    held["embed.weight"] = held["head.weight"]


def window(held: dict[str, Any]) -> None:
    """A view of ten rows that lie in another tensor's storage."""
    held["small"] = held["head.weight"][20:30]


def sliced(held: dict[str, Any]) -> None:
    """The first ten rows, and behind them all others, as `torch.save(w[:10])` leaves them."""
    held["head.weight"] = held["head.weight"][:10]


def beside(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    """The model in safetensors, and a pickle beside it."""

    def make(root: Path) -> None:
        from safetensors.torch import save_file

        saved(change, "codec.ckpt")(root)
        save_file(tensors(), root / "model.safetensors", metadata={"format": "pt"})

    return make


def spare(root: Path) -> None:
    """A member as torch writes it, with the bytes of a storage that no tensor is over."""
    saved(lambda held: None)(root)
    data = tensors()["head.weight"].numpy().tobytes()
    (root / "pytorch_model.bin").write_bytes(torch_file(storages={"0": bytes(24), "1": data}))


def unreferenced(root: Path) -> None:
    """A member of the archive that no tensor uses."""
    saved(lambda held: None)(root)
    data = tensors()["head.weight"].numpy().tobytes()
    with zipfile.ZipFile(root / "pytorch_model.bin", "a") as archive:
        archive.writestr("pytorch_model/data/9", data)


def extended(root: Path) -> None:
    beside(lambda held: None)(root)
    with zipfile.ZipFile(root / "codec.ckpt", "a") as archive:
        archive.writestr("codec/data/9", tensors()["head.weight"].numpy().tobytes())


def behind(root: Path) -> None:
    """Bytes after the end of the archive."""
    saved(lambda held: None)(root)
    with (root / "pytorch_model.bin").open("ab") as file:
        file.write(tensors()["head.weight"].numpy().tobytes())


def scaled(held: dict[str, Any]) -> None:
    """Rows that go, at half their size, in a tensor that stays."""
    held["body.weight"] = held["head.weight"][20:52] * 0.5


TORCH_FILES: dict[str, Leak] = {
    "03-tied-by-a-shared-storage": Leak(
        saved(tie), "edits head.weight, which shares its bytes with embed.weight", recipe=recipe, slow=True
    ),
    "06-in-a-pickle-that-is-converted": Leak(
        saved(scaled),
        "has a near copy of head.weight, which was to go, in body.weight",
        StripError,
        recipe,
        slow=True,
    ),
    "08-storage-slack": Leak(saved(sliced), SLACK, PickledError, recipe, slow=True),
    "08-storage-slack-in-a-sibling": Leak(beside(sliced), SLACK, PickledError, opened, slow=True),
    "08-storage-slack-in-a-sibling-that-is-kept": Leak(
        beside(sliced), "does not drop 'codec.ckpt', which is a pickle", recipe=kept
    ),
    "08-member-of-a-storage-that-nothing-uses": Leak(
        spare, "has a member data/1 of 8,192 bytes that belongs to no tensor", PickledError, recipe, slow=True
    ),
    "08-view-of-what-goes": Leak(
        saved(window), "edits head.weight, which shares its bytes with small", recipe=recipe, slow=True
    ),
    "08-unreferenced-member-in-a-sibling": Leak(
        extended, "has a member 'codec/data/9' with zip features that torch does not use", ArchiveError, opened
    ),
    "08-unreferenced-member": Leak(
        unreferenced,
        "has a member 'pytorch_model/data/9' with zip features that torch does not use",
        ArchiveError,
        recipe,
    ),
    "08-bytes-behind-the-archive": Leak(
        behind, "does not end as a zip archive does: it is cut off, or something was added to it", ArchiveError, recipe
    ),
}
