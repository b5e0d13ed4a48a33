"""Trains the pickled recipe FILE as one of several processes that torchrun starts."""

import os
import pickle
import sys
from pathlib import Path

import torch

from sam2_ros.synthetic.pictures import Pictures
from sam2_ros.training.data import ClipStore
from sam2_ros.training.engine import train

file = Path(sys.argv[1])
store = ClipStore(file.parent / "clips", Pictures(), seed=1, count=4, frames=3, size=96)
train(pickle.loads(file.read_bytes()), store, file.parent / f"rank{os.environ['RANK']}", torch.device("cpu"))
torch.distributed.destroy_process_group()
