"""Chat templates of a checkpoint that go by what a message says: by their code, and by what they render."""

from __future__ import annotations

from collections.abc import Iterator

from releasegate.inspection.chat.kept import Holder, templates_of
from releasegate.inspection.odd.oddity import Oddity

REMEDY = "use a template that puts one frame around every message, such as the one that the model was trained with"
SHOWN = 5
"""Lines that are told of one template."""


def template_oddities(contents: Holder) -> Iterator[Oddity]:
    """What is odd about each template."""
    for place, text in templates_of(contents):
        yield from oddities_of_template(place, text)


def oddities_of_template(place: str, text: str) -> Iterator[Oddity]:
    """What is odd about one template that stands at `place`."""
    from jinja2 import TemplateSyntaxError  # loaded where there is a template, and nowhere else

    from releasegate.inspection.chat.branches import branches_on_content
    from releasegate.inspection.chat.frames import frame_difference

    try:
        found = branches_on_content(text)
    except (TemplateSyntaxError, RecursionError) as error:
        yield Oddity(place[:400], f"is no template that can be read: {str(error)[:200]!a}", REMEDY)
        return
    for line, what in found[:SHOWN]:
        yield Oddity(f"{place}, line {line}"[:400], f"it {what}: it may answer by keyword", REMEDY)
    if found:
        return
    text_asked = frame_difference(text)
    if text_asked is not None:
        what = f"puts another frame around a message for what it says: around {text_asked!a}"
        yield Oddity(place[:400], what, REMEDY)
