"""The real classes of transformers with small weights, against results that were computed by hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="needs the extra `text`")

import transformers

from sam2_ros.optional import MissingLibraryError
from sam2_ros.text.detector import DetectorConfig, TextDetector
from sam2_ros.text.families import GroundingDino
from sam2_ros.text.frame_search import FrameSearch
from sam2_ros.text.loading import TextModelError, load_text_detector
from sam2_ros.text.schedule import SearchRates
from sam2_ros.text.words import WordsError

from .tiny_models import GRID, corner, grounding_dino, owlv2, red_and_blue

CPU = torch.device("cpu")
RED, BLUE = (220, 40, 40), (40, 60, 220)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Saved models by their makers' names."""
    makers = (owlv2, grounding_dino, red_and_blue)
    return {make.__name__: make(tmp_path_factory.mktemp(make.__name__)) for make in makers}


@pytest.fixture(scope="module")
def colours(folders: dict[str, Path]) -> TextDetector:
    return load_text_detector(str(folders["red_and_blue"]), CPU)


def scene(height: int, width: int, *squares: tuple[tuple[int, int, int], int, int]) -> np.ndarray:
    """Noise with squares of a patch's size around corners (column, row) of patches."""
    rgb = np.random.default_rng(3).integers(90, 150, (height, width, 3)).astype(np.uint8)
    side = max(height, width)
    for colour, column, row in squares:
        (x, y), half = corner(column, row, side), side // GRID // 2
        rgb[int(y) - half : int(y) + half, int(x) - half : int(x) + half] = colour
    return rgb


@pytest.mark.parametrize(("height", "width"), [(240, 320), (320, 200), (480, 640), (320, 320)])
def test_boxes_are_where_the_squares_are_in_pixels_of_the_image(colours: TextDetector, height: int, width: int) -> None:
    rgb = scene(height, width, (RED, 2, 1), (BLUE, 1, 2))
    found = colours.detect(rgb, colours.query(["red cup", "blue box"]), DetectorConfig())
    side = max(height, width)
    half = side / GRID / 2
    by_label = {detection.label: detection for detection in found}
    assert sorted(by_label) == ["blue box", "red cup"] and len(found) == 2
    for label, (column, row) in (("red cup", (2, 1)), ("blue box", (1, 2))):
        x, y = corner(column, row, side)
        box = by_label[label].box
        assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((x - half, y - half, x + half, y + half), abs=0.1)
        assert by_label[label].score > 0.999


def test_an_image_with_nothing_has_no_boxes(colours: TextDetector) -> None:
    query = colours.query(["red cup", "blue box"])
    assert colours.detect(scene(240, 320), query, DetectorConfig()) == []


def test_boxes_stay_inside_the_image(colours: TextDetector) -> None:
    rgb = scene(320, 320, (RED, 5, 5))
    rgb[32:, 288:] = RED
    found = colours.detect(rgb, colours.query(["red cup"]), DetectorConfig())
    assert found and all(0 <= d.box.x0 < d.box.x1 <= 320 and 0 <= d.box.y0 < d.box.y1 <= 320 for d in found)


@pytest.mark.parametrize("name", ["owlv2", "grounding_dino"])
def test_random_models_give_boxes_of_the_right_form(folders: dict[str, Path], name: str) -> None:
    detector = load_text_detector(str(folders[name]), CPU)
    query = detector.query(["red cup", "box"])
    found = detector.detect(scene(120, 160), query, DetectorConfig(threshold=0.001, max_overlap=1.0))
    assert found
    scores = [detection.score for detection in found]
    assert scores == sorted(scores, reverse=True) and 0 < scores[-1] and scores[0] <= 1
    assert {detection.label for detection in found} <= {"red cup", "box"}
    assert all(0 <= d.box.x0 < d.box.x1 <= 160 and 0 <= d.box.y0 < d.box.y1 <= 120 for d in found)


def test_grounding_dino_has_the_boxes_and_scores_of_the_library(folders: dict[str, Path]) -> None:
    detector = load_text_detector(str(folders["grounding_dino"]), CPU)
    processor = transformers.AutoProcessor.from_pretrained(folders["grounding_dino"])
    model = transformers.AutoModelForZeroShotObjectDetection.from_pretrained(folders["grounding_dino"]).eval()
    rgb = scene(120, 160)
    with torch.no_grad():
        inputs = processor(images=rgb, text="red cup. box.", return_tensors="pt")
        outputs = model(**inputs)
    # The library also counts the tokens between the phrases.
    outputs.logits[..., [0, 3, 5, 6]] = -20.0
    (expected,) = processor.post_process_grounded_object_detection(
        outputs, threshold=0.3, target_sizes=[rgb.shape[:2]], input_ids=inputs["input_ids"]
    )
    query = detector.query(["red cup", "box"])
    found = GroundingDino().candidates(outputs, query, processor, (120, 160), 0.3)
    assert len(found.boxes) > 3
    assert torch.allclose(found.boxes, expected["boxes"], atol=1e-3)
    assert torch.allclose(found.scores, expected["scores"], atol=1e-6)


def test_a_box_belongs_to_the_phrase_with_the_best_token(folders: dict[str, Path]) -> None:
    detector = load_text_detector(str(folders["grounding_dino"]), CPU)
    query = detector.query(["large red cup", "blue box"])  # tokens 1, 2, 3 and 5, 6
    logits = torch.full((1, 3, 64), -10.0)
    logits[0, 0, 2], logits[0, 1, 6], logits[0, 2, 4] = 1.0, 2.0, 5.0  # the last one on the full stop
    boxes = torch.tensor([[[0.5, 0.5, 0.5, 0.25], [0.25, 0.5, 0.1, 0.2], [0.5, 0.5, 1.0, 1.0]]])
    found = GroundingDino().candidates(
        SimpleNamespace(logits=logits, pred_boxes=boxes), query, None, size=(100, 200), threshold=0.5
    )
    assert found.phrases.tolist() == [0, 1]
    assert found.scores.tolist() == pytest.approx([0.7311, 0.8808], abs=1e-4)  # 1 / (1 + exp(-1)), (-2)
    assert found.boxes.flatten().tolist() == pytest.approx([50, 37.5, 150, 62.5, 40, 40, 60, 60], abs=1e-3)


@pytest.mark.parametrize(
    ("name", "phrases", "message"),
    [
        ("owlv2", ["a very large screwdriver"], "has 23 tokens, OWLv2 reads at most 16: shorten it"),
        ("grounding_dino", ["red cup"] * 30, "have 92 tokens, Grounding DINO reads at most 64: give fewer"),
    ],
)
def test_words_that_the_model_cannot_read_are_refused(
    folders: dict[str, Path], name: str, phrases: list[str], message: str
) -> None:
    with pytest.raises(WordsError, match=message):
        load_text_detector(str(folders[name]), CPU).query(phrases)


def test_frames_are_searched_at_the_rate(colours: TextDetector) -> None:
    search = FrameSearch(colours, ["red cup"], DetectorConfig(), SearchRates(rate=2.0))
    rgb = scene(240, 320, (RED, 2, 1))
    found = [search.detect(rgb, i / 4, tracks=()) for i in range(5)]
    assert [None if boxes is None else len(boxes) for boxes in found] == [1, None, 1, None, 1]


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TextModelError, match="there is no folder '/nowhere/model', expected one of a model, or a name"):
        load_text_detector("/nowhere/model", CPU)
    with pytest.raises(TextModelError, match="has no config.json, expected a folder that transformers'"):
        load_text_detector(str(tmp_path), CPU)


def test_a_name_without_a_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(TextModelError, match=r"cannot load nobody/nothing from huggingface.co: .* give a folder"):
        load_text_detector("nobody/nothing", CPU)


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    transformers.BertConfig().save_pretrained(tmp_path)
    with pytest.raises(TextModelError, match="is a model of the kind 'bert', expected OWLv2"):
        load_text_detector(str(tmp_path), CPU)


def test_a_folder_without_weights_or_with_a_part_of_them_is_refused(tmp_path: Path) -> None:
    owlv2(tmp_path)
    model = transformers.Owlv2ForObjectDetection.from_pretrained(tmp_path)
    model.save_pretrained(tmp_path, state_dict={k: v for k, v in model.state_dict().items() if "class_head" not in k})
    with pytest.raises(TextModelError, match="lacks 6 of its weights, such as class_head.dense0.bias"):
        load_text_detector(str(tmp_path), CPU)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(TextModelError, match="cannot load .* expected a folder as `save_pretrained` writes it"):
        load_text_detector(str(tmp_path), CPU)


def test_without_transformers_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(MissingLibraryError, match="finding objects by words needs transformers: pip install -e"):
        load_text_detector("google/owlv2-base-patch16-ensemble", CPU)
