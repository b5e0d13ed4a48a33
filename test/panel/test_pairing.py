"""An image, its tracks and its labels belong together by their stamp."""

import numpy as np
import pytest

from sam2_ros.panel import pairing
from sam2_ros.panel.pairing import Pairing
from sam2_ros.panel.types import ShownTrack, Stamp

LABELS = np.zeros((2, 2), np.uint8)
TRACKS = (ShownTrack(1, 1, "", "visible", 1.0, 0.0, None),)


def test_results_get_the_image_of_their_stamp() -> None:
    pair: Pairing[str] = Pairing()
    for sec in range(5):
        pair.put_image(Stamp(sec, 0), f"image {sec}", 1)
    pair.put_tracks(Stamp(3, 0), TRACKS)
    assert pair.complete() is None
    pair.put_labels(Stamp(3, 0), LABELS)
    assert pair.complete() == (Stamp(3, 0), TRACKS, LABELS, "image 3")


def test_results_of_the_same_image_that_change_are_complete_again() -> None:
    pair: Pairing[str] = Pairing()
    pair.put_image(Stamp(1, 0), "image", 1)
    pair.put_tracks(Stamp(1, 0), ())
    pair.put_labels(Stamp(1, 0), LABELS)
    assert pair.complete() is not None
    pair.put_tracks(Stamp(1, 0), TRACKS)
    complete = pair.complete()
    assert complete is not None and complete[1] == TRACKS and complete[3] == "image"


def test_results_without_their_image_have_none() -> None:
    pair: Pairing[str] = Pairing()
    pair.put_tracks(Stamp(1, 0), ())
    pair.put_labels(Stamp(1, 0), LABELS)
    complete = pair.complete()
    assert complete is not None and complete[3] is None


def test_stamps_that_jump_back_do_no_harm() -> None:
    pair: Pairing[str] = Pairing()
    for sec in (100, 101, 5, 6):
        pair.put_image(Stamp(sec, 0), str(sec), 1)
    pair.put_tracks(Stamp(5, 0), ())
    pair.put_labels(Stamp(5, 0), LABELS)
    complete = pair.complete()
    assert complete is not None and complete[3] == "5"
    assert list(pair._images) == [Stamp(5, 0), Stamp(6, 0)]


def test_images_without_results_are_bounded_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairing, "_MAX_BYTES", 1000)
    pair: Pairing[str] = Pairing()
    for sec in range(100):
        pair.put_image(Stamp(sec, 0), "image", 300)
    assert list(pair._images) == [Stamp(sec, 0) for sec in (97, 98, 99)]
    pair.put_image(Stamp(200, 0), "huge", 5000)
    assert list(pair._images) == [Stamp(200, 0)]


def test_results_are_late_before_the_first_ones_and_not_right_after_them() -> None:
    pair: Pairing[str] = Pairing()
    assert pair.is_late
    pair.put_tracks(Stamp(1, 0), ())
    pair.put_labels(Stamp(1, 0), LABELS)
    pair.complete()
    assert not pair.is_late
