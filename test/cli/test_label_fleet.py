"""`sam2_ros label` on many recordings, in one process and by the workers of a Ray cluster."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sam2_ros.cli import main

from ..recordings.recorded import images, write_recording
from .test_label import contents, pictures, weights  # noqa: F401, a fixture

DRIVES = ("first", "second", "third")
FORMATS = "mcap,coco,yolo,davis,label-studio"
Options = Callable[..., list[str]]
RAY = ("--ray", "local", "--workers", "2")


@pytest.fixture
def recordings(tmp_path: Path) -> list[Path]:
    return [write_recording(tmp_path / name, *images(pictures(12))) for name in DRIVES]


@pytest.fixture
def options(weights: Path, tmp_path: Path) -> Options:  # noqa: F811
    """Arguments that label into a folder of `tmp_path`."""
    objects = ", ".join(
        f"{{recording: {name}, label: ball, prompts: [{{frame: 0, clicks: [[30, 20]]}}]}}" for name in DRIVES
    )
    (tmp_path / "prompts.yaml").write_text(f"objects: [{objects}]")

    def make(out: str, *more: str) -> list[str]:
        model = ["--checkpoint", str(weights), "--image-size", "64", "--device", "cpu", "--topic", "/camera"]
        return [*model, "--prompts", str(tmp_path / "prompts.yaml"), "--out", str(tmp_path / out / "labels"), *more]

    return make


def rows(folder: Path) -> dict[str, dict[str, str]]:
    """The summary, by the recording's name."""
    with (folder / "labels" / "label_summary.csv").open() as file:
        return {Path(row["recording"]).name: row for row in csv.DictReader(file)}


def label_contents(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in contents(folder / "labels").items() if name != "label_summary.csv"}


def run_apart(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "sam2_ros", "label", *arguments], stderr=subprocess.PIPE, text=True)


def wait_for(condition: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def workers_of(process: int) -> list[int]:
    """Ids of the busy workers among the descendants of a process."""
    parents, names = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text().rpartition(")")[2].split()
            names[int(folder.name)] = (folder / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        parents[int(folder.name)] = int(status[1])

    def descends(number: int) -> bool:
        while number and number != process:
            number = parents.get(number, 0)
        return number == process

    return [number for number, name in names.items() if name.startswith(b"ray::Worker.label") and descends(number)]


def test_several_recordings_have_a_folder_each_and_one_that_fails_does_not_stop_the_others(
    recordings: list[Path], options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_recording(tmp_path / "other", *images(pictures(3), "/elsewhere"))
    given = [str(recordings[0]), str(tmp_path / "other"), str(tmp_path / "none"), str(recordings[1])]
    assert main(["label", *given, *options("here")]) == 1
    assert {name: row["status"] for name, row in rows(tmp_path / "here").items()} == {
        "first": "complete",
        "other": "failed",
        "none": "failed",
        "second": "complete",
    }
    assert "has no topic /camera; its topics are: /elsewhere" in rows(tmp_path / "here")["other"]["why"]
    assert "does not exist" in rows(tmp_path / "here")["none"]["why"]
    assert (tmp_path / "here" / "labels" / "second" / "tracks.mcap").is_file()
    assert "2 complete, 2 failed" in capsys.readouterr().out


def test_recordings_of_one_name_and_objects_of_no_recording_are_errors(
    recordings: list[Path], options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sub").mkdir()
    twin = write_recording(tmp_path / "sub" / "first", *images(pictures(3)))
    assert main(["label", str(recordings[0]), str(twin), *options("out")]) == 1
    assert "two recordings have one name" in capsys.readouterr().err
    (tmp_path / "prompts.yaml").write_text("objects: [{prompts: [{frame: 0, clicks: [[30, 20]]}]}]")
    assert main(["label", *map(str, recordings), *options("out")]) == 1
    assert "an object of --prompts has no recording" in capsys.readouterr().err


def test_a_cluster_gives_the_very_files_of_a_single_process_and_keeps_them_in_a_second_run(
    recordings: list[Path], options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_recording(tmp_path / "other", *images(pictures(3), "/elsewhere"))
    given = [*map(str, recordings), str(tmp_path / "other"), "--format", FORMATS]
    assert main(["label", *given, *options("here")]) == 1
    assert main(["label", *given, *options("there", *RAY)]) == 1
    here, there = label_contents(tmp_path / "here"), label_contents(tmp_path / "there")
    assert len(here) > 100
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == []
    assert rows(tmp_path / "there")["other"]["status"] == "failed"
    assert "has no topic /camera" in rows(tmp_path / "there")["other"]["why"]
    capsys.readouterr()
    assert main(["label", *given, *options("there", *RAY)]) == 1
    assert capsys.readouterr().out.count("complete already") == len(DRIVES)


@pytest.mark.slow
def test_the_job_of_a_killed_worker_is_repeated_with_equal_results(options: Options, tmp_path: Path) -> None:
    given = [str(write_recording(tmp_path / name, *images(pictures(60)))) for name in DRIVES]
    given += ["--format", FORMATS]
    assert main(["label", *given, *options("here")]) == 0
    process = run_apart([*given, *options("there", *RAY)])
    out = tmp_path / "there" / "labels"
    wait_for(lambda: process.poll() is not None or any(out.glob(".*.attempt-*/images/000003.jpg")))
    victims = workers_of(process.pid)
    assert victims
    os.kill(victims[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    here, there = label_contents(tmp_path / "here"), label_contents(tmp_path / "there")
    assert here.keys() == there.keys()  # nothing is left of the attempt that was killed
    assert [name for name in here if here[name] != there[name]] == []


@pytest.mark.slow
def test_an_interrupted_cluster_keeps_what_is_complete_and_nothing_else(options: Options, tmp_path: Path) -> None:
    given = [str(write_recording(tmp_path / "first", *images(pictures(400))))]
    (tmp_path / "prompts.yaml").write_text("objects: [{prompts: [{frame: 0, clicks: [[30, 20]]}]}]")
    process = run_apart([*given, *options("out", *RAY), "--format", "coco"])
    out = tmp_path / "out"
    wait_for(lambda: process.poll() is not None or any(out.glob(".*.attempt-*/images/000003.jpg")))
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGTERM, errors
    assert "stopped by SIGTERM" in errors
    assert [path.name for path in out.iterdir()] == ["labels"]
    assert [path.name for path in (out / "labels").iterdir()] == ["label_summary.csv"]


def test_a_folder_with_other_files_is_not_replaced(recordings: list[Path], options: Options, tmp_path: Path) -> None:
    notes = tmp_path / "out" / "labels" / "first" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    assert main(["label", str(recordings[0]), str(recordings[1]), *options("out", *RAY)]) == 1
    assert "holds notes.txt, which is no label" in rows(tmp_path / "out")["first"]["why"]
    assert rows(tmp_path / "out")["second"]["status"] == "complete"
    assert notes.read_text() == "mine"


def test_without_ray_the_option_says_how_to_install_it(
    recordings: list[Path], options: Options, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["label", str(recordings[0]), *options("out", *RAY)]) == 1
    assert "--ray needs ray" in capsys.readouterr().err
