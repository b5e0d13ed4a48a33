"""Frames out of files, and into them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.tracking.video import VideoError, VideoWriter, probe, read_frames, write_labels

RED, BLUE = (220, 30, 30), (30, 30, 220)


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.full((*size, 3), colour, np.uint8)


def write(path: Path, frames: list[np.ndarray], rate: float = 25.0) -> Path:
    with VideoWriter(path, rate) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def test_what_is_written_is_read_in_order_and_in_its_colours(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", [plain(RED)] * 3 + [plain(BLUE)] * 2)
    frames = [frame for frame, _ in read_frames(path)]
    assert len(frames) == 5
    for frame, colour in zip(frames, [RED] * 3 + [BLUE] * 2):
        assert frame.shape == (48, 64, 3) and frame.dtype == np.uint8
        assert np.abs(frame.mean(axis=(0, 1)) - colour).max() < 8


def test_stamps_count_from_the_first_frame_at_the_rate_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", [plain(RED)] * 4, rate=12.5)
    assert [stamp for _, stamp in read_frames(path)] == pytest.approx([0.0, 0.08, 0.16, 0.24])


def test_probe_tells_size_rate_and_length(tmp_path: Path) -> None:
    info = probe(write(tmp_path / "clip.mp4", [plain(RED, (32, 96))] * 7, rate=10.0))
    assert info.size == (32, 96)
    assert info.rate == pytest.approx(10.0)
    assert info.frames == 7


def test_the_file_is_of_the_kind_that_browsers_play(tmp_path: Path) -> None:
    capture = cv2.VideoCapture(str(write(tmp_path / "clip.mp4", [plain(RED)] * 3)))
    fourcc = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little")
    assert fourcc in (b"avc1", b"h264")


def test_odd_sizes_gain_a_row_and_a_column(tmp_path: Path) -> None:
    assert probe(write(tmp_path / "clip.mp4", [plain(RED, (33, 51))] * 3)).size == (34, 52)


def test_frames_that_are_views_can_be_written(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", [plain(RED)[:, :, ::-1]] * 3)
    assert np.abs(next(read_frames(path))[0].mean(axis=(0, 1)) - RED[::-1]).max() < 8


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"shape \(50, 64, 3\), expected \(48, 64, 3\)"):
        write(tmp_path / "clip.mp4", [plain(RED), plain(RED, (50, 64))])


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="folder does not exist"):
        VideoWriter(tmp_path / "nowhere" / "clip.mp4", 25.0)


def test_what_ffmpeg_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="ffmpeg"):
        write(tmp_path, [plain(RED, (480, 640))] * 200)  # a folder where the file should be


@pytest.mark.parametrize("read", [probe, lambda path: next(read_frames(path))])
class TestAFileThatIsNoVideo:
    def test_is_missing(self, read, tmp_path: Path) -> None:
        with pytest.raises(VideoError, match="nothing.mp4 does not exist"):
            read(tmp_path / "nothing.mp4")

    def test_is_a_folder(self, read, tmp_path: Path) -> None:
        with pytest.raises(VideoError, match="does not exist"):
            read(tmp_path)

    def test_is_something_else(self, read, tmp_path: Path) -> None:
        path = tmp_path / "text.mp4"
        path.write_text("no video")
        with pytest.raises(VideoError, match="cannot be read"):
            read(path)

    def test_is_empty(self, read, tmp_path: Path) -> None:
        path = tmp_path / "empty.mp4"
        path.touch()
        with pytest.raises(VideoError, match="cannot be read"):
            read(path)

    def test_is_cut_off_before_its_first_frame(self, read, tmp_path: Path) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
        path = write(tmp_path / "clip.mp4", [noise] * 3)
        path.write_bytes(path.read_bytes()[:2000])
        with pytest.raises(VideoError, match="has no frames"):
            read(path)


def test_labels_keep_their_values(tmp_path: Path) -> None:
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    write_labels(tmp_path / "0.png", labels)
    assert np.array_equal(cv2.imread(str(tmp_path / "0.png"), cv2.IMREAD_UNCHANGED), labels)


def test_labels_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="cannot write"):
        write_labels(tmp_path / "nowhere" / "0.png", np.zeros((4, 4), np.uint8))
