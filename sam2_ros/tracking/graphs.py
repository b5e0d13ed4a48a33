"""CUDA graphs: a function of tensors is captured once for each set of shapes, and then launched as a whole.

The host launches hundreds of kernels per frame, which for a small network takes longer than the GPU needs for them. A
graph is launched once. It reads and writes the same memory each time: inputs are copied into buffers that all graphs of
a function share, and so are its outputs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from itertools import count
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..model.trees import leaves, mapped

_WARM_UP_RUNS = 2  # load kernels and choose algorithms, neither of which can be captured
_TOLERANCE = 0.02  # of a graph's outputs, relative to the greatest of them; both should be the very same kernels

_logger = logging.getLogger(__name__)

_Run = Callable[[], None]
Capture = Callable[[_Run], _Run]  # from a function of buffers to one that replays it
T = TypeVar("T")


class CudaCapture:
    """Captures functions as CUDA graphs whose intermediate results share one pool of memory."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: _Run) -> _Run:
        """Runs the function a few times, then captures it."""
        current = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(current):  # where capturing fails, PyTorch does not leave its stream by itself
            self._stream.wait_stream(current)
            with torch.cuda.stream(self._stream):
                for _ in range(_WARM_UP_RUNS):
                    run()
            current.wait_stream(self._stream)
            graph = torch.cuda.CUDAGraph()
            # Other threads may use the GPU meanwhile.
            with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local"):
                run()
        return graph.replay


class Graphs:
    """Calls functions through graphs, which are captured when a function is called with new shapes.

    Functions have different names. They take trees of tensors and hashable values, return trees of tensors, and may run
    more than once on the same inputs; further tensors that they use must stay where they are. The first time that
    capturing fails, or that a graph says something else than its function, graphs are switched off for good.
    """

    def __init__(self, capture: Capture) -> None:
        self._capture: Capture | None = capture
        self._captured: dict[Hashable, Callable[[Any], Any]] = {}
        self._buffers: dict[Hashable, Tensor] = {}

    @property
    def is_working(self) -> bool:
        """Whether nothing has failed so far."""
        return self._capture is not None

    def __call__(self, function: Callable[..., T], *inputs: Any) -> T:
        """`function(*inputs)`; the next call of that function overwrites the tensors that are returned."""
        key = (function.__name__, mapped(_kind, inputs))
        if replay := self._captured.get(key):
            outputs: T = replay(inputs)
            return outputs
        expected = function(*inputs)
        if self._capture:
            self._add(key, self._capture, function, inputs, expected)
        return expected

    def _add(self, key: Hashable, capture: Capture, function: Callable[..., Any], inputs: Any, expected: Any) -> None:
        try:
            replay = self._captured_function(capture, function, inputs, expected)
            reason = _difference(replay(inputs), expected)
        except Exception as error:  # whatever it is, the function itself has just worked
            cause = error.__context__ or error  # of what the end of a failed capture raises, the first error
            reason = f"{type(cause).__name__}: {cause}"
        if not reason:
            self._captured[key] = replay
            return
        self._capture = None
        self._captured.clear()
        self._buffers.clear()
        _logger.warning("CUDA graphs are switched off, which makes frames slower: %s", reason)

    def _captured_function(
        self, capture: Capture, function: Callable[..., Any], inputs: Any, expected: Any
    ) -> Callable[[Any], Any]:
        own_inputs = self._buffers_like(inputs, (function.__name__, "inputs"))
        outputs = self._buffers_like(expected, (function.__name__, "outputs"))
        _copy(inputs, own_inputs)
        replay = capture(lambda: _copy(function(*own_inputs), outputs))

        def call(inputs: Any) -> Any:
            _copy(inputs, own_inputs)
            replay()
            return outputs

        return call

    def _buffers_like(self, tree: Any, owner: Hashable) -> Any:
        """The tree with a buffer for each tensor, the same one for the same place of the same owner."""

        def buffer(x: Tensor) -> Tensor:
            place = (owner, next(numbers), _kind(x))
            if place not in self._buffers:
                with torch.inference_mode(x.is_inference()):  # compiled code is for one of both kinds
                    self._buffers[place] = torch.empty_like(x)
            return self._buffers[place]

        numbers = count()
        return mapped(buffer, tree)


def _kind(x: Tensor) -> Hashable:
    return x.shape, x.dtype


def _copy(source: Any, target: Any) -> None:
    for new, buffer in zip(leaves(source), leaves(target), strict=True):
        buffer.copy_(new)


def _difference(found: Any, expected: Any) -> str:
    """What is wrong with a graph's outputs; empty if nothing is."""
    for number, (ours, theirs) in enumerate(zip(leaves(found), leaves(expected), strict=True)):
        allowed = _TOLERANCE * theirs.abs().max().clamp(min=1.0)
        if not bool(((ours - theirs).abs() <= allowed).all()):
            return f"output {number} of a graph differs from that of its function"
    return ""
