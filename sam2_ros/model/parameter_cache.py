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
        self._cached: dict[_Key, tuple[_Key, Tensor]] = {}

    def __call__(self, compute: Callable[[], Tensor], parameters: tuple[Tensor, ...], *others: object) -> Tensor:
        """`compute()`, which must depend on the parameters and `others` alone."""
        if torch.compiler.is_compiling() or not torch.is_inference_mode_enabled():
            return compute()
        if any(parameter.is_inference() for parameter in parameters):  # inference tensors have no version counter
            return compute()
        # Each precision has its own: a captured graph goes on reading what was cached for it.
        key = (torch.is_autocast_enabled(parameters[0].device.type), *others)
        state = tuple(_state(parameter) for parameter in parameters)
        cached = self._cached.get(key)
        if cached is None or cached[0] != state:
            self._cached[key] = cached = (state, compute())
        return cached[1]


def _state(parameter: Tensor) -> _Key:
    return parameter.data_ptr(), parameter._version, parameter.dtype, parameter.device
