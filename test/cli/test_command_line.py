"""The command `sam2_ros`: subcommands are found, and errors of the user are one line."""

import subprocess
import sys

import pytest

from sam2_ros.cli import COMMANDS, main


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["--help"])
    assert exited.value.code == 0
    listed = capsys.readouterr().out
    assert all(f"\n    {command}" in listed for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main([command, "--help"])
    assert exited.value.code == 0
    assert f"usage: sam2_ros {command}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["fly"], ["download"], ["download", "sam3"]])
def test_wrong_usage_ends_with_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    assert exited.value.code == 2
    assert "usage: sam2_ros" in capsys.readouterr().err


def test_an_expected_error_is_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parity", "--reference", "/nowhere", "--models", "nano"]) == 1
    message = capsys.readouterr().err
    assert message.startswith("sam2_ros parity: /nowhere is no checkout")
    assert message.count("\n") == 1


def test_a_checkpoint_is_downloaded_without_opencv_and_ros() -> None:
    program = (
        "import sys\n"
        "sys.modules.update(cv2=None, rclpy=None)\n"  # importing them fails
        "from sam2_ros.cli import main\n"
        "main(['download', '--help'])\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr


def test_the_package_runs_as_a_module() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "sam2_ros", "download", "sam3"], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 2
    assert "sam2.1_hiera_tiny" in result.stderr
