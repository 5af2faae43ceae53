"""What pictures, sounds and texts of samples may take of a page: spent on what matters most first."""

from __future__ import annotations

from dataclasses import dataclass

PICTURES = 1_500_000
"""Bytes of all the pictures, as they stand in the page."""
SOUNDS = 2_000_000
"""Bytes of all the sounds, as they stand in the page."""
PLAYERS = 24
TEXTS = 400_000
"""Characters of all the texts."""
READINGS = 96
"""Sounds that are read, whether they can be played or not."""
PIXELS = 200_000_000
"""Pixels that are decoded for all the pictures."""
EXHIBITS = 160
"""Items that are shown of all evals."""


@dataclass
class Purse:
    """What is left of it."""

    pictures: int = PICTURES
    sounds: int = SOUNDS
    players: int = PLAYERS
    texts: int = TEXTS
    exhibits: int = EXHIBITS
    readings: int = READINGS
    pixels: int = PIXELS
