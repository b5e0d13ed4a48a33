"""Training batches: clips with their prompt schedules, loaded by worker processes where a GPU would wait for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from sam2_ros.training.data import Clips, SampleSpec, draw
from sam2_ros.training.errors import TrainingError
from sam2_ros.training.prompts import PromptKind, first_prompts, random_kind
from sam2_ros.training.recipe import BatchSpec, Recipe, Stage
from sam2_ros.training.unroll import ClipBatch, PromptSchedule, collate


class TrainingBatch(NamedTuple):
    """Clips, the prompt schedules they are trained with, and the generator of corrective clicks."""

    clips: ClipBatch
    schedules: tuple[PromptSchedule, ...]
    rng: np.random.Generator


def training_batches(
    recipe: Recipe, clips: Clips, step: int, rank: int = 0, num_workers: int = 0
) -> Iterator[TrainingBatch]:
    """The batches of this rank from optimizer step `step` on, `accumulation_steps` of them for every step.

    `num_workers` processes load them ahead; with 0 each is loaded on demand.
    """
    if num_workers:
        cv2.setNumThreads(0)  # a process forked from one with OpenCV's threads would wait for them forever
    loader = DataLoader(
        _BatchDataset(recipe, clips, rank),
        sampler=[
            (at, part) for at in range(step, recipe.steps) for part in range(recipe.stage_at(at).accumulation_steps)
        ],
        batch_size=None,
        num_workers=num_workers,
        pin_memory=num_workers > 0 and torch.cuda.is_available(),
        multiprocessing_context="fork" if num_workers else None,  # shares the memory-mapped clips
    )
    return _checked(loader)


@dataclass(frozen=True)
class _Failure:
    """Why a batch could not be loaded; an exception would come from a worker with its traceback as message."""

    message: str


def _checked(loader: Iterable[TrainingBatch | _Failure]) -> Iterator[TrainingBatch]:
    """Raises TrainingError for a failure, and for a worker that was killed."""
    try:
        for batch in loader:
            if isinstance(batch, _Failure):
                raise TrainingError(f"{batch.message}; the last saved state is kept: run the same command to continue")
            yield batch
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise TrainingError(
            "a process that loads batches was killed, probably for lack of memory or of shared memory (/dev/shm)"
        ) from error


class _BatchDataset(Dataset["TrainingBatch | _Failure"]):
    """Batches by (step, part of the step): a function of both, the recipe's seed and the rank."""

    def __init__(self, recipe: Recipe, clips: Clips, rank: int) -> None:
        self._recipe = recipe
        self._clips = clips
        self._rank = rank

    def __getitem__(self, index: tuple[int, int]) -> TrainingBatch | _Failure:
        try:
            return self._load(*index)
        except (OSError, ValueError) as error:
            return _Failure(str(error))

    def _load(self, step: int, part: int) -> TrainingBatch:
        rng = np.random.default_rng((self._recipe.seed, step, self._rank, part))
        stage = self._recipe.stage_at(step)
        spec = stage.batches[step % len(stage.batches)]
        clips = _draw_clips(rng, self._clips, stage, spec)
        kinds = _random_kinds(rng, spec)
        schedules = tuple(_random_schedule(rng, self._recipe, stage, clips, kind) for kind in kinds)
        return TrainingBatch(clips, schedules, rng)


def _draw_clips(rng: np.random.Generator, clips: Clips, stage: Stage, spec: BatchSpec) -> ClipBatch:
    sample_spec = SampleSpec(spec.frames, stage.image_size, stage.max_objects, stage.zoom, stage.min_area)
    samples = []
    for _ in range(spec.clips):
        with_absence = spec.frames > 1 and rng.random() < stage.absence_rate
        samples.append(draw(clips, rng, sample_spec, with_absence))
    return _with_objects(rng, collate(samples), spec.objects)


def _with_objects(rng: np.random.Generator, batch: ClipBatch, count: int | None) -> ClipBatch:
    """`count` of the batch's objects, some of them repeated if there are fewer; None keeps all."""
    if count is None:
        return batch
    chosen = torch.from_numpy(np.resize(rng.permutation(len(batch.owner)), count))
    return batch._replace(masks=batch.masks[:, chosen], owner=batch.owner[chosen])


def _random_kinds(rng: np.random.Generator, spec: BatchSpec) -> tuple[PromptKind, ...]:
    """Still images are prompted by click and by box, as a mask prompt teaches them nothing; clips in one way."""
    return (PromptKind.CLICK, PromptKind.BOX) if spec.frames == 1 else (random_kind(rng),)


def _random_schedule(
    rng: np.random.Generator, recipe: Recipe, stage: Stage, clips: ClipBatch, kind: PromptKind
) -> PromptSchedule:
    """A schedule that begins with a prompt of this kind; clips may be corrected on a later frame, too."""
    frames = len(clips.frames)
    corrects_first = kind is not PromptKind.MASK and rng.random() < recipe.first_frame_correction_rate
    corrects_later = frames > 1 and rng.random() < recipe.later_frame_correction_rate
    later_frame = int(rng.integers(1, frames)) if corrects_later else None
    teacher_forcing = rng.random() < stage.teacher_forcing
    return PromptSchedule(
        first_prompts(rng, kind, clips.masks[0].numpy()),
        first_clicks=recipe.correction_clicks if corrects_first else 0,
        later_frame=later_frame,
        later_clicks=recipe.correction_clicks,
        teacher_forcing=teacher_forcing,
        pixel_loss=stage.pixel_loss,
    )
