"""The demo from end to end, in processes of its own, as a newcomer starts it."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.media.video import VideoWriter, probe
from sam2_ros.node.demo.run import main

FRAMES, RATE = 20, 10.0


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bright square that crosses a dark picture."""
    path = tmp_path_factory.mktemp("video") / "square.mp4"
    with VideoWriter(path, RATE) as writer:
        for i in range(FRAMES):
            frame = np.full((96, 128, 3), 40, np.uint8)
            frame[30:60, 10 + 3 * i : 40 + 3 * i] = (230, 180, 40)
            writer.write(frame)
    return path


def run_demo(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sam2_ros.node.demo.run", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, env=os.environ)


def test_the_demo_leaves_a_video_a_timeline_and_a_table_and_sums_up(video, weights, tmp_path):
    output = tmp_path / "out"
    demo = run_demo("--video", video, "--click", "20,45", "--checkpoint", weights, "--output", output)
    assert demo.returncode == 0, demo.stdout + demo.stderr

    film = probe(output / "overlay.mp4")
    assert (film.size, film.rate) == ((96, 128), RATE)
    assert 1 <= film.frames <= FRAMES
    assert cv2.imread(str(output / "timeline.png")).shape[0] > 100
    rows = list(csv.DictReader((output / "tracks.csv").open()))
    assert rows
    assert {row["id"] for row in rows} == {"1"}
    assert [int(row["frame"]) for row in rows] == sorted({int(row["frame"]) for row in rows})

    assert re.search(r"frames +\d+ in, \d+ processed, \d+ dropped", demo.stdout)
    for part in ("frames/s", "latency", "median", "p99", "object 1 started", "overlay.mp4"):
        assert part in demo.stdout


def test_a_tracker_that_cannot_start_ends_the_demo_with_its_log(video, tmp_path):
    demo = run_demo("--video", video, "--click", "20,45", "--checkpoint", "/nowhere.pt", "--output", tmp_path / "out")
    assert demo.returncode == 1
    assert "the tracker failed; the end of" in demo.stderr
    assert "checkpoint /nowhere.pt does not exist" in demo.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--video", "/nowhere.mp4"], "video /nowhere.mp4 does not exist"),
        (["--video", "VIDEO", "--click", "middle"], "click is 'middle', expected X,Y in pixels"),
    ],
)
def test_wrong_arguments_are_refused_at_once(video, capsys, arguments, complaint):
    assert main([str(video) if argument == "VIDEO" else argument for argument in arguments]) == 1
    assert complaint in capsys.readouterr().err
