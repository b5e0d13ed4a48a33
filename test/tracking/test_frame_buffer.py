"""The newest frames, which prompts can be applied to."""

import pytest
import torch

from sam2_ros.model import ImageFeatures
from sam2_ros.tracking import PromptError, StampError
from sam2_ros.tracking.frame_buffer import Frame, FrameBuffer

FEATURES = ImageFeatures(*[torch.zeros(1)] * 3)


def buffer(*stamps: float, history: int = 4, tolerance: float = 0.0) -> FrameBuffer:
    frames = FrameBuffer(history, tolerance)
    for index, stamp in enumerate(stamps):
        frames.append(Frame(index, stamp, (48, 64), features=FEATURES))
    return frames


def test_the_next_frame_replaces_the_oldest() -> None:
    frames = buffer(0.0, 0.1, 0.2, 0.3, 0.4)
    assert frames.covered == (0.1, 0.4)
    assert frames.next_to_drop is not None and frames.next_to_drop.index == 1
    assert buffer(0.0, 0.1).next_to_drop is None


def test_a_frame_is_found_by_its_stamp_or_is_the_newest() -> None:
    frames = buffer(0.0, 0.1, 0.2)
    assert frames.at(0.1).index == 1 and frames.at(None).index == 2
    assert frames.following(0).index == 1


def test_the_nearest_frame_within_the_tolerance_is_found() -> None:
    frames = buffer(0.0, 0.1, 0.2, tolerance=0.06)
    assert frames.at(0.14).index == 1 and frames.at(0.26).index == 2
    with pytest.raises(PromptError, match=r"no buffered frame is stamped 0\.270000 s \(within 0\.06 s\); the 3"):
        frames.at(0.27)


def test_an_empty_buffer_has_no_frame() -> None:
    assert buffer().covered is None and buffer().newest is None
    with pytest.raises(PromptError, match="there is no frame yet to apply the prompt to"):
        buffer().at(None)


def test_stamps_have_to_increase() -> None:
    buffer().check_next(-5.0)
    buffer(0.0, 0.1).check_next(0.11)
    for stamp in (0.1, 0.05):
        with pytest.raises(StampError, match="expected increasing stamps"):
            buffer(0.0, 0.1).check_next(stamp)
    with pytest.raises(StampError, match="stamp is nan"):
        buffer().check_next(float("nan"))
