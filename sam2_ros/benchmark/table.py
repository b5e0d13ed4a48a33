"""Measurements as lines for people and as numbers for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from .measure import Measurement
from .memory import MEGABYTE

_LONG = 1000  # frames from which on the slope of memory is more than noise
_INDENT = " " * 16
HEADER = (
    f"{'input':>5} {'objects':>7}  {'who':18} {'frames/s':>9} {'median':>10} {'p99':>10} {'worst':>7} {'memory':>8} "
    f"{'peak':>8} {'growth':>10}"
)


@dataclass(frozen=True)
class Run:
    """Variants that were measured interleaved."""

    image_size: int  # side of the model's input (pixels)
    objects: int
    measurements: dict[str, Measurement]  # by the variant's name
    baseline: str | None  # the variant that the others are compared with


@dataclass(frozen=True)
class Comparison:
    """A variant with the baseline of its run."""

    baseline: str
    times_as_fast: float  # medians
    stages: dict[str, float]  # the same by stage
    growth_mb_per_frame: float
    baseline_growth_mb_per_frame: float
    mean_iou: float  # of the masks
    least_iou: float
    proves_nothing: bool  # most masks are empty or full


def verdict(median: float, limit: float) -> str:
    """Whether a median keeps to its limit (both in milliseconds), as text."""
    return f"{'pass' if median <= limit else 'fail'} (limit: median of {limit:g} ms)"


def compare(run: Run, name: str) -> Comparison | None:
    """None for the baseline itself, and where there is none."""
    m = run.measurements[name]
    if run.baseline is None or m.agreement is None:
        return None
    baseline = run.measurements[run.baseline]
    stages = {s: baseline.stages[s] / t for s, t in m.stages.items() if s in baseline.stages and t > 0}
    agreement = m.agreement
    return Comparison(
        run.baseline,
        baseline.speed.median / m.speed.median,
        stages,
        m.slope / 1000,
        baseline.slope / 1000,
        agreement.mean_iou,
        agreement.least_iou,
        agreement.is_trivial,
    )


def lines(run: Run) -> Iterator[str]:
    """For each variant its numbers, its stages, and how it compares."""
    for name, m in run.measurements.items():
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
    nothing = ", but most masks are empty or full, which proves nothing" if c.proves_nothing else ""
    return (
        f"{c.times_as_fast:.2f} times as fast as {c.baseline}; masks have an IoU of {c.mean_iou:.5f} with its, "
        f"at least {c.least_iou:.5f}{nothing}; memory grows by {c.growth_mb_per_frame:.3f} MB per frame, its by "
        f"{c.baseline_growth_mb_per_frame:.3f}"
    )


def as_json(run: Run) -> list[dict[str, Any]]:
    """All numbers of each variant."""
    return [_numbers(run, name) for name in run.measurements]


def _numbers(run: Run, name: str) -> dict[str, Any]:
    m, comparison = run.measurements[name], compare(run, name)
    return {
        "image_size": run.image_size,
        "objects": run.objects,
        "who": name,
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
