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
from sam2_ros.training.data import DavisClips
from sam2_ros.training.davis import DatasetError, read_dataset


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
    # An object that is not seen on the first frame is not annotated: nobody could prompt it.
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
    assert len(clips) == 2  # frames 0 to 3 and 2 to 5
    frames, labels = clips.clip(1)
    assert frames.shape == (4, 16, 16, 3) and labels.shape == (4, 16, 16)
    assert (labels == 1).sum() == 4 * 16 and frames[labels == 1][:, 0].min() > 200


def test_unusable_sequences_are_logged_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("good", "sparse", "broken"):
        write_clip(tmp_path, name, clip_of_two())
    (tmp_path / "Annotations" / "sparse" / "00002.png").unlink()
    (tmp_path / "JPEGImages" / "broken" / "00003.jpg").write_text("no image")
    clips = DavisClips(tmp_path, frames=4, size=16)
    assert len(clips) == 1 and clips.skipped == 2
    assert "sparse: 3 of 4 frames are annotated" in caplog.text and "00003.jpg" in caplog.text
    with pytest.raises(DatasetError, match="no sequence of 5 annotated frames"):
        DavisClips(tmp_path, frames=5, size=16)
