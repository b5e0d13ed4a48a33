"""Effects of the camera on every frame of a clip: light, blur, noise and compression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam2_ros.synthetic.motion import random_walk


@dataclass(frozen=True)
class CameraEffects:
    """Effects of the camera. `light` (T, 3) gains; `shutter`: share of a frame's motion that is blurred."""

    light: np.ndarray
    shutter: float
    blur: float
    noise: float
    quality: int | None


def random_camera_effects(rng: np.random.Generator, frames: int) -> CameraEffects:
    """Effects for a clip of `frames` frames; each of them is absent in some clips."""
    drift = rng.choice((0.0, 0.01, 0.05), p=(0.4, 0.4, 0.2))
    light = np.stack([random_walk(rng, frames, drift)] * 3, -1) + random_walk(rng, frames, drift / 3)[
        :, None
    ] * rng.normal(0, 1, 3)
    if rng.random() < 0.08:
        light[int(rng.integers(frames)) :] += rng.uniform(-0.5, 0.5)
    return CameraEffects(
        light=np.exp(np.clip(light, -0.8, 0.6)).astype(np.float32),
        shutter=rng.uniform(0.2, 1.0) if rng.random() < 0.5 else 0.0,
        blur=rng.uniform(0.3, 1.3) if rng.random() < 0.35 else 0.0,
        noise=rng.uniform(1, 10) if rng.random() < 0.5 else 0.0,
        quality=int(rng.integers(25, 90)) if rng.random() < 0.5 else None,
    )


def apply_camera_effects(rng: np.random.Generator, picture: np.ndarray, effects: CameraEffects, t: int) -> np.ndarray:
    """The final frame (S, S, 3) uint8: light, lens blur, sensor noise, JPEG compression."""
    picture = picture * effects.light[t]
    if effects.blur:
        picture = cv2.GaussianBlur(picture, (0, 0), effects.blur)
    if effects.noise:
        noise = rng.standard_normal(picture.shape, np.float32)
        noise *= np.float32(effects.noise)
        picture += noise
    frame = np.clip(picture, 0, 255, out=picture).astype(np.uint8)
    if effects.quality is None:
        return frame
    encoded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, effects.quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))
