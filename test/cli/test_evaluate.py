"""The commands `sam2_ros evaluate` and `sam2_ros train`."""

import json
import signal
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from safetensors.torch import load_file

from sam2_ros.cli import evaluate, main
from sam2_ros.media.video import VideoWriter
from sam2_ros.model import save_weights, seeded_model
from sam2_ros.synthetic import pictures
from sam2_ros.synthetic.clip import Clip
from sam2_ros.synthetic.davis_writer import write_clip, write_sequence
from sam2_ros.tracking.presets import PRESETS
from sam2_ros.training import recipe
from sam2_ros.training.davis import Sequence
from sam2_ros.training.evaluation import evaluate_sequence
from sam2_ros.training.recipe import BatchSpec, Recipe, Stage

from ..recordings.recorded import images, write_recording


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A square that stands still, on five frames."""
    frames = np.full((5, 48, 48, 3), 90, np.uint8)
    labels = np.zeros((5, 48, 48), np.uint8)
    frames[:, 10:30, 12:32], labels[:, 10:30, 12:32] = (250, 0, 0), 1
    write_clip(tmp_path / "data", "still", Clip(frames, labels))
    return tmp_path / "data"


def test_a_baseline_prints_a_table_and_writes_scores_and_pictures(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["evaluate", str(dataset), "--baseline", "copy", "--out", str(out)]) == 0
    table = dict(line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert table["J&F"] == "1.000" and table["presence accuracy"] == "1.000" and table["objects"] == "1"
    scores = json.loads((out / "scores.json").read_text())
    assert scores["method"] == "copy" and scores["summary"]["region"] == 1.0
    assert scores["objects"][0]["sequence"] == "still"
    assert (out / "worst_still_1.png").exists()


def test_every_sequence_has_its_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One object stands still; of two others, in another video, one moves away from where `copy` leaves its mask."""
    frames, labels = np.full((5, 48, 48, 3), 90, np.uint8), np.zeros((5, 48, 48), np.uint8)
    labels[:, 10:20, 12:22] = 1
    write_clip(tmp_path / "data", "still", Clip(frames, labels))
    labels[0, 30:44, :10] = labels[1:, 30:44, 38:] = 2
    write_clip(tmp_path / "data", "two", Clip(frames, labels))
    out = tmp_path / "out"
    assert main(["evaluate", str(tmp_path / "data"), "--baseline", "copy", "--out", str(out)]) == 0
    table = dict(line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert (table["J&F of still"], table["J&F of two, 2 objects"], table["J&F"]) == ("1.000", "0.500", "0.667")


def test_the_memory_policy_and_event_scores_are_reported(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, out = tmp_path / "nano.safetensors", tmp_path / "out"
    save_weights(seeded_model("nano", seed=0, occlusion_bias=-50.0), weights)  # sees nothing
    arguments = ["--checkpoint", str(weights), "--image-size", "64", "--device", "cpu", "--out", str(out)]
    arguments += ["--memory-policy", "motion_aware", "--lost-after", "0.25", "--rate", "10", "--precision", "bfloat16"]
    assert main(["evaluate", str(dataset), *arguments]) == 0
    table = dict(line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert table["lost events: precision"] == "0.0%" and table["reacquired events: precision"] == "-"
    scores = json.loads((out / "scores.json").read_text())
    assert scores["memory_policy"] == "motion_aware" and scores["precision"] == "bfloat16" and scores["is_complete"]
    assert scores["summary"]["lost_events"] == {"reported": 1, "correct": 0, "expected": 0, "delays": []}


def test_presets_are_printed_side_by_side_and_written_to_folders_of_their_own(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["--image-size", "64", "--device", "cpu", "--out", str(out), "--recent-memories", "5"]
    assert main(["evaluate", str(dataset), "--preset", "quality,fast", *arguments]) == 0
    lines = [line.rsplit(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["quality", "fast"]
    table = {name: values for name, *values in lines[1:]}
    assert table["objects"] == ["1", "1"] and all(float(rate) > 0 for rate in table["frames per second"])
    for place, (name, every) in enumerate({"quality": 1, "fast": PRESETS["fast"].encode_every}.items()):
        scores = json.loads((out / name / "scores.json").read_text())
        assert f"{scores['summary']['mean']:.3f}" == table["J&F"][place]
        assert (scores["preset"]["recent_memories"], scores["preset"]["encode_every"]) == (5, every)


@pytest.mark.parametrize("wrong", [["--preset", "quick"], ["--preset", "fast,"], ["--encode-every", "0"]])
def test_unknown_presets_are_refused(dataset: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", str(dataset), *wrong])
    assert "expected" in capsys.readouterr().err


def test_an_unusable_sequence_is_named_skipped_and_counted(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clip(dataset, "broken", Clip(np.zeros((3, 32, 32, 3), np.uint8), np.ones((3, 32, 32), np.uint8)))
    (dataset / "JPEGImages" / "broken" / "00000.jpg").write_text("no image")
    assert main(["evaluate", str(dataset), "--baseline", "copy", "--out", str(tmp_path / "out")]) == 0
    captured = capsys.readouterr()
    assert "skipped broken" in captured.err and "(1 sequences skipped)" in captured.out


def test_a_data_set_without_a_usable_sequence_is_an_error(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for frame in (2, 3, 4):
        (dataset / "Annotations" / "still" / f"{frame:05d}.png").unlink()
    assert main(["evaluate", str(dataset), "--baseline", "copy", "--out", str(tmp_path / "out")]) == 1
    errors = capsys.readouterr().err
    assert "skipped still: 2 of its 5 frames are annotated; expected at least 3" in errors
    assert f"none of the 1 sequences of {dataset} can be used" in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_the_scores_of_the_sequences_so_far(
    number: signal.Signals,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_clip(dataset, "zweite", Clip(np.zeros((3, 32, 32, 3), np.uint8), np.ones((3, 32, 32), np.uint8)))

    def interrupted(sequence: Sequence, *others: Any) -> Any:
        if sequence.name == "zweite":
            signal.raise_signal(number)
        return evaluate_sequence(sequence, *others)

    monkeypatch.setattr(evaluate, "evaluate_sequence", interrupted)
    out = tmp_path / "out"
    assert main(["evaluate", str(dataset), "--baseline", "copy", "--out", str(out)]) == 128 + number
    captured = capsys.readouterr()
    assert "J&F" in captured.out and "stopped: scores of the first 1 of 2 sequences" in captured.err
    scores = json.loads((out / "scores.json").read_text())
    assert len(scores["objects"]) == 1 and not scores["is_complete"]


def test_pictures_of_an_earlier_run_are_removed(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "worst_other_1.png").write_bytes(b"")
    assert main(["evaluate", str(dataset), "--baseline", "copy", "--out", str(out)]) == 0
    assert [file.name for file in out.glob("*.png")] == ["worst_still_1.png"]


@pytest.mark.parametrize("option", ["--rate", "--lost-after"])
@pytest.mark.parametrize("value", ["0", "-1", "inf", "fast"])
def test_times_have_to_be_positive(dataset: Path, option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", str(dataset), f"{option}={value}"])
    assert f"expected a number above 0, not '{value}'" in capsys.readouterr().err


def test_a_full_disk_is_one_line_that_names_the_file(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "scores.json").symlink_to("/dev/full")
    assert main(["evaluate", str(dataset), "--baseline", "copy", "--out", str(out)]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "No space left" in line]
    assert line == f"sam2_ros evaluate: {out / 'scores.json'}: No space left on device"


def test_a_folder_that_is_no_data_set_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(tmp_path)]) == 1
    assert "JPEGImages does not exist" in capsys.readouterr().err


# ---- labels and recordings


def write_labels(folder: Path, labels: np.ndarray) -> Path:
    """(T, H, W) uint8 -> 00000.png, ..."""
    folder.mkdir(parents=True)
    for t, label in enumerate(labels):
        cv2.imwrite(str(folder / f"{t:05d}.png"), label)
    return folder


def table_of(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    return dict(line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize("layout", ["Annotations/still", "still"])
def test_labels_are_scored_in_place_of_a_model(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], layout: str
) -> None:
    labels = np.zeros((5, 48, 48), np.uint8)
    labels[:, 10:30, 12:32] = 1
    labels[2] = 0
    folder = write_labels(tmp_path / "labels" / layout, labels)
    (folder / "00003.png").unlink()
    out = tmp_path / "out"
    assert main(["evaluate", str(dataset), "--labels", str(tmp_path / "labels"), "--out", str(out)]) == 0
    table = table_of(capsys)
    assert table["J"] == "0.333"  # of frames 1 to 3
    assert table["presence accuracy"] == "0.500"  # of frames 1 to 4
    scores = json.loads((out / "scores.json").read_text())
    assert (scores["method"], scores["preset"], scores["prompt"]) == (str(tmp_path / "labels"), None, None)


def test_an_object_that_appears_later_is_scored_from_there_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    true = np.zeros((6, 48, 48), np.uint8)
    true[:, 5:15, 5:15] = 1
    true[2:, 30:40, 30:40] = 2
    true[4:, 30:40, 5:15] = 3  # too late to be scored
    write_sequence(tmp_path / "data", "two", np.full((6, 48, 48, 3), 90, np.uint8), dict(enumerate(true)))
    found = true.copy()
    found[:2, 30:40, 30:40] = 2  # where it does not count
    write_labels(tmp_path / "labels" / "two", found)
    options = ["--labels", str(tmp_path / "labels"), "--out", str(tmp_path / "out")]
    assert main(["evaluate", str(tmp_path / "data"), *options]) == 0
    table = table_of(capsys)
    assert (table["objects"], table["J&F"]) == ("2", "1.000")


def test_labels_that_do_not_fit_are_named(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--labels", str(tmp_path / "labels"), "--out", str(tmp_path / "out")]
    assert main(["evaluate", str(dataset), *options]) == 1
    assert "skipped still: " in (errors := capsys.readouterr().err)
    assert f"{tmp_path / 'labels' / 'still'} does not exist; expected its labels" in errors
    write_labels(tmp_path / "labels" / "still", np.ones((5, 20, 30), np.uint8))
    assert main(["evaluate", str(dataset), *options]) == 1
    assert "00000.png is (30, 20) pixels (W, H), the annotation (48, 48)" in capsys.readouterr().err
    assert main(["evaluate", str(dataset), *options, "--baseline", "copy"]) == 1
    assert "--labels and --baseline are both given" in capsys.readouterr().err


def square(t: int) -> np.ndarray:
    """A square that moves, on a picture."""
    frame = np.full((48, 64, 3), 90, np.uint8)
    frame[10:30, 12 + t : 32 + t] = (250, 0, 0)
    return frame


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """Masks of frames 2 to 6 of a recording."""
    folder = tmp_path / "truth"
    folder.mkdir()
    for t in range(2, 7):
        cv2.imwrite(str(folder / f"{t:06d}.png"), (square(t)[..., 0] == 250).astype(np.uint8))
    return folder


@pytest.mark.parametrize("kind", ["bag", "video", "pictures"])
def test_a_recording_is_evaluated_against_its_masks(
    kind: str, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = [square(t) for t in range(8)]
    recording = tmp_path / "drive"
    topic = ["--topic", "/camera"] if kind == "bag" else []
    if kind == "bag":
        write_recording(recording, *images(frames))
    elif kind == "video":
        recording = recording.with_suffix(".mp4")
        with VideoWriter(recording, 10.0) as video:
            for frame in frames:
                video.write(frame)
    else:
        recording.mkdir()
        for t, frame in enumerate(frames):
            cv2.imwrite(str(recording / f"{t}.png"), frame[..., ::-1])
    arguments = ["evaluate", str(recording), *topic, "--truth", str(truth), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--baseline", "flow"]) == 0
    table = table_of(capsys)
    assert table["objects"] == "1" and float(table["J"]) > 0.9
    (picture,) = (tmp_path / "out").glob("worst_*.png")
    assert picture.name == f"worst_drive{'_camera' if topic else ''}_1.png"
    assert main([*arguments, "--image-size", "64", "--device", "cpu"]) == 0
    assert table_of(capsys)["objects"] == "1"


def test_labels_of_a_recording_are_scored(truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = write_recording(tmp_path / "drive", *images([square(t) for t in range(8)]))
    (tmp_path / "prompts.yaml").write_text("objects: [{prompts: [{frame: 1, box: [13, 10, 32, 29]}]}]")
    labels = str(tmp_path / "labels")
    given = [str(recording), "--topic", "/camera"]
    label = ["--prompts", str(tmp_path / "prompts.yaml"), "--format", "davis", "--out", labels, "--device", "cpu"]
    assert main(["label", *given, *label]) == 0
    options = ["--labels", f"{labels}/davis", "--out", str(tmp_path / "out")]
    capsys.readouterr()
    assert main(["evaluate", f"{labels}/davis", *options]) == 0
    assert table_of(capsys)["J&F"] == "1.000"
    assert main(["evaluate", *given, "--truth", str(truth), *options]) == 0
    assert float(table_of(capsys)["J"]) > 0.8


def test_a_recording_that_cannot_be_evaluated_is_named(
    truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = str(write_recording(tmp_path / "drive", *images([square(t) for t in range(5)])))
    options = ["--baseline", "copy", "--out", str(tmp_path / "out")]

    def complaint(*arguments: str) -> str:
        assert main(["evaluate", *arguments, *options]) == 1
        return capsys.readouterr().err

    topic, masks = ["--topic", "/camera"], ["--truth", str(truth)]
    assert "frame 5 of drive_camera cannot be read (the recording is shorter)" in complaint(recording, *topic, *masks)
    assert "drive is a recording whose masks are missing: give --truth FOLDER" in complaint(recording, *topic)
    assert "drive is a ROS 2 bag: give the --topic of its images" in complaint(recording, *masks)
    assert "has no topic /none; its topics are: /camera" in complaint(recording, "--topic", "/none", *masks)
    assert "nowhere does not exist, expected a ROS 2 bag" in complaint(str(tmp_path / "nowhere"), *masks)
    assert "is no ROS 2 bag: leave --topic out" in complaint(str(truth), *topic, *masks)
    assert "holds no masks, expected masks named by the number" in complaint(
        recording, *topic, "--truth", str(tmp_path / "drive")
    )


def test_a_training_runs_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pictures, "BUNDLED", ())
    short = Recipe("nano", "nano", (Stage(1, 64, (BatchSpec(1, 1),)),), learning_rate=1e-3, synthetic_clips=2)
    monkeypatch.setitem(recipe.RECIPES, "nano", short)
    out = tmp_path / "run"
    arguments = ["train", "nano", "--out", str(out), "--device", "cpu"]
    for _ in range(2):
        assert main(arguments) == 0
    assert str(out / "nano.safetensors") in capsys.readouterr().out
    assert len(load_file(out / "nano.safetensors")) > 100
    assert (out / "state.pt").exists() and list((out / "tensorboard").iterdir())
