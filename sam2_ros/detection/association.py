"""Associates a detector's boxes with tracks: boxes start objects, correct them, find them again and retire them.

A box is compared with the masks on its own image. If it matches a mask of its class, both are the same object. A box
without a match is pending until enough arrays confirm it; then the network has to find an object in it that is not
tracked yet. That object is an absent one only if nothing else explains the box; otherwise it is a new object with a new
id, so that no id moves to another object silently.

For each array it is decided first what changes, and then applied to the tracker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..tracking.geometry import box_area, box_iou, mask_box_iou, mask_containment, mask_iou, pairwise_box_iou
from ..tracking.tracker import StreamingTracker
from ..tracking.types import Box, FrameResult, Prompt, PromptError, Track, TrackState
from .assignment import assign
from .pending import PendingDetection, PendingDetections, longest_gap
from .types import Detection, DetectionConfig, DetectionReport, Ignored, class_id_of, filter_detections

# Share of the smaller of the old and the corrected mask that both cover, or they are two objects.
_MIN_CONTAINMENT = 0.5
_MIN_PREDICTED_IOU = 0.4  # the network predicts less for a box without an object
_AMBIGUOUS = 0.5  # a match is ambiguous if the second best has this fraction of its IoU
_MAX_AREA_RATIO = 4.0  # of a returning object's box to its last one, either way


@dataclass
class _DetectionHistory:
    """The detections of one track."""

    mask_box: Box  # around its mask where it was last visible on an image with detections
    started_by_detection: bool = False
    box: Box | None = None  # the newest one of the detector
    seconds_without: float = 0.0  # in which arrays came without a detection of this track
    disagreements: int = 0  # arrays in a row in which box and mask disagree


@dataclass(frozen=True)
class _Match:
    """A detection and the track that it belongs to."""

    detection: Detection
    track: Track


@dataclass(frozen=True)
class _Correction:
    """Replaces a track's mask."""

    track_id: int
    mask: np.ndarray  # (H, W) bool


@dataclass(frozen=True)
class _Start:
    """Starts a new object, or finds an absent one again."""

    pending: PendingDetection
    mask: np.ndarray  # (H, W) bool
    absent_id: int | None  # the object that is found again, None for a new one


@dataclass
class _Step:
    """One array of detections on its image, and what it has led to so far."""

    result: FrameResult  # of that image, before any change
    detections: list[Detection]  # usable ones, highest scores first
    ignored: Counter[Ignored]
    matches: list[_Match] = field(default_factory=list)
    started: list[int] = field(default_factory=list)
    corrected: list[int] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    retired: list[int] = field(default_factory=list)


class DetectionAssociator:
    """Applies a detector's boxes to a tracker, image by image; like the tracker not thread-safe."""

    def __init__(self, tracker: StreamingTracker, config: DetectionConfig) -> None:
        self._tracker = tracker
        self.config = config  # may be replaced between calls
        self._pending = PendingDetections(config.max_boxes)
        self._histories: dict[int, _DetectionHistory] = {}  # by track id
        self._objects: set[int] = set()  # the tracker's ids after the last array
        self._newest: float | None = None  # stamp of the newest image with detections
        self._period = 0.0  # seconds between the last two arrays

    def apply(self, detections: Sequence[Detection], stamp: float) -> DetectionReport:
        """Apply all detections of the image with this stamp (seconds); an empty array says that there are none.

        Raises PromptError where that image is not buffered, or detections of a newer image were applied before.
        """
        result = self._tracker.result_at(stamp)
        elapsed = self._advance_to(result.stamp)
        ignored: Counter[Ignored] = Counter()
        step = _Step(result, filter_detections(detections, result.size, self.config, ignored), ignored)
        unmatched = self._match(step, elapsed)
        self._apply_corrections(step, list(self._decide_corrections(step)))
        self._pending.update(unmatched, result.stamp)
        self._apply_starts(step, self._decide_starts(step))
        self._objects = set(self._tracker.labels)
        self._retire(step)
        return DetectionReport(
            stamp=result.stamp,
            boxes=len(detections),
            matched=len(step.matches),
            pending=len(self._pending),
            started=tuple(step.started),
            corrected=tuple(step.corrected),
            returned=tuple(step.returned),
            retired=tuple(step.retired),
            ignored=ignored,
        )

    def reset(self) -> None:
        """Drop everything, as the tracker does."""
        self._pending.clear()
        self._histories.clear()
        self._objects.clear()
        self._newest, self._period = None, 0.0

    def _advance_to(self, stamp: float) -> float:
        """Accept the stamp of the next array; returns the seconds since the previous one that count.

        More than `longest_gap` counts for nothing: a silent detector proves nothing.
        Raises PromptError for an older stamp.
        """
        covered = self._tracker.covered
        if self._newest is not None and covered is not None and covered[1] < self._newest:  # stamps jumped back
            self._newest, self._period = None, 0.0
            self._pending.clear()
        if self._newest is not None and stamp < self._newest:
            raise PromptError(
                f"detections of {self._newest:.6f} s were applied before these of {stamp:.6f} s, expected in order: "
                "do two detectors publish on one topic?"
            )
        elapsed, limit = 0.0 if self._newest is None else stamp - self._newest, longest_gap(self._period)
        self._newest, self._period = stamp, elapsed
        return min(elapsed, limit)

    # ---- detections of tracks

    def _match(self, step: _Step, elapsed: float) -> list[Detection]:
        """Assign detections to tracks and update the history of each track; returns the unmatched detections."""
        self._update_histories(step.result.tracks, elapsed)
        detections, tracks = step.detections, step.result.tracks
        ious = _class_ious(detections, tracks)
        pairs = assign(ious, self.config.match_overlap)
        for i, j in pairs:
            step.matches.append(_Match(detections[i], tracks[j]))
            history, box = self._histories[tracks[j].id], detections[i].box
            history.seconds_without = 0.0
            agrees = ious[i, j] >= self.config.drift_overlap
            if agrees or _is_ambiguous(ious, i, j) or not self._continues(history.box, box):
                history.disagreements = 0
            else:
                history.disagreements += 1
            history.box = box
        matched = {i for i, _ in pairs}
        return [detection for i, detection in enumerate(detections) if i not in matched]

    def _update_histories(self, tracks: Sequence[Track], elapsed: float) -> None:
        known = self._tracker.labels
        if not self._objects <= known.keys():  # a removed object may be why pending detections were backed off
            self._pending.retry()
        self._histories = {track_id: history for track_id, history in self._histories.items() if track_id in known}
        for track in tracks:
            if track.box is not None:
                self._histories.setdefault(track.id, _DetectionHistory(track.box)).mask_box = track.box
        for history in self._histories.values():
            history.seconds_without += elapsed

    def _continues(self, previous: Box | None, box: Box) -> bool:
        """Whether the detector's box has stayed on the same object."""
        return previous is None or box_iou(previous, box) >= self.config.drift_overlap

    def _decide_corrections(self, step: _Step) -> Iterator[_Correction]:
        """The corrections of masks that have disagreed with their boxes for `min_hits` arrays.

        A mask that is not on the same object, or is that of another one, corrects nothing.
        """
        for match in step.matches:
            track, history = match.track, self._histories[match.track.id]
            if history.disagreements < self.config.min_hits or self._tracker.is_pending(track.id):
                continue
            history.disagreements = 0
            mask = self._find(match.detection, step, self.config.drift_overlap)
            if mask is None or mask_containment(mask, track.mask) < _MIN_CONTAINMENT:
                continue
            if not self._is_duplicate(mask, [other.mask for other in step.result.tracks if other.id != track.id]):
                yield _Correction(track.id, mask)

    def _apply_corrections(self, step: _Step, corrections: Sequence[_Correction]) -> None:
        for correction in corrections:
            self._tracker.refine(correction.track_id, Prompt(mask=correction.mask), step.result.stamp)
            step.corrected.append(correction.track_id)

    def _retire(self, step: _Step) -> None:
        limit = self.config.retire_after
        expired = [
            track_id
            for track_id, history in self._histories.items()
            if limit and history.started_by_detection and history.seconds_without > limit
        ]
        for track_id in expired:
            seconds = self._histories.pop(track_id).seconds_without
            self._tracker.remove(track_id, f"no matching detection for {seconds:.1f} s")
            step.retired.append(track_id)

    # ---- detections without a track

    def _decide_starts(self, step: _Step) -> list[_Start]:
        """Which pending detections become objects; the others stay pending or are counted as ignored."""
        confirmed = self._pending.confirmed(self.config.min_hits, step.result.stamp)
        starts: list[_Start] = []
        for pending in confirmed:
            detection, absent = pending.newest, self._absent_object(pending, step.result)
            if self._may_be_tracked(detection.class_id, step.result):
                continue
            if absent is None and (reason := self._no_room(detection.class_id, starts)):
                step.ignored[reason] += 1
                continue
            mask = self._find(detection, step, self.config.match_overlap)
            known = [track.mask for track in step.result.tracks] + [start.mask for start in starts]
            if mask is None or self._is_duplicate(mask, known):
                step.ignored[Ignored.NO_OBJECT if mask is None else Ignored.ALREADY_TRACKED] += 1
                self._pending.back_off(pending)
                continue
            starts.append(_Start(pending, mask, absent_id=absent))
        return starts

    def _apply_starts(self, step: _Step, starts: Sequence[_Start]) -> None:
        stamp = step.result.stamp
        for start in starts:
            detection = start.pending.newest
            self._pending.drop(start.pending)
            if start.absent_id is None:
                track_id = self._tracker.add(Prompt(box=detection.box, label=detection.label), stamp)
                self._histories[track_id] = _DetectionHistory(
                    detection.box, started_by_detection=True, box=detection.box
                )
                step.started.append(track_id)
            else:
                self._tracker.refine(start.absent_id, Prompt(mask=start.mask), stamp)
                history = self._histories[start.absent_id]
                history.seconds_without, history.box = 0.0, detection.box
                step.returned.append(start.absent_id)

    def _absent_object(self, pending: PendingDetection, result: FrameResult) -> int | None:
        """Id of the absent object that a pending detection must be: the only one of its class, without a rival.

        A detection that was seen while the object was in view is another object. Near the object's last box, others of
        its class may be in view elsewhere; further away there may be none.
        """
        latest = self._tracker.latest
        if latest is None or self._pending.has_rival(pending):
            return None
        box = pending.newest.box
        same_class = [track for track in result.tracks if class_id_of(track.label) == pending.newest.class_id]
        absent = [track for track in same_class if track.box is None]
        still_absent = {track.id for track in latest.tracks if track.box is None} & self._histories.keys()
        if len(absent) != 1 or absent[0].id not in still_absent or pending.first_seen <= absent[0].last_seen:
            return None
        last_box = self._histories[absent[0].id].mask_box
        is_near = box_iou(last_box, box) >= self.config.match_overlap
        is_similar = 1 / _MAX_AREA_RATIO <= box_area(box) / box_area(last_box) <= _MAX_AREA_RATIO
        return absent[0].id if is_near or (len(same_class) == 1 and is_similar) else None

    def _may_be_tracked(self, class_id: str, result: FrameResult) -> bool:
        """Whether a detection may be an object that is tracked by now, but is not yet or not visible on this image."""
        latest, labels = self._tracker.latest, self._tracker.labels
        visible_now = {track.id for track in latest.tracks if track.box is not None} if latest else set()
        returned = {track.id for track in result.tracks if track.box is None} & visible_now
        started = labels.keys() - {track.id for track in result.tracks}
        catching_up = {track_id for track_id in labels if self._tracker.is_pending(track_id)}
        return any(
            class_id_of(labels[track_id]) == class_id or not self._is_started_by_detection(track_id)
            for track_id in (returned | started | catching_up) & labels.keys()
        )

    def _no_room(self, class_id: str, starts: Sequence[_Start]) -> Ignored | None:
        """Why no further object of a class may start; None where one may."""
        labels = self._tracker.labels
        new = [start.pending.newest.class_id for start in starts if start.absent_id is None]
        if len(labels) + len(new) >= self._tracker.config.max_objects:
            return Ignored.TRACKER_FULL
        latest = self._tracker.latest
        lost = {track.id for track in latest.tracks if track.state is TrackState.LOST} if latest else set()
        lost -= {start.absent_id for start in starts}
        classes = [class_id_of(label) for track_id, label in labels.items() if track_id not in lost] + new
        return Ignored.CLASS_FULL if 0 < self.config.max_per_class <= classes.count(class_id) else None

    def _find(self, detection: Detection, step: _Step, min_iou: float) -> np.ndarray | None:
        """The mask (H, W) bool that the network predicts for a box; None if unlikely or not filling it."""
        preview = self._tracker.preview(Prompt(box=detection.box), step.result.stamp)
        is_likely = preview.predicted_iou >= _MIN_PREDICTED_IOU
        return preview.mask if is_likely and mask_box_iou(preview.mask, detection.box) >= min_iou else None

    def _is_duplicate(self, mask: np.ndarray, others: Sequence[np.ndarray]) -> bool:
        """Whether another mask is of the same object."""
        return any(mask_iou(mask, other) >= self.config.duplicate_overlap for other in others)

    def _is_started_by_detection(self, track_id: int) -> bool:
        return track_id in self._histories and self._histories[track_id].started_by_detection


def _class_ious(detections: Sequence[Detection], tracks: Sequence[Track]) -> np.ndarray:
    """(N, M) IoU of detections and the boxes of tracks, 0 where the classes differ or the track has no box."""
    empty = Box(0.0, 0.0, 0.0, 0.0)
    ious = pairwise_box_iou([detection.box for detection in detections], [track.box or empty for track in tracks])
    same = [[detection.class_id == class_id_of(track.label) for track in tracks] for detection in detections]
    return np.where(np.array(same, bool).reshape(ious.shape), ious, 0.0)


def _is_ambiguous(ious: np.ndarray, i: int, j: int) -> bool:
    """Whether the detection or the track of a pair has a second match that is nearly as good."""
    others = np.concatenate((np.delete(ious[i], j), np.delete(ious[:, j], i)))
    return bool(others.size and others.max() >= _AMBIGUOUS * ious[i, j])
