""".ci/setup.sh names what a machine lacks and how to get it, before it changes anything."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
VARIABLES = ("ROS_DISTRO", "ROS", "TORCH", "PYTHON")  # that choose what is set up
TOOLS = ("cat", "dirname", "find", "flock", "g++", "make", "mkdir", "rm", "sha256sum", "sort", "uname")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A copy of the repository on a machine with nothing but what set-up needs: its programs are in `bin`."""
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    for folder in ("action", "msg", "srv"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for file in ("CMakeLists.txt", "package.xml", "setup.py", "setup.cfg"):
        shutil.copy(ROOT / file, tmp_path)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None, f"these tests need {tool}"
        (tmp_path / "bin" / tool).symlink_to(found)
    add_program(tmp_path, "python3", f'exec {sys.executable} "$@"')
    return tmp_path


def add_program(machine: Path, name: str, script: str) -> None:
    path = machine / "bin" / name
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def set_up(machine: Path, **variables: str) -> str:
    """Runs the set-up, which has to fail; what it says."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment |= {"PATH": str(machine / "bin"), **variables}
    done = subprocess.run(
        ["/bin/bash", str(machine / ".ci" / "setup.sh")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr


@pytest.mark.parametrize(("tool", "package"), [("g++", "g++"), ("make", "make"), ("python3", "python3")])
def test_a_missing_tool_is_named_with_the_package_that_brings_it(machine: Path, tool: str, package: str) -> None:
    (machine / "bin" / tool).unlink()
    said = set_up(machine)
    assert "missing: " in said and tool in said
    assert f"sudo apt install {package}\n" in said
    assert not (machine / ".venv").exists()


@pytest.mark.parametrize(("module", "package"), [("ensurepip", "python3-venv"), ("Python.h", "python3-dev")])
def test_a_missing_part_of_python_is_named_with_its_package(machine: Path, module: str, package: str) -> None:
    add_program(machine, "python3", f'case "$*" in *{module}*) exit 1;; esac; exec {sys.executable} "$@"')
    assert f"sudo apt install {package}\n" in set_up(machine)


def test_everything_that_is_missing_is_named_at_once(machine: Path) -> None:
    for tool in ("g++", "make"):
        (machine / "bin" / tool).unlink()
    assert "sudo apt install g++ make\n" in set_up(machine)


def test_another_version_of_python_is_refused(machine: Path) -> None:
    old = "import sys; sys.version_info = (3, 9); exec(sys.argv.pop(1))"
    add_program(machine, "python3", f'exec {sys.executable} -c "{old}" "$2"')
    said = set_up(machine)
    assert "3.10 to 3.14 is needed" in said
    assert "make setup PYTHON=" in said


def test_a_machine_without_wheels_is_sent_to_a_ros_distribution(machine: Path) -> None:
    add_program(machine, "uname", "echo Linux aarch64")
    said = set_up(machine)
    assert "Linux aarch64" in said
    assert "install a ROS 2 distribution" in said


def test_colcon_is_asked_for_where_ros_is_sourced(machine: Path) -> None:
    said = set_up(machine, ROS_DISTRO="jazzy", AMENT_PREFIX_PATH="/opt/ros/jazzy")
    assert "sudo apt install python3-colcon-common-extensions\n" in said


def test_an_index_out_of_reach_is_named_and_tried_again_the_next_time(machine: Path) -> None:
    for _ in range(2):
        said = set_up(machine, TORCH="torch==2.13.0", PIP_NO_INDEX="1", PIP_FIND_LINKS="")
        assert "pip could not install torch==2.13.0" in said
        assert "is the package index reachable" in said


def test_a_log_has_errors_of_pip_and_none_of_its_warnings(machine: Path) -> None:
    said = set_up(machine, TORCH="torch==2.13.0", PIP_NO_INDEX="1", PIP_FIND_LINKS="/nowhere/wheels")
    assert "ERROR: " in said
    assert "WARNING" not in said and "ignored" not in said


@pytest.mark.parametrize("package", ["vision_msgs", "tf2_msgs"])
@pytest.mark.parametrize(("is_there", "said"), [(True, ""), (False, "built test/{package}\n")])
def test_messages_that_the_index_lacks_are_never_built_beside_real_ones(
    tmp_path: Path, package: str, is_there: bool, said: str
) -> None:
    (tmp_path / "bin").mkdir()
    add_program(tmp_path, "python", f"exit {0 if is_there else 1}")
    text = (ROOT / ".ci" / "setup.sh").read_text()
    steps = text[text.index("vision_msgs() {") :].split("\n}\n")[0] + "\n}"
    script = f"set -euo pipefail; venv={tmp_path}; build_messages() {{ echo built $1; }}\n{steps}\n{package}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, said.format(package=package)), done.stderr


def test_wheels_of_an_unknown_distribution_are_refused(machine: Path) -> None:
    said = set_up(machine, ROS="humble")
    assert "there are no wheels of ROS=humble" in said
    assert "choose kilted or jazzy" in said


def test_wheels_are_not_chosen_where_a_distribution_is_sourced(machine: Path) -> None:
    add_program(machine, "colcon", "exit 0")
    said = set_up(machine, ROS="jazzy", ROS_DISTRO="humble", AMENT_PREFIX_PATH="/opt/ros/humble")
    assert "ROS=jazzy chooses wheels, but ROS 2 humble is sourced" in said


def test_each_distribution_of_wheels_has_an_environment_of_its_own() -> None:
    script = 'source .ci/wheels.sh; echo "$wheels ${venv#$PWD/}"'
    environment = {name: value for name, value in os.environ.items() if name != "ROS"}
    for ros, expected in (("", "kilted .venv"), ("kilted", "kilted .venv"), ("jazzy", "jazzy .venv-jazzy")):
        done = subprocess.run(
            ["bash", "-euc", script],
            cwd=ROOT,
            env=environment | {"ROS": ros},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == f"{expected}\n"
