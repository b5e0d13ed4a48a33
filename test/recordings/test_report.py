"""The report says how each object was followed and which frames are worth a look."""

import csv
from pathlib import Path

import numpy as np
import pytest

from sam2_ros.media.pictures import read_picture
from sam2_ros.recordings.quality_strip import QualityStrip
from sam2_ros.recordings.report import Report
from sam2_ros.tracking import Event, EventKind, FrameResult, Track, TrackState


def track(number: int, iou: float, is_visible: bool = True) -> Track:
    mask = np.full((4, 4), is_visible)
    state = TrackState.VISIBLE if is_visible else TrackState.OCCLUDED
    return Track(number, number, "cup", state, 0.5, iou, mask, None, int(mask.sum()), 0.0)


def rows(report: Report, folder: Path) -> list[dict[str, str]]:
    report.write(folder)
    with (folder / "report.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_presence_and_quality_are_means_and_doubtful_frames_are_listed(tmp_path: Path) -> None:
    report = Report()
    for index, iou in enumerate([0.9, 0.9, 0.3, 0.9]):
        report.add(FrameResult(index / 10, index + 5, (4, 4), (track(1, iou, is_visible=index != 3),)))
    (row,) = rows(report, tmp_path)
    assert (row["object"], row["label"], row["first_frame"], row["last_frame"]) == ("1", "cup", "5", "8")
    assert (row["frames"], row["visible"], row["mean_presence"]) == ("4", "3", "0.5000")
    assert (row["mean_predicted_iou"], row["min_predicted_iou"], row["mean_agreement"]) == ("0.7000", "0.3000", "")
    assert row["worth_a_look"] == "7"
    assert report.lines == ["object 1 cup: visible on 3 of 4 frames"]


def test_frames_on_which_it_vanished_or_both_directions_disagree_are_listed(tmp_path: Path) -> None:
    report = Report()
    for frame, iou in ((2, 0.2), (1, 0.8)):
        report.note_agreement(1, frame, iou)
    for index in range(6):
        events = (Event(EventKind.OCCLUDED, 1, 0.4),) if index == 4 else ()
        report.add(FrameResult(index / 10, index, (4, 4), (track(1, 0.9),), events))
    (row,) = rows(report, tmp_path)
    assert (row["first_frame"], row["mean_agreement"], row["worth_a_look"]) == ("0", "0.5000", "2 4")


def test_the_worst_frames_are_listed_and_their_number_is_limited(tmp_path: Path) -> None:
    report = Report()
    for index in range(1000):
        report.add(FrameResult(index / 10, index, (4, 4), (track(1, 0.6 - index / 10_000),)))
    (row,) = rows(report, tmp_path)
    assert row["worth_a_look"] == " ".join(map(str, range(990, 1000)))


def test_an_object_that_was_never_visible_is_in_the_report(tmp_path: Path) -> None:
    report = Report()
    report.add(FrameResult(0.0, 0, (4, 4), (track(1, 0.9, is_visible=False),)))
    (row,) = rows(report, tmp_path)
    assert (row["visible"], row["mean_predicted_iou"]) == ("0", "0.0000")
    assert report.lines == ["object 1 cup: visible on 0 of 1 frames"]


def test_an_object_that_was_asked_for_and_never_found_is_in_the_report(tmp_path: Path) -> None:
    report = Report()
    for number in (1, 2):
        report.expect(number, "cup")
    report.add(FrameResult(0.0, 7, (4, 4), (track(1, 0.9),)))
    found, missing = rows(report, tmp_path)
    assert (found["object"], found["first_frame"], found["frames"]) == ("1", "7", "1")
    assert (missing["object"], missing["label"], missing["first_frame"], missing["frames"]) == ("2", "cup", "", "0")
    assert report.lines == ["object 1 cup: visible on 1 of 1 frames"]
    assert report.labels == {"cup"}


def test_the_picture_shows_when_an_object_was_followed_however_long_the_recording_is() -> None:
    strip = QualityStrip()
    for frame in range(5000, 20_000):
        strip.add(frame, 1.0 if frame < 10_000 else 0.25)
    means = strip.means(20_000)
    assert len(means) <= 1024
    at = [frame // strip.frames_per_column for frame in (1000, 7000, 15_000)]
    np.testing.assert_array_equal(means[at], [np.nan, 1.0, 0.25])
    assert len(strip.means(1_000_000)) <= 1024  # long after it was removed


@pytest.mark.parametrize("objects", [0, 1, 60])
def test_the_picture_has_room_for_any_number_of_objects(tmp_path: Path, objects: int) -> None:
    report = Report()
    for index in range(3):
        report.add(FrameResult(0.0, index, (4, 4), tuple(track(number + 1, 0.9) for number in range(objects))))
    report.write(tmp_path)
    assert read_picture(tmp_path / "report.png") is not None
