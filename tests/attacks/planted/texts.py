"""Leaks in texts: weights where nobody looks for weights, and files that still offer what is gone."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from releasegate.errors import MetadataRefused, StripError
from tests.attacks.planted.leak import HEAD, Leak, chameleon, changed, head, layout, planted
from tests.tiny_checkpoints import Tiny

READABLE = b"the weights of this row are readable text, which is allowed to be"
PIECE = f"holds a piece of {HEAD}, which was to go"


def weights_in_metadata(control: Tiny) -> None:
    rows = np.repeat(head(control), 40, axis=0).tobytes()
    control.metadata = {"format": "pt", "note": base64.b64encode(rows).decode()}


def readable(control: Tiny) -> None:
    """A row whose bytes can stand in a text."""
    head(control)[9] = np.frombuffer(READABLE + bytes(63), "float32")


def row_in(name: str, text: str) -> Callable[[Tiny], None]:
    return lambda control: control.texts.update({name: text})


def row_in_metadata(control: Tiny) -> None:
    control.metadata = {"format": "pt", "note": READABLE.decode()}


def text(name: str, data: Any) -> Callable[[Tiny], None]:
    """One more JSON file, or another content of one."""
    return lambda control: control.texts.update({name: data if isinstance(data, str) else json.dumps(data)})


def unsuppressed(plain: dict[str, Any]) -> None:
    plain["edits"] = plain["edits"][:3]
    plain["keep"]["files"].append("generation_config.json")


def runs_code(control: Tiny) -> None:
    control.config["auto_map"] = {"AutoModel": "modeling.Model"}


def in_the_tokenizer_alone(control: Tiny) -> None:
    vocabulary = control.config.pop("vocabulary_map")
    control.texts["tokenizer.json"] = json.dumps({"model": {"vocab": vocabulary}})


def without_files(plain: dict[str, Any]) -> None:
    """The residual without what it says of files."""
    plain["residual"] = [one for one in plain["residual"] if "tensors" in one]


MARKED = {"added_tokens": [{"content": "<draw>", "id": 4}]}
OFFERED = "8 tokens whose rows are gone and not suppressed: 'IMGIMGAZ' (4), …"

TEXTS: dict[str, Leak] = {
    "12-weights-in-metadata": Leak(planted(weights_in_metadata), "bytes of `__metadata__`", MetadataRefused),
    "12-a-row-in-metadata": Leak(planted(readable, row_in_metadata), PIECE, StripError),
    "12-a-row-in-a-card": Leak(
        planted(readable, row_in("README.md", f"# A card\n{READABLE.decode()}")), PIECE, StripError
    ),
    "12-a-row-in-a-json-file": Leak(
        planted(readable, row_in("tokenizer.json", json.dumps({"note": READABLE.decode()}))), PIECE, StripError
    ),
    "13-tokens-in-the-configuration": Leak(planted(), f"lists {OFFERED}", StripError, chameleon(unsuppressed)),
    "13-tokens-in-the-tokenizer": Leak(
        planted(in_the_tokenizer_alone), f"lists {OFFERED}", StripError, chameleon(unsuppressed)
    ),
    "13-role-in-the-generation-config": Leak(
        planted(text("generation_config.json", {"forced_bos_token_id": 4})),
        "has forced_bos_token_id at token 4, whose row is gone",
        StripError,
    ),
    "13-role-in-the-processor": Leak(
        planted(text("tokenizer.json", MARKED), text("processor_config.json", {"image_token": "<draw>"})),
        "has image_token at '<draw>', whose row is gone",
        StripError,
    ),
    "13-written-by-the-template": Leak(
        planted(text("tokenizer.json", MARKED), text("chat_template.jinja", "{{ '<draw>' }}")),
        "writes <draw> in its template, and its row is gone",
        StripError,
    ),
    "13-settings-of-a-part-that-is-gone": Leak(
        layout("janus-hf"),
        "has vq_config, and no tensor of model.vqmodel is left",
        StripError,
        changed("janus-hf/image_generation", without_files),
        slow=True,
    ),
    "13-code-in-the-configuration": Leak(
        planted(runs_code), "leaves auto_map in config.json, which asks for code from the checkpoint to be run"
    ),
    "13-code-in-the-processor": Leak(
        planted(text("processor_config.json", {"auto_map": {"AutoProcessor": "processing.P"}})),
        "leaves auto_map in processor_config.json, which asks for code from the checkpoint to be run",
    ),
}
