"""Checkpoint folders: what lies in one, checked before anything trusts it. `load` alone imports torch."""

from releasegate.checkpoint.files import Watch, read_manifest
from releasegate.checkpoint.folder import Checkpoint, open_checkpoint
from releasegate.checkpoint.folder import open_checkpoint as open
from releasegate.checkpoint.headers import Entry, Header, read_header
from releasegate.checkpoint.weights import Place

__all__ = ["Checkpoint", "Entry", "Header", "Place", "Watch", "open", "open_checkpoint", "read_header", "read_manifest"]
