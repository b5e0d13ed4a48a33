"""Logs the mean losses of every REPORT_EVERY steps to TensorBoard and to `curve.csv`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sam2_ros.files import named_errors
from sam2_ros.optional import require
from sam2_ros.training.losses import Losses

REPORT_EVERY = 20
_COLUMNS = ("pixels", "dice", "iou", "occlusion", "gradient")


class MetricLogger:
    """A context that opens the logs below `folder` and closes them. Raises MissingLibraryError without TensorBoard."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._file = folder / "tensorboard", folder / "curve.csv"
        self._board = _summary_writer(self._folder)
        new = not self._file.exists()
        self._table = self._file.open("a")
        if new:
            self._table.write(",".join(("step", *_COLUMNS)) + "\n")
        self._rows: list[Tensor] = []

    def __enter__(self) -> MetricLogger:
        return self

    def __exit__(self, *_: object) -> None:
        for log in (self._table, self._board):
            with contextlib.suppress(OSError):  # a full disk has been reported
                log.close()

    def log(self, step: int, losses: Losses, gradient_norm: Tensor) -> None:
        """Add one step. Every REPORT_EVERY steps the means are written, and a GPU is waited for only then.

        Raises OSError, which names the file, on a full disk.
        """
        row = (losses.pixels, losses.dice, losses.iou, losses.occlusion, gradient_norm)
        self._rows.append(torch.stack(row).detach())
        if step % REPORT_EVERY:
            return
        means = torch.stack(self._rows).mean(dim=0).tolist()
        self._rows.clear()
        with named_errors(self._file):
            self._table.write(f"{step}," + ",".join(f"{value:.5f}" for value in means) + "\n")
            self._table.flush()
        with named_errors(self._folder):
            for name, value in zip(_COLUMNS, means):
                self._board.add_scalar(name, value, step)


def _summary_writer(folder: Path) -> Any:
    require("tensorboard", "the training's curves", "train")
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))
