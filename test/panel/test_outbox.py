"""What waits for a browser is bounded, and the newest view wins."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest

from sam2_ros.panel.outbox import MAX_TEXTS, MAX_UNDRAWN, Outbox
from sam2_ros.panel.types import Stamp, View


def view(number: int) -> View:
    return View(Stamp(number, 0), (2, 2), lambda: np.zeros((2, 2, 3), np.uint8))


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 30.0))


def test_the_newest_view_replaces_the_one_that_waits() -> None:
    async def work() -> None:
        outbox = Outbox(period=0.0)
        for number in range(1, 1001):
            outbox.show(number, view(number))
        newest = await outbox.take()
        assert not isinstance(newest, str)
        assert (newest[0], outbox.skipped) == (1000, 999)

    run(work())


def test_a_browser_that_draws_nothing_gets_two_views() -> None:
    async def work() -> None:
        outbox = Outbox(period=0.0)
        for number in range(1, MAX_UNDRAWN + 1):
            outbox.show(number, view(number))
            assert (await outbox.take())[0] == number
        outbox.show(10, view(10))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(outbox.take(), 0.1)
        outbox.mark_drawn(1)
        assert (await outbox.take())[0] == 10

    run(work())


def test_texts_come_in_order_and_before_views() -> None:
    async def work() -> None:
        outbox = Outbox(period=0.0)
        outbox.show(1, view(1))
        outbox.notify("a")
        await outbox.reply("b")
        assert [await outbox.take(), await outbox.take()] == ["a", "b"]
        assert (await outbox.take())[0] == 1

    run(work())


def test_notices_without_room_are_dropped_and_counted_and_answers_wait() -> None:
    async def work() -> None:
        outbox = Outbox(period=0.0)
        for number in range(MAX_TEXTS + 5):
            outbox.notify(str(number))
        assert outbox.dropped == 5
        answer = asyncio.create_task(outbox.reply("answer"))
        await asyncio.sleep(0.05)
        assert not answer.done()
        taken = [await outbox.take() for _ in range(MAX_TEXTS)]
        await answer
        assert taken[0] == "0" and await outbox.take() == "answer"

    run(work())


def test_views_come_no_faster_than_the_period() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        outbox = Outbox(period=0.05)
        started = loop.time()
        for number in range(1, 6):
            outbox.show(number, view(number))
            await outbox.take()
            outbox.mark_drawn(number)
        assert loop.time() - started >= 3 * 0.05

    run(work())


@pytest.mark.parametrize("steps", range(5))
def test_whoever_waits_can_be_cancelled_at_any_moment(steps: int) -> None:
    async def work() -> None:
        outbox = Outbox(period=10.0)
        outbox.show(1, view(1))
        await outbox.take()
        for number in (2, 3):  # waits for the period at first, then for a view
            waiting = asyncio.create_task(outbox.take())
            await asyncio.sleep(0.01)
            outbox.mark_drawn(0)  # wakes it, and there is nothing to take
            for _ in range(steps):
                await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            outbox.show(number, view(number))

    run(work())
