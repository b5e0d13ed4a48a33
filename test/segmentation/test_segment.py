"""Masks are kept small, and come out as they went in."""

import sys

import numpy as np
import pytest

from sam2_ros.optional import MissingLibraryError
from sam2_ros.segmentation.coco import compressed_rle, run_lengths, shortest_rle
from sam2_ros.segmentation.segment import PackedMask, Segment
from sam2_ros.tracking import Box


@pytest.fixture(params=[(1, 1), (7, 5), (64, 48)])
def mask(request: pytest.FixtureRequest) -> np.ndarray:
    mask = np.random.default_rng(1).random(request.param) > 0.6
    mask[-1, -1] = True
    return mask


def test_a_mask_is_unpacked_as_it_was(mask: np.ndarray) -> None:
    packed = PackedMask.of(mask, mask.shape)
    assert (packed.array() == mask).all() and packed.area == mask.sum()


def test_a_mask_of_a_crop_is_put_in_its_place() -> None:
    mask = np.zeros((6, 8), bool)
    mask[2:4, 1:7] = True
    packed = PackedMask.of(mask, (30, 40), corner=(20, 10))
    assert packed.edges == (21, 12, 27, 14)
    assert np.argwhere(packed.array()).min(axis=0).tolist() == [12, 21]
    assert packed.array().sum() == 12
    assert Segment(packed, 0.9, 0.9, (22.0, 13.0), Box(20, 10, 28, 16)).box == Box(21, 12, 27, 14)


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(ValueError, match="mask is empty"):
        PackedMask.of(np.zeros((4, 4), bool), (4, 4))


def test_a_mask_that_fills_a_4k_image_takes_little_memory() -> None:
    y, x = np.mgrid[:2160, :3840]
    mask = (x - 1900) ** 2 + (y - 1000) ** 2 < 1000**2
    assert sys.getsizeof(PackedMask.of(mask, mask.shape).bits) < mask.nbytes / 100


def test_runs_go_down_the_columns_and_begin_off_the_mask() -> None:
    assert run_lengths(np.array([[0, 1], [0, 1], [1, 0]], bool)) == {"size": [3, 2], "counts": [2, 3, 1]}
    assert run_lengths(np.array([[1, 0]], bool)) == {"size": [1, 2], "counts": [0, 1, 1]}
    assert run_lengths(np.zeros((2, 2), bool)) == {"size": [2, 2], "counts": [4]}


def test_coco_reads_both_forms(mask: np.ndarray) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    segment = Segment(PackedMask.of(mask, mask.shape), 0.9, 0.9, (0.0, 0.0), Box(0, 0, 1, 1))
    assert (coco.decode(segment.coco_rle()) == mask).all()
    assert (coco.decode(coco.frPyObjects(run_lengths(mask), *mask.shape)) == mask).all()


def test_without_pycocotools_there_are_run_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.eye(4, dtype=bool)
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    monkeypatch.delitem(sys.modules, "pycocotools.mask", raising=False)
    assert shortest_rle(mask) == run_lengths(mask)
    with pytest.raises(MissingLibraryError, match=r"pip install -e '.\[coco\]'"):
        compressed_rle(mask)
