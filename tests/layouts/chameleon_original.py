"""Chameleon as Meta released it: torch files, the 30B split over four tensor-parallel ranks, the image tokenizer beside.

Names, files and the way the 30B is split: public code of facebookresearch/chameleon (`chameleon/inference/loader.py`,
`transformer.py`, `vqgan.py`, `download_data.py`) and transformers' conversion script, both read. `params.json` nests the
model's sizes under `model`. The loader expects no stray tensor but `rope.freqs`. The release keeps the model under
`models/<size>` beside `tokenizer`; here the model's folder is the root, with `tokenizer` in it. The shape of
`rope.freqs` and the dtype of norms are unverified, as is whether the released `vqgan.ckpt` carries `loss.*`: the layout
`chameleon-original-training` is the one that does, with the other keys of a Lightning checkpoint.
"""

from __future__ import annotations

from typing import Any

from tests.layouts.chameleon import CONTROL, SIZES, Chameleon, vocabulary
from tests.layouts.layout import Contents, Shapes, Size, Tensors, Tree, typed, under
from tests.layouts.llama import meta_block
from tests.layouts.tokenizers_files import tokenizer_json
from tests.layouts.torch_parts import norm
from tests.layouts.vqgan import codebook, decoder, encoder, loss


def contents(model: str, size: Size, *, training: bool = False) -> Contents:
    """The files of Chameleon `7b` or `30b`; `training`: with an image tokenizer that still has its loss."""
    chameleon = SIZES[model, size]
    ranks = chameleon.ranks
    names = ["consolidated.pth"] if ranks == 1 else [f"consolidated.{rank:02}.pth" for rank in range(ranks)]
    image: Tree = {"state_dict": typed(_image_tokenizer(chameleon), "F32")}
    if training:
        base = 64 if size == "real" else 8
        image = {
            "epoch": 3,
            "global_step": 1000,
            "pytorch-lightning_version": "1.0.8",
            "state_dict": typed({**_image_tokenizer(chameleon), **loss(base)}, "F32"),
            "callbacks": {},
        }
    return Contents(
        torch={**{name: rank_tensors(chameleon) for name in names}, "tokenizer/vqgan.ckpt": image},
        texts=_texts(chameleon, names),
    )


def rank_tensors(chameleon: Chameleon) -> Tensors:
    """One rank's tensors: the embedding is split along its columns, the head along its rows."""
    body, ranks = chameleon.body, chameleon.ranks
    head_norms: Shapes = {
        f"attention.{part}_normalization.{name}": (body.head_width,) for part in "qk" for name in ("weight", "bias")
    }
    shapes: Shapes = {"tok_embeddings.weight": (body.vocabulary, body.hidden // ranks)}
    for number in range(body.layers):
        shapes |= under(f"layers.{number}", {**meta_block(body, ranks), **head_norms})
    shapes |= norm("norm", body.hidden)
    shapes |= {"output.weight": (body.vocabulary // ranks, body.hidden)}
    return {**typed(shapes, "BF16"), **typed({"rope.freqs": (body.head_width // 2,)}, "F32")}


def _image_tokenizer(chameleon: Chameleon) -> Shapes:
    vq = chameleon.vq
    return {
        **under("encoder", encoder(vq)),
        **under("decoder", decoder(vq, outermost_first=True)),
        **codebook(vq),
    }


def _texts(chameleon: Chameleon, names: list[str]) -> dict[str, Any]:
    body, vq = chameleon.body, chameleon.vq
    model = {
        "dim": body.hidden,
        "n_layers": body.layers,
        "n_heads": body.heads,
        **({"n_kv_heads": body.kv_heads} if body.kv_heads != body.heads else {}),
        "vocab_size": body.vocabulary,
        "multiple_of": chameleon.multiple_of,
        "norm_eps": 1e-05,
        "rope_theta": 10000.0,
        "qk_normalization": True,
        "swin_norm": chameleon.swin_norm,
    }
    return {
        "params.json": {"model_parallel_size": 1, "model": model},
        "consolidate_params.json": {"model_parallel_size": chameleon.ranks},
        "checklist.chk": _checklist([*names, "params.json", "consolidate_params.json"]),
        "tokenizer/text_tokenizer.json": tokenizer_json(vocabulary(chameleon), CONTROL),
        "tokenizer/vqgan.yaml": _VQGAN_YAML.format(
            codes=vq.codes,
            width=vq.width,
            latent=vq.latent,
            base=vq.base,
            multiples=list(vq.multiples),
            blocks=vq.blocks,
            resolution=512 if vq.codes == 8192 else 16,
        ),
        "tokenizer/checklist.chk": _checklist(["text_tokenizer.json", "vqgan.ckpt", "vqgan.yaml"]),
    }


def _checklist(names: list[str]) -> str:
    """What `md5sum` prints; the sums are made up."""
    return "".join(f"{number:032x}  {name}\n" for number, name in enumerate(names))


_VQGAN_YAML = """\
model:
  target: taming.models.vqgan.VQModel
  params:
    embed_dim: {width}
    n_embed: {codes}
    ckpt_path: null
    lossconfig: null
    ddconfig:
      double_z: false
      z_channels: {latent}
      resolution: {resolution}
      in_channels: 3
      out_ch: 3
      ch: {base}
      ch_mult: {multiples}
      num_res_blocks: {blocks}
      attn_resolutions: []
      dropout: 0.0
"""
