"""A drawn chart made fit for the page: classes in place of colours, and nothing that acts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup

from releasegate.reporting.wording.visible import visible

ELEMENTS = ("svg", "g", "path", "line", "rect", "circle", "text", "tspan", "image")
ATTRIBUTES = (
    "d", "x", "y", "x1", "x2", "y1", "y2", "dx", "dy", "r", "cx", "cy", "width", "height", "viewBox", "transform",
    "fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-miterlimit", "opacity",
    "fill-opacity", "stroke-opacity", "font-size", "font-weight", "text-anchor", "preserveAspectRatio",
)  # fmt: skip
PICTURE = "data:image/png;base64,"
"""What an image in a chart begins with: it stands in the page."""
MOST_LETTERS = 34
"""Of a title beside an axis."""
ROLES = ("ink", "muted", "grid", "limit", "met", "violated", "not_shown", "waived", "excused", "page")
"""The colours of a chart, by what they stand for; the stylesheet says what they are."""


def sentinel(role: str) -> str:
    """The colour that stands for a role while a chart is drawn.

    >>> sentinel("ink")
    '#fe0000'
    """
    return f"#fe00{ROLES.index(role):02x}"


_ROLE_OF = {sentinel(role): role for role in ROLES}


def clipped(title: str, most: int = MOST_LETTERS) -> str:
    """A title as it stands in a drawing, of at most `most` characters.

    >>> clipped("a long title", 6), clipped("short", 6)
    ('a lon…', 'short')
    """
    text = visible(title)
    return text if len(text) <= most else text[: most - 1] + "…"


def drawn(chart: Any, description: str, theme: Mapping[str, Any]) -> Markup:
    """An Altair chart as inline SVG.

    Args:
        description: its text alternative.
        theme: a Vega configuration in which `$ink`, `$grid` and so on stand for the colours of the page.
    """
    import vl_convert

    spec = chart.to_dict(validate=False)  # ours, and tested; to validate it takes longer than to draw it
    spec["config"] = _coloured(theme)
    return inlined(vl_convert.vegalite_to_svg(spec), visible(description))


def inlined(drawn: str, label: str) -> Markup:
    """The SVG as it stands in the page: an image with a text alternative, in the colours of the page.

    Elements and attributes that are not listed above are dropped.
    """
    root = ElementTree.fromstring(drawn)
    _clean(root)
    root.set("role", "img")
    root.set("aria-label", label)
    root.attrib.pop("height", None)
    root.attrib.pop("width", None)
    return Markup(ElementTree.tostring(root, encoding="unicode", short_empty_elements=True))


def _clean(element: ElementTree.Element) -> None:
    element.tag = _plain(element.tag)
    if element.get("font-size") is None and element.tag == "text":
        element.set("font-size", "11px")
    classes = []
    for name, value in list(element.attrib.items()):
        plain = _plain(name)
        del element.attrib[name]
        if plain in ("fill", "stroke") and value.lower() in _ROLE_OF:
            classes.append(f"{plain}-{_ROLE_OF[value.lower()]}")
        elif plain == "href" and element.tag == "image" and value.startswith(PICTURE):
            element.set("href", value)
        elif plain in ATTRIBUTES and "url(" not in value:
            element.set(plain, value)
    if classes:
        element.set("class", " ".join(classes))
    for child in list(element):
        if _plain(child.tag) in ELEMENTS and child.get("display") != "none" and child.get("opacity") != "0":
            _clean(child)
        else:
            element.remove(child)


def _plain(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition("}")[2]


def _coloured(theme: Any) -> Any:
    """The theme with the colour that stands for each `$role`."""
    if isinstance(theme, dict):
        return {key: _coloured(value) for key, value in theme.items()}
    if isinstance(theme, list):
        return [_coloured(value) for value in theme]
    if isinstance(theme, str) and theme.startswith("$"):
        return sentinel(theme[1:])
    return theme
