"""Writes the checkpoint folder in the layout of facebook/multi-token-prediction, the weights as safetensors."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerFast

from releasegate.subjects.mtp_net import MultiTokenNet

WEIGHTS = "consolidated.safetensors"


def write_checkpoint(net: MultiTokenNet, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Writes weights in float16, sizes and tokenizer to a folder, which may exist."""
    out.mkdir(parents=True, exist_ok=True)
    for stale in [*out.glob("*.safetensors"), *out.glob("*.json")]:
        stale.unlink()
    tokenizer.save_pretrained(out)
    tensors = {name: weight.detach().to(torch.float16).contiguous() for name, weight in net.state_dict().items()}
    save_file(tensors, out / WEIGHTS, metadata={"format": "pt"})
    sizes = net.params_.model_dump(exclude_none=True)
    (out / "params.json").write_text(json.dumps(sizes, indent=2) + "\n")
    for path in out.iterdir():
        path.chmod(0o644)
