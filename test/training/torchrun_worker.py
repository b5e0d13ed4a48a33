"""Trains the pickled recipe FILE as one of several processes of torchrun; rank 1 gets SIGTERM in the first step."""

import os
import pickle
import signal
import sys
from pathlib import Path

import torch

from sam2_ros.synthetic.pictures import Pictures
from sam2_ros.training import engine
from sam2_ros.training.data import ClipStore
from sam2_ros.training.engine import train
from sam2_ros.training.errors import TrainingStopped

file, rank = Path(sys.argv[1]), os.environ["RANK"]
store = ClipStore(file.parent / "clips", Pictures(), seed=1, count=4, frames=3, size=96)
step = engine._step


def stopped_step(*args: object) -> object:
    if rank == "1":
        signal.raise_signal(signal.SIGTERM)
    return step(*args)  # type: ignore[arg-type]


engine._step = stopped_step  # type: ignore[assignment]
try:
    train(pickle.loads(file.read_bytes()), store, file.parent / f"rank{rank}", torch.device("cpu"))
except TrainingStopped as stopped:
    assert stopped.step == 1
else:
    sys.exit("was not stopped")
torch.distributed.destroy_process_group()
