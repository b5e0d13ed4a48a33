"""Several training processes, as started by torchrun: on several devices, or sharing one."""

from __future__ import annotations

import os

import cv2
import torch
import torch.distributed as dist

from sam2_ros.training.errors import TrainingError


def join_ranks() -> tuple[int, int]:
    """This process's rank and the number of ranks, as torchrun says in the environment.

    Raises TrainingError if the environment is incomplete, or PyTorch was built without torch.distributed.
    """
    if "RANK" not in os.environ:
        return 0, 1
    if not dist.is_available():
        raise TrainingError("this PyTorch is built without torch.distributed: start one process, without torchrun")
    missing = [name for name in ("WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise TrainingError(f"RANK is set, but not {', '.join(missing)}: start several processes with torchrun")
    cv2.setNumThreads(1)
    if not dist.is_initialized():
        has_own_gpu = torch.cuda.device_count() >= local_ranks()
        dist.init_process_group("nccl" if has_own_gpu else "gloo")
    return dist.get_rank(), dist.get_world_size()


def local_ranks() -> int:
    """How many ranks share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def any_rank(value: bool, ranks: int) -> bool:
    """Whether `value` is true on any rank."""
    if ranks == 1:
        return value
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    flag = torch.tensor(float(value), device=device)
    dist.all_reduce(flag, dist.ReduceOp.MAX)
    return bool(flag.item())


def average_gradients(parameters: list[torch.nn.Parameter], ranks: int) -> None:
    """Replace every gradient by its mean over the ranks, in one exchange; an unused parameter counts as zero."""
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    means = (flat / ranks).split([gradient.numel() for gradient in gradients])
    for gradient, mean in zip(gradients, means):
        gradient.copy_(mean.view_as(gradient))
