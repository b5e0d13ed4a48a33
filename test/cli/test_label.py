"""`sam2_ros label` on small recordings, with random weights that answer with real masks."""

import csv
import json
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from pycocotools.coco import COCO

from sam2_ros.cli import main
from sam2_ros.media.video import VideoWriter
from sam2_ros.model import save_weights, seeded_model
from sam2_ros.training.davis import read_dataset

from ..recordings.recorded import (
    COMPRESSED,
    PERIOD,
    SECOND,
    START,
    Entry,
    after_gap,
    detections,
    header,
    images,
    prompt,
    write_recording,
)

SIZE, COUNT = (48, 64), 6
PROMPTS = "objects: [{label: ball, prompts: [{frame: 0, clicks: [[30, 20]]}]}]"


def pictures(count: int = COUNT) -> list[np.ndarray]:
    frames = []
    for i in range(count):
        frame = np.random.default_rng(i).integers(0, 100, (*SIZE, 3), np.uint8)
        cv2.circle(frame, (30 + i % 20, 20), 9, (240, 200, 40), -1)
        frames.append(frame)
    return frames


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_weights(seeded_model("nano", seed=1), path, torch.float32)
    return path


@pytest.fixture
def bag(tmp_path: Path) -> Callable[..., Path]:
    """A recording with two cameras, and whatever else is given."""

    def write(*entries: Entry) -> Path:
        left, right = images(pictures(), "/left"), images(pictures(), "/right", COMPRESSED)
        return write_recording(tmp_path / "drive", *left, *right, *entries)

    return write


@pytest.fixture
def arguments(weights: Path, tmp_path: Path) -> list[str]:
    (tmp_path / "prompts.yaml").write_text(PROMPTS)
    model = ["--checkpoint", str(weights), "--image-size", "64", "--device", "cpu"]
    return [*model, "--prompts", str(tmp_path / "prompts.yaml"), "--out", str(tmp_path / "out")]


@pytest.fixture
def label(arguments: list[str]) -> Callable[..., int]:
    def run(recording: Path, *options: str) -> int:
        return main(["label", str(recording), *arguments, *options])

    return run


@pytest.fixture
def complaint(label: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The one line that the command prints when something is wrong."""

    def run(recording: Path, *options: str) -> str:
        assert label(recording, *options) == 1
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("sam2_ros label: ")]
        return line

    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_bag_is_labelled_in_the_formats_asked_for(
    label: Callable[..., int], bag: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert label(bag(), "--topic", "/left", "--format", "coco,mcap") == 0
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {
        *("coco.json", "images", "tracks.mcap", "report.csv", "report.png", "label.json")
    }
    assert len(COCO(out / "coco.json").getImgIds()) == COUNT
    assert "object 1 ball: visible on" in capsys.readouterr().out


def test_several_cameras_have_a_folder_each(
    label: Callable[..., int], bag: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "prompts.yaml").write_text(
        "objects: [{topic: /left, prompts: [{frame: 0, clicks: [[30, 20]]}]},"
        "{topic: /right, label: ball, prompts: [{frame: 3, clicks: [[33, 20]]}]}]"
    )
    assert label(bag(), "--topic", "/left", "--topic", "/right") == 0
    assert (tmp_path / "out" / "left" / "tracks.mcap").is_file()
    rows = list(csv.DictReader((tmp_path / "out" / "right" / "report.csv").open()))
    assert [(row["label"], row["first_frame"], row["frames"]) for row in rows] == [("ball", "3", "3")]


def test_a_video_and_a_folder_of_pictures_are_labelled(label: Callable[..., int], tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "video.mp4", 10.0) as video:
        for frame in pictures():
            video.write(frame)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index, frame in enumerate(pictures()):
        cv2.imwrite(str(folder / f"{index}.png"), frame)
    for recording in (tmp_path / "video.mp4", folder):
        assert label(recording, "--format", "coco", "--every", "2") == 0
        assert COCO(tmp_path / "out" / "coco.json").getImgIds() == [0, 2, 4]


def test_prompts_and_detections_of_the_recording_are_used(
    arguments: list[str], bag: Callable[..., Path], tmp_path: Path
) -> None:
    recording = bag(
        prompt([(30, 20)], START + PERIOD, stamp=START, label="ball"),
        *(detections([(21, 11, 39, 29)], START + i * PERIOD) for i in range(COUNT)),
    )
    index = arguments.index("--prompts")
    without = [*arguments[:index], *arguments[index + 2 :]]
    topics = ["--topic", "/left", "--prompts-topic", "/sam2_tracker/prompt", "--detections", "/detections"]
    assert main(["label", str(recording), *without, *topics]) == 0
    (first, *_) = csv.DictReader((tmp_path / "out" / "report.csv").open())
    assert (first["label"], first["first_frame"]) == ("ball", "0")


# ---- corrected


def accept(tasks: Path, frame: int) -> Path:
    """Label Studio's export after somebody has accepted what was found on one frame."""
    exported = json.loads(tasks.read_text())
    for task in exported:
        is_accepted = task["data"]["frame"] == frame
        task["annotations"] = [{"result": task["predictions"][0]["result"]}] if is_accepted else []
    file = tasks.parent.parent / "export.json"
    file.write_text(json.dumps(exported))
    return file


def test_corrections_from_label_studio_are_applied_to_their_camera(
    label: Callable[..., int], arguments: list[str], bag: Callable[..., Path], tmp_path: Path
) -> None:
    recording = bag()
    assert label(recording, "--topic", "/left", "--format", "label-studio") == 0
    export = str(accept(tmp_path / "out" / "label_studio.json", frame=2))
    (first,) = json.loads((tmp_path / "out" / "label_studio.json").read_text())[2]["predictions"]
    assert first["result"]
    index = arguments.index("--prompts")
    alone = [*arguments[:index], *arguments[index + 2 :], "--from-label-studio", export]
    assert main(["label", str(recording), *alone, "--topic", "/left"]) == 0
    (row,) = csv.DictReader((tmp_path / "out" / "report.csv").open())
    assert (row["object"], row["label"], row["first_frame"], row["frames"]) == ("1", "ball", "2", "4")
    assert label(recording, "--topic", "/left", "--from-label-studio", export) == 0
    (row,) = csv.DictReader((tmp_path / "out" / "report.csv").open())
    assert (row["object"], row["first_frame"], row["frames"]) == ("1", "0", "6")


def test_corrections_of_another_camera_are_an_error(
    label: Callable[..., int], complaint: Callable[..., str], bag: Callable[..., Path], tmp_path: Path
) -> None:
    recording = bag()
    assert label(recording, "--topic", "/left", "--format", "label-studio") == 0
    export = str(accept(tmp_path / "out" / "label_studio.json", frame=2))
    line = complaint(recording, "--topic", "/right", "--from-label-studio", export)
    assert "--from-label-studio holds no annotated image of drive /right" in line


# ---- repeated


def test_a_camera_that_is_complete_is_kept_and_one_with_other_settings_is_labelled_again(
    label: Callable[..., int], bag: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = bag()
    file = tmp_path / "out" / "tracks.mcap"
    assert label(recording, "--topic", "/left") == 0
    first = file.stat().st_ino
    assert label(recording, "--topic", "/left") == 0
    assert file.stat().st_ino == first
    assert "complete already" in capsys.readouterr().out
    (tmp_path / "prompts.yaml").write_text(PROMPTS.replace("30, 20", "31, 20"))
    assert label(recording, "--topic", "/left") == 0
    assert "complete already" not in capsys.readouterr().out


def test_a_folder_of_another_version_is_labelled_again(
    label: Callable[..., int], bag: Callable[..., Path], tmp_path: Path
) -> None:
    recording = bag()
    assert label(recording, "--topic", "/left") == 0
    file = tmp_path / "out" / "label.json"
    file.write_text(json.dumps({"settings": json.loads(file.read_text())["settings"], "is_done": True}))
    assert label(recording, "--topic", "/left") == 0
    assert json.loads(file.read_text())["is_finished"]


@pytest.mark.parametrize("content", ["[]", "{}", "text"])
def test_a_label_json_of_somebody_else_is_not_overwritten(
    complaint: Callable[..., str], bag: Callable[..., Path], tmp_path: Path, content: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "label.json").write_text(content)
    assert "label.json exists and is not from an earlier run" in complaint(bag(), "--topic", "/left")
    assert (tmp_path / "out" / "label.json").read_text() == content


def run_apart(arguments: list[str], recording: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sam2_ros", "label", str(recording), *arguments, *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


FORMATS = ("--topic", "/camera", "--format", "mcap,coco,yolo,davis,label-studio")


@pytest.mark.slow
def test_a_run_that_was_killed_is_repeated_with_equal_results(
    arguments: list[str], label: Callable[..., int], tmp_path: Path
) -> None:
    recording = write_recording(tmp_path / "long", *images(pictures(60)))
    out = tmp_path / "out"
    process = run_apart(arguments, recording, *FORMATS)
    wait_for(lambda: (out / "images" / "000005.jpg").exists())
    process.kill()
    process.communicate()
    assert not json.loads((out / "label.json").read_text())["is_finished"]
    assert label(recording, *FORMATS) == 0
    repeated = contents(out)
    shutil.rmtree(out)
    assert label(recording, *FORMATS) == 0
    assert repeated == contents(out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_completes_its_files_and_is_repeated_later(
    arguments: list[str], label: Callable[..., int], tmp_path: Path, number: signal.Signals
) -> None:
    recording = write_recording(tmp_path / "long", *images(pictures(60)))
    out = tmp_path / "out"
    process = run_apart(arguments, recording, *FORMATS)
    wait_for(lambda: (out / "images" / "000005.jpg").exists())
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert f"sam2_ros label: stopped by {number.name} after" in errors
    done = len(COCO(out / "coco.json").getImgIds())
    assert 5 < done < 60
    assert len(list((out / "davis" / "Annotations" / "long_camera").iterdir())) == done
    assert label(recording, *FORMATS) == 0
    assert len(COCO(out / "coco.json").getImgIds()) == 60


# ---- in parts


def write_with_gap(folder: Path, count: int = 12) -> Path:
    """A gap before the seventh image."""
    return write_recording(folder, *after_gap(images(pictures(count)), 6, 60 * SECOND))


def found_in(folder: Path) -> list[dict[str, object]]:
    """COCO's annotations, without numbers that count from the first one of the file."""
    annotations = json.loads((folder / "coco.json").read_text())["annotations"]
    return [{name: value for name, value in found.items() if name != "id"} for found in annotations]


SPLIT = ("--topic", "/camera", "--format", "coco,mcap,davis", "--split-gaps", "5")


def test_parts_have_the_labels_of_the_whole_up_to_a_gap_and_of_a_recording_that_begins_after_it(
    label: Callable[..., int], tmp_path: Path
) -> None:
    clicks = "{frame: 0, clicks: [[30, 20]]}, {frame: 7, clicks: [[37, 20]]}"
    (tmp_path / "prompts.yaml").write_text(f"objects: [{{label: ball, prompts: [{clicks}]}}]")
    assert label(write_with_gap(tmp_path / "drive"), *SPLIT) == 0
    first, second = (found_in(tmp_path / "out" / f"part_{number}") for number in (1, 2))
    assert {found["track_id"] for found in (*first, *second)} == {1}
    davis = tmp_path / "out" / "part_2" / "davis" / "Annotations" / "drive_camera_part_2"
    assert sorted(path.name for path in davis.iterdir()) == [f"{number:06d}.png" for number in range(7, 12)]
    shutil.rmtree(tmp_path / "out")

    assert label(tmp_path / "drive", *SPLIT[:-2]) == 0
    whole = found_in(tmp_path / "out")
    assert [found for found in whole if found["image_id"] < 6] == first != []  # type: ignore[operator]
    assert [found for found in whole if found["image_id"] >= 6] != second  # type: ignore[operator]

    (tmp_path / "prompts.yaml").write_text("objects: [{label: ball, prompts: [{frame: 1, clicks: [[37, 20]]}]}]")
    rest = write_recording(tmp_path / "rest", *images(pictures(12))[6:])
    assert label(rest, *SPLIT) == 0
    alone = [{**found, "image_id": found["image_id"] + 6} for found in found_in(tmp_path / "out")]  # type: ignore[operator]
    assert alone == second != []


def test_a_part_that_is_complete_is_kept_and_another_one_labelled_again(
    label: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = write_with_gap(tmp_path / "drive")
    assert label(recording, *SPLIT) == 0
    errors = capsys.readouterr().err
    assert errors.count("warning: part_2 has no prompt: nothing is labelled in it") == 1
    before = contents(tmp_path / "out")
    (tmp_path / "out" / "part_2" / "label.json").unlink()
    shutil.rmtree(tmp_path / "out" / "part_2")
    assert label(recording, *SPLIT) == 0
    assert capsys.readouterr().out.count("complete already") == 1
    assert contents(tmp_path / "out") == before


def test_a_recording_without_such_a_gap_is_not_split(label: Callable[..., int], tmp_path: Path) -> None:
    assert label(write_with_gap(tmp_path / "drive"), *SPLIT[:-1], "61") == 0
    assert (tmp_path / "out" / "tracks.mcap").is_file()


def test_a_video_is_not_split(complaint: Callable[..., str], tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "video.mp4", 10.0) as video:
        video.write(pictures()[0])
    assert "gaps are those of bags: leave --split-gaps out" in complaint(tmp_path / "video.mp4", "--split-gaps", "5")


# ---- bad input


def test_a_cut_off_bag_is_labelled_as_far_as_it_goes(
    label: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 240, 320, 3), np.uint8)
    recording = write_recording(tmp_path / "drive", *images(noise))
    file = recording / "drive.mcap"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert label(recording, "--topic", "/camera", "--format", "coco") == 0
    assert 10 <= len(COCO(tmp_path / "out" / "coco.json").getImgIds()) <= 15
    assert "is cut off" in capsys.readouterr().err


def test_a_picture_that_ends_a_folder_ends_the_labels_there(
    label: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index, frame in enumerate(pictures()):
        cv2.imwrite(str(folder / f"{index}.png"), frame)
    (folder / "4.png").write_bytes(b"damaged")
    assert label(folder, "--format", "coco") == 1
    assert COCO(tmp_path / "out" / "coco.json").getImgIds() == [0, 1, 2, 3]
    assert "labelling ends after 4 frames: picture" in capsys.readouterr().err


def test_a_prompt_for_a_frame_that_does_not_exist_fails_but_the_others_are_labelled(
    label: Callable[..., int], bag: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "prompts.yaml").write_text(
        PROMPTS[:-1] + ", {label: cup, prompts: [{frame: 100, box: [1, 2, 30, 40]}]}]"
    )
    assert label(bag(), "--topic", "/left", "--format", "coco") == 1
    assert "object 2 for frame 100 is not used: there is no such image" in capsys.readouterr().err
    assert len(COCO(tmp_path / "out" / "coco.json").getImgIds()) == COUNT
    _, cup = csv.DictReader((tmp_path / "out" / "report.csv").open())
    assert (cup["object"], cup["label"], cup["frames"]) == ("2", "cup", "0")


def test_images_that_change_their_size_or_cannot_be_read_and_stamps_that_go_back_are_warnings(
    label: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = [frame if i < 8 else cv2.resize(frame, None, fx=1.5, fy=1.5) for i, frame in enumerate(pictures(12))]
    entries = images(frames, "/left", COMPRESSED)
    entries[3].message.data = entries[3].message.data[:20]
    for i in range(6, 12):
        entries[i].message.header.stamp = header(START + (i - 6) * PERIOD).stamp
    recording = write_recording(tmp_path / "drive", *entries)
    assert label(recording, "--topic", "/left", "--format", "mcap,coco,yolo,davis,label-studio") == 0
    errors = capsys.readouterr().err
    for problem in ("/left: image 3 is left out", "the stamp of image 6", "the images' size changes at image 8"):
        assert f"warning: {problem}" in errors
    coco = COCO(tmp_path / "out" / "coco.json")
    assert coco.getImgIds() == [0, 1, 2, *range(4, 12)]
    assert {(found["height"], found["width"]) for found in coco.loadImgs(range(8, 12))} == {(72, 96)}
    (row,) = csv.DictReader((tmp_path / "out" / "report.csv").open())
    assert row["frames"] == "11"


def test_a_prompted_object_that_is_never_seen_is_in_the_report(
    arguments: list[str], bag: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blind = tmp_path / "blind.safetensors"
    save_weights(seeded_model("nano", seed=1, occlusion_bias=-50.0), blind, torch.float32)
    arguments[arguments.index("--checkpoint") + 1] = str(blind)
    assert main(["label", str(bag()), "--topic", "/left", *arguments]) == 0
    assert f"object 1 ball: visible on 0 of {COUNT} frames" in capsys.readouterr().out
    (row,) = csv.DictReader((tmp_path / "out" / "report.csv").open())
    assert (row["frames"], row["visible"]) == (str(COUNT), "0")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ([], "--topic is missing; topics with images in .*drive: /left, /right"),
        (["--topic", "/none"], r"drive has no topic /none; its topics are: /left \(sensor_msgs"),
        (["--topic", "/detections"], "/detections has the type vision_msgs"),
        (["--topic", "/left", "--detections", "/left"], "/left has the type sensor_msgs/msg/Image, expected vision"),
        (["--topic", "/left", "--prompts-topic", "/left"], "/left has the type sensor_msgs/msg/Image, expected sam2"),
        (
            ["--topic", "/left", "--topic", "/right", "--detections", "/detections"],
            "--detections is given 1 times, expected",
        ),
        (["--topic", "/left", "--topic", "/left"], "two would be written to one folder"),
        (["--topic", "/left", "--topic", "/right"], "object 1 has no topic"),
        (["--topic", "/left", "--fps", "10"], "--fps is for a folder of pictures"),
    ],
)
def test_what_does_not_fit_the_bag_is_an_error_before_anything_is_written(
    complaint: Callable[..., str], bag: Callable[..., Path], tmp_path: Path, options: list[str], problem: str
) -> None:
    assert re.search(problem, complaint(bag(detections([], START)), *options))
    assert not (tmp_path / "out" / "tracks.mcap").exists()


@pytest.mark.parametrize("limit", [7_000, 20_000])
def test_a_full_disk_ends_the_run_with_one_line_and_keeps_what_was_labelled(
    complaint: Callable[..., str], tmp_path: Path, limit: int
) -> None:
    recording = write_recording(tmp_path / "drive", *images(pictures(60)))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        line = complaint(recording, "--topic", "/camera", "--format", "mcap,coco,davis")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    out = tmp_path / "out"
    assert str(out) in line
    assert "File too large" in line
    (sequence,) = read_dataset(out / "davis")
    assert len(list(sequence.frames())) > 5
    assert (out / "report.csv").stat().st_size > 50
    assert not json.loads((out / "label.json").read_text())["is_finished"]


def test_a_recording_that_does_not_exist_or_a_topic_of_a_video_is_an_error(
    complaint: Callable[..., str], tmp_path: Path
) -> None:
    assert "does not exist" in complaint(tmp_path / "none")
    with VideoWriter(tmp_path / "video.mp4", 10.0) as video:
        video.write(pictures()[0])
    assert "is no ROS 2 bag" in complaint(tmp_path / "video.mp4", "--topic", "/left")


def test_files_of_somebody_else_and_the_input_are_not_overwritten(
    complaint: Callable[..., str], bag: Callable[..., Path], tmp_path: Path
) -> None:
    recording = bag()
    (tmp_path / "out" / "labels").mkdir(parents=True)
    assert "labels exists and is not from an earlier run" in complaint(recording, "--topic", "/left")
    shutil.rmtree(tmp_path / "out")
    folder = tmp_path / "out" / "images"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "0.png"), pictures()[0])
    assert "would overwrite" in complaint(folder)
    assert (folder / "0.png").exists()


def test_a_mask_in_the_output_folder_is_not_overwritten(
    complaint: Callable[..., str], bag: Callable[..., Path], tmp_path: Path
) -> None:
    mask = tmp_path / "out" / "images" / "mask.png"
    mask.parent.mkdir(parents=True)
    cv2.imwrite(str(mask), np.eye(SIZE[0], SIZE[1], dtype=np.uint8) * 255)
    (tmp_path / "prompts.yaml").write_text("objects: [{prompts: [{frame: 0, mask: out/images/mask.png}]}]")
    assert f"would overwrite {mask}" in complaint(bag(), "--topic", "/left")
    assert mask.exists()


def test_a_topic_without_a_readable_image_is_labelled_with_nothing(
    label: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = images(pictures(), "/left", COMPRESSED)
    for entry in entries:
        entry.message.data = entry.message.data[:10]
    recording = write_recording(tmp_path / "drive", *entries)
    assert label(recording, "--topic", "/left", "--format", "mcap,coco,yolo,davis,label-studio") == 1
    errors = capsys.readouterr().err
    assert "/left: image 0 is left out" in errors
    assert "(and 5 more like this)" in errors
    assert "object 1 for frame 0 is not used: there is no such image; there are no images" in errors
    assert COCO(tmp_path / "out" / "coco.json").getImgIds() == []


def test_nothing_to_label_is_an_error(
    weights: Path, bag: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["label", str(bag()), "--topic", "/left"]) == 1
    assert "nothing to label, expected --prompts YAML" in capsys.readouterr().err
