"""An image is encoded once; prompts are answered one by one or many at once."""

import numpy as np
import pytest
import torch

from sam2_ros.model import Sam2
from sam2_ros.model.mask_decoder import choose_by_stability
from sam2_ros.model.prompt_encoder import PromptTensors
from sam2_ros.segmentation import ImagePredictor, Prediction
from sam2_ros.tracking import Box, Click, Prompt, PromptError
from sam2_ros.tracking.preprocess import preprocess_unrounded
from sam2_ros.tracking.prompts import Points

CLICK = Prompt(clicks=[Click(48, 32)])
CLICKS = Prompt(clicks=[Click(48, 32), Click(10, 10, False)])
BOX = Prompt(box=Box(20, 10, 70, 60))
BOTH = Prompt(clicks=[Click(48, 32)], box=Box(20, 10, 70, 60))


@pytest.fixture
def predictor(model: Sam2, rgb: np.ndarray) -> ImagePredictor:
    predictor = ImagePredictor(model)
    predictor.set_image(rgb)
    return predictor


def same(a: Prediction, b: Prediction) -> bool:
    return np.allclose(a.logits, b.logits, atol=1e-5) and np.allclose(a.predicted_iou, b.predicted_iou, atol=1e-6)


@pytest.mark.parametrize("prompt", [CLICK, CLICKS, BOX, BOTH], ids=["click", "clicks", "box", "both"])
def test_gives_three_masks_of_the_images_size(predictor: ImagePredictor, prompt: Prompt) -> None:
    prediction = predictor.predict(prompt)
    assert prediction.masks.shape == (3, 72, 96) and prediction.masks.dtype == bool
    assert prediction.logits.shape == (3, 16, 16) and prediction.logits.dtype == np.float32
    assert prediction.predicted_iou.shape == (3,)
    assert prediction.best == prediction.predicted_iou.argmax()
    assert 0 < prediction.masks.mean() < 1


@torch.inference_mode()
def test_three_masks_or_the_stable_one_come_from_features_that_say_there_is_no_memory(
    predictor: ImagePredictor, model: Sam2, rgb: np.ndarray
) -> None:
    features = model.encode_image(preprocess_unrounded(rgb, 64, model.device))
    points, labels = Points(tuple(CLICKS.clicks)).tensors((72, 96), 64, model.device)
    candidates = model.candidates(model.without_memory(features), features, PromptTensors(points, labels))
    assert np.allclose(predictor.predict(CLICKS).logits, candidates.logits[0, 1:], atol=1e-5)
    single = predictor.predict(CLICKS, multimask=False)
    chosen = int(choose_by_stability(candidates))
    assert np.allclose(single.logits[0], candidates.logits[0, chosen], atol=1e-5)
    assert single.predicted_iou == pytest.approx([float(candidates.predicted_iou[0, chosen])])


def test_an_object_that_is_not_in_view_gets_its_masks(model: Sam2, rgb: np.ndarray) -> None:
    predictors = ImagePredictor(model), ImagePredictor(model)
    bias = model.get_parameter("sam_mask_decoder.pred_obj_score_head.layers.2.bias")
    for predictor in predictors:
        predictor.set_image(rgb)
    present = predictors[0].predict(CLICK)
    bias.data -= 100
    try:
        absent = predictors[1].predict(CLICK)
    finally:
        bias.data += 100
    assert same(present, absent)


def test_logits_that_are_fed_back_change_the_mask(predictor: ImagePredictor) -> None:
    first = predictor.predict(CLICK)
    again = predictor.predict(CLICK, mask_logits=first.logits[first.best], multimask=False)
    assert again.logits.shape == (1, 16, 16)
    assert not np.allclose(again.logits, predictor.predict(CLICK, multimask=False).logits)
    as_tensor = predictor.predict(CLICK, mask_logits=torch.from_numpy(first.logits[first.best]), multimask=False)
    assert same(again, as_tensor)


def test_logits_alone_are_a_prompt(predictor: ImagePredictor) -> None:
    first = predictor.predict(CLICK)
    alone = predictor.predict(mask_logits=first.logits[0])
    assert alone.masks.shape == (3, 72, 96)
    assert not same(alone, predictor.predict(CLICK, mask_logits=first.logits[0]))


def test_logits_are_given_out_within_bounds(model: Sam2, rgb: np.ndarray) -> None:
    predictor = ImagePredictor(model)
    predictor.set_image(rgb)
    head = model.get_parameter("sam_mask_decoder.output_hypernetworks_mlps.1.layers.2.weight")
    head.data *= 1e5
    try:
        logits = predictor.predict(CLICK).logits
    finally:
        head.data /= 1e5
    assert np.abs(logits).max() == 32


@pytest.mark.parametrize("multimask", [True, False])
def test_a_batch_of_any_prompts_is_answered_like_each_of_them(predictor: ImagePredictor, multimask: bool) -> None:
    earlier = predictor.predict(BOX).logits[0]
    prompts = [CLICK, BOX, CLICKS, CLICK, BOTH, Prompt(), Prompt(clicks=[Click(5, 6)])]
    logits = [None, None, None, earlier, None, earlier, None]
    batch = predictor.predict_batch(prompts, mask_logits=logits, multimask=multimask)
    assert len(batch) == len(prompts)
    for answer, prompt, given in zip(batch, prompts, logits):
        assert same(answer, predictor.predict(prompt, mask_logits=given, multimask=multimask))


def test_an_empty_batch_has_no_answers(predictor: ImagePredictor) -> None:
    assert predictor.predict_batch([]) == []


def test_features_that_are_encoded_already_are_used(predictor: ImagePredictor, model: Sam2, rgb: np.ndarray) -> None:
    other = ImagePredictor(model)
    with torch.inference_mode():
        other.set_features(model.encode_image(preprocess_unrounded(rgb, 64, model.device)), (72, 96))
    assert same(other.predict(BOX), predictor.predict(BOX))


def test_bfloat16_gives_about_the_same_masks(predictor: ImagePredictor, model: Sam2, rgb: np.ndarray) -> None:
    coarse = ImagePredictor(model, "bfloat16")
    coarse.set_image(rgb)
    a, b = coarse.predict(BOX).masks, predictor.predict(BOX).masks
    assert (a & b).sum() / (a | b).sum() > 0.8


def test_an_image_is_needed_first(model: Sam2) -> None:
    with pytest.raises(RuntimeError, match="no image: call set_image"):
        ImagePredictor(model).predict(CLICK)


def test_a_picture_that_is_none_leaves_no_old_image_behind(predictor: ImagePredictor) -> None:
    with pytest.raises(ValueError, match="expected non-empty uint8"):
        predictor.set_image(np.zeros((4, 4), np.uint8))
    with pytest.raises(RuntimeError, match="no image"):
        predictor.predict(CLICK)


@pytest.mark.parametrize(
    ("prompt", "logits", "problem"),
    [
        (Prompt(), None, "prompt is empty"),
        (Prompt(clicks=[Click(200, 3)]), None, "outside the image"),
        (Prompt(box=Box(5, 5, 5, 9)), None, "is empty"),
        (Prompt(mask=np.ones((72, 96), bool)), None, "pass the logits of an earlier mask as mask_logits"),
        (CLICK, np.zeros((64, 64)), r"has shape \(64, 64\), expected \(16, 16\)"),
        (CLICK, np.full((16, 16), np.nan), "not finite"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused(
    predictor: ImagePredictor, prompt: Prompt, logits: np.ndarray | None, problem: str
) -> None:
    with pytest.raises(PromptError, match=problem):
        predictor.predict(prompt, mask_logits=logits)
    assert predictor.predict(CLICK).masks.any()


def test_what_is_no_prompt_is_refused(predictor: ImagePredictor) -> None:
    with pytest.raises(TypeError, match="prompt is "):
        predictor.predict((48, 32))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="mask_logits is "):
        predictor.predict(CLICK, mask_logits="mask")  # type: ignore[arg-type]
    with pytest.raises(PromptError, match="1 mask_logits for 2 prompts"):
        predictor.predict_batch([CLICK, BOX], mask_logits=[None])


def test_another_precision_is_refused(model: Sam2) -> None:
    with pytest.raises(ValueError, match="precision is 'float16', expected float32 or bfloat16"):
        ImagePredictor(model, "float16")
