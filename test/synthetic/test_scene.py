"""Synthetic clips are reproducible, and what they call true is true."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sam2_ros.synthetic.motion import Course
from sam2_ros.synthetic.objects import random_object
from sam2_ros.synthetic.scene import Actor, draw, fit_sprites, render_clip, visible_objects
from sam2_ros.synthetic.shapes import SPRITE, Part, cut_out, filmed
from sam2_ros.synthetic.textures import FILM_FRAMES, FILM_SIDE, Photograph, Pictures, load_pictures
from sam2_ros.training.data import ClipStore, View, draw_sample


def square_actor(label: int, x: float, half_side: float = 0.1, colour: float = 255.0) -> Actor:
    """A square of one colour that stands still at (x, 0.5)."""
    sprite = np.dstack([np.full((SPRITE, SPRITE, 3), colour), np.ones((SPRITE, SPRITE))]).astype(np.float32)
    course = Course(np.array([[x, 0.5]]), np.zeros(1), np.full((1, 2), half_side), np.ones(1, bool))
    return Actor((Part(sprite, np.eye(3)),), course, label)


def draw_all(*actors: Actor, size: int = 100) -> tuple[np.ndarray, np.ndarray]:
    picture, labels = np.zeros((size, size, 3), np.float32), np.zeros((size, size), np.uint8)
    for actor in actors:
        draw(actor, 0, np.eye(3)[None], 0.0, picture, labels)
    return picture, labels


def test_an_object_is_drawn_where_its_course_says_and_its_mask_is_what_it_covers() -> None:
    picture, labels = draw_all(square_actor(3, x=0.3))
    ys, xs = np.nonzero(labels == 3)
    assert abs(xs.mean() - 30) < 1 and abs(ys.mean() - 50) < 1
    assert abs(len(xs) - 20 * 20) < 45
    assert (picture[labels == 3] > 127).all() and (picture[labels == 0] < 128).all()


def test_what_is_hidden_is_not_in_the_mask() -> None:
    _, labels = draw_all(square_actor(1, x=0.5), square_actor(2, x=0.5, half_side=0.2, colour=90))
    assert not (labels == 1).any()
    assert visible_objects(labels[None], 2).tolist() == [[False, True]]


def test_scenery_hides_objects_too() -> None:
    _, labels = draw_all(square_actor(1, x=0.5), square_actor(0, x=0.5, half_side=0.2, colour=90))
    assert not labels.any()


def test_nothing_is_drawn_outside_the_picture() -> None:
    picture, labels = draw_all(square_actor(1, x=1.5))
    assert not picture.any() and not labels.any()


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


def test_photographs_of_a_folder_are_used_and_bad_files_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    picture = np.zeros((300, 400, 3), np.uint8)
    picture[:, :200] = (0, 0, 255)
    cv2.imwrite(str(tmp_path / "half_red.png"), picture)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    photographs = load_pictures(tmp_path).photographs
    assert "broken.jpg" in caplog.text
    red = photographs[-1]
    assert red.image[200, 50].tolist() == [255, 0, 0]
    assert red.segments[200, 50] != red.segments[200, 500]


def test_a_segment_of_a_photograph_can_be_an_object() -> None:
    image = np.zeros((400, 400, 3), np.uint8)
    segments = np.ones((400, 400), np.uint16)
    image[100:250, 100:250], segments[100:250, 100:250] = 255, 2
    clips = [render_clip(3, index, Pictures((Photograph(image, segments),)), frames=1, size=64) for index in range(20)]
    assert any(clip.labels.max() > 5 or len(np.unique(clip.labels)) > 2 for clip in clips)


def cut_out_file(path: Path, opaque: slice = slice(20, 180)) -> None:
    """(200, 300) pixels: a part that can be seen, red at the left and blue at the right."""
    picture = np.zeros((200, 300, 4), np.uint8)
    picture[opaque, 50:150] = (0, 0, 255, 255)
    picture[opaque, 150:250] = (255, 0, 0, 255)
    cv2.imwrite(str(path), picture)


def test_a_picture_with_a_transparent_surrounding_is_an_object_unless_it_is_too_thin(tmp_path: Path) -> None:
    cut_out_file(tmp_path / "object.png")
    cut_out_file(tmp_path / "line.png", slice(100, 110))
    pictures = load_pictures(tmp_path, tmp_path / "cache.npz")
    assert len(pictures.cut_outs) == 1
    (image,) = pictures.cut_outs
    height, width = image.shape[:2]
    assert image[height // 2, width // 4].tolist() == [255, 0, 0, 255]
    assert image[height // 2, 3 * width // 4].tolist() == [0, 0, 255, 255]
    assert image[2, width // 2, 3] == 0
    again = load_pictures(None, tmp_path / "cache.npz")
    assert np.array_equal(again.cut_outs[0], image) and len(again.photographs) == len(pictures.photographs)


def test_an_object_that_was_cut_out_is_one_whole_whatever_its_colours(tmp_path: Path) -> None:
    cut_out_file(tmp_path / "object.png")
    pictures = Pictures(cut_outs=load_pictures(tmp_path).cut_outs)
    (part,) = cut_out(np.random.default_rng(2), pictures)
    opacity = part.sprite[..., 3]
    assert part.sprite.shape == (SPRITE, SPRITE, 4) and 0.6 < (opacity > 0.5).mean() < 0.85
    left, right = (half.reshape(-1, 4).mean(axis=0) for half in np.split(part.sprite, 2, axis=1))
    assert np.abs(left - right)[:3].max() > 50 and abs(left[3] - right[3]) < 0.05
    kinds = [random_object(np.random.default_rng(seed), pictures) for seed in range(40)]
    drawn = [len(parts) == 1 and np.allclose(parts[0].sprite[..., 3], opacity, atol=0.01) for parts in kinds]
    assert 8 < sum(drawn) < 32


def film_file(path: Path, least: int = 20) -> None:
    """An animation of a red and blue rectangle, 100 pixels high, whose width shrinks from 100 to `least` pixels."""
    frames = []
    for width in np.linspace(100, least, 40).astype(int):
        picture = np.zeros((200, 200, 4), np.uint8)
        picture[50:150, 50 : 50 + width // 2] = (255, 0, 0, 255)
        picture[50:150, 50 + width // 2 : 50 + width] = (0, 0, 255, 255)
        frames.append(Image.fromarray(picture))
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40)


def test_an_animation_with_a_transparent_surrounding_is_a_film_or_a_still_where_its_object_vanishes(
    tmp_path: Path,
) -> None:
    film_file(tmp_path / "object.webp")
    film_file(tmp_path / "vanishing.webp", least=2)
    pictures = load_pictures(tmp_path, tmp_path / "cache.npz")
    assert len(pictures.films) == len(pictures.cut_outs) == 1
    (film,) = pictures.films
    assert film.shape == (FILM_FRAMES, FILM_SIDE, FILM_SIDE, 4)
    widths = (film[:, FILM_SIDE // 2, :, 3] > 127).sum(axis=1) / FILM_SIDE
    assert np.allclose(widths[[0, -1]], [1 / 1.05, 0.2 / 1.05], atol=0.03) and (np.diff(widths) < 0).all()
    red, green, blue = film[0, FILM_SIDE // 2, FILM_SIDE // 4, :3]
    assert red > 200 and green < 50 and blue < 50
    assert np.array_equal(load_pictures(None, tmp_path / "cache.npz").films[0], film)


def test_a_filmed_object_changes_from_frame_to_frame_back_and_forth(tmp_path: Path) -> None:
    film_file(tmp_path / "object.webp")
    pictures = Pictures(films=load_pictures(tmp_path).films)
    (part,) = filmed(np.random.default_rng(2), pictures)
    part = replace(part, pace=0.5, first=FILM_FRAMES - 3)
    areas = [int((part.seen(t)[..., 3] > 0.5).sum()) for t in range(9)]
    assert areas[0] == areas[1] > areas[2] == areas[3] > areas[4] == areas[5] < areas[6] == areas[7] == areas[2]
    course = Course(np.full((9, 2), 0.5), np.zeros(9), np.full((9, 2), 0.4), np.ones(9, bool))
    labels = np.zeros((9, 100, 100), np.uint8)
    for t in range(9):
        view = np.stack([np.eye(3)] * 9)
        draw(fit_sprites(Actor((part,), course, 1), 100), t, view, 0.0, np.zeros((100, 100, 3), np.float32), labels[t])
    drawn = [int((frame == 1).sum()) for frame in labels]
    assert np.allclose(np.array(drawn) / drawn[0], np.array(areas) / areas[0], atol=0.06)


def test_clips_without_pictures_are_as_they_ever_were() -> None:
    labels = render_clip(90210, 3, Pictures(), frames=2, size=64).labels  # of the series of the fixed test set
    areas = np.bincount(labels[0].ravel(), minlength=4).astype(int)
    assert np.abs(areas - [3029, 494, 131, 442]).max() < 8


def test_the_store_gives_the_same_clip_before_and_after_it_was_kept(tmp_path: Path) -> None:
    store = ClipStore(tmp_path, Pictures(), seed=5, count=4, frames=3, size=64)
    rendered = [array.copy() for array in store.clip(1)]
    kept = ClipStore(tmp_path, Pictures(), seed=5, count=4, frames=3, size=64).clip(1)
    expected = render_clip(5, 1, Pictures(), frames=3, size=64)
    for a, b, c in zip(rendered, kept, (expected.frames, expected.labels)):
        assert np.array_equal(a, b) and np.array_equal(a, c)


def test_plain_clips_have_no_cut_outs(tmp_path: Path) -> None:
    white = np.full((128, 128, 4), 255, np.uint8)
    pictures = Pictures(cut_outs=(white,))
    store = ClipStore(tmp_path, pictures, seed=5, count=4, frames=2, size=64, plain=2)
    for index, shown, other in ((1, pictures, Pictures()), (2, Pictures(), pictures)):
        assert np.array_equal(store.clip(index)[0], render_clip(5, index, shown, frames=2, size=64).frames)
        assert not np.array_equal(store.clip(index)[0], render_clip(5, index, other, frames=2, size=64).frames)


def test_a_sample_keeps_objects_that_are_seen_first_and_their_masks_fit_the_frames() -> None:
    rng = np.random.default_rng(0)
    frames = np.zeros((8, 64, 64, 3), np.uint8)
    labels = np.zeros((8, 64, 64), np.uint8)
    frames[:, 16:48, 8:40], labels[:, 16:48, 8:40] = 200, 1
    for _ in range(20):
        sample = draw_sample(rng, frames, labels, View(length=4, size=32, objects=3))
        assert sample is not None
        assert sample.frames.shape == (4, 32, 32, 3) and sample.masks.shape == (1, 4, 32, 32)
        assert sample.visible[0, 0]
        inside, outside = sample.frames[sample.masks[0]].mean(), sample.frames[~sample.masks[0]].mean()
        assert inside > outside + 50


def test_a_clip_without_an_object_on_its_first_frame_gives_no_sample() -> None:
    empty = np.zeros((2, 64, 64), np.uint8)
    assert draw_sample(np.random.default_rng(0), np.zeros((2, 64, 64, 3), np.uint8), empty, View(2, 32, 3)) is None


def test_a_view_is_zoomed_onto_an_object_and_small_ones_are_left_out() -> None:
    rng = np.random.default_rng(0)
    frames, labels = np.zeros((1, 192, 192, 3), np.uint8), np.zeros((1, 192, 192), np.uint8)
    labels[:, 80:112, 80:112] = 1  # 3 % of the whole
    shares = []
    for _ in range(40):
        sample = draw_sample(rng, frames, labels, View(1, 64, 1, zoom=(0.2, 0.3), least_area=0.1))
        if sample is not None:
            shares.append(sample.masks.mean())
    assert len(shares) > 15 and min(shares) >= 0.1
    assert 0.15 < np.median(shares) < 0.35


def test_a_sample_with_an_absence_shows_an_object_that_leaves_and_returns_where_there_is_one() -> None:
    rng = np.random.default_rng(0)
    frames, labels = np.zeros((12, 64, 64, 3), np.uint8), np.zeros((12, 64, 64), np.uint8)
    labels[:, 8:24, 8:24] = 1  # stays
    labels[:5, 40:56, 40:56] = labels[8:, 40:56, 40:56] = 2  # is away on frames 5 to 7
    for _ in range(10):
        sample = draw_sample(rng, frames, labels, View(length=6, size=32, objects=1), absence=True)
        assert sample is not None
        course = sample.visible[0].astype(int)
        assert course[0] and np.diff(course).min() < 0 < np.diff(course).max()


def test_where_no_object_is_ever_away_there_is_no_sample_with_an_absence() -> None:
    frames, labels = np.zeros((8, 64, 64, 3), np.uint8), np.zeros((8, 64, 64), np.uint8)
    labels[:, 8:24, 8:24] = 1
    assert draw_sample(np.random.default_rng(0), frames, labels, View(4, 32, 1), absence=True) is None
