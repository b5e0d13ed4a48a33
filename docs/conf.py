"""Sphinx's configuration. `make docs` builds the pages into build/docs; docs.ros.org builds them with rosdoc2."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.ext.autodoc.mock import mock

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

# Needed to import the package, but not to document it: what is not installed is replaced.
OPTIONAL = (
    "rclpy",
    "rcl_interfaces",
    "torch",
    "cv2",
    "av",
    "numpy",
    "matplotlib",
    "PIL",
    "scipy",
    "safetensors",
    "tqdm",
)


def is_missing(name: str) -> bool:
    """Whether a module cannot be imported."""
    try:
        importlib.import_module(name)
    except ImportError:
        return True
    return False


autodoc_mock_imports = [name for name in OPTIONAL if is_missing(name)]

project = "sam2_ros"
author = "The sam2_ros authors"
copyright = "The sam2_ros authors, Apache-2.0"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["generated"]  # included by other pages
html_theme = "furo"
html_title = "sam2_ros"
nitpicky = False
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3


def generate_pages(app: Sphinx) -> None:
    """Writes the parts of pages that are made from the code."""
    import generate

    folder = ROOT / "docs" / "generated"
    folder.mkdir(exist_ok=True)
    with mock(autodoc_mock_imports):
        for name, text in generate.pages(ROOT).items():
            (folder / f"{name}.md").write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", generate_pages)
