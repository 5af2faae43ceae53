"""Folders that may not lie in one another: what is written into a checkpoint, or into a run, changes what it is."""

from __future__ import annotations

import json
from pathlib import Path

from releasegate.errors import ReleaseGateError
from releasegate.repository.receipts import receipt_path

MODEL_KEYS = ("model_type", "architectures")
"""What tells a model's config.json from that of another program."""


def refuse_nested(place: Path, source: Path, error: type[ReleaseGateError]) -> None:
    """Nothing, if the new folder `place` lies neither in a checkpoint nor around `source`.

    Raises:
        ReleaseGateError: of the kind `error`: it does.
    """
    real, own = place.resolve(), source.resolve()
    if real.is_relative_to(own) or own.is_relative_to(real):
        raise error(str(place), "and the source lie in one another", "choose a place outside the source")
    refuse_in_checkpoint(place, error)


def refuse_in_checkpoint(place: Path, error: type[ReleaseGateError]) -> None:
    """Nothing, if the new file or folder `place` lies in no checkpoint.

    Raises:
        ReleaseGateError: of the kind `error`: it does.
    """
    for folder in place.resolve().parents:
        if folder.name and receipt_path(folder).is_file():
            what = f"lies in {folder}, a stripped checkpoint, which its receipt would no longer fit"
            raise error(str(place), what, "choose a place outside of it")
        if _holds_model(folder):
            what = f"lies in {folder}, which holds a model's files"
            raise error(str(place), what, "choose a place outside of it")


def refuse_file(place: Path, error: type[ReleaseGateError]) -> None:
    """Nothing, if `place` is a folder, or one can be made there.

    Raises:
        ReleaseGateError: of the kind `error`: it or what should hold it is a file.
    """
    for path in (place.absolute(), *place.absolute().parents):
        if path.exists():
            if not path.is_dir():
                shown = place if path == place.absolute() else path
                raise error(str(shown), "is a file, where a folder is wanted", "choose another place")
            return


def refuse_in_run(place: Path, error: type[ReleaseGateError]) -> None:
    """Nothing, if the new folder `place` lies in no run folder.

    Raises:
        ReleaseGateError: of the kind `error`: it does.
    """
    folder = run_around(place)
    if folder is not None:
        raise error(str(place), f"lies in the run folder {folder}", "choose a place outside of it")


def run_around(place: Path) -> Path | None:
    """The run folder that `place` lies in, if it lies in one."""
    return next((folder for folder in place.resolve().parents if _is_run(folder)), None)


def _holds_model(folder: Path) -> bool:
    config = folder / "config.json"
    return any(folder.glob("*.safetensors")) or (config.is_file() and _has_model_keys(config))


def _has_model_keys(config: Path) -> bool:
    try:
        data = json.loads(config.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False  # no loader could read it either
    return isinstance(data, dict) and any(key in data for key in MODEL_KEYS)


def _is_run(folder: Path) -> bool:
    plan = folder / "plan.json"
    return plan.is_file() and b'"releasegate/plan/' in plan.read_bytes()
