"""Detects a watermark in speech that went through attacks: a claim about new speakers, of whom those at hand are a sample."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.random import Generator

from releasegate.evidence import Item
from releasegate.extras import require_packages

from ..speech import require_all
from ..watermark_items import calibration_items, gate_items, read_suite, rehearsed
from ..watermark_measuring import PACKAGES, measure

__all__ = ["calibration", "items", "measure", "rehearsal", "require"]

SUITE = Path(__file__).with_name("suite.yaml")


def items(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """Everything that the card asks for, on the gate's clips."""
    return gate_items(read_suite(SUITE), "gate", params, rng)


def rehearsal(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """The same on fewer clips, which the gate never measures."""
    return gate_items(read_suite(SUITE), "rehearsal", rehearsed(params), rng)


def calibration(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """Clips that freeze the threshold, and clips that show what an attack ruins."""
    return calibration_items(read_suite(SUITE), params, rng)


def require(params: Mapping[str, Any]) -> None:
    """Check that what attacks and measures of quality are made with is installed, and that every recording is there."""
    require_packages(PACKAGES, "eval audio_watermark_sampled")
    require_all()
