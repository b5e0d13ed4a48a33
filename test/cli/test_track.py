"""`sam2_ros track` on a small video, with random weights that give non-trivial masks."""

import csv
import os
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

from sam2_ros.cli import main
from sam2_ros.media.pictures import read_picture
from sam2_ros.media.table import read_csv
from sam2_ros.media.video import VideoWriter, probe, read_frames
from sam2_ros.model import save_weights, seeded_model

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
def error_line(track: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command with an error of the user; returns the one line that it prints."""

    def run(*options: str, **other: Path) -> str:
        assert track(*options, **other) == 1
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("sam2_ros track: ")]
        assert len(lines) == 1
        return lines[0]

    return run


def table(tmp_path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((tmp_path / "out" / "tracks.csv").open()))


# ---- what it leaves behind


def test_writes_a_video_labels_a_table_and_a_timeline(track: Callable[..., int], tmp_path: Path) -> None:
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
        assert labels is not None
        assert labels.shape == SIZE
        assert (labels == 1).sum() == int(row["area"]) > 0


def test_prints_speed_objects_and_events(track: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    track("--object", "ball", *CLICK)
    out = capsys.readouterr().out
    assert f"{COUNT} frames, " in out and "frames/s" in out and "on cpu" in out
    assert f"object 1 ball: visible on {COUNT} of {COUNT} frames" in out
    assert "0.00 s object 1 started" in out


def test_stops_after_max_frames(track: Callable[..., int], tmp_path: Path) -> None:
    track(*CLICK)
    track(*CLICK, "--max-frames", "2")
    assert len(table(tmp_path)) == 2
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 2  # none of the longer run before


def test_runs_as_a_command(video: Path, weights: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sam2_ros", "track", str(video), *CLICK, "--max-frames", "1", "--image-size", "64"]
    options = ["--checkpoint", str(weights), "--device", "cpu"]
    subprocess.run([*command, *options], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "track_out" / "overlay.mp4").is_file()


# ---- sources


def test_a_video_of_variable_rate_keeps_its_times(track: Callable[..., int], tmp_path: Path) -> None:
    stamps = [0.0, 0.05, 0.1, 0.9, 1.4, 1.45]
    with VideoWriter(tmp_path / "vfr.mp4", rate=20.0) as writer:
        for stamp in stamps:
            writer.write(np.full((*SIZE, 3), 90, np.uint8), stamp)
    assert track(*CLICK, video=tmp_path / "vfr.mp4") == 0
    assert [float(row["stamp"]) for row in table(tmp_path)] == pytest.approx(stamps, abs=1e-4)
    overlay = read_frames(tmp_path / "out" / "overlay.mp4")
    assert [stamp for _, stamp in overlay] == pytest.approx(stamps, abs=1e-4)


def test_a_folder_of_pictures_is_a_video(track: Callable[..., int], video: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i, (rgb, _) in enumerate(read_frames(video)):
        cv2.imwrite(str(pictures / f"{i + 7}.png"), rgb[:, :, ::-1])  # 7 to 12
    assert track(*CLICK, "--fps", "10", video=pictures) == 0
    from_pictures = table(tmp_path)
    track(*CLICK)
    assert from_pictures == table(tmp_path)


def test_a_picture_that_cannot_be_read_ends_the_run_after_those_before(
    error_line: Callable[..., str], tmp_path: Path
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(4):
        cv2.imwrite(str(pictures / f"{i}.png"), np.full((*SIZE, 3), 90, np.uint8))
    (pictures / "2.png").write_bytes(b"no picture")
    assert f"picture {pictures / '2.png'} cannot be read" in error_line(*CLICK, video=pictures)
    assert [row["frame"] for row in table(tmp_path)] == ["0", "1"]
    assert_whole(tmp_path / "out", frames=2)


def test_a_bag_and_a_missing_webcam_are_refused(error_line: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "run.mcap").touch()
    assert "ros2 bag play" in error_line(*CLICK, video=tmp_path / "run.mcap")
    assert "no webcam 6007" in error_line(*CLICK, video=Path("6007"))


def test_fps_is_refused_for_a_video(error_line: Callable[..., str]) -> None:
    assert "--fps is for a folder of pictures" in error_line(*CLICK, "--fps", "10")


def test_file_names_may_have_any_bytes(
    track: Callable[..., int], video: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    odd.mkdir()
    mask = np.zeros(SIZE, np.uint8)
    mask[10:30, 20:40] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    (tmp_path / "mask.png").rename(odd / "mask.png")
    shutil.copy(video, odd / "clip.mp4")
    assert track("--mask", str(odd / "mask.png"), "--out", str(odd / "out"), video=odd / "clip.mp4") == 0
    assert_whole(odd / "out", frames=COUNT)
    assert r"caf\udce9/out: overlay.mp4" in capfd.readouterr().out


# ---- end of a run


def assert_whole(out: Path, frames: int) -> None:
    """Every file of a run of so many frames can be used."""
    assert len(list(read_frames(out / "overlay.mp4"))) == frames
    labels = [read_picture(out / "labels" / f"{i:06d}.png", cv2.IMREAD_UNCHANGED) for i in range(frames)]
    assert all(label is not None for label in labels)
    assert len(list((out / "labels").iterdir())) == frames
    assert {row.frame for row in read_csv(out / "tracks.csv")} == set(range(frames))
    assert read_picture(out / "timeline.png") is not None


@pytest.fixture(scope="module")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    with VideoWriter(path, rate=10.0) as writer:
        for i in range(2000):
            writer.write(np.full((*SIZE, 3), i % 200, np.uint8))
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_complete_files(
    number: signal.Signals, long_video: Path, weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = ["--checkpoint", str(weights), "--device", "cpu", "--image-size", "64", "--out", str(out)]
    command = [sys.executable, "-m", "sam2_ros", "track", str(long_video), *CLICK, *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        while not list(out.glob("labels/00002*.png")):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        _, complaints = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    frames = len(list((out / "labels").iterdir()))
    assert complaints == f"sam2_ros track: stopped by {number.name} after {frames} frames\n"
    assert frames < 2000
    assert_whole(out, frames)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_imports_ends_the_program_silently(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "sam2_ros", "track", "nowhere.mp4"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while "libtorch" not in Path(f"/proc/{process.pid}/maps").read_text():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        _, complaints = process.communicate(timeout=60)
    assert process.returncode in (128 + number, -number)
    assert complaints == ""


def test_a_full_disk_ends_the_run_with_one_line_and_complete_files(
    error_line: Callable[..., str], tmp_path: Path
) -> None:
    with VideoWriter(tmp_path / "noise.mp4", rate=10.0) as writer:
        for i in range(60):
            writer.write(np.random.default_rng(i).integers(0, 256, (*SIZE, 3), np.uint8))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))
    try:
        line = error_line(*CLICK, "--box", "20,10,40,30", video=tmp_path / "noise.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert f"cannot write {tmp_path / 'out' / 'overlay.mp4'}: File too large" in line
    rows = list(read_csv(tmp_path / "out" / "tracks.csv"))
    assert 5 < len(rows) < 60
    assert all(read_picture(label) is not None for label in (tmp_path / "out" / "labels").iterdir())
    assert len(list(read_frames(tmp_path / "out" / "overlay.mp4"))) > 5


def test_files_of_an_earlier_run_are_deleted_before_the_first_frame(
    track: Callable[..., int], error_line: Callable[..., str], video: Path, tmp_path: Path
) -> None:
    track(*CLICK)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(2):
        cv2.imwrite(str(pictures / f"{i}.png"), np.full((*SIZE, 3), 90, np.uint8))
    (pictures / "1.png").write_bytes(b"")
    error_line(*CLICK, video=pictures)
    assert_whole(tmp_path / "out", frames=1)


def test_unrelated_files_are_kept(track: Callable[..., int], tmp_path: Path) -> None:
    track(*CLICK)
    kept = [tmp_path / "out" / "notes.txt", tmp_path / "out" / "labels" / "classes.txt"]
    for file in kept:
        file.touch()
    assert track(*CLICK) == 0
    assert all(file.exists() for file in kept)


@pytest.mark.parametrize("name", ["overlay.mp4", "tracks.csv", "timeline.png", "labels/000000.png"])
def test_a_folder_with_unrelated_results_is_refused(name: str, error_line: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "out" / name
    file.parent.mkdir(parents=True)
    file.write_text("precious")
    assert f"{tmp_path / 'out' / name.split('/')[0]} exists and is not from an earlier run" in error_line(*CLICK)
    assert file.read_text() == "precious"
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_the_results_of_one_run_can_be_the_input_of_another_elsewhere(
    track: Callable[..., int], error_line: Callable[..., str], tmp_path: Path
) -> None:
    track(*CLICK)
    overlay, label = tmp_path / "out" / "overlay.mp4", tmp_path / "out" / "labels" / "000000.png"
    before = overlay.read_bytes(), label.read_bytes()
    assert "would overwrite" in error_line(*CLICK, video=overlay)
    assert "would overwrite" in error_line("--mask", str(label))
    assert "would overwrite" in error_line(*CLICK, video=tmp_path / "out" / "labels")
    assert (overlay.read_bytes(), label.read_bytes()) == before
    assert track("--mask", str(label), "--out", str(tmp_path / "second"), video=overlay) == 0


def test_results_in_the_folder_of_input_pictures_are_refused(error_line: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    cv2.imwrite(str(tmp_path / "out" / "0.png"), np.zeros((*SIZE, 3), np.uint8))
    assert "would overwrite" in error_line(*CLICK, video=tmp_path / "out")


def test_a_link_is_replaced_and_not_written_through(track: Callable[..., int], tmp_path: Path) -> None:
    track(*CLICK)
    (tmp_path / "precious.csv").write_text((tmp_path / "out" / "tracks.csv").read_text())
    (tmp_path / "out" / "tracks.csv").unlink()
    (tmp_path / "out" / "tracks.csv").symlink_to(tmp_path / "precious.csv")
    track(*CLICK, "--max-frames", "1")
    assert len((tmp_path / "precious.csv").read_text().splitlines()) == 1 + COUNT


def test_a_folder_that_cannot_be_created_is_refused(error_line: Callable[..., str], video: Path) -> None:
    assert f"--out {video} is a file, expected a folder" in error_line(*CLICK, "--out", str(video))
    assert "/proc/nowhere" in error_line(*CLICK, "--out", "/proc/nowhere")


# ---- prompts


def test_a_box_and_a_mask_start_objects(track: Callable[..., int], tmp_path: Path) -> None:
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


def test_a_negative_click_changes_the_mask(track: Callable[..., int], tmp_path: Path) -> None:
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


def test_a_run_without_a_prompt_is_refused(error_line: Callable[..., str]) -> None:
    assert "no prompt, expected at least one" in error_line()


def test_an_object_without_a_prompt_is_refused(error_line: Callable[..., str]) -> None:
    assert "object 1 has no prompt" in error_line("--object", "a", "--object", "b", *CLICK)
    assert "object 2 has no prompt" in error_line(*CLICK, "--object", "b", "--at", "3")


@pytest.mark.parametrize(
    "options",
    [[*CLICK, "--at", "3"], ["--at", "3", "--at", "4", *CLICK], [*CLICK, "--at", "3", "--object", "b", *CLICK]],
)
def test_a_frame_without_a_prompt_is_refused(options: list[str], error_line: Callable[..., str]) -> None:
    assert "--at 3 has no prompt, expected --click, --box or --mask after it" in error_line(*options)


def test_a_click_outside_the_image_is_refused(error_line: Callable[..., str], tmp_path: Path) -> None:
    assert "frame 2: click (64, 20) is outside the image" in error_line("--at", "2", "--click", "64,20")
    assert not (tmp_path / "out").exists()  # found before anything is written


def test_an_empty_box_is_refused(error_line: Callable[..., str]) -> None:
    assert "box (40, 10, 20, 30) is empty" in error_line("--box", "40,10,20,30")


def test_an_object_cannot_start_with_negative_clicks_alone(error_line: Callable[..., str], tmp_path: Path) -> None:
    line = error_line("--at", "2", "--click", "30,20,0", "--at", "4", *CLICK)
    assert "frame 2: all clicks are negative; a new object needs at least one positive click or a box" in line
    assert not (tmp_path / "out").exists()  # found before anything is written


def test_a_second_box_for_one_object_on_one_frame_is_refused(error_line: Callable[..., str]) -> None:
    assert "a second --box" in error_line("--box", "1,1,9,9", "--box", "2,2,8,8")


def test_a_mask_of_another_size_is_refused(error_line: Callable[..., str], tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "mask.png"), np.full((10, 10), 255, np.uint8))
    assert "mask has shape (10, 10), expected" in error_line("--mask", str(tmp_path / "mask.png"))


@pytest.mark.parametrize("pixels", [np.full(SIZE, 255, np.uint8), np.dstack([np.full(SIZE, 255, np.uint8)] * 4)])
def test_a_mask_of_most_of_the_image_is_tracked_with_a_warning(
    track: Callable[..., int], pixels: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / "mask.png"), pixels)
    assert track("--mask", str(tmp_path / "mask.png")) == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1
    assert "warning: frame 0: the mask covers 100 % of the image: is it inverted?" in warnings[0]


def test_a_mask_may_be_a_jpeg(track: Callable[..., int], tmp_path: Path) -> None:
    mask = np.zeros(SIZE, np.uint8)
    mask[10:30, 20:40] = 255
    cv2.imwrite(str(tmp_path / "mask.jpg"), cv2.GaussianBlur(mask, (0, 0), 1))
    track("--mask", str(tmp_path / "mask.jpg"))
    assert 300 < int(table(tmp_path)[0]["area"]) < 500


def test_a_black_or_missing_mask_is_refused(error_line: Callable[..., str], tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "mask.png"), np.zeros(SIZE, np.uint8))
    assert "mask is empty" in error_line("--mask", str(tmp_path / "mask.png"))
    assert "nowhere.png does not exist" in error_line("--mask", str(tmp_path / "nowhere.png"))


def test_a_mask_together_with_a_click_is_refused(error_line: Callable[..., str], tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "mask.png"), np.full(SIZE, 255, np.uint8))
    assert "expected a mask alone" in error_line("--mask", str(tmp_path / "mask.png"), *CLICK)


def test_a_prompt_beyond_the_last_frame_is_refused(error_line: Callable[..., str]) -> None:
    assert "frame 6, but only frames 0 to 5 are tracked" in error_line(*CLICK, "--at", "6", *CLICK)
    assert "only frames 0 to 2 are tracked" in error_line("--max-frames", "3", "--at", "3", *CLICK)


def test_a_missing_video_and_another_file_are_refused(
    error_line: Callable[..., str], weights: Path, tmp_path: Path
) -> None:
    assert "nowhere.mp4 does not exist" in error_line(*CLICK, video=tmp_path / "nowhere.mp4")
    assert "cannot be read" in error_line(*CLICK, video=weights)


def test_a_checkpoint_of_another_model_is_refused(error_line: Callable[..., str]) -> None:
    assert "is for model nano, not sam2.1_hiera_tiny" in error_line(*CLICK, "--model", "sam2.1_hiera_tiny")


def test_an_input_size_that_does_not_fit_the_model_is_refused(error_line: Callable[..., str]) -> None:
    assert "image_size is 100" in error_line(*CLICK, "--image-size", "100")


@pytest.mark.parametrize(
    ("device", "problem"), [("cuda:99", "sees"), ("tpu", "expected auto"), ("cpu:x", "expected auto")]
)
def test_a_missing_device_is_refused(error_line: Callable[..., str], device: str, problem: str) -> None:
    assert problem in error_line(*CLICK, "--device", device)


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--click", "30", "X,Y"),
        ("--click", "30,left", "X,Y"),
        ("--click", "30,20,2", "expected 1 (on the object) or 0"),
        ("--box", "1,2,3", "X0,Y0,X1,Y1"),
        ("--at", "-1", "expected the number of a frame"),
        ("--fps", "0", "expected pictures per second"),
        ("--fps", "nan", "expected pictures per second"),
        ("--max-frames", "0", "expected a whole number of at least 1"),
        ("--model", "huge", "invalid choice"),
    ],
)
def test_a_malformed_argument_is_refused(
    option: str, value: str, expected: str, track: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        track(*CLICK, f"{option}={value}")
    assert expected in capsys.readouterr().err
