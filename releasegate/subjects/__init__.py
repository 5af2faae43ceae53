"""Models under test behind typed interfaces. This module imports no torch; the subjects themselves do.

A harness is written against an interface, never against a model: whatever has the interface can be measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from releasegate.subjects.language import (
    Answer,
    Decoding,
    Finish,
    GeneratesText,
    Message,
    NoAnswer,
    Predicted,
    PredictsSeveralTokens,
    PredictsTokens,
    Prompt,
    Score,
    ScoresText,
    Speculated,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from releasegate.checkpoint import Checkpoint

__all__ = [
    "SUBJECTS",
    "Access",
    "Answer",
    "AnswersQuestions",
    "CaptionsImages",
    "ClonesVoice",
    "Decoding",
    "Detection",
    "Drawings",
    "Finish",
    "GeneratesImages",
    "GeneratesText",
    "Lending",
    "Message",
    "NoAnswer",
    "NoClone",
    "OpensSubject",
    "Predicted",
    "PredictsSeveralTokens",
    "PredictsTokens",
    "Prompt",
    "Score",
    "ScoresImages",
    "ScoresText",
    "Speculated",
    "SubjectKind",
    "TokenisesImages",
    "Utterance",
    "WatermarksAudio",
]

Access = Literal["weights", "interface"]
"""How a model is reached: as anyone who has its weights can, or through the library's own forward pass with its masks."""


class Drawings(NamedTuple):
    """Images that a model drew.

    Attributes:
        tokens: int64 [n, t], ids within the image codebook; -1 where the model gave no image token.
        pixels: float32 [n, 3, height, width] in [-1, 1]; a row whose tokens hold a -1 is no image.
    """

    tokens: Tensor
    pixels: Tensor


class GeneratesImages(Protocol):
    """Draws images from text."""

    def draw(self, prompts: Sequence[str], seeds: Sequence[int], *, temperature: float, access: Access) -> Drawings:
        """One image a prompt. Its randomness comes from its own seed, whatever else is in the batch.

        Args:
            prompts: what is asked for.
            seeds: as many.
            temperature: what is scored is divided by it before drawing; 0 takes the likeliest token each time.
            access: how the model is reached.

        Raises:
            PartAbsent: a part that drawing needs is not in the checkpoint and was not lent.
        """


class ScoresImages(Protocol):
    """Says how likely the tokens of given images are after texts."""

    def score_images(self, prompts: Sequence[str], tokens: Tensor) -> Tensor:
        """float32 [n, t, codebook], on the processor: the scores of the image token at each place, given those before it.

        Read from the output head, as anyone with the weights can.

        Args:
            prompts: n texts that ask for an image.
            tokens: int64 [n, t], ids within the codebook, of the images.
        """


class AnswersQuestions(Protocol):
    """Answers questions in words, through the library's own forward pass, as users run it."""

    def answer(self, questions: Sequence[str], tokens: int) -> list[str]:
        """The likeliest tokens after each question, one after another, as text; at most so many, and up to the end of text."""


class CaptionsImages(Protocol):
    """Answers a question about an image, through the library's own forward pass, as users run it."""

    def caption(self, pixels: Tensor, question: str) -> list[str]:
        """The likeliest one-token answer for each image.

        Args:
            pixels: float32 [n, 3, height, width] in [-1, 1].
            question: text in which `<image>` stands for the image.
        """


class TokenisesImages(Protocol):
    """Turns images into tokens of the codebook, and back."""

    @property
    def codebook(self) -> int:
        """How many image tokens there are."""

    def encode(self, pixels: Tensor) -> Tensor:
        """int64 [n, t], ids within the codebook, of pixels float32 [n, 3, height, width] in [-1, 1]."""

    def decode(self, tokens: Tensor) -> Tensor:
        """float32 [n, 3, height, width] in [-1, 1], of int64 [n, t] ids within the codebook.

        Raises:
            PartAbsent: the decoder is not in the checkpoint and was not lent.
        """


class Detection(NamedTuple):
    """What a watermark detector says of n clips of t samples.

    Attributes:
        score: float32 [n] in [0, 1]; higher is more surely marked. How it comes from the rest is the subject's `rule`.
        presence: float32 [n, t] in [0, 1], for each sample of the audio; the score everywhere where the detector tells nothing
            along time.
        bits: float32 [n, k] in [0, 1], how surely each bit of the message is 1; k is 0 where no message is carried.
    """

    score: Tensor
    presence: Tensor
    bits: Tensor


class Utterance(NamedTuple):
    """What a cloned voice is to say: in writing, and as somebody else said it.

    Attributes:
        text: the words.
        audio: float32 [t] in [-1, 1], another person saying them, at the `rate` of the subject that is asked.
        language: of the words, ISO 639-1.
    """

    text: str
    audio: Tensor
    language: str


class NoClone(NamedTuple):
    """What stands in the place of a clone that was not made.

    Attributes:
        why: a sentence for the evidence, where the item is a failed one.
    """

    why: str


class ClonesVoice(Protocol):
    """Says given words in the voice of a prompt. Audio is mono, float32 in [-1, 1], at `rate`."""

    @property
    def rate(self) -> int:
        """Samples a second of the audio that it takes and gives."""

    def clone(
        self, words: Sequence[Utterance], prompts: Sequence[Tensor], seeds: Sequence[int]
    ) -> Sequence[Tensor | NoClone]:
        """One clone a row, float32 [t_i]: each depends on its own words, prompt and seed alone.

        What speaks text reads the text of the words; what converts a voice listens to their audio. A row that came to nothing
        while others did not is a `NoClone`.

        Args:
            words: what is to be said.
            prompts: float32 [t_i], as many: the voice that is to say it.
            seeds: as many, of all that is drawn at random.
        """


class WatermarksAudio(Protocol):
    """Puts a watermark into audio, and finds it again. Audio is mono, float32 [n, t] in [-1, 1], at `rate`."""

    @property
    def rate(self) -> int:
        """Samples a second of the audio that it takes."""

    @property
    def bits(self) -> int:
        """Bits of the message that it carries; 0 if none."""

    @property
    def rule(self) -> str:
        """How the score of a clip comes from what the detector says, in words."""

    def mark(self, audio: Tensor, messages: Tensor) -> Tensor:
        """float32 [n, t], the marked clips; each depends on its own row alone.

        Args:
            audio: float32 [n, t] in [-1, 1].
            messages: int64 [n, bits], each 0 or 1.
        """

    def detect(self, audio: Tensor) -> Detection:
        """What the detector says of each clip, which depends on its own row alone. Gradients flow to `audio`.

        Args:
            audio: float32 [n, t] in [-1, 1].
        """


@dataclass(frozen=True)
class Lending:
    """Parts of another checkpoint that whoever attacks a stripped one is given, since they can be had elsewhere.

    Attributes:
        source: the checkpoint that has them.
        tensors: patterns of tensor names.
        files: file names.
    """

    source: Checkpoint
    tensors: tuple[str, ...]
    files: tuple[str, ...]


class OpensSubject(Protocol):
    """The function `open_subject` that every subject's module has."""

    def __call__(
        self, checkpoint: Checkpoint, lending: Lending | None, device: torch.device, dtype: torch.dtype
    ) -> object:
        """The subject, ready to be measured."""


@dataclass(frozen=True)
class SubjectKind:
    """A subject that comes with releasegate.

    Attributes:
        module: where its `open_subject` is.
        provides: names of the interfaces that it has.
        deterministic: whether the same items give the same samples on one machine; None where the checkpoint's configuration
            says so, as `deterministic`: that is told, and never relied on.
        served: whether a server answers for the model, whose weights nothing ties to a digest.
        reads_later: whether it reads the checkpoint's folder after it was opened, too.
        packages: modules of packages that it imports when it is opened, beyond what every installation has.
        reads: whether it reads texts through a tokenizer of the checkpoint; then its module has a function `reader`.
    """

    module: str
    provides: frozenset[str]
    deterministic: bool | None
    served: bool = False
    reads_later: bool = False
    packages: tuple[str, ...] = ()
    reads: bool = False


SUBJECTS: Mapping[str, SubjectKind] = {
    "chameleon": SubjectKind(
        module="releasegate.subjects.chameleon",
        provides=frozenset(
            {"GeneratesImages", "CaptionsImages", "TokenisesImages", "ScoresImages", "AnswersQuestions"}
        ),
        deterministic=True,
        reads=True,
    ),
    "audioseal": SubjectKind(
        module="releasegate.subjects.audioseal",
        provides=frozenset({"WatermarksAudio"}),
        deterministic=True,
        packages=("audioseal",),
    ),
    "perth": SubjectKind(
        module="releasegate.subjects.perth",
        provides=frozenset({"WatermarksAudio"}),
        deterministic=True,
    ),
    "mini_voice": SubjectKind(
        module="releasegate.subjects.mini_voice",
        provides=frozenset({"ClonesVoice", "WatermarksAudio"}),
        deterministic=True,
        packages=("pyworld",),
    ),
    "xtts": SubjectKind(
        module="releasegate.subjects.xtts",
        provides=frozenset({"ClonesVoice"}),
        deterministic=True,
    ),
    "command": SubjectKind(
        module="releasegate.subjects.command",
        provides=frozenset({"ClonesVoice"}),
        deterministic=None,
        reads_later=True,
    ),
    "endpoint": SubjectKind(
        module="releasegate.subjects.endpoint",
        provides=frozenset({"GeneratesText"}),
        deterministic=False,
        served=True,
    ),
    "mtp-lm": SubjectKind(
        module="releasegate.subjects.mtp_lm",
        provides=frozenset({"ScoresText", "GeneratesText", "PredictsTokens", "PredictsSeveralTokens"}),
        deterministic=True,
        reads=True,
    ),
    "causal-lm": SubjectKind(
        module="releasegate.subjects.causal_lm",
        provides=frozenset({"ScoresText", "GeneratesText", "PredictsTokens"}),
        deterministic=True,
        reads=True,
    ),
}
