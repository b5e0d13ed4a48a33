"""`sam2_ros export`: exports the network as ONNX files and compares each with PyTorch."""

from __future__ import annotations

import argparse
import json

from sam2_ros.export.manifest import manifest, tensorrt_script
from sam2_ros.export.networks import exported_networks
from sam2_ros.export.onnx_files import LIMIT, OnnxComparison, check_packages, write
from sam2_ros.model import load_model

from .options import add_network_options, utf8_path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser(
        "export",
        help="write the network as ONNX files",
        description="Writes the network as ONNX files for runtimes other than PyTorch, compares each with PyTorch "
        "under ONNX Runtime, and describes them in model.json. Fails where one differs.",
    )
    parser.add_argument("--format", choices=["onnx"], default="onnx", help="default: onnx")
    add_network_options(parser)
    parser.add_argument("--out", type=utf8_path, required=True, metavar="FOLDER", help="folder for the files")


def run(args: argparse.Namespace) -> int:
    """Write and compare. Raises ValueError where a file differs, OSError or CheckpointError for errors of the user."""
    check_packages()
    model = load_model(args.model, args.checkpoint, args.image_size)
    args.out.mkdir(parents=True, exist_ok=True)
    parts, comparison = exported_networks(model), OnnxComparison()
    differences: dict[str, float] = {}
    print(f"{'file':26} {'MB':>7} {'difference':>11}   limit {LIMIT:g} of an output's largest value")
    for network in parts:
        path = args.out / f"{network.name}.onnx"
        write(network, path)
        differences[network.name] = difference = comparison.difference(network, path)
        verdict = "" if difference <= LIMIT else "DIFFERS"
        print(f"{path.name:26} {path.stat().st_size / 1e6:7.1f} {difference:11.1e}   {verdict}".rstrip(), flush=True)
    (args.out / "model.json").write_text(json.dumps(manifest(model.config, parts, differences), indent=2) + "\n")
    (args.out / "build_tensorrt.sh").write_text(tensorrt_script(parts))
    wrong = [name for name, difference in differences.items() if not difference <= LIMIT]
    if wrong:
        raise ValueError(
            f"{', '.join(wrong)}: ONNX Runtime and PyTorch differ by more than {LIMIT:g} of an output's largest value; "
            "do not use these files, and try another version of torch or onnxscript"
        )
    return 0
