"""`sam2_ros track` on a small video, with random weights that answer with real masks."""

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from sam2_ros.cli import main
from sam2_ros.model import save_weights, seeded_model
from sam2_ros.tracking.video import VideoWriter, probe

SIZE, COUNT = (48, 64), 6
CLICK = ["--click", "30,20"]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    with VideoWriter(path, rate=10.0) as writer:
        for i in range(COUNT):
            frame = np.random.default_rng(i).integers(0, 100, (*SIZE, 3), np.uint8)
            cv2.circle(frame, (30 + i, 20), 9, (240, 200, 40), -1)
            writer.write(frame)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_weights(seeded_model("nano", seed=1), path, torch.float32)
    return path


@pytest.fixture
def track(video: Path, weights: Path, tmp_path: Path) -> Callable[..., int]:
    """Runs the command on the video, into `out` beside the test's own files."""

    def run(*options: str, video: Path = video) -> int:
        model = ["--checkpoint", str(weights), "--image-size", "64", "--device", "cpu"]
        return main(["track", str(video), *model, "--out", str(tmp_path / "out"), *options])

    return run


@pytest.fixture
def complaint(track: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command with something wrong; the one line that it prints."""

    def run(*options: str, **other: Path) -> str:
        assert track(*options, **other) == 1
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("sam2_ros track: ")]
        assert len(lines) == 1
        return lines[0]

    return run


def table(tmp_path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((tmp_path / "out" / "tracks.csv").open()))


# ---- what it leaves behind


def test_leaves_a_video_labels_a_table_and_a_timeline(track: Callable[..., int], tmp_path: Path) -> None:
    assert track(*CLICK) == 0
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["labels", "overlay.mp4", "timeline.png", "tracks.csv"]
    info = probe(out / "overlay.mp4")
    assert (info.size, info.frames, info.rate) == (SIZE, COUNT, pytest.approx(10.0))
    assert sorted(path.name for path in (out / "labels").iterdir()) == [f"{i:06d}.png" for i in range(COUNT)]
    assert cv2.imread(str(out / "timeline.png")) is not None


def test_labels_and_table_agree(track: Callable[..., int], tmp_path: Path) -> None:
    track(*CLICK)
    rows = table(tmp_path)
    assert [row["frame"] for row in rows] == [str(i) for i in range(COUNT)]
    assert [float(row["stamp"]) for row in rows] == pytest.approx([i / 10 for i in range(COUNT)])
    for row in rows:
        labels = cv2.imread(str(tmp_path / "out" / "labels" / f"{int(row['frame']):06d}.png"), cv2.IMREAD_UNCHANGED)
        assert labels.shape == SIZE
        assert (labels == 1).sum() == int(row["area"]) > 0


def test_sums_up_speed_objects_and_events(track: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    track("--object", "ball", *CLICK)
    out = capsys.readouterr().out
    assert f"{COUNT} frames, " in out and "frames/s" in out and "on cpu" in out
    assert f"object 1 ball: visible on {COUNT} of {COUNT} frames" in out
    assert "0.00 s object 1 started" in out


def test_stops_where_it_is_told_to(track: Callable[..., int], tmp_path: Path) -> None:
    track(*CLICK)
    track(*CLICK, "--max-frames", "2")
    assert len(table(tmp_path)) == 2
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 2  # none of the longer run before


def test_is_a_command_of_its_own(video: Path, weights: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sam2_ros", "track", video, *CLICK, "--max-frames", "1", "--image-size", "64"]
    options = ["--checkpoint", weights, "--device", "cpu"]
    subprocess.run([*command, *options], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "track_out" / "overlay.mp4").is_file()


# ---- prompts


def test_a_box_and_a_mask_start_objects_too(track: Callable[..., int], tmp_path: Path) -> None:
    mask = np.zeros(SIZE, np.uint8)
    mask[10:30, 20:40] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    track("--object", "boxed", "--box", "20,10,40,30", "--object", "painted", "--mask", str(tmp_path / "mask.png"))
    first = table(tmp_path)[:2]
    assert [(row["id"], row["label"]) for row in first] == [("1", "boxed"), ("2", "painted")]
    assert 300 < int(first[1]["area"]) < 500  # the mask itself, through the network's resolution


def test_every_object_has_its_own_prompts(track: Callable[..., int], tmp_path: Path) -> None:
    track("--click", "30,20", "--click", "5,40,0", "--object", "--click", "10,10")
    together = [row["area"] for row in table(tmp_path) if row["id"] == "1"]
    track("--click", "30,20", "--click", "5,40,0")
    assert [row["area"] for row in table(tmp_path)] == together


def test_a_negative_click_counts(track: Callable[..., int], tmp_path: Path) -> None:
    areas = []
    for clicks in (["--click", "30,20,1"], ["--click", "30,20,1", "--click", "32,22,0"]):
        track(*clicks)
        areas.append(table(tmp_path)[0]["area"])
    assert areas[0] != areas[1]


def test_an_object_can_start_later(track: Callable[..., int], tmp_path: Path) -> None:
    track(*CLICK, "--object", "late", "--at", "3", "--click", "10,10")
    assert [row["frame"] for row in table(tmp_path) if row["label"] == "late"] == ["3", "4", "5"]
    assert [row["frame"] for row in table(tmp_path) if row["id"] == "1"] == [str(i) for i in range(COUNT)]


def test_objects_start_by_frame_and_not_by_their_order(track: Callable[..., int], tmp_path: Path) -> None:
    track("--object", "late", "--at", "3", *CLICK, "--object", "early", "--click", "10,10")
    assert [row["label"] for row in table(tmp_path) if row["frame"] == "0"] == ["early"]
    assert {row["label"] for row in table(tmp_path) if row["frame"] == "3"} == {"early", "late"}


def test_a_correction_changes_what_follows_and_nothing_before(track: Callable[..., int], tmp_path: Path) -> None:
    track(*CLICK)
    plain = [row["area"] for row in table(tmp_path)]
    track(*CLICK, "--at", "3", "--click", "50,40,0")
    corrected = [row["area"] for row in table(tmp_path)]
    assert corrected[:3] == plain[:3]
    assert all(a != b for a, b in zip(corrected[3:], plain[3:]))
    assert {row["id"] for row in table(tmp_path)} == {"1"}


# ---- what the user can put right


def test_no_prompt(complaint: Callable[..., str]) -> None:
    assert "nothing to follow, expected a prompt" in complaint()


def test_an_object_without_prompt(complaint: Callable[..., str]) -> None:
    assert "object 1 has no prompt" in complaint("--object", "a", "--object", "b", *CLICK)
    assert "object 2 has no prompt" in complaint(*CLICK, "--object", "b", "--at", "3")


def test_a_click_outside(complaint: Callable[..., str], tmp_path: Path) -> None:
    assert "frame 2: click (64, 20) is outside the image" in complaint("--at", "2", "--click", "64,20")
    assert not (tmp_path / "out").exists()  # found before anything is written


def test_a_box_without_extent(complaint: Callable[..., str]) -> None:
    assert "box (40, 10, 20, 30) is empty" in complaint("--box", "40,10,20,30")


def test_two_boxes_for_one_object(complaint: Callable[..., str]) -> None:
    assert "a second --box" in complaint("--box", "1,1,9,9", "--box", "2,2,8,8")


def test_a_mask_of_another_size(complaint: Callable[..., str], tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "mask.png"), np.full((10, 10), 255, np.uint8))
    assert "mask has shape (10, 10), expected" in complaint("--mask", str(tmp_path / "mask.png"))


def test_a_mask_that_is_black_or_missing(complaint: Callable[..., str], tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "mask.png"), np.zeros(SIZE, np.uint8))
    assert "mask is empty" in complaint("--mask", str(tmp_path / "mask.png"))
    assert "nowhere.png does not exist" in complaint("--mask", str(tmp_path / "nowhere.png"))


def test_a_mask_beside_a_click(complaint: Callable[..., str], tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "mask.png"), np.full(SIZE, 255, np.uint8))
    assert "expected a mask alone" in complaint("--mask", str(tmp_path / "mask.png"), *CLICK)


def test_a_frame_that_the_video_lacks(complaint: Callable[..., str]) -> None:
    assert "frame 6, but only frames 0 to 5 are tracked" in complaint(*CLICK, "--at", "6", *CLICK)
    assert "only frames 0 to 2 are tracked" in complaint("--max-frames", "3", "--at", "3", *CLICK)


def test_a_video_that_is_missing_or_none(complaint: Callable[..., str], weights: Path, tmp_path: Path) -> None:
    assert "nowhere.mp4 does not exist" in complaint(*CLICK, video=tmp_path / "nowhere.mp4")
    assert "cannot be read" in complaint(*CLICK, video=weights)


def test_a_checkpoint_of_another_model(complaint: Callable[..., str]) -> None:
    assert "is for model nano, not sam2.1_hiera_tiny" in complaint(*CLICK, "--model", "sam2.1_hiera_tiny")


def test_a_size_that_the_model_does_not_take(complaint: Callable[..., str]) -> None:
    assert "image_size is 100" in complaint(*CLICK, "--image-size", "100")


@pytest.mark.parametrize("device, problem", [("cuda:99", "sees"), ("tpu", "expected auto"), ("cpu:x", "expected auto")])
def test_a_device_that_is_not_there(complaint: Callable[..., str], device: str, problem: str) -> None:
    assert problem in complaint(*CLICK, "--device", device)


def test_a_folder_that_cannot_be_made(complaint: Callable[..., str], video: Path) -> None:
    assert "Not a directory" in complaint(*CLICK, "--out", str(video))


@pytest.mark.parametrize(
    "option, value, expected",
    [
        ("--click", "30", "X,Y"),
        ("--click", "30,left", "X,Y"),
        ("--click", "30,20,2", "expected 1 (on the object) or 0"),
        ("--box", "1,2,3", "X0,Y0,X1,Y1"),
        ("--at", "-1", "expected the number of a frame"),
        ("--max-frames", "0", "expected a number from 1 on"),
        ("--model", "huge", "invalid choice"),
    ],
)
def test_an_argument_that_cannot_be_read(
    option: str, value: str, expected: str, track: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        track(*CLICK, f"{option}={value}")
    assert expected in capsys.readouterr().err
