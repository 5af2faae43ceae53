"""Checkpoint folders: what lies in one, checked before anything trusts it. `load` alone imports torch."""

from releasegate.checkpoint.chat_template import read_chat_template
from releasegate.checkpoint.contents import Contents, read_contents, with_siblings
from releasegate.checkpoint.digests import read_digests, read_manifest
from releasegate.checkpoint.folder import Checkpoint, checkpoint_of, open_checkpoint
from releasegate.checkpoint.folder import open_checkpoint as open
from releasegate.checkpoint.headers import Entry, Header, read_header
from releasegate.checkpoint.parallel import Watch
from releasegate.checkpoint.weights import Place

__all__ = [
    "Checkpoint",
    "Contents",
    "Entry",
    "Header",
    "Place",
    "Watch",
    "checkpoint_of",
    "open",
    "open_checkpoint",
    "read_chat_template",
    "read_contents",
    "read_digests",
    "read_header",
    "read_manifest",
    "with_siblings",
]
