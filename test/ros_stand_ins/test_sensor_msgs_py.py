"""What the examples rely on in sensor_msgs_py."""

from types import ModuleType

import numpy as np
import pytest
from sensor_msgs.msg import PointCloud2, PointField

pytestmark = pytest.mark.distribution


@pytest.mark.parametrize("is_bigendian", [False, True])
def test_fields_are_read_by_name_wherever_they_lie_in_a_point(sensor_msgs_py: ModuleType, is_bigendian: bool) -> None:
    order = ">" if is_bigendian else "<"
    layout = np.dtype(
        {"names": ["x", "label"], "formats": [f"{order}f4", f"{order}u4"], "offsets": [4, 12], "itemsize": 20}
    )
    points = np.zeros(3, layout)
    points["x"], points["label"] = [0.5, -1.0, 2.0], [7, 8, 9]
    cloud = PointCloud2(
        height=1,
        width=3,
        is_bigendian=is_bigendian,
        point_step=20,
        row_step=60,
        data=points.tobytes(),
        fields=[
            PointField(name="x", offset=4, datatype=PointField.FLOAT32, count=1),
            PointField(name="label", offset=12, datatype=PointField.UINT32, count=1),
        ],
    )
    found = sensor_msgs_py.read_points(cloud, ["x", "label"])
    np.testing.assert_array_equal(found["x"], [0.5, -1.0, 2.0])
    np.testing.assert_array_equal(found["label"], [7, 8, 9])
    assert sensor_msgs_py.read_points(cloud, ["label"]).dtype.names == ("label",)


def test_an_empty_cloud_has_no_points(sensor_msgs_py: ModuleType) -> None:
    cloud = PointCloud2(height=1, point_step=4, fields=[PointField(name="x", datatype=PointField.FLOAT32, count=1)])
    assert len(sensor_msgs_py.read_points(cloud, ["x"])) == 0
