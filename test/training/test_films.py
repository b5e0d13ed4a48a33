"""Models become films with a transparent surrounding that the generator reads."""

from pathlib import Path

import numpy as np
import pytest

from sam2_ros.training.textures import FILM_FRAMES, load_pictures

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


@pytest.fixture
def models(tmp_path: Path) -> list[Path]:
    pytest.importorskip("mujoco", reason="films are rendered by MuJoCo: pip install mujoco")
    folder = tmp_path / "models"
    folder.mkdir()
    files = [folder / "arm.xml", folder / "solid.obj", folder / "broken.xml"]
    for file, text in zip(files, (ARM, TETRAHEDRON, "<mujoco><body/></mujoco>")):
        file.write_text(text)
    return files


def test_models_are_filmed_without_their_floor_and_broken_ones_are_left_out(models: list[Path], tmp_path: Path) -> None:
    from sam2_ros.training.films import write_films

    try:
        written = write_films(models, tmp_path / "films", count=12)
    except ImportError as error:
        pytest.skip(f"nothing to render with: {error}")
    films = load_pictures(tmp_path / "films").films
    assert 3 <= len(films) <= written < 12
    shares = np.stack([(film[..., 3] > 127).mean(axis=(1, 2)) for film in films])
    assert shares.shape[1] == FILM_FRAMES and 0.05 < shares.min() and shares.max() < 0.9  # a floor would fill it
    assert np.ptp(shares, axis=1).max() > 0.05
    colours = [film[film[..., 3] > 200][:, :3].mean(axis=0) for film in films]
    assert np.ptp(colours, axis=0).max() > 30
