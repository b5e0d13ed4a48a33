"""Track any object in a camera stream with SAM 2.1 and streaming memory."""

from pkgutil import extend_path

# What is generated from action, msg and srv is installed by CMake into another folder of the same name.
__path__ = extend_path(__path__, __name__)

__version__ = "0.1.0"
