"""The demo clip contains an occlusion, an absence and a look-alike."""

import numpy as np
import pytest

from sam2_ros.synthetic.clip import Clip
from sam2_ros.synthetic.demo_clip import CLICK, FRAMES, LOOK_ALIKE, RATE, SIZE, demo_clip, detections


@pytest.fixture(scope="module")
def clip() -> Clip:
    return demo_clip()


def test_the_click_hits_the_target(clip: Clip) -> None:
    assert clip.frames.shape == (FRAMES, *SIZE, 3)
    x, y = CLICK
    assert (clip.labels[0, y - 3 : y + 4, x - 3 : x + 4] == 1).all()


def test_the_target_is_absent_twice_and_visible_at_the_end(clip: Clip) -> None:
    seen = (clip.labels == 1).any(axis=(1, 2))
    changes = np.flatnonzero(np.diff(seen.astype(int)))
    assert seen[0] and seen[-1] and len(changes) == 4
    hidden, shown, left, returned = changes
    assert 15 <= shown - hidden < RATE  # occluded
    assert returned - left >= 1.25 * RATE  # lost


def test_the_target_is_occluded_inside_the_image_and_leaves_at_its_side(clip: Clip) -> None:
    areas = [np.argwhere(frame == 1) for frame in clip.labels]
    last_seen = [areas[t] for t in range(FRAMES - 1) if len(areas[t]) and not len(areas[t + 1])]
    width = SIZE[1]
    assert 0.2 * width < last_seen[0][:, 1].max() < 0.7 * width
    assert last_seen[1][:, 1].max() == width - 1


def test_a_look_alike_stays_in_view_all_the_time(clip: Clip) -> None:
    areas = (clip.labels == LOOK_ALIKE).sum(axis=(1, 2))
    assert areas.min() > 1000
    target, other = (clip.frames[0][clip.labels[0] == label].mean(axis=0) for label in (1, LOOK_ALIKE))
    assert np.abs(target - other).max() < 25


def test_the_detector_reports_the_target_where_nearly_all_of_it_is_visible(clip: Clip) -> None:
    found = detections(clip)
    assert found[0]["frame"] == 0 and len(found) >= 10
    for entry in found:
        x0, y0, x1, y1 = map(int, entry["box"])
        target = clip.labels[entry["frame"]] == 1
        assert target[y0:y1, x0:x1].sum() == target.sum() > 0.5 * (x1 - x0) * (y1 - y0)
