"""What people drew in Label Studio comes back as prompts."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam2_ros.recordings.corrections.brush_rle import BrushError, decode_brush
from sam2_ros.recordings.corrections.label_studio import LabelStudioError, read_annotations
from sam2_ros.recordings.corrections.prompts import corrections_of, images_of
from sam2_ros.recordings.outputs.common import Origin
from sam2_ros.recordings.outputs.thinning import Thinning
from sam2_ros.recordings.outputs.writer import LabelWriter
from sam2_ros.recordings.problems import Problems
from sam2_ros.recordings.prompts import AtFrame, AtStamp, PlannedPrompt
from sam2_ros.tracking import Box, Click

from .recorded import PERIOD, START
from .test_outputs import BOWL, CUP, HEIGHT, WIDTH, frame, result, track

# Made by Label Studio 1.23.2 from the tasks of `test_outputs`, of which three were annotated and one was skipped
EXPORT = Path(__file__).with_name("label_studio_export.json")
SIZE = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}


def brush_mask() -> np.ndarray:
    """What was painted on the third image."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[15:40, 30:50] = True
    mask[20:25, 35:40] = False
    mask[50, 2] = True
    return mask


def region(kind: str, value: dict[str, Any], label: str = "", text: str = "", **other: Any) -> dict[str, Any]:
    named = {**value, kind: [label]} if label else value
    return {"type": kind, "value": named, "meta": {"text": [text]} if text else {}, **SIZE, **other}


RECTANGLE = {"x": 25.0, "y": 50.0, "width": 50.0, "height": 25.0, "rotation": 0}
POINT = {"x": 50.0, "y": 50.0, "width": 0.5}
TRIANGLE = {"points": [[10, 10], [20, 10], [20, 20]], "closed": True}


Read = Callable[..., tuple[list[PlannedPrompt], list[str]]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Prompts and problems of tasks, given as the regions of each."""

    def run(*tasks: list[dict[str, Any]]) -> tuple[list[PlannedPrompt], list[str]]:
        content = [
            {"id": index, "data": {"frame": index}, "annotations": [{"result": results}]}
            for index, results in enumerate(tasks)
        ]
        file, problems = tmp_path / "export.json", Problems()
        file.write_text(json.dumps(content))
        return corrections_of(read_annotations(file, problems), problems), problems.lines

    return run


# ---- a real export


def test_a_real_export_becomes_prompts_for_the_images_that_somebody_annotated() -> None:
    problems = Problems()
    images = read_annotations(EXPORT, problems)
    assert len(images_of(images, "drive", "/camera")) == len(images) == 3
    assert not images_of(images, "other", "/camera")
    assert not images_of(images, "drive", "/other")
    accepted_cup, accepted_bowl, painted, boxed = corrections_of(images, problems)
    assert not problems.lines
    for prompt, number, label, mask in (
        (accepted_cup, 1, "cup", CUP[2]),
        (accepted_bowl, 2, "", BOWL[2]),
        (painted, 1, "cup", brush_mask()),
    ):
        assert (prompt.object, prompt.prompt.label, prompt.is_correction) == (number, label, True)
        np.testing.assert_array_equal(prompt.prompt.mask, mask)
    assert [prompt.moment for prompt in (accepted_cup, painted, boxed)] == [
        AtStamp(START + index * PERIOD, tolerance=0) for index in (2, 3, 4)
    ]
    assert (boxed.object, boxed.prompt.box, boxed.prompt.mask) == (2, Box(19.5, 29.5, 29.5, 41.5), None)
    assert boxed.prompt.clicks == (Click(24.5, 35.5),)


def test_our_own_tasks_come_back_as_they_are_if_somebody_accepts_them(tmp_path: Path) -> None:
    origin = Origin("drive", "/camera", "labels")
    with LabelWriter(tmp_path, ["label-studio"], origin, Thinning(), Problems()) as writer:
        for index, (cup, bowl) in enumerate(zip(CUP, BOWL)):
            writer.write(frame(index), result(index, track(1, cup, "cup"), track(2, bowl)))
    tasks = json.loads((tmp_path / "label_studio.json").read_text())
    for number, task in enumerate(tasks):
        task.update(id=number, annotations=[{"result": task["predictions"][0]["result"], "was_cancelled": False}])
    file = tmp_path / "export.json"
    file.write_text(json.dumps(tasks))
    found = {(p.moment, p.object): p for p in corrections_of(read_annotations(file, Problems()), Problems())}
    truth = {
        (AtStamp(START + index * PERIOD, tolerance=0), number): mask
        for number, masks in ((1, CUP), (2, BOWL))
        for index, mask in enumerate(masks)
        if mask.any()
    }
    assert found.keys() == truth.keys()
    for key, mask in truth.items():
        np.testing.assert_array_equal(found[key].prompt.mask, mask)
    assert {p.object: p.prompt.label for p in found.values()} == {1: "cup", 2: ""}


# ---- shapes


def test_a_turned_rectangle_becomes_the_box_around_it(read: Read) -> None:
    (prompt,), _ = read([region("rectanglelabels", {**RECTANGLE, "rotation": 90}, "cup")])
    box = prompt.prompt.box
    assert box is not None  # 40 x 15 pixels, turned about (20, 30)
    assert np.allclose([box.x0, box.y0, box.x1, box.y1], [4.5, 29.5, 19.5, 69.5])


def test_key_points_are_clicks_and_say_if_they_are_beside_the_object(read: Read) -> None:
    (prompt,), _ = read(
        [region("keypointlabels", POINT, "cup"), region("keypointlabels", POINT, "cup", is_positive=False)]
    )
    assert prompt.prompt.clicks == (Click(39.5, 29.5), Click(39.5, 29.5, positive=False))


def test_a_label_that_is_a_result_of_its_own_counts(read: Read) -> None:
    labels = {**SIZE, "id": "a", "type": "labels", "value": {**RECTANGLE, "labels": ["cup"]}}
    (prompt,), _ = read([region("rectangle", RECTANGLE, id="a"), labels])
    assert prompt.prompt.label == "cup"
    assert prompt.prompt.box is not None


def test_parts_of_an_object_are_joined_and_boxes_beside_them_are_a_problem(read: Read) -> None:
    other = {"points": [[60, 60], [80, 60], [80, 80]]}
    (prompt,), problems = read(
        [
            region("polygonlabels", TRIANGLE, "cup"),
            region("polygonlabels", other, "cup"),
            region("rectanglelabels", RECTANGLE, "cup"),
        ]
    )
    assert prompt.prompt.mask is not None
    assert prompt.prompt.mask[8, 14]
    assert prompt.prompt.mask[38, 60]
    assert problems == ["task 0, object 1: boxes and key points are not used beside a mask"]


@pytest.mark.parametrize(
    ("damaged", "problem"),
    [
        (region("ellipselabels", {"x": 1}), "of the type 'ellipselabels', expected brush, polygon, rectangle"),
        (region("rectanglelabels", {"x": 1}), r"its rectangle is damaged \(KeyError: 'y'\)"),
        (region("polygonlabels", {"points": ["a"]}), "its polygon is damaged"),
        (region("brushlabels", {"rle": [0, 0]}), "the brush mask is cut off after 2 bytes"),
        (region("keypointlabels", POINT, image_rotation=90), "drawn on a rotated image"),
    ],
)
def test_a_region_that_cannot_be_used_is_a_problem_and_the_others_are_used(
    read: Read, damaged: dict[str, Any], problem: str
) -> None:
    prompts, problems = read([damaged, region("keypointlabels", POINT, "cup")])
    assert [prompt.prompt.label for prompt in prompts] == ["cup"]
    assert len(problems) == 1
    assert re.search(problem, problems[0])


# ---- objects


def test_a_region_drawn_anew_belongs_to_the_object_of_its_label_that_has_none(read: Read) -> None:
    known = [region("keypointlabels", POINT, "cup", "object 3"), region("keypointlabels", POINT, "cup", "object 5")]
    anew = [region("keypointlabels", POINT, "cup", "object 3"), region("rectanglelabels", RECTANGLE, "cup")]
    prompts, problems = read(known, anew)
    assert [(p.moment, p.object) for p in prompts] == [
        *((AtFrame(0), 3), (AtFrame(0), 5)),
        *((AtFrame(1), 3), (AtFrame(1), 5)),
    ]
    assert not problems


def test_a_region_of_a_new_label_is_a_new_object_on_all_images(read: Read) -> None:
    known, new = region("keypointlabels", POINT, "cup", "object 3"), region("rectanglelabels", RECTANGLE, "bowl")
    prompts, problems = read([known, new], [new])
    assert [(p.moment, p.object) for p in prompts] == [(AtFrame(0), 3), (AtFrame(0), 4), (AtFrame(1), 4)]
    assert not problems


def test_a_region_that_may_be_of_several_objects_is_a_problem(read: Read) -> None:
    cups = [region("keypointlabels", POINT, "cup", f"object {number}") for number in (1, 2)]
    prompts, problems = read(cups, [region("rectanglelabels", RECTANGLE, "cup")])
    assert [p.object for p in prompts] == [1, 2, 3]
    assert "a region 'cup' may be of the objects 1, 2; it becomes another one" in problems[0]


# ---- annotations


def test_of_several_annotations_the_ground_truth_or_else_the_newest_counts(tmp_path: Path) -> None:
    def annotation(label: str, updated: str, **other: Any) -> dict[str, Any]:
        return {"result": [region("keypointlabels", POINT, label)], "updated_at": updated, **other}

    old, new = annotation("old", "2024-01-01T00:00:00Z"), annotation("new", "2024-01-02T00:00:00Z")
    truth = annotation("truth", "2023-01-01T00:00:00Z", ground_truth=True)
    skipped = annotation("skipped", "2025-01-01T00:00:00Z", was_cancelled=True)
    file = tmp_path / "export.json"
    for annotations, expected in (([old, new, skipped], "new"), ([new, truth], "truth")):
        file.write_text(json.dumps([{"id": 1, "data": {"frame": 0}, "annotations": annotations}]))
        (image,) = read_annotations(file, Problems())
        assert image.regions[0].label == expected


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("no json", "is no JSON"),
        ('{"a": 1}', "is no list of tasks with annotations: export from Label Studio as JSON, not as JSON-MIN"),
        ('[{"image": "a.jpg", "label": []}]', "is no list of tasks with annotations"),
        (
            '[{"id": 7, "data": {"image": "a"}, "annotations": [{"result": []}]}]',
            "task 7 does not say which image it is",
        ),
    ],
)
def test_what_is_no_export_of_our_tasks_is_an_error(tmp_path: Path, content: str, problem: str) -> None:
    file = tmp_path / "export.json"
    file.write_text(content)
    with pytest.raises(LabelStudioError, match=problem):
        read_annotations(file, Problems())


# ---- brush masks


def test_a_damaged_brush_mask_is_an_error() -> None:
    (painted,) = [
        entry["value"]["rle"]
        for task in json.loads(EXPORT.read_text())
        for annotation in task["annotations"]
        for entry in annotation["result"]
        if entry["type"] == "brushlabels"
    ]
    np.testing.assert_array_equal(decode_brush(painted, (HEIGHT, WIDTH)), brush_mask())
    for data, size, problem in (
        (painted[:-3], (HEIGHT, WIDTH), "cut off"),
        (painted, (HEIGHT, WIDTH + 1), r"has 19200 values of 8 bits, expected 60 x 81 x 4"),
        ([1, 300], (HEIGHT, WIDTH), "no list of bytes"),
    ):
        with pytest.raises(BrushError, match=problem):
            decode_brush(data, size)
