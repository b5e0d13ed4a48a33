"""Caches what depends on parameters alone, so that it is computed once instead of once per frame."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_Key = tuple[object, ...]


class ParameterCache:
    """Caches a function of some parameters until these change, are moved or replaced.

    It caches in inference mode only: in training, gradients must flow and parameters change with every step.
    """

    def __init__(self) -> None:
        self._cached: tuple[_Key, Tensor] | None = None

    def __call__(self, compute: Callable[[], Tensor], parameters: tuple[Tensor, ...], *others: object) -> Tensor:
        """`compute()`, which must depend on the parameters and `others` alone."""
        if torch.compiler.is_compiling() or not torch.is_inference_mode_enabled():
            return compute()
        if any(parameter.is_inference() for parameter in parameters):  # inference tensors have no version counter
            return compute()
        device = parameters[0].device.type
        key = (torch.is_autocast_enabled(device), *others, *(_state(parameter) for parameter in parameters))
        cached = self._cached
        if cached is None or cached[0] != key:
            self._cached = cached = (key, compute())
        return cached[1]


def _state(parameter: Tensor) -> _Key:
    return parameter.data_ptr(), parameter._version, parameter.dtype, parameter.device
