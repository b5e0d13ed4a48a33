"""The demo from end to end, in processes of its own."""

import contextlib
import csv
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.media.video import VideoWriter, probe, read_frames
from sam2_ros.node.demo.run import main

ROOT = Path(__file__).resolve().parents[3]
FRAMES, RATE = 20, 10.0

_own_domain = int(os.environ.get("ROS_DOMAIN_ID", "0"))
_domains = (str((_own_domain + number) % 102) for number in itertools.count(1))


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


@pytest.fixture(scope="module")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bright square that stands for ten minutes, in a file whose name has a space and a quote."""
    path = tmp_path_factory.mktemp("a video") / "it's long.mp4"
    frame = np.full((96, 128, 3), 40, np.uint8)
    frame[30:60, 10:40] = (230, 180, 40)
    rate = 2.0
    with VideoWriter(path, rate) as writer:
        for _ in range(int(600 * rate)):
            writer.write(frame)
    return path


def demo_command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "sam2_ros.node.demo.run", *map(str, arguments)]


def impatient_command(changes: Mapping[str, object], *arguments: object) -> list[str]:
    """The demo with other timeouts of its session."""
    program = (
        "import sys; from sam2_ros.node import shutdown; from sam2_ros.node.demo import run, session; "
        f"vars(session).update({changes!r}); "
        "shutdown.exit_process(run.main(sys.argv[1:]))"
    )
    return [sys.executable, "-c", program, *map(str, arguments)]


def in_domain(domain: str) -> dict[str, str]:
    return os.environ | {"ROS_DOMAIN_ID": domain}


def run(command: list[str], domain: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=900, env=in_domain(domain))


@dataclass(frozen=True)
class Demo:
    """A run of the demo that was not interrupted."""

    output: Path
    result: subprocess.CompletedProcess[str]


@pytest.fixture
def run_demo(video: Path, weights: Path, tmp_path: Path) -> Callable[..., Demo]:
    """Run the demo in a ROS domain of its own, with other timeouts of its session where they are given."""

    def run_it(checkpoint: str | Path = weights, domain: str = "", **timeouts: object) -> Demo:
        arguments = ("--video", video, "--click", "20,45", "--checkpoint", checkpoint, "--output", tmp_path / "out")
        command = impatient_command(timeouts, *arguments) if timeouts else demo_command(*arguments)
        return Demo(tmp_path / "out", run(command, domain or next(_domains)))

    return run_it


def height_of(picture: Path) -> int:
    pixels = cv2.imread(str(picture))
    assert pixels is not None
    return len(pixels)


def test_the_demo_writes_a_video_a_timeline_and_a_table_and_prints_a_summary(run_demo: Callable[..., Demo]) -> None:
    finished = run_demo()
    demo, output = finished.result, finished.output
    assert demo.returncode == 0, demo.stdout + demo.stderr

    video_info = probe(output / "overlay.mp4")
    assert (video_info.size, video_info.rate) == ((96, 128), RATE)
    assert 1 <= video_info.frames <= FRAMES
    assert height_of(output / "timeline.png") > 100
    assert height_of(output / "first_frame.png") > 300
    rows = list(csv.DictReader((output / "tracks.csv").open()))
    assert rows
    assert {row["id"] for row in rows} == {"1"}
    assert [int(row["frame"]) for row in rows] == sorted({int(row["frame"]) for row in rows})
    assert all(0 <= float(row["stamp"]) < FRAMES / RATE for row in rows)

    assert re.search(r"frames +\d+ in, \d+ processed, \d+ dropped", demo.stdout)
    for part in ("128x96 pixels", "frames/s", "latency", "median", "p99", "object 1 started", "overlay.mp4"):
        assert part in demo.stdout
    assert "\r" not in demo.stdout + demo.stderr, "a bar is for terminals"
    assert len(demo.stdout.splitlines()) < 40


@pytest.mark.slow
def test_a_killed_demo_leaves_no_process_behind(long_video: Path, weights: Path, tmp_path: Path) -> None:
    def running() -> list[int]:
        """The processes that have these weights on their command line."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has just ended
                found += [int(process.name)] if str(own_weights).encode() in (process / "cmdline").read_bytes() else []
        return found

    own_weights = tmp_path / "own.safetensors"
    own_weights.symlink_to(weights)
    command = demo_command("--video", long_video, "--click", "20,45", "--checkpoint", own_weights, "--output", tmp_path)
    environment = in_domain(next(_domains))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as demo:
        assert demo.stdout is not None
        assert any(line.startswith("loading") for line in demo.stdout)
        assert len(running()) == 2
        demo.kill()
    for _ in range(100):
        if not running():
            return
        time.sleep(0.1)
    raise AssertionError(f"still running: {running()}")


def test_a_domain_that_is_no_number_is_named(run_demo: Callable[..., Demo]) -> None:
    demo = run_demo(domain="abc").result
    assert demo.returncode == 1
    assert "ROS cannot start" in demo.stderr and "ROS_DOMAIN_ID" in demo.stderr
    assert "Traceback" not in demo.stderr


@pytest.mark.slow
def test_what_is_not_discovered_over_dds_is_awaited_by_a_new_participant(run_demo: Callable[..., Demo]) -> None:
    finished = run_demo(_DISCOVERY_TIMEOUTS=(0.1, 120.0, 120.0))  # it takes longer than 0.1 s
    demo = finished.result
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "not found over DDS: the tracker (attempt 1 of 3), connecting again" in demo.stdout
    assert list(csv.DictReader((finished.output / "tracks.csv").open()))


def test_what_is_never_discovered_over_dds_is_named_with_what_to_try(run_demo: Callable[..., Demo]) -> None:
    demo = run_demo(_DISCOVERY_TIMEOUTS=(0.1,)).result
    assert demo.returncode == 1
    assert "not found over DDS: the tracker" in demo.stderr
    assert "FASTDDS_BUILTIN_TRANSPORTS=DEFAULT make demo" in demo.stderr


@pytest.mark.slow
def test_an_interrupted_demo_keeps_its_recording_and_locks_its_folder(
    long_video: Path, weights: Path, tmp_path: Path
) -> None:
    arguments = ("--video", long_video, "--click", "20,45", "--checkpoint", weights)
    domain = next(_domains)
    command = demo_command(*arguments, "--output", tmp_path)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=in_domain(domain)) as demo:
        assert demo.stdout is not None
        said = [next(line for line in demo.stdout if line.startswith("camera"))]  # it is in the middle

        second = run(command, domain)
        assert second.returncode == 1
        assert f"another demo writes to {tmp_path}" in second.stderr
        for timeout in (2.0, 0.0):  # without time the running tracker is discovered beside the second one
            other = impatient_command({"_RUNNING_NODE_TIMEOUT": timeout}, *arguments, "--output", tmp_path / "other")
            second = run(other, domain)
            assert second.returncode == 1
            assert f"a node sam2_tracker runs already in ROS domain {domain}" in second.stderr

        demo.send_signal(signal.SIGINT)
        said += demo.stdout.readlines()
        assert demo.wait(60) == 128 + signal.SIGINT
    assert f"recorded until now in {tmp_path}: overlay.mp4, timeline.png, tracks.csv" in said[-1]
    assert len(list(read_frames(tmp_path / "overlay.mp4"))) > 10
    assert len((tmp_path / "tracks.csv").read_text().splitlines()) > 2
    assert (tmp_path / "timeline.png").stat().st_size > 0


@pytest.mark.slow
def test_a_tracker_that_cannot_start_ends_the_demo_with_its_log(run_demo: Callable[..., Demo]) -> None:
    demo = run_demo(checkpoint="/nowhere.pt").result
    assert demo.returncode == 1
    assert "the tracker failed; the end of" in demo.stderr
    assert "checkpoint /nowhere.pt does not exist" in demo.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--video", "/nowhere.mp4"], "video /nowhere.mp4 does not exist"),
        (["--video", __file__], "cannot be read"),
        (["--video", "VIDEO", "--click", "middle"], "click is 'middle', expected X,Y in pixels"),
        (["--video", "VIDEO", "--click=-5,10"], "click -5,10 is outside the video, which has 128x96 pixels"),
        (["--video", "VIDEO", "--model", "huge"], "unknown model 'huge', expected one of"),
        (["--video", "VIDEO", "--output", "/proc/nowhere"], "cannot write to /proc/nowhere"),
        (["--video", "VIDEO", "--output", "VIDEO"], "choose another folder with --output"),
    ],
)
def test_wrong_arguments_are_refused_at_once(
    video: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([str(video) if argument == "VIDEO" else argument for argument in arguments]) == 1
    assert complaint in capsys.readouterr().err


def test_a_click_outside_the_video_is_refused_with_the_first_frame_and_its_pixel_grid(
    video: Path, tmp_path: Path
) -> None:
    assert main(["--video", str(video), "--click", "500,10", "--output", str(tmp_path)]) == 1
    assert height_of(tmp_path / "first_frame.png") > 300


def test_make_passes_arguments_unchanged(tmp_path: Path) -> None:
    program = "import sys; print(sys.argv[1:])"
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "setup.sh").write_text("#!/bin/sh\n")
    (tmp_path / ".ci" / "setup.sh").chmod(0o755)
    (tmp_path / ".ci" / "env.sh").write_text(f'python() {{ {sys.executable} -c {program!r} "${{@:3}}"; }}\n')
    shutil.copy(ROOT / "Makefile", tmp_path)
    name = 'it\'s a "video" of $5; #1.mp4'
    command = ["make", "-s", "-C", str(tmp_path), "demo", f"VIDEO={name}", "CLICK=-5,10"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == f"{[f'--video={name}', '--click=-5,10']}\n", done.stderr
