"""Synthetic people: articulated objects of several colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sam2_ros.synthetic.pictures import Pictures
from sam2_ros.synthetic.shapes import (
    SPRITE,
    Part,
    blob,
    compose_sprite,
    fill,
    limb,
    patchwork_surface,
    shade,
    similarity,
    superellipse,
)
from sam2_ros.synthetic.textures import plain_texture, random_surface

Point = tuple[float, float]  # object's coordinates, -1..1, y down


@dataclass(frozen=True)
class _Joint:
    """The point that a limb swings about, the amplitude in radians, periods per frame, and the phase."""

    at: Point
    swing: float
    frequency: float
    phase: float


def person(rng: np.random.Generator, pictures: Pictures) -> tuple[Part, ...]:
    """A person with textured clothes, skin and hair, whose limbs are bent and swing; parts from the lowest up."""
    skin, shirt, below, shoes, hair = _surfaces(rng, pictures)
    width, hips = rng.uniform(0.13, 0.22), rng.uniform(0.0, 0.14)
    bare_legs, bare_arms = rng.random() < 0.4, rng.random() < 0.6
    legs = _legs(rng, skin if bare_legs else below, shoes, width, hips)
    body = _body(rng, shirt, below, width, hips, with_skirt=bare_legs)
    before_body = rng.random() < 0.5
    arms = _arms(rng, skin if bare_arms else shirt, skin, width, hips - 0.42)
    head = _head(rng, skin, hair, hips - 0.62)
    return (*arms, *legs, *body, *head) if before_body else (*legs, *body, *arms, *head)


def _surfaces(rng: np.random.Generator, pictures: Pictures) -> list[np.ndarray]:
    """Surfaces of skin, shirt, trousers or skirt, shoes and hair."""
    red = rng.uniform(90, 240)
    green = red * rng.uniform(0.68, 0.85)
    blue = green * rng.uniform(0.7, 0.95)
    skin = np.broadcast_to(np.array([red, green, blue], np.float32), (SPRITE, SPRITE, 3))
    shirt, below = patchwork_surface(rng, pictures), random_surface(rng, pictures, SPRITE)
    shoes, hair = (plain_texture(rng, SPRITE) * rng.uniform(0.2, 1) for _ in range(2))
    return [skin, shirt, below, shoes, hair]


def _legs(rng: np.random.Generator, surface: np.ndarray, shoes: np.ndarray, width: float, hips: float) -> list[Part]:
    parts: list[Part] = []
    for side in (-1, 1):
        swing = (rng.uniform(0, 0.6), rng.uniform(0.02, 0.15), rng.uniform(0, 6))
        hip = _Joint((side * width * 0.5, hips), *swing)
        down = np.pi / 2 + rng.normal(0, 0.25)
        knee, thigh = _limb_segment(rng, surface, hip.at, down, (0.2, 0.11), hip)
        ankle, shin = _limb_segment(rng, surface, knee, down + rng.normal(0, 0.3), (0.2, 0.09), hip)
        _, foot = _limb_segment(rng, shoes, ankle, rng.uniform(0, np.pi), (0.06, 0.055), hip)
        parts += [foot, shin, thigh]
    return parts


def _body(
    rng: np.random.Generator, shirt: np.ndarray, below: np.ndarray, width: float, hips: float, with_skirt: bool
) -> list[Part]:
    outline = superellipse(rng)
    trunk = _clothing(rng, shirt, outline * 0.95 / np.abs(outline).max(axis=0), (0.0, hips - 0.25), (width, 0.32))
    if not with_skirt and rng.random() >= 0.3:
        return [trunk, _clothing(rng, below, superellipse(rng), (0.0, hips), (width, 0.16))]
    hem = rng.uniform(0.7, 0.95)
    skirt = np.array([[-0.6, -0.9], [0.6, -0.9], [hem, 0.9], [-hem, 0.9]])
    length = rng.uniform(0.1, 0.24)
    return [trunk, _clothing(rng, below, skirt, (0.0, hips + 0.6 * length), (width * 1.3, length))]


def _arms(rng: np.random.Generator, sleeve: np.ndarray, skin: np.ndarray, width: float, height: float) -> list[Part]:
    parts: list[Part] = []
    for side in (-1, 1):
        swing = (rng.uniform(0, 0.9), rng.uniform(0.02, 0.15), rng.uniform(0, 6))
        shoulder = _Joint((side * width * 0.9, height), *swing)
        out = np.pi / 2 - side * rng.uniform(-0.2, 1.8)
        elbow, upper = _limb_segment(rng, sleeve, shoulder.at, out, (0.14, 0.08), shoulder)
        _, fore = _limb_segment(rng, skin, elbow, out + rng.normal(0, 0.7), (0.14, 0.065), shoulder)
        parts = [fore, upper, *parts]
    return parts


def _head(rng: np.random.Generator, skin: np.ndarray, hair: np.ndarray, height: float) -> list[Part]:
    x, half = rng.normal(0, 0.03), rng.uniform(0.1, 0.15)
    nod = _Joint((0.0, -0.4), 0.15, rng.uniform(0.02, 0.1), rng.uniform(0, 6))
    outline = blob(rng)
    hair_half = (half * 1.2, half * rng.uniform(1, 2))
    behind = _clothing(rng, hair, outline, (x, height - 0.3 * half), hair_half, nod)
    face_at = (x + rng.normal(0, 0.3) * half, height + 0.2 * half)
    return [behind, _clothing(rng, skin, superellipse(rng), face_at, (half * 0.75, half * 0.8), nod)]


def _limb_segment(
    rng: np.random.Generator, surface: np.ndarray, start: Point, angle: float, half: Point, joint: _Joint
) -> tuple[Point, Part]:
    """A limb's segment from `start` in direction `angle`, `half` its length and width: its end point and the part."""
    along = np.array([np.cos(angle), np.sin(angle)]) * half[0]
    middle, end = np.array(start) + along, np.array(start) + 2 * along
    transform = similarity(angle, (half[0] * 1.25, half[1]), (middle[0], middle[1]))
    piece = Part(limb(rng, surface, 0.9, 0.75), transform, joint.at, joint.swing, joint.frequency, joint.phase)
    return (end[0], end[1]), piece


def _clothing(
    rng: np.random.Generator,
    surface: np.ndarray,
    outline: np.ndarray,
    middle: Point,
    half: Point,
    joint: _Joint = _Joint((0.0, -0.4), 0.0, 0.0, 0.0),
) -> Part:
    """A piece of clothing, or part of a head, with outline (P, 2)."""
    opacity = fill(outline, SPRITE)
    sprite = compose_sprite(shade(rng, surface, opacity), opacity)
    return Part(sprite, similarity(0, half, middle), joint.at, joint.swing, joint.frequency, joint.phase)
