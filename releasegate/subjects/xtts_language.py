"""XTTS's language model: GPT-2's blocks over latents of a voice, a text, and the audio tokens that it goes on with.

The names of the modules are those of the published tensors, the blocks those of GPT-2 (Radford et al., 2019) as transformers
spells them: projections are stored transposed, and there are no positions but those of text and audio.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from releasegate.subjects.xtts_conditioning import ConditioningEncoder, Perceiver
from releasegate.subjects.xtts_config import Arguments, Sizes

Cache = list[tuple[Tensor, Tensor]]
"""Keys and values of each block, [n, heads, length, width of a head]."""


class Transposed(nn.Module):
    """A linear map whose matrix is stored the other way round."""

    def __init__(self, narrow: int, wide: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(narrow, wide))
        self.bias = nn.Parameter(torch.empty(wide))

    def forward(self, states: Tensor) -> Tensor:
        """[…, wide] of [… narrow]."""
        return states @ self.weight + self.bias


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.c_attn = Transposed(width, 3 * width)
        self.c_proj = Transposed(width, width)

    def forward(
        self, states: Tensor, mask: Tensor, before: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The states [n, t, width], and the keys and values of all that was seen."""
        parts = self.c_attn(states).chunk(3, dim=-1)
        query, key, value = (one.unflatten(-1, (self._heads, -1)).transpose(1, 2) for one in parts)
        if before is not None:
            key, value = torch.cat([before[0], key], dim=2), torch.cat([before[1], value], dim=2)
        heard = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.c_proj(heard.transpose(1, 2).flatten(2)), key, value


class _Widening(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = Transposed(width, 4 * width)
        self.c_proj = Transposed(4 * width, width)

    def forward(self, states: Tensor) -> Tensor:
        out: Tensor = self.c_proj(functional.gelu(self.c_fc(states), approximate="tanh"))
        return out


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = _Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = _Widening(width)

    def forward(
        self, states: Tensor, mask: Tensor, before: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        heard, key, value = self.attn(self.ln_1(states), mask, before)
        states = states + heard
        return states + self.mlp(self.ln_2(states)), key, value


class _Blocks(nn.Module):
    def __init__(self, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.h = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)

    def forward(self, states: Tensor, mask: Tensor, cache: Cache | None) -> tuple[Tensor, Cache]:
        after: Cache = []
        for number, block in enumerate(self.h):
            states, key, value = block(states, mask, cache[number] if cache else None)
            after.append((key, value))
        return self.ln_f(states), after


class _Positions(nn.Module):
    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.emb = nn.Embedding(count, width)


class LanguageModel(nn.Module):
    """Latents of a voice and a text to audio tokens, with the states that the vocoder renders."""

    def __init__(self, config: Arguments, sizes: Sizes) -> None:
        super().__init__()
        width, heads = config.gpt_n_model_channels, config.gpt_n_heads
        self.start, self.stop = config.gpt_start_audio_token, config.gpt_stop_audio_token
        self.conditioning_encoder = ConditioningEncoder(width, heads)
        self.text_embedding = nn.Embedding(sizes.texts, width)
        self.mel_embedding = nn.Embedding(config.gpt_num_audio_tokens, width)
        self.gpt = _Blocks(width, config.gpt_layers, heads)
        self.mel_pos_embedding = _Positions(sizes.positions[0], width)
        self.text_pos_embedding = _Positions(sizes.positions[1], width)
        self.final_norm = nn.LayerNorm(width)
        self.text_head = nn.Linear(width, sizes.texts)
        self.mel_head = nn.Linear(width, config.gpt_num_audio_tokens)
        self.conditioning_perceiver = Perceiver(width, sizes.latents, sizes.attended)

    def latents(self, mels: Sequence[Tensor]) -> Tensor:
        """[latents, width]: the mean over the pieces of a prompt, each [mels, frames]."""
        heard = [self.conditioning_perceiver(self.conditioning_encoder(mel[None]).transpose(1, 2)) for mel in mels]
        return torch.cat(heard).mean(dim=0)

    def prefix(self, latents: Tensor, tokens: Sequence[int]) -> Tensor:
        """[latents + text, width]: what the audio tokens follow.

        Args:
            tokens: of the text, with those that begin and end it.
        """
        ids = torch.tensor(tokens, device=latents.device)
        return torch.cat([latents, self.text_embedding(ids) + self.text_pos_embedding.emb.weight[: len(ids)]])

    def begin(self, prefixes: Sequence[Tensor]) -> tuple[Tensor, Tensor, Cache]:
        """The state [n, width] that says the first audio token of each row, which keys are seen [n, length], and the cache.

        Rows of different lengths are padded before their beginning, and padding is never looked at.
        """
        start = self.mel_embedding.weight[self.start] + self.mel_pos_embedding.emb.weight[0]
        rows = [torch.cat([prefix, start[None]]) for prefix in prefixes]
        states = pad_sequence(rows, batch_first=True, padding_side="left")  # [n, length, width]
        length = states.shape[1]
        first = torch.tensor([length - len(row) for row in rows], device=states.device)
        seen = torch.arange(length, device=states.device)[None] >= first[:, None]
        causal = torch.ones(length, length, dtype=torch.bool, device=states.device).tril()
        # padding looks at itself, as a softmax over nothing is not a number
        mask = (causal & seen[:, None]) | torch.eye(length, dtype=torch.bool, device=states.device)
        out, cache = self.gpt(states, mask[:, None], None)
        return self.final_norm(out[:, -1]), seen, cache

    def go_on(self, tokens: Tensor, step: int, seen: Tensor, cache: Cache) -> tuple[Tensor, Tensor, Cache]:
        """The same after one more audio token, int64 [n], which is the `step`-th of its row."""
        states = self.mel_embedding(tokens) + self.mel_pos_embedding.emb.weight[step]
        seen = functional.pad(seen, (0, 1), value=True)
        out, cache = self.gpt(states[:, None], seen[:, None, None], cache)
        return self.final_norm(out[:, -1]), seen, cache
