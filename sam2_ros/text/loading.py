"""Loads a detector of Hugging Face transformers, by its name on huggingface.co or from a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import torch

from sam2_ros.optional import require

from .detector import TextDetector
from .families import FAMILIES

DEFAULT_MODEL = FAMILIES["owlv2"].example
_EXPECTED = " or ".join(f"{family.name} (such as {family.example})" for family in FAMILIES.values())

_UNUSED = "objectness_head"  # of OWLv2, for training; some files lack it

T = TypeVar("T")


class TextModelError(ValueError):
    """A model that cannot be loaded; the message says why and what to do."""


def load_text_detector(name: str, device: torch.device) -> TextDetector:
    """The model of that name, downloaded once, or in that folder, as transformers' `save_pretrained` writes it.

    Raises MissingLibraryError without transformers, TextModelError for a model that is not there or of another kind.
    """
    transformers = require("transformers", "finding objects by words", "text")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    source = _Source(name, transformers)
    found = source.read(lambda **options: transformers.PretrainedConfig.get_config_dict(source.path, **options)[0])
    kind = found.get("model_type", "unknown")
    if kind not in FAMILIES:
        raise TextModelError(f"{name} is a model of the kind '{kind}', expected {_EXPECTED}")
    processor = source.read(lambda **options: transformers.AutoProcessor.from_pretrained(source.path, **options))
    model, report = source.read(
        lambda **options: transformers.AutoModelForZeroShotObjectDetection.from_pretrained(
            source.path, output_loading_info=True, **options
        )
    )
    _check_weights(name, model, report["missing_keys"])
    return TextDetector(model.eval().to(device), processor, FAMILIES[kind])


def _check_weights(name: str, model: Any, missing: Iterable[str]) -> None:
    """Raises TextModelError where weights are missing, which transformers sets to random numbers."""
    used = {key for key, _ in model.named_parameters() if not key.startswith(_UNUSED)}
    if lacking := sorted(used.intersection(missing)):
        raise TextModelError(
            f"{name} lacks {len(lacking)} of its weights, such as {lacking[0]}: expected a model that was trained to "
            "detect objects"
        )


class _Source:
    """A folder, or a name on huggingface.co."""

    def __init__(self, name: str, transformers: ModuleType) -> None:
        self._name = name
        self._transformers = transformers
        folder = Path(name).expanduser()
        self._is_folder = folder.is_dir()
        self.path = str(folder) if self._is_folder else name
        if self._is_folder and not (folder / "config.json").is_file():
            raise TextModelError(
                f"{name} has no config.json, expected a folder that transformers' `save_pretrained` has written"
            )
        if not self._is_folder and (folder.is_absolute() or name.startswith((".", "~")) or name.count("/") != 1):
            raise TextModelError(f"there is no folder {name!r}, expected one of a model, or a name: {_EXPECTED}")

    def read(self, load: Callable[..., T]) -> T:
        """What `load` reads, from the files on this machine if they are there. Raises TextModelError."""
        try:
            try:
                return load(local_files_only=True)
            except OSError:
                if self._is_folder:
                    raise
                return load()  # downloads them
        except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
            raise TextModelError(self._explain(error)) from error

    def _explain(self, error: Exception) -> str:
        reason = " ".join(str(error).split())[:300]
        if self._is_folder:
            return f"cannot load {self._name}: {reason}; expected a folder as `save_pretrained` writes it"
        return (
            f"cannot load {self._name} from huggingface.co: {reason}; check the name, connect this machine once (the "
            "model is kept), or give a folder that was copied here"
        )
