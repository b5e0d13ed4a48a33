"""Values of parameters for launch; the only module of this package that imports it."""

from __future__ import annotations

from collections.abc import Mapping

from launch_ros.parameter_descriptions import ParameterValue


def as_written(parameters: Mapping[str, object]) -> dict[str, object]:
    """With strings that launch does not parse as YAML, where 22 is a number and `on` true."""
    return {
        name: ParameterValue(value, value_type=str) if isinstance(value, str) else value
        for name, value in parameters.items()
    }
