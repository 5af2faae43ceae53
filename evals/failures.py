"""What becomes of an item that could not be measured."""

from __future__ import annotations

from releasegate.evidence import Failed, Item


def failed(item: Item, why: str) -> Failed:
    """The failure of an item, which counts against the release.

    Args:
        why: a constant sentence, where texts are sensitive: it must not quote the item.
    """
    return Failed(item=item.number, labels=dict(item.labels), metrics=item.metrics, error=why)
