"""A detector's boxes start, correct, find again and retire objects; with the bundled weights."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from sam2_ros.detection.association import DetectionAssociator
from sam2_ros.detection.types import Detection, DetectionConfig, DetectionReport, Ignored
from sam2_ros.model.sam2 import Sam2
from sam2_ros.tracking import (
    Box,
    Click,
    EventKind,
    Prompt,
    PromptError,
    StreamingTracker,
    Track,
    TrackerConfig,
    TrackState,
    TrackStateConfig,
)
from sam2_ros.tracking.geometry import mask_iou

PERIOD = 0.1  # seconds between frames
Square = tuple[str, int, int, int]

SOON_LOST = TrackerConfig(track_state=TrackStateConfig(lost_after=0.2))
# The network confirms no return, so that lost objects are found by boxes alone.
FOUND_BY_BOXES = TrackerConfig(track_state=TrackStateConfig(lost_after=0.2, return_frames=1000))

RED, BLUE = ("red", 80, 100, 30), ("blue", 220, 100, 30)


def box_of(square: Square) -> Box:
    _, x, y, half = square
    return Box(x - half, y - half, x + half + 1, y + half + 1)


def cup(square: Square, score: float = 0.9, label: str = "cup") -> Detection:
    return Detection(box_of(square), score, label)


class TrackedScene:
    """A tracker and its associator, frame by frame."""

    def __init__(
        self, model: Sam2, picture: Callable[..., np.ndarray], tracker: TrackerConfig, config: DetectionConfig
    ) -> None:
        self.tracker = StreamingTracker(model, tracker)
        self.associator = DetectionAssociator(self.tracker, config)
        self._picture = picture
        self._frames = 0
        self.events: list[EventKind] = []

    def show(self, *squares: Square) -> float:
        """The next frame; its stamp."""
        stamp = self._frames * PERIOD
        result = self.tracker.step(self._picture(*squares), stamp)
        self.events += [event.kind for event in result.events]
        self._frames += 1
        return stamp

    def detect(self, squares: Sequence[Square], *detections: Detection) -> DetectionReport:
        """The next frame, and what was detected on it."""
        return self.associator.apply(detections, self.show(*squares))

    @property
    def tracks(self) -> dict[int, Track]:
        assert self.tracker.latest is not None
        return {track.id: track for track in self.tracker.latest.tracks}

    def is_on(self, track_id: int, square: Square) -> bool:
        """Whether the object's mask is on the square."""
        mask, (_, x, y, half) = self.tracks[track_id].mask, square
        true = np.zeros_like(mask)
        true[y - half : y + half + 1, x - half : x + half + 1] = True
        return mask_iou(mask, true) > 0.6


MakeScene = Callable[..., TrackedScene]


@pytest.fixture
def scene(nano: Sam2, picture: Callable[..., np.ndarray]) -> MakeScene:
    def set_up(tracker: TrackerConfig | None = None, **config: Any) -> TrackedScene:
        return TrackedScene(nano, picture, tracker or TrackerConfig(), DetectionConfig(**{"min_hits": 1, **config}))

    return set_up


# ---- late boxes


def test_a_late_box_starts_the_object_of_its_own_image(scene: MakeScene) -> None:
    late, wrong = scene(), scene()
    course = [(("red", 60 + 12 * i, 100, 22), ("blue", 60 + 12 * (i - 10), 100, 22)) for i in range(11)]
    for squares in course:
        late.show(*squares)
        wrong.show(*squares)
    red, blue = course[-1]
    detection = cup(course[0][0])

    report = late.associator.apply([detection], 0.0)  # ten frames ago
    assert late.is_on(report.started[0], red)

    report = wrong.associator.apply([detection], 10 * PERIOD)
    assert wrong.is_on(report.started[0], blue)


def test_late_boxes_match_the_object_that_the_first_one_started(scene: MakeScene) -> None:
    s = scene(min_hits=2)
    course = [("red", 60 + 8 * i, 100, 25) for i in range(16)]
    reports = []
    for i, square in enumerate(course):
        s.show(square)
        if i >= 10:
            reports.append(s.associator.apply([cup(course[i - 10])], (i - 10) * PERIOD))
    assert [len(report.started) for report in reports] == [0, 1, 0, 0, 0, 0]
    assert [report.matched for report in reports] == [0, 0, 1, 1, 1, 1]
    assert len(s.tracks) == 1 and s.is_on(1, course[-1])


def test_a_late_box_starts_nothing_while_an_object_that_may_be_the_same_is_pending(
    scene: MakeScene,
) -> None:
    s = scene(TrackerConfig(catch_up_at_once=False))
    for _ in range(6):
        s.show(RED)
    assert s.associator.apply([cup(RED)], 0.0).started == (1,)
    assert s.associator.apply([cup(RED)], PERIOD).started == ()
    s.tracker.catch_up()
    assert s.associator.apply([cup(RED)], 2 * PERIOD).matched == 1
    assert s.tracker.labels == {1: "cup"}


def test_a_box_of_an_image_outside_the_buffer_is_refused_and_changes_nothing(
    scene: MakeScene,
) -> None:
    s = scene(TrackerConfig(history=2))
    for _ in range(4):
        s.show(RED)
    with pytest.raises(PromptError, match="no buffered frame is stamped"):
        s.associator.apply([cup(RED)], 0.0)
    assert s.associator.apply([cup(RED)], 3 * PERIOD).started == (1,)


def test_detections_of_an_older_image_are_refused_with_a_hint_at_a_second_detector(
    scene: MakeScene,
) -> None:
    s = scene()
    s.show(RED)
    s.detect([RED], cup(RED))
    with pytest.raises(PromptError, match="do two detectors"):
        s.associator.apply([cup(RED)], 0.0)
    assert s.detect([RED], cup(RED)).matched == 1


def test_after_stamps_jump_back_objects_start_again(scene: MakeScene) -> None:
    s = scene()
    for _ in range(3):
        s.detect([RED], cup(RED))
    s.tracker.reset("a bag that loops")
    s._frames = 0
    report = s.detect([RED], cup(RED))
    assert report.started == (2,)


# ---- starting


def test_an_object_starts_after_min_hits_arrays(scene: MakeScene) -> None:
    s = scene(min_hits=3)
    reports = [s.detect([RED], cup(RED)) for _ in range(4)]
    assert [report.started for report in reports] == [(), (), (1,), ()]
    assert [report.pending for report in reports] == [1, 1, 0, 0]
    assert s.is_on(1, RED) and s.tracks[1].label == "cup"


def test_one_array_can_start_several_objects(scene: MakeScene) -> None:
    s = scene()
    report = s.detect([RED, BLUE], cup(RED), cup(BLUE))
    assert report.started == (1, 2)
    assert s.is_on(1, RED) and s.is_on(2, BLUE)


def test_boxes_of_a_tracked_object_start_nothing(scene: MakeScene) -> None:
    s = scene()
    for i in range(4):
        moved = ("red", 80 + 4 * i, 100, 30)
        report = s.detect([moved, BLUE], cup(moved))
    assert (report.matched, report.started, report.corrected) == (1, (), ())
    assert list(s.tracks) == [1]


def test_boxes_of_another_class_start_nothing_on_a_tracked_object_nor_on_one_that_a_user_started(
    scene: MakeScene,
) -> None:
    s = scene()
    s.show(RED, BLUE)
    s.tracker.add(Prompt([Click(220, 100)], box_of(BLUE)))
    s.detect([RED, BLUE], cup(RED))
    report = s.detect([RED, BLUE], cup(RED), cup(RED, 0.8, "bowl"), cup(BLUE))
    assert report.started == () and report.ignored == {Ignored.ALREADY_TRACKED: 2}
    assert list(s.tracks) == [1, 2]


def test_of_two_classes_for_one_object_the_higher_score_starts_it(scene: MakeScene) -> None:
    s = scene()
    report = s.detect([RED], cup(RED, 0.8, "bowl"), cup(RED, 0.9, "cup"))
    assert report.started == (1,) and report.ignored == {Ignored.ALREADY_TRACKED: 1}
    assert s.tracks[1].label == "cup"


@pytest.mark.parametrize("place", [("", 230, 170, 6), ("", 230, 100, 12), ("", 200, 180, 20), ("", 230, 100, 30)])
def test_a_box_without_an_object_starts_nothing(scene: MakeScene, place: Square) -> None:
    s = scene()
    report = s.detect([RED], cup(place))
    assert report.started == () and report.ignored == {Ignored.NO_OBJECT: 1}


def test_max_per_class_limits_a_class_and_does_not_count_lost_objects(scene: MakeScene) -> None:
    s = scene(SOON_LOST, max_per_class=1)
    report = s.detect([RED, BLUE], cup(RED), cup(BLUE, 0.8))
    assert report.started == (1,) and report.ignored == {Ignored.CLASS_FULL: 1}
    for _ in range(4):
        report = s.detect([BLUE], cup(BLUE, 0.8))
    assert s.tracks[1].state is TrackState.LOST
    assert list(s.tracks) == [1, 2] and s.is_on(2, BLUE)


def test_a_full_tracker_ignores_boxes_and_keeps_its_objects(scene: MakeScene) -> None:
    s = scene(TrackerConfig(max_objects=1))
    report = s.detect([RED, BLUE], cup(RED), cup(BLUE, 0.8))
    assert report.started == (1,) and report.ignored == {Ignored.TRACKER_FULL: 1}
    assert s.is_on(1, RED)


# ---- correcting


def part_of(square: Square) -> np.ndarray:
    """The left third of a square as a mask."""
    box, mask = box_of(square), np.zeros((240, 320), bool)
    mask[int(box.y0) : int(box.y1), int(box.x0) : int(box.x0 + (box.x1 - box.x0) / 3)] = True
    return mask


def test_a_mask_that_disagrees_with_its_box_is_corrected_on_the_image_of_the_box(
    scene: MakeScene,
) -> None:
    s = scene()
    stamp = s.show(RED)
    track_id = s.tracker.add(Prompt(mask=part_of(RED), label="cup"))
    assert not s.is_on(track_id, RED)
    report = s.associator.apply([cup(RED)], stamp)
    assert (report.matched, report.corrected, report.started) == (1, (track_id,), ())
    assert s.is_on(track_id, RED)


def test_a_single_disagreement_corrects_nothing(scene: MakeScene) -> None:
    s = scene(min_hits=2)
    s.detect([RED], cup(RED))
    s.detect([RED], cup(RED))
    wide = Detection(Box(50, 70, 110, 240), 0.9, "cup")
    assert [s.detect([RED], box).corrected for box in (wide, cup(RED), wide, cup(RED))] == [()] * 4


def test_boxes_do_not_change_an_object_of_another_label(scene: MakeScene) -> None:
    s = scene()
    stamp = s.show(RED)
    track_id = s.tracker.add(Prompt(mask=part_of(RED), label="handle"))
    before = s.tracks[track_id].mask
    report = s.associator.apply([cup(RED)], stamp)
    assert report.corrected == () and len(report.started) == 1  # the cup is something else than its handle
    assert np.array_equal(s.tracks[track_id].mask, before)


def test_a_box_that_has_moved_to_another_object_corrects_nothing(scene: MakeScene) -> None:
    s = scene()
    stamp = s.show(RED)
    track_id = s.tracker.add(Prompt(mask=part_of(RED), label="cup"))
    before = s.tracks[track_id].mask
    s.associator.apply([Detection(Box(50, 70, 72, 131), 0.9, "cup")], stamp)  # agrees
    moved = Detection(Box(54, 70, 98, 131), 0.9, "cup")
    report = s.associator.apply([moved], stamp)
    assert (report.matched, report.corrected) == (1, ())
    assert np.array_equal(s.tracks[track_id].mask, before)


def test_a_box_that_has_moved_and_stays_corrects_the_mask_of_its_object(scene: MakeScene) -> None:
    s = scene()
    stamp = s.show(RED)
    track_id = s.tracker.add(Prompt(mask=part_of(RED), label="cup"))
    s.associator.apply([Detection(Box(50, 70, 65, 131), 0.9, "cup")], stamp)
    assert s.associator.apply([cup(RED)], stamp).corrected == ()  # has moved
    assert s.associator.apply([cup(RED)], stamp).corrected == (track_id,)
    assert s.is_on(track_id, RED)


def test_an_ambiguous_match_corrects_nothing(scene: MakeScene) -> None:
    s = scene()
    stamp = s.show(RED)
    s.tracker.add(Prompt(mask=part_of(RED), label="cup"))
    report = s.associator.apply([cup(RED), Detection(Box(40, 70, 85, 131), 0.6, "cup")], stamp)
    assert report.corrected == ()


# ---- identity


def lose(s: TrackedScene, *squares: Square) -> None:
    """Starts a cup at each square and shows the empty ground until they are lost."""
    s.detect(squares, *(cup(square) for square in squares))
    for _ in range(4):
        s.detect([])
    assert all(track.state is TrackState.LOST for track in s.tracks.values())


ORANGE = ("orange", 80, 100, 30)
REPAINTED = ("blue", 220, 160, 30)
GREEN = ("green", 250, 50, 30)


def test_the_only_object_of_its_class_is_found_again_by_its_box(scene: MakeScene) -> None:
    s = scene(FOUND_BY_BOXES, min_hits=2)
    s.detect([ORANGE], cup(ORANGE))
    lose(s, ORANGE)
    assert s.detect([REPAINTED], cup(REPAINTED)).returned == ()
    assert s.tracks[1].state is TrackState.LOST
    assert s.detect([REPAINTED], cup(REPAINTED)).returned == (1,)
    assert list(s.tracks) == [1] and s.is_on(1, REPAINTED)
    s.show(REPAINTED)
    assert EventKind.REACQUIRED in s.events


def test_with_two_lost_objects_of_a_class_a_box_is_a_new_object(scene: MakeScene) -> None:
    s = scene(FOUND_BY_BOXES)
    lose(s, ORANGE, ("green", 220, 180, 30))
    report = s.detect([REPAINTED], cup(REPAINTED))
    assert (report.returned, report.started) == ((), (3,))


def test_with_two_boxes_for_one_lost_object_both_are_new_objects(scene: MakeScene) -> None:
    s = scene(FOUND_BY_BOXES)
    lose(s, ORANGE)
    other = ("blue", 80, 180, 30)
    report = s.detect([REPAINTED, other], cup(REPAINTED), cup(other, 0.8))
    assert (report.returned, report.started) == ((), (2, 3))


def test_a_box_of_another_class_is_not_the_lost_object(scene: MakeScene) -> None:
    s = scene(FOUND_BY_BOXES)
    lose(s, ORANGE)
    report = s.detect([REPAINTED], cup(REPAINTED, label="bowl"))
    assert (report.returned, report.started) == ((), (2,))


def test_a_detection_seen_while_the_object_was_in_view_is_a_new_object(scene: MakeScene) -> None:
    s = scene(FOUND_BY_BOXES, min_hits=4)
    for _ in range(4):
        s.detect([ORANGE], cup(ORANGE))
    s.detect([ORANGE, REPAINTED], cup(ORANGE), cup(REPAINTED))
    for _ in range(2):
        s.detect([REPAINTED], cup(REPAINTED))
    report = s.detect([REPAINTED], cup(REPAINTED))
    assert s.tracks[1].box is None
    assert (report.returned, report.started) == ((), (2,))


@pytest.mark.parametrize(("x", "returned", "started"), [(80, (1,), ()), (200, (), (3,))])
def test_with_another_of_its_class_in_view_an_object_is_found_again_only_near_its_last_box(
    scene: MakeScene, x: int, returned: tuple[int, ...], started: tuple[int, ...]
) -> None:
    s = scene(FOUND_BY_BOXES)
    s.detect([ORANGE, GREEN], cup(ORANGE), cup(GREEN))
    for _ in range(4):
        s.detect([GREEN], cup(GREEN))
    assert s.tracks[1].state is TrackState.LOST
    back = ("blue", x, 110, 30)
    report = s.detect([GREEN, back], cup(GREEN), cup(back))
    assert (report.returned, report.started) == (returned, started)
    assert s.is_on(2, GREEN)


def test_a_late_box_of_an_object_that_has_returned_since_starts_nothing(scene: MakeScene) -> None:
    s = scene(SOON_LOST)
    lose(s, ORANGE, GREEN)
    stamp = s.show(ORANGE)
    for _ in range(4):
        s.show(ORANGE)
    assert s.is_on(1, ORANGE)
    before = s.tracker.result_at(stamp)
    assert before.tracks[0].box is None  # a return is confirmed after a few images only
    report = s.associator.apply([cup(ORANGE)], stamp)
    assert (report.returned, report.started) == ((), ())
    assert s.associator.apply([cup(ORANGE)], stamp + 4 * PERIOD).matched == 1


# ---- retiring


def test_an_object_that_a_box_started_is_retired_without_boxes(scene: MakeScene) -> None:
    s = scene(retire_after=0.25)
    s.detect([RED, BLUE], cup(RED))
    s.tracker.add(Prompt(box=box_of(BLUE)))
    reports = [s.detect([RED, BLUE]) for _ in range(4)]
    assert [report.retired for report in reports] == [(), (), (1,), ()]
    assert list(s.tracks) == [2]
    s.show(RED, BLUE)
    assert EventKind.REMOVED in s.events


def test_an_object_is_not_retired_while_the_detector_is_silent(scene: MakeScene) -> None:
    s = scene(retire_after=2.5)
    s.detect([RED], cup(RED))
    for _ in range(40):
        s.show(RED)
    assert s.detect([RED]).retired == ()
    assert s.detect([RED], cup(RED)).matched == 1


def test_a_slow_detector_retires_an_object_after_as_many_seconds(scene: MakeScene) -> None:
    s = scene(retire_after=2.5)
    s.detect([RED], cup(RED))
    retired = []
    for _ in range(4):
        for _ in range(19):
            s.show(RED)
        retired.append(s.detect([RED]).retired)
    assert retired == [(), (1,), (), ()]  # after 1 s, as the first pause may be silence, and 2 s


# ---- back-off


def back_off(s: TrackedScene) -> int:
    """Tracks an object whose boxes have another class, so that they are backed off; its id."""
    s.show(RED)
    track_id = s.tracker.add(Prompt(box=box_of(RED), label="mug"))
    reports = [s.detect([RED], cup(RED)) for _ in range(5)]
    assert {Ignored.ALREADY_TRACKED: 1} in [report.ignored for report in reports]
    assert not any(report.started for report in reports)
    return track_id


def remove(s: TrackedScene, track_id: int) -> None:
    s.tracker.remove(track_id)


def reset(s: TrackedScene, track_id: int) -> None:
    s.tracker.reset()
    s.associator.reset()


def retire(s: TrackedScene, track_id: int) -> None:
    s.associator._histories[track_id].started_by_detection = True  # as if a box had started it
    s.associator.config = DetectionConfig(min_hits=3, retire_after=0.01)
    assert s.detect([RED], cup(RED)).retired == (track_id,)


@pytest.mark.parametrize("end", [remove, reset, retire])
def test_after_an_object_is_removed_backed_off_boxes_start_one_after_min_hits_arrays(
    scene: MakeScene, end: Callable[[TrackedScene, int], None]
) -> None:
    s = scene(min_hits=3)
    end(s, back_off(s))
    s.associator.config = DetectionConfig(min_hits=3)
    assert [len(s.detect([RED], cup(RED)).started) for _ in range(3)] == [0, 0, 1]


def test_a_reset_drops_boxes_without_an_object(scene: MakeScene) -> None:
    s = scene(min_hits=2)
    reports = [s.detect([], cup(RED)) for _ in range(4)]
    assert {Ignored.NO_OBJECT: 1} in [report.ignored for report in reports]
    s.tracker.reset()
    s.associator.reset()
    assert [len(s.detect([RED], cup(RED)).started) for _ in range(2)] == [0, 1]
