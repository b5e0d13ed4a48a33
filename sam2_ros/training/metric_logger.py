"""Logs the mean losses of every REPORT_EVERY steps to TensorBoard and to `curve.csv`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sam2_ros.training.errors import TrainingError
from sam2_ros.training.losses import Losses

REPORT_EVERY = 20
_COLUMNS = ("pixels", "dice", "iou", "occlusion", "gradient")


class MetricLogger:
    """A context: opens the logs below `folder`, closes them at its end. Raises TrainingError without TensorBoard."""

    def __init__(self, folder: Path) -> None:
        self._board = _summary_writer(folder / "tensorboard")
        new = not (folder / "curve.csv").exists()
        self._table = (folder / "curve.csv").open("a")
        if new:
            self._table.write(",".join(("step", *_COLUMNS)) + "\n")
        self._rows: list[Tensor] = []

    def __enter__(self) -> MetricLogger:
        return self

    def __exit__(self, *_: object) -> None:
        self._table.close()
        self._board.close()

    def log(self, step: int, losses: Losses, gradient_norm: Tensor) -> None:
        """Add one step. Every REPORT_EVERY steps the means are written, and a GPU is waited for only then."""
        row = (losses.pixels, losses.dice, losses.iou, losses.occlusion, gradient_norm)
        self._rows.append(torch.stack(row).detach())
        if step % REPORT_EVERY:
            return
        means = torch.stack(self._rows).mean(dim=0).tolist()
        self._rows.clear()
        self._table.write(f"{step}," + ",".join(f"{value:.5f}" for value in means) + "\n")
        self._table.flush()
        for name, value in zip(_COLUMNS, means):
            self._board.add_scalar(name, value, step)


def _summary_writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise TrainingError(f"{error}; training needs more packages: pip install 'sam2_ros[train]'") from error
    return SummaryWriter(str(folder))
