"""Synthetic people are connected, have many colours and move their limbs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sam2_ros.synthetic.drawing import Actor, draw
from sam2_ros.synthetic.motion import Trajectory
from sam2_ros.synthetic.people import person
from sam2_ros.synthetic.pictures import Pictures

SIZE, FRAMES = 160, 12
BACKGROUND = -100.0  # no colour that anything has


def render_person(seed: int, frame: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Picture (SIZE, SIZE, 3) and mask (SIZE, SIZE) bool of a person in its centre."""
    parts = person(np.random.default_rng(seed), Pictures())
    middle, half = np.full((FRAMES, 2), 0.5), np.full((FRAMES, 2), 0.45)
    actor = Actor(parts, Trajectory(middle, np.zeros(FRAMES), half, np.ones(FRAMES, bool)), label=1)
    picture, labels = np.full((SIZE, SIZE, 3), BACKGROUND, np.float32), np.zeros((SIZE, SIZE), np.uint8)
    draw(actor, frame, np.tile(np.eye(3), (FRAMES, 1, 1)), 0.0, picture, labels)
    return picture, labels > 0


@pytest.mark.parametrize("seed", range(8))
def test_a_person_is_connected_upright_and_within_the_image(seed: int) -> None:
    mask = render_person(seed)[1]
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    assert stats[1:, cv2.CC_STAT_AREA].max() > 0.97 * mask.sum()
    rows, columns = np.nonzero(mask)
    assert np.ptp(rows) > 1.3 * np.ptp(columns[np.abs(rows - SIZE / 2) < SIZE / 8])
    assert not mask[[0, -1]].any() and not mask[:, [0, -1]].any()


def test_people_have_many_colours() -> None:
    colours = [
        len(np.unique(picture[mask].astype(int) // 64, axis=0)) for picture, mask in map(render_person, range(8))
    ]
    assert np.median(colours) >= 5


def test_people_move_their_limbs_and_not_their_bodies() -> None:
    first, later = (render_person(3, frame)[1] for frame in (0, 6))
    changed = first != later
    middle = np.s_[SIZE // 2 - 12 : SIZE // 2, SIZE // 2 - 4 : SIZE // 2 + 4]
    assert changed.sum() > 100 and not changed[middle].any()


def test_the_same_seed_draws_the_same_person() -> None:
    assert np.array_equal(render_person(5)[0], render_person(5)[0]) and not np.array_equal(
        render_person(5)[0], render_person(6)[0]
    )
