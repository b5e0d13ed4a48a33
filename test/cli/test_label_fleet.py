"""`sam2_ros label` on many recordings, in one process and by the workers of a Ray cluster."""

import csv
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sam2_ros.cli import main

from ..recordings.recorded import SECOND, after_gap, images, write_recording
from .ray_cluster import Accident, running_cluster
from .test_label import contents, pictures, weights  # noqa: F401, a fixture

DRIVES = ("first", "second", "third")
FORMATS = "mcap,coco,yolo,davis,label-studio"
Options = Callable[..., list[str]]


@pytest.fixture
def recordings(tmp_path: Path) -> list[Path]:
    return [write_recording(tmp_path / name, *images(pictures(12))) for name in DRIVES]


@pytest.fixture
def options(weights: Path, tmp_path: Path) -> Options:  # noqa: F811
    """Arguments that label into a folder of `tmp_path`."""
    objects = ", ".join(
        f"{{recording: {name}, label: ball, prompts: [{{frame: 0, clicks: [[30, 20]]}}, "
        "{frame: 7, clicks: [[37, 20]]}]}"
        for name in DRIVES
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


# ---- on a cluster


@pytest.fixture
def accident(tmp_path_factory: pytest.TempPathFactory) -> Accident:
    return Accident(tmp_path_factory.mktemp("accident"))


def assert_equal(here: dict[str, bytes], there: dict[str, bytes]) -> None:
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == []


def write_with_gap(folder: Path) -> Path:
    """A recording with a gap before the seventh of twelve images."""
    return write_recording(folder, *after_gap(images(pictures(12)), 6, 60 * SECOND))


@pytest.mark.slow
def test_workers_of_this_machine_give_the_very_files_of_a_single_process_although_one_is_killed(
    recordings: list[Path],
    options: Options,
    accident: Accident,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One of four recordings is complete already, one is split, one cannot be labelled and one not be written."""
    shutil.rmtree(recordings[1])
    write_with_gap(recordings[1])
    write_recording(tmp_path / "other", *images(pictures(3), "/elsewhere"))
    given = [*map(str, recordings), str(tmp_path / "other"), "--split-gaps", "5", "--format", FORMATS]
    assert main(["label", *given, *options("here")]) == 1
    here, there = tmp_path / "here" / "labels", tmp_path / "there" / "labels"
    assert {path.name for path in (here / "second").iterdir()} == {"part_1", "part_2"}
    shutil.copytree(here / "first", there / "first")
    (there / "third").mkdir()
    (there / "third" / "notes.txt").write_text("mine")
    capsys.readouterr()

    monkeypatch.setenv("PYTHONPATH", accident.python_path)
    accident.kill_a_worker_at("000009.jpg")  # of the second part
    assert main(["label", *given, *options("there", "--ray", "local", "--workers", "2")]) == 1
    assert accident.has_happened()
    assert capsys.readouterr().out.count("complete already") == 1
    found = rows(tmp_path / "there")
    assert {name: row["status"] for name, row in found.items()} == {
        **{"first": "complete", "second": "complete", "third": "failed", "other": "failed"},
    }
    assert "has no topic /camera" in found["other"]["why"]
    assert "holds notes.txt, which is no label" in found["third"]["why"]
    assert [path.name for path in (there / "third").iterdir()] == ["notes.txt"]
    for folder in (here, there):
        shutil.rmtree(folder / "third")
    assert len(label_contents(tmp_path / "here")) > 50
    assert_equal(label_contents(tmp_path / "here"), label_contents(tmp_path / "there"))  # no attempt has left anything


@pytest.mark.slow
def test_an_interrupted_cluster_keeps_what_is_complete_and_nothing_else(
    options: Options, accident: Accident, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(write_with_gap(tmp_path / "first")), "--split-gaps", "5", "--format", FORMATS]
    (tmp_path / "prompts.yaml").write_text("objects: [{prompts: [{frame: 0, clicks: [[30, 20]]}]}]")
    assert main(["label", *given, *options("here")]) == 0
    done, out = tmp_path / "here" / "labels" / "part_1", tmp_path / "there" / "labels"
    shutil.copytree(done, out / "part_1")
    accident.stop_this_process_at("000009.jpg")
    with running_cluster(accident) as address:
        code = main(["label", *given, *options("there", "--ray", address, "--workers", "1")])
    assert accident.has_happened()
    assert code == 128 + signal.SIGTERM
    assert "stopped by SIGTERM" in capsys.readouterr().err
    assert {path.name for path in out.iterdir()} == {"part_1", "label_summary.csv"}
    assert contents(out / "part_1") == contents(done)


def test_an_address_without_a_cluster_is_an_error(
    recordings: list[Path], options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["label", str(recordings[0]), *options("out", "--ray", "nowhere")]) == 1
    assert "--ray nowhere: no cluster answers" in capsys.readouterr().err


def test_without_ray_the_option_says_how_to_install_it(
    recordings: list[Path], options: Options, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["label", str(recordings[0]), *options("out", "--ray", "local")]) == 1
    assert "--ray needs ray" in capsys.readouterr().err
