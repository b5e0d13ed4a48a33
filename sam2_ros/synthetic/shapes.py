"""Outlines of synthetic objects, and objects assembled from textured parts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from sam2_ros.synthetic.pictures import Pictures
from sam2_ros.synthetic.textures import (
    photograph_crop,
    random_colour,
    random_surface,
    recolour,
    smooth_noise,
    unit_grid,
)

SPRITE = 128


@dataclass(frozen=True)
class Part:
    """One rigid piece.

    `sprite` (S, S, 4) float32: colours multiplied by opacity, 0..255, and opacity 0..1. The F frames of an animation
    are stacked, (F * S, S, 4); they play forward and backward, `playback_rate` of them per frame of the clip, starting
    with number `first_frame`. `transform` (3, 3) maps the sprite's square (-1..1) to its object's (-1..1). The part
    swings by `swing` radians about `joint` (object's coordinates) with `frequency` periods per frame, from `phase`.
    """

    sprite: np.ndarray
    transform: np.ndarray
    joint: tuple[float, float] = (0.0, 0.0)
    swing: float = 0.0
    frequency: float = 0.0
    phase: float = 0.0
    playback_rate: float = 0.0
    first_frame: float = 0.0

    @property
    def side(self) -> int:
        """Side of the sprite in pixels."""
        side: int = self.sprite.shape[1]
        return side

    def sprite_at(self, t: int) -> np.ndarray:
        """The sprite of frame t, (S, S, 4)."""
        last = len(self.sprite) // self.side - 1
        number = last - abs(last - int(self.first_frame + self.playback_rate * t) % (2 * last)) if last else 0
        return self.sprite[number * self.side : (number + 1) * self.side]


def similarity(
    angle: float = 0.0, scale: tuple[float, float] = (1, 1), shift: tuple[float, float] = (0, 0)
) -> np.ndarray:
    """(3, 3) matrix: scale, then turn by `angle` radians, then shift."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array(
        [[cos * scale[0], -sin * scale[1], shift[0]], [sin * scale[0], cos * scale[1], shift[1]], [0, 0, 1]]
    )


def fill(outline: np.ndarray, size: int) -> np.ndarray:
    """Opacity (size, size) float32 of a polygon (P, 2) in -1..1, with soft edges."""
    canvas = np.zeros((size, size), np.uint8)
    points = ((outline + 1) / 2 * (size - 1) * 16).astype(np.int32)
    cv2.fillPoly(canvas, [points], 255, cv2.LINE_AA, shift=4)
    return canvas.astype(np.float32) / 255


def blob(rng: np.random.Generator) -> np.ndarray:
    """Outline (P, 2): a circle with a few smooth waves."""
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    radius = np.ones_like(angle)
    for waves in range(2, int(rng.integers(3, 8))):
        radius += rng.normal(0, 0.35 / waves) * np.cos(waves * angle + rng.uniform(0, 6))
    radius = np.maximum(radius, 0.25)
    outline: np.ndarray = np.stack([np.cos(angle), np.sin(angle)], -1) * (radius / radius.max() * 0.95)[:, None]
    return outline


def polygon(rng: np.random.Generator) -> np.ndarray:
    """Outline (P, 2): 3 to 9 corners, convex, star-like or a parallelogram."""
    if rng.random() < 0.35:
        skew, ratio = rng.uniform(-0.4, 0.4), rng.uniform(0.4, 1)
        corners = np.array([[-0.6 + skew, -ratio], [0.6 + skew, -ratio], [0.6 - skew, ratio], [-0.6 - skew, ratio]])
        return corners * 0.9
    count = int(rng.integers(3, 10))
    angle = (np.arange(count) + rng.uniform(-0.35, 0.35, count)) * 2 * np.pi / count
    radius = rng.uniform(rng.choice((0.35, 0.8)), 0.95, count)
    return np.stack([np.cos(angle), np.sin(angle)], -1) * radius[:, None]


def superellipse(rng: np.random.Generator) -> np.ndarray:
    """Outline (P, 2): from a diamond over an ellipse to a box with round corners."""
    angle = np.linspace(0, 2 * np.pi, 80, endpoint=False)
    power, ratio = rng.choice((0.25, 0.5, 1.0, 1.0, 1.4)), rng.uniform(0.35, 1)
    cos, sin = np.cos(angle), np.sin(angle)
    return 0.95 * np.stack([np.sign(cos) * np.abs(cos) ** power, ratio * np.sign(sin) * np.abs(sin) ** power], -1)


def random_opacity(rng: np.random.Generator) -> np.ndarray:
    """(SPRITE, SPRITE) float32: one outline, sometimes with a second one added or subtracted."""
    outlines = (blob, polygon, superellipse)
    opacity = fill(outlines[rng.integers(3)](rng), SPRITE)
    if rng.random() < 0.25:
        other = outlines[rng.integers(3)](rng) * rng.uniform(0.3, 0.6) + rng.uniform(-0.4, 0.4, 2)
        other_opacity = fill(other, SPRITE)
        opacity = np.maximum(opacity, other_opacity) if rng.random() < 0.6 else opacity * (1 - other_opacity)
    return opacity


def shade(rng: np.random.Generator, surface: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """Shading from one side, darker or lighter near the border as on a round body, sometimes a highlight."""
    x, y = unit_grid(SPRITE)
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 + rng.uniform(0, 0.45) * (np.cos(angle) * x + np.sin(angle) * y)
    if rng.random() < 0.6:
        depth = cv2.distanceTransform((opacity > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
        rise = np.clip(depth / (SPRITE * rng.uniform(0.03, 0.25)), 0, 1)
        light = light * (1 - rng.uniform(-0.15, 0.55) * (1 - rise) ** 2)
    shaded = surface * light[..., None]
    if rng.random() < 0.25:
        cx, cy = rng.uniform(-0.5, 0.5, 2)
        spot = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / rng.uniform(0.01, 0.15))
        shaded = shaded + spot[..., None] * rng.uniform(40, 200)
    clipped: np.ndarray = np.clip(shaded, 0, 255)
    return clipped


def patchwork_surface(rng: np.random.Generator, pictures: Pictures) -> np.ndarray:
    """A surface of several regions with different textures, as of shirt and trousers or label and box."""
    surface = random_surface(rng, pictures, SPRITE)
    while rng.random() < 0.4:
        if rng.random() < 0.5:
            x, y = unit_grid(SPRITE)
            angle, edge = rng.uniform(0, 2 * np.pi), rng.uniform(-0.4, 0.4)
            region = np.clip((np.cos(angle) * x + np.sin(angle) * y - edge) * 20, 0, 1).astype(np.float32)
        elif rng.random() < 0.5:
            region = fill(blob(rng) * rng.uniform(0.2, 0.7) + rng.uniform(-0.5, 0.5, 2), SPRITE)
        else:
            region = np.clip((smooth_noise(rng, SPRITE, 4) - 0.55) * 12, 0, 1)
        surface = surface * (1 - region[..., None]) + random_surface(rng, pictures, SPRITE) * region[..., None]
    return surface


def compose_sprite(surface: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """A part's sprite (SPRITE, SPRITE, 4) from its colours (SPRITE, SPRITE, 3) and opacity (SPRITE, SPRITE)."""
    return np.dstack([surface * opacity[..., None], opacity]).astype(np.float32)


def rigid_object(rng: np.random.Generator, pictures: Pictures) -> tuple[Part, ...]:
    """One outline with one or more surfaces."""
    opacity = random_opacity(rng)
    surface = shade(rng, patchwork_surface(rng, pictures), opacity)
    return (Part(compose_sprite(surface, opacity), np.eye(3)),)


def block(rng: np.random.Generator, pictures: Pictures) -> tuple[Part, ...]:
    """A box seen from a corner: three faces of one material under different light."""
    material = random_surface(rng, pictures, SPRITE)
    front, deep = rng.uniform(0.5, 0.9, 2), rng.uniform(0.15, 0.5, 2) * rng.choice((-1, 1), 2)
    near = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * front / 2 - deep / 2
    far = near + deep
    left, upper = (1, 2) if deep[0] > 0 else (0, 3), (2, 3) if deep[1] > 0 else (0, 1)
    span = max(np.abs(near).max(), np.abs(far).max()) / 0.95
    surface, opacity = np.zeros((SPRITE, SPRITE, 3), np.float32), np.zeros((SPRITE, SPRITE), np.float32)
    for light, face in (
        (rng.uniform(0.35, 1.0), np.stack([near[left[0]], near[left[1]], far[left[1]], far[left[0]]])),
        (rng.uniform(0.5, 1.2), np.stack([near[upper[0]], near[upper[1]], far[upper[1]], far[upper[0]]])),
        (1.0, near),
    ):
        cover = fill(face / span, SPRITE)
        paint = material if rng.random() < 0.8 else random_surface(rng, pictures, SPRITE)
        surface = surface * (1 - cover[..., None]) + np.clip(paint * light, 0, 255) * cover[..., None]
        opacity = np.maximum(opacity, cover)
    return (Part(compose_sprite(surface, opacity), np.eye(3)),)


def photograph_segment(rng: np.random.Generator, pictures: Pictures) -> tuple[Part, ...]:
    """A segment of a photograph, enlarged to fill the sprite."""
    image, segments = photograph_crop(rng, pictures.photographs, 2 * SPRITE, smallest=0.5)
    numbers, counts = np.unique(segments, return_counts=True)
    fitting = numbers[(counts > 0.02 * segments.size) & (counts < 0.5 * segments.size)]
    if not len(fitting):
        return rigid_object(rng, pictures)
    mask = (segments == rng.choice(fitting)).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    x, y, width, height = cv2.boundingRect(mask)
    side = max(width, height)
    to_corner = similarity(0, (1, 1), ((side - width) / 2 - x, (side - height) / 2 - y))
    to_sprite = (similarity(0, (SPRITE / side, SPRITE / side)) @ to_corner)[:2]
    surface = cv2.warpAffine(image, to_sprite, (SPRITE, SPRITE), flags=cv2.INTER_LINEAR)
    opacity = cv2.warpAffine(cv2.GaussianBlur(mask.astype(np.float32), (3, 3), 0), to_sprite, (SPRITE, SPRITE))
    return (Part(compose_sprite(surface, opacity), np.eye(3)),)


def cut_out(rng: np.random.Generator, pictures: Pictures) -> tuple[Part, ...]:
    """A cut-out object, randomly mirrored and recoloured, sometimes with a rougher surface."""
    image = pictures.cut_outs[int(rng.integers(len(pictures.cut_outs)))]
    if rng.random() < 0.5:
        image = image[:, ::-1]
    opacity = cv2.resize(image[..., 3].astype(np.float32) / 255, (SPRITE, SPRITE))
    surface = recolour(rng, cv2.resize(image[..., :3].astype(np.float32), (SPRITE, SPRITE)))
    if rng.random() < 0.4:
        grain = random_surface(rng, pictures, SPRITE).mean(-1, keepdims=True)
        surface = surface * (1 + rng.uniform(0.1, 0.6) * (grain / max(float(grain.mean()), 1.0) - 1))
    return (Part(compose_sprite(shade(rng, np.clip(surface, 0, 255), opacity), opacity), np.eye(3)),)


def animated(rng: np.random.Generator, pictures: Pictures) -> tuple[Part, ...]:
    """An animated object, randomly mirrored and recoloured."""
    animation = pictures.animations[int(rng.integers(len(pictures.animations)))]
    if rng.random() < 0.5:
        animation = animation[:, :, ::-1]
    below = np.concatenate(list(animation)).astype(np.float32)
    sprite = compose_sprite(recolour(rng, below[..., :3]), below[..., 3] / 255)
    return (
        Part(sprite, np.eye(3), playback_rate=rng.uniform(0.1, 1.0), first_frame=rng.uniform(0, 2 * len(animation))),
    )


def limb(rng: np.random.Generator, surface: np.ndarray, length: float, width: float) -> np.ndarray:
    """Sprite (SPRITE, SPRITE, 4) of a tapered bar; half its length and width are relative to the sprite's."""
    taper = rng.uniform(0.6, 1.0)
    outline = np.array([[-length, -width], [length, -width * taper], [length, width * taper], [-length, width]])
    opacity = np.clip(cv2.GaussianBlur(fill(outline, SPRITE), (9, 9), 0) * 3 - 1, 0, 1)
    return compose_sprite(shade(rng, surface, opacity), opacity)


def creature(rng: np.random.Generator, pictures: Pictures) -> tuple[Part, ...]:
    """A body with two to six swinging limbs and sometimes a head, in one to three materials."""
    materials = [patchwork_surface(rng, pictures)]
    materials += [random_surface(rng, pictures, SPRITE) for _ in range(rng.integers(0, 3))]
    body_opacity = fill((blob if rng.random() < 0.5 else superellipse)(rng), SPRITE)
    body = compose_sprite(shade(rng, materials[0], body_opacity), body_opacity)
    parts = []
    swung = limb(rng, materials[rng.integers(len(materials))], rng.uniform(0.6, 0.95), rng.uniform(0.12, 0.4))
    for _ in range(rng.integers(2, 7)):
        angle = rng.uniform(0, 2 * np.pi)
        root = (0.3 * np.cos(angle), 0.3 * np.sin(angle))
        outward = angle + rng.normal(0, 0.6)
        centre = (root[0] + 0.3 * np.cos(outward), root[1] + 0.3 * np.sin(outward))
        transform = similarity(outward, (0.42, 0.42), centre)
        parts.append(Part(swung, transform, root, rng.uniform(0, 0.7), rng.uniform(0.02, 0.2), rng.uniform(0, 6)))
    parts.append(Part(body, similarity(rng.uniform(0, 3), (0.6, rng.uniform(0.35, 0.6)))))
    if rng.random() < 0.6:
        opacity = random_opacity(rng)
        head = compose_sprite(shade(rng, materials[rng.integers(len(materials))], opacity), opacity)
        angle = rng.uniform(0, 2 * np.pi)
        where = (0.6 * np.cos(angle), 0.6 * np.sin(angle))
        parts.append(Part(head, similarity(0, (0.3, 0.3), where), where, 0.2, rng.uniform(0.02, 0.1)))
    return tuple(parts)


def arm(rng: np.random.Generator, pictures: Pictures) -> tuple[Part, ...]:
    """A chain of two or three long links that swing about one joint."""
    parts, at, angle = [], np.array([-0.8, 0.0]), rng.uniform(-0.5, 0.5)
    material = random_surface(rng, pictures, SPRITE)
    for _ in range(rng.integers(2, 4)):
        length = rng.uniform(0.25, 0.45)
        step = np.array([np.cos(angle), np.sin(angle)]) * length
        sprite = limb(rng, material, 0.95, rng.uniform(0.2, 0.5))
        transform = similarity(angle, (length * 1.15, length), tuple(at + step))
        parts.append(Part(sprite, transform, (-0.8, 0.0), rng.uniform(0, 0.25), 0.05, 0.0))
        at, angle = at + 2 * step, angle + rng.uniform(-0.8, 0.8)
        if rng.random() < 0.3:
            material = random_surface(rng, pictures, SPRITE)
    return tuple(parts)


def look_alike(rng: np.random.Generator, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """A copy of the object, slightly brighter or darker, or in another colour."""
    change = recolour if rng.random() < 0.3 else _change_brightness
    altered = []
    for part in parts:
        opacity = part.sprite[..., 3:]
        colours = change(rng, part.sprite[..., :3] / np.maximum(opacity, 1e-3))
        altered.append(
            replace(part, sprite=np.dstack([np.clip(colours, 0, 255) * opacity, opacity]).astype(np.float32))
        )
    return tuple(altered)


def _change_brightness(rng: np.random.Generator, colours: np.ndarray) -> np.ndarray:
    return colours * np.float32(np.exp(rng.normal(0, 0.08)))


def blend_towards(rng: np.random.Generator, parts: tuple[Part, ...], background: np.ndarray) -> tuple[Part, ...]:
    """The object with its colours blended towards the background's mean: low contrast."""
    share = np.float32(rng.uniform(0.4, 0.8))
    mean = background.reshape(-1, 3).mean(0) if rng.random() < 0.7 else random_colour(rng)
    altered = []
    for part in parts:
        opacity = part.sprite[..., 3:]
        colours = part.sprite[..., :3] * (1 - share) + mean * share * opacity
        altered.append(replace(part, sprite=np.dstack([colours, opacity]).astype(np.float32)))
    return tuple(altered)
