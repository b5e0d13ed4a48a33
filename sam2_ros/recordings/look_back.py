"""Follows objects backwards in time from the frame of a prompt, over the newest frames, which are held back for this.

Where an object has been followed forwards, too, the result of the nearer prompt counts, and their agreement is noted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from sam2_ros.tracking import FrameResult, Prompt, StreamingTracker, Track, TrackState
from sam2_ros.tracking.geometry import mask_iou

from .streams import Frame

MakeTracker = Callable[[int], StreamingTracker]  # for so many objects
NoteAgreement = Callable[[int, int, float], None]  # track id, frame and IoU of the two masks

Labels = tuple[Frame, FrameResult]


class LookBack:
    """Holds back `length` frames with their results; memory grows with nothing else."""

    def __init__(self, length: int, make_tracker: MakeTracker, note: NoteAgreement) -> None:
        self._length = length
        self._make_tracker = make_tracker
        self._note = note
        self._held: deque[Labels] = deque()
        self._prompted_at: dict[int, int] = {}  # frame of an object's newest prompt

    def push(self, frame: Frame, result: FrameResult, prompted: Collection[int]) -> Iterator[Labels]:
        """The next frame and the ids of objects that were prompted on it; yields the frames that are complete."""
        starts = [track for track in result.tracks if track.id in prompted and track.area]
        if starts and self._held:
            self._follow_back(frame, starts)
        known = {track.id for track in result.tracks}
        self._prompted_at = {i: at for i, at in self._prompted_at.items() if i in known}
        self._prompted_at.update((track.id, frame.index) for track in starts)
        self._held.append((frame, result))
        while len(self._held) > self._length:
            yield self._held.popleft()

    def flush(self) -> Iterator[Labels]:
        """Yields the frames that are held back."""
        while self._held:
            yield self._held.popleft()

    def _follow_back(self, frame: Frame, starts: Sequence[Track]) -> None:
        """Until every object is lost: it was not there yet."""
        tracker = self._make_tracker(len(starts))
        tracker.step(frame.rgb, 0.0)
        originals = {tracker.add(Prompt(mask=track.mask)): track for track in starts}
        for position in reversed(range(len(self._held))):
            earlier, result = self._held[position]
            found = tracker.step(earlier.rgb, frame.seconds - earlier.seconds)
            self._held[position] = earlier, self._joined(result, found, originals, frame.index)
            if all(track.state is TrackState.LOST for track in found.tracks):
                break

    def _joined(
        self, result: FrameResult, found: FrameResult, originals: dict[int, Track], prompted_at: int
    ) -> FrameResult:
        for track in found.tracks:
            original = originals[track.id]
            forward = next((other for other in result.tracks if other.id == original.id), None)
            if forward is not None:
                self._note(original.id, result.index, _agreement(forward, track))
                is_nearer = prompted_at - result.index < result.index - self._prompted_at.get(original.id, prompted_at)
                if not is_nearer:
                    continue
            elif not track.area:
                continue
            renamed = replace(track, id=original.id, mask_value=original.mask_value, label=original.label)
            result = _with_track(result, renamed)
        return result


def _agreement(forward: Track, backward: Track) -> float:
    """Intersection over union; that neither sees the object is agreement."""
    return mask_iou(forward.mask, backward.mask) if forward.area or backward.area else 1.0


def _with_track(result: FrameResult, track: Track) -> FrameResult:
    """The result with this track, in place of an earlier one of its id; the same where its mask value is taken."""
    others = [other for other in result.tracks if other.id != track.id]
    if any(other.mask_value == track.mask_value for other in others):
        return result
    earlier = result.label_image

    def draw() -> np.ndarray:
        labels = np.where(earlier == track.mask_value, 0, earlier).astype(np.uint8)
        labels[track.mask & (labels == 0)] = track.mask_value
        return labels

    tracks = tuple(sorted([*others, replace(track, last_seen=result.stamp)], key=lambda entry: entry.id))
    return replace(result, tracks=tracks, draw_labels=draw)
