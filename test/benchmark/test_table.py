"""Results as lines of a table and as JSON."""

import dataclasses

import numpy as np
import pytest

from sam2_ros.benchmark.agreement import Agreement
from sam2_ros.benchmark.measure import VariantResult
from sam2_ros.benchmark.memory import MEGABYTE
from sam2_ros.benchmark.table import HEADER, BenchmarkRun, as_json, compare, lines


def measurement(seconds: float, megabytes_per_frame: float, **stages: float) -> VariantResult:
    memory = (300 + megabytes_per_frame * np.arange(40)) * MEGABYTE
    return VariantResult(np.full(40, seconds), memory, 500 * MEGABYTE, stages)


OURS = dataclasses.replace(
    measurement(0.2, 0.0, encode=0.1, preprocess=0.01), agreement=Agreement(0.9999, 0.998, non_trivial=0.9)
)
THEIRS = measurement(0.3, 2.0, encode=0.12, masks=0.01)
RUN = BenchmarkRun(512, 3, {"sam2_ros float32": OURS, "reference float32": THEIRS}, "reference float32")


def test_ratios_are_to_the_baseline_and_by_common_stage() -> None:
    comparison = compare(RUN, "sam2_ros float32")
    assert comparison is not None
    assert comparison.times_as_fast == pytest.approx(1.5)
    assert comparison.stages == {"encode": pytest.approx(1.2)}
    assert comparison.growth_mb_per_frame == pytest.approx(0.0, abs=1e-9)
    assert comparison.baseline_growth_mb_per_frame == pytest.approx(2.0)
    assert compare(RUN, "reference float32") is None


def test_a_speed_is_printed_with_the_agreement_of_masks() -> None:
    first, stages, sentence, second, _ = lines(RUN)
    assert first.split()[:4] == ["512", "3", "sam2_ros", "float32"]
    assert len(first) == len(HEADER) == len(second)
    assert stages.split(": ")[1] == "encode 100.0 ms (1.20x), preprocess 10.0 ms"
    assert "1.50 times as fast as reference float32" in sentence
    assert "mean IoU of masks 0.99990, minimum 0.99800" in sentence and "proves nothing" not in sentence


def test_trivial_agreement_is_marked() -> None:
    empty = dataclasses.replace(OURS, agreement=Agreement(1.0, 1.0, non_trivial=0.2))
    run = dataclasses.replace(RUN, results={**RUN.results, "sam2_ros float32": empty})
    assert any("proves nothing" in line for line in lines(run))


def test_json_has_the_same_numbers() -> None:
    ours, theirs = as_json(RUN)
    assert (ours["variant"], ours["image_size"], ours["objects"]) == ("sam2_ros float32", 512, 3)
    assert ours["median_ms"] == pytest.approx(200) and ours["worst_in_medians"] == pytest.approx(1)
    assert ours["comparison"]["baseline"] == "reference float32"
    assert ours["comparison"]["times_as_fast"] == pytest.approx(theirs["median_ms"] / ours["median_ms"])
    assert theirs["comparison"] is None and theirs["growth_per_1000_frames_mb"] == pytest.approx(2000)
