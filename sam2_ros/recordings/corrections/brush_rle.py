"""Brush masks of Label Studio: the alpha channel of an RGBA image, compressed with the npm package @thi.ng/rle-pack.

The bits are, the highest of each first:

    32  number of values
     5  bits in a value, less 1
    16  bits in a run's length, less 1, for each of four sizes
    then runs until all values are there:
     1  whether one value is repeated
     2  which of the four sizes the length has
     n  length, less 1
        the repeated value, or as many values as the length says
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

_VALUE_BITS = 8
_CHANNELS = 4


class BrushError(ValueError):
    """Bytes that are no brush mask of this size; the message says why."""


def decode_brush(data: Iterable[int], size: tuple[int, int]) -> np.ndarray:
    """The bytes of a brush region on an image of `size` (H, W) -> (H, W) bool. Raises BrushError."""
    height, width = size
    bits = _Bits(data)
    count, value_bits = bits.number(32), bits.number(5) + 1
    if (count, value_bits) != (height * width * _CHANNELS, _VALUE_BITS):
        raise BrushError(
            f"the brush mask has {count} values of {value_bits} bits, expected {height} x {width} x {_CHANNELS} of 8"
        )
    length_bits = [bits.number(4) + 1 for _ in range(4)]
    values = np.empty(count, np.uint8)
    position = 0
    while position < count:
        is_repeated, kind = bits.number(1), bits.number(2)
        end = position + bits.number(length_bits[kind]) + 1
        if end > count:
            raise BrushError(f"the brush mask has more than {count} values")
        values[position:end] = bits.values(1 if is_repeated else end - position)
        position = end
    return values.reshape(height, width, _CHANNELS)[..., -1] > 0


class _Bits:
    """Reads numbers from bits."""

    def __init__(self, data: Iterable[int]) -> None:
        try:
            self._bits = np.unpackbits(np.frombuffer(bytes(data), np.uint8))
        except (TypeError, ValueError) as error:
            raise BrushError("the brush mask is no list of bytes") from error
        self._position = 0

    def number(self, length: int) -> int:
        packed = np.packbits(self._next(length))  # filled up with zeros at the end
        return int.from_bytes(packed.tobytes(), "big") >> (-length % 8)

    def values(self, count: int) -> np.ndarray:
        """(count,) uint8"""
        return np.packbits(self._next(count * _VALUE_BITS))

    def _next(self, length: int) -> np.ndarray:
        end = self._position + length
        if end > len(self._bits):
            raise BrushError(f"the brush mask is cut off after {len(self._bits) // 8} bytes")
        bits = self._bits[self._position : end]
        self._position = end
        return bits
