"""A training can be interrupted at any time and resumes exactly; several processes may share it."""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sam2_ros.model import CheckpointError, save_weights, seeded_model
from sam2_ros.synthetic.pictures import Pictures
from sam2_ros.tracking import device as device_module
from sam2_ros.training import engine
from sam2_ros.training.batches import TrainingBatch
from sam2_ros.training.data import Clips, ClipStore
from sam2_ros.training.engine import TrainingError, learning_rate, train
from sam2_ros.training.recipe import BatchSpec, Recipe, Stage

CPU = torch.device("cpu")
RECIPE = Recipe(
    "short",
    "nano",
    (Stage(2, 64, (BatchSpec(1, 2),)), Stage(2, 96, (BatchSpec(2, 1), BatchSpec(1, 2)))),
    learning_rate=1e-3,
    synthetic_clips=4,
    warmup_steps=2,
)
ONE_STEP = replace(RECIPE, stages=(Stage(1, 64, (BatchSpec(1, 2),)),), weight_decay=0.0)


@pytest.fixture
def store(tmp_path: Path) -> ClipStore:
    return ClipStore(tmp_path / "clips", Pictures(), seed=1, count=4, frames=3, size=96)


def test_the_learning_rate_warms_up_and_falls_to_a_hundredth() -> None:
    recipe = replace(RECIPE, stages=(Stage(102, 64, (BatchSpec(1, 2),)),))
    rates = [learning_rate(recipe, step) for step in (0, 1, 2, 52, 102)]
    assert rates == pytest.approx([5e-4, 1e-3, 1e-3, 0.505e-3, 1e-5])


def test_the_learning_rate_is_constant_until_it_decays() -> None:
    recipe = replace(RECIPE, stages=(Stage(102, 64, (BatchSpec(1, 2),)),), decay_fraction=0.4)
    rates = [learning_rate(recipe, step) for step in (0, 1, 30, 62, 82, 102)]
    assert rates == pytest.approx([5e-4, 1e-3, 1e-3, 1e-3, 0.505e-3, 1e-5])


def test_stages_follow_one_another() -> None:
    assert [RECIPE.stage_at(step).image_size for step in range(4)] == [64, 64, 96, 96]


@pytest.mark.parametrize(("gain", "image_size", "is_low"), [(2.3, 256, True), (2.3, 128, False), (0.6, 256, False)])
def test_a_cpu_trains_on_large_images_in_bfloat16_where_that_is_faster(
    gain: float, image_size: int, is_low: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_module, "_gain_of_bfloat16", lambda: gain)
    with engine._precision(CPU, image_size):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype is (torch.bfloat16 if is_low else torch.float32)


@pytest.mark.parametrize("use_muon", [False, True])
def test_a_resumed_training_ends_with_the_same_weights(
    store: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use_muon: bool
) -> None:
    monkeypatch.setattr(engine, "SAVE_EVERY", 1)
    recipe = replace(RECIPE, use_muon=use_muon)
    whole = load_file(train(recipe, store, tmp_path / "whole", CPU))

    real_step, done = engine._step, []

    def interrupted_at_the_third(*args: object) -> object:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(True)
        return real_step(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "_step", interrupted_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, store, tmp_path / "interrupted", CPU)
    monkeypatch.setattr(engine, "_step", real_step)
    resumed = load_file(train(recipe, store, tmp_path / "interrupted", CPU))
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "state.pt", weights_only=True)["weights"]


def test_two_processes_learn_from_the_mean_of_their_gradients(
    store: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal to one process that accumulates the gradients of both ranks' batches."""
    (tmp_path / "recipe.pickle").write_bytes(pickle.dumps(ONE_STEP))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    worker = Path(__file__).with_name("torchrun_worker.py")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*torchrun, worker, tmp_path / "recipe.pickle"], check=True, env=environment)

    train(ONE_STEP, store, tmp_path / "one_rank", CPU)
    original = engine.training_batches

    def of_both_ranks(recipe: Recipe, clips: Clips, step: int, rank: int, num_workers: int) -> Iterator[TrainingBatch]:
        first, second = (original(ONE_STEP, clips, step, each) for each in range(2))
        return chain.from_iterable(zip(first, second))

    monkeypatch.setattr(engine, "training_batches", of_both_ranks)
    both = replace(ONE_STEP, stages=(replace(ONE_STEP.stages[0], accumulation_steps=2),))
    train(both, store, tmp_path / "both_ranks", CPU)

    together, alone, accumulated = (_weights(tmp_path / name) for name in ("rank0", "one_rank", "both_ranks"))
    # In AdamW's first step a gradient that is nearly zero counts as much as any: a few weights depend on rounding.
    assert _distance(together, accumulated) < 1e-6 < 1e-5 < _distance(together, alone)


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "state.pt", weights_only=True)["weights"]


def _distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    return torch.cat([(a[key] - b[key]).abs().flatten() for key in a]).mean().item()


def test_a_state_of_another_model_is_refused(store: ClipStore, tmp_path: Path) -> None:
    torch.save({"model_name": "sam2.1_hiera_tiny"}, tmp_path / "state.pt")
    with pytest.raises(TrainingError, match="sam2.1_hiera_tiny, expected nano"):
        train(RECIPE, store, tmp_path, CPU)


def test_a_state_of_another_recipe_is_refused(store: ClipStore, tmp_path: Path) -> None:
    torch.save({"model_name": "nano", "recipe": "long"}, tmp_path / "state.pt")
    with pytest.raises(TrainingError, match="recipe long, expected short: choose another folder"):
        train(RECIPE, store, tmp_path, CPU)


def test_a_state_of_an_earlier_version_is_refused(store: ClipStore, tmp_path: Path) -> None:
    torch.save({"model_name": "nano", "recipe": "short", "step": 1, "optimizer": {}}, tmp_path / "state.pt")
    with pytest.raises(TrainingError, match="earlier version: choose another folder"):
        train(RECIPE, store, tmp_path, CPU)


def test_a_full_disk_leaves_the_earlier_state(
    store: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(replace(RECIPE, stages=(Stage(1, 64, (BatchSpec(1, 1),)),)), store, tmp_path / "run", CPU)
    earlier = (tmp_path / "run" / "state.pt").read_bytes()

    def full(state: object, file: Path) -> None:
        file.write_bytes(b"half a state")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TrainingError, match="make room"):
        train(replace(RECIPE, stages=(Stage(2, 64, (BatchSpec(1, 1),)),)), store, tmp_path / "run", CPU)
    assert (tmp_path / "run" / "state.pt").read_bytes() == earlier
    assert not list((tmp_path / "run").glob("*.partial"))


def test_a_loss_that_is_not_finite_stops_the_training(store: ClipStore, tmp_path: Path) -> None:
    train(replace(RECIPE, stages=(Stage(1, 64, (BatchSpec(1, 1),)),)), store, tmp_path, CPU)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    state["weights"]["trunk.patches.weight"].fill_(float("nan"))
    torch.save(state, tmp_path / "state.pt")
    with pytest.raises(TrainingError, match="loss of step 1 is nan"):
        train(replace(RECIPE, stages=(Stage(2, 64, (BatchSpec(1, 1),)),)), store, tmp_path, CPU)


def test_fine_tuning_starts_from_a_checkpoint_and_keeps_frozen_parameters(store: ClipStore, tmp_path: Path) -> None:
    start = tmp_path / "start.safetensors"
    save_weights(seeded_model("nano", seed=3), start, torch.float32)
    recipe = replace(RECIPE, stages=(Stage(2, 64, (BatchSpec(2, 1),)),), frozen_prefixes=("trunk.", "neck."))
    train(recipe, store, tmp_path / "run", CPU, start)
    before = load_file(start)
    after = torch.load(tmp_path / "run" / "state.pt", weights_only=True)["weights"]
    frozen = [key for key in before if key.startswith(recipe.frozen_prefixes)]
    assert frozen and all(torch.equal(before[key], after[key]) for key in frozen)
    moved = (before["memory_encoder.out.weight"] - after["memory_encoder.out.weight"]).abs().max()
    assert 0 < moved < 0.01


def test_weights_of_another_model_are_refused(store: ClipStore, tmp_path: Path) -> None:
    torch.save({"model": {"foreign": torch.zeros(1)}}, tmp_path / "foreign.pt")
    with pytest.raises(CheckpointError, match="unexpected foreign"):
        train(RECIPE, store, tmp_path / "run", CPU, tmp_path / "foreign.pt")
