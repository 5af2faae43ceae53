"""`releasegate attack`: what it writes, what it leaves out and says so, and what it refuses."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from releasegate.__main__ import run
from releasegate.attacks.record import AttackRecord
from releasegate.audio.files import decode_audio, encode_flac, encode_wav
from tests.spread_spectrum import SNR, SpreadSpectrum
from tests.tiny_checkpoints import tiny
from tests.voices import voice

pytest.importorskip("soundfile")

SUITE = """\
schema: releasegate/suite/v1
id: small
title: A few
attacks:
  - {attack: none}
  - {attack: splice_marked, strengths: [200]}
  - {attack: overwrite}
  - {attack: residual_copy, strengths: [0, -6]}
  - {attack: pgd_remove, strengths: [30]}
"""

SUBJECT = """\
from tests.spread_spectrum import SpreadSpectrum


def open_subject(checkpoint, lending, device, dtype):
    return SpreadSpectrum()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gate repository with a watermark, its checkpoint, a suite and two sounds; one stands in it."""
    for folder in ("policies", "evals/spread", "evals/silent", "evals/audio_watermark"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "evals" / "spread" / "subject.py").write_text(SUBJECT)
    (tmp_path / "evals" / "silent" / "subject.py").write_text("def open_subject(*given):\n    return object()\n")
    (tmp_path / "evals" / "audio_watermark" / "suite.yaml").write_text(SUITE)
    tiny().write(tmp_path / "model")
    (tmp_path / "a.wav").write_bytes(encode_wav(voice(0.5, 1), 16000))
    (tmp_path / "b.flac").write_bytes(encode_flac(voice(0.4, 2), 16000))
    monkeypatch.chdir(tmp_path)
    return tmp_path


WATERMARK = ("--model", "model", "--subject", "spread")


def attacked(*arguments: str, out: str = "out") -> AttackRecord:
    assert run(["attack", *arguments, "--out", out, "-q"]) == 0
    return AttackRecord.from_text(Path(out, "attacks.json").read_bytes())


def audio_of(path: Path) -> torch.Tensor:
    return decode_audio(path.read_bytes(), str(path)).audio


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of what is wrong; nothing was written."""
    before = sorted(Path().iterdir())
    capsys.readouterr()
    assert run(["attack", *arguments, "-q"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "\n  fix: " in told.err
    assert sorted(Path().iterdir()) == before
    return told.err.splitlines()[0]


def test_without_a_watermark_what_needs_one_is_left_out_and_named(place: Path, capsys: pytest.CaptureFixture[str]):
    record = attacked("a.wav", "b.flac")
    assert [one.file for one in record.attacked] == ["a.none.wav", "b.none.wav"]
    assert {one.attack for one in record.skipped} == {"splice_marked", "overwrite", "residual_copy", "pgd_remove"}
    assert len(record.skipped) == 10
    assert all(one.fix.startswith("name the watermark") for one in record.skipped)
    told = capsys.readouterr().out
    assert told.count("left out: residual_copy: ") == 1
    assert sorted(path.name for path in (place / "out").iterdir()) == ["a.none.wav", "attacks.json", "b.none.wav"]


def test_with_a_watermark_every_attack_is_made_and_described(place: Path):
    record = attacked("a.wav", *WATERMARK)
    assert not record.skipped
    (given,) = record.given
    assert (given.rate, given.channels, given.samples) == (16000, 1, 8000)
    for one in record.attacked:
        content = (place / "out" / one.file).read_bytes()
        assert one.sha256 == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert one.samples == len(decode_audio(content, one.file).audio)
    marks = {one.file: one.marked for one in record.attacked}
    assert marks == {
        "a.none.wav": False,
        "a.splice_marked_200ms.wav": True,
        "a.overwrite.wav": True,
        "a.residual_copy_0dB.wav": False,
        "a.residual_copy_-6dB.wav": False,
        "a.pgd_remove_30dB.wav": True,
    }
    written = {path.name for path in (place / "out").iterdir()}
    assert written == {*marks, "a.marked.wav", "attacks.json"}
    assert record.watermark is not None
    assert record.watermark.subject == "spread"


def test_what_is_written_is_what_the_attacks_do(place: Path):
    record = attacked("a.wav", *WATERMARK)
    clean, marked = audio_of(place / "a.wav"), audio_of(place / "out" / "a.marked.wav")
    message = record.given[0].marked.message if record.given[0].marked else ()
    assert torch.equal(marked, SpreadSpectrum().mark(clean[None], torch.tensor([message]))[0])
    assert torch.equal(audio_of(place / "out" / "a.none.wav"), clean)
    spliced = audio_of(place / "out" / "a.splice_marked_200ms.wav")
    assert int((spliced != clean).sum()) == pytest.approx(3200, abs=20)
    assert ((spliced == clean) | (spliced == marked)).all()
    ratios = {one.attack: one.snr_db for one in record.attacked if one.strength != -6}
    assert ratios["none"] is None
    assert ratios["pgd_remove"] == pytest.approx(30, abs=0.01)
    assert ratios["residual_copy"] == pytest.approx(SNR, abs=1.5)
    detect = SpreadSpectrum().detect
    assert detect(audio_of(place / "out" / "a.pgd_remove_30dB.wav")[None]).score < detect(marked[None]).score - 0.3


def test_a_sound_is_attacked_alike_beside_others_and_in_parts_of_the_suite(place: Path):
    all_at_once = attacked("b.flac", "a.wav", *WATERMARK)
    alone = attacked("a.wav", *WATERMARK, "--only", "pgd_remove", "--only", "overwrite", out="alone")
    assert [one.attack for one in alone.attacked] == ["overwrite", "pgd_remove"]
    assert [entry.attack for entry in alone.suite.attacks] == ["overwrite", "pgd_remove"]
    assert all(one in all_at_once.attacked for one in alone.attacked)
    assert alone.given[0] in all_at_once.given


def test_another_seed_gives_another_attack(place: Path):
    one = attacked("a.wav", *WATERMARK, "--only", "splice_marked")
    other = attacked("a.wav", *WATERMARK, "--only", "splice_marked", "--seed", "1", out="other")
    assert one.attacked[0].sha256 != other.attacked[0].sha256
    assert one.attacked[0].seed != other.attacked[0].seed
    assert other.seed == 1


def test_the_record_is_what_is_printed_as_json(place: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["attack", "a.wav", "--out", "out", "--format", "json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == json.loads((place / "out" / "attacks.json").read_text())
    assert told.err == "attack (6 items)\n"


def test_channels_and_rates_are_told(place: Path, capsys: pytest.CaptureFixture[str]):
    from scipy.io import wavfile

    wavfile.write(place / "c.wav", 44100, torch.stack([voice(0.1, 1, 44100)] * 2, 1).numpy())
    record = attacked("c.wav")
    assert (record.given[0].channels, record.given[0].rate) == (2, 44100)
    assert "c.wav: 0.10 s at 44100 Hz, the mean of 2 channels" in capsys.readouterr().out
    assert decode_audio((place / "out" / "c.none.wav").read_bytes(), "c").rate == 44100


REFUSED: list[tuple[tuple[str, ...], str]] = [
    (("a.wav", "--out", "policies"), "policies: exists already"),
    (("a.wav", "--out", "no/out"), "no: is not a folder"),
    (("no.wav", "--out", "out"), "no.wav: no such file"),
    (("model/config.json", "--out", "out"), "model/config.json: is no sound that can be read: Format not recognised"),
    (("a.wav", "--out", "out", "--only", "splice_markd"), "--only: the suite small has no attack 'splice_markd'"),
    (("a.wav", "--out", "out", "--only", "overwrite"), "attack overwrite: no attack could be made: "),
    (("a.wav", "--out", "out", "--suite", "no.yaml"), "no.yaml: no such suite"),
    (("a.wav", "--out", "out", "--model", "model"), "releasegate attack: --model and --subject go together"),
    (("a.wav", "--out", "out", "--model", "model", "--subject", "spreed"), "spreed: no such subject"),
    (
        ("a.wav", "--out", "out", "--model", "model", "--subject", "silent"),
        "--subject: silent is no watermark for audio",
    ),
    (("a.wav", "--out", "out", "--model", "model", "--subject", "chameleon"), "--subject: chameleon is no watermark"),
    (("a.wav", "--out", "model/out", *WATERMARK), "model/out: and the source lie in one another"),
    (("a.wav", "--out", "out", "--device", "gpu"), "--device: unknown device 'gpu'"),
    (("a.wav", "a.wav", "--out", "out"), "a.wav: what comes of it would be named like what comes of a.wav"),
    (("a.wav", "--out", "out", "--seed", "-1"), "releasegate attack: Invalid value for '--seed'"),
    (("--out", "out"), "releasegate attack: Missing argument 'AUDIO...'"),
]


@pytest.mark.parametrize(("arguments", "line"), REFUSED, ids=[line for _, line in REFUSED])
def test_a_call_that_cannot_work_writes_nothing(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], line: str
):
    assert refused(capsys, *arguments).startswith(line)


def test_a_watermark_of_another_rate_is_refused(place: Path, capsys: pytest.CaptureFixture[str]):
    (place / "c.wav").write_bytes(encode_wav(voice(0.1, 1, 8000), 8000))
    assert refused(capsys, "a.wav", "c.wav", "--out", "out", *WATERMARK) == (
        "c.wav: has 8000 samples a second, and the watermark takes 16000"
    )


def test_a_mistake_in_a_suite_has_its_place(place: Path, capsys: pytest.CaptureFixture[str]):
    (place / "mine.yaml").write_text(SUITE.replace("[30]", "[300]"))
    assert refused(capsys, "a.wav", "--out", "out", "--suite", "mine.yaml") == (
        "mine.yaml:9:38: attacks.4.strengths.0: pgd_remove takes 0 to 80 dB; got 300"
    )


def test_what_is_interrupted_leaves_nothing(place: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*given: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tests.spread_spectrum.SpreadSpectrum.detect", interrupted)
    before = sorted(place.iterdir())
    assert run(["attack", "a.wav", "--out", "out", *WATERMARK, "-q"]) == 130
    assert sorted(place.iterdir()) == before


def test_a_sound_of_one_sample_is_attacked(place: Path):
    (place / "c.wav").write_bytes(encode_wav(torch.tensor([0.3]), 16000))
    record = attacked("c.wav", *WATERMARK)
    assert [one.samples for one in record.attacked] == 6 * [1]


@pytest.mark.parametrize("rate", [1, 100, 3999, 768_001, 10**9])
def test_a_sound_at_a_rate_that_holds_no_speech_is_refused_by_name(
    place: Path, capsys: pytest.CaptureFixture[str], rate: int
) -> None:
    (place / "odd.wav").write_bytes(encode_wav(voice(0.2, 1), rate))
    told = refused(capsys, "odd.wav", "--out", "out")
    assert told.endswith(f"odd.wav: has {rate} samples a second, and attacks are made on 4000 to 768000")


@pytest.mark.parametrize("rate", [44101, 655_350])
def test_codecs_leave_a_sound_at_an_odd_rate_out_and_the_rest_is_made(place: Path, rate: int) -> None:
    pytest.importorskip("av")
    listed = "".join(
        f"  - {{attack: {name}}}\n" for name in ("none", "gsm", "g722", "mulaw", "mp3, strengths: [64]", "polarity")
    )
    Path("evals/audio_watermark/suite.yaml").write_text(SUITE.split("  - ")[0] + listed)
    (place / "odd.wav").write_bytes(encode_wav(voice(0.2, 1), rate))
    record = attacked("odd.wav")
    assert [one.attack for one in record.attacked] == ["none", "polarity"]
    assert [one.attack for one in record.skipped] == ["gsm", "g722", "mulaw", "mp3"]
    assert all(f"cannot resample from {rate} to " in one.why for one in record.skipped)
    assert {one.fix for one in record.skipped} == {"give clips at a usual rate, such as 48000 Hz"}


def test_a_codec_alone_at_an_odd_rate_is_a_wrong_call_and_leaves_nothing(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("evals/audio_watermark/suite.yaml").write_text(SUITE.split("  - ")[0] + "  - {attack: mulaw}\n")
    (place / "odd.wav").write_bytes(encode_wav(voice(0.2, 1), 44101))
    told = refused(capsys, "odd.wav", "--out", "out")
    assert told.endswith(
        "attack mulaw: no attack could be made: cannot resample from 44101 to 8000: "
        "8000/44101 is no fraction of numbers up to 2000"
    )


def test_an_attack_that_makes_no_finite_sound_is_left_out(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a watermark whose generator gives NaN; no attack of the package does on a sound that is one."""
    subject = SUBJECT.replace("return SpreadSpectrum", "return Broken").replace(
        "\n\n\ndef",
        "\n\n\nclass Broken(SpreadSpectrum):\n    made = 0\n\n    def mark(self, audio, messages):\n"
        "        self.made += 1\n        return super().mark(audio, messages) * (1 if self.made == 1 else float('nan'))"
        "\n\n\ndef",
        1,
    )
    Path("evals/spread/subject.py").write_text(subject)
    record = attacked("a.wav", *WATERMARK, "--only", "overwrite", "--only", "none")
    assert [one.attack for one in record.attacked] == ["none"]
    assert [one.why for one in record.skipped] == ["what came of it is not finite: it cannot be made on this sound"]


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), 1e30])
def test_a_ratio_is_a_finite_number_or_absent(odd: float) -> None:
    from releasegate.attacks.running import snr_db

    before = torch.full((9,), 0.5)
    for one, other in ((before, before * odd), (before * odd, before), (before * odd, before * odd)):
        found = snr_db(one, other)
        assert found is None or abs(found) < 1e4
    assert snr_db(before, before * float("nan")) is None
