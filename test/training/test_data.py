"""Clips are kept on disk, and samples are drawn from them."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from sam2_ros.synthetic.pictures import Pictures
from sam2_ros.synthetic.scene import render_clip
from sam2_ros.training.data import ClipStore, SampleSpec, draw_sample


def test_the_store_returns_the_same_clip_before_and_after_saving_it(tmp_path: Path) -> None:
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


def test_a_sample_keeps_objects_of_the_first_frame_with_masks_that_fit() -> None:
    rng = np.random.default_rng(0)
    frames = np.zeros((8, 64, 64, 3), np.uint8)
    labels = np.zeros((8, 64, 64), np.uint8)
    frames[:, 16:48, 8:40], labels[:, 16:48, 8:40] = 200, 1
    for _ in range(20):
        sample = draw_sample(rng, frames, labels, SampleSpec(length=4, size=32, max_objects=3))
        assert sample is not None
        assert sample.frames.shape == (4, 32, 32, 3) and sample.masks.shape == (1, 4, 32, 32)
        assert sample.visible[0, 0]
        inside, outside = sample.frames[sample.masks[0]].mean(), sample.frames[~sample.masks[0]].mean()
        assert inside > outside + 50


def test_a_clip_without_an_object_on_its_first_frame_gives_no_sample() -> None:
    empty = np.zeros((2, 64, 64), np.uint8)
    assert (
        draw_sample(np.random.default_rng(0), np.zeros((2, 64, 64, 3), np.uint8), empty, SampleSpec(2, 32, 3)) is None
    )


def test_a_sample_is_zoomed_onto_an_object_and_small_ones_are_dropped() -> None:
    rng = np.random.default_rng(0)
    frames, labels = np.zeros((1, 192, 192, 3), np.uint8), np.zeros((1, 192, 192), np.uint8)
    labels[:, 80:112, 80:112] = 1  # 3 % of the whole
    shares = []
    for _ in range(40):
        sample = draw_sample(rng, frames, labels, SampleSpec(1, 64, 1, zoom=(0.2, 0.3), min_area=0.1))
        if sample is not None:
            shares.append(sample.masks.mean())
    assert len(shares) > 15 and min(shares) >= 0.1
    assert 0.15 < np.median(shares) < 0.35


def test_a_sample_with_an_absence_prefers_an_object_that_returns() -> None:
    rng = np.random.default_rng(0)
    frames, labels = np.zeros((12, 64, 64, 3), np.uint8), np.zeros((12, 64, 64), np.uint8)
    labels[:, 8:24, 8:24] = 1  # stays
    labels[:5, 40:56, 40:56] = labels[8:, 40:56, 40:56] = 2  # is away on frames 5 to 7
    for _ in range(10):
        sample = draw_sample(rng, frames, labels, SampleSpec(length=6, size=32, max_objects=1), absence=True)
        assert sample is not None
        schedule = sample.visible[0].astype(int)
        assert schedule[0] and np.diff(schedule).min() < 0 < np.diff(schedule).max()


def test_without_an_absent_object_there_is_no_sample_with_an_absence() -> None:
    frames, labels = np.zeros((8, 64, 64, 3), np.uint8), np.zeros((8, 64, 64), np.uint8)
    labels[:, 8:24, 8:24] = 1
    assert draw_sample(np.random.default_rng(0), frames, labels, SampleSpec(4, 32, 1), absence=True) is None


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Writing beyond `size` bytes of a file fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_clip_that_cannot_be_written_is_named_and_rendered_again_later(tmp_path: Path) -> None:
    store = ClipStore(tmp_path, Pictures(), seed=5, count=4, frames=3, size=64)
    with file_size_limit(3 * 64 * 64 * 3 + 1000), pytest.raises(OSError, match="File too large.*frames_5_3x64.u8"):
        store.clip(1)
    assert np.array_equal(store.clip(1)[1], render_clip(5, 1, Pictures(), frames=3, size=64).labels)


def test_the_store_says_how_much_it_will_write(tmp_path: Path) -> None:
    store = ClipStore(tmp_path, Pictures(), seed=5, count=4, frames=3, size=64)
    assert store.bytes_to_write == 4 * 3 * 64 * 64 * 4
    store.clip(2)
    assert store.bytes_to_write == 3 * 3 * 64 * 64 * 4
