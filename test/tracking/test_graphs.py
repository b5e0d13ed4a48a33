"""Functions through graphs: captured once for each set of shapes, compared once, switched off when one fails."""

import logging
import weakref
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from sam2_ros.tracking.graphs import Graphs

from .graph_capture import Repetition, Run


class Sums(NamedTuple):
    plain: Tensor
    scaled: Tensor


def sums(factor: float, x: Tensor, y: Tensor | None) -> tuple[Sums, Tensor]:
    total = x.sum(dim=1)
    return Sums(total, factor * total), x if y is None else x + y


def expected(factor: float, x: Tensor, y: Tensor | None) -> list[list[object]]:
    (plain, scaled), last = sums(factor, x, y)
    return [plain.tolist(), scaled.tolist(), last.tolist()]


def called(graphs: Graphs, factor: float, x: Tensor, y: Tensor | None = None) -> list[list[object]]:
    (plain, scaled), last = graphs(sums, factor, x, y)
    return [plain.tolist(), scaled.tolist(), last.tolist()]


def test_each_set_of_shapes_and_other_values_is_captured_once() -> None:
    capture = Repetition()
    graphs = Graphs(capture)
    for _ in range(3):
        for factor in (2.0, 3.0):
            for rows in (1, 4):
                x = torch.randn(rows, 5)
                for y in (None, torch.randn(rows, 5)):
                    assert called(graphs, factor, x, y) == expected(factor, x, y)
    assert capture.captures == 8
    assert graphs.is_working


def test_the_next_call_overwrites_the_outputs() -> None:
    graphs = Graphs(Repetition())
    ones, twos = torch.ones(2, 3), torch.full((2, 3), 2.0)
    graphs(sums, 1.0, ones, None)
    (first, _), _ = graphs(sums, 1.0, ones, None)
    (second, _), _ = graphs(sums, 1.0, twos, None)
    assert first is second and second.tolist() == [6.0, 6.0]


def test_graphs_of_one_function_share_their_buffers() -> None:
    graphs = Graphs(Repetition())
    called(graphs, 1.0, torch.ones(2, 3))
    count = len(graphs._buffers)
    called(graphs, 2.0, torch.ones(2, 3))
    assert len(graphs._buffers) == count


def test_inputs_of_other_strides_are_no_other_shapes() -> None:
    capture = Repetition()
    graphs = Graphs(capture)
    x = torch.randn(4, 5)
    for given in (x, x.T.contiguous().T):
        assert called(graphs, 1.0, given) == expected(1.0, x, None)
    assert capture.captures == 1


def nothing(run: Run) -> Run:
    return lambda: None


def once(run: Run) -> Run:
    """Keeps no function, as CUDA does."""
    run()
    return lambda: None


def broken(run: Run) -> Run:
    raise RuntimeError("no kernel image is available")


def broken_at_its_end(run: Run) -> Run:
    """As CUDA fails: the end of the capture raises, too."""
    try:
        return broken(run)
    finally:
        raise RuntimeError("operation failed due to a previous error during capture")


@pytest.mark.parametrize(
    ("capture", "reason"),
    [
        (nothing, "output 0 of a graph differs"),
        (broken, "RuntimeError: no kernel image is available"),
        (broken_at_its_end, "RuntimeError: no kernel image is available"),
    ],
)
def test_after_a_failure_the_functions_are_called_and_one_warning_says_why(
    capture: Callable[[Run], Run], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    graphs = Graphs(capture)
    with caplog.at_level(logging.WARNING):
        for rows in (2, 3):
            x = torch.rand(rows, 5) + 1000.0
            assert called(graphs, 1.0, x) == expected(1.0, x, None)
    assert not graphs.is_working
    (record,) = caplog.records
    assert "switched off" in record.message and reason in record.message


def test_a_function_that_fails_by_itself_raises_and_is_no_reason_to_switch_graphs_off() -> None:
    graphs = Graphs(Repetition())
    with pytest.raises(RuntimeError, match="must match"):
        graphs(sums, 1.0, torch.ones(2, 3), torch.ones(2, 4))
    assert graphs.is_working


def test_the_owner_of_functions_and_graphs_is_freed_at_once() -> None:
    """With its memory on the GPU, which no garbage collection knows of."""

    class Owner:
        def __init__(self) -> None:
            self.graphs = Graphs(once)

        def doubled(self, x: Tensor) -> Tensor:
            return 2 * x

    owner = Owner()
    assert owner.graphs(owner.doubled, torch.ones(3)).tolist() == [2.0] * 3
    assert owner.graphs.is_working
    reference = weakref.ref(owner)
    del owner
    assert reference() is None
