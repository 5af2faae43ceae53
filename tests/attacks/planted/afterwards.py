"""Leaks that come after the strip: files put beside it, the source changed under links, models that do not load."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from releasegate.checkpoint import open_checkpoint, read_contents
from releasegate.errors import CheckpointError, StripError, VerifyError
from releasegate.repository import read_receipt, receipt_path
from releasegate.stripping import plan_strip, verify_strip, write_strip
from tests.attacks.planted.leak import DECODER, FIRST, SECOND, Leak, chameleon, changed, layout, made
from tests.tiny_checkpoints import chameleon_recipe


def verify(folder: Path) -> None:
    stripped = folder / "stripped"
    verify_strip(stripped, read_receipt(receipt_path(stripped)))


def put(*names: str) -> Callable[[Path], None]:
    """Files of the source, or empty ones, that come to lie in the output."""

    def then(folder: Path) -> None:
        for name in names:
            path = folder / "stripped" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            source = folder / "model" / name
            path.write_bytes(source.read_bytes() if source.exists() else b"")
        verify(folder)

    return then


def inside(folder: Path) -> None:
    strip(folder, folder / "model" / "stripped")


def strip(folder: Path, target: Path, *, link: bool = False) -> None:
    contents = read_contents(folder / "model")
    write_strip(contents, plan_strip(contents, [chameleon_recipe()]), target, link_untouched=link)


def linked(folder: Path) -> None:
    strip(folder, folder / "linked", link=True)


def read_only(root: Path) -> None:
    for path in made(root).iterdir():
        path.chmod(0o444)


def changed_through_the_source(folder: Path) -> None:
    """The card is one file under two names; who writes to the source changes the output too, clock and all."""
    linked(folder)
    card = folder / "model" / "README.md"
    before = card.stat()
    card.chmod(0o644)
    card.write_text("# B card\n")
    os.utime(card, ns=(before.st_atime_ns, before.st_mtime_ns))
    card.chmod(0o444)
    verify_strip(folder / "linked", read_receipt(receipt_path(folder / "linked")))


def claims_more(folder: Path) -> None:
    """Somebody writes into the receipt what a strip cannot know."""
    receipt = receipt_path(folder / "stripped")
    receipt.write_text(receipt.read_text().replace('"tier": "named_weights_absent"', '"tier": "dear_to_restore"'))
    verify(folder)


def says_more(folder: Path) -> None:
    receipt = receipt_path(folder / "stripped")
    receipt.write_text(receipt.read_text().replace("are absent: what else", "are gone for good: what else"))
    verify(folder)


def restored(folder: Path) -> None:
    shutil.copy(folder / "model" / FIRST, folder / "stripped" / FIRST)
    verify(folder)


def dropped(plain: dict[str, Any]) -> None:
    """Takes out what the class declares, in place of filling it."""
    plain["edits"][1] = {"drop": plain["edits"][1]["zero_fill"], "expect": 2}
    plain["lent"] = {"files": [DECODER]}


def chameleon_of_the_library(root: Path) -> None:
    from tests.tiny_chameleon import save_chameleon

    save_chameleon(root)


def load(name: str) -> Callable[[Path], None]:
    """Loads the output into its class of transformers, strictly."""

    def then(folder: Path) -> None:
        import torch
        import transformers

        from releasegate.checkpoint.load import load_model

        checkpoint = open_checkpoint(folder / "stripped")
        load_model(checkpoint, getattr(transformers, name), device=torch.device("cpu"), dtype=torch.float32)

    return then


def whole_router(plain: dict[str, Any]) -> None:
    """Takes the expert out and keeps its row of the router."""
    del plain["edits"][1]
    plain["keep"]["tensors"].append("model.layers.*.block_sparse_moe.gate.weight")


WRITTEN = "is not the file that the strip wrote: its digest differs"
BEYOND = "is in the folder and not in the receipt"
AFTERWARDS: dict[str, Leak] = {
    "01-receipt-of-a-higher-tier": Leak(
        made, "a strip by itself does not show what it costs to restore", VerifyError, then=claims_more
    ),
    "01-receipt-in-other-words": Leak(made, "tier_means does not say what the tier is", VerifyError, then=says_more),
    "02-rows-put-back": Leak(made, WRITTEN, VerifyError, then=restored),
    "04-decoder-put-back": Leak(made, BEYOND, VerifyError, then=put(DECODER)),
    "10-router-of-an-expert-kept-whole": Leak(
        layout("mixtral"),
        "does not load into MixtralForCausalLM strictly",
        CheckpointError,
        changed("mixtral-hf/expert", whole_router),
        slow=True,
        then=load("MixtralForCausalLM"),
    ),
    "15-output-inside-the-source": Leak(made, "and the source lie in one another", StripError, then=inside),
    "15-old-shards-beside-the-new": Leak(made, BEYOND, VerifyError, then=put(SECOND.replace("0000", "1000"))),
    "16-history-in-the-output": Leak(made, BEYOND, VerifyError, then=put(".git/HEAD", f".git/lfs/{DECODER}")),
    "16-cache-in-the-output": Leak(made, BEYOND, VerifyError, then=put(f".cache/huggingface/{FIRST}.metadata")),
    "20-linked-to-a-file-that-may-be-written-to": Leak(
        made, "would be shared with the output, and may be written to", StripError, then=linked
    ),
    "20-linked-and-changed-through-the-source": Leak(read_only, WRITTEN, VerifyError, then=changed_through_the_source),
    "21-what-the-class-declares-is-dropped": Leak(
        chameleon_of_the_library,
        "does not load into ChameleonForConditionalGeneration strictly: 2 missing keys, the first "
        "model.vqmodel.post_quant_conv.bias",
        CheckpointError,
        chameleon(dropped),
        slow=True,
        then=load("ChameleonForConditionalGeneration"),
    ),
}
