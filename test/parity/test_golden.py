"""The network has the reference's outputs.

Recorded from facebookresearch/sam2, commit 2b90b9f, with
    sam2_ros parity --reference DIR --record test/parity/golden.npz
Models are nano-sized with seeded weights; frames are computed with integers.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sam2_ros.model import seeded_model
from sam2_ros.parity import golden, images, ours
from sam2_ros.tracking.geometry import mask_iou

GOLDEN = np.load(Path(__file__).with_name("golden.npz"))
MODULE_LIMIT = 1e-4  # relative to the largest value, as in the command `parity`
LOGITS_LIMIT = 1e-3
VIDEOS = [
    *("click", "several clicks", "box", "mask", "later correction", "two objects"),
    *("prompted corrections", "late prompts"),
]


@pytest.fixture(scope="module", params=golden.SMALL)
def version(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def inputs(version: str) -> Iterator[golden.GoldenInputs]:
    inputs = golden.golden_inputs(golden.SMALL[version])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs.model, "encode_image", ours.EncodeOnce(inputs.model.encode_image))
        yield inputs


def distance(output: np.ndarray, recorded: np.ndarray) -> float:
    """Of two samples, relative to the largest value of the recorded one."""
    return float(np.abs(output - recorded).max() / recorded[0])


def check_video(output: np.ndarray, recorded: np.ndarray) -> None:
    assert output.shape == recorded.shape
    assert ((output[:, 0] > 0) == (recorded[:, 0] > 0)).all()
    assert output[:, 0] == pytest.approx(recorded[:, 0], rel=LOGITS_LIMIT, abs=LOGITS_LIMIT)
    assert max(distance(a[1:], b[1:]) for a, b in zip(output, recorded)) <= LOGITS_LIMIT


def test_every_module_equals_the_reference(version: str, inputs: golden.GoldenInputs) -> None:
    outputs = ours.modules(inputs.model, inputs.modules)
    assert len(outputs) > 40
    far = {
        name: distance(golden.sample(output), GOLDEN[f"{version}/{name}"])
        for name, output in outputs.items()
        if distance(golden.sample(output), GOLDEN[f"{version}/{name}"]) > MODULE_LIMIT
    }
    assert not far


@pytest.mark.parametrize("name", VIDEOS)
def test_tracking_a_video_equals_the_reference(version: str, inputs: golden.GoldenInputs, name: str) -> None:
    (scenario,) = [scenario for scenario in inputs.videos if scenario.name == name]
    check_video(golden.sample_video(ours.track(inputs.model, scenario)), GOLDEN[f"{version}/{name}"])


def test_an_absence_equals_the_reference(version: str) -> None:
    inputs = golden.golden_inputs(golden.SMALL[version])
    ours.shift_occlusion(inputs.model, float(GOLDEN[f"{version}/shift"]))
    recorded = GOLDEN[f"{version}/{inputs.absence.name}"]
    assert 2 <= (recorded[:, 0] > 0).sum() <= len(recorded) - 2
    check_video(golden.sample_video(ours.track(inputs.model, inputs.absence)), recorded)


def test_all_videos_are_recorded(inputs: golden.GoldenInputs) -> None:
    assert [scenario.name for scenario in inputs.videos] == VIDEOS


def test_other_weights_exceed_the_limit(version: str, inputs: golden.GoldenInputs) -> None:
    other = seeded_model(golden.SMALL[version], seed=1)
    outputs = ours.modules(other, inputs.modules)
    for name in ("neck stride 16", "memory attention", "decoder choice, click", "memory encoder, tracked"):
        assert distance(golden.sample(outputs[name]), GOLDEN[f"{version}/{name}"]) > 100 * MODULE_LIMIT


# ---- single images


@pytest.fixture(scope="module")
def picture(version: str) -> np.ndarray:
    return golden.golden_picture(golden.SMALL[version].image_size)


def test_prompts_on_an_image_have_the_reference_outputs(version: str, picture: np.ndarray) -> None:
    outputs = images.our_images(seeded_model(golden.SMALL[version]), picture)
    assert len(outputs) == 12
    for name, output in outputs.items():
        recorded = GOLDEN[f"{version}/{name}"]
        sampled = golden.sample_image(output)
        assert sampled.shape == recorded.shape == ((3 if "three" in name else 1), 66)
        assert sampled[:, 0] == pytest.approx(recorded[:, 0], abs=1e-4)
        assert max(distance(a[1:], b[1:]) for a, b in zip(sampled, recorded)) <= LOGITS_LIMIT


@pytest.mark.parametrize("name", images.GENERATORS)
def test_everything_in_an_image_is_what_the_reference_finds(version: str, picture: np.ndarray, name: str) -> None:
    found = images.our_segments(seeded_model(golden.SMALL[version]), picture, images.GENERATORS[name])
    numbers = GOLDEN[f"{version}/{name}/numbers"]
    size = picture.shape[:2]
    masks = np.unpackbits(GOLDEN[f"{version}/{name}/masks"], count=len(numbers) * size[0] * size[1])
    assert len(found) == len(numbers) > 1
    for mask, (predicted_iou, stability_score, *click) in zip(masks.reshape(-1, *size).astype(bool), numbers):
        best = max(found, key=lambda segment: mask_iou(segment.mask, mask))
        assert mask_iou(best.mask, mask) > 0.99
        assert best.predicted_iou == pytest.approx(predicted_iou, abs=1e-4)
        assert best.stability_score == pytest.approx(stability_score, abs=0.01)
        assert best.point == pytest.approx(click, abs=1e-3)
