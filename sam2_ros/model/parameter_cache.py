"""What follows from parameters alone is computed once per stream instead of once per frame."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_Key = tuple[object, ...]


class ParameterCache:
    """Keeps what `compute` makes of some parameters until these change, are moved or replaced.

    Only in inference mode: a training's parameters change with every step, and a compiler folds constants by itself.
    """

    def __init__(self) -> None:
        self._kept: tuple[_Key, Tensor] | None = None

    def __call__(self, compute: Callable[[], Tensor], parameters: tuple[Tensor, ...], *others: object) -> Tensor:
        """`compute()`, which depends on nothing but the parameters and `others`."""
        if torch.compiler.is_compiling() or not torch.is_inference_mode_enabled():
            return compute()
        if any(parameter.is_inference() for parameter in parameters):  # these do not count their changes
            return compute()
        device = parameters[0].device.type
        key = (torch.is_autocast_enabled(device), *others, *(_state(parameter) for parameter in parameters))
        kept = self._kept
        if kept is None or kept[0] != key:
            self._kept = kept = (key, compute())
        return kept[1]


def _state(parameter: Tensor) -> _Key:
    return parameter.data_ptr(), parameter._version, parameter.dtype, parameter.device
