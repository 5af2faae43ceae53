"""Trains the VQ autoencoder: images of 16 x 16 pixels to 16 tokens of a codebook of 64, and back.

Three phases in one run. First a plain autoencoder, so that latents mean something before they are quantised. Then the
codebook is set by k-means on the latents of the training scans. From there straight-through gradients train encoder and
decoder, and the codebook follows the latents as a moving average; entries out of use are put back where latents are.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import torch
from augment import deform
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.chameleon.modeling_chameleon import ChameleonVQVAE

from evals.digits import to_pixels
from releasegate.subjects.vqgan import VQGANDecoder

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class VQRecipe:
    """How long and how fast to train."""

    steps: int = 1300
    plain_steps: int = 150
    batch: int = 64
    rate: float = 2e-3
    commitment: float = 0.25
    decay: float = 0.98
    revive_every: int = 40
    revive_until: float = 0.7  # share of the steps


class MovingCodebook:
    """The codebook as a moving average of the latents that each entry stands for."""

    def __init__(self, embedding: nn.Embedding, latents: Tensor, seed: int) -> None:
        fitted = KMeans(embedding.num_embeddings, n_init=1, random_state=seed).fit(latents.numpy())
        centres = torch.as_tensor(fitted.cluster_centers_, dtype=latents.dtype)
        self.weight = embedding.weight.data
        self.weight.copy_(centres)
        self.counts = torch.full((len(centres),), 20.0)
        self.sums = centres * 20.0

    def nearest(self, latents: Tensor) -> Tensor:
        """The entry nearest to each latent, int64, shape [m]."""
        return torch.cdist(latents, self.weight).argmin(dim=1)

    def follow(self, latents: Tensor, codes: Tensor, decay: float) -> None:
        """Moves every entry towards the latents it stands for."""
        used = functional.one_hot(codes, len(self.weight)).to(latents.dtype)
        self.counts.mul_(decay).add_(used.sum(dim=0), alpha=1 - decay)
        self.sums.mul_(decay).add_(used.T @ latents, alpha=1 - decay)
        self.weight.copy_(self.sums / (self.counts[:, None] + 1e-3))

    def revive(self, latents: Tensor, generator: torch.Generator) -> None:
        """Puts the entries that are no longer used on latents drawn at random."""
        dead = self.counts < 1.0
        chosen = latents[torch.randint(0, len(latents), (int(dead.sum()),), generator=generator)]
        self.weight[dead] = chosen
        self.counts[dead] = 5.0
        self.sums[dead] = chosen * 5.0


def flat(latents: Tensor) -> Tensor:
    """Latents as a list of vectors: [n, c, h, w] to [n * h * w, c]."""
    return latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1])


def rate_at(step: int, recipe: VQRecipe) -> float:
    """The learning rate: a warm-up of 50 steps, then half a cosine down to 2 %."""
    return recipe.rate * min(1.0, (step + 1) / 50) * (0.5 * (1 + math.cos(math.pi * step / recipe.steps)) + 0.02)


def train_vq(model: ChameleonVQVAE, decoder: VQGANDecoder, scans: Tensor, recipe: VQRecipe, seed: int) -> None:
    """Trains encoder, codebook and decoder in place, on the CPU.

    Args:
        model: The VQ model inside a Chameleon; its codebook is overwritten.
        decoder: The decoder that goes with it.
        scans: Training scans, grey levels 0 to 16, shape [n, 8, 8].
        recipe: Steps and rates.
        seed: Fixes the batches, the deformations and the codebook; the initial weights are the caller's.
    """
    generator = torch.Generator().manual_seed(seed)
    model.requires_grad_(True)
    model.quantize.embedding.weight.requires_grad_(False)
    trained = [weight for weight in (*model.parameters(), *decoder.parameters()) if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=recipe.rate, weight_decay=1e-5)
    codebook: MovingCodebook | None = None
    for step in range(recipe.steps):
        optimizer.param_groups[0]["lr"] = rate_at(step, recipe)
        if step == recipe.plain_steps:
            codebook = MovingCodebook(model.quantize.embedding, latents_of(model, scans), seed)
        rows = torch.randint(0, len(scans), (recipe.batch,), generator=generator)
        chosen = scans[rows].to(torch.float32)
        half = recipe.batch // 2
        images = to_pixels(torch.cat([chosen[:half], deform(chosen[half:], generator)]))
        latents = model.quant_conv(model.encoder(images))  # [n, 16, 4, 4]
        if codebook is None:
            passed, penalty = latents, 1e-3 * latents.square().mean()
        else:
            vectors = flat(latents.detach())
            codes = codebook.nearest(vectors)
            n, channels, high, wide = latents.shape
            quantised = codebook.weight[codes].view(n, high, wide, channels).permute(0, 3, 1, 2)
            penalty = recipe.commitment * functional.mse_loss(latents, quantised)
            passed = latents + (quantised - latents).detach()
            codebook.follow(vectors, codes, recipe.decay)
            if step % recipe.revive_every == 0 and step < recipe.revive_until * recipe.steps:
                codebook.revive(vectors, generator)
        error = functional.mse_loss(decoder(model.post_quant_conv(passed)), images)
        (error + penalty).backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if (step + 1) % 100 == 0:
            LOG.info("vq step %d of %d: squared error %.4f", step + 1, recipe.steps, error.item())
    model.requires_grad_(False)


@torch.inference_mode()
def latents_of(model: ChameleonVQVAE, scans: Tensor) -> Tensor:
    """The latents of scans, before quantisation, as a list of vectors: shape [n * 16, 16]."""
    batches = to_pixels(scans).split(256)
    return torch.cat([flat(model.quant_conv(model.encoder(batch))) for batch in batches]).clone()


@torch.inference_mode()
def encode(model: ChameleonVQVAE, pixels: Tensor) -> Tensor:
    """The codes of images, int64, shape [n, 16].

    Args:
        pixels: Shape [n, 3, 16, 16], in [-1, 1].
    """
    return torch.cat([model.encode(batch).image_tokens.view(len(batch), -1) for batch in pixels.split(256)])


@torch.inference_mode()
def decode(model: ChameleonVQVAE, decoder: VQGANDecoder, codes: Tensor) -> Tensor:
    """The images that codes stand for, in about [-1, 1], shape [n, 3, 16, 16].

    Args:
        codes: int64, 0 to 63, shape [n, 16].
    """
    vectors = model.quantize.embedding(codes).view(len(codes), 4, 4, -1).permute(0, 3, 1, 2)  # [n, 16, 4, 4]
    images: Tensor = decoder(model.post_quant_conv(vectors))
    return images


def encode_variants(model: ChameleonVQVAE, scans: Tensor, count: int, strength: float, seed: int) -> Tensor:
    """The codes that the language model learns from: int64, shape [n, count, 16]; the scan as it is, then deformed.

    Args:
        model: The trained VQ model.
        scans: Training scans, grey levels 0 to 16, shape [n, 8, 8].
        count: Variants of each scan, itself included.
        strength: Of the deformations; see `deform`.
        seed: Draws the deformations.
    """
    generator = torch.Generator().manual_seed(seed)
    variants = [scans] + [deform(scans, generator, strength) for _ in range(count - 1)]
    return torch.stack([encode(model, to_pixels(variant)) for variant in variants], dim=1).clone()
