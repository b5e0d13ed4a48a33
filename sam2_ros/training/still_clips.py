"""Training samples from still pictures with masks: each is a clip rendered for it."""

from __future__ import annotations

import logging

import cv2
import numpy as np

from sam2_ros.synthetic.pictures import square_cut_out
from sam2_ros.synthetic.still_clip import StillClipSpec, render_still_clip
from sam2_ros.synthetic.stills import Still
from sam2_ros.training.data import Sample, SampleSpec, select_objects
from sam2_ros.training.davis import DatasetError
from sam2_ros.training.stills import Stills

log = logging.getLogger(__name__)

_READ_TRIES = 100  # pictures in a row
_ALONE = 0.6  # share of still samples with objects of one picture only
_DONORS = 3  # pictures of a clip


class StillClips:
    """Samples rendered from still pictures, with one mask for each object; other objects of the picture have none.

    An object that is not chosen counts as the background of those that are, but has no loss of its own. Unusable
    pictures are logged, skipped and counted in `skipped`.
    """

    bytes_to_write = 0

    def __init__(self, stills: Stills) -> None:
        self._stills = stills
        self._unusable: set[int] = set()

    def __len__(self) -> int:
        return len(self._stills)

    @property
    def skipped(self) -> int:
        """Pictures that were drawn and could not be used, in this process."""
        return len(self._unusable)

    def sample(self, rng: np.random.Generator, spec: SampleSpec, absence: bool) -> Sample | None:
        """A rendered sample; most of those with `absence` have one. None if no object is visible on its first frame.

        Raises DatasetError if none of many pictures can be used.
        """
        pictures = 1 if spec.length == 1 and rng.random() < _ALONE else _DONORS
        stills = [self.draw(rng) for _ in range(pictures)]
        clip = render_still_clip(rng, stills, StillClipSpec(spec.length, spec.size, spec.zoom, absence))
        visible = clip.visible()
        leaving = np.flatnonzero(visible[0] & ~visible.all(axis=0)) + 1
        target = int(rng.choice(leaving)) if absence and len(leaving) else None
        return select_objects(rng, clip.frames, clip.labels, spec, target)

    def draw(self, rng: np.random.Generator) -> Still:
        """A random picture that can be used. Raises DatasetError if none of many can."""
        for _ in range(_READ_TRIES):
            index, seed = int(rng.integers(len(self._stills))), int(rng.integers(2**32))
            try:  # an unusable one is tried again, so that a resumed training draws the same pictures
                return self._stills.read(index, np.random.default_rng(seed))
            except DatasetError as error:
                if index not in self._unusable:
                    self._unusable.add(index)
                    log.warning("skipped %s (%d so far): %s", self._stills.file(index), self.skipped, error)
                reason = error
        raise DatasetError(f"none of {_READ_TRIES} pictures drawn can be used; the last one: {reason}")

    def cut_outs(self, seed: int, count: int) -> tuple[np.ndarray, ...]:
        """Whole objects for the synthetic generator, as of `Pictures`, from `count` pictures."""
        rng = np.random.default_rng(seed)
        found = []
        for _ in range(count):
            still = self.draw(rng)
            for mask in still.masks:
                if mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any():
                    continue  # cut off by the picture's border
                opacity = cv2.GaussianBlur(mask.astype(np.uint8) * 255, (3, 3), 0)
                found.append(square_cut_out(np.dstack([still.image, opacity])))
        return tuple(each for each in found if each is not None)
