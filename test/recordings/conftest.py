"""Small recordings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .recorded import Entry, write_recording


@pytest.fixture
def write_bag(tmp_path: Path) -> Callable[..., Path]:
    """Writes entries into a folder `name`."""

    def write(*entries: Entry, name: str = "drive", **options: Any) -> Path:
        return write_recording(tmp_path / name, *entries, **options)

    return write
