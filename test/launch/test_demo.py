"""The demo's launch file: parameters and remappings of its three programs."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("launch_ros.actions", reason="needs `launch` and `launch_ros` of a ROS 2 distribution")

LAUNCH = Path(__file__).resolve().parents[2] / "launch" / "demo.launch.py"

# Stands for each of the programs: writes down its command line, and its parameters where launch gave them.
PROGRAM = f"""#!{sys.executable}
import pathlib, sys, time
files = [pathlib.Path(after).read_text() for word, after in zip(sys.argv, sys.argv[1:]) if word == "--params-file"]
pathlib.Path(sys.argv[0] + ".arguments").write_text(" ".join(sys.argv))
pathlib.Path(sys.argv[0] + ".yaml").write_text(files[-1])
time.sleep(2.0)
"""

LAUNCHER = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

arguments = [text.split(":=", 1) for text in sys.argv[2:]]
service = LaunchService()
source = PythonLaunchDescriptionSource(sys.argv[1])
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments)]))
service.run()
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs, once the launch file has started all of them."""
    prefix = tmp_path_factory.mktemp("prefix")
    index, folder = prefix / "share" / "ament_index" / "resource_index" / "packages", prefix / "lib" / "sam2_ros"
    for path in (index, folder):
        path.mkdir(parents=True)
    (index / "sam2_ros").touch()
    for name in ("tracker", "player", "recorder"):
        (folder / name).write_text(PROGRAM)
        (folder / name).chmod(0o755)
    arguments = ["video:=2024", "detections:=boxes.json", "output:=007", "rate:=15"]
    environment = os.environ | {"AMENT_PREFIX_PATH": f"{prefix}:{os.environ['AMENT_PREFIX_PATH']}"}
    subprocess.run([sys.executable, "-c", LAUNCHER, str(LAUNCH), *arguments], env=environment, check=True, timeout=120)
    return folder


def parameters(file: Path) -> dict[str, Any]:
    (node,) = yaml.safe_load(file.read_text()).values()
    return node["ros__parameters"]


def test_the_detections_file_is_passed_to_the_player_only(programs: Path) -> None:
    assert parameters(programs / "player.yaml")["detections"] == "boxes.json"
    assert "boxes.json" not in (programs / "tracker.arguments").read_text()
    assert "detections:=" not in (programs / "tracker.arguments").read_text()


def test_names_that_look_like_numbers_stay_strings(programs: Path) -> None:
    assert parameters(programs / "player.yaml")["video"] == "2024"
    assert parameters(programs / "recorder.yaml") == {"output": "007", "rate": 15.0}
