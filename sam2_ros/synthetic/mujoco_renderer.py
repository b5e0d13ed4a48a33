"""Renders MuJoCo models and meshes as animations of moving objects with a transparent background."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import mujoco
import numpy as np

from sam2_ros.synthetic.pictures import ANIMATION_FRAMES, Pictures
from sam2_ros.synthetic.textures import random_colour, random_surface

MESHES = {".obj", ".stl"}
RENDERED_SIDE = 240  # pixels
SPRITE_SIDE = 128  # pixels
_TEXTURE_SIDE = 128  # pixels
_SURFACE_COUNT = 3
_HIDDEN_GROUP = 5  # of geometry, which is not drawn
_MIN_SIDE = 60  # pixels of the square around the object
_MIN_FILLED = 0.08  # share of it that the object covers on every frame


def check_rendering() -> None:
    """Render an empty scene. Raises whatever OpenGL fails with."""
    with mujoco.Renderer(mujoco.MjModel.from_xml_string("<mujoco/>"), 8, 8) as renderer:
        renderer.render()


def render_model(rng: np.random.Generator, file: Path, pictures: Pictures) -> np.ndarray | None:
    """(ANIMATION_FRAMES, SPRITE_SIDE, SPRITE_SIDE, 4) uint8 RGB and opacity; None if hardly anything is visible.

    Raises ValueError for a model that does not compile.
    """
    spec = _mesh_spec(file) if file.suffix.lower() in MESHES else mujoco.MjSpec.from_file(str(file))
    _randomize_appearance(rng, spec, pictures)
    spec.visual.global_.offwidth = spec.visual.global_.offheight = RENDERED_SIDE
    model = spec.compile()
    _hide_irrelevant_geometry(model)
    if (model.geom_group == _HIDDEN_GROUP).all():
        return None
    data, option = mujoco.MjData(model), mujoco.MjvOption()
    option.geomgroup[:], option.geomgroup[_HIDDEN_GROUP], option.sitegroup[:] = 1, 0, 0
    mujoco.mj_forward(model, data)
    poses, cameras = _poses(rng, model), _cameras(rng, model, data)
    frames = np.zeros((ANIMATION_FRAMES, RENDERED_SIDE, RENDERED_SIDE, 4), np.uint8)
    with mujoco.Renderer(model, RENDERED_SIDE, RENDERED_SIDE) as renderer:
        for frame, pose, camera in zip(frames, poses, cameras):
            data.qpos[:] = pose
            mujoco.mj_kinematics(model, data)
            mujoco.mj_comPos(model, data)
            mujoco.mj_camlight(model, data)
            renderer.update_scene(data, camera, option)
            frame[..., :3] = renderer.render()
            renderer.enable_segmentation_rendering()
            frame[..., 3] = 255 * (renderer.render()[..., 0] >= 0)
            renderer.disable_segmentation_rendering()
    return _crop_to_object(frames)


def _mesh_spec(file: Path) -> mujoco.MjSpec:
    spec = mujoco.MjSpec()
    spec.add_mesh(name="mesh", file=str(file.resolve()), inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname="mesh")
    return spec


def _randomize_appearance(rng: np.random.Generator, spec: mujoco.MjSpec, pictures: Pictures) -> None:
    """Random colours and textures on some surfaces, random lights, no sky."""
    for texture in list(spec.textures):
        if texture.type == mujoco.mjtTexture.mjTEXTURE_SKYBOX:
            spec.delete(texture)
    for light in list(spec.lights):
        spec.delete(light)
    for number in range(_SURFACE_COUNT):
        _add_surface(rng, spec, number, random_surface(rng, pictures, _TEXTURE_SIDE))
    is_textured, is_coloured = rng.random() < 0.5, rng.random() < 0.7
    unwrapped = _meshes_with_texture_coordinates(spec) if is_textured else set()
    palette = [random_colour(rng) / 255 for _ in range(rng.integers(1, 5))]
    for geom in spec.geoms:
        if is_textured and (rng.random() < 0.6 or len(spec.geoms) == 1):
            kind = "sheet" if geom.meshname in unwrapped else "cube"
            geom.material = f"{kind}{rng.integers(_SURFACE_COUNT)}"
        elif is_coloured and not geom.material:
            geom.rgba = [*palette[rng.integers(len(palette))], 1]
    for _ in range(rng.integers(1, 3)):
        where = rng.normal(0, 1, 3) + np.array([0, 0, 1.5])
        light = spec.worldbody.add_light(pos=4 * where, dir=-where, type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)
        light.diffuse, light.castshadow = np.full(3, rng.uniform(0.3, 0.9)), bool(rng.random() < 0.7)
    spec.visual.headlight.ambient = np.full(3, rng.uniform(0.2, 0.5))
    spec.visual.headlight.diffuse = np.full(3, rng.uniform(0.1, 0.5))


def _add_surface(rng: np.random.Generator, spec: mujoco.MjSpec, number: int, surface: np.ndarray) -> None:
    """The surface as a cube-mapped material, and as a plane one for meshes with texture coordinates."""
    look = {"specular": rng.random(), "shininess": rng.random()}
    for kind, wrapping in (("cube", mujoco.mjtTexture.mjTEXTURE_CUBE), ("sheet", mujoco.mjtTexture.mjTEXTURE_2D)):
        texture = spec.add_texture(name=f"{kind}{number}", type=wrapping, gridsize=[1, 1])
        texture.width, texture.height, texture.nchannel = _TEXTURE_SIDE, _TEXTURE_SIDE, 3
        texture.data = surface.astype(np.uint8).tobytes()
        material = spec.add_material(name=texture.name, **look)
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = texture.name


def _meshes_with_texture_coordinates(spec: mujoco.MjSpec) -> set[str]:
    """Names of the meshes with texture coordinates, which the compiled model knows."""
    model = spec.copy().compile()
    return {model.mesh(i).name for i in range(model.nmesh) if model.mesh_texcoordadr[i] >= 0}


def _hide_irrelevant_geometry(model: mujoco.MjModel) -> None:
    """Hide planes, nearly transparent geometry, and collision geometry if there is visual geometry."""
    plane = model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE
    visual = (model.geom_contype == 0) & (model.geom_conaffinity == 0)
    collision = ~visual if (visual & ~plane).any() else np.zeros_like(plane)
    model.geom_group[:] = np.where(plane | collision | (model.geom_rgba[:, 3] < 0.5), _HIDDEN_GROUP, 0)


def _poses(rng: np.random.Generator, model: mujoco.MjModel) -> np.ndarray:
    """(ANIMATION_FRAMES, positions): hinges and slides swing within their ranges, all else is at rest."""
    poses = np.tile(model.qpos0, (ANIMATION_FRAMES, 1))
    is_still, reach = rng.random() < 0.25, rng.uniform(0.1, 0.7)
    for joint in range(model.njnt):
        if model.jnt_type[joint] not in (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE):
            continue
        low, high = model.jnt_range[joint] if model.jnt_limited[joint] else (-0.5, 0.5)
        middle, half = (low + high) / 2, (high - low) / 2 * reach
        rest = middle + half * rng.uniform(-1, 1)
        swing = 0 if is_still else half * rng.uniform(0.1, 0.8)
        pose = rest + swing * np.sin(rng.uniform(0.1, 0.7) * np.arange(ANIMATION_FRAMES) + rng.uniform(0, 6))
        poses[:, model.jnt_qposadr[joint]] = np.clip(pose, low, high)
    return poses


def _cameras(rng: np.random.Generator, model: mujoco.MjModel, data: mujoco.MjData) -> Iterator[mujoco.MjvCamera]:
    """One camera per frame, orbiting the centre of the visible geometry."""
    drawn = model.geom_group != _HIDDEN_GROUP
    centres, radii = data.geom_xpos[drawn], np.minimum(model.geom_rbound[drawn], 3)[:, None]
    low, high = (centres - radii).min(axis=0), (centres + radii).max(axis=0)
    along = np.linspace(0, 1, ANIMATION_FRAMES)
    azimuth = rng.uniform(0, 360) + np.degrees(rng.uniform(-1, 1) * rng.choice((0.5, 2.0, 6.0))) * along
    elevation = rng.uniform(-75, 5) + rng.uniform(-20, 20) * np.sin(rng.uniform(1, 4) * along)
    for t in range(ANIMATION_FRAMES):
        camera = mujoco.MjvCamera()
        camera.lookat[:], camera.distance = (low + high) / 2, 0.94 * float(np.linalg.norm(high - low))
        camera.azimuth, camera.elevation = azimuth[t], np.clip(elevation[t], -89, 30)
        yield camera


def _crop_to_object(frames: np.ndarray) -> np.ndarray | None:
    """The square around the object on all frames, reduced to SPRITE_SIDE pixels with soft borders."""
    solid = frames[..., 3] > 0
    x, y, width, height = cv2.boundingRect(solid.any(axis=0).astype(np.uint8))
    side = max(width, height)
    if side < _MIN_SIDE or solid.sum(axis=(1, 2)).min() < _MIN_FILLED * side**2:
        return None
    left, upper = x - (side - width) // 2, y - (side - height) // 2
    padded = np.pad(frames, ((0, 0), (side, side), (side, side), (0, 0)))
    square = padded[:, upper + side : upper + 2 * side, left + side : left + 2 * side].astype(np.float32)
    square[..., :3] *= square[..., 3:] / 255
    small = np.stack([cv2.resize(frame, (SPRITE_SIDE, SPRITE_SIDE), interpolation=cv2.INTER_AREA) for frame in square])
    small[..., :3] *= 255 / np.maximum(small[..., 3:], 1)
    square_frames: np.ndarray = np.clip(small, 0, 255).astype(np.uint8)
    return square_frames
