"""Reading and writing videos, and writing label images."""

import os
import resource
import struct
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from sam2_ros.media.mask_files import read_mask
from sam2_ros.media.video import DEMO_CLIP, VideoError, VideoWriter, probe, read_frames, write_labels

RED, BLUE = (220, 30, 30), (30, 30, 220)


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.full((*size, 3), colour, np.uint8)


def write(path: Path, frames: list[np.ndarray], rate: float = 25.0) -> Path:
    with VideoWriter(path, rate) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def test_written_frames_are_read_in_order_with_their_colours(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", [plain(RED)] * 3 + [plain(BLUE)] * 2)
    frames = [frame for frame, _ in read_frames(path)]
    assert len(frames) == 5
    for frame, colour in zip(frames, [RED] * 3 + [BLUE] * 2):
        assert frame.shape == (48, 64, 3) and frame.dtype == np.uint8
        assert np.abs(frame.mean(axis=(0, 1)) - colour).max() < 8


def test_stamps_are_seconds_since_the_first_frame(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", [plain(RED)] * 4, rate=12.5)
    assert [stamp for _, stamp in read_frames(path)] == pytest.approx([0.0, 0.08, 0.16, 0.24])


def test_a_variable_rate_is_kept(tmp_path: Path) -> None:
    stamps = [0.0, 0.01, 0.2, 0.25, 3.0, 3.04]
    with VideoWriter(tmp_path / "clip.mp4", rate=25.0) as writer:
        for stamp in stamps:
            writer.write(plain(RED), stamp)
    assert [stamp for _, stamp in read_frames(tmp_path / "clip.mp4")] == pytest.approx(stamps, abs=1e-4)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_rotated_video_is_read_as_players_show_it(turn: int, tmp_path: Path) -> None:
    picture = plain(BLUE)
    picture[:24, :32] = RED
    path = write(tmp_path / "clip.mp4", [picture] * 2)
    path.write_bytes(rotated(path.read_bytes(), turn, height=48, width=64))
    expected = np.rot90(picture, -turn // 90)  # as phones say it: clockwise
    assert probe(path).size == expected.shape[:2]
    assert np.abs(next(read_frames(path))[0].astype(float) - expected).mean() < 8


def rotated(mp4: bytes, turn: int, height: int, width: int) -> bytes:
    """With another matrix in the header of its track, the last one of the file."""
    matrices = {
        0: (1, 0, 0, 1, 0, 0),
        90: (0, 1, -1, 0, height, 0),
        180: (-1, 0, 0, -1, width, height),
        270: (0, -1, 1, 0, 0, width),
    }
    upright, turned = (
        struct.pack(">9i", *(int(v * 65536) for v in (a, b, 0, c, d, 0, x, y)), 1 << 30)
        for a, b, c, d, x, y in (matrices[0], matrices[turn])
    )
    at = mp4.index(upright, mp4.rindex(b"tkhd"))
    return mp4[:at] + turned + mp4[at + len(turned) :]


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_grey_videos_that_use_the_lowest_bits_of_16_are_not_dark(bits: int, tmp_path: Path) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint16), (64, 1))
    with av.open(str(tmp_path / "thermal.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 256, "gray16le"
        frame = av.VideoFrame.from_ndarray(ramp << (bits - 8), format="gray16le")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    ((rgb, _),) = read_frames(tmp_path / "thermal.mkv")
    np.testing.assert_array_equal(rgb, np.dstack([ramp] * 3))


def test_damaged_frames_are_skipped_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 240, 320, 3), np.uint8)
    path = write(tmp_path / "clip.mp4", list(noise))
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 20_000] = bytes(20_000)
    path.write_bytes(content)
    stamps = [stamp for _, stamp in read_frames(path)]
    assert 40 < len(stamps) <= 60
    assert all(a < b for a, b in pairwise(stamps))
    assert "clip.mp4 is damaged" in caplog.text


def test_file_names_may_have_any_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / os.fsdecode(b"caf\xe9.mp4"), [plain(RED)] * 3)
    assert probe(path).frames == 3
    labels = tmp_path / os.fsdecode(b"mask\xff.png")
    write_labels(labels, np.ones((4, 4), np.uint8))
    assert read_mask(labels).all()


def test_the_file_of_a_killed_program_can_be_played(tmp_path: Path) -> None:
    program = """
import os, sys
import numpy as np
from sam2_ros.media.video import VideoWriter
writer = VideoWriter(sys.argv[1], rate=10.0)
for _ in range(150):
    writer.write(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))
os._exit(1)
"""
    subprocess.run([sys.executable, "-c", program, tmp_path / "clip.mp4"], check=False, timeout=100)
    assert len(list(read_frames(tmp_path / "clip.mp4"))) > 50


def test_the_file_on_a_full_disk_can_be_played(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, before[1]))
    noise = np.random.default_rng(0).integers(0, 256, (10, 120, 160, 3), np.uint8)
    try:
        with pytest.raises(VideoError, match="cannot write .*clip.mp4: File too large"):
            write(tmp_path / "clip.mp4", [*noise] * 40, rate=10.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(list(read_frames(tmp_path / "clip.mp4"))) > 10


def test_probe_gives_size_rate_and_length(tmp_path: Path) -> None:
    info = probe(write(tmp_path / "clip.mp4", [plain(RED, (32, 96))] * 7, rate=10.0))
    assert info.size == (32, 96)
    assert info.rate == pytest.approx(10.0)
    assert info.frames == 7


def test_the_file_is_an_mp4_that_browsers_play(tmp_path: Path) -> None:
    capture = cv2.VideoCapture(str(write(tmp_path / "clip.mp4", [plain(RED)] * 3)))
    fourcc = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little")
    assert fourcc in (b"avc1", b"h264")


def test_odd_sizes_are_padded_to_even_ones(tmp_path: Path) -> None:
    assert probe(write(tmp_path / "clip.mp4", [plain(RED, (33, 51))] * 3)).size == (34, 52)


def test_frames_that_are_views_can_be_written(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", [plain(RED)[:, :, ::-1]] * 3)
    assert np.abs(next(read_frames(path))[0].mean(axis=(0, 1)) - RED[::-1]).max() < 8


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"shape \(50, 64, 3\), expected \(48, 64, 3\)"):
        write(tmp_path / "clip.mp4", [plain(RED), plain(RED, (50, 64))])


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="folder does not exist"):
        VideoWriter(tmp_path / "nowhere" / "clip.mp4", 25.0)


def test_a_file_that_cannot_be_written_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=f"cannot write {tmp_path}: Is a directory"):
        write(tmp_path, [plain(RED, (480, 640))] * 200)  # a folder where the file should be


@pytest.mark.parametrize("read", [probe, lambda path: next(read_frames(path))])
class TestAFileThatIsNoVideo:
    def test_is_missing(self, read: Callable[[Path], object], tmp_path: Path) -> None:
        with pytest.raises(VideoError, match="nothing.mp4 does not exist"):
            read(tmp_path / "nothing.mp4")

    def test_is_a_folder(self, read: Callable[[Path], object], tmp_path: Path) -> None:
        with pytest.raises(VideoError, match="is a folder, expected a file such as an mp4"):
            read(tmp_path)

    def test_is_something_else(self, read: Callable[[Path], object], tmp_path: Path) -> None:
        path = tmp_path / "text.mp4"
        path.write_text("no video")
        with pytest.raises(VideoError, match="cannot be read"):
            read(path)

    def test_is_empty(self, read: Callable[[Path], object], tmp_path: Path) -> None:
        path = tmp_path / "empty.mp4"
        path.touch()
        with pytest.raises(VideoError, match="cannot be read"):
            read(path)

    def test_is_cut_off_before_its_first_frame(self, read: Callable[[Path], object], tmp_path: Path) -> None:
        path = tmp_path / "clip.mp4"
        path.write_bytes(DEMO_CLIP.read_bytes()[:4000])  # its index is whole
        with pytest.raises(VideoError, match="has no frames"):
            read(path)


def test_labels_keep_their_values(tmp_path: Path) -> None:
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    write_labels(tmp_path / "0.png", labels)
    written = cv2.imread(str(tmp_path / "0.png"), cv2.IMREAD_UNCHANGED)
    assert written is not None and np.array_equal(written, labels)


def test_labels_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="cannot write"):
        write_labels(tmp_path / "nowhere" / "0.png", np.zeros((4, 4), np.uint8))
