"""Consent to run what a checkpoint brings: given file by file and byte for byte, by the policy that the gate judges by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from releasegate.checkpoint.jsontext import shown
from releasegate.checkpoint.layouts import PROGRAM
from releasegate.errors import CodeRequested
from releasegate.manifest import Manifest

MOST_LISTED = 200
"""Files that a message lists."""


def require_consent(root: Path, layout: str, manifest: Manifest, runs: Mapping[str, str]) -> None:
    """Nothing, if the folder brings no program, or `runs` has every file that could be code of one, as it is.

    Whatever a program reads may steer it, and no list of endings tells what is code. So every file counts but sound
    safetensors files, which hold tensors and nothing else.

    Args:
        root: the folder, for messages.
        layout: of the folder.
        manifest: of the folder.
        runs: digests by file.

    Raises:
        CodeRequested: files are missing from `runs`, are others than it says, or are not in the folder.
    """
    if layout != PROGRAM:
        if runs:
            what = f"is of layout {layout}, and the policy lets files of it run (model.runs)"
            raise CodeRequested(str(root), what, "take model.runs out of the policy: nothing of this layout is run")
        return
    found = {entry.path: entry.sha256 for entry in manifest.files if entry.sha256 is not None}
    for name, digest in found.items():
        if runs.get(name) != digest:
            how = (
                "is not the file that the policy lets run"
                if name in runs
                else "may not run: the policy does not list it"
            )
            raise CodeRequested(str(root / name), how, _remedy(found))
    for name in runs:
        if name not in found:
            what = f"has no {shown(name)}, which the policy lets run"
            raise CodeRequested(str(root), what, _remedy(found))


def _remedy(found: Mapping[str, str]) -> str:
    lines = "".join(f"\n    {json.dumps(name)}: {digest}" for name, digest in list(found.items())[:MOST_LISTED])
    more = f"\n    # and {len(found) - MOST_LISTED} more files" if len(found) > MOST_LISTED else ""
    return (
        f"read these files, and let the policy say below `model:` what may run on this machine:\n  runs:{lines}{more}"
    )
