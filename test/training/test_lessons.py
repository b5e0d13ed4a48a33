"""What a step learns from is drawn from its number, whoever draws it and in whatever order."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sam2_ros.model import PointLabel
from sam2_ros.synthetic.pictures import Pictures
from sam2_ros.training.data import ClipStore
from sam2_ros.training.lessons import Lesson, lessons_from
from sam2_ros.training.recipe import Recipe, Stage, Turn

RECIPE = Recipe(
    "short",
    "nano",
    (Stage(2, 64, (Turn(1, 2),)), Stage(2, 96, (Turn(2, 1), Turn(1, 2)), accumulate=2)),
    learning_rate=1e-3,
    synthetic_clips=4,
)


@pytest.fixture
def store(tmp_path: Path) -> ClipStore:
    return ClipStore(tmp_path / "clips", Pictures(), seed=1, count=4, frames=3, size=96)


def same(one: Lesson, other: Lesson) -> bool:
    return all(torch.equal(*pair) for pair in zip(one.batch, other.batch)) and one.rng.random() == other.rng.random()


def test_every_step_has_as_many_lessons_as_it_accumulates(store: ClipStore) -> None:
    lessons = list(lessons_from(RECIPE, store, 0))
    shapes = [tuple(lesson.batch.frames.shape[:3]) for lesson in lessons]
    assert shapes == [(1, 2, 64)] * 2 + [(2, 1, 96)] * 2 + [(1, 2, 96)] * 2


def test_the_lessons_of_a_step_do_not_depend_on_where_a_training_was_resumed(store: ClipStore) -> None:
    whole, resumed = list(lessons_from(RECIPE, store, 0)), list(lessons_from(RECIPE, store, 2))
    assert all(same(*pair) for pair in zip(whole[2:], resumed))
    assert not same(whole[2], whole[3])


def test_every_rank_has_lessons_of_its_own(store: ClipStore) -> None:
    mine, yours = (next(lessons_from(RECIPE, store, 0, rank)) for rank in range(2))
    assert not same(mine, yours)


def test_a_still_image_is_asked_for_by_click_and_by_box(store: ClipStore) -> None:
    click, box = (course.prompts for course in next(lessons_from(RECIPE, store, 0)).courses)
    assert click is not None and box is not None
    assert click.labels.unique().tolist() == [PointLabel.POSITIVE]
    assert box.labels[0].tolist() == [PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT]


def test_clips_are_asked_for_in_one_way_and_half_of_them_by_their_masks(store: ClipStore) -> None:
    recipe = replace(RECIPE, stages=(Stage(60, 64, (Turn(2, 1),)),))
    courses = [lesson.courses for lesson in lessons_from(recipe, store, 0)]
    assert {len(course) for course in courses} == {1}
    assert 15 < sum(course.prompts is None for (course,) in courses) < 45


@pytest.mark.parametrize("count", [1, 9])
def test_a_batch_has_as_many_objects_as_the_turn_asks_for(store: ClipStore, count: int) -> None:
    recipe = replace(RECIPE, stages=(Stage(1, 64, (Turn(2, 2, objects=count),)),))
    every, chosen = (
        next(lessons_from(one, store, 0)).batch
        for one in (replace(recipe, stages=(Stage(1, 64, (Turn(2, 2),)),)), recipe)
    )
    assert len(chosen.owner) == chosen.masks.shape[1] == count
    known = {(int(owner), mask.numpy().tobytes()) for owner, mask in zip(every.owner, every.masks[0])}
    assert {(int(owner), mask.numpy().tobytes()) for owner, mask in zip(chosen.owner, chosen.masks[0])} <= known


def test_other_processes_draw_the_same_lessons_in_the_same_order(store: ClipStore) -> None:
    alone, together = lessons_from(RECIPE, store, 0), lessons_from(RECIPE, store, 0, drawers=2)
    assert all(same(*pair) for pair in zip(alone, together, strict=True))
