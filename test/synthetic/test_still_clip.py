"""Stills become clips whose masks are exact under every warp."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sam2_ros.synthetic import still_clip
from sam2_ros.synthetic.camera_effects import CameraEffects
from sam2_ros.synthetic.clip import Clip
from sam2_ros.synthetic.drawing import Actor, draw
from sam2_ros.synthetic.motion import Trajectory
from sam2_ros.synthetic.still_clip import MAX_OBJECTS, StillClipSpec, render_still_clip
from sam2_ros.synthetic.stills import Still, cut_out, without_object

RED, BLUE = (220, 30, 30), (30, 30, 220)
DRAWN = 40  # clips


def still(colour: tuple[int, int, int] = RED, size: tuple[int, int] = (120, 160)) -> Still:
    """A box of one colour on a green checkerboard."""
    y, x = np.mgrid[: size[0], : size[1]]
    image = np.where(((x // 8 + y // 8) % 2)[..., None] > 0, (20, 160, 20), (20, 90, 20)).astype(np.uint8)
    mask = np.zeros(size, bool)
    mask[35:85, 50:105] = True
    image[mask] = colour
    return Still(image, mask[None])


@pytest.fixture
def plain_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither light, blur, noise nor compression, which change colours; no shadows."""

    def no_effects(_: np.random.Generator, frames: int) -> CameraEffects:
        return CameraEffects(np.ones((frames, 3), np.float32), 0.0, 0.0, 0.0, None)

    def without_shadow(actor: Actor, *rest: Any) -> None:
        draw(replace(actor, shadow=0.0), *rest)

    monkeypatch.setattr(still_clip, "random_camera_effects", no_effects)
    monkeypatch.setattr(still_clip, "draw", without_shadow)


def coloured(frame: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Pixels that are mostly of the colour, which no background has."""
    channel = int(np.argmax(colour))
    other = 2 - channel
    return frame[..., channel].astype(int) > np.maximum(frame[..., other], 125).astype(int)


def clips(stills: list[Still], count: int, **spec: Any) -> list[Clip]:
    values: dict[str, Any] = {"frames": 6, "size": 96, "zoom": (0.05, 0.4)} | spec
    asked = StillClipSpec(**values)
    return [render_still_clip(np.random.default_rng((7, i)), stills, asked) for i in range(count)]


@pytest.mark.usefixtures("plain_camera")
def test_masks_are_the_pixels_of_the_objects_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(still_clip, "_occluder", lambda rng, stills, target, motion, label: NO_OCCLUDER)
    wrong, objects = 0, 0
    for clip in clips([still(RED), still(BLUE)], DRAWN):
        red, blue = coloured(clip.frames, RED), coloured(clip.frames, BLUE)
        labelled = clip.labels > 0
        wrong += int(np.count_nonzero((red | blue) != labelled))
        objects += int(np.count_nonzero(labelled))
    assert objects > 20_000
    assert wrong < 0.02 * objects  # at borders: half-covered pixels of either kind


NO_OCCLUDER = Actor((), Trajectory(np.zeros((6, 2)), np.zeros(6), np.full((6, 2), 0.1), np.zeros(6, bool)), 0)


def test_a_clip_is_a_function_of_its_generator() -> None:
    stills = [still(RED), still(BLUE)]
    for one, other in zip(clips(stills, 4), clips(stills, 4)):
        assert np.array_equal(one.frames, other.frames) and np.array_equal(one.labels, other.labels)
    first, second = clips(stills, 2)
    assert not np.array_equal(first.frames, second.frames)


def test_objects_move_and_deform() -> None:
    moved = 0
    for clip in clips([still()], DRAWN):
        first, last = (set(np.flatnonzero(clip.labels[t] == 1)) for t in (0, -1))
        moved += first != last
    assert moved > 0.7 * DRAWN


def left(clip: Clip) -> bool:
    """An object that is visible first is absent later."""
    visible = clip.visible()
    return bool((visible[0] & ~visible.all(axis=0)).any())


def test_with_an_absence_an_object_mostly_leaves_and_its_mask_is_empty_then() -> None:
    asked = clips([still(RED), still(BLUE)], DRAWN, absence=True)
    assert sum(map(left, asked)) > 0.4 * DRAWN
    returned = 0
    for clip in asked:
        visible = clip.visible()
        returned += any((np.diff(of_one.astype(int)) > 0).any() for of_one in visible.T[visible[0]])
    assert returned > 0.2 * DRAWN


@pytest.mark.parametrize("frames", [1, 2, 8])
def test_clips_have_the_size_that_was_asked_for(frames: int) -> None:
    for clip in clips([still(size=(100, 200))], 6, frames=frames, size=64):
        assert clip.frames.shape == (frames, 64, 64, 3) and clip.labels.shape == (frames, 64, 64)
        assert clip.frames.dtype == clip.labels.dtype == np.uint8


def test_the_object_of_a_picture_covers_the_share_that_was_asked_for() -> None:
    shares = [(clip.labels[0] == 1).mean() for clip in clips([still()], DRAWN, frames=1, zoom=(0.25, 0.3))]
    assert 0.15 < np.median(shares) < 0.35


def test_many_objects_of_a_picture_have_a_label_each() -> None:
    masks = np.zeros((MAX_OBJECTS, 120, 160), bool)
    for number, mask in enumerate(masks):
        mask[30:90, 10 + 36 * number : 40 + 36 * number] = True
    several = Still(np.full((120, 160, 3), 90, np.uint8), masks)
    most = max(len(np.unique(clip.labels[0])) - 1 for clip in clips([several], DRAWN, frames=1))
    assert most >= MAX_OBJECTS


def test_a_cut_out_has_the_objects_colour_and_shape() -> None:
    cut = cut_out(still(), 0, softness=0.5)
    opacity = cut.sprite[..., 3]
    assert opacity.max() == pytest.approx(1, abs=0.01) and opacity[0].max() == 0
    assert (opacity > 0.5).mean() == pytest.approx(cut.fill, abs=0.02)
    assert np.allclose(cut.sprite[opacity > 0.99][:, :3], RED, atol=3)
    assert np.allclose(cut.centre, [77.5, 60], atol=1)


def test_an_object_at_the_border_can_be_cut_out() -> None:
    image, mask = still().image, np.zeros((120, 160), bool)
    mask[:30, :40] = True
    cut = cut_out(Still(image, mask[None]), 0, softness=0.5)
    assert (cut.sprite[..., 3] > 0.5).mean() == pytest.approx(cut.fill, abs=0.03)


def test_without_its_object_a_picture_has_the_colours_of_the_surroundings() -> None:
    whole = still()
    filled = without_object(np.random.default_rng(0), whole.image, whole.masks[0])
    assert filled[whole.masks[0]][:, 0].max() < 60
    assert np.array_equal(filled[:20, :20], whole.image[:20, :20])
