"""Plots of results."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.benchmark.measure import VariantResult
from sam2_ros.benchmark.memory import MEGABYTE
from sam2_ros.benchmark.plot import title, write_plot
from sam2_ros.benchmark.table import BenchmarkRun


def run(image_size: int, objects: int, frames: int = 30) -> BenchmarkRun:
    latencies = np.full(frames, 1e-6 * image_size * objects)
    memory = np.full(frames, 300 * MEGABYTE)
    return BenchmarkRun(image_size, objects, {"sam2_ros float32": VariantResult(latencies, memory, 0, {})}, None)


@pytest.mark.parametrize(
    "runs",
    [
        [run(64, 1), run(64, 2), run(64, 8)],
        [run(64, 1), run(128, 1)],
        [run(64, 1), run(64, 2), run(128, 1), run(128, 2)],
        [run(64, 1)],
        [run(64, 1, frames=12_345)],
    ],
    ids=["objects", "sizes", "objects and sizes", "frames", "many frames"],
)
def test_plots_against_what_varies(runs: list[BenchmarkRun], tmp_path: Path) -> None:
    write_plot(runs, tmp_path / "plot.png", "nano, trained weights, on cpu (a processor)")
    picture = cv2.imread(str(tmp_path / "plot.png"))
    assert picture is not None
    assert picture.shape == (500, 800, 3)
    first_colour = np.array([180, 119, 31])  # of the first line, in BGR
    assert (picture == first_colour).all(axis=2).any()
    assert (tmp_path / "plot.png").stat().st_size < 60_000


def test_the_title_names_model_machine_input_and_precision() -> None:
    text = title([run(64, 1), run(64, 2)], "nano, trained weights, on cpu (a processor)")
    assert text == "nano, trained weights, on cpu (a processor), input 64 x 64, sam2_ros float32"


def test_the_title_names_the_number_of_objects_where_there_is_one() -> None:
    assert "input 64 x 64, 128 x 128, 2 objects" in title([run(64, 2), run(128, 2)], "nano")
