"""mini-voice: a small voice cloner. It listens to somebody saying the words, and says them again in the voice of a prompt.

A checkpoint folder has `config.json`, `model.safetensors` (what was trained), and frozen parts of others beside it:
`content.safetensors` (layers of Whisper's encoder), `speaker.safetensors` (Resemblyzer's encoder) and, for the watermark that a
wrapper puts on clones, `watermark.safetensors` (an AudioSeal model). `examples/mini_voice` trains one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from releasegate.checkpoint import Checkpoint
from releasegate.checkpoint.load import load_module
from releasegate.errors import PartAbsent, UsageError
from releasegate.records import Record
from releasegate.subjects import Detection, Lending, Utterance
from releasegate.subjects.audioseal import AudioSeal, AudioSealConfig
from releasegate.subjects.configuration import contradiction, made_of, read_configuration
from releasegate.subjects.mini_voice_analysis import Prosody, heard, moved, relative_loudness, timbre
from releasegate.subjects.mini_voice_content import Content
from releasegate.subjects.mini_voice_converter import Converter, Few, Size, Sizes, Voice
from releasegate.subjects.mini_voice_frames import HOP, RATE, frames_in, mask_of, padded
from releasegate.subjects.mini_voice_parts import CONTENT, SPEAKER, opened_watermark, part_of
from releasegate.subjects.mini_voice_speaker import Speaker
from releasegate.subjects.mini_voice_vocoder import Vocoder, VocoderSizes, noises

FRAMES = 6000
"""Frames, of all clips together, that are worked on at once: a minute of sound."""
SHORTEST = RATE // 10
"""Samples that a clip is filled up to where it is shorter: what finds the pitch needs some."""
LONGEST_SECONDS = 60
LOUDER = 3.0
"""How far a frame may rise above the prompt's average envelope, beside how far the words do there, in nepers of power: of real
speech 99 frames in 100 stay below 2.5."""
PEAK = 0.99
"""The most that a clone reaches; where it would be more, all of it is quieter."""


class ContentSizes(Record):
    """Sizes of the content encoder."""

    width: Size
    heads: Few
    hidden: Annotated[tuple[Size, ...], Field(min_length=1, max_length=32)]
    """Channels inside each layer."""

    @model_validator(mode="after")
    def _heads(self) -> ContentSizes:
        if self.width % (2 * self.heads) or self.width < 4:
            raise contradiction(f"width {self.width} cannot be shared by {self.heads} heads of an even size")
        return self


class MiniVoiceConfig(Record):
    """What stands in `config.json`."""

    model_type: Literal["mini-voice"]
    sample_rate: Literal[16000]
    """Samples a second of the audio that it takes and gives."""
    content: ContentSizes
    converter: Sizes
    vocoder: VocoderSizes
    watermark: AudioSealConfig | None = None
    """Of the weights in `watermark.safetensors`; None where there are none."""

    @model_validator(mode="after")
    def _together(self) -> MiniVoiceConfig:
        if self.content.width != self.converter.content:
            raise contradiction(f"the converter takes {self.converter.content} channels of {self.content.width}")
        if self.watermark is not None and self.watermark.sample_rate != self.sample_rate:
            raise contradiction(f"the watermark's sample_rate is {self.watermark.sample_rate}, not {self.sample_rate}")
        return self


class Trained(nn.Module):
    """What was trained, by the names that its tensors have in a checkpoint."""

    def __init__(self, config: MiniVoiceConfig) -> None:
        super().__init__()
        self.converter = Converter(config.converter)
        self.vocoder = Vocoder(config.vocoder, config.converter.condition)


class Said(NamedTuple):
    """What is known of an utterance.

    Attributes:
        content: [frames / 2, bottleneck].
        prosody: as it was said.
    """

    content: Tensor
    prosody: Prosody


class MiniVoice:
    """A mini-voice checkpoint. It computes on the device of its weights, but for pitch and envelopes of what it hears."""

    rate = RATE
    rule = "mean probability over samples"

    def __init__(
        self, trained: Trained, content: Content | None, speaker: Speaker | None, watermark: AudioSeal | None
    ) -> None:
        self._trained = trained
        self._content = content
        self._speaker = speaker
        self._watermark = watermark
        self._device = next(trained.parameters()).device

    def clone(self, words: Sequence[Utterance], prompts: Sequence[Tensor], seeds: Sequence[int]) -> list[Tensor]:
        """One clone a row; see `ClonesVoice`. A clone is as long as the audio of its words.

        The same audio or prompt in several rows is listened to once.

        Raises:
            PartAbsent: the content or the speaker encoder is not in the checkpoint and was not lent.
            UsageError: there is not one prompt and one seed for each row; or an audio is not float [t], is empty or longer
                than a minute, or holds what is not finite.
        """
        if not len(words) == len(prompts) == len(seeds):
            what = f"{len(words)} words, {len(prompts)} prompts, {len(seeds)} seeds"
            raise UsageError("clone", what, "give each row one of each")
        if not words:
            return []
        sources, of_source = _distinct("words", [each.audio for each in words])
        targets, of_target = _distinct("prompts", prompts)
        with torch.inference_mode():
            said, voices = self._listen(sources), self._voices(targets)
            made: dict[int, Tensor] = {}
            for rows in _batches([frames_in(len(sources[place])) for place in of_source]):
                chosen = voices.rows(torch.tensor([of_target[row] for row in rows], device=self._device))
                lengths = [len(sources[of_source[row]]) for row in rows]
                clones = self._speak([said[of_source[row]] for row in rows], chosen, lengths, [seeds[r] for r in rows])
                for row, clone in zip(rows, clones, strict=True):
                    made[row] = clone[: len(words[row].audio)]
        return [made[row] for row in range(len(words))]

    def _listen(self, clips: Sequence[Tensor]) -> list[Said]:
        """What is said in each clip."""
        if self._content is None:
            raise PartAbsent(CONTENT, "is not in the checkpoint", "lend it, or copy it beside the model")
        states: dict[int, Tensor] = {}
        for rows in _batches([frames_in(len(clip)) for clip in clips]):
            counts = [frames_in(len(clips[row])) for row in rows]
            hidden = self._content(padded([clips[row] for row in rows]).to(self._device), counts)
            mask = mask_of([count // 2 for count in counts], self._device, hidden.dtype)
            found = self._trained.converter.content(hidden, mask)
            states |= {row: each[: count // 2] for row, each, count in zip(rows, found, counts, strict=True)}
        return [Said(states[row], heard(clip)) for row, clip in enumerate(clips)]

    def _voices(self, prompts: Sequence[Tensor]) -> Voice:
        """The voice of each prompt."""
        if self._speaker is None:
            raise PartAbsent(SPEAKER, "is not in the checkpoint", "lend it, or copy it beside the model")
        embeddings = self._speaker.embed([clip.to(self._device) for clip in prompts])
        timbres = [timbre(clip) for clip in prompts]
        averages = [torch.stack(parts).to(self._device) for parts in zip(*timbres, strict=True)]
        return Voice(embeddings, *averages)

    def _speak(self, said: list[Said], voice: Voice, samples: list[int], seeds: list[int]) -> list[Tensor]:
        """The clones, float32 [samples_i]."""
        counts = [len(each.prosody.pitch) for each in said]
        pairs = zip(said, voice.pitch.tolist(), strict=True)
        prosodies, pitches = zip(*(moved(each.prosody, (mean, sd)) for each, (mean, sd) in pairs), strict=True)
        dtype = self._trained.converter.join.weight.dtype
        half = mask_of([count // 2 for count in counts], self._device, dtype)
        said_ = nn.utils.rnn.pad_sequence([each.content for each in said], batch_first=True)
        prosody = nn.utils.rnn.pad_sequence(list(prosodies), batch_first=True).to(self._device)
        pitch = nn.utils.rnn.pad_sequence(list(pitches), batch_first=True).to(self._device)
        noise = noises(seeds, samples, max(counts) * HOP).to(self._device)
        cepstra, roughness = self._trained.converter.speak(said_, prosody, voice, half)
        condition = self._trained.converter.condition(voice)
        full = mask_of(counts, self._device, torch.float32)
        risen = relative_loudness(prosody).clamp(min=0)  # above what is loud in the words
        loudest = self._trained.vocoder.level(voice.mean)[:, None] + risen + LOUDER
        audio = self._trained.vocoder(cepstra, roughness, pitch, noise, condition, full, loudest).cpu()
        return [_within(row[:count]) for row, count in zip(audio, samples, strict=True)]

    @property
    def bits(self) -> int:
        """Bits of the watermark's message.

        Raises:
            PartAbsent: the watermark is not in the checkpoint and was not lent.
        """
        return self._marks().bits

    def mark(self, audio: Tensor, messages: Tensor) -> Tensor:
        """The marked clips; see `WatermarksAudio`.

        Raises:
            PartAbsent: as of `bits`.
            UsageError: there is not one message of `bits` bits for each clip.
        """
        return self._marks().mark(audio, messages)

    def detect(self, audio: Tensor) -> Detection:
        """What the detector says; see `WatermarksAudio`.

        Raises:
            PartAbsent: as of `bits`.
        """
        return self._marks().detect(audio)

    def _marks(self) -> AudioSeal:
        if self._watermark is None:
            raise PartAbsent(
                "watermark.safetensors", "is not in the checkpoint", "lend it, or copy it beside the model"
            )
        return self._watermark


def _distinct(where: str, clips: Sequence[Tensor]) -> tuple[list[Tensor], list[int]]:
    """Clips float32 [t_i] on the processor, each once and filled up to `SHORTEST`, and the place of each row's among them.

    Raises:
        UsageError: one is none.
    """
    places: dict[bytes, int] = {}
    found: list[Tensor] = []
    rows = []
    for row, clip in enumerate(clips):
        refusal = _refusal(clip)
        if refusal is not None:
            raise UsageError(f"{where}[{row}]", *refusal)
        plain = clip.detach().float().cpu().contiguous()
        digest = hashlib.sha256(plain.numpy().tobytes()).digest()
        if digest not in places:
            places[digest] = len(found)
            found.append(nn.functional.pad(plain, (0, max(0, SHORTEST - len(plain)))))
        rows.append(places[digest])
    return found, rows


def _refusal(clip: Tensor) -> tuple[str, str] | None:
    """What is wrong with a clip, and the remedy; None if nothing is."""
    if clip.ndim != 1 or not clip.is_floating_point() or not len(clip):
        return f"is {clip.dtype} {list(clip.shape)}", "give one channel of floats, [samples]"
    if len(clip) > LONGEST_SECONDS * RATE:
        return f"is {len(clip) / RATE:.0f} s long", f"give at most {LONGEST_SECONDS} s"
    if not bool(torch.isfinite(clip).all()) or float(clip.abs().max()) > 1e3:
        return "holds samples that are not finite, or far beyond [-1, 1]", "give samples in [-1, 1]"
    return None


def _batches(counts: Sequence[int]) -> Iterator[list[int]]:
    """Rows of about one length, together at most `FRAMES` frames, filled up to the longest of each batch; every row once."""
    batch: list[int] = []
    for row in sorted(range(len(counts)), key=lambda row: -counts[row]):
        if batch and counts[batch[0]] * (len(batch) + 1) > FRAMES:
            yield batch
            batch = []
        batch.append(row)
    yield batch


def _within(clone: Tensor) -> Tensor:
    """A clone, turned down as a whole where it would leave [-1, 1]."""
    peak = float(clone.abs().max())
    return clone * (PEAK / peak) if peak > PEAK else clone.clone()


def open_subject(
    checkpoint: Checkpoint, lending: Lending | None, device: torch.device, dtype: torch.dtype
) -> MiniVoice:
    """The subject. Parts beside the model may be lent; a part that is nowhere is missed when it is needed.

    Raises:
        CheckpointError: the configuration is not mini-voice's, or tensors do not fit it strictly.
    """
    fix = "compare with examples/mini_voice/checkpoint"
    config = read_configuration(checkpoint, MiniVoiceConfig, fix)
    with torch.device("meta"):  # nothing is drawn for weights that are about to be replaced
        trained = made_of(checkpoint, lambda: Trained(config), fix)
        content = made_of(checkpoint, lambda: Content(**dict(config.content)), fix)
        speaker = made_of(checkpoint, Speaker, fix)
    trained = load_module(checkpoint, trained, device=device, dtype=dtype).requires_grad_(requires_grad=False)
    return MiniVoice(
        trained,
        part_of(checkpoint, lending, CONTENT, content, device, dtype),
        part_of(checkpoint, lending, SPEAKER, speaker, device, dtype),
        opened_watermark(checkpoint, lending, config.watermark, device, dtype),
    )
