"""Models become animations with a transparent surrounding that the generator reads."""

import sys
from pathlib import Path

import numpy as np
import pytest

from sam2_ros.optional import MissingLibraryError
from sam2_ros.synthetic import rendered_models
from sam2_ros.synthetic.pictures import ANIMATION_FRAMES, Pictures, read_pictures
from sam2_ros.synthetic.rendered_models import RenderingError, write_rendered_models

ARM = """
<mujoco>
  <worldbody>
    <geom type="plane" size="5 5 0.1"/>
    <body pos="0 0 0.5">
      <geom type="capsule" size="0.1" fromto="0 0 0 0.5 0 0"/>
      <body pos="0.5 0 0">
        <joint type="hinge" axis="0 0 1" range="-100 100"/>
        <geom type="capsule" size="0.08" fromto="0 0 0 0.5 0 0"/>
      </body>
    </body>
  </worldbody>
</mujoco>
"""
TETRAHEDRON = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"
UNWRAPPED = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nvt 0 0\nvt 1 0\nvt 0 1\n" + "".join(
    f"f {a}/1 {b}/2 {c}/3\n" for a, b, c in ("132", "124", "143", "234")
)


def write_models(folder: Path) -> list[Path]:
    folder.mkdir()
    files = [folder / "arm.xml", folder / "solid.obj", folder / "broken.xml"]
    for file, text in zip(files, (ARM, TETRAHEDRON, "<mujoco><body/></mujoco>")):
        file.write_text(text)
    return files


@pytest.fixture
def models(tmp_path: Path) -> list[Path]:
    try:
        rendered_models._check_mujoco()
    except (MissingLibraryError, RenderingError) as error:
        pytest.skip(str(error))
    return write_models(tmp_path / "models")


def test_models_are_rendered_without_their_floor_and_broken_ones_skipped(models: list[Path], tmp_path: Path) -> None:
    written = write_rendered_models(models, tmp_path / "animations", count=12)
    animations = read_pictures(sorted((tmp_path / "animations").iterdir())).animations
    assert 3 <= len(animations) <= written < 12
    shares = np.stack([(animation[..., 3] > 127).mean(axis=(1, 2)) for animation in animations])
    assert shares.shape[1] == ANIMATION_FRAMES and shares.min() > 0.05 and shares.max() < 0.9  # a floor would fill it
    assert np.ptp(shares, axis=1).max() > 0.05
    colours = [animation[animation[..., 3] > 200][:, :3].mean(axis=0) for animation in animations]
    assert np.ptp(colours, axis=0).max() > 30


def test_a_mesh_with_texture_coordinates_is_textured(models: list[Path]) -> None:
    from sam2_ros.synthetic.mujoco_renderer import render_model

    file = models[0].with_name("unwrapped.obj")
    file.write_text(UNWRAPPED)
    try:
        animations = [render_model(np.random.default_rng(seed), file, Pictures()) for seed in range(12)]
    except ImportError as error:
        pytest.skip(f"nothing to render with: {error}")
    shown = [animation[animation[..., 3] > 250][:, :3] + 1.0 for animation in animations if animation is not None]
    spread = [(colours / colours.sum(axis=1, keepdims=True)).std(axis=0).max() for colours in shown]
    assert sum(each > 0.01 for each in spread) >= 3  # one colour under any light has 0.001


def test_without_mujoco_one_line_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_models(tmp_path / "models")
    monkeypatch.setitem(sys.modules, "mujoco", None)
    assert rendered_models.main([str(tmp_path / "models"), str(tmp_path / "animations")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("rendering models needs mujoco: pip install -e '.[films]'")
    assert not (tmp_path / "animations").exists()


def test_a_folder_without_models_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        assert rendered_models.main([str(folder), str(tmp_path / "animations")]) == 1
        assert "holds no model; expected files that end in .obj, .stl, .xml" in capsys.readouterr().err
