"""Evaluation of simple ways to track, and of the real tracker."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.model import CONFIGS, seeded_model
from sam2_ros.synthetic.clip import Clip
from sam2_ros.synthetic.davis_writer import write_clip
from sam2_ros.tracking import EventKind, TrackerConfig
from sam2_ros.training.baselines import BASELINES, copy, flow, template
from sam2_ros.training.davis import Sequence, read_dataset
from sam2_ros.training.evaluation import (
    PROMPTS,
    FramePrediction,
    baseline_method,
    evaluate_sequence,
    make_prompt,
    model_method,
    write_picture,
)
from sam2_ros.training.event_metrics import EventScore

SIZE = 96


def moving(step: int) -> Clip:
    """A textured square that moves by `step` pixels per frame over a textured picture."""
    rng = np.random.default_rng(0)
    background, square = (rng.integers(0, 255, (n, n, 3)).astype(np.uint8) for n in (SIZE, 24))
    background, square = cv2.blur(background, (5, 5)), cv2.blur(square, (5, 5))
    frames, labels = np.repeat(background[None], 6, axis=0), np.zeros((6, SIZE, SIZE), np.uint8)
    for t in range(6):
        area = np.s_[30:54, 10 + step * t : 34 + step * t]
        frames[t][area], labels[t][area] = square, 1
    return Clip(frames, labels)


@pytest.fixture
def sequence(tmp_path: Path) -> Sequence:
    write_clip(tmp_path, "moving", moving(step=3))
    return read_dataset(tmp_path)[0]


def test_a_copied_mask_scores_what_it_overlaps_by(sequence: Sequence) -> None:
    (score,) = evaluate_sequence(sequence, baseline_method(copy)).scores
    # 3, 6, 9 and 12 columns of 24 are missed
    assert score.region == pytest.approx(np.mean([(24 - n) / (24 + n) for n in (3, 6, 9, 12)]))
    assert score.presence == 1.0


def test_optical_flow_follows_better_than_a_copy(sequence: Sequence) -> None:
    (copied,) = evaluate_sequence(sequence, baseline_method(copy)).scores
    (moved,) = evaluate_sequence(sequence, baseline_method(flow)).scores
    assert moved.mean > copied.mean + 0.1


def test_template_matching_follows_a_square_exactly(sequence: Sequence) -> None:
    (score,) = evaluate_sequence(sequence, baseline_method(template)).scores
    assert score.region == 1.0


def test_template_matching_follows_whatever_the_first_mask_is(sequence: Sequence) -> None:
    frames = list(sequence.frames())
    for area in (np.s_[:, :], np.s_[95:, 95:], np.s_[40:41, 20:22]):  # the whole picture, its corner, two pixels
        mask = np.zeros((SIZE, SIZE), bool)
        mask[area] = True
        followed = list(template(frames, mask))
        assert len(followed) == len(frames)
        assert {np.count_nonzero(each) for each in followed} == {np.count_nonzero(mask)}


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_runs_with_the_opencv_that_is_installed(name: str, sequence: Sequence) -> None:
    assert evaluate_sequence(sequence, baseline_method(BASELINES[name])).scores[0].region > 0.5


def test_prompts_are_made_from_a_mask() -> None:
    mask = np.zeros((40, 60), bool)
    mask[10:21, 30:41] = True
    box, click = make_prompt("box", mask).box, make_prompt("click", mask).clicks[0]
    assert box is not None and (box.x0, box.y0, box.x1, box.y1) == (30, 10, 40, 20)
    assert (click.x, click.y, click.positive) == (35, 15, True)
    given = make_prompt("mask", mask).mask
    assert given is not None and np.array_equal(given, mask)


def test_a_click_on_a_ring_lies_on_the_ring() -> None:
    ring = np.zeros((60, 60), np.uint8)
    cv2.circle(ring, (30, 30), 20, 1, 5)
    click = make_prompt("click", ring > 0).clicks[0]
    assert ring[int(click.y), int(click.x)]


@pytest.mark.parametrize("kind", PROMPTS)
def test_the_tracker_is_scored_with_every_prompt(sequence: Sequence, kind: str) -> None:
    method = model_method(seeded_model(CONFIGS["nano"].resized(64)), kind, TrackerConfig(), rate=10.0)
    result = evaluate_sequence(sequence, method)
    assert len(result.scores) == 1 and 0 <= result.scores[0].mean <= 1
    assert result.found[1].shape == (6, SIZE, SIZE) and result.seconds > 0


def absent(first: int, stop: int) -> Clip:
    """A square that stands still and is absent on frames first..stop-1."""
    clip = moving(step=0)
    clip.labels[first:stop] = 0
    return clip


def scripted_events(frames: Iterable[np.ndarray], masks: dict[int, np.ndarray]) -> Iterator[FramePrediction]:
    """Reports the object as lost on the fourth frame and as reacquired on the sixth."""
    events = {3: ((1, EventKind.LOST),), 5: ((1, EventKind.REACQUIRED),)}
    for t, _ in enumerate(frames):
        yield FramePrediction(masks, events.get(t, ()))


def test_events_are_scored_by_their_frames(tmp_path: Path) -> None:
    write_clip(tmp_path, "hidden", absent(1, 4))
    (score,) = evaluate_sequence(read_dataset(tmp_path)[0], scripted_events, lost_after=1.0).scores
    assert score.lost_events == EventScore(reported=1, correct=1, expected=1, delays=(1,))
    assert score.reacquired_events == EventScore(reported=1, correct=1, expected=1, delays=(1,))


def test_events_are_scored_only_if_asked_for_and_every_frame_is_annotated(tmp_path: Path) -> None:
    write_clip(tmp_path, "hidden", absent(1, 4))
    assert evaluate_sequence(read_dataset(tmp_path)[0], scripted_events).scores[0].lost_events is None
    (tmp_path / "Annotations" / "hidden" / "00004.png").unlink()
    assert evaluate_sequence(read_dataset(tmp_path)[0], scripted_events, lost_after=1.0).scores[0].lost_events is None


def test_only_the_annotated_frames_are_scored(tmp_path: Path) -> None:
    write_clip(tmp_path, "moving", moving(step=3))
    for t in (1, 3):
        (tmp_path / "Annotations" / "moving" / f"{t:05d}.png").unlink()
    result = evaluate_sequence(read_dataset(tmp_path)[0], baseline_method(copy))
    assert result.found[1].shape[0] == 4


def test_a_picture_shows_true_and_predicted_mask(sequence: Sequence, tmp_path: Path) -> None:
    result = evaluate_sequence(sequence, baseline_method(copy))
    write_picture(tmp_path / "worst.png", sequence, 1, result.found[1])
    picture = cv2.imread(str(tmp_path / "worst.png"))
    assert picture is not None and picture.shape[1] >= 6 * SIZE
