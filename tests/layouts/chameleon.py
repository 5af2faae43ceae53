"""Chameleon: the sizes and the vocabulary that its two layouts share.

Source: 7B is the default of transformers' `ChameleonConfig`. 30B is derived from what public code says of it (48 layers
and 64 heads in evaluation code; four tensor-parallel ranks in the loader; the width of the feed-forward part is Meta's
formula; swin norms) and adds up to 34.3 billion parameters; hidden size 8192 and 8 key-value heads are unverified.
Names of tokens: public code of facebookresearch/chameleon (`chameleon/inference/vocab.py`: image tokens are `IMGIMG`,
the code's digits as letters, `Z`) and transformers' conversion script (ids 8710 and 8711). Names of words are invented.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.layouts.llama import Body, meta_intermediate
from tests.layouts.vqgan import CHAMELEON, TINY_CHAMELEON, VQ


@dataclass(frozen=True)
class Chameleon:
    """The sizes of a Chameleon: its body, its image tokenizer, ranks of the original release, and the norm's place."""

    body: Body
    vq: VQ
    ranks: int
    swin_norm: bool
    multiple_of: int


SIZES = {
    ("7b", "real"): Chameleon(
        Body(4096, 32, 32, 32, meta_intermediate(4096, 256), 65536), CHAMELEON, 1, swin_norm=False, multiple_of=256
    ),
    ("30b", "real"): Chameleon(
        Body(8192, 48, 64, 8, meta_intermediate(8192, 256), 65536), CHAMELEON, 4, swin_norm=True, multiple_of=256
    ),
    ("7b", "tiny"): Chameleon(
        Body(64, 2, 4, 4, meta_intermediate(64, 32), 48), TINY_CHAMELEON, 1, swin_norm=False, multiple_of=32
    ),
    ("30b", "tiny"): Chameleon(
        Body(64, 2, 8, 4, meta_intermediate(64, 32), 48), TINY_CHAMELEON, 4, swin_norm=True, multiple_of=32
    ),
}

IMAGE = "<reserved08707>"
"""The token that the conversion to Hugging Face's layout renames to `<image>`."""
SEPARATOR = "<reserved08706>"
CONTROL = ("<s>", "<pad>", "</s>", "<unk>")
AFTER_CODES = ("<eoss>", "<racm3:break>")


def image_token(code: int) -> str:
    """The name of the token for an entry of the codebook.

    >>> image_token(0), image_token(1024)
    ('IMGIMGAZ', 'IMGIMGBACEZ')
    """
    return "IMGIMG" + "".join(chr(ord("A") + int(digit)) for digit in str(code)) + "Z"


def vocabulary(chameleon: Chameleon) -> dict[str, int]:
    """The original release's vocabulary: image tokens from id 4, reserved tokens at their number plus 4, then words."""
    codes = chameleon.vq.codes
    names = [*CONTROL, *map(image_token, range(codes)), *AFTER_CODES]
    if codes == CHAMELEON.codes:
        names += [f"<reserved{number:05d}>" for number in range(len(names) - 4, 8796)]
    else:
        names += [SEPARATOR, IMAGE]
    names += [f"word{number}" for number in range(len(names), chameleon.body.vocabulary)]
    return {name: number for number, name in enumerate(names)}
