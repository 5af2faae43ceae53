"""Checkpoints in which a capability that is stripped would leak back, each by one way, by the number of the way."""

from tests.attacks.planted.afterwards import AFTERWARDS
from tests.attacks.planted.beside import BESIDE
from tests.attacks.planted.leak import Leak
from tests.attacks.planted.recipes import RECIPES
from tests.attacks.planted.tensors import TENSORS
from tests.attacks.planted.texts import TEXTS
from tests.attacks.planted.torch_files import TORCH_FILES

__all__ = ["LEAKS", "Leak"]

LEAKS = dict(sorted({**AFTERWARDS, **BESIDE, **RECIPES, **TENSORS, **TEXTS, **TORCH_FILES}.items()))
"""Leaks by name: the number of the way, and which variant of it."""
