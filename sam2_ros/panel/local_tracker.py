"""The tracker in this process, on a video, a folder of pictures or a webcam, on a thread of its own; without ROS."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from sam2_ros.panel.hub import Hub
from sam2_ros.panel.playback import Frame, Playback
from sam2_ros.panel.rate import RateMeter
from sam2_ros.panel.types import (
    ApplyPrompt,
    Command,
    CommandError,
    Enable,
    Event,
    Outcome,
    RemoveObject,
    Reset,
    Restart,
    SelectObject,
    ShownTrack,
    Stamp,
    Status,
    View,
)
from sam2_ros.tracking import StreamingTracker
from sam2_ros.tracking.types import Event as TrackerEvent
from sam2_ros.tracking.types import FrameResult, PromptError, Track

log = logging.getLogger(__name__)

_CATCH_UP_FRAMES = 3  # buffered frames by which late prompts are propagated after each frame
_IDLE = 0.2  # seconds
_ENDED = "the recording has ended: play it again, or keep clicking on its last picture"

Job = tuple[Command, "concurrent.futures.Future[Outcome]"]


class LocalTracker:
    """Implements `types.Tracker`. Playing starts when the first browser looks."""

    def __init__(
        self,
        name: str,
        open_frames: Callable[[], Iterator[Frame]],
        can_restart: bool,
        tracker: StreamingTracker,
        hub: Hub,
    ) -> None:
        """To be made on the event loop's thread. `open_frames` may raise ValueError and OSError."""
        self.name = name
        self.can_restart = can_restart
        self._playback = Playback(open_frames)
        self._tracker = tracker
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._frame: tuple[np.ndarray, Stamp] | None = None  # the newest one
        self._labels: dict[int, str] = {}  # by object id, of removed ones, too, until their events are reported
        self._status = Status("tracking")
        self._problem = ""
        self._rate = RateMeter()
        self._thread = threading.Thread(target=self._work, name="tracker", daemon=True)

    def watch(self, is_watched: bool) -> None:
        """The first time, playing starts."""
        if is_watched and self._thread.ident is None:
            self._thread.start()

    async def execute(self, command: Command) -> Outcome:
        """Carry out a command between two frames. Raises CommandError."""
        outcome: concurrent.futures.Future[Outcome] = concurrent.futures.Future()
        with self._changed:
            self._jobs.append((command, outcome))
            self._changed.notify()
        return await asyncio.wrap_future(outcome)

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()

    # ---- the thread

    def _work(self) -> None:
        while not self._is_closed:
            try:
                self._work_once()
            except Exception as error:  # a video that is damaged, a webcam that is unplugged, out of memory
                if not isinstance(error, (ValueError, OSError)):
                    log.exception("the tracker failed")
                self._problem = f"{type(error).__name__}: {error}"
            self._report_status()

    def _work_once(self) -> None:
        wait = 0.0 if self._tracker.is_pending() else min(_IDLE, self._playback.wait)
        with self._changed:
            if not self._jobs and wait:
                self._changed.wait(wait)
            job = self._jobs.popleft() if self._jobs else None
        is_changed = self._tracker.is_pending()
        if job is not None and job[1].set_running_or_notify_cancel():
            self._run(*job)
            is_changed = True
        if (frame := self._playback.take()) is not None:
            self._track(*frame)
            is_changed = True
        self._tracker.catch_up(_CATCH_UP_FRAMES)
        if is_changed:
            self._show()

    def _track(self, rgb: np.ndarray, seconds: float) -> None:
        stamp = Stamp.of(seconds)
        result = self._tracker.step(rgb, stamp.seconds)
        self._frame = rgb, stamp
        self._problem = ""
        self._rate.count()
        self._report(result.events)

    def _run(self, command: Command, outcome: concurrent.futures.Future[Outcome]) -> None:
        try:
            outcome.set_result(self._carry_out(command))
        except PromptError as error:
            outcome.set_exception(CommandError(str(error)))
        except Exception as error:
            outcome.set_exception(CommandError(f"{type(error).__name__}: {error}"))
            raise

    def _carry_out(self, command: Command) -> Outcome:
        if isinstance(command, ApplyPrompt):
            return Outcome(self._apply(command))
        if isinstance(command, RemoveObject):
            self._tracker.remove(command.object_id, "removed in the panel")
        elif isinstance(command, SelectObject):
            self._select(command.object_id)
        elif isinstance(command, Reset):
            self._reset("reset in the panel")
        elif isinstance(command, Enable):
            self._playback.pause(not command.enabled)
        elif isinstance(command, Restart):
            self._restart()
        return Outcome()

    def _apply(self, command: ApplyPrompt) -> int:
        if command.object_id:
            self._tracker.refine(command.object_id, command.prompt, command.stamp.seconds)
            return command.object_id
        return self._tracker.add(command.prompt, command.stamp.seconds)

    def _select(self, track_id: int) -> None:
        if track_id not in self._tracker.labels:
            known = ", ".join(map(str, self._tracker.labels)) or "none"
            raise PromptError(f"there is no object {track_id}; the objects are: {known}")
        self._status = replace(self._status, target=track_id)

    def _reset(self, reason: str) -> None:
        self._tracker.reset(reason)
        self._status = replace(self._status, target=0)
        if self._frame is not None and self._playback.wait > _IDLE:  # else no frame could be prompted until one comes
            self._tracker.step(self._frame[0], self._frame[1].seconds)

    def _restart(self) -> None:
        if not self.can_restart:
            raise PromptError("a webcam cannot be played again")
        self._playback.pause(False)
        self._playback.restart()
        self._tracker.reset("the recording is played again")
        self._status = replace(self._status, target=0)
        self._frame = None

    # ---- to the hub

    def _show(self) -> None:
        self._report(self._tracker.drain_events())
        result = self._tracker.latest
        if self._frame is None or result is None:
            return
        rgb, stamp = self._frame
        self._post(partial(self._hub.show, view_of(rgb, stamp, result)))

    def _report(self, events: tuple[TrackerEvent, ...]) -> None:
        self._labels |= self._tracker.labels
        for event in events:
            label = self._labels.get(event.track_id, "")
            reported = Event(event.kind.value, event.track_id, label, float(event.absence), event.reason)
            self._post(partial(self._hub.report, reported))
        self._labels = dict(self._tracker.labels)

    def _report_status(self) -> None:
        playback = self._playback
        state = "ended" if playback.has_ended else "paused" if playback.is_paused else "tracking"
        problem = self._problem
        if playback.has_ended and not problem:
            problem = _ENDED if self.can_restart else "the webcam gives no more pictures: is it still connected?"
        if self._status.target not in self._tracker.labels:
            self._status = replace(self._status, target=0)
        status = replace(
            self._status, tracker=state, problem=problem, is_paused=playback.is_paused, rate=self._rate.rate
        )
        self._post(partial(self._hub.set_status, status))

    def _post(self, call: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)


def view_of(rgb: np.ndarray, stamp: Stamp, result: FrameResult) -> View:
    """The view of a tracked frame (H, W, 3) uint8 RGB."""
    tracks = tuple(_shown(track, result.stamp) for track in result.tracks)
    return View(stamp, result.size, lambda: rgb, tracks, result.label_image)


def _shown(track: Track, stamp: float) -> ShownTrack:
    box = (track.box.x0, track.box.y0, track.box.x1, track.box.y1) if track.box else None
    absence = max(0.0, stamp - track.last_seen)
    return ShownTrack(track.id, track.mask_value, track.label, track.state.value, track.presence, absence, box)
