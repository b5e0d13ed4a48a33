"""Tracking with graphs says what tracking without them says; stand-ins replay on the CPU what CUDA would capture."""

import logging
import warnings
from dataclasses import replace

import pytest
import torch

from sam2_ros.model import Memory, Sam2, load_model
from sam2_ros.model.trees import leaves
from sam2_ros.tracking import StreamingTracker, Track, TrackerConfig, graphed_step
from sam2_ros.tracking.frame_step import FrameStep
from sam2_ros.tracking.graphed_step import frame_step

from .graph_capture import BOX, CLICK, Recording, Repetition, Run, assert_same, graphed, picture, tracked

CONFIG = TrackerConfig(max_objects=4, history=6)


@pytest.fixture(scope="module")
def network() -> Sam2:
    """It works in no chunks, as on a GPU: they look at results."""
    return load_model("nano", image_size=128).set_chunked(False)


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        replace(CONFIG, memory_policy="reference", memory_pooling=2),
        replace(CONFIG, memory_policy="distractor_aware"),
        replace(CONFIG, memory_policy="motion_aware", encode_every=2),
    ],
    ids=lambda config: config.memory_policy,
)
def test_a_stream_is_tracked_as_without_graphs(network: Sam2, config: TrackerConfig) -> None:
    capture = Repetition()
    assert_same(tracked(graphed(network, config, capture)), tracked(StreamingTracker(network, config)))
    assert capture.replays > 20


def test_what_is_repeated_is_on_the_device_alone(network: Sam2) -> None:
    config = replace(CONFIG, max_objects=1, max_prompted=1)

    def follow(tracker: StreamingTracker) -> list[tuple[Track, ...]]:
        tracker.step(picture(0), 0.0)
        tracker.add(BOX)
        return [tracker.step(picture(number), number / 10).tracks for number in range(1, 4)]

    capture = Recording()
    assert_same(follow(graphed(network, config, capture)), follow(StreamingTracker(network, config)))
    assert (capture.captures, capture.replays) == (3, 1 + 3 + 3)  # each is compared with its function once


def test_nothing_is_captured_during_a_stream(network: Sam2) -> None:
    capture = Repetition()
    tracker = graphed(network, replace(CONFIG, max_objects=3), capture)
    assert list(tracker.capture()) == ["1 object", "2 objects", "4 objects"]
    captured = capture.captures
    assert captured == 1 + 3 * (3 + 1)
    tracked(tracker)
    tracker.reset()
    tracked(tracker)
    assert capture.captures == captured


def test_what_is_captured_before_the_stream_leaves_no_trace(network: Sam2) -> None:
    captured = graphed(network, CONFIG, Repetition())
    list(captured.capture())
    assert_same(tracked(captured, 8), tracked(StreamingTracker(network, CONFIG), 8))


def test_buffered_frames_keep_their_own_outputs(network: Sam2) -> None:
    trackers = graphed(network, CONFIG, Repetition()), StreamingTracker(network, CONFIG)
    for tracker in trackers:
        tracked(tracker, 8)
    for ours, theirs in zip(*(tracker._frames for tracker in trackers), strict=True):
        for x, y in zip(leaves(ours.features), leaves(theirs.features), strict=True):
            torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-4)
        for track_id, output in theirs.outputs.items():
            torch.testing.assert_close(ours.outputs[track_id].mask_logits, output.mask_logits, rtol=1e-2, atol=1e-2)


def test_a_full_memory_is_read_without_a_mask(network: Sam2, monkeypatch: pytest.MonkeyPatch) -> None:
    masked: list[bool] = []
    read = network.read_memory

    def noting(features: object, memory: Memory) -> torch.Tensor:
        masked.append(memory.spatial_valid is not None)
        return read(features, memory)  # type: ignore[arg-type]

    tracker = graphed(network, replace(CONFIG, memory_policy="reference"), Repetition())
    list(tracker.capture())
    tracker.step(picture(0), 0.0)
    tracker.add(BOX)
    tracker.add(CLICK)
    monkeypatch.setattr(network, "read_memory", noting)
    for number in range(1, 20):
        tracker.step(picture(number % 8), number / 10)
    assert masked == [True] * 15 + [False] * 4


def test_more_objects_than_the_largest_batch_are_tracked_without_graphs(
    network: Sam2, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphed_step, "_BATCHES", (1, 2))
    capture = Repetition()
    assert_same(tracked(graphed(network, CONFIG, capture), 10), tracked(StreamingTracker(network, CONFIG), 10))
    assert capture.replays <= 10 + 2 * 5 + capture.captures  # of the ten frames, five have two objects at most


@pytest.mark.parametrize("failing", ["first", "third"])
def test_where_capturing_fails_frames_are_tracked_without_graphs_and_a_warning_says_so(
    network: Sam2, failing: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Repetition):
        def __call__(self, run: Run) -> Run:
            if self.captures == ("first", "second", "third").index(failing):
                raise RuntimeError("operation not permitted when stream is capturing")
            return super().__call__(run)

    with caplog.at_level(logging.WARNING):
        found = tracked(graphed(network, CONFIG, Failing()), 10)
    assert_same(found, tracked(StreamingTracker(network, CONFIG), 10))
    (record,) = caplog.records
    assert "switched off" in record.message and "RuntimeError: operation not permitted" in record.message


def test_a_cpu_has_no_graphs(network: Sam2) -> None:
    tracker = StreamingTracker(network, CONFIG)
    propagation = tracker._propagation
    assert type(frame_step(network, propagation._bank, CONFIG, tracker._stopwatch.time)) is FrameStep
    assert list(tracker.capture()) == []


# ---- on a GPU


@pytest.fixture(scope="module")
def on_gpu() -> Sam2:
    return load_model("nano", image_size=128, device="cuda")


@pytest.mark.cuda
@pytest.mark.parametrize("policy", ["guarded", "distractor_aware", "motion_aware"])
def test_cuda_graphs_track_as_the_eager_network_does(on_gpu: Sam2, policy: str) -> None:
    config = replace(CONFIG, memory_policy=policy)
    tracker = StreamingTracker(on_gpu, config)
    list(tracker.capture())
    assert_same(tracked(tracker), tracked(StreamingTracker(on_gpu, replace(config, cuda_graphs=False))))
    assert tracker._propagation._step._graphs.is_working  # type: ignore[attr-defined]


@pytest.mark.cuda
def test_steady_frames_take_no_memory_from_the_gpu_and_wait_once(on_gpu: Sam2) -> None:
    tracker = StreamingTracker(on_gpu, CONFIG)
    list(tracker.capture())
    tracker.step(picture(0), 0.0)
    tracker.add(BOX)

    def follow(numbers: range) -> dict[str, int]:
        for number in numbers:
            tracker.step(picture(number % 8), number / 10)
        statistics = torch.cuda.memory_stats()
        return {name: statistics[name] for name in ("segment.all.allocated", "allocated_bytes.all.current")}

    before = follow(range(1, 40))
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as noted:
            warnings.simplefilter("always")
            assert follow(range(40, 80)) == before
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert sum("synchronizing CUDA operation" in str(warning.message) for warning in noted) <= 40
