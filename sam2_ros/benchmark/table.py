"""Results as lines of a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from .measure import VariantResult
from .memory import MEGABYTE

_LONG = 1000  # frames from which on the slope of memory is more than noise
_INDENT = " " * 16
HEADER = (
    f"{'input':>5} {'objects':>7}  {'variant':18} {'frames/s':>9} {'median':>10} {'p99':>10} {'worst':>7} "
    f"{'memory':>8} {'peak':>8} {'growth':>10}"
)


@dataclass(frozen=True)
class BenchmarkRun:
    """Variants that were measured interleaved, at one input size and number of objects."""

    image_size: int  # side of the model's input (pixels)
    objects: int
    results: dict[str, VariantResult]  # by the variant's name
    baseline: str | None  # the variant that the others are compared with


@dataclass(frozen=True)
class Comparison:
    """A variant compared with the baseline of its run."""

    baseline: str
    times_as_fast: float  # ratio of median latencies
    stages: dict[str, float]  # the same for each stage
    growth_mb_per_frame: float
    baseline_growth_mb_per_frame: float
    mean_iou: float  # of the masks
    min_iou: float
    is_trivial: bool  # most masks are empty or full


def verdict(median: float, limit: float) -> str:
    """Whether a median is within its limit (both in milliseconds), as text."""
    return f"{'pass' if median <= limit else 'fail'} (limit: median of {limit:g} ms)"


def compare(run: BenchmarkRun, name: str) -> Comparison | None:
    """A variant of the run compared with the baseline; None for the baseline itself, and without one."""
    result = run.results[name]
    if run.baseline is None or result.agreement is None:
        return None
    baseline = run.results[run.baseline]
    return Comparison(
        baseline=run.baseline,
        times_as_fast=baseline.speed.median / result.speed.median,
        stages={s: baseline.stages[s] / t for s, t in result.stages.items() if s in baseline.stages and t > 0},
        growth_mb_per_frame=result.slope / 1000,
        baseline_growth_mb_per_frame=baseline.slope / 1000,
        mean_iou=result.agreement.mean_iou,
        min_iou=result.agreement.min_iou,
        is_trivial=result.agreement.is_trivial,
    )


def lines(run: BenchmarkRun) -> Iterator[str]:
    """For each variant a line of numbers, a line of stages, and its comparison with the baseline."""
    for name, m in run.results.items():
        slope = f" ({m.slope:+.3f} MB per 1000 frames)" if len(m.latencies) >= _LONG else ""
        yield (
            f"{run.image_size:5} {run.objects:7}  {name:18} {m.speed.rate:9.2f} {1e3 * m.speed.median:7.1f} ms "
            f"{1e3 * m.speed.p99:7.1f} ms {m.worst:6.2f}x {m.memory[-1] / MEGABYTE:5.0f} MB "
            f"{m.peak / MEGABYTE:5.0f} MB {m.growth:+7.2f} MB{slope}"
        )
        comparison = compare(run, name)
        ratios = comparison.stages if comparison else {}
        yield (
            _INDENT
            + "stages: "
            + ", ".join(
                f"{stage} {1e3 * t:.1f} ms" + (f" ({ratios[stage]:.2f}x)" if stage in ratios else "")
                for stage, t in m.stages.items()
            )
        )
        if comparison:
            yield f"{_INDENT}{_sentence(comparison)}"


def _sentence(c: Comparison) -> str:
    warning = ", but most masks are empty or full, which proves nothing" if c.is_trivial else ""
    return (
        f"{c.times_as_fast:.2f} times as fast as {c.baseline}; mean IoU of masks {c.mean_iou:.5f}, minimum "
        f"{c.min_iou:.5f}{warning}; memory grows by {c.growth_mb_per_frame:.3f} MB per frame, the baseline's by "
        f"{c.baseline_growth_mb_per_frame:.3f}"
    )


def as_json(run: BenchmarkRun) -> list[dict[str, Any]]:
    """The numbers of each variant."""
    return [_numbers(run, name) for name in run.results]


def _numbers(run: BenchmarkRun, name: str) -> dict[str, Any]:
    m, comparison = run.results[name], compare(run, name)
    return {
        "image_size": run.image_size,
        "objects": run.objects,
        "variant": name,
        "frames_per_second": m.speed.rate,
        "median_ms": 1e3 * m.speed.median,
        "p99_ms": 1e3 * m.speed.p99,
        "worst_in_medians": m.worst,
        "memory_start_mb": m.memory[0] / MEGABYTE,
        "memory_end_mb": m.memory[-1] / MEGABYTE,
        "memory_peak_mb": m.peak / MEGABYTE,
        "growth_mb": m.growth,
        "growth_per_1000_frames_mb": m.slope,
        "stages_ms": {stage: 1e3 * seconds for stage, seconds in m.stages.items()},
        "comparison": asdict(comparison) if comparison else None,
    }
