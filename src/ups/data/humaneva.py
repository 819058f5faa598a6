"""HumanEva-I as VideoPose3D prepares it: motion capture of three subjects seen by three colour cameras.

Source: Sigal, Balan, Black, "HumanEva", IJCV 2010; the .npz layout is VideoPose3D's (`data_3d_humaneva15.npz`:
`positions_3d`[subject][chunk] (N, 15, 3) m in the world; `data_2d_humaneva15_gt.npz`: `positions_2d`[subject][chunk] =
a list of 3 cameras (N, 15, 2) px). A chunk is a stretch with valid motion capture; frames keep the video's 60 Hz.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np

from ups.data.cameras import world_to_camera
from ups.data.dataset import Clip, DataSet
from ups.data.restricted import load_object_npz
from ups.pose import PoseError, PoseSequence
from ups.skeleton import HUMANEVA_15

POSES_3D, POSES_2D = "data_3d_humaneva15.npz", "data_2d_humaneva15_gt.npz"
FPS = 60.0
IMAGE_SIZE = (640, 480)
_CLASS_OF = {"Walking": "walking", "Jog": "jog", "Gestures": "gestures", "Box": "box", "ThrowCatch": "throw and catch"}
CLASSES = tuple(_CLASS_OF.values())
_PARTS = {"Train": "train", "Validate": "test"}

Extrinsics = tuple[np.ndarray, np.ndarray]
"""Quaternion (4,) w x y z, camera axes -> world axes, and the camera's place (3,) in metres."""


def load_extrinsics() -> dict[str, list[Extrinsics]]:
    """The published camera calibration: for S1, S2 and S3 the cameras C1, C2, C3 in order."""
    values = json.loads(resources.files("ups.data").joinpath("humaneva_cameras.json").read_text(encoding="utf-8"))
    return {
        subject: [(np.array(c["orientation"]), np.array(c["translation"]) / 1000) for c in cameras]
        for subject, cameras in values["extrinsics"].items()
        if all(cameras)  # S4's calibration is not public
    }


def read_clip(
    subject: str, chunk: str, camera: int, world: np.ndarray, pixels: np.ndarray, extrinsics: Extrinsics
) -> PoseSequence:
    """One chunk as one camera sees it.

    Args:
        subject: "Train/S1", "Validate/S3", ...
        chunk: "Walking 1 chunk0", ...
        camera: 1, 2 or 3.
        world: (N, 15, 3) metres; pixels: (N2, 15, 2). Both are cut to the shorter length.
        extrinsics: of this camera.

    Returns:
        2D joints in px with `pose_3d` in the camera's frame. Joints that are not finite in 2D or 3D are invisible.

    Raises:
        PoseError: unknown action, or arrays of another shape.
    """
    name = f"{subject}/{chunk}/C{camera}".replace("/", "_").replace(" ", "_")
    action = chunk.split(" ")[0]
    if action not in _CLASS_OF:
        raise PoseError(f"{name}: unknown action {action!r}; known are {', '.join(_CLASS_OF)}")
    if np.shape(world)[1:] != (15, 3) or np.shape(pixels)[1:] != (15, 2):
        raise PoseError(
            f"{name}: 3D {np.shape(world)} and 2D {np.shape(pixels)}; (frames, 15, 3) and (frames, 15, 2) needed"
        )
    frames = min(len(world), len(pixels))
    world, pixels = world[:frames], pixels[:frames]
    visible = np.all(np.isfinite(np.concatenate([world, pixels], axis=-1)), axis=-1)  # (N, J)
    seen = visible[..., None]
    in_camera = world_to_camera(np.where(seen, world, 0), *extrinsics)
    return PoseSequence(
        joints=np.where(seen, pixels, 0)[None],
        visibility=visible[None],
        skeleton=HUMANEVA_15,
        space="image",
        fps=FPS,
        id=name,
        label=CLASSES.index(_CLASS_OF[action]),
        subject=int(subject.split("/S")[1]),
        view=camera,
        image_size=IMAGE_SIZE,
        pose_3d=np.where(seen, in_camera, 0)[None],
    )


def read(source: Path) -> Iterator[Clip | PoseError]:
    """Every chunk seen by every camera, sorted by id; protocol "official" trains on Train/* and tests on Validate/*.

    Args:
        source: folder that holds both .npz files.

    Yields:
        Clips; in place of a chunk without its three 2D views, or that can't be read, the PoseError that names it.

    Raises:
        PoseError: a file is damaged. FileNotFoundError: a file is missing.
    """
    world = _table(source / POSES_3D, "positions_3d")
    pixels = _table(source / POSES_2D, "positions_2d")
    extrinsics = load_extrinsics()
    for subject, chunk in sorted((s, c) for s, chunks in world.items() for c in chunks):
        part, _, performer = subject.partition("/")
        if part not in _PARTS or performer not in extrinsics:
            yield PoseError(f"{source / POSES_3D}: unknown subject {subject!r}; Train/S1 .. Validate/S3 are known")
            continue
        views, cameras = pixels.get(subject, {}).get(chunk, ()), extrinsics[performer]
        if len(views) != len(cameras):
            yield PoseError(f"{source / POSES_2D}: {subject}, {chunk!r} has {len(views)} cameras; 3 are needed")
            continue
        for number, (seen, camera) in enumerate(zip(views, cameras, strict=True), start=1):
            try:
                yield read_clip(subject, chunk, number, world[subject][chunk], seen, camera), {"official": _PARTS[part]}
            except PoseError as error:
                yield error


def _table(path: Path, key: str) -> dict:
    """Member `key`: subject -> chunk -> poses."""
    members = load_object_npz(path)
    table = members.get(key)
    if not isinstance(table, dict) or not all(isinstance(v, dict) for v in table.values()):
        raise PoseError(f"{path}: no member {key!r} that maps subjects to chunks; found {', '.join(members)}")
    return table


DATA_SET = DataSet(
    name="humaneva",
    skeleton=HUMANEVA_15,
    space="image",
    classes=CLASSES,
    protocols=("official",),
    terms="Research data; the files carry no licence text, ask the authors of HumanEva before other use.",
    read=read,
    summary="HumanEva-I for lifting: 77 chunks of 3 subjects seen by 3 cameras, 15 joints, 2D with the 3D behind it",
    paired=True,
)
