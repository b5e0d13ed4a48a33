"""Every format is read back by the tools that it is for."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import supervision
from mcap.reader import make_reader
from pycocotools.coco import COCO

from sam2_ros.recordings.bags import Bag
from sam2_ros.recordings.outputs.common import Origin, as_uint8
from sam2_ros.recordings.outputs.polygons import joined_polygon, polygons_of
from sam2_ros.recordings.outputs.thinning import Thinning
from sam2_ros.recordings.outputs.writer import FORMATS, WORKSPACE, LabelWriter
from sam2_ros.recordings.problems import Problems
from sam2_ros.recordings.streams import Frame
from sam2_ros.tracking import Event, EventKind, FrameResult, Track, TrackState
from sam2_ros.tracking.geometry import bounding_box, mask_iou
from sam2_ros.training.davis import read_dataset

from .recorded import PERIOD, START, TYPES

HEIGHT, WIDTH = 60, 80
DRIVE = Origin("drive", "", "labels")


def mask_at(x: int, size: int = 16) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[20 : 20 + size, x : x + size] = True
    return mask


def track(number: int, mask: np.ndarray, label: str = "") -> Track:
    state = TrackState.VISIBLE if mask.any() else TrackState.OCCLUDED
    area = int(mask.sum())
    return Track(number, number, label, state, 0.9, 0.8, mask, bounding_box(mask), area, 0.0)


def result(index: int, *tracks: Track, events: tuple[Event, ...] = ()) -> FrameResult:
    def draw() -> np.ndarray:
        labels = np.zeros((HEIGHT, WIDTH), np.uint8)
        for entry in tracks:
            labels[entry.mask] = entry.mask_value
        return labels

    return FrameResult(index / 10, index, (HEIGHT, WIDTH), tracks, events, draw)


def frame(index: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Frame:
    rgb = np.random.default_rng(index).integers(0, 256, (*size, 3), np.uint8)
    stamp = START + index * PERIOD
    return Frame(index, rgb, stamp, stamp + 5_000_000, "optical", index / 10)


EMPTY = np.zeros((HEIGHT, WIDTH), bool)
CUP = [EMPTY, *(mask_at(4 * index) for index in range(5))]  # appears on frame 1
BOWL = [EMPTY, mask_at(60), mask_at(60), EMPTY, EMPTY, EMPTY]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six frames with two objects, in all formats."""
    folder = tmp_path_factory.mktemp("labels")
    with LabelWriter(folder, FORMATS, DRIVE, Thinning(), Problems()) as writer:
        for index, (cup, bowl) in enumerate(zip(CUP, BOWL)):
            events = (Event(EventKind.STARTED, 1, 0.1),) if index == 1 else ()
            writer.write(frame(index), result(index, track(1, cup, "cup"), track(2, bowl), events=events))
    return folder


def test_coco_is_read_by_pycocotools_with_the_very_masks(folder: Path) -> None:
    coco = COCO(folder / "coco.json")
    assert sorted(entry["name"] for entry in coco.loadCats(coco.getCatIds())) == ["cup", "object"]
    assert len(coco.getImgIds()) == len(CUP)
    for annotation in coco.loadAnns(coco.getAnnIds()):
        truth = (CUP, BOWL)[annotation["track_id"] - 1][annotation["image_id"]]
        np.testing.assert_array_equal(coco.annToMask(annotation), truth)
        assert annotation["area"] == truth.sum()
    assert len(coco.getAnnIds()) == 5 + 2
    image = coco.loadImgs(2)[0]
    assert (folder / image["file_name"]).is_file()
    assert image["stamp"] == "1700000000.323456789"


def test_coco_and_yolo_are_read_by_supervision(folder: Path) -> None:
    coco = supervision.DetectionDataset.from_coco(str(folder), str(folder / "coco.json"), force_masks=True)
    yolo = supervision.DetectionDataset.from_yolo(
        str(folder / "images"), str(folder / "labels"), str(folder / "data.yaml"), force_masks=True
    )
    assert coco.classes == yolo.classes == ["cup", "object"]
    for dataset in (coco, yolo):
        assert len(dataset) == len(CUP)
        for path, picture, detections in dataset:
            index = int(Path(path).stem)
            assert picture.shape == (HEIGHT, WIDTH, 3)
            assert len(detections) == int(CUP[index].any()) + int(BOWL[index].any())
            for _, mask, _, number, *_ in detections:
                assert mask is not None and number is not None
                assert mask_iou(np.asarray(mask), (CUP, BOWL)[int(number)][index]) > 0.85


def test_davis_is_read_by_our_training_and_begins_where_an_object_is_seen(folder: Path) -> None:
    (sequence,) = read_dataset(folder / "davis")
    assert sequence.name == "drive"
    assert len(sequence.images) == len(CUP) - 1
    labels = sequence.labels()
    np.testing.assert_array_equal(labels == 1, CUP[1:])
    np.testing.assert_array_equal(labels == 2, BOWL[1:])


def test_label_studio_gets_a_task_for_each_frame_with_polygons_of_its_interface(folder: Path) -> None:
    tasks = json.loads((folder / "label_studio.json").read_text())
    assert len(tasks) == len(CUP)
    assert tasks[1]["data"]["image"] == "/data/local-files/?d=labels/images/000001.jpg"
    assert (tasks[1]["data"]["recording"], tasks[1]["data"]["topic"]) == ("drive", "")
    (prediction,) = tasks[2]["predictions"]
    for region, truth in zip(prediction["result"], (CUP[2], BOWL[2])):
        points = np.array(region["value"]["points"]) * [WIDTH, HEIGHT] / 100
        drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.fillPoly(drawn, [np.round(points).astype(np.int32)], 1)
        np.testing.assert_array_equal(drawn, truth)
        assert region["type"] == "polygonlabels"
    interface = (folder / "label_studio.xml").read_text()
    assert '<Label value="cup"/>' in interface
    assert 'name="label" toName="image"' in interface


def test_tracks_masks_and_events_are_read_by_rosbags_at_the_images_stamps(folder: Path) -> None:
    with Bag(folder / "tracks.mcap") as bag:
        assert {name: (topic.type, topic.count) for name, topic in bag.topics.items()} == {
            "/sam2_tracker/tracks": ("sam2_ros/msg/TrackArray", 6),
            "/sam2_tracker/masks/compressed": ("sensor_msgs/msg/CompressedImage", 6),
            "/sam2_tracker/events": ("sam2_ros/msg/TrackEvent", 1),
        }
        tracks = list(bag.messages("/sam2_tracker/tracks", Problems()))
        masks = [message for _, message in bag.messages("/sam2_tracker/masks/compressed", Problems())]
        ((_, event),) = bag.messages("/sam2_tracker/events", Problems())
    for index, (received, message) in enumerate(tracks):
        stamp = message.header.stamp
        assert stamp.sec * 10**9 + stamp.nanosec == START + index * PERIOD
        assert received == START + index * PERIOD + 5_000_000
        assert [(entry.id, entry.label) for entry in message.tracks] == [(1, "cup"), (2, "")]
        labels = cv2.imdecode(masks[index].data, cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(labels == 1, CUP[index])
        assert masks[index].header.stamp.nanosec == stamp.nanosec
    last = tracks[-1][1].tracks
    box = last[0].box
    assert (box.x_min, box.y_min, box.x_max, box.y_max) == (16, 20, 32, 36)
    assert last[0].state == TYPES["sam2_ros/msg/Track"].VISIBLE
    assert last[1].last_seen.nanosec == 323_456_789
    assert (event.type, event.object_id, event.label) == (TYPES["sam2_ros/msg/TrackEvent"].STARTED, 1, "cup")


def test_the_reference_reader_of_mcap_which_foxglove_and_ros_build_on_reads_the_recording(folder: Path) -> None:
    with (folder / "tracks.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        assert reader.get_header().profile == "ros2"
        summary = reader.get_summary()
        assert summary is not None and summary.statistics is not None
        messages = list(reader.iter_messages())
        (metadata,) = reader.iter_metadata()
    assert summary.statistics.message_count == len(messages) == 13
    assert {schema.encoding for schema in summary.schemas.values()} == {"ros2msg"}
    assert {channel.message_encoding for channel in summary.channels.values()} == {"cdr"}
    assert metadata.name == "rosbag2"
    assert "- tracks.mcap" in metadata.metadata["serialized_metadata"]


def test_nothing_unfinished_is_left(folder: Path) -> None:
    assert not (folder / WORKSPACE).exists()


def test_labels_without_any_object_are_complete(tmp_path: Path) -> None:
    with LabelWriter(tmp_path, FORMATS, DRIVE, Thinning(), Problems()) as writer:
        writer.write(frame(0), result(0))
    assert json.loads((tmp_path / "coco.json").read_text())["annotations"] == []
    assert (tmp_path / "labels" / "000000.txt").read_text() == ""


def test_every_nth_frame_is_written_but_all_events(tmp_path: Path) -> None:
    with LabelWriter(tmp_path, ("mcap", "coco"), DRIVE, Thinning(every=3), Problems()) as writer:
        for index in range(7):
            events = (Event(EventKind.OCCLUDED, 1, index / 10),)
            writer.write(frame(index), result(index, track(1, mask_at(10)), events=events))
    assert COCO(tmp_path / "coco.json").getImgIds() == [0, 3, 6]
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["000000.jpg", "000003.jpg", "000006.jpg"]
    with Bag(tmp_path / "tracks.mcap") as bag:
        assert bag.topics["/sam2_tracker/tracks"].count == 3
        assert bag.topics["/sam2_tracker/events"].count == 7


def test_only_frames_are_written_on_which_an_object_came_went_or_moved() -> None:
    thinning = Thinning(only_changed=True)
    masks = [mask_at(10), mask_at(10), mask_at(20), mask_at(20), EMPTY, EMPTY, mask_at(20)]
    written = [thinning.wants(result(index, track(1, mask))) for index, mask in enumerate(masks)]
    assert written == [True, False, True, False, True, False, True]


def test_small_movements_add_up_to_a_change() -> None:
    thinning = Thinning(only_changed=True)
    masks = [np.roll(mask_at(10, size=40), index, axis=1) for index in range(20)]
    written = [thinning.wants(result(index, track(1, mask))) for index, mask in enumerate(masks)]
    assert 5 < sum(written) < 15


def test_images_that_change_their_size_become_a_second_davis_sequence(tmp_path: Path) -> None:
    with LabelWriter(tmp_path, ("davis",), DRIVE, Thinning(), Problems()) as writer:
        writer.write(frame(0), result(0, track(1, mask_at(10))))
        large = np.kron(mask_at(10), np.ones((2, 2), bool))
        writer.write(
            frame(1, (2 * HEIGHT, 2 * WIDTH)),
            FrameResult(0.1, 1, large.shape, (track(1, large),), draw_labels=lambda: large.astype(np.uint8)),
        )
    assert [(s.name, len(s.images), s.labels().sum()) for s in read_dataset(tmp_path / "davis")] == [
        ("drive", 1, 256),
        ("drive_2", 1, 1024),
    ]


def test_parts_of_a_mask_are_one_polygon_for_yolo_and_several_for_label_studio() -> None:
    mask = mask_at(5, 10) | mask_at(40, 20)
    mask[50, 2] = True  # a single pixel
    parts = polygons_of(mask)
    assert len(parts) == 3
    assert all(len(part) >= 3 for part in parts)
    drawn = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(drawn, [joined_polygon(mask)], 1)
    assert mask_iou(drawn > 0, mask) > 0.85  # the lines between the parts have a width of one pixel
    assert (drawn[mask] == 1).all()


def test_a_full_disk_is_an_error_that_names_the_file_and_keeps_what_was_written(tmp_path: Path) -> None:
    with LabelWriter(tmp_path, FORMATS, DRIVE, Thinning(), Problems()) as writer:
        writer.write(frame(0), result(0, track(1, mask_at(10), "cup")))
        (tmp_path / "images" / "000001.jpg").mkdir()  # nothing can be written there
        with pytest.raises(OSError, match=r"000001\.jpg"):
            writer.write(frame(1), result(1, track(1, mask_at(10), "cup")))
    assert COCO(tmp_path / "coco.json").getImgIds() == [0]
    assert (tmp_path / "labels" / "000000.txt").read_text()
    with Bag(tmp_path / "tracks.mcap") as bag:
        assert bag.topics["/sam2_tracker/tracks"].count == 2


def test_masks_become_bytes_without_a_copy() -> None:
    mask = mask_at(3)
    assert np.shares_memory(as_uint8(mask), mask)
