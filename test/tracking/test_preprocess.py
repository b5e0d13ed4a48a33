"""Frames are resized to a square and normalised."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sam2_ros.tracking.preprocess import preprocess, preprocess_unrounded

CPU = torch.device("cpu")


def test_colours_are_normalised_by_the_statistics_of_imagenet() -> None:
    frame = np.zeros((10, 20, 3), np.uint8)
    frame[...] = (255, 0, 51)
    square = preprocess(frame, 32, CPU)
    assert square.shape == (1, 3, 32, 32)
    expected = [(1 - 0.485) / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225]
    assert square[0, :, 7, 7].tolist() == pytest.approx(expected, abs=1e-5)


def test_the_whole_frame_is_resized_to_the_square() -> None:
    frame = np.zeros((64, 128, 3), np.uint8)
    frame[:, 64:] = 255
    square = preprocess(frame, 32, CPU)[0, 0]
    assert (square[:, :15] < 0).all() and (square[:, 17:] > 0).all()


def test_strided_views_are_preprocessed_like_copies() -> None:
    bgr = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    assert torch.equal(preprocess(bgr[..., ::-1], 32, CPU), preprocess(bgr[..., ::-1].copy(), 32, CPU))


def test_read_only_frames_are_preprocessed() -> None:
    frame = np.frombuffer(bytes(range(48)), np.uint8).reshape(4, 4, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(preprocess(frame, 32, CPU), preprocess(frame.copy(), 32, CPU))


EXPECTED = r"expected non-empty uint8 \(H, W, 3\), RGB"


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (np.zeros((4, 5), np.uint8), rf"uint8 \(4, 5\), {EXPECTED}: repeat grey in three channels by np.dstack"),
        (np.zeros((4, 5, 4), np.uint8), rf"uint8 \(4, 5, 4\), {EXPECTED}: drop alpha by frame\[..., :3\]"),
        (np.zeros((3, 40, 50), np.uint8), rf"{EXPECTED}: move the channels last by frame.transpose\(1, 2, 0\)"),
        (np.zeros((4, 5, 3), np.float32), rf"float32 \(4, 5, 3\), {EXPECTED}: scale 0..1 by \(255 \* frame\)"),
        (np.zeros((4, 5, 3), np.uint16), rf"uint16 \(4, 5, 3\), {EXPECTED}: scale it to 0..255"),
        (np.zeros((4, 5, 3), bool), f"bool .*{EXPECTED}"),
        (np.zeros((0, 4, 3), np.uint8), rf"uint8 \(0, 4, 3\), {EXPECTED}"),
        (np.zeros((1, 4, 5, 3), np.uint8), EXPECTED),
        (np.zeros((4, 5, 1), np.uint8), EXPECTED),
    ],
    ids=str,
)
def test_other_arrays_are_refused_with_the_conversion(frame: np.ndarray, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        preprocess(frame, 32, CPU)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ([[[0, 0, 0]]], rf"frame is a list, {EXPECTED}, as a NumPy array: pass np.asarray\(frame\)"),
        (Image.new("RGB", (4, 4)), rf"frame is a Image, {EXPECTED}, as a NumPy array: pass np.asarray\(frame\)"),
        (torch.zeros(4, 4, 3), rf"frame is a Tensor, {EXPECTED}, as a NumPy array: pass frame.cpu\(\).numpy\(\)"),
        (None, f"frame is a NoneType, {EXPECTED}"),
        ("frame.png", f"frame is a str, {EXPECTED}"),
    ],
    ids=["list", "PIL image", "tensor", "None", "file name"],
)
def test_other_types_are_refused_with_the_conversion(frame: Any, reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        preprocess(frame, 32, CPU)


def test_colours_are_rounded_only_where_that_is_asked_for() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    rounded, exact = (f(rgb, 32, torch.device("cpu")) for f in (preprocess, preprocess_unrounded))
    level = 1 / (255 * 0.224)  # one colour value
    assert 0.1 * level < float((rounded - exact).abs().max()) < 1.2 * level
