"""The web server: the page's files, and a WebSocket for each browser."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.resources import files

from aiohttp import WSCloseCode, web

from sam2_ros.panel import protocol
from sam2_ros.panel.browser import Browser
from sam2_ros.panel.hub import Hub
from sam2_ros.panel.limits import MAX_BROWSERS
from sam2_ros.panel.security import HEADERS, Access

log = logging.getLogger(__name__)

# Why the server closes a WebSocket; the page shows the reason, and does not connect again after the first one.
WRONG_TOKEN, TOO_MANY = 4401, 4429

_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
_STOP_TIMEOUT = 0.5  # seconds
_HEARTBEAT = 10.0  # seconds between pings; a browser that does not answer is disconnected

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Serves a hub's tracker from `start` to `stop`."""

    def __init__(self, hub: Hub, access: Access) -> None:
        self._hub = hub
        self._access = access
        self._files = _read_files()
        self._runner = web.AppRunner(self.application(), access_log=None)
        self._sockets: set[web.WebSocketResponse] = set()
        self._status: asyncio.Task[None] | None = None
        self.port = access.port  # the real one, also where any free one was asked for

    def application(self) -> web.Application:
        """Its routes: nothing else is served."""
        application = web.Application(middlewares=[_with_headers])
        application.router.add_get("/socket", self._connect)
        for path in self._files:
            application.router.add_get(path, self._serve_file)
        return application

    async def start(self) -> list[str]:
        """Listen; the addresses to open. Raises OSError, which says what to do, where it cannot."""
        await self._runner.setup()
        host, port = self._access.host, self._access.port
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self._runner.cleanup()
            if error.errno == errno.EADDRINUSE:
                reason = f"port {port} of {host} is in use: choose another port, or end the program that has it"
            else:
                reason = f"cannot listen on {host}, port {port}: {error.strerror}; expected an address of this machine"
            raise OSError(reason) from error
        self.port = self._runner.addresses[0][1]
        self._status = asyncio.create_task(self._hub.repeat_status())
        return self._access.addresses(self.port)

    async def stop(self) -> None:
        """Disconnect every browser; one that does not answer is not waited for."""
        if self._status is not None:
            self._status.cancel()
        goodbyes = [socket.close(code=WSCloseCode.GOING_AWAY, message=b"the panel ends") for socket in self._sockets]
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.gather(*goodbyes, return_exceptions=True), _STOP_TIMEOUT)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._runner.cleanup(), _STOP_TIMEOUT)
        self._hub.encoder.close()

    async def _serve_file(self, request: web.Request) -> web.Response:
        content, kind = self._files[request.path]
        return web.Response(body=content, content_type=kind, charset="utf-8")

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if reason := self._access.refusal(request.headers):
            log.warning("refused a connection of %s: %s", request.remote, reason)
            raise web.HTTPForbidden(text=reason)
        socket = web.WebSocketResponse(max_msg_size=protocol.MAX_MESSAGE, heartbeat=_HEARTBEAT, compress=False)
        await socket.prepare(request)
        if not self._access.accepts(request.query.get("token", "")):
            log.warning("refused a browser at %s: wrong token", request.remote)
            await socket.close(code=WRONG_TOKEN, message=b"wrong token: open the address that the panel printed")
        elif self._hub.browsers >= MAX_BROWSERS:
            log.warning("refused a browser at %s: %d are connected", request.remote, MAX_BROWSERS)
            await socket.close(code=TOO_MANY, message=f"{MAX_BROWSERS} browsers are connected: close one".encode())
        else:
            self._sockets.add(socket)
            try:
                await Browser(request, socket, self._hub).run()
            finally:
                self._sockets.discard(socket)
        return socket


@web.middleware
async def _with_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        response = await handler(request)
    except web.HTTPException as error:
        error.headers.update(HEADERS)
        raise
    if not response.prepared:
        response.headers.update(HEADERS)
    return response


def _read_files() -> dict[str, tuple[bytes, str]]:
    """Content and type of the page's files by their path; the disk is not read again."""
    folder = files("sam2_ros.panel") / "static"
    found = {
        f"/{file.name}": (file.read_bytes(), _TYPES["." + file.name.rpartition(".")[2]]) for file in folder.iterdir()
    }
    return {**found, "/": found["/index.html"]}
