"""The walks of docs/architecture.md name functions that exist, in an order that the code follows."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "architecture.md"
CALLED_FROM_OUTSIDE = {"TrackerNode.on_configure", "Session.flush"}  # by rclpy, and by the worker after each frame


@dataclass(frozen=True)
class Hop:
    """A function or class of the package."""

    file: str
    name: str  # with the name of its class

    @property
    def source(self) -> str:
        """Its code. Raises LookupError where there is no such function or class."""
        text, tree = parsed(self.file)
        found: ast.AST = tree
        for part in self.name.split("."):
            for node in ast.iter_child_nodes(found):
                if getattr(node, "name", "") == part:
                    found = node
                    break
            else:
                raise LookupError(f"{self.file} has no {self.name}")
        return ast.get_source_segment(text, found) or ""


@cache
def parsed(file: str) -> tuple[str, ast.Module]:
    text = (ROOT / "sam2_ros" / file).read_text()
    return text, ast.parse(text)


def walks() -> Iterator[tuple[str, list[Hop]]]:
    for section in PAGE.read_text().split("\n### ")[1:]:
        title, _, text = section.partition("\n")
        yield title, [Hop(*found) for found in re.findall(r"^\d+\. `([\w/]+\.py):([\w.]+)`", text, re.MULTILINE)]


WALKS = dict(walks())


def test_the_three_walks_are_there() -> None:
    assert len(WALKS) == 3
    assert all(len(hops) >= 5 for hops in WALKS.values())


@pytest.mark.parametrize("hop", [hop for hops in WALKS.values() for hop in hops], ids=str)
def test_a_function_of_a_walk_exists(hop: Hop) -> None:
    assert hop.source


def test_every_function_that_the_page_names_belongs_to_a_walk() -> None:
    named = re.findall(r"`([\w/]+\.py):([\w.]+)`", PAGE.read_text())
    assert [Hop(*found) for found in named] == [hop for hops in WALKS.values() for hop in hops]


@pytest.mark.parametrize("title", WALKS)
def test_a_function_of_a_walk_is_called_by_a_file_before_it(title: str) -> None:
    hops = WALKS[title]
    assert not [
        hop
        for number, hop in enumerate(hops[1:], start=1)
        if hop.name not in CALLED_FROM_OUTSIDE and not is_called(hop, {before.file for before in hops[:number]})
    ]


def is_called(hop: Hop, files: set[str]) -> bool:
    """Whether one of the files names it, or its class where this calls it itself."""
    owner, _, name = hop.name.rpartition(".")
    others = files - {hop.file}
    calls_itself = hop.file in files or any(names(file, owner) for file in others if owner)
    return any(names(file, name) for file in others) or (calls_itself and names(hop.file, name) > 1)


def names(file: str, name: str) -> int:
    return len(re.findall(rf"\b{name}\b", parsed(file)[0]))


def test_every_package_is_in_the_table() -> None:
    folders = {path.parent.name for path in (ROOT / "sam2_ros").glob("*/__init__.py")}
    rows = "\n".join(line for line in PAGE.read_text().splitlines() if line.startswith("| `"))
    assert {folder for folder in folders if f"`{folder}`" not in rows} == set()


def test_every_file_and_folder_that_the_page_names_exists() -> None:
    text = PAGE.read_text()
    files = {*re.findall(r"`(?:sam2_ros/)?(\w+/[\w/]+\.py)[:`]", text)}
    assert len(files) > 10
    assert not [file for file in files if not any((folder / file).exists() for folder in (ROOT / "sam2_ros", ROOT))]
    folders = {*re.findall(r"`(\w+)/`", text)} - {"sam2_ros"}
    assert folders
    assert not [folder for folder in folders if not (ROOT / "sam2_ros" / "node" / folder).is_dir()]
