"""What the steps of a training learn from, drawn ahead by other processes where a GPU would wait for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from sam2_ros.training.data import Clips, Sample, View, draw_sample
from sam2_ros.training.prompts import PromptKind, first_prompts, random_kind
from sam2_ros.training.recipe import Recipe, Stage, Turn
from sam2_ros.training.unroll import Batch, Course, collate


class Lesson(NamedTuple):
    """A batch, the courses that it is taken through, and what else is random about them."""

    batch: Batch
    courses: tuple[Course, ...]
    rng: np.random.Generator


def lessons_from(recipe: Recipe, clips: Clips, step: int, rank: int = 0, drawers: int = 0) -> Iterator[Lesson]:
    """The lessons of this step and all later ones, for this rank: `accumulate` of them for every step.

    So many other processes draw them ahead; none by default, and each is drawn when it is asked for.
    """
    if drawers:
        cv2.setNumThreads(0)  # a process that is forked from one with OpenCV's threads waits for them forever
    loader = DataLoader(
        _Lessons(recipe, clips, rank),
        sampler=[(at, part) for at in range(step, recipe.steps) for part in range(recipe.stage_at(at).accumulate)],
        batch_size=None,
        num_workers=drawers,
        pin_memory=drawers > 0 and torch.cuda.is_available(),
        multiprocessing_context="fork" if drawers else None,  # a store's files are not to be copied
    )
    return iter(loader)


class _Lessons(Dataset[Lesson]):
    """By step and part of that step. A lesson is a function of both, of the recipe's seed and the rank."""

    def __init__(self, recipe: Recipe, clips: Clips, rank: int) -> None:
        self._recipe = recipe
        self._clips = clips
        self._rank = rank

    def __getitem__(self, index: tuple[int, int]) -> Lesson:
        step, part = index
        rng = np.random.default_rng((self._recipe.seed, step, self._rank, part))
        stage = self._recipe.stage_at(step)
        turn = stage.turns[step % len(stage.turns)]
        batch = _draw_batch(rng, self._clips, stage, turn)
        kinds = _random_kinds(rng, turn)
        return Lesson(batch, tuple(_random_course(rng, self._recipe, stage, batch, kind) for kind in kinds), rng)


def _draw_batch(rng: np.random.Generator, clips: Clips, stage: Stage, turn: Turn) -> Batch:
    samples: list[Sample] = []
    view = View(turn.frames, stage.image_size, stage.objects, stage.zoom, stage.least_area)
    while len(samples) < turn.clips:
        frames, labels = clips.clip(int(rng.integers(len(clips))))
        sample = draw_sample(rng, frames, labels, view, turn.frames > 1 and rng.random() < stage.absence)
        if sample is not None:
            samples.append(sample)
    return _with_objects(rng, collate(samples), turn.objects)


def _with_objects(rng: np.random.Generator, batch: Batch, count: int | None) -> Batch:
    """So many of the batch's objects, some of them twice where there are fewer."""
    if count is None:
        return batch
    chosen = torch.from_numpy(np.resize(rng.permutation(len(batch.owner)), count))
    return batch._replace(masks=batch.masks[:, chosen], owner=batch.owner[chosen])


def _random_kinds(rng: np.random.Generator, turn: Turn) -> tuple[PromptKind, ...]:
    """Still images are asked for by click and by box, and have nothing to learn from a mask; clips go one way."""
    return (PromptKind.CLICK, PromptKind.BOX) if turn.frames == 1 else (random_kind(rng),)


def _random_course(rng: np.random.Generator, recipe: Recipe, stage: Stage, batch: Batch, kind: PromptKind) -> Course:
    """A course that begins with a prompt of this kind; clips may be corrected on a later frame, too."""
    frames = len(batch.frames)
    first = kind is not PromptKind.MASK and rng.random() < recipe.correct_first
    later = frames > 1 and rng.random() < recipe.correct_later
    later_frame = int(rng.integers(1, frames)) if later else None
    teacher = rng.random() < stage.teacher
    return Course(
        first_prompts(rng, kind, batch.masks[0].numpy()),
        first_clicks=recipe.corrections if first else 0,
        later_frame=later_frame,
        later_clicks=recipe.corrections,
        teacher=teacher,
        pixel_loss=stage.pixel_loss,
    )
