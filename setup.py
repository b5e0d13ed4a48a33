"""The package without ROS, see setup.cfg; package.xml and CMakeLists.txt are the package as ROS sees it."""

from setuptools import setup

setup()
