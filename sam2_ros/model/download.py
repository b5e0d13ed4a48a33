"""Official checkpoints: where they can be downloaded, and where they are kept."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Download:
    """A file on a server."""

    url: str
    sha256: str


def _official(folder: str, stem: str, sha256: str) -> Download:
    return Download(f"https://dl.fbaipublicfiles.com/segment_anything_2/{folder}/{stem}.pt", sha256)


DOWNLOADS: dict[str, Download] = {
    stem: _official(folder, stem, sha256)
    for folder, stem, sha256 in (
        ("092824", "sam2.1_hiera_tiny", "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69"),
        ("092824", "sam2.1_hiera_small", "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38"),
        (
            "092824",
            "sam2.1_hiera_base_plus",
            "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
        ),
        ("092824", "sam2.1_hiera_large", "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318"),
        ("072824", "sam2_hiera_tiny", "65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125"),
        ("072824", "sam2_hiera_small", "95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3"),
        (
            "072824",
            "sam2_hiera_base_plus",
            "d0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071",
        ),
        ("072824", "sam2_hiera_large", "7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b"),
    )
}


def cache_folder() -> Path:
    """Where what can be had again is kept: $SAM2_ROS_CACHE, else the user's cache folder."""
    root = os.environ.get("SAM2_ROS_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "sam2_ros"
    return Path(root).expanduser()


def cached_path(name: str) -> Path:
    """Where the official checkpoint of that name is kept."""
    return cache_folder() / f"{name}.pt"
