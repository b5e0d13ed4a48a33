"""Dependencies point one way: cli -> node -> media -> tracking -> model, and only the node knows ROS."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "sam2_ros"

# What each part may import, besides the standard library and itself
ALLOWED = {
    "model": {"torch", "numpy", "safetensors", "requests", "tqdm"},
    "tracking": {"torch", "numpy", "cv2", "sam2_ros.model"},
    "detection": {"numpy", "scipy", "sam2_ros.tracking"},
    "depth": {"numpy", "cv2", "sam2_ros.tracking"},
    "media": {"numpy", "cv2", "av", "matplotlib", "PIL", "cv_bridge", "sam2_ros.tracking"},
    "segmentation": {"torch", "numpy", "cv2", "sam2_ros.model", "sam2_ros.tracking"},
    "text": {"torch", "numpy", "sam2_ros.tracking", "sam2_ros.detection", "sam2_ros.segmentation"},
    "recordings": {
        *("numpy", "cv2", "matplotlib", "yaml", "rosbags", "mcap", "pycocotools", "ray"),
        *("sam2_ros.model", "sam2_ros.tracking", "sam2_ros.detection", "sam2_ros.text", "sam2_ros.media"),
    },
    "panel": {"numpy", "cv2", "aiohttp", "sam2_ros.tracking", "sam2_ros.media"},
    "export": {"torch", "onnxruntime", "sam2_ros.model"},
    "synthetic": {
        *("numpy", "cv2", "scipy", "tqdm", "skimage", "PIL", "mujoco"),
        *("sam2_ros.tracking", "sam2_ros.media"),
    },
    "training": {
        *("torch", "numpy", "cv2", "scipy", "tqdm", "matplotlib", "safetensors", "PIL", "pycocotools"),
        *("sam2_ros.model", "sam2_ros.tracking", "sam2_ros.media", "sam2_ros.synthetic"),
    },
}
SHARED = {"sam2_ros.files", "sam2_ros.optional", "sam2_ros.__version__"}  # small helpers without dependencies
ABOVE_NODE = {"sam2_ros.cli", "sam2_ros.training", "sam2_ros.synthetic"}
ROS = {
    *("rclpy", "ament_index_python", "cv_bridge", "message_filters", "tf2_ros"),
    *("sam2_ros.action", "sam2_ros.msg", "sam2_ros.srv"),
}

NODES = (PACKAGE / "node", PACKAGE / "panel" / "node")  # the panel's node is a part of the panel

MAY_IMPORT_ROS = {
    PACKAGE / "benchmark" / "overhead.py",
    PACKAGE / "benchmark" / "panel.py",
    PACKAGE / "media" / "ros_images.py",  # cv_bridge, where it is installed, for encodings that are unknown here
}


def imports(path: Path) -> Iterator[str]:
    """The absolute names of what a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = path.relative_to(PACKAGE.parent).parts[: -node.level] if node.level else ()
            origin = ".".join([*parents, *filter(None, [node.module])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def part(name: str) -> str:
    """What an import belongs to: sam2_ros.model for sam2_ros.model.hiera, torch for torch.nn."""
    pieces = name.split(".")
    return ".".join(pieces[: 2 if pieces[0] == "sam2_ros" else 1])


def sources(folder: str) -> list[Path]:
    return sorted((PACKAGE / folder).rglob("*.py"))


def is_of_a_node(path: Path) -> bool:
    return any(path.is_relative_to(node) for node in NODES)


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_part_imports_only_what_lies_below_it(folder: str) -> None:
    assert sources(folder)
    allowed = ALLOWED[folder] | SHARED | {f"sam2_ros.{folder}"} | sys.stdlib_module_names
    stray = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in sources(folder)
        if not is_of_a_node(path)
        for name in imports(path)
        if part(name) not in allowed
    ]
    assert not stray


def test_only_the_nodes_and_the_measurement_of_their_overhead_import_ros() -> None:
    stray = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in sources(".")
        if not is_of_a_node(path) and path not in MAY_IMPORT_ROS
        for name in imports(path)
        if part(name) in ROS or part(name).endswith(("_msgs", "_srvs"))
    ]
    assert not stray


@pytest.mark.parametrize("folder", ["node", "panel"])
def test_a_node_imports_neither_the_command_line_nor_the_training(folder: str) -> None:
    assert sources(folder)
    assert not [path for path in sources(folder) if ABOVE_NODE & {part(name) for name in imports(path)}]


WITHOUT_ROS = (
    "sam2_ros.model",
    "sam2_ros.tracking",
    "sam2_ros.segmentation",
    "sam2_ros.text.loading",
    "sam2_ros.media",
    "sam2_ros.recordings.job",
    "sam2_ros.cli",
    "sam2_ros.cli.panel",
    "sam2_ros.panel.local_tracker",
    "sam2_ros.panel.server",
    "sam2_ros.benchmark.overhead",
    "sam2_ros.benchmark.panel",
)
# Each in a process of its own, all of which have imported PyTorch already.
IMPORT_EACH = """
import importlib, os, sys
import torch
sys.modules["rclpy"] = None
for module in sys.argv[1:]:
    child = os.fork()
    if not child:
        importlib.import_module(module)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"{module} is not imported without ROS")
"""


def test_what_needs_no_ros_is_imported_without_it() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_EACH, *WITHOUT_ROS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
