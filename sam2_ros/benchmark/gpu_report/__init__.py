"""`make gpu-report`: what a GPU is to show, in seven minutes, as JSON and as a table.

`report` runs each of the `parts` in a process of its own with a time limit, and rewrites the report after each. The
modules of the parts import nothing but PyTorch, NumPy, OpenCV and safetensors; what else they need is reported as
missing.
"""
