"""The words of the mini-Chameleon, its configuration, and its tokenizer and processor files."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import ChameleonConfig

from evals.digits import WORDS

CODES = 64  # size of the codebook, and so the number of image tokens
IMAGE_LENGTH = 16  # image tokens in one image: 4 x 4
CONTROL = ("<s>", "<pad>", "</s>", "<unk>")
MARKS = ("<eoss>", "<racm3:break>", "<image>", "<reserved08707>")  # ends and begins an image, placeholder, separator
PROMPTS = ("what", "draw", ":")


def image_token(code: int) -> str:
    """Chameleon's name of a codebook entry: its decimal digits as letters, A for 0.

    Example:
        >>> image_token(10)
        'IMGIMGBAZ'
    """
    return "IMGIMG" + "".join("ABCDEFGHIJ"[int(digit)] for digit in str(code)) + "Z"


def vocabulary() -> dict[str, int]:
    """Every token and its id. Image tokens are ids 4 to 67, as Chameleon's are 4 to 8195."""
    tokens = (*CONTROL, *(image_token(code) for code in range(CODES)), *MARKS, *PROMPTS, *WORDS)
    return {token: index for index, token in enumerate(tokens)}


VOCABULARY = vocabulary()
FIRST_IMAGE_TOKEN = VOCABULARY[image_token(0)]
WORD_IDS = tuple(VOCABULARY[word] for word in WORDS)


def ids(tokens: Sequence[str]) -> list[int]:
    """The ids of some tokens."""
    return [VOCABULARY[token] for token in tokens]


def make_config() -> ChameleonConfig:
    """The configuration of the model, of the class and layout of facebook/chameleon-7b."""
    return ChameleonConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=64,
        tie_word_embeddings=False,
        vocabulary_map=VOCABULARY,
        bos_token_id=VOCABULARY["<s>"],
        pad_token_id=VOCABULARY["<pad>"],
        eos_token_id=VOCABULARY["</s>"],
        vq_config={
            "embed_dim": 16,
            "num_embeddings": CODES,
            "double_latent": False,
            "latent_channels": 16,
            "resolution": 16,
            "in_channels": 3,
            "base_channels": 32,
            "channel_multiplier": [1, 1, 2],
            "num_res_blocks": 1,
            "attn_resolutions": [],
            "dropout": 0.0,
            "attn_type": "vanilla",
        },
    )
