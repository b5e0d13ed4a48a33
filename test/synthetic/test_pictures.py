"""Photographs, cut-out objects and animations are read from files."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sam2_ros.optional import MissingLibraryError
from sam2_ros.synthetic import pictures as pictures_module
from sam2_ros.synthetic.drawing import Actor, draw, fit_sprites
from sam2_ros.synthetic.motion import Trajectory
from sam2_ros.synthetic.objects import random_object
from sam2_ros.synthetic.pictures import (
    ANIMATION_FRAMES,
    ANIMATION_SIDE,
    Pictures,
    PicturesError,
    load_pictures,
    read_pictures,
)
from sam2_ros.synthetic.shapes import SPRITE, animated, cut_out


def test_photographs_of_a_folder_are_used_and_unreadable_files_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    picture = np.zeros((300, 400, 3), np.uint8)
    picture[:, :200] = (0, 0, 255)
    cv2.imwrite(str(tmp_path / "half_red.png"), picture)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    photographs = read_pictures(sorted(tmp_path.iterdir())).photographs
    assert "broken.jpg" in caplog.text
    red = photographs[-1]
    assert red.image[200, 50].tolist() == [255, 0, 0]
    assert red.segments[200, 50] != red.segments[200, 500]


def cut_out_file(path: Path, opaque: slice = slice(20, 180)) -> None:
    """(200, 300) pixels: a part that can be seen, red at the left and blue at the right."""
    picture = np.zeros((200, 300, 4), np.uint8)
    picture[opaque, 50:150] = (0, 0, 255, 255)
    picture[opaque, 150:250] = (255, 0, 0, 255)
    cv2.imwrite(str(path), picture)


def test_an_image_with_a_transparent_background_is_an_object_unless_it_is_too_thin(tmp_path: Path) -> None:
    cut_out_file(tmp_path / "object.png")
    cut_out_file(tmp_path / "line.png", slice(100, 110))
    pictures = read_pictures(sorted(tmp_path.iterdir()))
    assert len(pictures.cut_outs) == 1
    (image,) = pictures.cut_outs
    height, width = image.shape[:2]
    assert image[height // 2, width // 4].tolist() == [255, 0, 0, 255]
    assert image[height // 2, 3 * width // 4].tolist() == [0, 0, 255, 255]
    assert image[2, width // 2, 3] == 0


def test_a_cut_out_object_stays_whole_whatever_its_colours(tmp_path: Path) -> None:
    cut_out_file(tmp_path / "object.png")
    pictures = Pictures(cut_outs=read_pictures(sorted(tmp_path.iterdir())).cut_outs)
    (part,) = cut_out(np.random.default_rng(2), pictures)
    opacity = part.sprite[..., 3]
    assert part.sprite.shape == (SPRITE, SPRITE, 4) and 0.6 < (opacity > 0.5).mean() < 0.85
    left, right = (half.reshape(-1, 4).mean(axis=0) for half in np.split(part.sprite, 2, axis=1))
    assert np.abs(left - right)[:3].max() > 50 and abs(left[3] - right[3]) < 0.05
    kinds = [random_object(np.random.default_rng(seed), pictures) for seed in range(40)]
    drawn = [len(parts) == 1 and np.allclose(parts[0].sprite[..., 3], opacity, atol=0.01) for parts in kinds]
    assert 8 < sum(drawn) < 32


def animation_file(path: Path, least: int = 20) -> None:
    """An animation of a red and blue rectangle, 100 pixels high, whose width shrinks from 100 to `least` pixels."""
    frames = []
    for width in np.linspace(100, least, 40).astype(int):
        picture = np.zeros((200, 200, 4), np.uint8)
        picture[50:150, 50 : 50 + width // 2] = (255, 0, 0, 255)
        picture[50:150, 50 + width // 2 : 50 + width] = (0, 0, 255, 255)
        frames.append(Image.fromarray(picture))
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40)


def test_an_animation_whose_object_vanishes_becomes_a_cut_out(
    tmp_path: Path,
) -> None:
    animation_file(tmp_path / "object.webp")
    animation_file(tmp_path / "vanishing.webp", least=2)
    pictures = read_pictures(sorted(tmp_path.iterdir()))
    assert len(pictures.animations) == len(pictures.cut_outs) == 1
    (animation,) = pictures.animations
    assert animation.shape == (ANIMATION_FRAMES, ANIMATION_SIDE, ANIMATION_SIDE, 4)
    widths = (animation[:, ANIMATION_SIDE // 2, :, 3] > 127).sum(axis=1) / ANIMATION_SIDE
    assert np.allclose(widths[[0, -1]], [1 / 1.05, 0.2 / 1.05], atol=0.03) and (np.diff(widths) < 0).all()
    red, green, blue = animation[0, ANIMATION_SIDE // 2, ANIMATION_SIDE // 4, :3]
    assert red > 200 and green < 50 and blue < 50


def test_an_animated_object_plays_forward_and_backward(tmp_path: Path) -> None:
    animation_file(tmp_path / "object.webp")
    pictures = Pictures(animations=read_pictures(sorted(tmp_path.iterdir())).animations)
    (part,) = animated(np.random.default_rng(2), pictures)
    part = replace(part, playback_rate=0.5, first_frame=ANIMATION_FRAMES - 3)
    areas = [int((part.sprite_at(t)[..., 3] > 0.5).sum()) for t in range(9)]
    assert areas[0] == areas[1] > areas[2] == areas[3] > areas[4] == areas[5] < areas[6] == areas[7] == areas[2]
    trajectory = Trajectory(np.full((9, 2), 0.5), np.zeros(9), np.full((9, 2), 0.4), np.ones(9, bool))
    labels = np.zeros((9, 100, 100), np.uint8)
    for t in range(9):
        view = np.stack([np.eye(3)] * 9)
        draw(
            fit_sprites(Actor((part,), trajectory, 1), 100),
            t,
            view,
            0.0,
            np.zeros((100, 100, 3), np.float32),
            labels[t],
        )
    drawn = [int((frame == 1).sum()) for frame in labels]
    assert np.allclose(np.array(drawn) / drawn[0], np.array(areas) / areas[0], atol=0.06)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A photograph, a cut-out object and an animation; few bundled photographs, as their segmentation takes long."""
    monkeypatch.setattr(pictures_module, "BUNDLED", ("coins",))
    folder = tmp_path / "pictures"
    folder.mkdir()
    cv2.imwrite(str(folder / "photograph.png"), np.full((300, 400, 3), 90, np.uint8))
    cut_out_file(folder / "object.png")
    animation_file(folder / "object.webp")
    return folder


def test_a_cache_returns_the_same_pictures(folder: Path, tmp_path: Path) -> None:
    loaded, cached = (load_pictures(folder, tmp_path / "cache.npz") for _ in range(2))
    assert len(loaded.photographs) == len(cached.photographs) == 2
    for one, other in zip(loaded.photographs, cached.photographs):
        assert np.array_equal(one.image, other.image) and np.array_equal(one.segments, other.segments)
    assert np.array_equal(loaded.cut_outs[0], cached.cut_outs[0])
    assert np.array_equal(loaded.animations[0], cached.animations[0])


def test_a_cache_of_other_pictures_is_refused(folder: Path, tmp_path: Path) -> None:
    load_pictures(folder, tmp_path / "cache.npz")
    (folder / "object.png").unlink()
    for changed in (folder, None):
        with pytest.raises(PicturesError, match="holds other pictures than these"):
            load_pictures(changed, tmp_path / "cache.npz")


def test_a_cache_that_cannot_be_written_leaves_none_and_names_the_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cache.npz.partial").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device.*cache.npz"):
        load_pictures(folder, tmp_path / "cache.npz")
    assert not (tmp_path / "cache.npz").exists() and not (tmp_path / "cache.npz.partial").is_symlink()


def test_a_damaged_cache_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cache.npz").write_bytes(b"PK half a cache")
    with pytest.raises(PicturesError, match="cache.npz is damaged"):
        load_pictures(folder, tmp_path / "cache.npz")


def test_photographs_need_scikit_image_and_nothing_else_does(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(MissingLibraryError, match="needs skimage: pip install -e"):
        load_pictures(folder)
    (folder / "photograph.png").unlink()
    pictures = load_pictures(folder)
    assert len(pictures.cut_outs) == len(pictures.animations) == 1 and not pictures.photographs


def test_a_file_name_that_is_not_utf8_is_read(tmp_path: Path) -> None:
    cut_out_file(tmp_path / "object.png")
    (tmp_path / "object.png").rename(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.png")))
    assert len(read_pictures(tmp_path.iterdir()).cut_outs) == 1
