"""Encodes views for browsers, once for all of them, on a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from sam2_ros.panel import protocol
from sam2_ros.panel.masks import label_runs, resized
from sam2_ros.panel.types import ShownTrack, View


@dataclass(frozen=True)
class PictureOptions:
    """Of the pictures that browsers get. Raises ValueError."""

    max_rate: float = 15.0  # per second
    max_width: int = 1280  # pixels; wider images are scaled down
    jpeg_quality: int = 80  # 1 to 100

    def __post_init__(self) -> None:
        for name, low, high in (("max_rate", 0.1, 120), ("max_width", 16, 8192), ("jpeg_quality", 1, 100)):
            if not low <= (value := getattr(self, name)) <= high:
                raise ValueError(f"{name} is {value}, expected {low} to {high}")


class Encoder:
    """Views that no browser asks for are never encoded."""

    def __init__(self, options: PictureOptions, warn: Callable[[str], Any]) -> None:
        self._options = options
        self._warn = warn
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encoder")
        self._encoding: tuple[View, asyncio.Future[bytes]] | None = None  # of the newest view that was asked for

    async def encode(self, view: View, number: int) -> bytes:
        """The binary message for a view, which browsers name by its number."""
        if self._encoding is None or self._encoding[0] is not view:
            loop = asyncio.get_running_loop()
            self._encoding = view, loop.run_in_executor(self._thread, self._encode, view, number)
        return await asyncio.shield(self._encoding[1])

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _encode(self, view: View, number: int) -> bytes:
        labels, runs = view.labels, b""
        header: dict[str, Any] = {
            "number": number,
            "stamp": view.stamp,
            "width": view.size[1],
            "height": view.size[0],
            "tracks": None if view.tracks is None else [_track(track) for track in view.tracks],
            "mask": None,
        }
        if labels is not None:
            labels = resized(labels, _limited(labels.shape[:2], self._options.max_width))
            runs = label_runs(labels).tobytes()
            header["mask"] = {"width": labels.shape[1], "height": labels.shape[0], "bytes": len(runs)}
        return protocol.picture(header, runs, self._jpeg(view))

    def _jpeg(self, view: View) -> bytes:
        """Empty where there is no picture."""
        try:
            picture = view.read_picture()
        except ValueError as error:
            self._warn(f"cannot show an image: {error}")
            return b""
        if picture is None or isinstance(picture, bytes):
            return picture or b""
        size = _limited(picture.shape[:2], self._options.max_width)
        if size != picture.shape[:2]:
            picture = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)
        quality = [cv2.IMWRITE_JPEG_QUALITY, self._options.jpeg_quality]
        return cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality)[1].tobytes()


def _track(track: ShownTrack) -> dict[str, Any]:
    return {
        "id": track.id,
        "mask_value": track.mask_value,
        "label": track.label,
        "state": track.state,
        "presence": round(float(np.nan_to_num(track.presence)), 3),
        "absence": round(float(np.nan_to_num(track.absence)), 2),
        "box": track.box and [round(float(edge), 1) for edge in track.box],
    }


def _limited(size: tuple[int, ...], max_width: int) -> tuple[int, int]:
    """The size (H, W), scaled down to that width."""
    height, width = size
    if width <= max_width:
        return height, width
    return max(1, round(height * max_width / width)), max_width
