"""Scores of tracked masks: DAVIS' J and F, presence accuracy, and what happens when an object returns.

Sources: Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation" (2016);
Pont-Tuset et al., "The 2017 DAVIS Challenge" (2017).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .event_metrics import EventScore

BOUNDARY_TOLERANCE = 0.008  # of the picture's diagonal
REACQUIRED_IOU = 0.5
REACQUIRED_WITHIN = 5  # frames


def region(found: np.ndarray, true: np.ndarray) -> float:
    """J: the IoU of two masks (H, W) bool; 1 where both are empty."""
    union = np.count_nonzero(found | true)
    return np.count_nonzero(found & true) / union if union else 1.0


def boundary(found: np.ndarray, true: np.ndarray) -> float:
    """F: harmonic mean of how much of each mask's boundary lies near the other's; 1 where both have none."""
    radius = int(np.ceil(BOUNDARY_TOLERANCE * np.hypot(*true.shape)))
    found_edge, true_edge = _edge(found), _edge(true)
    if not found_edge.any() and not true_edge.any():
        return 1.0
    if not found_edge.any() or not true_edge.any():
        return 0.0
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    axis = np.arange(-radius, radius + 1)
    disc[:] = axis[:, None] ** 2 + axis**2 <= radius**2
    precision = (found_edge & (cv2.dilate(true_edge.astype(np.uint8), disc) > 0)).sum() / found_edge.sum()
    recall = (true_edge & (cv2.dilate(found_edge.astype(np.uint8), disc) > 0)).sum() / true_edge.sum()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def _edge(mask: np.ndarray) -> np.ndarray:
    """Pixels that differ from their right, lower or lower right neighbour."""
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    edge: np.ndarray = (mask != padded[:-1, 1:]) | (mask != padded[1:, :-1]) | (mask != padded[1:, 1:])
    return edge


@dataclass(frozen=True)
class ObjectScore:
    """One object of one sequence. `returns` counts its returns; `delays`: frames until it is tracked again."""

    sequence: str
    object: int
    region: float
    boundary: float
    presence: float
    returns: int
    delays: tuple[int, ...]
    mistaken: bool | None  # for its look-alike; None without one
    lost_events: EventScore | None = None  # None where events are not scored
    reacquired_events: EventScore | None = None

    @property
    def mean(self) -> float:
        """J&F."""
        return (self.region + self.boundary) / 2


def score_object(
    sequence: str, number: int, found: np.ndarray, true: np.ndarray, look_alike: np.ndarray | None = None
) -> ObjectScore:
    """Score masks (T, H, W) bool from the prompted frame on.

    As in DAVIS' semi-supervised protocol J and F ignore the first and the last frame. The object is mistaken for its
    `look_alike` if on some frame the mask overlaps that one more.
    """
    counted = range(1, len(true) - 1)
    if not counted:
        raise ValueError(f"{sequence}: object {number} is annotated on {len(true)} frames, expected at least 3")
    visible, predicted = np.asarray(true.any(axis=(1, 2))), np.asarray(found.any(axis=(1, 2)))
    overlaps = [region(a, b) for a, b in zip(found, true)]
    returns = [t for t in range(1, len(true)) if visible[t] and not visible[t - 1]]
    return ObjectScore(
        sequence,
        number,
        region=float(np.mean([overlaps[t] for t in counted])),
        boundary=float(np.mean([boundary(found[t], true[t]) for t in counted])),
        presence=float(np.mean(visible[1:] == predicted[1:])),
        returns=len(returns),
        delays=tuple(delay for delay in (_delay(overlaps, t) for t in returns) if delay is not None),
        mistaken=None if look_alike is None else _is_mistaken(found, look_alike, overlaps),
    )


def _delay(overlaps: list[float], start: int) -> int | None:
    """Frames from a return until the object is tracked again; None beyond REACQUIRED_WITHIN."""
    for delay, overlap in enumerate(overlaps[start : start + REACQUIRED_WITHIN + 1]):
        if overlap > REACQUIRED_IOU:
            return delay
    return None


def _is_mistaken(found: np.ndarray, look_alike: np.ndarray, overlaps: list[float]) -> bool:
    on_other = [region(a, b) if b.any() else 0.0 for a, b in zip(found, look_alike)]
    return any(other > REACQUIRED_IOU and other > own for other, own in zip(on_other, overlaps))


@dataclass(frozen=True)
class Summary:
    """Means over objects; a rate is None if there was nothing to count."""

    objects: int
    region: float
    boundary: float
    mean: float
    presence: float
    reacquired: float | None
    delay: float | None
    mistaken: float | None
    lost_events: EventScore | None
    reacquired_events: EventScore | None


def summarise(scores: list[ObjectScore]) -> Summary:
    """The means of a data set. Raises ValueError without scores."""
    if not scores:
        raise ValueError("no object was scored; expected a data set with annotations")
    returns = sum(score.returns for score in scores)
    delays = [delay for score in scores for delay in score.delays]
    doubles = [score.mistaken for score in scores if score.mistaken is not None]
    return Summary(
        objects=len(scores),
        region=float(np.mean([score.region for score in scores])),
        boundary=float(np.mean([score.boundary for score in scores])),
        mean=float(np.mean([score.mean for score in scores])),
        presence=float(np.mean([score.presence for score in scores])),
        reacquired=len(delays) / returns if returns else None,
        delay=float(np.mean(delays)) if delays else None,
        mistaken=float(np.mean(doubles)) if doubles else None,
        lost_events=_sum([score.lost_events for score in scores]),
        reacquired_events=_sum([score.reacquired_events for score in scores]),
    )


def _sum(parts: list[EventScore | None]) -> EventScore | None:
    counted = [part for part in parts if part is not None]
    return sum(counted, EventScore()) if counted else None
