"""Videos with the run-length masks of SA-V become clips, and what is wrong with one is named."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as run_lengths

from sam2_ros.media.video import VideoWriter
from sam2_ros.optional import MissingLibraryError
from sam2_ros.training.davis import DatasetError
from sam2_ros.training.sav import SavClips, is_sav

SIZE = (48, 64)  # height, width


def encoded(mask: np.ndarray) -> dict[str, object]:
    packed = run_lengths.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": packed["size"], "counts": packed["counts"].decode()}


def box_at(x: int, side: int = 16) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[16 : 16 + side, x : x + side] = True
    return mask


def write_video(folder: Path, name: str, annotated: int = 6) -> Path:
    """A red box goes 4 pixels to the right from one annotated frame to the next, with a small mark inside."""
    folder.mkdir(exist_ok=True)
    with VideoWriter(folder / f"{name}.mp4", 24) as video:
        for t in range(4 * (annotated - 1) + 1):
            frame = np.full((*SIZE, 3), 60, np.uint8)
            frame[box_at(t + 4)] = (230, 30, 30)
            video.write(frame)
    masklet = [[encoded(box_at(4 * i + 8, side=4)), encoded(box_at(4 * i + 4))] for i in range(annotated)]
    file = folder / f"{name}_manual.json"
    file.write_text(json.dumps({"video_id": name, "masklet": masklet}))
    return file


def test_annotated_frames_are_every_fourth_of_the_video(tmp_path: Path) -> None:
    write_video(tmp_path, "sav_000001")
    assert is_sav(tmp_path)
    clips = SavClips(tmp_path, frames=4, size=32)
    assert len(clips) == 2  # annotated frames 0 to 3 and 2 to 5
    for index, start in ((0, 0), (1, 2)):
        frames, labels = clips.clip(index)
        assert frames.shape == (4, 32, 32, 3) and labels.shape == (4, 32, 32)
        for t in range(4):
            red = (frames[t, ..., 0] > 150) & (frames[t, ..., 1] < 120)
            assert np.nonzero(labels[t])[1].mean() == pytest.approx(np.nonzero(red)[1].mean(), abs=0.7)
            assert np.nonzero(labels[t])[1].min() == 2 * (start + t) + 2


def test_a_part_is_on_top_of_its_whole(tmp_path: Path) -> None:
    write_video(tmp_path, "sav_000001")
    _, labels = SavClips(tmp_path, frames=4, size=64).clip(0)
    assert set(np.unique(labels[0])) == {0, 1, 2}
    assert (labels[0] == 1).sum() == pytest.approx(4 * 4 * 64 / 48, abs=3)


def test_unusable_videos_are_logged_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_video(tmp_path, "good")
    write_video(tmp_path, "short", annotated=2)
    (tmp_path / "foreign_manual.json").write_text("[1, 2]")
    write_video(tmp_path, "no_video").with_name("no_video.mp4").unlink()
    file = write_video(tmp_path, "other_size")
    content = json.loads(file.read_text())
    content["masklet"] = [[encoded(np.ones((10, 10)))]] * 6
    file.write_text(json.dumps(content))
    clips = SavClips(tmp_path, frames=4, size=32)
    assert len(clips) == 2 and clips.skipped == 4
    for reason in ("has 2 annotated frames", "no annotation of SA-V", "no_video.mp4", "shapes [(10, 10)]"):
        assert reason in caplog.text


def test_a_folder_without_usable_videos_is_refused(tmp_path: Path) -> None:
    assert not is_sav(tmp_path)
    (tmp_path / "a_manual.json").write_text("{}")
    with pytest.raises(DatasetError, match="expected <video>.mp4 and <video>_manual.json"):
        SavClips(tmp_path, frames=4)


def test_a_video_that_ends_early_is_named(tmp_path: Path) -> None:
    file = write_video(tmp_path, "cut")
    content = json.loads(file.read_text())
    content["masklet"] *= 2
    file.write_text(json.dumps(content))
    clips = SavClips(tmp_path, frames=4, size=32)
    with pytest.raises(DatasetError, match="cut.mp4 ends before its annotations"):
        clips.clip(len(clips) - 1)


def test_without_pycocotools_one_line_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path, "sav_000001")
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(MissingLibraryError, match="reading SA-V needs pycocotools: pip install -e"):
        SavClips(tmp_path)
