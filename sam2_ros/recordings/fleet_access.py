"""Labels on a Ray cluster where Ray is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sam2_ros.optional import require

from .batch import Outcome
from .request import Request


def label_on_cluster(
    request: Request, address: str, workers: int, workers_per_gpu: int, is_stopped: Callable[[], bool]
) -> Iterator[Outcome]:
    """See `fleet.label_on_ray`. Raises MissingLibraryError, FleetError."""
    require("ray", "--ray", "fleet")
    from .fleet import Fleet, label_on_ray

    return label_on_ray(request, Fleet(address, workers, workers_per_gpu), is_stopped)
