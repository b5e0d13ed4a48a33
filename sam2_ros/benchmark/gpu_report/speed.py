"""Part: speed of the eager network and of CUDA graphs, and how far that is from what the card can compute."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...model import Sam2, seeded_model
from ...model.config import named_config
from ...tracking.device import choose_device, choose_precision
from ..agreement import AgreementMeter
from ..measure import Steps, VariantResult, measure
from ..memory import MEGABYTE
from ..ours import our_steps
from ..workload import Workload, synthetic_frames, workload
from .cards import count_operations, device_peak
from .parts import Extent, Row


@dataclass(frozen=True)
class Variant:
    """A way to run the network."""

    name: str
    cuda_graphs: bool
    backend: str = ""  # of torch.compile; empty: not compiled


EAGER = Variant("eager", cuda_graphs=False)
GRAPHS = Variant("CUDA graphs", cuda_graphs=True)


@dataclass(frozen=True)
class _Run:
    """What the variants have in common."""

    model: Sam2
    work: Workload
    precision: str
    extent: Extent

    def steps(self, variant: Variant) -> Steps:
        """Configures the variant."""
        return our_steps(self.model, self.work, self.precision, variant.backend, variant.cuda_graphs)


def rows(device: str, extent: Extent) -> Iterator[Row]:
    """A row for each model, number of objects and variant."""
    return measured(device, extent, (EAGER, GRAPHS))


def measured(device: str, extent: Extent, variants: Sequence[Variant]) -> Iterator[Row]:
    """Each variant alone, so that its memory is known; its masks are compared with those of the eager network."""
    for name, size in extent.models:
        model = seeded_model(named_config(name, size)).to(choose_device(device))
        precision = choose_precision("auto", model.device, size).name
        for objects in extent.objects:
            run = _Run(model, workload(synthetic_frames(), objects), precision, extent)
            expected, operations = _eager(run)
            for variant in variants:
                yield {
                    "model": f"{name} at {size}, {precision}",
                    "objects": objects,
                    "variant": variant.name,
                    **_measure(run, variant, expected, operations),
                }


def _eager(run: _Run) -> tuple[Tensor, int]:
    """Mask logits on the last frame of warm-up, and the operations of the frame after it."""
    steps = run.steps(EAGER)
    for _ in range(run.extent.warm_up):
        logits = next(steps).logits
    return logits.cpu(), count_operations(lambda: next(steps))


def _measure(run: _Run, variant: Variant, expected: Tensor, operations: int) -> Row:
    device = run.model.device
    _free_memory(device)
    start = time.perf_counter()
    steps = run.steps(variant)
    configured = time.perf_counter() - start
    kept: list[Tensor] = []
    extent = run.extent
    steps = _keeping(steps, extent.warm_up - 1, kept)
    result = measure({variant.name: steps}, extent.frames, extent.warm_up, device)[variant.name]
    meter = AgreementMeter()
    meter.add(kept[0], expected)
    peak = device_peak(device)
    return {
        "median (ms)": 1e3 * result.speed.median,
        "p99 (ms)": 1e3 * result.speed.p99,
        "worst (ms)": 1e3 * float(result.latencies.max()),
        "stages (ms)": {stage: 1e3 * seconds for stage, seconds in result.stages.items()},
        "configured in (s)": configured,
        "memory (MB)": _memory(device, result) // MEGABYTE,
        "GFLOP per frame": operations / 1e9,
        "of the arithmetic limit (%)": 100 * operations / peak / result.speed.median if peak else None,
        "least mask IoU with eager": meter.agreement().min_iou,
    }


def _keeping(steps: Steps, index: int, kept: list[Tensor]) -> Steps:
    """The same steps; the mask logits of the one at `index` are added to `kept`."""
    for number, step in enumerate(steps):
        if number == index:
            kept.append(step.logits.cpu())
        yield step


def _free_memory(device: torch.device) -> None:
    """Return what earlier variants had."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def _memory(device: torch.device, result: VariantResult) -> int:
    """Bytes that PyTorch has reserved on a GPU, the memory of CUDA graphs included; on a CPU those of the process."""
    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else result.peak
