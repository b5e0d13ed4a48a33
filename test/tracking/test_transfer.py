"""Transfers between host and device; a tracked frame waits for the device once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from sam2_ros.model import Sam2
from sam2_ros.tracking import Box, Prompt, StreamingTracker, TrackerConfig, measurement, results
from sam2_ros.tracking.memory_policy import POLICIES
from sam2_ros.tracking.transfer import fetch, upload

from .graph_capture import Repetition, graphed

CPU = torch.device("cpu")

# With a GPU, each of these makes the host wait for it.
READS = {"item", "tolist", "cpu", "numpy", "__bool__", "__int__", "__float__", "__index__", "__array__", "tensor"}
WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "unique"}


@dataclass
class Traffic:
    """What was done that a GPU would have to be waited for, but for what `fetch` does."""

    fetches: int = 0
    stray: list[str] = field(default_factory=list)
    is_fetching: bool = False

    def note(self, what: str) -> None:
        if not self.is_fetching:
            self.stray.append(what)

    def fetch(self, *tensors: Tensor) -> list[np.ndarray]:
        self.fetches += 1
        self.is_fetching = True
        try:
            return fetch(*tensors)
        finally:
            self.is_fetching = False


class Calls(TorchFunctionMode):
    """Sees what Python asks of tensors."""

    def __init__(self, traffic: Traffic) -> None:
        super().__init__()
        self._traffic = traffic

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(function, "__name__", "")
        if name in READS:
            self._traffic.note(name)
        if name in ("__getitem__", "__setitem__"):
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            self._traffic.stray += [
                f"{name} of a {type(i).__name__}" for i in index if isinstance(i, (list, np.ndarray))
            ]
        return function(*args, **(kwargs or {}))


class Operations(TorchDispatchMode):
    """Sees what is carried out."""

    def __init__(self, traffic: Traffic) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # super() hides that PyTorch is called
        self._traffic = traffic

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function.overloadpacket.__name__
        by_mask = name in ("index", "index_put", "index_put_") and any(
            i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1]
        )
        if name in WAITING or by_mask:
            self._traffic.note(name)
        return function(*args, **(kwargs or {}))


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    @contextmanager
    def watching() -> Iterator[Traffic]:
        traffic = Traffic()
        for module in (measurement, results):
            monkeypatch.setattr(module, "fetch", traffic.fetch)
        with Calls(traffic), Operations(traffic):
            yield traffic

    return watching


def test_upload_and_fetch_keep_an_array_s_values() -> None:
    array = np.arange(24).reshape(2, 3, 4)[:, ::-1]
    there, twice = upload(array, CPU), upload(array, CPU) * 2
    assert [fetched.tolist() for fetched in fetch(there, twice)] == [array.tolist(), (2 * array).tolist()]


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: float(x.sum()),
        lambda x: bool((x > 1).any()),
        lambda x: x.tolist(),
        lambda x: x[x > 1],
        lambda x: x[[0, 2]],
        lambda x: x + torch.tensor([1.0, 2.0, 3.0]),
        lambda x: x.numpy(),
        lambda x: x.nonzero(),
    ],
)
def test_waits_for_the_device_are_detected(watch: Callable[[], Any], wait: Callable[[Tensor], Any]) -> None:
    with watch() as traffic:
        wait(torch.arange(3.0))
    assert traffic.stray


@pytest.mark.parametrize(
    ("policy", "has_graphs"), [*((policy, False) for policy in POLICIES), ("distractor_aware", True)]
)
def test_a_tracked_frame_waits_for_the_device_once(
    policy: str, has_graphs: bool, nano: Sam2, picture: Callable[..., np.ndarray], watch: Callable[[], Any]
) -> None:
    plain = deepcopy(nano).set_chunked(False)  # chunks, which are for a CPU, look at results
    config = TrackerConfig(max_objects=2, history=2, memory_policy=policy)
    tracker = graphed(plain, config, Repetition()) if has_graphs else StreamingTracker(plain, config)
    list(tracker.capture())
    both = picture(("red", 80, 120, 24), ("blue", 220, 120, 24))
    tracker.step(both, 0.0)
    for x in (80, 220):
        tracker.add(Prompt(box=Box(x - 24, 96, x + 24, 144)))
    tracker.step(both, 1.0)
    for stamp, shown in ((2.0, both), (3.0, picture(("red", 80, 120, 24)))):  # one is remembered, the other one is not
        with watch() as traffic:
            result = tracker.step(shown, stamp)
        assert traffic.stray == []
        assert traffic.fetches == 1
    assert [track.area > 0 for track in result.tracks] == [True, False]
