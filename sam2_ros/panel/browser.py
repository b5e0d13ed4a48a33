"""One browser's WebSocket: reads its requests and sends what its outbox holds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from aiohttp import WSMessage, WSMsgType, web

from sam2_ros.panel import protocol
from sam2_ros.panel.hub import Hub
from sam2_ros.panel.limits import MAX_WAITING, RateLimit
from sam2_ros.panel.protocol import Drawn, Look, MessageError, Request
from sam2_ros.panel.types import CommandError

log = logging.getLogger(__name__)

_SEND_TIMEOUT = 10.0  # seconds after which a browser that reads nothing is disconnected
_PATIENCE = 0.8  # seconds until a browser hears that its request takes longer
_MAX_REQUESTS, _MAX_MESSAGES = 20.0, 200.0  # per second


class Browser:
    """Connected from construction until the browser or the network closes the connection."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, hub: Hub) -> None:
        self._request = request
        self._socket = socket
        self._hub = hub
        self._outbox = hub.connect()
        self._requests, self._messages = RateLimit(_MAX_REQUESTS), RateLimit(_MAX_MESSAGES)
        self._is_too_fast = False
        self._waiting: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve it to the end."""
        writer = asyncio.create_task(self._write())
        try:
            await self._read()
        finally:
            self._hub.disconnect(self._outbox)
            for task in (writer, *self._waiting):
                task.cancel()
            with suppress(asyncio.CancelledError):
                await writer

    # ---- to the browser

    async def _write(self) -> None:
        try:
            while True:
                item = await self._outbox.take()
                if isinstance(item, str):
                    await _in_time(self._socket.send_str(item))
                else:
                    number, view = item
                    picture = await self._hub.encoder.encode(view, number)
                    await _in_time(self._socket.send_bytes(picture))
        except asyncio.TimeoutError:
            log.warning("browser %s has read nothing for %g s: disconnected", self._request.remote, _SEND_TIMEOUT)
        except ConnectionError:
            log.debug("the connection to browser %s is lost", self._request.remote)
        except Exception:
            log.exception("cannot send to browser %s: disconnected", self._request.remote)
        if self._request.transport is not None:
            self._request.transport.abort()  # closing would wait for the browser

    # ---- from the browser

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.ERROR:
                log.warning("browser %s is disconnected: %s", self._request.remote, message.data)
                return
            if not self._messages.allows_one():
                await asyncio.sleep(1 / _MAX_MESSAGES)  # the rest waits in the browser
            await self._receive(message)

    async def _receive(self, message: WSMessage) -> None:
        """Never raises: what cannot be used is answered with the reason."""
        try:
            if message.type is not WSMsgType.TEXT:
                raise MessageError("the message is binary, expected JSON text")
            parsed = protocol.parse(message.data, self._hub.image_size)
        except MessageError as error:
            log.info("browser %s: %s", self._request.remote, error)
            await self._outbox.reply(protocol.refused(error.request, error))
            return
        if isinstance(parsed, Drawn):
            self._outbox.mark_drawn(parsed.number)
        elif isinstance(parsed, Look):
            self._hub.look(self._outbox, parsed.is_looking)
        elif reason := self._overload():
            await self._outbox.reply(protocol.refused(parsed.number, reason))
        else:
            task = asyncio.create_task(self._answer(parsed))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    def _overload(self) -> str:
        """Why one more request is refused; logged when it begins."""
        reason = ""
        if not self._requests.allows_one():
            reason = f"too many requests, expected at most {_MAX_REQUESTS:g} a second: this one was not carried out"
        elif len(self._waiting) >= MAX_WAITING:
            reason = f"{MAX_WAITING} requests are waiting for the tracker already: this one was not carried out"
        if reason and not self._is_too_fast:
            log.warning("browser %s: %s", self._request.remote, reason)
        self._is_too_fast = bool(reason)
        return reason

    async def _answer(self, request: Request) -> None:
        execution = asyncio.ensure_future(self._hub.tracker.execute(request.command))
        try:
            done, _ = await asyncio.wait([execution], timeout=_PATIENCE)
            if not done:
                text = f"the tracker has not answered yet{self._hub.problem}"
                await self._outbox.reply(protocol.waiting(request.number, text))
            answer = protocol.done(request.number, await execution)
        except CommandError as error:
            log.info("browser %s: %s", self._request.remote, error)
            answer = protocol.refused(request.number, error)
        except Exception:
            log.exception("a request of browser %s failed", self._request.remote)
            answer = protocol.refused(request.number, "the panel failed, see its log; try again")
        finally:
            execution.cancel()
        await self._outbox.reply(answer)


async def _in_time(sending: Coroutine[Any, Any, None]) -> None:
    """Raises asyncio.TimeoutError where the browser does not read within `_SEND_TIMEOUT`."""
    task = asyncio.create_task(sending)  # no asyncio.wait_for, see `Outbox.take`
    try:
        done, _ = await asyncio.wait([task], timeout=_SEND_TIMEOUT)
    finally:
        task.cancel()
    if not done:
        raise asyncio.TimeoutError
    task.result()  # raises what was raised while sending
