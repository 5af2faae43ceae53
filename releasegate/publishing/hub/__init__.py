"""Pushing a release to a hub, so that nothing unverified is ever public there.

What is named here is imported when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from releasegate.publishing.hub.hub import Hub, open_hub
    from releasegate.publishing.hub.name import HubRepository, parse_hub_repository
    from releasegate.publishing.hub.pushable import Pushable
    from releasegate.publishing.hub.pushing import Pushed, push
    from releasegate.publishing.hub.session import require_hub

__all__ = ["Hub", "HubRepository", "Pushable", "Pushed", "open_hub", "parse_hub_repository", "push", "require_hub"]

_MODULES = {
    "hub": ("Hub", "open_hub"),
    "name": ("HubRepository", "parse_hub_repository"),
    "pushable": ("Pushable",),
    "pushing": ("Pushed", "push"),
    "session": ("require_hub",),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
