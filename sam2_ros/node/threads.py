"""How the threads of an operation on a CPU wait for each other."""

from __future__ import annotations

import os


def wait_passively() -> None:
    """Let threads sleep until the others of their operation are done; call this before PyTorch is imported.

    By default they spin meanwhile. Where other processes need the cores, that keeps the very thread from running that
    they wait for, and an image takes seconds. What the environment says of OMP_WAIT_POLICY stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
