"""Reads the tensors of checkpoint files, whatever wrote them. Nothing in a file is executed."""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from .checkpoint_names import is_sam2, official_names
from .download import cache_folder

_HEAD = 512  # bytes by which a kind of file is recognised
_SAM_1_KEYS = ("image_encoder.patch_embed.proj.weight", "vision_encoder.patch_embed.projection.weight")
_DEPTH = 4  # of dictionaries in dictionaries
# Where programs keep the weights that are to be used, before those that they keep besides.
_USUAL_KEYS = ("model", "state_dict", "model_state_dict", "weights", "module", "net")


class CheckpointError(RuntimeError):
    """Weights that cannot be used; the message says why and what to do."""


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The weights of SAM 2 in a file, by the official names.

    Takes what `torch.save` writes, also in its format before PyTorch 1.6, and safetensors. The state dict may be bare
    or inside of other dictionaries, wrapped (DistributedDataParallel, torch.compile, Lightning), or of Hugging Face
    Transformers. Raises CheckpointError.
    """
    _check_file(path)
    content = _load(path)
    found = next((weights for weights in _state_dicts(content) if is_sam2(weights)), None)
    if found is None:
        raise CheckpointError(f"checkpoint {path} has no weights of SAM 2: {_description(content)}")
    return official_names(dict(_tensors(found)))


def _check_file(path: Path) -> None:
    """Raises CheckpointError for what is no file of weights at first sight."""
    if path.is_dir():
        inside = sorted(file.name for kind in ("*.safetensors", "*.pt", "*.pth", "*.bin") for file in path.glob(kind))
        hint = f"give the file in it: {path / inside[0]}" if inside else "it has no .pt or .safetensors file in it"
        raise CheckpointError(f"checkpoint {path} is a folder, expected a file; {hint}")
    if not path.exists():
        raise CheckpointError(f"checkpoint {path} does not exist, expected a .pt or .safetensors file")
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} is no regular file, expected a .pt or .safetensors file")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise CheckpointError(f"checkpoint {path} cannot be read: {error.strerror}") from error
    if problem := _foreign_content(head):
        raise CheckpointError(f"checkpoint {path} is {problem}, expected weights; {_remedy(path)}")
    if path.suffix == ".safetensors" and zipfile.is_zipfile(path):
        raise CheckpointError(f"checkpoint {path} is no safetensors file, but a zip archive like .pt files: rename it")


def _foreign_content(head: bytes) -> str | None:
    text = head.lstrip().lower()
    if not head:
        return "empty"
    if text.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer (run `git lfs pull` where it was cloned)"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page that was saved in place of the file"
    if text.startswith(b"{"):
        return "a JSON file"
    if head.startswith(b"\x1f\x8b") or head[257:262] == b"ustar":
        return "a compressed archive (unpack it first)"
    return None


def _load(path: Path) -> Any:
    try:
        if _is_safetensors(path):
            return load_file(path)
        with _safe_globals(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # The format before PyTorch 1.6 is no zip archive and cannot be mapped.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise CheckpointError(_refused(path, str(error))) from None  # PyTorch advises to execute it
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, LookupError, AttributeError):
        raise CheckpointError(
            f"checkpoint {path} cannot be read: it is cut off, damaged or no checkpoint "
            f"({path.stat().st_size} bytes); {_remedy(path)}"
        ) from None


def _is_safetensors(path: Path) -> bool:
    """By its content, for a name may end with anything."""
    with path.open("rb") as file:
        head = file.read(9)
    is_header = len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") < 2**27
    return is_header or path.suffix == ".safetensors"


def _refused(path: Path, error: str) -> str:
    """What to say where something other than tensors was to be unpickled."""
    if found := re.search(r"(?:GLOBAL|global|function|class|type) [`']?([\w.]+)", error):
        return (
            f"checkpoint {path} holds Python objects ({found[1]}) besides its tensors, and nothing in a file is "
            "executed; save its state dict alone: torch.save(model.state_dict(), FILE)"
        )
    return f"checkpoint {path} cannot be read: it is cut off, damaged or no checkpoint; {_remedy(path)}"


def _remedy(path: Path) -> str:
    if path.parent == cache_folder():
        return f"fetch it again: `sam2_ros download {path.stem}`"
    return "copy or download it again from where it came from"


def _safe_globals() -> contextlib.AbstractContextManager[Any]:
    """Lets numpy's numbers and arrays, paths and options stand beside the tensors; PyTorch before 2.5 takes none."""
    if not hasattr(torch.serialization, "safe_globals"):
        return contextlib.nullcontext()
    harmless: list[Any] = [np.ndarray, np.dtype, *(type(np.dtype(code)) for code in "?bBhHiIlLqQefdFDSUOmM")]
    harmless += [argparse.Namespace, pathlib.PosixPath, pathlib.PurePosixPath]
    # Both names under which files of numpy 1 and numpy 2 know what builds numbers and arrays
    builders: tuple[Any, Any] = (np.float64(0).__reduce__()[0], np.zeros(0).__reduce__()[0])
    for function in builders:
        harmless += [(function, f"numpy.{core}.multiarray.{function.__name__}") for core in ("core", "_core")]
    return torch.serialization.safe_globals(harmless)


def _state_dicts(content: object) -> Iterator[Mapping[Any, Any]]:
    """All dictionaries in a checkpoint, the outermost and the most usual ones first."""
    level = [content]
    for _ in range(_DEPTH):
        dicts = [value for value in level if isinstance(value, Mapping)]
        yield from dicts
        level = [value for found in dicts for value in _usual_first(found)]


def _tensors(found: Mapping[Any, Any]) -> Iterator[tuple[str, Tensor]]:
    """Arrays of NumPy are weights, too."""
    for name, value in found.items():
        if isinstance(value, Tensor):
            yield name, value
        elif isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            yield name, torch.from_numpy(np.ascontiguousarray(value.astype(value.dtype.newbyteorder("="))))


def _usual_first(found: Mapping[Any, Any]) -> list[Any]:
    usual = [found[key] for key in _USUAL_KEYS if key in found]
    return usual + [value for key, value in found.items() if key not in _USUAL_KEYS]


def _description(content: object) -> str:
    """What was found instead of SAM 2."""
    names = [str(name) for found in _state_dicts(content) for name in found if isinstance(found[name], Tensor)]
    if any(name.endswith(_SAM_1_KEYS) for name in names):
        return "it is of SAM 1, expected SAM 2 or 2.1"
    if names:
        return f"it has {len(names)} tensors, such as {', '.join(names[:3])}"
    if isinstance(content, Mapping) and content:
        return f"it has no tensors, only {', '.join(str(key) for key in list(content)[:5])}"
    return f"it holds a {type(content).__name__} without tensors"
