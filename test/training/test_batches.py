"""A batch is a function of its step, whichever process loads it and in whatever order."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sam2_ros.model import PointLabel
from sam2_ros.synthetic.pictures import Pictures
from sam2_ros.training.batches import TrainingBatch, training_batches
from sam2_ros.training.data import ClipStore
from sam2_ros.training.errors import TrainingError
from sam2_ros.training.recipe import BatchSpec, Recipe, Stage

RECIPE = Recipe(
    "short",
    "nano",
    (Stage(2, 64, (BatchSpec(1, 2),)), Stage(2, 96, (BatchSpec(2, 1), BatchSpec(1, 2)), accumulation_steps=2)),
    learning_rate=1e-3,
    synthetic_clips=4,
)


@pytest.fixture
def store(tmp_path: Path) -> ClipStore:
    return ClipStore(tmp_path / "clips", Pictures(), seed=1, count=4, frames=3, size=96)


def same(one: TrainingBatch, other: TrainingBatch) -> bool:
    return all(torch.equal(*pair) for pair in zip(one.clips, other.clips)) and one.rng.random() == other.rng.random()


def test_every_step_has_as_many_batches_as_it_accumulates(store: ClipStore) -> None:
    batches = list(training_batches(RECIPE, store, 0))
    shapes = [tuple(batch.clips.frames.shape[:3]) for batch in batches]
    assert shapes == [(1, 2, 64)] * 2 + [(2, 1, 96)] * 2 + [(1, 2, 96)] * 2


def test_the_batches_of_a_step_do_not_depend_on_where_training_resumed(store: ClipStore) -> None:
    whole, resumed = list(training_batches(RECIPE, store, 0)), list(training_batches(RECIPE, store, 2))
    assert all(same(*pair) for pair in zip(whole[2:], resumed))
    assert not same(whole[2], whole[3])


def test_every_rank_has_its_own_batches(store: ClipStore) -> None:
    mine, yours = (next(training_batches(RECIPE, store, 0, rank)) for rank in range(2))
    assert not same(mine, yours)


def test_a_still_image_is_prompted_by_click_and_by_box(store: ClipStore) -> None:
    click, box = (schedule.prompts for schedule in next(training_batches(RECIPE, store, 0)).schedules)
    assert click is not None and box is not None
    assert click.labels.unique().tolist() == [PointLabel.POSITIVE]
    assert box.labels[0].tolist() == [PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT]


def test_clips_have_one_prompt_and_half_of_them_a_mask(store: ClipStore) -> None:
    recipe = replace(RECIPE, stages=(Stage(60, 64, (BatchSpec(2, 1),)),))
    schedules = [batch.schedules for batch in training_batches(recipe, store, 0)]
    assert {len(schedule) for schedule in schedules} == {1}
    assert 15 < sum(schedule.prompts is None for (schedule,) in schedules) < 45


@pytest.mark.parametrize("count", [1, 9])
def test_a_batch_has_as_many_objects_as_its_spec(store: ClipStore, count: int) -> None:
    recipe = replace(RECIPE, stages=(Stage(1, 64, (BatchSpec(2, 2, objects=count),)),))
    every, chosen = (
        next(training_batches(one, store, 0)).clips
        for one in (replace(recipe, stages=(Stage(1, 64, (BatchSpec(2, 2),)),)), recipe)
    )
    assert len(chosen.owner) == chosen.masks.shape[1] == count
    known = {(int(owner), mask.numpy().tobytes()) for owner, mask in zip(every.owner, every.masks[0])}
    assert {(int(owner), mask.numpy().tobytes()) for owner, mask in zip(chosen.owner, chosen.masks[0])} <= known


def test_workers_load_the_same_batches_in_the_same_order(store: ClipStore) -> None:
    alone, together = training_batches(RECIPE, store, 0), training_batches(RECIPE, store, 0, num_workers=2)
    assert all(same(*pair) for pair in zip(alone, together, strict=True))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_clip_that_cannot_be_loaded_ends_in_one_line(
    store: ClipStore, monkeypatch: pytest.MonkeyPatch, num_workers: int
) -> None:
    def fails(_: int) -> None:
        raise OSError(28, "No space left on device", "clips/frames.u8")

    monkeypatch.setattr(store, "clip", fails)
    with pytest.raises(TrainingError, match="No space left on device: 'clips/frames.u8'; the last saved state is kept"):
        next(training_batches(RECIPE, store, 0, num_workers=num_workers))


def test_a_worker_that_is_killed_ends_in_one_line(store: ClipStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "clip", lambda _: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(TrainingError, match="a process that loads batches was killed"):
        next(training_batches(RECIPE, store, 0, num_workers=1))


def test_a_scaled_recipe_has_larger_batches_with_a_fixed_number_of_objects() -> None:
    spec = RECIPE.scaled(8).stages[1].batches[0]
    assert spec == BatchSpec(frames=2, clips=8, objects=13)
    assert RECIPE.scaled(1) == RECIPE
