"""The tables that `sam2_ros evaluate` prints."""

from __future__ import annotations

from sam2_ros.training.davis import Sequence
from sam2_ros.training.evaluation import Evaluated
from sam2_ros.training.event_metrics import EventScore
from sam2_ros.training.metrics import Summary, summarise


def summary_rows(summary: Summary, rate: float | None, skipped: int) -> list[tuple[str, str]]:
    """The means of a data set; `rate` in frames per second."""
    return [
        ("objects", f"{summary.objects}" + (f" ({skipped} sequences skipped)" if skipped else "")),
        ("J&F", f"{summary.mean:.3f}"),
        ("J", f"{summary.region:.3f}"),
        ("F", f"{summary.boundary:.3f}"),
        ("presence accuracy", f"{summary.presence:.3f}"),
        ("reacquired after an absence", _share(summary.reacquired)),
        ("  delay in frames", "-" if summary.delay is None else f"{summary.delay:.1f}"),
        ("switched to a distractor", _share(summary.mistaken)),
        *_event_rows("lost", summary.lost_events),
        *_event_rows("reacquired", summary.reacquired_events),
        ("frames per second", "-" if rate is None else f"{rate:.1f}"),
    ]


def sequence_rows(results: list[tuple[Sequence, Evaluated]]) -> list[tuple[str, str]]:
    """J&F of every sequence, a mean over its objects."""
    rows = []
    for sequence, result in results:
        count = len(result.scores)
        name = sequence.name if count == 1 else f"{sequence.name}, {count} objects"
        rows.append((f"J&F of {name}", f"{summarise(list(result.scores)).mean:.3f}"))
    return rows


def print_tables(tables: dict[str, list[tuple[str, str]]]) -> None:
    """Print tables with the same rows side by side; several with their names as header."""
    if len(tables) > 1:
        print(" " * 30 + "".join(f"{name:>10}" for name in tables))
    for row in zip(*tables.values()):
        print(f"{row[0][0]:30}" + "".join(f"{value:>10}" for _, value in row))


def _event_rows(name: str, events: EventScore | None) -> list[tuple[str, str]]:
    if events is None:
        return []
    return [
        (f"{name} events: precision", _share(events.precision)),
        ("  recall", _share(events.recall)),
        ("  delay in frames", "-" if events.delay is None else f"{events.delay:.1f}"),
    ]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
