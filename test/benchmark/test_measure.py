"""Variants are measured interleaved: latency, stages, memory, agreement."""

from collections.abc import Iterator
from itertools import count
from mmap import mmap

import numpy as np
import pytest
import torch

from sam2_ros.benchmark.measure import Step, VariantResult, measure
from sam2_ros.benchmark.memory import MEGABYTE

from ..fake_clock import FakeClock

MASK = torch.tensor([1.0, 1.0, -1.0, -1.0]).reshape(1, 1, 2, 2)


def noting(order: list[str], name: str) -> Iterator[Step]:
    """Notes its name on each step."""
    while True:
        order.append(name)
        yield Step(MASK)


def test_variants_run_interleaved_and_warm_up_is_not_measured() -> None:
    order: list[str] = []
    measured = measure({name: noting(order, name) for name in ("a", "b")}, frames=3, warm_up=2)
    assert order == ["a", "b"] * 5
    assert all(len(m.latencies) == len(m.memory) == 3 for m in measured.values())


def test_each_variant_has_its_own_latencies_and_stages(clock: FakeClock) -> None:
    def advancing(seconds: float) -> Iterator[Step]:
        while True:
            clock.advance(seconds)
            yield Step(MASK, lambda: {"all": seconds})

    measured = measure({"slow": advancing(0.5), "fast": advancing(0.25)}, frames=5, warm_up=1, clock=clock)
    assert {name: list(result.latencies) for name, result in measured.items()} == {
        "slow": [0.5] * 5,
        "fast": [0.25] * 5,
    }
    assert measured["slow"].stages == {"all": 0.5}


def test_a_stage_that_most_frames_skip_has_a_median_of_zero() -> None:
    def now_and_then() -> Iterator[Step]:
        while True:
            yield Step(MASK, lambda: {"always": 1.0, "rarely": 1.0})
            yield Step(MASK, lambda: {"always": 1.0})
            yield Step(MASK, lambda: {"always": 1.0})

    assert measure({"a": now_and_then()}, frames=6, warm_up=1)["a"].stages == {"always": 1.0, "rarely": 0.0}


def test_masks_are_compared_with_the_baseline() -> None:
    def other() -> Iterator[Step]:
        while True:
            yield Step(-MASK)

    variants = {"same": noting([], ""), "base": noting([], ""), "other": other()}
    measured = measure(variants, frames=3, warm_up=1, baseline="base")
    agreements = {name: m.agreement and m.agreement.mean_iou for name, m in measured.items()}
    assert agreements == {"same": 1.0, "base": None, "other": 0.0}


def test_the_worst_frame_is_relative_to_the_median() -> None:
    assert VariantResult(np.array([1.0, 1.0, 3.0]), np.ones(3), 0, {}).worst == 3.0


def test_memory_that_a_variant_keeps_is_its_growth_alone() -> None:
    kept = [np.ones(64 * MEGABYTE, np.uint8)]
    kept.clear()  # what was free before must not hide it

    def leaking() -> Iterator[Step]:
        while True:
            kept.append(np.ones(MEGABYTE, np.uint8))
            yield Step(MASK)

    measured = measure({"leaking": leaking(), "other": noting([], "")}, frames=40, warm_up=2)
    assert measured["leaking"].growth == pytest.approx(36, abs=2)  # between the middles of the outer tenths
    assert measured["leaking"].slope == pytest.approx(1000, rel=0.1)
    assert abs(measured["other"].growth) < 1


def test_logits_that_are_replaced_are_no_growth() -> None:
    def logits() -> Iterator[Step]:
        while True:
            yield Step(torch.ones(1, 1, 512, 512))

    measured = measure({name: logits() for name in ("a", "b")}, frames=40, warm_up=2, baseline="b")
    # 36 MB if they were kept. Some memory that malloc reports as free was never resident: a few megabytes of tolerance.
    assert {name: m.growth for name, m in measured.items()} == pytest.approx({"a": 0, "b": 0}, abs=8)


def test_temporary_memory_is_in_the_peak() -> None:
    def peaking() -> Iterator[Step]:
        while True:
            with mmap(-1, 64 * MEGABYTE) as pages:  # new to the process, whatever malloc keeps
                pages.write(bytes(64 * MEGABYTE))
            yield Step(MASK)

    measured = measure({"peaking": peaking(), "other": noting([], "")}, frames=5, warm_up=1)
    assert measured["peaking"].peak - measured["other"].peak > 60 * MEGABYTE


def test_memory_in_use_on_a_single_frame_is_no_growth() -> None:
    memory = np.full(100, 300 * MEGABYTE)
    memory[-1] += 50 * MEGABYTE
    assert VariantResult(np.ones(100), memory, 0, {}).growth == 0


def test_free_memory_that_malloc_keeps_is_no_growth() -> None:
    def freeing() -> Iterator[Step]:
        for frame in count():
            if frame == 100:
                blocks = [bytearray(100_000) for _ in range(600)]
                blocks[:-1] = []  # the last one lies above the free ones, so that malloc gives none of them back
            yield Step(MASK)

    def allocating() -> Iterator[Step]:
        for frame in count():
            if frame == 150:
                blocks = [bytearray(100_000) for _ in range(300)]
            yield Step(MASK)
            assert frame < 150 or len(blocks) == 300

    measured = measure({"freeing": freeing(), "allocating": allocating()}, frames=300, warm_up=1)
    assert abs(measured["freeing"].growth) < 4
    assert measured["allocating"].growth == pytest.approx(300 * 100_000 / MEGABYTE, abs=4)
