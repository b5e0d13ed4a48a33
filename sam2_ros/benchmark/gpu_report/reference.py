"""Part: the reference with `vos_optimized` beside ours, with the same weights on the same frames, in turn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ...model import seeded_model
from ...model.config import named_config
from ...tracking.device import choose_device, choose_precision
from ..measure import measure
from ..ours import our_steps
from ..reference import StreamingReference
from ..table import BenchmarkRun, compare
from ..workload import synthetic_frames, workload
from .parts import Extent, LeftOutError, Row

_FRAMES = 100  # at most: the reference takes long with many objects


def rows(device: str, extent: Extent) -> Iterator[Row]:
    """A row for each model and number of objects. Raises LeftOutError without a checkout of the reference."""
    checkout = os.environ.get("SAM2_REFERENCE")
    if not checkout:
        raise LeftOutError("there is no reference: set SAM2_REFERENCE to a checkout of facebookresearch/sam2")
    frames = min(_FRAMES, extent.frames)
    for name, size in extent.models:
        model = seeded_model(named_config(name, size)).to(choose_device(device))
        precision = choose_precision("auto", model.device, size).name
        reference = StreamingReference(Path(checkout), model)
        for objects in extent.objects:
            work = workload(synthetic_frames(), objects)
            variants = {
                "ours": our_steps(model, work, precision),
                "reference": reference.steps(work, precision, extent.warm_up + frames),
            }
            results = measure(variants, frames, extent.warm_up, model.device, baseline="reference")
            comparison = compare(BenchmarkRun(size, objects, results, "reference"), "ours")
            assert comparison  # with its baseline
            yield {
                "model": f"{name} at {size}, {precision}",
                "objects": objects,
                "reference median (ms)": 1e3 * results["reference"].speed.median,
                "ours median (ms)": 1e3 * results["ours"].speed.median,
                "times as fast": comparison.times_as_fast,
                "by stage": comparison.stages,
                "mean mask IoU": comparison.mean_iou,
                "least mask IoU": comparison.min_iou,
                "most masks are empty or full": comparison.is_trivial,
            }
