"""Invariants of a tracker under any sequence of calls, and that errors change nothing.

`SAM2_ROS_STATES=2000 pytest ...` runs as many random sequences instead of a few that are always the same.
"""

import os
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sam2_ros.model import seeded_model
from sam2_ros.model.config import named_config
from sam2_ros.model.sam2 import Sam2
from sam2_ros.tracking import (
    Box,
    Click,
    Event,
    EventKind,
    Prompt,
    PromptError,
    StampError,
    StreamingTracker,
    TrackerConfig,
    TrackState,
    TrackStateConfig,
)
from sam2_ros.tracking.geometry import bounding_box
from sam2_ros.tracking.prompts import MAX_CLICKS

SIZES = [(48, 64), (64, 48), (30, 200)]
SMALLEST = 30  # pixels; what lies within is inside of each
MAX_OBJECTS, HISTORY = 3, 4

CONFIG = TrackerConfig(
    max_objects=MAX_OBJECTS,
    max_prompted=2,
    history=HISTORY,
    stamp_tolerance=0.01,
    track_state=TrackStateConfig(occluded_after=0.05, lost_after=0.2, return_frames=1),
)
CONFIGS = [
    CONFIG,
    replace(CONFIG, catch_up_at_once=False),
    replace(CONFIG, catch_up_at_once=False, track_state=replace(CONFIG.track_state, remove_after=0.5)),
    replace(CONFIG, catch_up_at_once=False, encode_every=2, memory_pooling=2, recent_memories=2),
    replace(CONFIG, history=1, memory_policy="reference"),
]

# The events that may follow an event of an object; the end of an occlusion emits none.
NEXT = {
    None: {EventKind.STARTED},
    EventKind.STARTED: {EventKind.OCCLUDED, EventKind.REMOVED},
    EventKind.OCCLUDED: {EventKind.OCCLUDED, EventKind.LOST, EventKind.REMOVED},
    EventKind.LOST: {EventKind.REACQUIRED, EventKind.REMOVED},
    EventKind.REACQUIRED: {EventKind.OCCLUDED, EventKind.REMOVED},
    EventKind.REMOVED: set(),
}

NAN = float("nan")
pixels = st.floats(0, SMALLEST - 1, width=32)
clicks = st.builds(Click, pixels, pixels)
boxes = st.builds(lambda x, y, w, h: Box(x, y, x + w, y + h), pixels, pixels, st.floats(1, 60), st.floats(1, 60))
points = st.builds(
    lambda positive, negative, box: Prompt((positive, *(replace(click, positive=False) for click in negative)), box),
    clicks,
    st.lists(clicks, max_size=2),
    st.none() | boxes,
)
labels = st.sampled_from(["", "cup", "lid"])
# Made for the size of their frame, which is drawn when they are used
MASK, THIN_MASK, OTHER_MASK = (Prompt(label=name) for name in ("mask", "thin", "other size"))
good_prompts = st.one_of(points, st.builds(lambda box: Prompt(box=box), boxes), st.just(MASK))
bad_prompts = st.sampled_from(
    [
        Prompt(),
        Prompt([Click(-5, 3)]),
        Prompt([Click(3, 3), Click(3, 500)]),
        Prompt([Click(NAN, 3)]),
        Prompt(box=Box(9, 9, 9, 20)),
        Prompt(box=Box(0, 0, float("inf"), 3)),
        Prompt(box=Box(200, 200, 220, 220)),
        Prompt([Click(3, 3)] * (MAX_CLICKS + 1)),
        Prompt([Click(3, 3)], mask=np.ones(SIZES[0], bool)),
        THIN_MASK,
        OTHER_MASK,
    ]
)
NEGATIVE = Prompt([Click(3, 3, positive=False)])


@cache
def model() -> Sam2:
    """Objects come and go on noise."""
    return seeded_model(named_config("nano", 64), seed=4, occlusion_bias=0.0)


def made(prompt: Prompt, size: tuple[int, int]) -> Prompt:
    """The prompt for a frame of that size."""
    mask = np.zeros(size, bool)
    if prompt is MASK:
        mask[5:25, 8:28] = True
    elif prompt is THIN_MASK:
        mask[3, 3] = size[1] > 64  # at the network's resolution nothing is left of it; elsewhere it is empty
    elif prompt is OTHER_MASK:
        mask = np.ones((size[0] + 1, size[1]), bool)
    else:
        return prompt
    return Prompt(mask=mask)


class TrackerMachine(RuleBasedStateMachine):
    """A tracker, and what is known of it from outside."""

    @initialize(config=st.sampled_from(CONFIGS))
    def start(self, config: TrackerConfig) -> None:
        self.tracker = StreamingTracker(model(), config)
        self.config = config
        self.frames: list[tuple[float, tuple[int, int]]] = []  # stamps and sizes of the buffered ones
        self.stamp = 0.0
        self.drawn = 0
        self.newest_id = self.newest_id_at_reset = 0
        self.alive: set[int] = set()
        self.last_event: dict[int, EventKind] = {}
        for _ in range(3):
            self.step(SIZES[0], 0.1)

    # ---- frames

    @rule(count=st.integers(1, 3))
    def steps(self, count: int) -> None:
        for _ in range(count):
            self.step(self.frames[-1][1] if self.frames else SIZES[0], 0.1)

    @rule(size=st.sampled_from(SIZES), gap=st.sampled_from([0.03, 0.1, 1.0]))
    def step(self, size: tuple[int, int], gap: float) -> None:
        self.stamp += gap
        result = self.tracker.step(self.picture(size), self.stamp)
        self.frames = [*self.frames, (self.stamp, size)][-self.config.history :]
        assert (result.stamp, result.size) == (self.stamp, size)
        self.take(result.events)

    @precondition(lambda self: self.newest_id - self.newest_id_at_reset > 2)  # rarely, or little else happens
    @rule()
    def reset(self) -> None:
        self.newest_id_at_reset = self.newest_id
        self.tracker.reset("test")
        self.frames = []
        self.take(self.tracker.drain_events())

    # ---- objects

    @precondition(lambda self: self.frames)
    @rule(prompt=good_prompts, label=labels, back=st.integers(0, HISTORY), default=st.booleans())
    def add(self, prompt: Prompt, label: str, back: int, default: bool) -> None:
        stamp, size = self.frame(back, default)
        prompt = replace(made(prompt, size), label=label)
        if len(self.alive) == MAX_OBJECTS:
            self.fails(PromptError, lambda: self.tracker.add(prompt, stamp))
            return
        track_id = self.tracker.add(prompt, stamp)
        assert track_id > self.newest_id
        self.newest_id = track_id
        assert self.tracker.labels[track_id] == label
        self.take(self.tracker.drain_events())
        assert track_id in self.alive

    @precondition(lambda self: self.alive and self.frames)
    @rule(
        data=st.data(),
        prompt=good_prompts | st.just(NEGATIVE),
        label=labels,
        back=st.integers(0, HISTORY),
        default=st.booleans(),
    )
    def refine(self, data: Any, prompt: Prompt, label: str, back: int, default: bool) -> None:
        track_id = data.draw(st.sampled_from(sorted(self.alive)))
        stamp, size = self.frame(back, default)
        prompt = replace(made(prompt, size), label=label)
        before = self.tracker.labels[track_id]
        try:
            self.tracker.refine(track_id, prompt, stamp)
        except PromptError as error:
            assert any(text in str(error) for text in ("starts after the frame", "clicks on one frame"))
        else:
            assert self.tracker.labels[track_id] == (label or before)
        self.take(self.tracker.drain_events())

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def remove(self, data: Any) -> None:
        track_id = data.draw(st.sampled_from(sorted(self.alive)))
        self.tracker.remove(track_id)
        self.take(self.tracker.drain_events())
        assert track_id not in self.alive
        self.fails(PromptError, lambda: self.tracker.remove(track_id))

    @rule(frames=st.sampled_from([None, 0, 1, 2]))
    def catch_up(self, frames: int | None) -> None:
        more = self.tracker.catch_up(frames)
        assert more == self.tracker.is_pending()
        assert not (more and frames is None)
        self.take(self.tracker.drain_events())

    @precondition(lambda self: self.frames)
    @rule(prompt=good_prompts, back=st.integers(0, HISTORY), default=st.booleans())
    def preview(self, prompt: Prompt, back: int, default: bool) -> None:
        stamp, size = self.frame(back, default)
        before = self.all_that_is_known()
        preview = self.tracker.preview(made(prompt, size), stamp)
        assert preview.mask.shape == size and 0 <= preview.predicted_iou <= 1
        assert self.all_that_is_known() == before

    # ---- mistakes

    @precondition(lambda self: self.frames)
    @rule(prompt=bad_prompts, back=st.integers(0, HISTORY))
    def prompt_what_cannot_be_meant(self, prompt: Prompt, back: int) -> None:
        stamp, size = self.frame(back)
        for start in (self.tracker.add, self.tracker.preview):
            self.fails(PromptError, lambda start=start: start(made(prompt, size), stamp))
            self.fails(PromptError, lambda start=start: start(NEGATIVE, stamp))
        for track_id in self.alive:
            self.fails(PromptError, lambda track_id=track_id: self.tracker.refine(track_id, made(prompt, size), stamp))

    @rule(back=st.sampled_from([0.0, 0.05, 100.0, NAN, float("-inf")]), wrong=st.sampled_from([-1.0, 1e9, NAN]))
    def ask_for_what_is_not_there(self, back: float, wrong: float) -> None:
        if self.frames:
            self.fails(StampError, lambda: self.tracker.step(self.picture(SIZES[0]), self.stamp - back))
        for shape in ((48, 64), (48, 64, 4), (0, 64, 3)):
            self.fails(ValueError, lambda shape=shape: self.tracker.step(np.zeros(shape, np.uint8), self.stamp + 0.1))
        prompt = Prompt([Click(3, 3)])
        for ask in (self.tracker.add, self.tracker.preview):
            self.fails(PromptError, lambda ask=ask: ask(prompt, wrong))
        for track_id in self.alive:
            self.fails(PromptError, lambda track_id=track_id: self.tracker.refine(track_id, prompt, wrong))
        self.fails(PromptError, lambda: self.tracker.result_at(wrong))
        for track_id in (0, -1, self.newest_id + 1):
            self.fails(PromptError, lambda track_id=track_id: self.tracker.refine(track_id, prompt))
            self.fails(PromptError, lambda track_id=track_id: self.tracker.remove(track_id))

    # ---- what always holds

    @invariant()
    def the_newest_result_agrees_with_what_is_followed(self) -> None:
        latest, known = self.tracker.latest, self.tracker.labels
        assert known.keys() == self.alive
        assert (latest is None) == (not self.frames)
        shown = {track.id for track in latest.tracks} if latest else set()
        assert shown <= known.keys()
        assert all(self.tracker.is_pending(track_id) for track_id in known.keys() - shown)
        for track in latest.tracks if latest else ():
            assert track.label == known[track.id] or self.tracker.is_pending(track.id)

    @invariant()
    def every_track_makes_sense(self) -> None:
        for stamp, size in self.frames:
            result = self.tracker.result_at(stamp)
            values = [track.mask_value for track in result.tracks]
            assert len(set(values)) == len(values) and set(values) <= set(range(1, MAX_OBJECTS + 1))
            visible = {track.mask_value for track in result.tracks if track.state is TrackState.VISIBLE}
            assert set(np.unique(result.label_image)) <= {0, *visible}
            assert result.label_image.shape == result.size == size
            for track in result.tracks:
                assert track.mask.shape == size and track.area == np.count_nonzero(track.mask)
                assert track.box == bounding_box(track.mask)
                assert track.state is TrackState.VISIBLE or not track.area
                assert 0 <= track.presence <= 1 and 0 <= track.predicted_iou <= 1
                assert track.last_seen <= stamp

    @invariant()
    def only_the_newest_frames_are_kept(self) -> None:
        expected = (self.frames[0][0], self.frames[-1][0]) if self.frames else None
        assert self.tracker.covered == expected

    @invariant()
    def every_object_has_a_row_of_the_memory_bank_and_no_other_row_holds_anything(self) -> None:
        bank = self.tracker._propagation._bank
        rows = [object_.row for object_ in self.tracker._all_objects()]
        assert len(set(rows)) == len(rows) and set(rows) <= set(range(MAX_OBJECTS + 1))
        for frames in (bank._spatial_frame, bank._pointer_frame):
            held = np.flatnonzero((frames != frames.min(initial=-1)).any(1)).tolist()
            assert set(held) == set(rows)

    # ---- help

    def picture(self, size: tuple[int, int]) -> np.ndarray:
        self.drawn += 1
        return np.random.default_rng(self.drawn).integers(0, 256, (*size, 3), np.uint8)

    def frame(self, back: int, default: bool = False) -> tuple[float | None, tuple[int, int]]:
        """Stamp and size of a buffered frame, so many before the newest; None for the newest if `default`."""
        stamp, size = self.frames[max(0, len(self.frames) - 1 - back)]
        return (None if default and stamp == self.stamp else stamp), size

    def take(self, events: tuple[Event, ...]) -> None:
        """Every event may follow what happened before."""
        for event in events:
            assert event.absence >= 0 and event.stamp <= self.stamp
            if event.kind is EventKind.RESET:
                self.alive.clear()
                self.last_event.clear()
                continue
            assert event.kind in NEXT[self.last_event.get(event.track_id)], (event, self.last_event)
            self.last_event[event.track_id] = event.kind
            if event.kind is EventKind.STARTED:
                self.alive.add(event.track_id)
            if event.kind is EventKind.REMOVED:
                self.alive.remove(event.track_id)

    def all_that_is_known(self) -> list[Any]:
        tracker = self.tracker
        results = [tracker.result_at(stamp) for stamp, _ in self.frames]
        tracks = [[vars(track) | {"mask": track.mask.tobytes()} for track in result.tracks] for result in results]
        pending = {track_id: tracker.is_pending(track_id) for track_id in tracker.labels}
        return [tracker.labels, tracker.covered, pending, tracks]

    def fails(self, error: type[Exception], act: Any) -> None:
        before = self.all_that_is_known()
        with pytest.raises(error):
            act()
        assert self.tracker.drain_events() == ()
        assert self.all_that_is_known() == before


LONG = int(os.environ.get("SAM2_ROS_STATES", 0))
TrackerMachine.TestCase.settings = settings(
    max_examples=LONG or 20,
    stateful_step_count=40,
    derandomize=not LONG,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # a failing sequence is short already
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)
test_any_order_of_requests_keeps_the_tracker_whole = TrackerMachine.TestCase
