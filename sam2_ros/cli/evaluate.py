"""`sam2_ros evaluate`: scores tracking on videos with ground truth, like the DAVIS benchmark."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tqdm import tqdm

from sam2_ros.files import named_errors
from sam2_ros.media.sources import is_bag
from sam2_ros.synthetic.davis_writer import ANNOTATIONS
from sam2_ros.tracking import TrackerConfig, TrackStateConfig
from sam2_ros.tracking.device import PRECISIONS
from sam2_ros.tracking.memory_policy import POLICIES
from sam2_ros.training.baselines import BASELINES
from sam2_ros.training.davis import DatasetError, Sequence, read_dataset
from sam2_ros.training.evaluation import (
    PROMPTS,
    Evaluated,
    baseline_method,
    evaluate_labels,
    evaluate_sequence,
    model_method,
    write_picture,
)
from sam2_ros.training.metrics import ObjectScore, summarise

from .evaluate_recording import read_recording
from .evaluate_tables import print_tables, sequence_rows, summary_rows
from .options import add_model_options, add_preset_options, chosen_preset, model_choice, positive, whole_number

_WORST = 5  # objects with the lowest scores, of which pictures are written


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score tracking on videos with ground truth",
        description="Tracks every object of the first frames of a data set in DAVIS' layout, or of a recording with "
        "masks, and scores the masks: J (region), F (boundary), presence, reacquisition, and J&F of every video. "
        "Writes scores.json and pictures of the worst objects.",
    )
    parser.add_argument(
        "dataset",
        metavar="DATASET",
        type=Path,
        help="folder with JPEGImages/ and Annotations/; with --truth a bag, a video or a folder of pictures",
    )
    parser.add_argument(
        "--truth", type=Path, metavar="FOLDER", help="masks of a recording, named by frame, such as 000042.png"
    )
    parser.add_argument("--topic", default="", metavar="TOPIC", help="of a bag: its images")
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FOLDER",
        help="score these labels instead of a model, such as davis/ of `sam2_ros label --format davis`",
    )
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
    events.add_argument("--lost-after", type=positive, default=1.0, metavar="SECONDS", help="default: 1")
    events.add_argument(
        "--rate", type=positive, default=10.0, metavar="FPS", help="frames per second of the data set (default: 10)"
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
    if args.labels and args.baseline:
        raise ValueError("--labels and --baseline are both given, expected one: leave one of them out")
    sequences = _sequences(args)
    names = ["labels"] if args.labels else [args.baseline] if args.baseline else args.preset
    folders = {name: args.out / name if len(names) > 1 else args.out for name in names}
    outcomes: list[_Outcome] = []
    for name, folder in folders.items():
        outcomes.append(_evaluate(args, name, sequences, folder))
        if outcomes[-1].interrupt:
            break
    print_tables(
        {
            outcome.name: [
                *summary_rows(summarise(outcome.scores), outcome.rate, outcome.skipped),
                *sequence_rows(outcome.results),
            ]
            for outcome in outcomes
        }
    )
    if outcomes[-1].interrupt:
        raise outcomes[-1].interrupt
    return 0


def _sequences(args: argparse.Namespace) -> list[Sequence]:
    if args.truth:
        return [read_recording(args.dataset, args.topic, args.truth)]
    if args.topic or is_bag(args.dataset):
        raise ValueError(f"{args.dataset} is a recording whose masks are missing: give --truth FOLDER")
    return read_dataset(args.dataset)[: args.max_sequences]


@dataclass(frozen=True)
class _Outcome:
    """The scores of a preset, a baseline or labels; with `interrupt`, Ctrl-C or SIGTERM ended it early."""

    name: str
    precision: str | None  # None without a model
    results: list[tuple[Sequence, Evaluated]]
    skipped: int
    interrupt: KeyboardInterrupt | None

    @property
    def scores(self) -> list[ObjectScore]:
        """The scores of all objects."""
        return [score for _, result in self.results for score in result.scores]

    @property
    def rate(self) -> float | None:
        """Frames per second; None of labels."""
        frames = sum(len(sequence.images) for sequence, _ in self.results)
        seconds = sum(result.seconds for _, result in self.results)
        return frames / seconds if seconds else None


def _evaluate(args: argparse.Namespace, name: str, sequences: list[Sequence], folder: Path) -> _Outcome:
    """Score a preset, a baseline or labels; write scores and pictures into the folder."""
    evaluate, precision = _evaluator(args, name)
    folder.mkdir(parents=True, exist_ok=True)
    results: list[tuple[Sequence, Evaluated]] = []
    skipped = 0
    interrupt = None
    try:
        for sequence in tqdm(sequences, desc=name, unit="sequence", disable=None):
            try:
                results.append((sequence, evaluate(sequence)))
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


def _evaluator(args: argparse.Namespace, name: str) -> tuple[Callable[[Sequence], Evaluated], str | None]:
    """What scores a video, and the model's precision (None without a model)."""
    if args.labels:
        folder = args.labels / ANNOTATIONS if (args.labels / ANNOTATIONS).is_dir() else args.labels
        return lambda sequence: evaluate_labels(sequence, folder / sequence.name), None
    if args.baseline:
        baseline = baseline_method(BASELINES[name])
        return lambda sequence: evaluate_sequence(sequence, baseline), None
    loaded = model_choice(args, name, args.precision).load()
    config = replace(
        loaded.config, track_state=TrackStateConfig(lost_after=args.lost_after), memory_policy=args.memory_policy
    )
    method = model_method(loaded.model, args.prompt, config, args.rate)
    return lambda sequence: evaluate_sequence(sequence, method, args.lost_after * args.rate), config.precision


def _write_json(file: Path, args: argparse.Namespace, outcome: _Outcome) -> None:
    is_model = not (args.labels or args.baseline)
    content = {
        "method": str(args.labels or args.baseline or args.model),
        "prompt": args.prompt if is_model else "mask" if args.baseline else None,
        "memory_policy": args.memory_policy if is_model else None,
        "preset": {"name": outcome.name, **asdict(chosen_preset(args, outcome.name))} if is_model else None,
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
