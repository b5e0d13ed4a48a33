"""Prompts from a YAML file, and what is said about one that cannot be used."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.recordings.prompt_file import PromptFileError, prompts_for, read_prompt_file
from sam2_ros.recordings.prompts import AtFrame, AtStamp
from sam2_ros.tracking import Box, Click


def write(folder: Path, text: str) -> Path:
    (folder / "prompts.yaml").write_text(text)
    return folder / "prompts.yaml"


def test_clicks_boxes_and_masks_on_any_frame_or_stamp(tmp_path: Path) -> None:
    mask = np.zeros((24, 32), np.uint8)
    mask[5:10, 5:10] = 255
    cv2.imwrite(str(tmp_path / "cup.png"), mask)
    file = write(
        tmp_path,
        """
objects:
  - label: cup
    prompts:
      - frame: 0
        clicks: [[320, 240], [350.5, 260, 0]]
      - stamp: "1700000012.345678901"
        clicks: [[1, 2]]
        box: [300, 200, 400, 310]
  - prompts: [{frame: 90, mask: cup.png}, {stamp: 12.5, box: [1, 2, 3, 4]}]
""",
    )
    cup, other = read_prompt_file(file)
    first, second = cup.prompts
    assert (first.object, first.moment, first.prompt.label) == (1, AtFrame(0), "cup")
    assert first.prompt.clicks == (Click(320, 240), Click(350.5, 260, positive=False))
    assert second.moment == AtStamp(1_700_000_012_345_678_901)
    assert second.prompt.box == Box(300, 200, 400, 310)
    assert [prompt.object for prompt in other.prompts] == [2, 2]
    np.testing.assert_array_equal(other.prompts[0].prompt.mask, mask > 0)
    assert other.prompts[1].moment == AtStamp(12_500_000_000)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("objects: [", "prompts.yaml is no YAML"),
        ("", "the file is missing, expected objects"),
        ("- a", "expected objects"),
        ("object: []", "the file has an unknown object, expected objects"),
        ("objects: []", "objects of the file is '\\[\\]', expected a list with at least one entry"),
        ("objects: [{label: cup}]", "prompts of object 1 is missing, expected a list"),
        ("objects: [{label: 7, prompts: [{frame: 0, box: [1, 2, 3, 4]}]}]", "object 1: label is 7, expected text"),
        ("objects: [{prompts: [{box: [1, 2, 3, 4]}]}]", "object 1, prompt 1 has neither frame nor stamp"),
        ("objects: [{prompts: [{frame: 0, stamp: 1, box: [1, 2, 3, 4]}]}]", "has both frame and stamp"),
        ("objects: [{prompts: [{frame: 0}]}]", "object 1, prompt 1 has no clicks, box or mask"),
        ("objects: [{prompts: [{frame: 0, click: [1, 2]}]}]", "prompt 1 has an unknown click, expected box, clicks"),
        ("objects: [{prompts: [{frame: -1, box: [1, 2, 3, 4]}]}]", "frame is -1, expected a number from 0 on"),
        ("objects: [{prompts: [{frame: true, box: [1, 2, 3, 4]}]}]", "frame is True, expected a number"),
        ("objects: [{prompts: [{stamp: soon, box: [1, 2, 3, 4]}]}]", "stamp is 'soon', expected seconds"),
        ("objects: [{prompts: [{stamp: .nan, box: [1, 2, 3, 4]}]}]", "stamp is nan, expected seconds"),
        ("objects: [{prompts: [{frame: 0, box: [1, 2, 3]}]}]", "object 1, prompt 1: box is .*expected Box"),
        ("objects: [{prompts: [{frame: 0, clicks: [1, 2]}]}]", "object 1, prompt 1: a click is 1 .*expected"),
        ("objects: [{prompts: [{frame: 0, clicks: [[a, 2]]}]}]", "object 1, prompt 1: "),
        ("objects: [{prompts: [{frame: 0, mask: no.png}]}]", "prompt 1: mask .*no.png does not exist"),
        ("objects: [{prompts: [{frame: 0, mask: 3}]}]", "mask is 3, expected text"),
        ("objects: [{prompts: [{frame: 0, mask: a.png, box: [1, 2, 3, 4]}]}]", "expected a mask alone"),
        (
            "objects: [{prompts: [{frame: 0, box: [1, 2, 3, 4]}, {frame: 0, clicks: [[1, 2]]}]}]",
            "object 1 has two prompts for frame 0: put them into one",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_of_one_line_that_says_where(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(PromptFileError, match=problem) as raised:
        read_prompt_file(write(tmp_path, text))
    assert "\n" not in str(raised.value)
    assert "prompts.yaml" in str(raised.value)


def test_an_object_belongs_to_its_camera(tmp_path: Path) -> None:
    boxes = "prompts: [{frame: 0, box: [1, 2, 3, 4]}]"
    objects = read_prompt_file(write(tmp_path, f"objects: [{{topic: /left, {boxes}}}, {{topic: /right, {boxes}}}]"))
    assert [p.object for p in prompts_for(objects, "/right", ["/left", "/right"])] == [2]
    with pytest.raises(PromptFileError, match="object 2 has the topic /right, the topics given by --topic: /left"):
        prompts_for(objects, "/left", ["/left"])
    objects = read_prompt_file(write(tmp_path, f"objects: [{{{boxes}}}]"))
    assert len(prompts_for(objects, "/left", ["/left"])) == 1
    with pytest.raises(PromptFileError, match="object 1 has no topic, expected one of /left, /right"):
        prompts_for(objects, "/left", ["/left", "/right"])
