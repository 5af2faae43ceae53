"""Modules of torch as names and shapes."""

from __future__ import annotations

from tests.layouts.layout import Shapes


def linear(name: str, wide: int, narrow: int, *, bias: bool = False) -> Shapes:
    """A linear map from `narrow` to `wide`."""
    return {f"{name}.weight": (wide, narrow), **({f"{name}.bias": (wide,)} if bias else {})}


def norm(name: str, width: int, *, bias: bool = False) -> Shapes:
    """A norm over `width` channels; layer and group norms have a bias, RMS norms have none."""
    return {f"{name}.weight": (width,), **({f"{name}.bias": (width,)} if bias else {})}


def conv(name: str, wide: int, narrow: int, *kernel: int, bias: bool = True) -> Shapes:
    """A convolution from `narrow` to `wide` channels."""
    return {f"{name}.weight": (wide, narrow, *kernel), **({f"{name}.bias": (wide,)} if bias else {})}


def weight_normed(name: str, first: int, second: int, kernel: int, *, bias: int) -> Shapes:
    """A one-dimensional convolution under torch's parametrised weight norm; `bias` is the number of its channels."""
    return {
        f"{name}.bias": (bias,),
        f"{name}.parametrizations.weight.original0": (first, 1, 1),
        f"{name}.parametrizations.weight.original1": (first, second, kernel),
    }


def batch_norm(name: str, width: int) -> Shapes:
    """A batch norm with its running statistics; `num_batches_tracked` is an integer without dimensions."""
    return {
        **norm(name, width, bias=True),
        f"{name}.running_mean": (width,),
        f"{name}.running_var": (width,),
        f"{name}.num_batches_tracked": (),
    }


def lstm(name: str, width: int, layers: int) -> Shapes:
    """An LSTM of equal widths."""
    shapes: Shapes = {}
    for layer in range(layers):
        shapes[f"{name}.weight_ih_l{layer}"] = (4 * width, width)
        shapes[f"{name}.weight_hh_l{layer}"] = (4 * width, width)
        shapes[f"{name}.bias_ih_l{layer}"] = (4 * width,)
        shapes[f"{name}.bias_hh_l{layer}"] = (4 * width,)
    return shapes
