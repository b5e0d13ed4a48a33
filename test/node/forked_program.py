"""The first lines of a forked program, see fork.py, which gives them `log`, `module`, `arguments` and `environment`."""
# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

import os
import runpy
import sys

with open(log, "wb") as file:
    for output in (1, 2):
        os.dup2(file.fileno(), output)
os.setsid()
os.environ.clear()
os.environ.update(environment)
sys.argv = [module, *arguments]
runpy.run_module(module, run_name="__main__", alter_sys=True)
