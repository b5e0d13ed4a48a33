"""A detector's boxes start objects, correct them and let them go. No identity moves to a second object unsaid.

A box is compared with the masks on its own image. Where it fits one of its class, both are the same object. A box that
fits none is a candidate; once it was seen often enough, the network has to find an object in it that is not followed
already. That is either an object that had vanished, or a new one. It is taken for the vanished one only where nothing
else could be meant; in doubt it is a new object, with a new id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..tracking.geometry import box_area, box_iou, mask_box_iou, mask_containment, mask_iou, pairwise_box_iou
from ..tracking.tracker import StreamingTracker
from ..tracking.types import Box, FrameResult, Prompt, PromptError, Track, TrackState
from .assignment import assign
from .pending import Candidate, Candidates
from .types import Detection, DetectionConfig, DetectionReport, Ignored, kind_of, sift

_SAME_OBJECT = 0.5  # share of the smaller of two masks from which a correction is one of the same object
_LEAST_IOU = 0.4  # predicted; a network that is shown a box of nothing answers with something, and less
_DOUBTFUL = 0.5  # a second best pair with so much of the overlap of the best makes it doubtful
_AREA_FACTOR = 4.0  # by which an object may seem larger or smaller when it comes back
_LONGEST_STEP = 1.0  # seconds; what lies between arrays further apart was not looked at, and proves no absence


@dataclass
class _Followed:
    """What detections know of an object."""

    box: Box  # around its mask where it was last visible on an image with detections
    by_detector: bool = False  # a box started it
    detected: Box | None = None  # its newest box
    unsupported: float = 0.0  # seconds for which detections came, but none for it
    disagreements: int = 0  # arrays in a row


@dataclass
class _Scene:
    """One image with its detections, and what is made of them."""

    result: FrameResult
    boxes: list[Detection] = field(default_factory=list)  # those that can be used
    matches: list[tuple[int, int]] = field(default_factory=list)  # places in `boxes` and in `result.tracks`
    found: list[np.ndarray] = field(default_factory=list)  # masks (H, W) of what was started or found again
    started: list[int] = field(default_factory=list)
    corrected: list[int] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    retired: list[int] = field(default_factory=list)
    ignored: Counter[Ignored] = field(default_factory=Counter)


class DetectionGuide:
    """Guides a tracker by the boxes of a detector, image by image; like the tracker not thread-safe."""

    def __init__(self, tracker: StreamingTracker, config: DetectionConfig) -> None:
        self._tracker = tracker
        self.config = config  # may be replaced from one call to the next
        self._candidates = Candidates(config.max_boxes)
        self._followed: dict[int, _Followed] = {}  # by track id
        self._objects: set[int] = set()  # ids of all that the tracker followed when detections last came
        self._newest: float | None = None  # stamp of the newest image with detections

    def apply(self, detections: Sequence[Detection], stamp: float) -> DetectionReport:
        """Takes all detections of the image of this stamp, also where there are none.

        Raises PromptError where that image is not buffered, or detections of a newer one were applied before.
        """
        scene = _Scene(self._tracker.result_at(stamp))
        elapsed = self._advance(scene.result.stamp)
        scene.boxes = sift(detections, scene.result.size, self.config, scene.ignored)
        self._match(scene, elapsed)
        self._correct(scene)
        explained = {i for i, _ in scene.matches}
        rest = [box for i, box in enumerate(scene.boxes) if i not in explained]
        self._candidates.update(rest, scene.result.stamp)
        ripe = self._candidates.ripe(self.config.min_hits, scene.result.stamp)
        # Who has vanished is asked for all of them first, for each that is followed is a rival less.
        for candidate, vanished in [(candidate, self._vanished(candidate, scene)) for candidate in ripe]:
            self._follow(candidate, vanished, scene)
        self._objects = set(self._tracker.labels)
        self._retire(scene)
        return DetectionReport(
            stamp=scene.result.stamp,
            boxes=len(detections),
            matched=len(scene.matches),
            waiting=len(self._candidates),
            started=tuple(scene.started),
            corrected=tuple(scene.corrected),
            returned=tuple(scene.returned),
            retired=tuple(scene.retired),
            ignored=scene.ignored,
        )

    def reset(self) -> None:
        """Starts anew, as the tracker does."""
        self._candidates.clear()
        self._followed.clear()
        self._objects.clear()
        self._newest = None

    def _advance(self, stamp: float) -> float:
        """Seconds since the last array, as far as they were looked at."""
        covered = self._tracker.covered
        if self._newest is not None and covered is not None and covered[1] < self._newest:  # the clock was set back
            self._newest = None
            self._candidates.clear()
        if self._newest is not None and stamp < self._newest:
            raise PromptError(
                f"detections of {self._newest:.6f} s were applied before these of {stamp:.6f} s, expected in order: "
                "do two detectors publish on one topic?"
            )
        elapsed = 0.0 if self._newest is None else stamp - self._newest
        self._newest = stamp
        return min(elapsed, _LONGEST_STEP)

    # ---- objects that have boxes

    def _match(self, scene: _Scene, elapsed: float) -> None:
        """Which boxes and tracks are one object, and since when objects have none."""
        known = self._tracker.labels
        if not self._objects <= known.keys():  # something was removed, which boxes may have been put off for
            self._candidates.try_again()
        self._followed = {track_id: entry for track_id, entry in self._followed.items() if track_id in known}
        tracks = scene.result.tracks
        for track in tracks:
            if track.box is not None:
                self._followed.setdefault(track.id, _Followed(track.box)).box = track.box
        for entry in self._followed.values():
            entry.unsupported += elapsed
        overlaps = _overlaps(scene.boxes, tracks)
        scene.matches = assign(overlaps, self.config.match_overlap)
        for i, j in scene.matches:
            entry, box = self._followed[tracks[j].id], scene.boxes[i].box
            entry.unsupported = 0.0
            if overlaps[i, j] >= self.config.drift_overlap:
                entry.disagreements, entry.detected = 0, box
            elif _is_doubtful(overlaps, i, j) or not self._continues(entry.detected, box):
                entry.disagreements = 0
            else:
                entry.disagreements, entry.detected = entry.disagreements + 1, box

    def _continues(self, before: Box | None, box: Box) -> bool:
        """Whether a detector still sees what it saw before, not something beside it."""
        return before is None or box_iou(before, box) >= self.config.drift_overlap

    def _correct(self, scene: _Scene) -> None:
        """Puts masks right that have left their boxes for a while, but not for another object."""
        for i, j in scene.matches:
            track = scene.result.tracks[j]
            entry = self._followed[track.id]
            if entry.disagreements < self.config.min_hits or self._tracker.is_pending(track.id):
                continue
            entry.disagreements = 0
            mask = self._find(scene.boxes[i], scene, self.config.drift_overlap)
            if (
                mask is None
                or mask_containment(mask, track.mask) < _SAME_OBJECT
                or self._is_followed(mask, scene, track.id)
            ):
                continue
            self._tracker.refine(track.id, Prompt(mask=mask), scene.result.stamp)
            scene.corrected.append(track.id)

    def _retire(self, scene: _Scene) -> None:
        limit = self.config.retire_after
        for track_id, entry in list(self._followed.items()):
            if limit and entry.by_detector and entry.unsupported > limit:
                self._tracker.remove(track_id, f"no detection for {entry.unsupported:.1f} s")
                del self._followed[track_id]
                scene.retired.append(track_id)

    # ---- boxes that have no object

    def _follow(self, candidate: Candidate, vanished: int | None, scene: _Scene) -> None:
        """Finds the vanished object again where the candidate is, or starts a new one; or says why not."""
        detection, stamp = candidate.newest, scene.result.stamp
        if self._may_be_known(detection.kind, scene):
            return
        if vanished is None and (reason := self._no_room_for(detection.kind)):
            scene.ignored[reason] += 1
            return
        mask = self._find(detection, scene, self.config.match_overlap)
        if mask is None or self._is_followed(mask, scene):
            scene.ignored[Ignored.NOTHING if mask is None else Ignored.FOLLOWED] += 1
            self._candidates.put_off(candidate)
            return
        self._candidates.drop(candidate)
        scene.found.append(mask)
        if vanished is None:
            track_id = self._tracker.add(Prompt(box=detection.box, label=detection.label), stamp)
            self._followed[track_id] = _Followed(detection.box, by_detector=True, detected=detection.box)
            scene.started.append(track_id)
        else:
            self._tracker.refine(vanished, Prompt(mask=mask), stamp)
            entry = self._followed[vanished]
            entry.unsupported, entry.detected = 0.0, detection.box
            scene.returned.append(vanished)

    def _vanished(self, candidate: Candidate, scene: _Scene) -> int | None:
        """The one object that a candidate must be: out of view, of its class, and without a rival on either side.

        What was seen beside the object while that was in view is something else. Near where it was last seen there
        may be others of its class elsewhere; further away there may be none.
        """
        latest = self._tracker.latest
        if latest is None or self._candidates.has_rival(candidate):
            return None
        kind, box = candidate.newest.kind, candidate.newest.box
        brothers = [track for track in scene.result.tracks if kind_of(track.label) == kind]
        absent = [track for track in brothers if track.box is None]
        known = {track.id for track in latest.tracks if track.box is None} & self._followed.keys()
        if len(absent) != 1 or absent[0].id not in known or candidate.first_seen <= absent[0].last_seen:
            return None
        before = self._followed[absent[0].id].box
        is_near = box_iou(before, box) >= self.config.match_overlap
        is_alike = 1 / _AREA_FACTOR <= box_area(box) / box_area(before) <= _AREA_FACTOR
        return absent[0].id if is_near or (len(brothers) == 1 and is_alike) else None

    def _may_be_known(self, kind: str, scene: _Scene) -> bool:
        """Whether it may be an object that is yet to be carried forward to this image, began later or is back since."""
        latest = self._tracker.latest
        visible = {track.id for track in latest.tracks if track.box is not None} if latest else set()
        settled = {track.id for track in scene.result.tracks if track.box is not None or track.id not in visible}
        return any(
            (track_id not in settled or self._tracker.is_pending(track_id))
            and (kind_of(label) == kind or not self._is_by_detector(track_id))
            for track_id, label in self._tracker.labels.items()
            if track_id not in scene.started + scene.returned
        )

    def _no_room_for(self, kind: str) -> Ignored | None:
        """Why no more objects of a class may be followed, if so."""
        labels = self._tracker.labels
        if len(labels) >= self._tracker.config.max_objects:
            return Ignored.TRACKER_FULL
        latest = self._tracker.latest
        lost = {track.id for track in latest.tracks if track.state is TrackState.LOST} if latest else set()
        count = sum(kind_of(label) == kind for track_id, label in labels.items() if track_id not in lost)
        return Ignored.CLASS_FULL if 0 < self.config.max_per_class <= count else None

    def _find(self, detection: Detection, scene: _Scene, least: float) -> np.ndarray | None:
        """The mask that the network finds in a box, if it fills it and is likely to be one of something."""
        found = self._tracker.preview(Prompt(box=detection.box), scene.result.stamp)
        is_sure = found.predicted_iou >= _LEAST_IOU
        return found.mask if is_sure and mask_box_iou(found.mask, detection.box) >= least else None

    def _is_followed(self, mask: np.ndarray, scene: _Scene, but: int = 0) -> bool:
        """Whether an object, `but` for one, has largely the same mask."""
        others = [track.mask for track in scene.result.tracks if track.id != but] + scene.found
        return any(mask_iou(mask, other) >= self.config.duplicate_overlap for other in others)

    def _is_by_detector(self, track_id: int) -> bool:
        return track_id in self._followed and self._followed[track_id].by_detector


def _overlaps(boxes: Sequence[Detection], tracks: Sequence[Track]) -> np.ndarray:
    """(N, M) overlap of boxes with what is around the masks, 0 where their classes differ or there is no mask."""
    nowhere = Box(0.0, 0.0, 0.0, 0.0)
    overlaps = pairwise_box_iou([box.box for box in boxes], [track.box or nowhere for track in tracks])
    same = [[box.kind == kind_of(track.label) for track in tracks] for box in boxes]
    return np.where(np.array(same, bool).reshape(overlaps.shape), overlaps, 0.0)


def _is_doubtful(overlaps: np.ndarray, i: int, j: int) -> bool:
    """Whether the box or the track of a pair has another partner that is nearly as good."""
    others = np.concatenate((np.delete(overlaps[i], j), np.delete(overlaps[:, j], i)))
    return bool(others.size and others.max() >= _DOUBTFUL * overlaps[i, j])
