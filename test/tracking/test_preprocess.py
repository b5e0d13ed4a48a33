"""Frames become normalised squares."""

import numpy as np
import pytest
import torch

from sam2_ros.tracking.preprocess import preprocess

CPU = torch.device("cpu")


def test_colours_are_normalised_by_the_statistics_of_imagenet() -> None:
    frame = np.zeros((10, 20, 3), np.uint8)
    frame[...] = (255, 0, 51)
    square = preprocess(frame, 32, CPU)
    assert square.shape == (1, 3, 32, 32)
    expected = [(1 - 0.485) / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225]
    assert square[0, :, 7, 7].tolist() == pytest.approx(expected, abs=1e-5)


def test_the_whole_frame_is_squeezed_into_the_square() -> None:
    frame = np.zeros((64, 128, 3), np.uint8)
    frame[:, 64:] = 255
    square = preprocess(frame, 32, CPU)[0, 0]
    assert (square[:, :15] < 0).all() and (square[:, 17:] > 0).all()


def test_views_with_strides_are_read_as_they_look() -> None:
    bgr = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    assert torch.equal(preprocess(bgr[..., ::-1], 32, CPU), preprocess(bgr[..., ::-1].copy(), 32, CPU))


@pytest.mark.parametrize(
    "frame",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_anything_but_an_rgb_image_is_rejected(frame: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected non-empty uint8 \(H, W, 3\)"):
        preprocess(frame, 32, CPU)
