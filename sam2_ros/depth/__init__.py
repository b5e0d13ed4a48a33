"""Back-projection of masks with depth images to 3-D; no ROS."""

from .lifting import DepthImage, Intrinsics, LiftingError, Surface, lift, project

__all__ = ["DepthImage", "Intrinsics", "LiftingError", "Surface", "lift", "project"]
