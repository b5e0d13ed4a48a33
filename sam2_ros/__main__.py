"""`python -m sam2_ros` runs the command `sam2_ros`."""

import sys

from sam2_ros.cli import main

sys.exit(main())
