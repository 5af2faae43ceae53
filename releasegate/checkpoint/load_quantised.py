"""Whether transformers can read the weights of a quantised model here, as its own checks tell. No weight is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from transformers.quantizers.auto import AutoHfQuantizer

from releasegate.checkpoint.contents import Contents
from releasegate.errors import NotLoadable

KEY = "quantization_config"
_INSTALL = re.compile(r"pip install (?:-\S+ )*['\"`]?(?P<what>[\w.\[\],<>=~!-]*\w\]?)")


def require_dequantised(contents: Contents) -> None:
    """Check that the library of a quantised model is installed, and takes its configuration.

    transformers' reader of that kind of quantisation is asked, as it would be when the weights are loaded.

    Raises:
        NotLoadable: it is not, or transformers does not know that kind.
    """
    for place, stated in _stated(contents.config):
        where = f"{contents.root / (contents.config_file or 'config.json')}: {place}"
        method = stated.get("quant_method") if isinstance(stated, Mapping) else None
        if not isinstance(stated, Mapping) or not isinstance(method or "", str):
            what = "does not say in words how the weights were quantised"
            raise NotLoadable(where, what, "export the model again with the library that quantised it")
        _ask(dict(stated), f"{where}.quant_method", method or "unnamed")


def _stated(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What is said of quantisation, as transformers looks for it: of the whole model, else of its model of text."""
    if config.get(KEY):
        yield KEY, config[KEY]
        return
    inner = config.get("text_config")
    if isinstance(inner, Mapping) and inner.get(KEY):
        yield f"text_config.{KEY}", inner[KEY]


def _ask(stated: dict[str, Any], where: str, method: str) -> None:
    shown = ascii(method)[1:-1][:40]
    try:
        if not AutoHfQuantizer.supports_quant_method(stated):
            what = (
                f"is {shown!r}, which this version of transformers does not know: it would read the numbers as they are"
            )
            raise NotLoadable(where, what, "install the version of transformers that knows it")
        quantiser = AutoHfQuantizer.from_config(
            AutoHfQuantizer.merge_quantization_configs(stated, None), pre_quantized=True
        )
        quantiser.validate_environment(device_map=None, weights_only=True)
    except ImportError as error:
        said = " ".join(str(error).split())
        raise NotLoadable(
            where, f"is {shown!r}, and what reads it is not installed: {said[:200]}", _remedy(said, method)
        ) from error
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        fix = "measure the model on a machine that reads it, or the checkpoint that it was quantised from"
        raise NotLoadable(where, f"is {shown!r}, and transformers does not read it here: {said}", fix) from error


def _remedy(said: str, method: str) -> str:
    """What to install, in the words of whoever lacks it.

    >>> _remedy("Loading an AWQ quantized model requires gptqmodel. Please install it with `pip install gptqmodel`", "awq")
    'pip install gptqmodel'
    >>> _remedy("requires accelerate: `pip install 'accelerate>=1.1.0'`", "mxfp4")
    "pip install 'accelerate>=1.1.0'"
    >>> _remedy("No module named 'torchao'", "torchao")
    'pip install torchao'
    """
    found = _INSTALL.search(said)
    if found is not None:
        words = found["what"]
        return f"pip install '{words}'" if set(words) & set("<>[") else f"pip install {words}"
    named = re.search(r"No module named '([\w-]+)", said)
    return (
        f"pip install {named[1]}" if named else f"install the library that reads {ascii(method)[1:-1][:40]} checkpoints"
    )
