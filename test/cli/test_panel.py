"""`sam2_ros panel` serves a video until a signal ends it; errors of the user are one line."""

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from sam2_ros.cli import main
from sam2_ros.media.video import DEMO_CLIP

COMMAND = [sys.executable, "-m", "sam2_ros", "panel"]


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_the_page_is_served_until_a_signal(kind: signal.Signals) -> None:
    command = [*COMMAND, str(DEMO_CLIP), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "open in a browser:\n"
    address = process.stdout.readline().strip()
    with urllib.request.urlopen(address, timeout=60) as response:
        assert b"<canvas" in response.read()
    process.send_signal(kind)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (128 + kind, "")


def test_a_port_in_use_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["panel", str(DEMO_CLIP), "--port", str(port)]) == 1
    said = capsys.readouterr().err
    assert said == (
        f"sam2_ros panel: port {port} of 127.0.0.1 is in use: choose another port, or end the program that has it\n"
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nowhere.mp4"], "nowhere.mp4"),
        (["97"], "there is no webcam 97"),
        ([str(DEMO_CLIP), "--port", "70000"], "port is 70000, expected 1 to 65535"),
        ([str(DEMO_CLIP), "--host", "192.0.2.7", "--port", "0"], "cannot listen on 192.0.2.7"),
    ],
)
def test_an_error_is_one_line(arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["panel", *arguments]) == 1
    said = capsys.readouterr().err
    assert said.startswith("sam2_ros panel: ") and expected in said and said.count("\n") == 1


def test_an_empty_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["panel", str(tmp_path)]) == 1
    assert "has no pictures" in capsys.readouterr().err
