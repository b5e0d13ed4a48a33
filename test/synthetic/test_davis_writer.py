"""Images are written whatever the file's name is, or the error names the file."""

import os
from pathlib import Path

import numpy as np
import pytest

from sam2_ros.synthetic.davis_writer import write_image
from sam2_ros.synthetic.pictures import decode_image

IMAGE = np.arange(64, dtype=np.uint8).reshape(8, 8)


def test_a_file_name_that_is_not_utf8_is_written(tmp_path: Path) -> None:
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.png"))
    write_image(file, IMAGE)
    written = decode_image(file, -1)
    assert written is not None and np.array_equal(written, IMAGE)


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "full.png").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device.*full.png"):
        write_image(tmp_path / "full.png", IMAGE)
