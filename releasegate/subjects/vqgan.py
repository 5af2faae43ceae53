"""The image decoder that Chameleon shipped beside its weights: latents in, pixels out.

transformers' conversion of Chameleon keeps the encoder, the codebook and `post_quant_conv` and leaves the decoder out;
the original release has it in `vqgan.ckpt`. This is that decoder, in the layout of taming-transformers' `Decoder`,
whose tensors are called `decoder.*` in the file:

    conv_in · mid.block_1 · mid.attn_1 · mid.block_2
    up.N.block.M · up.N.attn.M · up.N.upsample.conv · norm_out · conv_out

`up.0` is the finest level and runs last; every level has `num_res_blocks + 1` blocks. Blocks and attention are
transformers' own encoder blocks, which have the arithmetic and the tensor names of taming's.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional
from transformers.models.chameleon.configuration_chameleon import ChameleonVQVAEConfig
from transformers.models.chameleon.modeling_chameleon import (
    ChameleonVQVAEEncoderAttnBlock,
    ChameleonVQVAEEncoderResnetBlock,
)


class Upsample(nn.Module):
    """Twice the height and width: nearest neighbour, then a 3x3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel_size=3, padding=1)

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = functional.interpolate(hidden, scale_factor=2.0, mode="nearest")
        result: Tensor = self.conv(hidden)  # [n, c, 2h, 2w]
        return result


class Middle(nn.Module):
    """The two blocks at the coarsest resolution, with attention between them when `attn_type` is `vanilla`."""

    def __init__(self, config: ChameleonVQVAEConfig, channels: int) -> None:
        super().__init__()
        attended = config.attn_type == "vanilla"
        self.block_1 = ChameleonVQVAEEncoderResnetBlock(config, channels, channels)
        self.attn_1 = ChameleonVQVAEEncoderAttnBlock(channels) if attended else nn.Identity()
        self.block_2 = ChameleonVQVAEEncoderResnetBlock(config, channels, channels)

    def forward(self, hidden: Tensor) -> Tensor:
        result: Tensor = self.block_2(self.attn_1(self.block_1(hidden)))
        return result


class Level(nn.Module):
    """The blocks at one resolution, and the step to the next finer one unless this is the finest."""

    def __init__(
        self, config: ChameleonVQVAEConfig, channels_in: int, channels_out: int, *, attended: bool, finest: bool
    ) -> None:
        super().__init__()
        count = config.num_res_blocks + 1
        widths = [channels_in] + [channels_out] * (count - 1)
        self.block = nn.ModuleList(ChameleonVQVAEEncoderResnetBlock(config, width, channels_out) for width in widths)
        heads = count if attended else 0
        self.attn = nn.ModuleList(ChameleonVQVAEEncoderAttnBlock(channels_out) for _ in range(heads))
        self.upsample = nn.Identity() if finest else Upsample(channels_out)

    def forward(self, hidden: Tensor) -> Tensor:
        for index, block in enumerate(self.block):
            hidden = block(hidden)
            if len(self.attn) > 0:
                hidden = self.attn[index](hidden)
        result: Tensor = self.upsample(hidden)
        return result


class VQGANDecoder(nn.Module):
    """Turns the latents of a Chameleon VQ model back into an image.

    `state_dict()` has taming's names without the prefix `decoder.`.

    Args:
        config: The `vq_config` of the Chameleon checkpoint whose tokens are decoded.

    Example:
        >>> import torch
        >>> from transformers.models.chameleon.configuration_chameleon import ChameleonVQVAEConfig
        >>> config = ChameleonVQVAEConfig(
        ...     resolution=16, base_channels=32, channel_multiplier=[1, 1, 2], num_res_blocks=1, latent_channels=16,
        ...     embed_dim=16, attn_resolutions=[])
        >>> VQGANDecoder(config)(torch.zeros(2, 16, 4, 4)).shape
        torch.Size([2, 3, 16, 16])
    """

    def __init__(self, config: ChameleonVQVAEConfig) -> None:
        super().__init__()
        depth = len(config.channel_multiplier)
        widths = [config.base_channels * multiplier for multiplier in config.channel_multiplier]
        above = widths[1:] + widths[-1:]  # what each level receives from the next coarser one
        attended = set(config.attn_resolutions or ()) if config.attn_type == "vanilla" else set()
        sides = [config.resolution // 2**level for level in range(depth)]
        self.conv_in = nn.Conv2d(config.latent_channels, widths[-1], kernel_size=3, padding=1)
        self.mid = Middle(config, widths[-1])
        self.up = nn.ModuleList(
            Level(config, above[level], widths[level], attended=sides[level] in attended, finest=level == 0)
            for level in range(depth)
        )
        self.norm_out = nn.GroupNorm(num_groups=32, num_channels=widths[0], eps=1e-6)
        self.conv_out = nn.Conv2d(widths[0], config.in_channels, kernel_size=3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        """Images in about [-1, 1], of shape [n, 3, H, W].

        Args:
            latents: What `post_quant_conv` gives for the codebook vectors of the image tokens: shape
                [n, latent_channels, h, w], in the dtype and on the device of the weights. H = h * 2^(levels - 1).
        """
        hidden = self.mid(self.conv_in(latents))
        for level in reversed(self.up):
            hidden = level(hidden)  # [n, c, 2h, 2w], but for the finest
        images: Tensor = self.conv_out(functional.silu(self.norm_out(hidden)))
        return images
