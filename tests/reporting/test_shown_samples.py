"""What a report shows of samples: item by item, checkpoint beside checkpoint, with seed, reason and file; or nothing at all."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from releasegate.plan import item_seed
from releasegate.reporting import gather, make_view, render_report, templates_of
from releasegate.reporting.outputs.purse import Purse
from releasegate.reporting.samples.viewing import samples_view
from releasegate.reporting.views.samples import Band, Exhibit, Gallery, Line, Look, Piece, SamplesView, ShotGroup
from releasegate.repository import GateRepository, starter
from tests.reporting.audio_run import audio_run
from tests.reporting.example_run import NONCE, Example, Words, example, rendered, viewed

DETAIL, ERROR = "draw a quetzal", "the harness said: quetzal"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return example(tmp_path_factory.mktemp("run") / "run", Words(detail=DETAIL, error=ERROR))


def drawing_of(made: Example, purse: Purse | None = None) -> Gallery:
    gathered = gather(made.run, made.plan, made.decision)
    view = samples_view(gathered, made.plan, made.decision, made.run.outputs, purse)
    return next(gallery for gallery in view.galleries if gallery.anchor == "samples-drawing")


@pytest.fixture(scope="module")
def drawing(made: Example) -> Gallery:
    return drawing_of(made)


def exhibits(gallery: Gallery, group: int = 0) -> list[Exhibit]:
    return [exhibit for band in gallery.groups[group].bands for exhibit in band.exhibits]


def test_an_item_stands_there_once_with_both_checkpoints_side_by_side(drawing: Gallery) -> None:
    assert drawing.kind == "pictures"
    changed, same = drawing.groups[0].bands
    assert (changed.title, changed.counted) == ("Differ between checkpoints", "20 of 40 shown")
    assert (same.title, same.counted) == ("Misses on every checkpoint", "4 of 20 shown")
    for exhibit in changed.exhibits:
        before, after = exhibit.looks
        assert before is not None
        assert after is not None
        assert (before.word, before.checkpoint) == ("hit", "as trained")
        assert (after.word, after.checkpoint) == ("miss", "after the strip")
        assert before.image != after.image
        assert [line.text for line in exhibit.lines] == [DETAIL]
    items = [exhibit.item for exhibit in exhibits(drawing)]
    assert len(set(items)) == len(items) == 24
    assert drawing.groups[0].hidden == 36


def test_every_sample_says_the_seed_that_the_runner_gave_it(drawing: Gallery) -> None:
    for exhibit in exhibits(drawing):
        assert exhibit.seed == str(item_seed(NONCE, "drawing", exhibit.item))


def test_the_seed_of_a_rehearsal_is_another_one(made: Example) -> None:
    plan = made.plan.model_copy(update={"rehearsal": True})
    gathered = gather(made.run, made.plan, made.decision)
    view = samples_view(gathered, plan, made.decision, made.run.outputs)
    for gallery in view.galleries:
        for exhibit in exhibits(gallery):
            name = f"{gallery.anchor.removeprefix('samples-')}:rehearsal"
            assert exhibit.seed == str(item_seed(NONCE, name, exhibit.item))


def test_every_picture_names_its_file_of_which_the_name_is_the_digest(made: Example, drawing: Gallery) -> None:
    for exhibit in exhibits(drawing):
        assert [file.name for file in exhibit.files] == ["drawing, as trained", "drawing, after the strip"]
        assert all(re.fullmatch(r"outputs/[0-9a-f]{64}\.png", file.path) for file in exhibit.files)
        assert all((made.run.root / file.path).is_file() for file in exhibit.files)


def test_what_the_page_has_no_room_for_is_said_worst_first_and_named(made: Example) -> None:
    one = drawing_of(made, Purse(pictures=2_000))
    looks = [look for exhibit in exhibits(one) for look in exhibit.looks if look is not None]
    shown = [look.image is not None for look in looks]
    assert 2 < sum(shown) < len(shown)
    assert shown == sorted(shown, reverse=True)
    assert sum(len(look.image or "") for look in looks) <= 2_000
    assert {look.missing for look in looks if look.image is None} == {
        "not shown: the page holds as many pictures as it may"
    }
    assert all(exhibit.files for exhibit in exhibits(one))


def test_no_more_pixels_are_decoded_than_a_page_may_cost(made: Example) -> None:
    looks = [
        look for exhibit in exhibits(drawing_of(made, Purse(pixels=640))) for look in exhibit.looks if look is not None
    ]
    assert sum(look.image is not None for look in looks) == 640 // 64


def test_an_item_that_failed_on_one_checkpoint_or_all_is_shown_as_such(made: Example) -> None:
    gathered = gather(made.run, made.plan, made.decision)
    view = samples_view(gathered, made.plan, made.decision, made.run.outputs)
    captions = next(gallery for gallery in view.galleries if gallery.anchor == "samples-captions")
    assert captions.kind == "texts"
    failed = next(band for band in captions.groups[0].bands if band.title == "Failed")
    assert failed.why == "an item without a value counts against the release"
    assert [line.text for line in failed.exhibits[0].lines] == [ERROR]


@pytest.fixture(scope="module")
def unshown(tmp_path_factory: pytest.TempPathFactory) -> str:
    return rendered(
        example(tmp_path_factory.mktemp("run") / "run", Words(detail=DETAIL, error=ERROR), samples="unshown")
    )


def test_a_policy_may_forbid_that_any_sample_is_shown(made: Example, unshown: str) -> None:
    assert "The policy lets no report show any sample" in unshown
    assert "quetzal" not in unshown
    body = unshown[unshown.index("<body") :]
    assert "<img " not in body
    assert 'id="samples-drawing"' not in body
    assert "40 of 60" in body
    assert 'id="reveal-all"' not in body
    assert "quetzal" in rendered(made)


def test_nor_any_sound_or_score_over_time(tmp_path: Path) -> None:
    made = audio_run(tmp_path / "run")
    shown = viewed(made)
    policy = made.plan.policy.model_copy(update={"samples": "unshown"})
    gathered = gather(made.run, made.plan, made.decision)
    hidden = make_view(made.decision, made.plan.model_copy(update={"policy": policy}), None, gathered, made.run.outputs)
    kinds = [{figure.kind for group in view.figures for figure in group.figures} for view in (shown, hidden)]
    assert kinds[0] - kinds[1] == {"timeline"}
    assert shown.samples.listening
    assert not hidden.samples.listening
    assert not hidden.samples.galleries


def test_groups_and_evals_stand_by_what_matters(made: Example) -> None:
    view = samples_view(gather(made.run, made.plan, made.decision), made.plan, made.decision, made.run.outputs)
    assert [gallery.anchor for gallery in view.galleries] == ["samples-drawing", "samples-captions"]
    titles = [group.title for group in view.galleries[0].groups]
    assert titles == ["Draws things", "Legible with the mask on"]


def test_a_mark_says_what_it_is_without_colour_and_holds_nothing_that_acts(made: Example) -> None:
    pieces = (Piece("call ", ""), Piece("<b>555</b>", "phone"), Piece(" or "), Piece("x", "</mark><script>\u202e"))
    look = Look("as trained", "hit", "hit", None, False, "", "", (Line("answer", pieces),))
    exhibit = Exhibit(7, "12", "", (), (look,), ())
    group = ShotGroup("Found", (), (Band("Hits", "why", "1", (exhibit,)),), 0)
    gallery = Gallery("texts", "samples-x", "Texts", False, (group,))
    view = replace(viewed(made), samples=SamplesView(galleries=(gallery,)))
    page = render_report(view, templates_of(GateRepository(starter())))
    part = page[page.index('id="samples-x"') : page.index("</article>", page.index('id="samples-x"'))]
    assert "call <mark>&lt;b&gt;555&lt;/b&gt;<span" in part
    assert 'class="of"><span class="sr"> (</span>phone<span class="sr">)</span>' in part
    assert part.count("</mark>") == 2
    assert "<script>" not in part
    assert "\u202e" not in part
    assert "seed 12" in part
