"""`sam2_ros evaluate`: scores tracking on videos with ground truth, like the DAVIS benchmark."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tqdm import tqdm

from sam2_ros.files import named_errors
from sam2_ros.tracking import TrackerConfig, TrackStateConfig
from sam2_ros.tracking.device import PRECISIONS
from sam2_ros.tracking.memory_policy import POLICIES
from sam2_ros.training.baselines import BASELINES
from sam2_ros.training.davis import DatasetError, Sequence, read_dataset
from sam2_ros.training.evaluation import (
    PROMPTS,
    Evaluated,
    Method,
    baseline_method,
    evaluate_sequence,
    model_method,
    write_picture,
)
from sam2_ros.training.event_metrics import EventScore
from sam2_ros.training.metrics import ObjectScore, Summary, summarise

from .options import add_model_options, add_preset_options, chosen_preset, model_choice, whole_number

_WORST = 5  # objects with the lowest scores, of which pictures are written


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score tracking on videos with ground truth",
        description="Tracks every object of the first frames of a data set in DAVIS' layout, and scores the masks: J "
        "(region), F (boundary), presence, reacquisition, and J&F of every video. Writes scores.json and pictures of "
        "the worst objects.",
    )
    parser.add_argument("dataset", metavar="DATASET", type=Path, help="folder with JPEGImages/ and Annotations/")
    parser.add_argument("--prompt", choices=PROMPTS, default="mask", help="prompt that starts objects (default: mask)")
    parser.add_argument("--baseline", choices=BASELINES, help="score this baseline instead of a model")
    parser.add_argument("--max-sequences", type=whole_number, metavar="N", help="score the first N sequences only")
    parser.add_argument(
        "--out", type=Path, default=Path("evaluate_out"), metavar="FOLDER", help="default: evaluate_out"
    )
    events = parser.add_argument_group("lost and reacquired")
    events.add_argument(
        "--memory-policy", choices=POLICIES, default=TrackerConfig.memory_policy, help="default: %(default)s"
    )
    events.add_argument("--lost-after", type=_positive, default=1.0, metavar="SECONDS", help="default: 1")
    events.add_argument(
        "--rate", type=_positive, default=10.0, metavar="FPS", help="frames per second of the data set (default: 10)"
    )
    parser.add_argument(
        "--precision",
        choices=("auto", *PRECISIONS),
        default="auto",
        help="auto depends on the device: name one to compare scores between machines (default: auto)",
    )
    add_model_options(parser)
    add_preset_options(parser, several=True)


def run(args: argparse.Namespace) -> int:
    """Evaluate, write and print. Raises ValueError, OSError or CheckpointError for errors that the user can correct."""
    sequences = read_dataset(args.dataset)[: args.max_sequences]
    names = [args.baseline] if args.baseline else args.preset
    folders = {name: args.out / name if len(names) > 1 else args.out for name in names}
    outcomes: list[_Outcome] = []
    for name, folder in folders.items():
        outcomes.append(_evaluate(args, name, sequences, folder))
        if outcomes[-1].interrupt:
            break
    _print_tables(
        {
            outcome.name: [
                *_rows(summarise(outcome.scores), outcome.rate, outcome.skipped),
                *_sequence_rows(outcome.results),
            ]
            for outcome in outcomes
        }
    )
    if outcomes[-1].interrupt:
        raise outcomes[-1].interrupt
    return 0


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, not {text!r}")
    return value


@dataclass(frozen=True)
class _Outcome:
    """The scores of a preset or baseline; with `interrupt`, Ctrl-C or SIGTERM ended it early."""

    name: str
    precision: str | None  # None for a baseline
    results: list[tuple[Sequence, Evaluated]]
    skipped: int
    interrupt: KeyboardInterrupt | None

    @property
    def scores(self) -> list[ObjectScore]:
        """The scores of all objects."""
        return [score for _, result in self.results for score in result.scores]

    @property
    def rate(self) -> float:
        """Frames per second."""
        frames = sum(len(sequence.images) for sequence, _ in self.results)
        return frames / sum(result.seconds for _, result in self.results)


def _evaluate(args: argparse.Namespace, name: str, sequences: list[Sequence], folder: Path) -> _Outcome:
    """Score a preset or baseline; write scores and pictures into the folder."""
    method, precision = _method(args, name)
    lost_after = None if args.baseline else args.lost_after * args.rate
    folder.mkdir(parents=True, exist_ok=True)
    results: list[tuple[Sequence, Evaluated]] = []
    skipped = 0
    interrupt = None
    try:
        for sequence in tqdm(sequences, desc=name, unit="sequence", disable=None):
            try:
                results.append((sequence, evaluate_sequence(sequence, method, lost_after)))
            except DatasetError as error:
                skipped += 1
                print(f"skipped {sequence.name}: {error}", file=sys.stderr)
    except KeyboardInterrupt as signal:
        if not results:
            raise
        interrupt = signal
        print(f"stopped: scores of the first {len(results) + skipped} of {len(sequences)} sequences", file=sys.stderr)
    if not results:
        raise DatasetError(f"none of the {len(sequences)} sequences of {args.dataset} can be used: see above")
    outcome = _Outcome(name, precision, results, skipped, interrupt)
    _write_json(folder / "scores.json", args, outcome)
    _write_worst(folder, results)
    return outcome


def _method(args: argparse.Namespace, name: str) -> tuple[Method, str | None]:
    """The method, and its precision (None for a baseline)."""
    if args.baseline:
        return baseline_method(BASELINES[name]), None
    loaded = model_choice(args, name, args.precision).load()
    config = replace(
        loaded.config, track_state=TrackStateConfig(lost_after=args.lost_after), memory_policy=args.memory_policy
    )
    return model_method(loaded.model, args.prompt, config, args.rate), config.precision


def _write_json(file: Path, args: argparse.Namespace, outcome: _Outcome) -> None:
    preset = None if args.baseline else {"name": outcome.name, **asdict(chosen_preset(args, outcome.name))}
    content = {
        "method": args.baseline or args.model,
        "prompt": "mask" if args.baseline else args.prompt,
        "memory_policy": None if args.baseline else args.memory_policy,
        "preset": preset,
        "precision": outcome.precision,
        "summary": asdict(summarise(outcome.scores)),
        "frames_per_second": outcome.rate,
        "skipped": outcome.skipped,
        "is_complete": outcome.interrupt is None,
        "objects": [asdict(score) for score in outcome.scores],
    }
    with named_errors(file):
        file.write_text(json.dumps(content, indent=1))


def _write_worst(folder: Path, results: list[tuple[Sequence, Evaluated]]) -> None:
    for stale in folder.glob("worst_*.png"):  # of an earlier run
        stale.unlink()
    ranked = sorted(_each_score(results), key=lambda entry: entry[2].mean)
    for sequence, result, score in ranked[:_WORST]:
        file = folder / f"worst_{sequence.name}_{score.object}.png"
        write_picture(file, sequence, score.object, result.found[score.object])


def _each_score(results: list[tuple[Sequence, Evaluated]]) -> Iterator[tuple[Sequence, Evaluated, ObjectScore]]:
    for sequence, result in results:
        for score in result.scores:
            yield sequence, result, score


def _rows(summary: Summary, rate: float, skipped: int) -> list[tuple[str, str]]:
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
        ("frames per second", f"{rate:.1f}"),
    ]


def _sequence_rows(results: list[tuple[Sequence, Evaluated]]) -> list[tuple[str, str]]:
    """J&F of every sequence, a mean over its objects."""
    rows = []
    for sequence, result in results:
        count = len(result.scores)
        name = sequence.name if count == 1 else f"{sequence.name}, {count} objects"
        rows.append((f"J&F of {name}", f"{summarise(list(result.scores)).mean:.3f}"))
    return rows


def _print_tables(tables: dict[str, list[tuple[str, str]]]) -> None:
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
