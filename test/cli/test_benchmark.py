"""`sam2_ros benchmark` with a few frames."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.benchmark import busy, everything
from sam2_ros.benchmark.busy import BusyRun
from sam2_ros.cli import main
from sam2_ros.media.video import VideoWriter

CHECKOUT = os.environ.get("SAM2_REFERENCE")
SHORT = ["--image-size", "64", "--frames", "3", "--warm-up", "2", "--device", "cpu"]


def variants(out: str) -> list[list[str]]:
    """Size, objects, variant and precision of every line of the table."""
    rows = [line.split() for line in out.splitlines()]
    return [row[:4] for row in rows if row and row[0].isdecimal()]


def test_prints_a_line_for_every_number_of_objects(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", *SHORT, "--objects", "1,2"]) == 0
    out = capsys.readouterr().out
    assert "nano, trained weights" in out and "640 x 480, 3 after 2 of warm-up" in out
    assert variants(out) == [["64", "1", "sam2_ros", "float32"], ["64", "2", "sam2_ros", "float32"]]
    assert out.count("stages: preprocess") == 2


def test_runs_every_size_with_every_number_of_objects(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", *SHORT, "--image-size", "64,128", "--objects", "1,2"]) == 0
    runs = [line[:2] for line in variants(capsys.readouterr().out)]
    assert runs == [["64", "1"], ["64", "2"], ["128", "1"], ["128", "2"]]


def test_compares_precisions_in_one_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", *SHORT, "--objects", "1", "--precision", "auto,float32,bfloat16"]) == 0
    out = capsys.readouterr().out
    assert [line[3] for line in variants(out)] == ["float32", "bfloat16"]
    assert out.count("times as fast as sam2_ros float32; mean IoU of masks") == 1


def test_writes_the_numbers_as_json(tmp_path: Path) -> None:
    main(["benchmark", *SHORT, "--objects", "2", "--json", str(tmp_path / "numbers.json")])
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert {"model", "frames", "machine", "torch", "results"} == numbers.keys()
    (result,) = numbers["results"]
    assert (result["objects"], result["variant"]) == (2, "sam2_ros float32")
    assert 0 < result["median_ms"] <= result["p99_ms"]
    assert result["memory_end_mb"] > 50 and result["frames_per_second"] > 0
    assert result["stages_ms"]["encode"] > 0


def test_plots_time_and_memory(tmp_path: Path) -> None:
    main(["benchmark", *SHORT, "--objects", "1,2", "--plot", str(tmp_path / "plot.png")])
    assert cv2.imread(str(tmp_path / "plot.png")) is not None


def test_uses_the_frames_of_a_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with VideoWriter(tmp_path / "clip.mp4", 10.0) as writer:
        for i in range(3):
            writer.write(np.full((48, 64, 3), 40 * i, np.uint8))
    assert main(["benchmark", *SHORT, "--objects", "1", "--video", str(tmp_path / "clip.mp4")]) == 0
    assert "64 x 48" in capsys.readouterr().out


def test_says_that_weights_are_random_where_there_are_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAM2_ROS_CACHE", "/nonexistent")
    main(["benchmark", *SHORT, "--objects", "1", "--model", "sam2.1_hiera_tiny", "--frames", "1", "--warm-up", "1"])
    assert "random weights" in capsys.readouterr().out


@pytest.mark.skipif(not CHECKOUT, reason="SAM2_REFERENCE names no checkout of facebookresearch/sam2")
def test_runs_the_reference_on_the_same_frames(tmp_path: Path) -> None:
    numbers = tmp_path / "numbers.json"
    precisions = ["--precision", "float32,bfloat16", "--reference-precision", "float32,bfloat16"]
    options = ["--objects", "2", *precisions, "--reference", str(CHECKOUT), "--json", str(numbers)]
    assert main(["benchmark", *SHORT, *options]) == 0
    results = {result["variant"]: result for result in json.loads(numbers.read_text())["results"]}
    assert list(results) == [f"{who} {p}" for who in ("sam2_ros", "reference") for p in ("float32", "bfloat16")]
    assert results["sam2_ros float32"]["comparison"]["mean_iou"] > 0.99
    assert results["reference bfloat16"]["comparison"]["baseline"] == "reference float32"
    assert results["reference float32"]["comparison"] is None


def test_the_node_needs_ros(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rclpy", None)
    assert main(["benchmark", "--node"]) == 1
    assert "--node needs ROS 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--video", "nowhere.mp4"], "nowhere.mp4 does not exist"),
        (["--checkpoint", "nowhere.pt"], "nowhere.pt does not exist"),
        (["--reference", "nowhere"], "no checkout of facebookresearch/sam2"),
        (["--image-size", "100"], "image_size is 100"),
        (["--objects", "500"], "max_objects is 500"),
        (["--device", "cuda:99"], "CUDA devices"),
    ],
)
def test_wrong_options_are_refused_in_one_line(
    options: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["benchmark", *SHORT, "--objects", "1", *options]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("sam2_ros benchmark: ") and problem in lines[-1]


def test_an_unknown_precision_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["benchmark", "--precision", "float32,half"])
    assert "expected auto, float32 or bfloat16, not 'half'" in capsys.readouterr().err


@pytest.mark.parametrize("objects", ["0", "1,", "three"])
def test_an_invalid_number_of_objects_is_refused(objects: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["benchmark", "--objects", objects])
    assert "expected a whole number of at least 1" in capsys.readouterr().err


def test_measures_lifting_without_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--lifting", "--frames", "3"]) == 0
    out = capsys.readouterr().out
    assert "lifting 3 masks at 640x480: median" in out
    assert "pass (limit: median of 5 ms)" in out or "fail (limit: median of 5 ms)" in out


def test_measures_threads_beside_busy_processes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options: list[str] = []

    def measure(given: list[str]) -> Iterator[BusyRun]:
        options.extend(given)
        yield BusyRun(1, "none", "idle", 12.0, 15.5)

    monkeypatch.setattr(busy, "measure_busy", measure)
    assert main(["benchmark", "--busy", *SHORT, "--precision", "float32"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["1", "none", "idle", "12.0", "ms", "15.5", "ms"]
    assert " ".join(options) == "--model nano --precision float32 --frames 3 --warm-up 2 --image-size 64"


@pytest.mark.parametrize("option", ["--json", "--plot"])
@pytest.mark.parametrize("kind", ["--node", "--panel", "--lifting", "--busy"])
def test_measurements_without_a_table_refuse_json_and_plot(
    kind: str, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["benchmark", kind, option, str(tmp_path / "file")]) == 1
    assert "leave out --node, --panel, --lifting, --everything and --busy" in capsys.readouterr().err


def test_measures_everything_with_both_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = {"points_per_side": 4}
    loose = {**quick, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
    monkeypatch.setattr(everything, "SETTINGS", (quick, loose))
    assert main(["benchmark", "--everything", "--image-size", "64", "--frames", "2", "--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "everything in 640 x 480, nano at 64, trained weights"
    rows = [line.split() for line in lines if line.startswith("sam2_ros")]
    assert [row[2:4] for row in rows] == [["0.80", "0.95"], ["0.00", "0.00"]]
    assert all(float(row[4]) > 0 for row in rows) and int(rows[1][5]) > 0


@pytest.mark.skipif(not CHECKOUT, reason="SAM2_REFERENCE names no checkout of facebookresearch/sam2")
def test_everything_is_the_same_for_the_reference(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loose = {"points_per_side": 4, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
    monkeypatch.setattr(everything, "SETTINGS", (loose,))
    options = ["--image-size", "64", "--frames", "1", "--device", "cpu", "--reference", str(CHECKOUT)]
    assert main(["benchmark", "--everything", *options]) == 0
    ours, theirs = (line.split() for line in capsys.readouterr().out.splitlines()[-2:])
    assert ours[0] == "sam2_ros" and theirs[0] == "reference"
    assert ours[7] == ours[5] == theirs[5] != "0"
