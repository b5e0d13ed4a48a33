"""Sources are videos, folders of pictures and webcams; others are refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.media.pictures import PictureError
from sam2_ros.media.sources import SourceError, open_source
from sam2_ros.media.video import VideoError, VideoWriter

NO_WEBCAM = "6007"


def test_a_video_has_the_stamps_of_its_file(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", rate=10.0) as writer:
        for stamp in (0.0, 0.1, 0.7):
            writer.write(np.zeros((32, 48, 3), np.uint8), stamp)
    source = open_source(str(tmp_path / "a.mp4"), rate=5.0)
    assert (source.info.size, source.info.frames) == ((32, 48), 3)
    assert [stamp for _, stamp in source.frames] == pytest.approx([0.0, 0.1, 0.7], abs=1e-4)


def test_a_folder_of_pictures_is_read_in_natural_order_at_the_given_rate(tmp_path: Path) -> None:
    for i in (10, 9, 8):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((6, 8, 3), i, np.uint8))
    source = open_source(str(tmp_path), rate=5.0)
    assert (source.info.size, source.info.rate, source.info.frames) == ((6, 8), 5.0, 3)
    frames = list(source.frames)
    assert [rgb[0, 0, 0] for rgb, _ in frames] == [8, 9, 10]
    assert [stamp for _, stamp in frames] == pytest.approx([0.0, 0.2, 0.4])


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="has no pictures"):
        open_source(str(tmp_path), rate=5.0)


@pytest.mark.parametrize("name", [NO_WEBCAM, f"/dev/video{NO_WEBCAM}"])
def test_a_number_is_a_webcam_and_a_missing_one_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(SourceError, match=rf"no webcam {NO_WEBCAM} \(/dev/video{NO_WEBCAM}\); the webcams here are: "):
        open_source(name, rate=5.0)


def test_a_folder_may_be_named_by_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / NO_WEBCAM).mkdir()
    cv2.imwrite(str(tmp_path / NO_WEBCAM / "0.png"), np.zeros((6, 8, 3), np.uint8))
    monkeypatch.chdir(tmp_path)
    assert open_source(NO_WEBCAM, rate=5.0).info.frames == 1


@pytest.mark.parametrize("name", ["run.mcap", "run_0.db3", "run_0.db3.zstd"])
def test_a_ros_2_bag_is_refused_with_how_to_label_and_play_it(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    for given in (tmp_path, tmp_path / name):
        with pytest.raises(SourceError, match=f"ROS 2 bag, .* `sam2_ros label {given} .* `ros2 bag play {given}`"):
            open_source(str(given), rate=5.0)


def test_a_ros_1_bag_is_refused_with_how_to_convert_it(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="ROS 1 bag, .*convert"):
        open_source(str(tmp_path / "run.bag"), rate=5.0)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="nowhere.mp4 does not exist"):
        open_source(str(tmp_path / "nowhere.mp4"), rate=5.0)
