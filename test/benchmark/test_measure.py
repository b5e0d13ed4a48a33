"""Measuring contestants."""

import time
from collections.abc import Iterator

import numpy as np
import pytest

from sam2_ros.benchmark.measure import (
    Measurement,
    drawn_frames,
    measure,
    our_steps,
    workload,
)
from sam2_ros.model import seeded_model
from sam2_ros.model.config import named_config

MEGABYTE = 2**20


def sleeper(seconds: float, order: list[str], name: str) -> Iterator[dict[str, float]]:
    while True:
        order.append(name)
        time.sleep(seconds)
        yield {"sleep": seconds}


def test_contestants_take_turns_and_the_warm_up_does_not_count() -> None:
    order: list[str] = []
    measured = measure({name: sleeper(0.0, order, name) for name in ("a", "b")}, frames=3, warm_up=2)
    assert order == ["a", "b"] * 5
    assert all(len(m.latencies) == len(m.resident) == 3 for m in measured.values())


def test_latencies_and_stages_are_those_of_each() -> None:
    measured = measure({"slow": sleeper(0.02, [], ""), "fast": sleeper(0.001, [], "")}, frames=5, warm_up=1)
    assert measured["slow"].speed.median == pytest.approx(0.02, rel=0.5)
    assert measured["fast"].speed.median < 0.5 * measured["slow"].speed.median
    assert measured["slow"].stages == {"sleep": 0.02}


def test_memory_that_a_step_keeps_is_its_own() -> None:
    kept = [np.ones(64 * MEGABYTE, np.uint8)]
    kept.clear()  # what was free before must not hide it

    def hoarder() -> Iterator[dict[str, float]]:
        while True:
            kept.append(np.ones(MEGABYTE, np.uint8))
            yield {}

    measured = measure({"hoarder": hoarder(), "other": sleeper(0.0, [], "")}, frames=40, warm_up=2)
    assert measured["hoarder"].growth == pytest.approx(36, abs=2)  # between the middles of the outer tenths
    assert measured["hoarder"].slope == pytest.approx(1000, rel=0.1)
    assert abs(measured["other"].growth) < 1


def test_what_is_freed_at_once_is_no_growth() -> None:
    resident = np.full(100, 300 * MEGABYTE)
    resident[-1] += 50 * MEGABYTE
    assert Measurement(np.ones(100), resident, 0, {}).growth == 0


def test_clicks_are_inside_and_apart() -> None:
    for objects in (1, 2, 3, 8, 32):
        clicks = workload(drawn_frames((48, 64), 3), objects).clicks
        assert len({(click.x, click.y) for click in clicks}) == objects
        assert all(0 < click.x < 64 and 0 < click.y < 48 for click in clicks)


def test_frames_go_forwards_and_backwards() -> None:
    frames = drawn_frames((48, 64), 4)
    order = [next(i for i, frame in enumerate(frames) if frame is shown) for shown in workload(frames, 1).frames]
    assert order == [0, 1, 2, 3, 2, 1]
    assert not np.array_equal(frames[0], frames[1])


def test_our_steps_tell_the_stages_of_the_tracker() -> None:
    steps = our_steps(seeded_model(named_config("nano", 64)), workload(drawn_frames((48, 64), 2), 2), "float32")
    next(steps)
    assert {"preprocess", "encode", "read_memory", "decode", "write_memory", "masks"} <= next(steps).keys()
