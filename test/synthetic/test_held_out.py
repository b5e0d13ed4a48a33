"""The held-out set is always the same."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.synthetic import held_out, pictures
from sam2_ros.synthetic.pictures import Pictures, load_pictures
from sam2_ros.synthetic.scene import render_clip


def test_the_first_clip_is_that_of_the_set_and_has_a_visible_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "BUNDLED", ("coins",))
    monkeypatch.setattr(held_out, "FRAMES", 2)
    assert held_out.main([str(tmp_path), "--clips", "1"]) == 0
    (file,) = (tmp_path / "Annotations").glob("*/00000.png")
    expected = render_clip(held_out.SEED, 0, load_pictures(None), frames=2, size=held_out.SIZE)
    written = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    assert written is not None and written.any()
    assert np.array_equal(written, np.where(np.isin(expected.labels[0], np.unique(written)), expected.labels[0], 0))
    assert not np.array_equal(
        expected.labels, render_clip(held_out.SEED, 0, Pictures(), frames=2, size=held_out.SIZE).labels
    )


def test_without_scikit_image_no_other_set_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    assert held_out.main([str(tmp_path / "set")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("the held-out set needs skimage: pip install -e '.[train]'")
    assert not (tmp_path / "set").exists()
