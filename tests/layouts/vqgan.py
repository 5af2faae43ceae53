"""The image tokenizers of Chameleon and Janus, which share the names of taming-transformers.

Source of the names: `VQModel` in the public code of facebookresearch/chameleon (`chameleon/inference/vqgan.py`, taken
from CompVis/taming-transformers; instantiated from the sdist of taming-transformers 0.0.1 for the loss), and the VQ
models of transformers' Chameleon and Janus (instantiated).
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.layouts.layout import Shapes, under
from tests.layouts.torch_parts import batch_norm, conv, norm


@dataclass(frozen=True)
class VQ:
    """The sizes of an image tokenizer.

    Attributes:
        base: channels of the first stage.
        multiples: of the base, by stage.
        blocks: residual blocks a stage; the decoder has one more.
        latent: channels between encoder and codebook.
        width: of a code.
        codes: in the codebook.
        attends: whether the innermost stage attends, as Janus' does.
    """

    base: int
    multiples: tuple[int, ...]
    blocks: int
    latent: int
    width: int
    codes: int
    attends: bool = False


CHAMELEON = VQ(128, (1, 1, 2, 2, 4), 2, 256, 256, 8192)
TINY_CHAMELEON = VQ(32, (1, 2), 1, 32, 32, 16)


def encoder(vq: VQ) -> Shapes:
    """The encoder."""
    shapes = conv("conv_in", vq.base, 3, 3, 3)
    narrow = vq.base
    for stage, multiple in enumerate(vq.multiples):
        wide = vq.base * multiple
        for block in range(vq.blocks):
            shapes |= _block(f"down.{stage}.block.{block}", wide, narrow)
            narrow = wide
        if stage < len(vq.multiples) - 1:
            shapes |= conv(f"down.{stage}.downsample.conv", wide, wide, 3, 3)
        elif vq.attends:
            for block in range(vq.blocks):
                shapes |= _attention(f"down.{stage}.attn.{block}", wide)
    return {
        **shapes,
        **_middle(narrow),
        **norm("norm_out", narrow, bias=True),
        **conv("conv_out", vq.latent, narrow, 3, 3),
    }


def decoder(vq: VQ, *, outermost_first: bool) -> Shapes:
    """The decoder; taming-transformers numbers its outermost stage 0, Janus its innermost."""
    last = len(vq.multiples) - 1
    narrow = vq.base * vq.multiples[last]
    shapes = {**conv("conv_in", narrow, vq.latent, 3, 3), **_middle(narrow)}
    for stage in range(last, -1, -1):
        wide, name = vq.base * vq.multiples[stage], f"up.{stage if outermost_first else last - stage}"
        for block in range(vq.blocks + 1):
            shapes |= _block(f"{name}.block.{block}", wide, narrow)
            narrow = wide
            if vq.attends and stage == last:
                shapes |= _attention(f"{name}.attn.{block}", wide)
        if stage:
            shapes |= conv(f"{name}.upsample.conv", wide, wide, 3, 3)
    return {**shapes, **norm("norm_out", narrow, bias=True), **conv("conv_out", 3, narrow, 3, 3)}


def codebook(vq: VQ) -> Shapes:
    """The codebook and the convolutions that lead into it and out of it."""
    return {
        "quantize.embedding.weight": (vq.codes, vq.width),
        **conv("quant_conv", vq.width, vq.latent, 1, 1),
        **conv("post_quant_conv", vq.latent, vq.width, 1, 1),
    }


def loss(base: int = 64) -> Shapes:
    """What a checkpoint out of training holds besides: the discriminator and the perceptual loss, under `loss`."""
    return under("loss", {**under("discriminator", _discriminator(base)), **under("perceptual_loss", _lpips(base))})


def _discriminator(base: int) -> Shapes:
    shapes = conv("main.0", base, 3, 4, 4)
    narrow, place = base, 2
    for multiple in (2, 4, 8):
        shapes |= conv(f"main.{place}", base * multiple, narrow, 4, 4, bias=False)
        shapes |= batch_norm(f"main.{place + 1}", base * multiple)
        narrow, place = base * multiple, place + 3
    return shapes | conv(f"main.{place}", 1, narrow, 4, 4)


def _lpips(base: int) -> Shapes:
    """A VGG16 with one 1x1 convolution for each of its five stages."""
    shapes: Shapes = {"scaling_layer.shift": (1, 3, 1, 1), "scaling_layer.scale": (1, 3, 1, 1)}
    narrow = 3
    for stage, places in enumerate(((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))):
        wide = base * min(2**stage, 8)
        for place in places:
            shapes |= conv(f"net.slice{stage + 1}.{place}", wide, narrow, 3, 3)
            narrow = wide
        shapes |= conv(f"lin{stage}.model.1", 1, wide, 1, 1, bias=False)
    return shapes


def _middle(width: int) -> Shapes:
    return under(
        "mid", {**_block("block_1", width, width), **_attention("attn_1", width), **_block("block_2", width, width)}
    )


def _block(name: str, wide: int, narrow: int) -> Shapes:
    return {
        **norm(f"{name}.norm1", narrow, bias=True),
        **conv(f"{name}.conv1", wide, narrow, 3, 3),
        **norm(f"{name}.norm2", wide, bias=True),
        **conv(f"{name}.conv2", wide, wide, 3, 3),
        **(conv(f"{name}.nin_shortcut", wide, narrow, 1, 1) if wide != narrow else {}),
    }


def _attention(name: str, width: int) -> Shapes:
    shapes = norm(f"{name}.norm", width, bias=True)
    for part in ("q", "k", "v", "proj_out"):
        shapes |= conv(f"{name}.{part}", width, width, 1, 1)
    return shapes
