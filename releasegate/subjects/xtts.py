"""XTTS v2: a text and a recording to the text in the voice of the recording. The networks are written here.

Names, shapes and the order of things are those of coqui-tts 0.28.0, against which random weights were compared: see
`tests/subjects/test_xtts.py`. A checkpoint folder has the published `config.json` and `vocab.json`, and `model.safetensors`
in place of `model.pth`, which `examples/xtts/convert.py` makes. What training alone needs (`dvae.pth`) and stored speakers
are not read.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from releasegate.audio.resampling import resample
from releasegate.checkpoint import Checkpoint
from releasegate.checkpoint.files import read_json_text
from releasegate.checkpoint.load import load_module, load_tensors
from releasegate.errors import CheckpointError, NotFound, PartAbsent
from releasegate.subjects import Lending, NoClone, Utterance
from releasegate.subjects.configuration import made_of, read_configuration
from releasegate.subjects.xtts_conditioning import RATE, Spectrogram
from releasegate.subjects.xtts_config import Sizes, XttsConfig, sizes_of
from releasegate.subjects.xtts_language import LanguageModel
from releasegate.subjects.xtts_names import PREFIX, plain_names
from releasegate.subjects.xtts_sampling import Sampling
from releasegate.subjects.xtts_speaker import RATE as SPEAKER_RATE
from releasegate.subjects.xtts_speaker import SpeakerEncoder
from releasegate.subjects.xtts_text import Words
from releasegate.subjects.xtts_vocoder import Vocoder, frames_of

SHORTEST = 0.33
"""Seconds of a prompt that the language model hears at least; the same of its last piece."""
PEAK = 0.75
"""Of a prompt, where the configuration asks for it."""
TOGETHER = {"cpu": 8}
"""Clones whose tokens are drawn together, by device: at the published size, keys and values of one come to some 75 MB."""
TOGETHER_ELSEWHERE = 32
NEEDED = (
    "hifigan_decoder.speaker_encoder.conv1.weight",
    "gpt.conditioning_encoder.init.weight",
    "gpt.conditioning_perceiver.latents",
)
"""One tensor of each part that a prompt enters by: with zeros in it, the part was taken out."""
_FIX = "give the config.json that was published with the weights"


class _Decoder(nn.Module):
    def __init__(self, config: XttsConfig, sizes: Sizes) -> None:
        super().__init__()
        self.waveform_decoder = Vocoder(config.model_args.gpt_n_model_channels, sizes.vocoder, sizes.voice)
        self.speaker_encoder = SpeakerEncoder(sizes)


class Networks(nn.Module):
    """All of the model, by the names that its tensors have."""

    def __init__(self, config: XttsConfig, sizes: Sizes) -> None:
        super().__init__()
        self.gpt = LanguageModel(config.model_args, sizes)
        self.hifigan_decoder = _Decoder(config, sizes)
        self.register_buffer("mel_stats", torch.empty(80))


class Xtts:
    """An XTTS checkpoint. It computes on the device of its weights."""

    def __init__(self, config: XttsConfig, networks: Networks, words: Words, prefix: str) -> None:
        self._config = config
        self._networks = networks
        self._words = words
        self._prefix = prefix
        self._weight = networks.gpt.mel_head.weight
        self._spectrogram = Spectrogram().to(self._weight.device)
        self._sampling = Sampling(config)
        self.rate = config.model_args.output_sample_rate

    @torch.inference_mode()
    def clone(
        self, words: Sequence[Utterance], prompts: Sequence[Tensor], seeds: Sequence[int]
    ) -> list[Tensor | NoClone]:
        """One clone a row, or why there is none; see `ClonesVoice`. The text is said, its audio is not listened to.

        Raises:
            PartAbsent: a part that a prompt enters by is filled with zeros.
        """
        self._require_parts()
        voices = _Voices(self)
        made: list[Tensor | NoClone] = []
        rows = list(zip(words, prompts, seeds, strict=True))
        together = TOGETHER.get(self._weight.device.type, TOGETHER_ELSEWHERE)
        for at in range(0, len(rows), together):
            made += self._together(rows[at : at + together], voices)
        return made

    def _require_parts(self) -> None:
        for name in NEEDED:
            tensor = self._networks.get_parameter(name)
            if not bool(tensor.any()):
                raise PartAbsent(f"{self._prefix}{name}", "holds zeros alone", "lend it, or give the whole checkpoint")

    def _together(self, rows: Sequence[tuple[Utterance, Tensor, int]], voices: _Voices) -> list[Tensor | NoClone]:
        found = [self._asked(said, prompt, voices) for said, prompt, _ in rows]
        asked = [(number, one) for number, one in enumerate(found) if not isinstance(one, NoClone)]
        made: list[Tensor | NoClone] = [
            one if isinstance(one, NoClone) else NoClone("nothing came of it") for one in found
        ]
        if asked:
            seeds = [rows[number][2] for number, _ in asked]
            states = self._sampling.said(self._networks.gpt, [prefix for _, (prefix, _) in asked], seeds)
            for (number, (_, voice)), one in zip(asked, states, strict=True):
                made[number] = one if isinstance(one, NoClone) else self._sound(one, voice)
        return made

    def _asked(self, said: Utterance, prompt: Tensor, voices: _Voices) -> tuple[Tensor, Tensor] | NoClone:
        """What the audio tokens follow, and the speaker embedding; or why the model cannot be asked."""
        tokens = self._words.tokens(said.text, said.language)
        if isinstance(tokens, NoClone):
            return tokens
        heard = voices.of(prompt)
        return heard if isinstance(heard, NoClone) else (self._networks.gpt.prefix(heard[0], tokens), heard[1])

    def _sound(self, states: Tensor, voice: Tensor) -> Tensor | NoClone:
        frames = frames_of(states.float(), self.rate / RATE).to(self._weight.dtype)
        vocoder = self._networks.hifigan_decoder.waveform_decoder
        audio: Tensor = vocoder(frames, voice[None])[0].float()
        return audio if bool(torch.isfinite(audio).all()) else NoClone("the vocoder made samples that are no numbers")

    def heard(self, prompt: Tensor) -> tuple[Tensor, Tensor] | NoClone:
        """What a prompt says of a voice: latents [latents, width] and a speaker embedding [voice]; or why nothing.

        Args:
            prompt: float32 [t] at `rate`.
        """
        config = self._config
        audio = prompt.to(self._weight.device, torch.float32)[None, : config.max_ref_len * self.rate]
        if audio.shape[1] < SHORTEST * self.rate or not bool(torch.isfinite(audio).all()):
            return NoClone(f"the prompt is shorter than {SHORTEST} s, or not finite")
        if config.sound_norm_refs:
            audio = audio / audio.abs().amax().clamp(min=1e-9) * PEAK
        voice = self._networks.hifigan_decoder.speaker_encoder(resample(audio, self.rate, SPEAKER_RATE))[0]
        latents = self.latents(resample(audio, self.rate, RATE))
        if not bool(torch.isfinite(voice).all() and torch.isfinite(latents).all()):
            return NoClone("what the model hears of the prompt is no numbers")
        return latents, voice

    def latents(self, audio: Tensor) -> Tensor:
        """[latents, width] of `audio` float32 [1, t] at 22,050 Hz: the mean over pieces of it."""
        piece = self._config.gpt_cond_chunk_len * RATE
        pieces = audio[:, : self._config.gpt_cond_len * RATE].split(piece, dim=1)
        mels = [
            self._spectrogram(one, self._networks.mel_stats)[0] for one in pieces if one.shape[1] >= SHORTEST * RATE
        ]
        return self._networks.gpt.latents([mel.to(self._weight.dtype) for mel in mels])


class _Voices:
    """Prompts that were heard during a call: equal ones are heard once."""

    def __init__(self, model: Xtts) -> None:
        self._model = model
        self._heard: dict[bytes, tuple[Tensor, Tensor] | NoClone] = {}

    def of(self, prompt: Tensor) -> tuple[Tensor, Tensor] | NoClone:
        key = prompt.detach().to("cpu", torch.float32).contiguous().numpy().tobytes()
        if key not in self._heard:
            self._heard[key] = self._model.heard(prompt)
        return self._heard[key]


def open_subject(checkpoint: Checkpoint, lending: Lending | None, device: torch.device, dtype: torch.dtype) -> Xtts:
    """The subject, with what is lent to it put in place.

    Raises:
        CheckpointError: configuration, tokenizer and tensors are not those of one XTTS v2 checkpoint.
    """
    config = read_configuration(checkpoint, XttsConfig, _FIX)
    lent = load_tensors(lending.source, lending.tensors) if lending is not None and lending.tensors else {}
    where = str(checkpoint.root)
    tensors = plain_names(load_tensors(checkpoint, ["*"]) | lent, where)
    found = sizes_of(tensors, config.model_args, where)
    with torch.device("meta"):
        networks = made_of(checkpoint, lambda: Networks(config, found), _FIX)
    networks = load_module(checkpoint, networks, device=device, dtype=dtype, tensors=tensors)
    words = Words(_tokenizer(checkpoint), config.languages, found.texts, config.model_args.gpt_max_text_tokens)
    prefix = PREFIX if all(name.startswith(PREFIX) for name in checkpoint.tensors) else ""
    return Xtts(config, networks.requires_grad_(requires_grad=False), words, prefix)


def _tokenizer(checkpoint: Checkpoint) -> Tokenizer:
    """The tokenizer in `vocab.json`, which is a `tokenizer.json` under another name.

    Raises:
        NotFound: there is none.
        CheckpointError: it is none.
    """
    path = checkpoint.root / "vocab.json"
    if "vocab.json" not in checkpoint.sizes:
        raise NotFound(str(path), "there is no tokenizer", "copy the vocab.json that was published with the weights")
    try:
        return Tokenizer.from_str(read_json_text(path).decode())
    except Exception as error:
        if type(error) is Exception or isinstance(error, UnicodeDecodeError):  # the library knows no finer one
            what = f"is no tokenizer: {ascii(str(error))[1:200]}"
            raise CheckpointError(str(path), what, "copy the vocab.json of the checkpoint") from None
        raise
