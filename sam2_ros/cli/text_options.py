"""Options of commands that find objects by words."""

from __future__ import annotations

import argparse

from sam2_ros.recordings.word_search import WordSearch
from sam2_ros.text.loading import DEFAULT_MODEL
from sam2_ros.text.schedule import SearchRates
from sam2_ros.text.words import WordsError, parse_words


def add_text_options(parser: argparse.ArgumentParser) -> None:
    """Add --text and what belongs to it."""
    options = parser.add_argument_group("words, found by an open-vocabulary detector (pip install -e '.[text]')")
    options.add_argument(
        "--text", type=words, default=(), metavar="WORDS", help='what to look for, such as "red cup. screwdriver"'
    )
    options.add_argument(
        "--text-model",
        default=DEFAULT_MODEL,
        metavar="NAME",
        help="OWLv2 or Grounding DINO, a name on huggingface.co or a folder (default: %(default)s)",
    )
    options.add_argument(
        "--text-threshold",
        type=_score,
        default=0.0,
        metavar="X",
        help="lowest score of a box, 0..1 (default: 0.2 for OWLv2, 0.3 for Grounding DINO)",
    )
    options.add_argument(
        "--text-rate",
        type=_rate,
        default=SearchRates.rate,
        metavar="N",
        help="frames to search per second of the recording (default: %(default)g); more while an object is lost",
    )


def word_search(args: argparse.Namespace) -> WordSearch | None:
    """What --text asks for; None without."""
    if not args.text:
        return None
    return WordSearch(args.text, args.text_model, args.text_threshold, args.text_rate, args.device)


def words(text: str) -> tuple[str, ...]:
    """Parses phrases; raises argparse.ArgumentTypeError."""
    try:
        return parse_words(text)
    except WordsError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _score(text: str) -> float:
    return _number(text, 0.0, 0.999, "a score from 0 to 0.999")


def _rate(text: str) -> float:
    return _number(text, 0.001, 1000.0, "frames per second from 0.001 to 1000")


def _number(text: str, low: float, high: float, expected: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"expected {expected}, not {text!r}")
    return value
