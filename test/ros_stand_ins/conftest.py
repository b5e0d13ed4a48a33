"""Each contract test runs on the stand-in, and on the real package where that can be imported."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

HERE = Path(__file__).resolve().parent
MODULES = {"message_filters": "message_filters", "tf2_ros": "tf2_ros", "sensor_msgs_py": "sensor_msgs_py.point_cloud2"}


def stand_in(package: str) -> ModuleType:
    """The module of a stand-in under another name, so that the real one can be imported beside it."""
    name = f"stand_in_for_{package}"
    if name not in sys.modules:
        path = HERE / package / MODULES[package].replace(".", "/")
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def real(package: str) -> ModuleType | None:
    """The module of an installed package."""
    try:
        module = importlib.import_module(MODULES[package])
    except ImportError:
        return None
    assert module.__file__ is not None
    return None if HERE in Path(module.__file__).resolve().parents else module


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """An argument named as a package is each of its implementations."""
    for package in metafunc.fixturenames:
        if package in MODULES:
            found = {"stand-in": stand_in(package), "real": real(package)}
            modules = {name: module for name, module in found.items() if module is not None}
            metafunc.parametrize(package, modules.values(), ids=modules)


@pytest.fixture
def node() -> Iterator[Node]:
    """A node with a connection of its own, in an executor."""
    context = rclpy.Context()
    context.init()
    node = rclpy.create_node("contract", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    yield node
    executor.shutdown()
    node.destroy_node()
    context.try_shutdown()
