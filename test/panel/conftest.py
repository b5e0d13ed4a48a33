"""A real browser, and a panel that tracks in this process on a scene that the test changes."""

import asyncio
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam2_ros.model import load_model
from sam2_ros.panel.encoding import PictureOptions
from sam2_ros.panel.hub import Hub
from sam2_ros.panel.local_tracker import LocalTracker
from sam2_ros.panel.security import Access
from sam2_ros.panel.server import Server
from sam2_ros.tracking import StreamingTracker, TrackerConfig

TIMEOUT = 60.0  # seconds; only a failing test waits so long
RED = (100, 120)  # centre of the red square (pixels)
BLUE = (230, 120)
SHOTS = os.environ.get("PANEL_SCREENSHOTS")  # a folder for pictures of the page, for people


@dataclass
class Scene:
    """What the camera sees: frames of 320 x 240 pixels, without end unless `length` says so."""

    paint: Callable[..., np.ndarray]
    has_red: bool = True
    length: int = 10**9
    rate: float = 10.0

    def frames(self) -> Iterator[tuple[np.ndarray, float]]:
        for index in range(self.length):
            squares = [("blue", *BLUE, 26)] + ([("red", *RED, 24)] if self.has_red else [])
            yield self.paint(*squares), index / self.rate


@dataclass
class Panel:
    """A server in a thread, with the real tracker on a scene."""

    scene: Scene
    tracker: StreamingTracker
    host: str = "127.0.0.1"
    port: int = 0
    log: list[str] = field(default_factory=list)

    def __enter__(self) -> "Panel":
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True)
        self._thread.start()
        assert started.wait(TIMEOUT)
        return self

    def __exit__(self, *error: object) -> None:
        self.loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(TIMEOUT)
        self.tracker.reset()

    async def _serve(self, started: threading.Event) -> None:
        self.loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self.hub = Hub(PictureOptions(), self.log.append)
        self.hub.tracker = local = LocalTracker("scene", self.scene.frames, True, self.tracker, self.hub)
        access = Access.to(self.host, self.port)
        server = Server(self.hub, access)
        self.addresses = await server.start()
        self.port, self.token = server.port, access.token
        started.set()
        await self._ended.wait()
        await server.stop()
        await asyncio.to_thread(local.close)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@pytest.fixture(scope="session")
def small_tracker() -> StreamingTracker:
    """Real and quick."""
    return StreamingTracker(
        load_model("nano", image_size=192), TrackerConfig(stamp_tolerance=0.1, catch_up_at_once=False)
    )


@pytest.fixture
def scene(picture: Callable[..., np.ndarray]) -> Scene:
    return Scene(picture)


@pytest.fixture
def panel(scene: Scene, small_tracker: StreamingTracker) -> Iterator[Panel]:
    with Panel(scene, small_tracker) as running:
        yield running


@pytest.fixture
def start_panel(scene: Scene, small_tracker: StreamingTracker) -> Iterator[Callable[..., Panel]]:
    """Start panels with other hosts and ports, one after the other."""
    panels: list[Panel] = []

    def run(**options: Any) -> Panel:
        panels.append(Panel(scene, small_tracker, **options).__enter__())
        return panels[-1]

    yield run
    panels[-1].__exit__()


# ---- the browser


def browser_program() -> str | None:
    """Set-up's browser or the system's; None: Playwright's own."""
    own = Path(sys.prefix) / "browser" / "chromium"
    return str(own) if own.exists() else shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install -e '.[dev]'")
    os.environ.setdefault("PLAYWRIGHT_BROWSERS_PATH", str(Path(sys.prefix) / "browser"))
    with playwright.sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path=browser_program(), args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"needs a browser, `sudo apt install chromium` brings one: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


class Page:
    """The panel's page in a browser, as a person uses it."""

    def __init__(self, chromium: Any, address: str, **options: Any) -> None:
        options.setdefault("viewport", {"width": 1280, "height": 800})
        self.context = chromium.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(1000 * TIMEOUT)
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(address)

    def close(self) -> None:
        self.context.close()
        assert self.errors == []

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            if found := condition():
                return found
            self.page.wait_for_timeout(50)
        raise AssertionError(f"no {what}; the page says: {self.text('body')}")

    def wait_for(self, selector: str, text: str) -> None:
        """Wait until one of these elements has that text."""
        self.wait(lambda: any(text in part for part in self.page.locator(selector).all_inner_texts()), text)

    @property
    def stamp(self) -> float:
        """Of the picture on the canvas; waits for one."""
        self.page.wait_for_selector("html[data-stamp]")
        seconds, nanoseconds = self.page.get_attribute("html", "data-stamp").split(".")
        return int(seconds) + int(nanoseconds) / 1e9

    def place(self, point: tuple[float, float], size: tuple[int, int] = (320, 240)) -> tuple[float, float]:
        """Where a pixel of the image is in the window."""
        assert self.stamp >= 0
        box = self.page.locator("#stage").bounding_box()
        scale = min(box["width"] / size[0], box["height"] / size[1])
        left = box["x"] + (box["width"] - scale * size[0]) / 2
        top = box["y"] + (box["height"] - scale * size[1]) / 2
        return left + (point[0] + 0.5) * scale, top + (point[1] + 0.5) * scale

    def click(self, point: tuple[float, float], **options: Any) -> None:
        self.page.mouse.click(*self.place(point), **options)

    def drag(self, *points: tuple[float, float]) -> None:
        mouse = self.page.mouse
        mouse.move(*self.place(points[0]))
        mouse.down()
        for point in points[1:]:
            mouse.move(*self.place(point), steps=4)
        mouse.up()

    def object(self, number: int) -> Any:
        """The row of an object in the list."""
        return self.page.locator(f'#objects button[data-id="{number}"]')

    def start(self, point: tuple[float, float] = RED) -> int:
        """Click on a new object; its id."""
        known = self.ids()
        self.click(point)
        return int(self.wait(lambda: self.ids() - known, "new object").pop())

    def ids(self) -> set[int]:
        return {*self.page.locator("#objects button").evaluate_all("rows => rows.map((row) => Number(row.dataset.id))")}

    def colour(self, point: tuple[float, float]) -> tuple[int, ...]:
        """The colour of the canvas at a pixel of the image."""
        x, y = self.place(point)
        script = """([x, y]) => {
            const canvas = document.getElementById("stage"), box = canvas.getBoundingClientRect();
            const ratio = canvas.width / box.width;
            const pixel = canvas.getContext("2d").getImageData((x - box.left) * ratio, (y - box.top) * ratio, 1, 1);
            return [...pixel.data.slice(0, 3)];
        }"""
        return tuple(self.page.evaluate(script, [x, y]))

    def shot(self, name: str) -> None:
        if SHOTS:
            self.page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Page]]:
    """Open an address in a browser window of its own; checks that the page has had no error."""
    pages: list[Page] = []

    def run(address: str, **options: Any) -> Page:
        pages.append(Page(chromium, address, **options))
        return pages[-1]

    yield run
    for page in pages:
        page.close()
