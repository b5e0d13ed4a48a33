"""Still pictures with masks of some objects: the background of a clip, and a source of cut-out objects."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam2_ros.synthetic.shapes import similarity
from sam2_ros.synthetic.warps import perspective, sampling_positions, thin_plate_field

_SPRITE_SIDE = 256  # pixels, at most
_SPRITE_MARGIN = 1.25  # side of a sprite relative to its object's
_INPAINTING_SIDE = 96  # pixels
_MIN_CROP = 0.25  # of the picture's side


@dataclass(frozen=True)
class Still:
    """`image` (H, W, 3) uint8 RGB and `masks` (K, H, W) bool of K objects, which do not overlap.

    The picture may show more objects than these.
    """

    image: np.ndarray
    masks: np.ndarray

    def mirrored(self) -> Still:
        """Left and right exchanged."""
        return Still(np.ascontiguousarray(self.image[:, ::-1]), self.masks[:, :, ::-1])


@dataclass(frozen=True)
class CutOut:
    """An object without its surroundings.

    `sprite` (S, S, 4) float32 as of a `Part`; in its picture `centre` (x, y) and `half_side` of the sprite, in pixels;
    `fill`: share of the sprite that the object covers.
    """

    sprite: np.ndarray
    centre: np.ndarray
    half_side: float
    fill: float


def cut_out(still: Still, number: int, softness: float) -> CutOut:
    """Object `number` of a still; its border is blurred by `softness` pixels of the sprite."""
    mask = still.masks[number]
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    side = int(np.ceil(_SPRITE_MARGIN * max(width, height))) + 2
    left, upper = x - (side - width) // 2, y - (side - height) // 2
    colours = _window(still.image, left, upper, side, cv2.BORDER_REPLICATE)
    opacity = _window(mask.astype(np.uint8) * 255, left, upper, side, cv2.BORDER_CONSTANT)
    if side > _SPRITE_SIDE:
        square = (_SPRITE_SIDE, _SPRITE_SIDE)
        colours, opacity = (cv2.resize(x, square, interpolation=cv2.INTER_AREA) for x in (colours, opacity))
    opacity = cv2.GaussianBlur(opacity.astype(np.float32) / 255, (0, 0), max(softness, 0.1))
    return CutOut(
        sprite=np.dstack([colours * opacity[..., None], opacity]).astype(np.float32),
        centre=np.array([left, upper]) + side / 2,
        half_side=side / 2,
        fill=float(mask.sum()) / side**2,
    )


def without_object(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The picture (H, W, 3) uint8 with the object (H, W) bool filled from its surroundings.

    The coarse colours are inpainted, the fine texture is that of another part of the picture.
    """
    height, width = mask.shape
    scale = _INPAINTING_SIDE / max(height, width)
    small_size = (max(1, round(width * scale)), max(1, round(height * scale)))
    hole = cv2.resize(mask.astype(np.uint8) * 255, small_size, interpolation=cv2.INTER_AREA)
    hole = cv2.dilate((hole > 0).astype(np.uint8), np.ones((3, 3), np.uint8))
    small = cv2.resize(image, small_size, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    filled = cv2.resize(cv2.inpaint(small, hole, 3, cv2.INPAINT_TELEA), (width, height), interpolation=cv2.INTER_LINEAR)
    share = cv2.resize(hole.astype(np.float32), (width, height))[..., None]
    texture = (image - coarse) * (share == 0)
    shift = [int(side * rng.uniform(0.25, 0.75)) for side in (height, width)]
    filled = filled + np.roll(texture, shift, (0, 1))
    result: np.ndarray = np.clip(image * (1 - share) + filled * share, 0, 255).astype(np.uint8)
    return result


@dataclass(frozen=True)
class Crop:
    """The part of a picture that a camera at rest shows: `corner` (x, y) and `extent` (width, height) in pixels."""

    corner: np.ndarray
    extent: np.ndarray

    def to_fractions(self) -> np.ndarray:
        """(3, 3): maps the picture's pixels to fractions of the frame."""
        return similarity(0, tuple(1 / self.extent), tuple(-self.corner / self.extent))


def random_crop(
    rng: np.random.Generator, still: Still, reach: tuple[np.ndarray, np.ndarray], zoom: tuple[float, float]
) -> Crop:
    """A crop that mostly shows the first object, which then covers between the two shares `zoom` of it.

    `reach`: lowest and highest position (x, y) that the moving camera shows, in fractions of the crop; they lie inside
    the picture.
    """
    size = np.array(still.image.shape[1::-1], float)
    if len(still.masks) and rng.random() < 0.8:
        ys, xs = np.nonzero(still.masks[0])
        side = np.sqrt(len(xs) / np.exp(rng.uniform(*np.log(zoom))))
        centre = np.array([xs.mean(), ys.mean()])
    else:
        side, centre = size.min() * rng.uniform(0.4, 1.0), rng.uniform(0, size)
    aspect = np.exp(rng.uniform(np.log(0.75), np.log(1.9)))
    low, high = reach
    extent = side * np.array([np.sqrt(aspect), 1 / np.sqrt(aspect)])
    extent = np.minimum(np.maximum(extent, _MIN_CROP * size.min()), size / (high - low))
    corner = centre - extent * rng.uniform(0.25, 0.75, 2)
    return Crop(np.clip(corner, -low * extent, size - high * extent), extent)


@dataclass(frozen=True)
class Plane:
    """A picture as the background of T frames.

    `image` (H, W, 3) uint8; `masks` (H, W, K) uint8, 0 or 255, K at most 4, of the objects `labels`; `to_fractions`
    (3, 3) maps its pixels to fractions of the frame; `tilt` (T, 2) and `bends` (T, POINTS, 2) or None deform it.
    """

    image: np.ndarray
    masks: np.ndarray
    labels: tuple[int, ...]
    to_fractions: np.ndarray
    tilt: np.ndarray
    bends: np.ndarray | None

    def render(self, t: int, view: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Frame t from the camera's `view` (3, 3): image (S, S, 3) float32 and labels (S, S) uint8."""
        matrix = similarity(0, (size, size)) @ view @ tilted(self.tilt[t]) @ self.to_fractions
        positions = sampling_positions(matrix, size)
        if self.bends is not None:
            positions += thin_plate_field(self.bends[t], size, size) / np.diag(matrix)[:2].astype(np.float32)
        image = _sample(self.image, positions).astype(np.float32)
        labels = np.zeros((size, size), np.uint8)
        if self.labels:
            shares = _sample(self.masks, positions).reshape(size, size, -1)
            for number, label in enumerate(self.labels):
                labels[shares[..., number] > 127] = label
        return image, labels


def background_plane(
    still: Still, labels: dict[int, int], crop: Crop, size: int, warps: tuple[np.ndarray, np.ndarray | None]
) -> Plane:
    """The still as a background of frames of `size` pixels.

    `labels`: label by number of its object; `warps`: tilt and bends. The picture is reduced to about its drawn size,
    so that sampling does not alias.
    """
    image, masks = still.image, np.dstack([still.masks[n] for n in labels]).astype(np.uint8) * 255 if labels else None
    height, width = image.shape[:2]
    scale = float(size / crop.extent.min())
    to_fractions = crop.to_fractions()
    if scale < 0.9:
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        masks = None if masks is None else cv2.resize(masks, small, interpolation=cv2.INTER_AREA)
        to_fractions = to_fractions @ similarity(0, (width / small[0], height / small[1]))
    if masks is None:
        masks = np.zeros((*image.shape[:2], 0), np.uint8)
    return Plane(image, masks, tuple(labels.values()), to_fractions, *warps)


def tilted(tilt: np.ndarray) -> np.ndarray:
    """(3, 3) perspective about the middle of the frame, in its fractions."""
    matrix: np.ndarray = similarity(0, (1, 1), (0.5, 0.5)) @ perspective(tilt) @ similarity(0, (1, 1), (-0.5, -0.5))
    return matrix


def _sample(image: np.ndarray, positions: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.remap(image, positions, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _window(image: np.ndarray, left: int, upper: int, side: int, border: int) -> np.ndarray:
    """The square of `side` pixels whose corner is (left, upper), beyond the image continued as `border` says."""
    height, width = image.shape[:2]
    inside = image[max(upper, 0) : upper + side, max(left, 0) : left + side]
    return np.asarray(
        cv2.copyMakeBorder(
            inside,
            max(-upper, 0),
            max(upper + side - height, 0),
            max(-left, 0),
            max(left + side - width, 0),
            border,
        )
    )
