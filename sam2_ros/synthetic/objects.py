"""The kinds of synthetic objects and their frequencies."""

from __future__ import annotations

import numpy as np

from sam2_ros.synthetic.people import person
from sam2_ros.synthetic.pictures import Pictures
from sam2_ros.synthetic.shapes import Part, animated, arm, block, creature, cut_out, photograph_segment, rigid_object


def random_object(rng: np.random.Generator, pictures: Pictures) -> tuple[Part, ...]:
    """An object of a random kind; its parts from the lowest to the topmost."""
    kinds = [rigid_object, block, creature, arm]
    shares = [0.38, 0.14, 0.2, 0.08]
    if pictures.photographs:
        kinds, shares = [*kinds, photograph_segment], [*shares, 0.2]
    if pictures.cut_outs:
        kinds, shares = [*kinds, cut_out, person], [*shares, 1.0, 0.5]
    if pictures.animations:
        kinds, shares = [*kinds, animated], [*shares, 1.5]
    chosen = rng.choice(len(kinds), p=np.array(shares) / sum(shares))
    return kinds[chosen](rng, pictures)
