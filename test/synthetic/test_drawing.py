"""What is drawn and what its mask covers."""

import numpy as np

from sam2_ros.synthetic.clip import visible_objects
from sam2_ros.synthetic.drawing import Actor, draw
from sam2_ros.synthetic.motion import Trajectory
from sam2_ros.synthetic.shapes import SPRITE, Part


def square_actor(label: int, x: float, half_side: float = 0.1, colour: float = 255.0) -> Actor:
    """A square of one colour that stands still at (x, 0.5)."""
    sprite = np.dstack([np.full((SPRITE, SPRITE, 3), colour), np.ones((SPRITE, SPRITE))]).astype(np.float32)
    trajectory = Trajectory(np.array([[x, 0.5]]), np.zeros(1), np.full((1, 2), half_side), np.ones(1, bool))
    return Actor((Part(sprite, np.eye(3)),), trajectory, label)


def draw_all(*actors: Actor, size: int = 100) -> tuple[np.ndarray, np.ndarray]:
    picture, labels = np.zeros((size, size, 3), np.float32), np.zeros((size, size), np.uint8)
    for actor in actors:
        draw(actor, 0, np.eye(3)[None], 0.0, picture, labels)
    return picture, labels


def test_an_object_is_drawn_at_its_position_and_its_mask_is_what_it_covers() -> None:
    picture, labels = draw_all(square_actor(3, x=0.3))
    ys, xs = np.nonzero(labels == 3)
    assert abs(xs.mean() - 30) < 1 and abs(ys.mean() - 50) < 1
    assert abs(len(xs) - 20 * 20) < 45
    assert (picture[labels == 3] > 127).all() and (picture[labels == 0] < 128).all()


def test_occluded_pixels_are_not_in_the_mask() -> None:
    _, labels = draw_all(square_actor(1, x=0.5), square_actor(2, x=0.5, half_side=0.2, colour=90))
    assert not (labels == 1).any()
    assert visible_objects(labels[None], 2).tolist() == [[False, True]]


def test_scenery_occludes_objects() -> None:
    _, labels = draw_all(square_actor(1, x=0.5), square_actor(0, x=0.5, half_side=0.2, colour=90))
    assert not labels.any()


def test_nothing_is_drawn_outside_the_picture() -> None:
    picture, labels = draw_all(square_actor(1, x=1.5))
    assert not picture.any() and not labels.any()
