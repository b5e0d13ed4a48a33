"""python3 -m sam2_ros.node.parameters > config/track.yaml"""

from sam2_ros.node.parameters.yaml_file import as_yaml

print(as_yaml(), end="")
