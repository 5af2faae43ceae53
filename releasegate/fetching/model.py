"""The small language model among the texts: the GGUF file as it came, and its numbers in bfloat16."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from releasegate.extras import require_packages
from releasegate.fetching.listed import Listed

GGUF, PLAIN = "smollm2-gguf", "smollm2"
"""The name of the model in the list, and of its folder; and the folder of the same numbers in bfloat16."""


def make_model(listed: Listed, folder: Path) -> None:
    """Make `folder/smollm2-gguf`, with the listed file, and `folder/smollm2`, with its numbers; a gate takes either.

    Raises:
        NotFound: the package that reads it is not installed.
        ReleaseGateError: the file does not load.
    """
    stored, alone, plain = folder / listed.place, folder / GGUF, folder / PLAIN
    if not _holds(alone, listed):
        shutil.rmtree(alone, ignore_errors=True)
        shutil.rmtree(plain, ignore_errors=True)
        alone.mkdir()
        try:
            os.link(stored, alone / stored.name)
        except OSError:
            shutil.copyfile(stored, alone / stored.name)
    if not plain.is_dir():
        require_packages(["gguf"], f"the model {PLAIN}")
        _write_plain(alone, plain)


def _holds(alone: Path, listed: Listed) -> bool:
    flat = Listed(alone.name, "", listed.place.name, listed.sha256, listed.name)
    return flat.lies_in(alone.parent)


def _write_plain(alone: Path, plain: Path) -> None:
    import torch
    from transformers.utils.logging import disable_progress_bar

    from releasegate.checkpoint import open_checkpoint
    from releasegate.checkpoint.load import load_causal_model, load_tokenizer

    disable_progress_bar()
    checkpoint = open_checkpoint(alone)
    model = load_causal_model(checkpoint, device=torch.device("cpu"), dtype=torch.bfloat16)
    with tempfile.TemporaryDirectory(dir=plain.parent) as temporary:
        made = Path(temporary) / PLAIN
        model.save_pretrained(made)
        load_tokenizer(checkpoint).save_pretrained(made)
        made.rename(plain)
