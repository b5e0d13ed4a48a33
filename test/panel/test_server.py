"""The server as programs see it: files, refusals, and a real tracker behind the WebSocket."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp import WSMsgType
from aiohttp.test_utils import TestClient, TestServer

from sam2_ros.panel.encoding import PictureOptions
from sam2_ros.panel.hub import Hub
from sam2_ros.panel.limits import MAX_BROWSERS
from sam2_ros.panel.local_tracker import LocalTracker
from sam2_ros.panel.security import Access
from sam2_ros.panel.server import TOO_MANY, WRONG_TOKEN, Server
from sam2_ros.tracking import StreamingTracker

Work = Callable[["Client"], Awaitable[None]]


class Client:
    """A program that speaks the page's protocol."""

    def __init__(self, http: Any, hub: Hub, access: Access) -> None:
        self.http, self.hub, self.access = http, hub, access
        self.origin = f"http://{http.host}:{http.port}"

    async def connect(self, **options: Any) -> aiohttp.ClientWebSocketResponse:
        headers = {"Origin": options.pop("origin", self.origin)}
        token = options.pop("token", self.access.token)
        return await self.http.ws_connect("/socket", params={"token": token}, headers=headers, max_msg_size=0)

    async def answer(self, socket: aiohttp.ClientWebSocketResponse, message: Any) -> dict[str, Any]:
        """The answer to a message, a dict or text."""
        await socket.send_str(message if isinstance(message, str) else json.dumps(message))
        return await self.text(socket, "reply")

    async def text(self, socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
        while True:
            message = await socket.receive(60.0)
            assert message.type in (WSMsgType.TEXT, WSMsgType.BINARY), message
            if message.type is WSMsgType.TEXT and (content := json.loads(message.data))["type"] == kind:
                return dict(content)

    async def picture(self, socket: aiohttp.ClientWebSocketResponse) -> tuple[dict[str, Any], bytes, bytes]:
        """Header, runs and JPEG of the next picture, which is marked as drawn."""
        while True:
            message = await socket.receive(60.0)
            if message.type is WSMsgType.BINARY:
                length = int.from_bytes(message.data[:4], "little")
                header = json.loads(message.data[4 : 4 + length])
                await socket.send_str(json.dumps({"type": "drawn", "number": header["number"]}))
                end = 4 + length + (header["mask"] or {"bytes": 0})["bytes"]
                return header, message.data[4 + length : end], message.data[end:]


@pytest.fixture
def serve(scene: Any, small_tracker: StreamingTracker) -> Callable[..., None]:
    """Run a coroutine beside a server with the real tracker."""

    def run(work: Work, host: str = "127.0.0.1") -> None:
        async def main() -> None:
            hub = Hub(PictureOptions(max_rate=100.0), print)
            local = LocalTracker("scene", scene.frames, True, small_tracker, hub)
            hub.tracker = local
            access = Access.to(host, 0)
            server = Server(hub, access)
            async with TestClient(TestServer(server.application())) as http:
                await asyncio.wait_for(work(Client(http, hub, access)), 120.0)
            await asyncio.to_thread(local.close)
            small_tracker.reset()

        asyncio.run(main())

    return run


def click(stamp: list[int], request: int = 1, **fields: Any) -> dict[str, Any]:
    clicks = [{"x": 100, "y": 120, "positive": True}]
    return {"type": "prompt", "request": request, "object_id": 0, "stamp": stamp, "clicks": clicks, **fields}


def test_a_click_on_the_picture_that_was_seen_is_applied_to_that_picture(serve: Callable[..., None]) -> None:
    async def work(client: Client) -> None:
        socket = await client.connect()
        header, _, jpeg = await client.picture(socket)
        assert jpeg.startswith(b"\xff\xd8") and (header["width"], header["height"]) == (320, 240)
        answer = await client.answer(socket, click(header["stamp"], request=5, label="cup"))
        assert answer["ok"] and answer["request"] == 5 and answer["object_id"] > 0
        while not header["tracks"]:
            header, runs, _ = await client.picture(socket)
        (track,) = header["tracks"]
        assert (track["id"], track["label"], track["state"]) == (answer["object_id"], "cup", "visible")
        labels = np.zeros(240 * 320, np.uint8)
        for start, length, value in np.frombuffer(runs, "<u4").reshape(-1, 3).tolist():
            labels[start : start + length] = value
        assert labels.reshape(240, 320)[120, 100] == track["mask_value"]
        assert abs(int((labels > 0).sum()) - 49 * 49) < 500

    serve(work)


def test_a_picture_that_is_no_longer_buffered_is_named(serve: Callable[..., None]) -> None:
    async def work(client: Client) -> None:
        socket = await client.connect()
        await client.picture(socket)
        answer = await client.answer(socket, click([1000, 0]))
        assert not answer["ok"] and "no buffered frame is stamped 1000.000000 s" in answer["message"]
        answer = await client.answer(socket, {"type": "remove", "request": 2, "object_id": 99})
        assert answer["message"].startswith("there is no object 99")

    serve(work)


def test_a_bad_message_gets_an_answer_and_the_connection_stays(serve: Callable[..., None]) -> None:
    async def work(client: Client) -> None:
        socket = await client.connect()
        for text in ("{", "[]", '{"type": "prompt", "request": 1}', '{"type": 5, "request": 1}'):
            answer = await client.answer(socket, text)
            assert not answer["ok"] and answer["message"]
        await socket.send_bytes(b"\x00\x01")
        assert "binary" in (await client.text(socket, "reply"))["message"]
        assert (await client.answer(socket, {"type": "enable", "request": 1, "enabled": True}))["ok"]

    serve(work)


def test_a_message_of_5_megabytes_closes_its_connection_only(serve: Callable[..., None]) -> None:
    async def work(client: Client) -> None:
        other, socket = await client.connect(), await client.connect()
        with suppress(ConnectionError, aiohttp.ClientError):  # the server closes while it is sent
            await socket.send_str("x" * 5_000_000)
        while (message := await socket.receive(60.0)).type in (WSMsgType.TEXT, WSMsgType.BINARY):
            pass
        assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR)
        await client.picture(other)
        await client.picture(other)

    serve(work)


def test_a_wrong_token_and_the_page_of_another_site_are_refused(serve: Callable[..., None]) -> None:
    async def work(client: Client) -> None:
        for token in ("", "guess"):
            message = await (await client.connect(token=token)).receive(60.0)
            assert message.type is WSMsgType.CLOSE and message.data == WRONG_TOKEN
            assert "wrong token" in str(message.extra)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.connect(origin="http://evil.example")
        assert refused.value.status == 403
        assert client.hub.browsers == 0
        await client.picture(await client.connect())

    serve(work, host="0.0.0.0")


def test_nothing_is_served_but_the_page(serve: Callable[..., None]) -> None:
    async def work(client: Client) -> None:
        for path in ("/", "/app.js", "/style.css", "/icon.svg"):
            response = await client.http.get(path)
            assert response.status == 200
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
            assert "Access-Control-Allow-Origin" not in response.headers
        for path in ("/../server.py", "/%2e%2e/server.py", "/static/app.js", "/etc/passwd", "/app.js/"):
            assert (await client.http.get(path)).status == 404
        assert (await client.http.post("/")).status == 405

    serve(work)


def test_more_browsers_than_the_limit_are_refused_with_the_reason(serve: Callable[..., None]) -> None:
    async def work(client: Client) -> None:
        sockets = [await client.connect() for _ in range(MAX_BROWSERS)]
        message = await (await client.connect()).receive(60.0)
        assert (message.type, message.data) == (WSMsgType.CLOSE, TOO_MANY)
        await sockets[0].close()
        while client.hub.browsers == MAX_BROWSERS:
            await asyncio.sleep(0.05)
        await client.picture(await client.connect())

    serve(work)


def test_a_client_that_draws_nothing_gets_two_pictures_while_others_get_all(serve: Callable[..., None]) -> None:
    async def work(client: Client) -> None:
        stopped, other = await client.connect(), await client.connect()
        for _ in range(10):
            await client.picture(other)
        pictures = 0
        with suppress(asyncio.TimeoutError):
            while True:
                message = await stopped.receive(0.5)
                pictures += message.type is WSMsgType.BINARY
                if pictures > 2:
                    break
        assert pictures == 2

    async def bounded(client: Client) -> None:
        await asyncio.wait_for(work(client), 100.0)

    serve(bounded)
