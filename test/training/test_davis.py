"""Data sets in DAVIS' layout are read, and what is wrong with one is named."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sam2_ros.synthetic.clip import Clip
from sam2_ros.synthetic.davis_writer import write_clip
from sam2_ros.training.data import SampleSpec, draw
from sam2_ros.training.davis import DatasetError, read_dataset
from sam2_ros.training.davis_clips import DavisClips


def clip_of_two(frames: int = 4, size: int = 32) -> Clip:
    """Object 1 stays, object 2 appears on the second frame only."""
    pictures = np.full((frames, size, size, 3), 90, np.uint8)
    labels = np.zeros((frames, size, size), np.uint8)
    pictures[:, 4:12, 4:12], labels[:, 4:12, 4:12] = (250, 0, 0), 1
    pictures[1, 20:28, 20:28], labels[1, 20:28, 20:28] = (0, 0, 250), 2
    return Clip(pictures, labels, ((1, 2),))


def test_a_clip_is_read_as_it_was_written(tmp_path: Path) -> None:
    clip = clip_of_two()
    write_clip(tmp_path, "two", clip)
    (sequence,) = read_dataset(tmp_path)
    assert sequence.name == "two"
    frames = list(sequence.frames())
    assert len(frames) == 4 and np.abs(frames[0].astype(int) - clip.frames[0]).mean() < 6
    # An object that is not visible on the first frame is not annotated, as it cannot be prompted.
    assert np.array_equal(sequence.labels(), np.where(clip.labels == 1, 1, 0))


def test_a_resolution_folder_and_palettes_are_read_as_in_davis(tmp_path: Path) -> None:
    write_clip(tmp_path / "plain", "two", clip_of_two())
    for kind in ("JPEGImages", "Annotations"):
        shutil.copytree(tmp_path / "plain" / kind, tmp_path / "davis" / kind / "480p")
    for file in (tmp_path / "davis" / "Annotations").rglob("*.png"):
        palette = Image.fromarray(np.array(Image.open(file)), mode="P")
        palette.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
        palette.save(file)
    (sequence,) = read_dataset(tmp_path / "davis")
    assert set(np.unique(sequence.labels())) == {0, 1}


def test_a_folder_without_annotations_is_refused(tmp_path: Path) -> None:
    write_clip(tmp_path, "two", clip_of_two())
    shutil.rmtree(tmp_path / "Annotations" / "two")
    with pytest.raises(DatasetError, match="annotated on its first frame"):
        read_dataset(tmp_path)
    with pytest.raises(DatasetError, match="does not exist"):
        read_dataset(tmp_path / "nowhere")


def test_masks_of_another_size_than_the_frames_are_named(tmp_path: Path) -> None:
    write_clip(tmp_path, "two", clip_of_two())
    cv2.imwrite(str(tmp_path / "Annotations" / "two" / "00002.png"), np.ones((16, 20), np.uint8))
    with pytest.raises(DatasetError, match="00002.png is 20x16, its frames are 32x32"):
        read_dataset(tmp_path)[0].labels()


def test_an_empty_first_mask_and_a_colour_one_are_named(tmp_path: Path) -> None:
    write_clip(tmp_path, "two", clip_of_two())
    file = tmp_path / "Annotations" / "two" / "00000.png"
    cv2.imwrite(str(file), np.zeros((32, 32), np.uint8))
    with pytest.raises(DatasetError, match="00000.png is empty"):
        read_dataset(tmp_path)[0].labels()
    cv2.imwrite(str(file), np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(DatasetError, match="colour image"):
        read_dataset(tmp_path)[0].labels()


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    write_clip(tmp_path, "two", clip_of_two())
    (tmp_path / "JPEGImages" / "two" / "00001.jpg").write_text("no image")
    with pytest.raises(DatasetError, match="00001.jpg"):
        list(read_dataset(tmp_path)[0].frames())


def test_look_alikes_stand_beside_the_videos_where_both_are_annotated(tmp_path: Path) -> None:
    clip = clip_of_two()
    write_clip(tmp_path, "late", clip)
    clip.labels[0, 20:28, 20:28] = 2
    write_clip(tmp_path, "both", clip)
    assert json.loads((tmp_path / "look_alikes.json").read_text()) == {"late": [], "both": [[1, 2]]}


def test_videos_are_cut_into_square_clips_for_training(tmp_path: Path) -> None:
    write_clip(tmp_path, "two", clip_of_two(frames=6))
    clips = DavisClips(tmp_path, frames=4, size=16)
    assert len(clips) == 1
    frames, labels = clips.clip(0)
    assert frames.shape == (6, 16, 16, 3) and labels.shape == (6, 16, 16)
    assert (labels == 1).sum() == 6 * 16 and frames[labels == 1][:, 0].min() > 200


def test_unusable_sequences_are_logged_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("good", "sparse", "broken"):
        write_clip(tmp_path, name, clip_of_two())
    for name in ("00001.png", "00002.png", "00003.png"):
        (tmp_path / "Annotations" / "sparse" / name).unlink()
    (tmp_path / "JPEGImages" / "broken" / "00003.jpg").write_text("no image")
    clips = DavisClips(tmp_path, frames=4, size=16)
    assert len(clips) == 1 and clips.skipped == 2
    assert "sparse: only one frame is annotated" in caplog.text and "00003.jpg" in caplog.text
    with pytest.raises(DatasetError, match="no sequence of 5 annotated frames"):
        DavisClips(tmp_path, frames=5, size=16)


def test_a_sparsely_annotated_sequence_serves_for_shorter_samples(tmp_path: Path) -> None:
    write_clip(tmp_path, "dense", clip_of_two())
    write_clip(tmp_path, "sparse", clip_of_two(frames=9))
    for number in (1, 2, 3, 5, 6, 7):
        (tmp_path / "Annotations" / "sparse" / f"{number:05d}.png").unlink()
    clips = DavisClips(tmp_path, frames=4, size=32)
    lengths = sorted(len(clips.clip(index)[0]) for index in range(len(clips)))
    assert lengths == [3, 4]
    rng = np.random.default_rng(0)
    for length in (3, 4):
        for _ in range(10):
            assert draw(clips, rng, SampleSpec(length, 32, 1)).frames.shape[0] == length
    with pytest.raises(DatasetError, match="no sequence of 5 annotated frames or more"):
        draw(clips, rng, SampleSpec(5, 32, 1))


def test_a_long_sequence_becomes_several_clips(tmp_path: Path) -> None:
    write_clip(tmp_path, "long", clip_of_two(frames=32))
    clips = DavisClips(tmp_path, frames=4, size=16)
    assert [len(clips.clip(index)[0]) for index in range(len(clips))] == [16, 16, 16]


def test_images_may_be_jpeg_or_png(tmp_path: Path) -> None:
    write_clip(tmp_path, "two", clip_of_two())
    for ending in (".JPG", ".jpeg", ".png"):
        for file in list((tmp_path / "JPEGImages" / "two").iterdir()):
            image = cv2.imread(str(file))
            file.unlink()
            encoded = cv2.imencode(ending.lower(), image)[1]
            file.with_suffix(ending).write_bytes(encoded.tobytes())
        (sequence,) = read_dataset(tmp_path)
        assert len(list(sequence.frames())) == len(sequence.annotations) == 4


def test_black_and_white_masks_are_one_object_and_255_is_ignored_beside_others(tmp_path: Path) -> None:
    write_clip(tmp_path, "two", clip_of_two())
    files = sorted((tmp_path / "Annotations" / "two").iterdir())
    for file in files:
        mask = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        assert mask is not None
        cv2.imwrite(str(file), mask * 255)
    assert set(np.unique(read_dataset(tmp_path)[0].labels())) == {0, 1}
    labels = np.full((32, 32), 255, np.uint8)
    labels[4:12, 4:12] = 3
    cv2.imwrite(str(files[0]), labels)
    assert set(np.unique(read_dataset(tmp_path)[0].labels()[0])) == {0, 3}


def test_a_mask_with_too_large_numbers_and_a_damaged_one_are_named(tmp_path: Path) -> None:
    write_clip(tmp_path, "two", clip_of_two())
    file = tmp_path / "Annotations" / "two" / "00001.png"
    content = file.read_bytes()
    for damaged in (b"", b"no mask", content[: len(content) // 2], content[:20] + b"?" * 30):
        file.write_bytes(damaged)
        with pytest.raises(DatasetError, match="00001.png cannot be read"):
            read_dataset(tmp_path)[0].labels()
    cv2.imwrite(str(file), np.full((32, 32), 300, np.uint16))
    with pytest.raises(DatasetError, match="00001.png holds the number 300; expected object numbers from 0 to 255"):
        read_dataset(tmp_path)[0].labels()


def test_a_frame_of_another_size_is_named(tmp_path: Path) -> None:
    write_clip(tmp_path, "two", clip_of_two())
    cv2.imwrite(str(tmp_path / "JPEGImages" / "two" / "00002.jpg"), np.zeros((16, 20, 3), np.uint8))
    with pytest.raises(DatasetError, match="00002.jpg is 20x16, the first frame is 32x32"):
        list(read_dataset(tmp_path)[0].frames())


@pytest.mark.parametrize("content", ["{", "[1]", '{"two": [1]}', '{"two": [["a", "b"]]}'])
def test_damaged_look_alikes_are_named(tmp_path: Path, content: str) -> None:
    write_clip(tmp_path, "two", clip_of_two())
    (tmp_path / "look_alikes.json").write_text(content)
    with pytest.raises(DatasetError, match="look_alikes.json cannot be read"):
        read_dataset(tmp_path)


def test_a_file_and_an_empty_folder_are_refused_with_the_layout(tmp_path: Path) -> None:
    (tmp_path / "video.mp4").write_bytes(b"")
    with pytest.raises(DatasetError, match="video.mp4 is a file; expected a data set in DAVIS' layout: JPEGImages/"):
        read_dataset(tmp_path / "video.mp4")
    with pytest.raises(DatasetError, match="JPEGImages does not exist; expected a data set in DAVIS' layout"):
        read_dataset(tmp_path)
    for kind in ("JPEGImages", "Annotations"):
        (tmp_path / kind).mkdir()
    with pytest.raises(DatasetError, match="holds no sequence"):
        read_dataset(tmp_path)
