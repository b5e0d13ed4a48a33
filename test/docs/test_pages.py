"""The documents name files, topics, parameters and commands that exist, and stay short."""

import argparse
import ast
import importlib
import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from sam2_ros.cli import COMMANDS
from sam2_ros.node.parameters.table import TABLE
from sam2_ros.training.recipe import RECIPES

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "sam2_ros/weights/README.md")),
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if "generated" not in path.parts),
]
MODULES = sorted((ROOT / "sam2_ros").rglob("*.py"))


def page_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_readme_and_the_model_card_are_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
    assert len((ROOT / "sam2_ros" / "weights" / "README.md").read_text().splitlines()) <= 60


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_a_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    local = [link for link in links if "://" not in link]
    assert not [link for link in local if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_a_link_into_a_page_leads_to_a_heading(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s:]*)#([^)\s]+)\)", page.read_text()):
        text = (page.parent / target).read_text() if target else page.read_text()
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, anchor


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_a_python_example_is_valid(page: Path) -> None:
    for example in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        ast.parse(example)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_a_command_is_understood(page: Path) -> None:
    for words in (*commands(page, "sam2_ros"), *commands(page, "python3 -m sam2_ros")):
        parser().parse_args(words)
    assert not set(re.findall(r"`sam2_ros (\w+)", page.read_text())) - {*COMMANDS}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_a_module_that_is_run_exists(page: Path) -> None:
    modules = re.findall(r"python3? -m (sam2_ros[\w.]*)", page.read_text())
    files = [ROOT.joinpath(*module.split(".")) for module in modules]
    assert not [file for file in files if not (file.with_suffix(".py").exists() or (file / "__main__.py").exists())]


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_an_example_that_is_run_exists(page: Path) -> None:
    for name in re.findall(r"python3 (examples/\S+\.py)", page.read_text()):
        assert (ROOT / name).exists()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_an_argument_of_a_launch_file_exists(page: Path) -> None:
    for _, name, *arguments in commands(page, "ros2 launch"):
        module = ROOT / "sam2_ros" / "node" / "launching" / f"{name.removesuffix('.launch.py')}.py"
        source = (ROOT / "launch" / name).read_text() + module.read_text()
        for argument in (text.partition(":=")[0] for text in arguments if ":=" in text):
            assert f'"{argument}"' in source, argument


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_a_message_that_is_published_can_be_made(page: Path) -> None:
    for _, _, kind, content in commands(page, "ros2 topic pub"):
        package, name = kind.split("/")[0], kind.split("/")[-1]
        fill(message_type(name, package)(), yaml.safe_load(content))


def message_type(name: str, package: str = "sam2_ros") -> Any:
    return getattr(importlib.import_module(f"{package}.msg"), name)


def fill(message: Any, values: dict[str, Any]) -> None:
    """Sets fields, in messages and lists of messages too. Raises AttributeError for one that does not exist."""
    for name, value in values.items():
        current = getattr(message, name)
        if isinstance(value, dict):
            fill(current, value)
        elif isinstance(value, list):
            element = re.sub(r"sequence<\w+/(\w+)>", r"\1", message.get_fields_and_field_types()[name])
            for part in value:
                fill(message_type(element)(), part)
        else:
            setattr(message, name, float(value) if isinstance(current, float) else value)


def commands(page: Path, program: str) -> list[list[str]]:
    """The words after `program`, of each such line in a block of commands."""
    lines = "\n".join(re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL)).replace("\\\n", " ").splitlines()
    return [
        shlex.split(line, comments=True)[len(program.split()) :] for line in lines if line.startswith(f"{program} ")
    ]


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser("sam2_ros")
    subparsers = whole.add_subparsers()
    for name in COMMANDS:
        importlib.import_module(f"sam2_ros.cli.{name}").add_parser(subparsers)
    return whole


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_stage_from_which_nano_is_trained_further_is_the_last_one(page: Path) -> None:
    stages = set(re.findall(r"nano [^\n]*--first-stage (\d+)", page.read_text()))
    assert stages <= {str(len(RECIPES["nano"].stages))}


def test_the_interfaces_page_names_the_topics_and_services_of_the_node() -> None:
    files = (ROOT / "sam2_ros" / "node").rglob("*.py")
    sources = "\n".join(
        path.read_text() for path in files if path.parent.name != "launching"
    )  # which starts others, too
    used = set(re.findall(r'"(~/\w+)"', sources))
    tables = "\n".join(
        line for line in (ROOT / "docs" / "interfaces.md").read_text().splitlines() if line.startswith("| `")
    )
    assert used == set(re.findall(r"`(~/\w+)`", tables.split("## Rules")[0]))


def test_the_readme_names_parameters_and_their_defaults() -> None:
    section = (ROOT / "README.md").read_text().split("## Seven parameters that matter")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", section, re.MULTILINE)
    assert len(rows) == 7
    assert rows == [(name, str(TABLE[name].default)) for name, _ in rows]


def test_a_message_that_names_a_page_names_one_that_exists() -> None:
    named = {
        page
        for path in [*MODULES, ROOT / "config" / "track.yaml"]
        for page in re.findall(r"docs/[\w/]+\.md", path.read_text())
    }
    assert named
    assert not [page for page in named if not (ROOT / page).exists()]
    assert not [path for path in MODULES if "README" in path.read_text()]


def test_the_table_of_presets_is_that_of_the_code() -> None:
    from sam2_ros.tracking.presets import PRESETS, Preset

    text = (ROOT / "docs" / "guides" / "performance.md").read_text()
    rows = re.findall(r"^\| `(\w+)`(?: \(default\))? \| (\d) \| (\d) \| (\d) \|", text, re.MULTILINE)
    columns = [field.name for field in fields(Preset)]
    assert rows == [(name, *(str(getattr(preset, column)) for column in columns)) for name, preset in PRESETS.items()]
