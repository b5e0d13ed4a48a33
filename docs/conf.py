"""Sphinx's configuration. `make docs` builds the pages into build/docs; docs.ros.org builds them with rosdoc2."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.ext.autodoc.mock import mock

# rosdoc2 builds a copy of this folder; its command line names the package.
_candidates = [*Path(__file__).resolve().parents, *(Path(os.environ.get("PWD", ".")) / word for word in sys.argv[1:])]
ROOT = next(folder.resolve() for folder in _candidates if (folder / "sam2_ros" / "__init__.py").is_file())
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

# Needed to import the package, but not to document it: what is not installed is replaced.
OPTIONAL = (
    *("rclpy", "rcl_interfaces", "torch", "cv2", "av", "numpy", "matplotlib", "PIL", "scipy", "safetensors"),
    *("tqdm", "requests"),
)


def is_missing(name: str) -> bool:
    """Whether a module cannot be imported."""
    try:
        importlib.import_module(name)
    except ImportError:
        return True
    return False


MISSING = [name for name in OPTIONAL if is_missing(name)]

project = "sam2_ros"
author = "The sam2_ros authors"
copyright = "The sam2_ros authors, Apache-2.0"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["generated"]  # included by other pages
html_theme = "furo"
html_title = "sam2_ros"
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3


def mock_missing(app: Sphinx, config: Config) -> None:
    """Not as a setting, which rosdoc2 overwrites."""
    config.autodoc_mock_imports = sorted({*config.autodoc_mock_imports, *MISSING})


def generate_pages(app: Sphinx) -> None:
    """Writes the parts of pages that are made from the code and from files outside of this folder."""
    import generate

    folder = Path(app.srcdir) / "generated"
    folder.mkdir(exist_ok=True)
    with mock(MISSING):
        for name, text in generate.pages(ROOT, with_commands=not {"torch", "numpy", "cv2"} & {*MISSING}).items():
            (folder / name).write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("config-inited", mock_missing)
    app.connect("builder-inited", generate_pages)
