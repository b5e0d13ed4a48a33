"""Reading and writing picture files, and folders of pictures."""

import errno
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.media.pictures import PictureError, picture_files, read_picture, read_pictures, write_picture

NOT_UTF8 = os.fsdecode(b"caf\xe9.png")


@pytest.fixture
def limited() -> Iterator[None]:
    """Files can grow to 100 bytes only, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def fill(folder: Path, *names: str, size: tuple[int, int] = (6, 8)) -> list[Path]:
    """Pictures whose red value is their position in `names`."""
    for i, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((*size, 3), (0, 0, 10 * i), np.uint8))
    return [folder / name for name in names]


def test_a_file_name_may_have_any_bytes(tmp_path: Path) -> None:
    write_picture(tmp_path / NOT_UTF8, np.eye(4, dtype=np.uint8))
    picture = read_picture(tmp_path / NOT_UTF8, cv2.IMREAD_UNCHANGED)
    assert picture is not None and np.array_equal(picture, np.eye(4))


def test_a_file_that_is_no_picture_is_read_as_none(tmp_path: Path) -> None:
    for content in (b"", b"text", b"\x89PNG\r\n\x1a\n"):
        (tmp_path / "a.png").write_bytes(content)
        assert read_picture(tmp_path / "a.png") is None


def test_a_full_disk_leaves_no_incomplete_picture(tmp_path: Path, limited: None) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 50), np.uint8)
    with pytest.raises(OSError) as raised:
        write_picture(tmp_path / "a.png", noise)
    assert (raised.value.errno, raised.value.filename) == (errno.EFBIG, str(tmp_path / "a.png"))
    assert not (tmp_path / "a.png").exists()


def test_numbers_in_names_are_sorted_by_value(tmp_path: Path) -> None:
    names = ["a1.png", "a2.jpg", "A10.PNG", "a11.png", "b.jpeg", "b1c2.bmp", "b1c10.tif"]
    fill(tmp_path, *names)
    assert [file.name for file in picture_files(tmp_path)] == [*names[:4], "b1c2.bmp", "b1c10.tif", "b.jpeg"]


def test_other_files_in_a_folder_are_ignored(tmp_path: Path) -> None:
    fill(tmp_path, "0.png")
    for other in ("notes.txt", "._0.png", "tracks.csv"):
        (tmp_path / other).touch()
    (tmp_path / "labels.png").mkdir()
    assert [file.name for file in picture_files(tmp_path)] == ["0.png"]


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="has no pictures, expected files such as 000000.jpg"):
        picture_files(tmp_path)


def test_pictures_of_any_type_are_read_as_rgb(tmp_path: Path) -> None:
    files = fill(tmp_path, "0.png", "1.png")
    cv2.imwrite(str(tmp_path / "2.png"), np.full((6, 8), 20, np.uint8))  # grey
    cv2.imwrite(str(tmp_path / "3.png"), np.full((6, 8, 4), (0, 0, 30, 99), np.uint8))  # with alpha
    pictures = list(read_pictures([*files, tmp_path / "2.png", tmp_path / "3.png"]))
    assert [picture[0, 0].tolist() for picture in pictures] == [[0, 0, 0], [10, 0, 0], [20, 20, 20], [30, 0, 0]]


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    files = fill(tmp_path, "0.png", "1.png", "2.png")
    files[1].write_bytes(files[1].read_bytes()[:40])
    pictures = read_pictures(files)
    next(pictures)
    with pytest.raises(PictureError, match="picture .*1.png cannot be read"):
        next(pictures)


def test_a_picture_of_another_size_is_named(tmp_path: Path) -> None:
    files = [*fill(tmp_path, "0.png"), *fill(tmp_path, "1.png", size=(6, 9))]
    with pytest.raises(PictureError, match="picture .*1.png has 9 x 6 pixels, expected 8 x 6 as 0.png has"):
        list(read_pictures(files))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_pictures_of_16_bits_are_scaled_by_the_bits_that_they_use(tmp_path: Path, bits: int) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (40, 1))
    for name, picture in (("0.png", ramp), ("1.png", ramp // 4)):  # the second is darker, and stays so
        cv2.imwrite(str(tmp_path / name), picture.astype(np.uint16) << (bits - 8))
    first, second = read_pictures(picture_files(tmp_path))
    np.testing.assert_array_equal(first, np.dstack([ramp] * 3))
    np.testing.assert_array_equal(second, np.dstack([ramp // 4] * 3))


def test_pictures_of_floats_are_scaled_to_their_range(tmp_path: Path) -> None:
    celsius = np.tile(np.linspace(20, 40, 256, dtype=np.float32), (40, 1))
    cv2.imwrite(str(tmp_path / "0.tiff"), np.dstack([celsius] * 3))
    (picture,) = read_pictures(picture_files(tmp_path))
    np.testing.assert_allclose(picture[0, :, 0], np.arange(256), atol=2)
