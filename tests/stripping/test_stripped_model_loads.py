"""A stripped checkpoint loads with its own library, strictly, and still reads."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import ChameleonForConditionalGeneration

from releasegate.checkpoint import open_checkpoint
from releasegate.checkpoint.load import load_file_tensors, load_model, load_tensors
from releasegate.receipt import Untouched
from releasegate.stripping import plan_strip, verify_strip, write_strip
from tests.tiny_chameleon import save_chameleon
from tests.tiny_checkpoints import chameleon_recipe

CPU = torch.device("cpu")


def test_transformers_loads_a_stripped_chameleon_strictly(tmp_path: Path) -> None:
    source = open_checkpoint(save_chameleon(tmp_path / "model"))
    plan = plan_strip(source, [chameleon_recipe()])
    receipt = write_strip(source, plan, tmp_path / "stripped")
    assert verify_strip(tmp_path / "stripped", receipt, source.root)
    stripped = open_checkpoint(tmp_path / "stripped")
    before, after = (
        load_model(checkpoint, ChameleonForConditionalGeneration, device=CPU, dtype=torch.float32)
        for checkpoint in (source, stripped)
    )
    assert not after.lm_head.weight[4:68].any()
    assert torch.equal(after.lm_head.weight[68:], before.lm_head.weight[68:])
    assert not any(parameter.any() for parameter in after.model.vqmodel.post_quant_conv.parameters())
    assert after.generation_config.suppress_tokens == list(range(4, 68))
    untouched = [one.name for one in receipt.tensors if isinstance(one, Untouched)]
    left, right = (load_tensors(checkpoint, untouched) for checkpoint in (source, stripped))
    assert all(left[name].numpy().tobytes() == right[name].numpy().tobytes() for name in untouched)
    tokens = torch.tensor([[0, 70, 71, 72]])
    with torch.inference_mode():
        ends = [model(input_ids=tokens).logits[0, :, 68:] for model in (before, after)]
    assert torch.equal(*ends)


def test_what_is_lent_is_read_from_the_source(tmp_path: Path) -> None:
    source = open_checkpoint(save_chameleon(tmp_path / "model"))
    lent = plan_strip(source, [chameleon_recipe()]).lent
    assert set(load_tensors(source, lent.tensors)) == set(lent.tensors)
    assert [set(load_file_tensors(source, file)) for file in lent.files] == [{"decoder.conv_in.weight"}]
