"""Where official checkpoints are, and where they are kept."""

from pathlib import Path

import pytest

from sam2_ros.model.download import DOWNLOADS, cached_path


def test_checkpoints_are_kept_in_the_cache_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SAM2_ROS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cached_path("sam2_hiera_tiny") == tmp_path / "sam2_ros" / "sam2_hiera_tiny.pt"
    monkeypatch.setenv("SAM2_ROS_CACHE", str(tmp_path / "own"))
    assert cached_path("sam2_hiera_tiny") == tmp_path / "own" / "sam2_hiera_tiny.pt"


def test_every_official_checkpoint_has_an_address_and_a_digest() -> None:
    for name, download in DOWNLOADS.items():
        assert download.url.startswith("https://") and download.url.endswith(f"/{name}.pt")
        assert len(bytes.fromhex(download.sha256)) == 32
    assert len({download.sha256 for download in DOWNLOADS.values()}) == 8
