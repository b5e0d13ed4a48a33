"""The report as JSON and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .report import Outcome


def as_json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """All numbers, by the name of the part."""
    return {
        outcome.part.name: {
            "title": outcome.part.title,
            "seconds": round(outcome.seconds, 1),
            "problem": outcome.problem,
            "rows": outcome.rows,
        }
        for outcome in outcomes
    }


def as_markdown(outcomes: Sequence[Outcome]) -> str:
    """A table for each part; lists of numbers are left to the JSON."""
    return "\n".join(line for outcome in outcomes for line in _section(outcome)) + "\n"


def _section(outcome: Outcome) -> Iterator[str]:
    yield f"## {outcome.part.title}\n"
    if outcome.problem:
        yield f"Not complete: {outcome.problem}\n"
    if outcome.rows:
        columns = list(dict.fromkeys(name for row in outcome.rows for name, cell in row.items() if _is_shown(cell)))
        yield f"| {' | '.join(columns)} |"
        yield "|-" * len(columns) + "|"
        for row in outcome.rows:
            yield f"| {' | '.join(_text(row.get(column)) for column in columns)} |"
        yield ""


def _is_shown(cell: object) -> bool:
    return not isinstance(cell, list)


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Mapping):
        return ", ".join(f"{name} {_text(value)}" for name, value in cell.items())
    if isinstance(cell, float):
        return f"{cell:.4g}" if abs(cell) < 1000 else f"{cell:.0f}"
    return str(cell).replace("|", r"\|")
