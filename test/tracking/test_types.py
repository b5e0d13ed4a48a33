"""Prompts accept tuples, lists and arrays; anything else is refused with what is expected."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sam2_ros.tracking import Box, Click, Prompt, PromptError

CLICKS = (Click(320, 240), Click(10, 20.5, positive=False))


@pytest.mark.parametrize(
    "clicks",
    [
        [Click(320, 240), Click(10, 20.5, False)],
        [(320, 240), (10, 20.5, 0)],
        [[320, 240, True], (10, 20.5, False)],
        ((320, 240), Click(10, 20.5, False)),
        np.array([[320, 240, 1], [10, 20.5, 0]]),
        torch.tensor([[320, 240, 1], [10, 20.5, 0]]),
        iter([(320, 240), (10, 20.5, np.False_)]),
    ],
    ids=["Click", "tuples", "lists", "mixed", "array", "tensor", "iterator"],
)
def test_clicks_are_sequences_of_coordinates(clicks: Any) -> None:
    assert Prompt(clicks=clicks).clicks == CLICKS


@pytest.mark.parametrize(
    "box",
    [
        Box(1, 2, 30.5, 40),
        (1, 2, 30.5, 40),
        [1, 2, 30.5, 40],
        np.array([1, 2, 30.5, 40]),
        torch.tensor([1, 2, 30.5, 40]),
        map(float, ["1", "2", "30.5", "40"]),
    ],
    ids=["Box", "tuple", "list", "array", "tensor", "iterator"],
)
def test_a_box_is_four_edges(box: Any) -> None:
    assert Prompt(box=box).box == Box(1, 2, 30.5, 40)


@pytest.mark.parametrize("one", [1, np.int64(1), np.float32(1), torch.tensor(1.0), np.array(1.0)])
def test_numbers_may_be_of_any_library(one: Any) -> None:
    assert Click(one, 2 * one, one) == Click(1.0, 2.0, True)
    assert Box(one, 2 * one, 3 * one, 4 * one) == Box(1.0, 2.0, 3.0, 4.0)


def test_clicks_from_an_iterator_are_kept_when_a_prompt_is_replaced() -> None:
    clicks: Any = iter([(1, 2)])
    prompt = replace(Prompt(clicks=clicks), box=Box(1, 2, 3, 4))
    assert prompt == Prompt((Click(1, 2),), Box(1, 2, 3, 4))


@pytest.mark.parametrize("mask", [np.eye(4, dtype=np.uint8), np.eye(4) * 255, np.eye(4).tolist(), torch.eye(4)])
def test_a_mask_is_stored_as_bool(mask: Any) -> None:
    kept = Prompt(mask=mask).mask
    assert kept is not None and kept.dtype == bool
    np.testing.assert_array_equal(kept, np.eye(4, dtype=bool))


def test_a_prompt_does_not_change_with_the_array_of_its_mask() -> None:
    mask = np.eye(4, dtype=bool)
    prompt = Prompt(mask=mask)
    mask[:] = True
    np.testing.assert_array_equal(prompt.mask, np.eye(4, dtype=bool))


CLICKS_EXPECTED = r"expected a sequence of Click\(x, y\), \(x, y\) or \(x, y, positive\)"
BOX_EXPECTED = r"expected Box\(x0, y0, x1, y1\) or these four numbers: left, top, right and bottom edge"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clicks": (320, 240)}, rf"a click is 320 \(int\), {CLICKS_EXPECTED}"),
        ({"clicks": np.array([320, 240])}, CLICKS_EXPECTED),
        ({"clicks": Click(1, 2)}, rf"clicks is Click\(.*\), {CLICKS_EXPECTED}"),
        ({"clicks": None}, rf"clicks is None \(NoneType\), {CLICKS_EXPECTED}"),
        ({"clicks": "320,240"}, rf"clicks is '320,240' \(str\), {CLICKS_EXPECTED}"),
        ({"clicks": {"x": 1, "y": 2}}, CLICKS_EXPECTED),
        ({"clicks": np.array(3)}, CLICKS_EXPECTED),
        ({"clicks": [(1,)]}, rf"a click is \(1,\) \(tuple\), {CLICKS_EXPECTED}"),
        ({"clicks": [(1, 2, 1, 1)]}, CLICKS_EXPECTED),
        ({"clicks": ["12"]}, CLICKS_EXPECTED),
        ({"clicks": [Box(1, 2, 3, 4)]}, CLICKS_EXPECTED),
        ({"clicks": [("1", 2)]}, r"x of a click is '1' \(str\), expected a number"),
        ({"clicks": [(1, None)]}, r"y of a click is None \(NoneType\), expected a number"),
        ({"clicks": [(10**400, 1)]}, "x of a click is a int, expected a number"),
        ({"clicks": [(1, (2, 3))]}, "y of a click is .*, expected a number"),
        ({"clicks": [(1, np.array([2, 3]))]}, "y of a click is .*, expected a number"),
        ({"clicks": [(1, 2, "yes")]}, r"positive of a click is 'yes' \(str\), expected a number"),
        ({"box": (1, 2, 3)}, rf"box is \(1, 2, 3\) \(tuple\), {BOX_EXPECTED}"),
        ({"box": 5}, BOX_EXPECTED),
        ({"box": ((1, 2), (3, 4))}, BOX_EXPECTED),
        ({"box": "1,2,3,4"}, BOX_EXPECTED),
        ({"box": "1234"}, BOX_EXPECTED),
        ({"box": Click(1, 2)}, BOX_EXPECTED),
        ({"box": [1, 2, 3, None]}, r"y1 of a box is None \(NoneType\), expected a number"),
        ({"box": (1, 2, 3, 4j)}, "y1 of a box is 4j"),
        ({"mask": "mask.png"}, "mask is a str, expected an array"),
        ({"mask": [[1, 0], [1]]}, "mask is a list, expected an array"),
        ({"label": None}, r"label is None \(NoneType\), expected a str"),
        ({"label": 3}, r"label is 3 \(int\), expected a str"),
    ],
    ids=str,
)
def test_other_types_are_refused_with_what_is_expected(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message) as refusal:
        Prompt(**arguments)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 200


def test_a_long_value_is_described_by_its_type() -> None:
    picture: Any = Image.new("RGB", (640, 480))
    with pytest.raises(TypeError, match="clicks is a Image, expected"):
        Prompt(clicks=picture)


@pytest.mark.parametrize("positive", [-1, 2, 0.5, float("nan")])
def test_a_click_is_positive_or_not(positive: Any) -> None:
    with pytest.raises(PromptError, match=r"expected True \(on the object\) or False \(beside it\)"):
        Click(1, 2, positive)


def test_a_mask_of_other_values_is_a_prompt_error() -> None:
    with pytest.raises(PromptError, match="mask has values from -1 to 1"):
        Prompt(mask=np.eye(3) * 2 - 1)
