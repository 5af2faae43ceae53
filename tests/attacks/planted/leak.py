"""A leak that is planted: how the checkpoint comes to be, by which recipe it is stripped, and how that must end."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from releasegate.checkpoint import read_contents
from releasegate.errors import RecipeMismatch, ReleaseGateError
from releasegate.recipe import Recipe
from releasegate.stripping import plan_strip, write_strip
from tests.layouts import LAYOUTS, Contents, write_contents
from tests.stripping.shipped import shipped
from tests.tiny_checkpoints import Tiny, chameleon_recipe, tiny

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
INDEX = "model.safetensors.index.json"
HEAD, EMBEDDING, LAYER = "lm_head.weight", "model.embed_tokens.weight", "model.layers.1.self_attn.q_proj.weight"
POST = "model.vqmodel.post_quant_conv.weight"
DECODER = "vqgan.safetensors"


@dataclass(frozen=True)
class Leak:
    """One leak.

    Attributes:
        make: writes the checkpoint to a folder that is not there yet.
        what: a part of the message that it is refused with.
        error: of this type.
        recipe: what it is stripped by.
        then: what is done in the folder where `model` was stripped to `stripped`; the strip itself is refused otherwise.
        slow: whether it takes more than a second, as pickles do.
    """

    make: Callable[[Path], object]
    what: str
    error: type[ReleaseGateError] = RecipeMismatch
    recipe: Callable[[], Recipe] = chameleon_recipe
    then: Callable[[Path], object] | None = None
    slow: bool = False

    def commit(self, folder: Path) -> None:
        """Everything that a user would do to publish the checkpoint."""
        self.make(folder / "model")
        contents = read_contents(folder / "model")
        write_strip(contents, plan_strip(contents, [self.recipe()]), folder / "stripped")
        if self.then is not None:
            self.then(folder)


def made(root: Path) -> Path:
    """The clean control."""
    return tiny().write(root)


def planted(*plants: Callable[[Tiny], object]) -> Callable[[Path], Path]:
    """The control with something planted before it is written."""

    def make(root: Path) -> Path:
        control = tiny()
        for plant in plants:
            plant(control)
        return control.write(root)

    return make


def added(name: str, content: bytes | str | Callable[[Path], object]) -> Callable[[Path], object]:
    """The control with one more file: its content, or what writes it."""

    def make(root: Path) -> None:
        path = made(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    return make


def layout(name: str, change: Callable[[Contents], Contents] = lambda contents: contents) -> Callable[[Path], Path]:
    """A tiny checkpoint of another layout, with something changed."""
    return lambda root: write_contents(root, change(LAYOUTS[name].contents("tiny")), 0)


def changed(name: str, change: Callable[[dict[str, Any]], object]) -> Callable[[], Recipe]:
    """A recipe that ships, with something changed by somebody who knew no better."""

    def recipe() -> Recipe:
        plain = shipped(name).plain()
        change(plain)
        return Recipe.from_text(json.dumps(plain))

    return recipe


def chameleon(change: Callable[[dict[str, Any]], object]) -> Callable[[], Recipe]:
    """The recipe for a Chameleon in Hugging Face's layout, changed, and wide: the tiny checkpoint is of no library's class."""

    def wide(plain: dict[str, Any]) -> None:
        del plain["keep"]["exactly"]
        change(plain)

    return changed("chameleon-hf/image_generation", wide)


def keeping(*files: str) -> Callable[[], Recipe]:
    """The recipe for a Chameleon, which keeps more files."""
    return chameleon(lambda plain: plain["keep"]["files"].extend(files))


def head(control: Tiny) -> Any:
    """The head, [18, 32]; rows 4 to 11 are to go."""
    return control.shards[FIRST][HEAD]


def decoder(control: Tiny) -> dict[str, Any]:
    """The tensors of the decoder, which are to go."""
    return control.siblings[DECODER]
