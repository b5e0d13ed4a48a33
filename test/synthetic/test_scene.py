"""Synthetic clips are reproducible."""

import numpy as np

from sam2_ros.synthetic.pictures import Photograph, Pictures
from sam2_ros.synthetic.scene import render_clip


def test_a_clip_is_a_function_of_seed_and_number() -> None:
    first, again, other = (render_clip(5, index, Pictures(), frames=3, size=64) for index in (1, 1, 2))
    assert np.array_equal(first.frames, again.frames) and np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.frames, other.frames)


def test_clips_show_absences_and_look_alikes() -> None:
    clips = [render_clip(5, index, Pictures(), frames=8, size=64) for index in range(30)]
    assert any(clip.look_alikes for clip in clips)
    returns = 0
    for clip in clips:
        seen = clip.visible().astype(int)
        returns += int(((np.diff(seen, axis=0) > 0).any(axis=0) & (seen[0] > 0)).sum())
    assert returns >= 3


def test_a_segment_of_a_photograph_can_be_an_object() -> None:
    image = np.zeros((400, 400, 3), np.uint8)
    segments = np.ones((400, 400), np.uint16)
    image[100:250, 100:250], segments[100:250, 100:250] = 255, 2
    clips = [render_clip(3, index, Pictures((Photograph(image, segments),)), frames=1, size=64) for index in range(20)]
    assert any(clip.labels.max() > 5 or len(np.unique(clip.labels)) > 2 for clip in clips)


def test_clips_without_pictures_do_not_change() -> None:
    labels = render_clip(90210, 3, Pictures(), frames=2, size=64).labels  # of the series of the fixed test set
    areas = np.bincount(labels[0].ravel(), minlength=4).astype(int)
    assert np.abs(areas - [3029, 494, 131, 442]).max() < 8
