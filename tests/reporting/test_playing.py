"""Sounds in the page: the worst of each attack, before beside after, within a budget, checked by their bytes."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from pathlib import Path

import pytest

from releasegate.reporting.outputs.sounds import BUDGET, MOST_PLAYERS, sound
from releasegate.reporting.view import ReportView
from tests.reporting.audio_run import RATE, Shape, audio_run, tone
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


def stored(folder: Path, data: bytes, extension: str) -> str:
    name = f"{hashlib.sha256(data).hexdigest()}.{extension}"
    (folder / name).write_bytes(data)
    return name


def test_the_worst_clips_of_each_attack_come_first_by_what_is_bad_of_them(made: Example, view: ReportView) -> None:
    (sounds,) = view.listening
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
    clip = view.listening[0].groups[0].clips[0]
    assert [player.name for player in clip.players] == ["before", "after"]
    labels = "attack pitch, strength 2st, speaker"
    assert re.fullmatch(rf"before: item \d+, {labels} \w+", clip.players[0].label)
    assert clip.players[0].uri is not None
    assert clip.players[0].uri.startswith("data:audio/wav;base64,")
    assert tuple(line.name for line in clip.lines) == ("score", "pesq")
    assert clip.word == "miss"


def test_a_player_plays_the_bytes_of_the_output(made: Example, view: ReportView) -> None:
    clip = view.listening[0].groups[0].clips[0]
    sample = next(s for s in samples(made, "tpr") if s.item == clip.item)
    for player in clip.players:
        assert player.uri is not None
        data = base64.b64decode(player.uri.partition("base64,")[2])
        assert data == (made.run.outputs / sample.outputs[player.name]).read_bytes()


def test_there_are_no_more_players_than_a_report_may_have_and_the_rest_is_counted(
    made: Example, view: ReportView, page: str
) -> None:
    assert (
        page.count("<audio ") == sum(len(c.players) for g in view.listening[0].groups for c in g.clips) <= MOST_PLAYERS
    )
    shown = sum(len(group.clips) for group in view.listening[0].groups)
    heard = [s for metric in ("tpr", "fpr") for s in samples(made, metric) if s.outputs]
    assert view.listening[0].hidden == len(heard) - shown
    assert f"{len(heard) - shown} more with sound are not shown" in page
    assert page.count('<audio controls preload="none" aria-label=') == page.count("<audio ")


def test_sounds_beyond_the_budget_are_left_out(tmp_path: Path) -> None:
    large = b"RIFF____WAVE" + bytes(2_000_000)
    view = viewed(audio_run(tmp_path / "run", Shape(extra=(large, "wav"))))
    players = [p for g in view.listening[0].groups for c in g.clips for p in c.players if p.uri is not None]
    assert sum(len(p.uri or "") for p in players) <= BUDGET
    assert sum(p.name == "extra" for p in players) == 2
    assert any(g.title == "Clean clips flagged" for g in view.listening[0].groups)


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


def test_every_format_is_recognised_by_its_bytes(tmp_path: Path) -> None:
    for data, kind in (
        (b"fLaC1234", "flac"),
        (b"OggS1234", "ogg"),
        (b"ID3\x04", "mpeg"),
        (b"\xff\xfb\x90\x00", "mpeg"),
    ):
        found = sound(tmp_path, stored(tmp_path, data, "wav"), 10_000)
        assert found.uri is not None
        assert found.uri.startswith(f"data:audio/{kind};base64,")


@pytest.mark.parametrize(
    ("form", "extension", "kind"), [("FLAC", "flac", "flac"), ("OGG", "ogg", "ogg"), ("MP3", "mp3", "mpeg")]
)
def test_what_a_real_encoder_writes_is_recognised(tmp_path: Path, form: str, extension: str, kind: str) -> None:
    soundfile = pytest.importorskip("soundfile")
    if form not in soundfile.available_formats():
        pytest.skip(f"this libsndfile writes no {form}")
    samples, rate = soundfile.read(io.BytesIO(tone(440, 0)))
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=form)
    assert rate == RATE
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
