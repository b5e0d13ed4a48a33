"""What depends on parameters alone is computed once, and again when they change."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sam2_ros.model.parameter_cache import ParameterCache
from sam2_ros.model.position_encoding import RandomPositionEncoding


class Counted:
    """Doubles a parameter, and counts how often."""

    def __init__(self, parameter: Tensor) -> None:
        self.parameter = parameter
        self.times = 0
        self.cache = ParameterCache()

    def __call__(self, *others: object) -> Tensor:
        return self.cache(self._double, (self.parameter,), *others)

    def _double(self) -> Tensor:
        self.times += 1
        return self.parameter * 2


def test_it_is_computed_once_for_a_stream() -> None:
    doubled = Counted(nn.Parameter(torch.ones(3)))
    with torch.inference_mode():
        first, second = doubled(), doubled()
    assert first is second and doubled.times == 1


def add_one(parameter: Tensor) -> None:
    with torch.no_grad():
        parameter.add_(1)


def replace_data(parameter: Tensor) -> None:
    parameter.data = torch.full((3,), 2.0)


@pytest.mark.parametrize("change", [add_one, replace_data])
def test_it_follows_its_parameters(change: Callable[[Tensor], None]) -> None:
    doubled = Counted(nn.Parameter(torch.ones(3)))
    with torch.inference_mode():
        doubled()
    change(doubled.parameter)
    with torch.inference_mode():
        assert doubled().tolist() == [4, 4, 4]


def test_it_follows_what_else_it_depends_on() -> None:
    doubled = Counted(nn.Parameter(torch.ones(3)))
    with torch.inference_mode():
        doubled(16)
        doubled(32)
    assert doubled.times == 2


def test_gradients_flow_through_it_in_training() -> None:
    doubled = Counted(nn.Parameter(torch.ones(3)))
    with torch.inference_mode():
        doubled()
    doubled().sum().backward()
    assert doubled.parameter.grad is not None and doubled.parameter.grad.tolist() == [2, 2, 2]


def test_inference_tensors_are_not_cached() -> None:
    with torch.inference_mode():
        doubled = Counted(torch.ones(3))
        doubled()
        doubled.parameter.add_(1)
        assert doubled().tolist() == [4, 4, 4]


def test_a_loaded_state_dict_changes_the_grid() -> None:
    encoding, other = RandomPositionEncoding(8), RandomPositionEncoding(8)
    with torch.inference_mode():
        encoding.grid(4)
        encoding.load_state_dict(other.state_dict())
        assert torch.equal(encoding.grid(4), other.grid(4))
