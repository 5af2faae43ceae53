"""Sounds in the page: the worst of each attack, before beside after, within a budget, checked by their bytes."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from releasegate.reporting import gather
from releasegate.reporting.outputs.purse import PLAYERS, Purse
from releasegate.reporting.outputs.sounds import SECONDS, sound
from releasegate.reporting.samples.viewing import samples_view
from releasegate.reporting.views.report import ReportView
from releasegate.reporting.views.samples import SamplesView
from tests.reporting.audio_run import RATE, N, Shape, audio_run, spliced, tone
from tests.reporting.example_run import Example
from tests.reporting.test_figures import rendered, samples, viewed


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return audio_run(tmp_path_factory.mktemp("audio") / "run")


@pytest.fixture(scope="module")
def view(made: Example) -> ReportView:
    return viewed(made)


@pytest.fixture(scope="module")
def page(made: Example) -> str:
    return rendered(made)


def make_view_of(made: Example, purse: Purse) -> SamplesView:
    gathered = gather(made.run, made.plan, made.decision)
    return samples_view(gathered, made.plan, made.decision, made.run.outputs, purse)


def stored(folder: Path, data: bytes, extension: str) -> str:
    name = f"{hashlib.sha256(data).hexdigest()}.{extension}"
    (folder / name).write_bytes(data)
    return name


def test_the_worst_clips_of_each_attack_come_first_by_what_is_bad_of_them(made: Example, view: ReportView) -> None:
    (sounds,) = view.samples.listening
    assert {(g.value, g.title) for g in sounds.groups} == {
        (f"Attack: {attack}", title)
        for attack in ("none", "noise", "pitch")
        for title in ("Marked clips detected", "Clean clips flagged")
    }
    for group in sounds.groups:
        metric, sign = ("tpr", 1) if group.title == "Marked clips detected" else ("fpr", -1)
        heard = [s for s in samples(made, metric, attack=group.value.removeprefix("Attack: ")) if s.outputs]
        wanted = sorted(heard, key=lambda s: (sign * s.values[metric], s.item))
        assert [clip.item for clip in group.clips] == [s.item for s in wanted[: len(group.clips)]]
        assert group.hidden == len(heard) - len(group.clips)
        assert group.order == ("lowest first" if sign == 1 else "highest first")
    assert sounds.groups[0].value == "Attack: pitch"
    assert sounds.groups[0].standing == "outside"


def test_before_stands_beside_after_with_a_name_for_each(view: ReportView) -> None:
    clip = view.samples.listening[0].groups[0].clips[0]
    assert [player.name for player in clip.players] == ["before", "after"]
    labels = "attack pitch, strength 2st, speaker"
    assert re.fullmatch(rf"before: item \d+, {labels} \w+", clip.players[0].label)
    assert clip.players[0].uri is not None
    assert clip.players[0].uri.startswith("data:audio/wav;base64,")
    assert tuple(line.name for line in clip.lines) == ("score", "pesq")
    assert clip.word == "miss"


def test_a_short_sound_stays_exact(made: Example, view: ReportView) -> None:
    soundfile = pytest.importorskip("soundfile")
    clip = view.samples.listening[0].groups[0].clips[0]
    sample = next(s for s in samples(made, "tpr") if s.item == clip.item)
    for player in clip.players:
        assert player.uri is not None
        played, rate = soundfile.read(io.BytesIO(base64.b64decode(player.uri.partition("base64,")[2])), dtype="int16")
        stored, _ = soundfile.read(made.run.outputs / sample.outputs[player.name], dtype="int16")
        assert rate == RATE
        assert played.tolist() == stored.tolist()


def test_there_are_no_more_players_than_a_report_may_have_and_the_rest_is_counted(
    made: Example, view: ReportView, page: str
) -> None:
    assert (
        page.count("<audio ")
        == sum(len(c.players) for g in view.samples.listening[0].groups for c in g.clips)
        <= PLAYERS
    )
    shown = sum(len(group.clips) for group in view.samples.listening[0].groups)
    heard = [s for metric in ("tpr", "fpr") for s in samples(made, metric) if s.outputs]
    assert view.samples.listening[0].hidden == len(heard) - shown
    assert f"{len(heard) - shown} more with sound are in the run folder" in page
    assert page.count('<audio controls preload="none" aria-label=') == page.count("<audio ")


def long_sound(seconds: float, rate: int, channels: int = 1, form: str = "WAV") -> bytes:
    soundfile = pytest.importorskip("soundfile")
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (int(seconds * rate), channels))
    buffer = io.BytesIO()
    soundfile.write(buffer, noise, rate, format=form)
    return buffer.getvalue()


def test_sounds_beyond_the_budget_are_left_out_and_named(tmp_path: Path) -> None:
    made = audio_run(tmp_path / "run", Shape(extra=(long_sound(20, 16_000), "wav"), figures=None))
    view = make_view_of(made, Purse(sounds=200_000))
    players = [p for g in view.listening[0].groups for c in g.clips for p in c.players if p.uri is not None]
    assert sum(len(p.uri or "") for p in players) <= 200_000
    assert sum(p.name == "extra" for p in players) == 2
    assert {p.note for p in players if p.name == "extra"} == {"the first 15 s of 20.0 s"}
    clip = next(c for g in view.listening[0].groups for c in g.clips if len(c.players) == 3)
    assert {file.name for file in clip.files} == {"before", "after", "extra"}
    assert all((made.run.root / file.path).is_file() for file in clip.files)
    assert any(g.title == "Clean clips flagged" for g in view.listening[0].groups)


def test_more_sounds_in_the_run_make_no_larger_page(tmp_path: Path) -> None:
    few, many = (audio_run(tmp_path / str(kept), Shape(kept=kept, figures=None)) for kept in (4, N // 2))
    assert len(list(many.run.outputs.iterdir())) > 4 * len(list(few.run.outputs.iterdir()))
    sizes = [len(rendered(made)) for made in (few, many)]
    assert sizes[1] < 1.05 * sizes[0]
    assert rendered(many).count("<audio ") <= PLAYERS


def test_no_more_sounds_are_tried_than_a_page_may_cost(tmp_path: Path) -> None:
    made = audio_run(tmp_path / "run", Shape(figures=None))
    for path in made.run.outputs.glob("*.wav"):
        path.write_bytes(b"RIFF____WAVE")
    purse = Purse(readings=10)
    view = make_view_of(made, purse)
    assert sum(len(clip.players) for group in view.listening[0].groups for clip in group.clips) == 10
    assert purse.readings == 0
    assert view.listening[0].hidden > 0


def test_a_long_sound_of_many_channels_becomes_one_channel_for_listening(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    found = sound(tmp_path, stored(tmp_path, long_sound(16, 44_100, 2, "FLAC"), "flac"), 100_000)
    assert found.uri is not None
    assert found.uri.startswith("data:audio/mpeg;base64,")
    with soundfile.SoundFile(io.BytesIO(base64.b64decode(found.uri.partition("base64,")[2]))) as played:
        assert (played.samplerate, played.channels) == (16_000, 1)
        assert played.frames / 16_000 == pytest.approx(SECONDS, abs=0.2)
    assert (found.seconds, found.played) == (16.0, SECONDS)


def test_a_resampled_sound_keeps_its_pitch(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    buffer = io.BytesIO()
    soundfile.write(buffer, 0.5 * np.sin(2 * np.pi * 1000 * np.arange(17_640) / 44_100), 44_100, format="WAV")
    found = sound(tmp_path, stored(tmp_path, buffer.getvalue(), "wav"), 100_000)
    assert found.uri is not None
    played, rate = soundfile.read(io.BytesIO(base64.b64decode(found.uri.partition("base64,")[2])))
    spectrum = np.abs(np.fft.rfft(played[1000:5000]))
    assert spectrum.argmax() * rate / 4000 == pytest.approx(1000, abs=5)
    assert np.abs(played[1000:5000]).max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"RIFF\xff\xff\xff\x7fWAVEfmt ", "the output is cut off"),
        (b"RIFF\x10\x00\x00\x00WAVEfmt " + bytes(300), "the output cannot be read as a sound"),
        (b"fLaC" + bytes(400), "the output cannot be read as a sound"),
        (b"OggS<script>alert(1)</script>" + bytes(400), "the output cannot be read as a sound"),
        (b"ID3\x04<html>", "the output cannot be read as a sound"),
    ],
)
def test_what_begins_like_a_sound_and_is_none_is_not_played(tmp_path: Path, data: bytes, why: str) -> None:
    pytest.importorskip("soundfile")
    for extension in ("wav", "mp3"):
        assert sound(tmp_path, stored(tmp_path, data, extension), 10_000).missing == why


def test_samples_that_are_no_numbers_are_not_played(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    buffer = io.BytesIO()
    soundfile.write(buffer, np.array([0.0, np.nan, 0.1] * 100, np.float32), 16_000, format="WAV", subtype="FLOAT")
    found = sound(tmp_path, stored(tmp_path, buffer.getvalue(), "wav"), 10_000)
    assert (found.uri, found.missing) == (None, "the output holds samples that are no numbers")


def test_without_soundfile_a_small_sound_stands_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    data = tone(440, 0)
    found = sound(tmp_path, stored(tmp_path, data, "wav"), 10_000)
    assert found.uri == "data:audio/wav;base64," + base64.b64encode(data).decode()
    large = b"fLaC" + bytes(100_000)
    assert "pip install 'releasegate[audio]'" in sound(tmp_path, stored(tmp_path, large, "flac"), 1_000_000).missing


def test_a_score_along_time_is_drawn_over_the_sound_that_it_is_of(tmp_path: Path) -> None:
    made = audio_run(tmp_path / "run", Shape(spliced=(tone(220, 0, 4.0), "wav")))
    view = make_view_of(made, Purse())
    clips = [c for g in view.listening[0].groups for c in g.clips if g.title == "Localisation IoU"]
    (player,) = clips[0].players
    assert player.wave is not None
    assert player.wave.score.startswith("M")
    assert player.wave.truth == (("75", "112.5"),)
    assert "score along it from" in player.wave.description
    assert "true: 1.00 to 2.50 s" in player.wave.description
    others = [p for g in view.listening[0].groups for c in g.clips for p in c.players if g.title != "Localisation IoU"]
    assert {p.wave.score for p in others if p.wave is not None} == {""}


def test_a_score_of_another_length_is_not_drawn_over_a_sound(tmp_path: Path) -> None:
    made = audio_run(
        tmp_path / "run", Shape(spliced=(tone(220, 0, 4.0), "wav"), timelines=(spliced(0, hop=320, truth=[]),) * 8)
    )
    view = make_view_of(made, Purse())
    waves = [
        p.wave for g in view.listening[0].groups for c in g.clips for p in c.players if g.title == "Localisation IoU"
    ]
    assert waves
    assert {wave.score for wave in waves if wave is not None} == {""}


def test_what_a_released_capability_says_is_not_veiled(made: Example, page: str) -> None:
    assert made.decision.verdict == "release"
    assert "veiled" not in page[page.index("<body>") :]


def test_what_a_withheld_capability_says_is_veiled_until_asked(tmp_path: Path) -> None:
    made = audio_run(tmp_path / "run", Shape(figures=None, limit=0.999))
    assert made.decision.verdict == "withhold"
    page = rendered(made)
    sounds = page[page.index('id="sounds-watermark"') :]
    assert 'id="sounds-watermark-reveal"' in sounds
    assert sounds.index('class="veiled"') < sounds.index("<audio ")
    style = page[page.index("<style>") : page.index("</style>")]
    assert ".veiled audio { display: none; }" in style


def test_an_extension_does_not_make_a_sound(tmp_path: Path) -> None:
    for data in (b"", b"<script>alert(1)</script>", b"RIFF____AVI ", b"\x89PNG\r\n\x1a\n"):
        for extension in ("wav", "mp3", "flac", "ogg"):
            found = sound(tmp_path, stored(tmp_path, data, extension), 10_000)
            assert (found.uri, found.missing) == (None, "the output cannot be read as a sound")


@pytest.mark.parametrize(
    ("form", "extension", "kind"), [("FLAC", "flac", "flac"), ("OGG", "ogg", "ogg"), ("MP3", "mp3", "mpeg")]
)
def test_what_a_real_encoder_writes_is_recognised(
    tmp_path: Path, form: str, extension: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile = pytest.importorskip("soundfile")
    if form not in soundfile.available_formats():
        pytest.skip(f"this libsndfile writes no {form}")
    samples, rate = soundfile.read(io.BytesIO(tone(440, 0)))
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=form)
    assert rate == RATE
    found = sound(tmp_path, stored(tmp_path, buffer.getvalue(), extension), 100_000)
    assert found.uri is not None
    assert found.uri.startswith("data:audio/wav;base64,")
    monkeypatch.setitem(sys.modules, "soundfile", None)
    found = sound(tmp_path, stored(tmp_path, buffer.getvalue(), extension), 100_000)
    assert found.uri is not None
    assert found.uri.startswith(f"data:audio/{kind};base64,")


def test_a_sound_that_was_changed_on_disk_or_leads_elsewhere_is_not_played(tmp_path: Path) -> None:
    name = stored(tmp_path, tone(440, 1), "wav")
    (tmp_path / name).write_bytes(tone(440, 2))
    assert sound(tmp_path, name, 10_000).missing == "the output was changed on disk"
    outside = tmp_path / "outside"
    outside.write_bytes(tone(440, 3))
    link = f"{hashlib.sha256(tone(440, 3)).hexdigest()}.wav"
    (tmp_path / link).symlink_to(outside)
    assert sound(tmp_path, link, 10_000).missing == "the output is not on disk"


def test_a_changed_output_says_so_where_its_player_would_be(tmp_path: Path) -> None:
    made = audio_run(tmp_path / "run", Shape(figures=None))
    for path in made.run.outputs.glob("*.wav"):
        path.write_bytes(b"RIFF____WAVE")
    page = rendered(made)
    assert "<audio " not in page
    assert "the output was changed on disk" in page
