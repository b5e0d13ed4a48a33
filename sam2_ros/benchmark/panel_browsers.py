"""The browsers of the panel's benchmark: a headless Chromium, and clients that take pictures without drawing them."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sam2_ros.optional import require

TIMEOUT = 120.0  # seconds for any single wait
SETTLING = 3.0  # seconds before each measurement

RECORD_DELAYS = """() => {
    window.delays = [];
    new MutationObserver(() => {
        const [seconds, nanoseconds] = document.documentElement.dataset.stamp.split(".").map(Number);
        window.delays.push(performance.timeOrigin + performance.now() - 1e3 * seconds - 1e-6 * nanoseconds);
    }).observe(document.documentElement, { attributes: true, attributeFilter: ["data-stamp"] });
}"""
_RECORD_CLICK = """() => {
    window.answered = null;
    let clicked = 0;
    addEventListener("pointerdown", () => { clicked = performance.now(); }, { capture: true, once: true });
    const observer = new MutationObserver(() => {
        window.answered = performance.now() - clicked;
        observer.disconnect();
    });
    observer.observe(document.getElementById("objects"), { childList: true });
}"""


def click(page: Any, is_removed: bool = True) -> float:
    """Milliseconds from a click on the square to its mask; the object is removed again."""
    box = page.locator("#stage").bounding_box()
    page.evaluate(_RECORD_CLICK)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#objects button", timeout=1e3 * TIMEOUT)
    answered = float(page.evaluate("window.answered"))
    if is_removed:
        page.keyboard.press("1")
        page.keyboard.press("Delete")
        page.wait_for_selector("#objects button", state="detached", timeout=1e3 * TIMEOUT)
        page.wait_for_timeout(500)
    return answered


@contextmanager
def open_page(address: str) -> Iterator[Any]:
    """The panel's page in a headless Chromium. Raises ValueError without a browser."""
    playwright = require("playwright.sync_api", "measuring the panel", "dev")
    own = Path(sys.prefix) / "browser" / "chromium"
    program = str(own) if own.exists() else shutil.which("chromium") or shutil.which("google-chrome")
    with playwright.sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        except playwright.Error as error:
            raise ValueError(
                f"measuring the panel needs a browser, `sudo apt install chromium` brings one: "
                f"{str(error).splitlines()[0]}"
            ) from error
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(address)
        yield page
        browser.close()


@contextmanager
def clients(address: str, count: int) -> Iterator[None]:
    """Clients that take and acknowledge every picture, in a process of their own."""
    program = "import sys; from sam2_ros.benchmark.panel_browsers import take_pictures; take_pictures(*sys.argv[1:])"
    clients = [subprocess.Popen([sys.executable, "-c", program, address]) for _ in range(count)]
    time.sleep(SETTLING)
    try:
        yield
    finally:
        for client in clients:
            client.terminate()
            client.wait(TIMEOUT)


def take_pictures(address: str) -> None:
    """A browser's part of the protocol, without drawing; never ends."""
    import aiohttp

    async def work() -> None:
        origin = address.rstrip("/")
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{origin}/socket", origin=origin, max_msg_size=0) as socket,
        ):
            async for message in socket:
                if message.type is aiohttp.WSMsgType.BINARY:
                    length = int.from_bytes(message.data[:4], "little")
                    number = json.loads(message.data[4 : 4 + length])["number"]
                    await socket.send_str(json.dumps({"type": "drawn", "number": number}))

    asyncio.run(work())
