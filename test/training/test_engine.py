"""A training can be interrupted at any time and resumes exactly; several processes may share it."""

import os
import pickle
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sam2_ros.model import CheckpointError, save_weights, seeded_model
from sam2_ros.optional import MissingLibraryError
from sam2_ros.synthetic.pictures import Pictures
from sam2_ros.tracking import device as device_module
from sam2_ros.training import engine, metric_logger
from sam2_ros.training.batches import TrainingBatch, training_batches
from sam2_ros.training.data import Clips, ClipStore
from sam2_ros.training.engine import learning_rate, train
from sam2_ros.training.errors import TrainingError, TrainingStopped
from sam2_ros.training.recipe import BatchSpec, Recipe, Stage
from sam2_ros.training.state import TrainingState, replace_file
from sam2_ros.training.stop import StopRequest

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


@pytest.mark.parametrize(
    ("cpu_has_bfloat16", "image_size", "is_low"), [(True, 256, True), (True, 128, False), (False, 256, False)]
)
def test_a_cpu_with_bfloat16_instructions_trains_on_large_images_in_bfloat16(
    cpu_has_bfloat16: bool, image_size: int, is_low: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_module, "has_bfloat16", lambda cpuinfo: cpu_has_bfloat16)
    with engine._precision(CPU, image_size):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype is (torch.bfloat16 if is_low else torch.float32)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "use_muon"), [(signal.SIGINT, False), (signal.SIGTERM, True)])
def test_a_training_that_was_stopped_resumes_to_the_same_weights(
    store: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, use_muon: bool
) -> None:
    recipe = replace(RECIPE, use_muon=use_muon)
    whole = load_file(train(recipe, store, tmp_path / "whole", CPU))

    with monkeypatch.context() as patch:
        patch.setattr(engine, "_step", stopped_at(2, number))
        with pytest.raises(TrainingStopped) as stopped:
            train(recipe, store, tmp_path / "stopped", CPU)
    assert (stopped.value.step, stopped.value.signal) == (3, number)
    assert signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL)
    resumed = load_file(train(recipe, store, tmp_path / "stopped", CPU))
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def stopped_at(step: int, number: signal.Signals) -> Callable[..., object]:
    """The engine's step, during which the signal arrives at `step`."""
    original = engine._step

    def wrapped(recipe: Recipe, batches: object, state: TrainingState, *others: object) -> object:
        if state.step == step:
            signal.raise_signal(number)
        return original(recipe, batches, state, *others)  # type: ignore[arg-type]

    return wrapped


def test_a_second_signal_stops_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), StopRequest() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.signal == signal.SIGINT
        signal.raise_signal(signal.SIGINT)


def test_a_training_starts_with_a_later_stage_and_warms_up_again(store: ClipStore, tmp_path: Path) -> None:
    start = tmp_path / "start.safetensors"
    save_weights(seeded_model("nano", seed=3), start, torch.float32)
    train(RECIPE, store, tmp_path / "run", CPU, start, first_stage=1)
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    assert (state["first_step"], state["step"]) == (2, 4)
    recipe = replace(RECIPE, stages=(Stage(102, 64, (BatchSpec(1, 2),)),))
    assert learning_rate(recipe, 52, first_step=52) == pytest.approx(0.505e-3 / 2)
    assert learning_rate(recipe, 54, first_step=52) == learning_rate(recipe, 54)


@pytest.mark.slow
def test_two_processes_learn_from_the_mean_of_their_gradients(
    store: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal to one process that accumulates the gradients of both ranks; a signal for one rank stops both."""
    two_steps = replace(ONE_STEP, stages=(replace(ONE_STEP.stages[0], steps=2),))
    (tmp_path / "recipe.pickle").write_bytes(pickle.dumps(two_steps))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    worker = Path(__file__).with_name("torchrun_worker.py")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*torchrun, worker, tmp_path / "recipe.pickle"], check=True, env=environment)

    train(ONE_STEP, store, tmp_path / "one_rank", CPU)

    def of_both_ranks(recipe: Recipe, clips: Clips, step: int, rank: int, num_workers: int) -> Iterator[TrainingBatch]:
        first, second = (training_batches(ONE_STEP, clips, step, each) for each in range(2))
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
    torch.save({"model_name": "nano", "recipe": "short", "step": 1, "optimizers": []}, tmp_path / "state.pt")
    with pytest.raises(TrainingError, match="earlier version: choose another folder"):
        train(RECIPE, store, tmp_path, CPU)


def test_a_full_disk_leaves_the_earlier_state_and_is_named(store: ClipStore, tmp_path: Path) -> None:
    train(ONE_STEP, store, tmp_path, CPU)
    earlier = (tmp_path / "state.pt").read_bytes()
    (tmp_path / "state.pt.partial").symlink_to("/dev/full")
    with pytest.raises(TrainingError, match="cannot write .*state.pt .*free some space and run the same com") as full:
        train(replace(ONE_STEP, stages=(replace(ONE_STEP.stages[0], steps=2),)), store, tmp_path, CPU)
    assert len(str(full.value).splitlines()) == 1
    assert (tmp_path / "state.pt").read_bytes() == earlier
    assert not (tmp_path / "state.pt.partial").is_symlink()


def test_a_full_disk_leaves_the_earlier_weights_and_is_named(tmp_path: Path) -> None:
    file = tmp_path / "nano.safetensors"
    file.write_bytes(b"earlier weights")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(TrainingError, match="cannot write .*nano.safetensors"):
            replace_file(file, lambda partial: save_weights(seeded_model("nano", seed=3), partial))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"earlier weights"]


def test_a_full_disk_under_the_curves_is_named(
    store: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metric_logger, "REPORT_EVERY", 1)
    (tmp_path / "curve.csv").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device.*curve.csv"):
        train(ONE_STEP, store, tmp_path, CPU)


def test_the_disk_space_it_needs_is_printed_before_the_first_step(
    store: ClipStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(ONE_STEP, store, tmp_path / "run", CPU)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "disk space" in line]
    assert line.startswith(f"{tmp_path / 'run'}: needs 0.") and line.endswith("GB are free")


def test_too_little_disk_space_is_refused_before_the_first_step(tmp_path: Path) -> None:
    huge = ClipStore(tmp_path / "clips", Pictures(), seed=1, count=10**6, frames=100, size=128)  # 6.5 TB, sparse
    with pytest.raises(TrainingError, match="needs 65.* GB .*free some, choose another folder with --out, or fewer"):
        train(ONE_STEP, huge, tmp_path / "run", CPU)


def test_without_tensorboard_one_line_says_how_to_install_it(
    store: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingLibraryError, match="curves needs tensorboard: pip install -e '.\\[train\\]'"):
        train(ONE_STEP, store, tmp_path, CPU)


def test_a_rank_without_the_others_is_refused(
    store: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "0")
    for name in ("WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(TrainingError, match="RANK is set, but not WORLD_SIZE, MASTER_ADDR, MASTER_PORT"):
        train(ONE_STEP, store, tmp_path, CPU)


@pytest.mark.parametrize("content", [b"", b"no state", b"PK half a state"])
def test_a_file_that_is_no_state_is_refused(store: ClipStore, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.pt").write_bytes(content)
    with pytest.raises(TrainingError, match="state.pt is not the state of a training"):
        train(RECIPE, store, tmp_path, CPU)


def test_a_loss_that_is_not_finite_stops_the_training(store: ClipStore, tmp_path: Path) -> None:
    train(replace(RECIPE, stages=(Stage(1, 64, (BatchSpec(1, 1),)),)), store, tmp_path, CPU)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    state["weights"]["image_encoder.trunk.patch_embed.proj.weight"].fill_(float("nan"))
    torch.save(state, tmp_path / "state.pt")
    with pytest.raises(TrainingError, match="loss of step 1 is nan"):
        train(replace(RECIPE, stages=(Stage(2, 64, (BatchSpec(1, 1),)),)), store, tmp_path, CPU)


def test_fine_tuning_starts_from_a_checkpoint_and_keeps_frozen_parameters(store: ClipStore, tmp_path: Path) -> None:
    start = tmp_path / "start.safetensors"
    save_weights(seeded_model("nano", seed=3), start, torch.float32)
    recipe = replace(RECIPE, stages=(Stage(2, 64, (BatchSpec(2, 1),)),), frozen_prefixes=("image_encoder.",))
    train(recipe, store, tmp_path / "run", CPU, start)
    before = load_file(start)
    after = torch.load(tmp_path / "run" / "state.pt", weights_only=True)["weights"]
    frozen = [key for key in before if key.startswith(recipe.frozen_prefixes)]
    assert frozen and all(torch.equal(before[key], after[key]) for key in frozen)
    moved = (before["memory_encoder.out_proj.weight"] - after["memory_encoder.out_proj.weight"]).abs().max()
    assert 0 < moved < 0.01


def test_a_frozen_module_that_the_model_lacks_is_refused(store: ClipStore, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no parameter of nano starts with trunk."):
        train(replace(RECIPE, frozen_prefixes=("trunk.",)), store, tmp_path, CPU)


def test_weights_of_another_model_are_refused(store: ClipStore, tmp_path: Path) -> None:
    torch.save({"model": {"foreign": torch.zeros(1)}}, tmp_path / "foreign.pt")
    with pytest.raises(CheckpointError, match="no weights of SAM 2: it has 1 tensors, such as foreign"):
        train(RECIPE, store, tmp_path / "run", CPU, tmp_path / "foreign.pt")
