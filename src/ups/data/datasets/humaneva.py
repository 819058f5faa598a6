"""HumanEva-I as VideoPose3D prepares it: motion capture of three subjects seen by three colour cameras.

Source: Sigal, Balan, Black, "HumanEva", IJCV 2010; the .npz layout is VideoPose3D's (`data_3d_humaneva15.npz`:
`positions_3d`[subject][chunk] (N, 15, 3) m in the world; `data_2d_humaneva15_gt.npz`: `positions_2d`[subject][chunk] =
a list of 3 cameras (N, 15, 2) px). A chunk is a stretch with valid motion capture; frames keep the video's 60 Hz.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ups.data.datasets import h36m
from ups.data.datasets.base import Clip, DataSet
from ups.data.datasets.h36m import Extrinsics, VideoPose3DLayout, View, read_videopose3d
from ups.errors import DataError
from ups.skeletons import HUMANEVA_15

POSES_3D, POSES_2D = "data_3d_humaneva15.npz", "data_2d_humaneva15_gt.npz"
FPS = 60.0
IMAGE_SIZE = (640, 480)
_CLASS_OF = {"Walking": "walking", "Jog": "jog", "Gestures": "gestures", "Box": "box", "ThrowCatch": "throw and catch"}
CLASSES = tuple(_CLASS_OF.values())
_PARTS = {"Train": "train", "Validate": "test"}


def load_extrinsics() -> dict[str, list[Extrinsics]]:
    """The published camera calibration: for S1, S2 and S3 the cameras C1, C2, C3 in order; S4's is not public."""
    return h36m.load_extrinsics("humaneva_cameras.json")


def read(source: Path) -> Iterator[Clip | DataError]:
    """Every chunk seen by every camera, sorted by id ("Train_S1_Walking_1_chunk0_C1").

    Protocol "official" trains on Train/* and tests on Validate/*.

    Args:
        source: folder that holds both .npz files.

    Yields:
        2D joints in px with `pose_3d` in the camera's frame; joints that are not finite in 2D or 3D are invisible. In
        place of a chunk without its three 2D views, or that can't be read, the DataError that names it.

    Raises:
        DataError: a file is damaged. FileNotFoundError: a file is missing.
    """
    views = {
        f"{part}/{subject}": [View(f"C{i}", i, IMAGE_SIZE, camera) for i, camera in enumerate(cameras, start=1)]
        for part in _PARTS
        for subject, cameras in load_extrinsics().items()
    }
    labels = {action: CLASSES.index(name) for action, name in _CLASS_OF.items()}
    layout = VideoPose3DLayout(HUMANEVA_15, views, FPS, labels)
    for item in read_videopose3d(Path(source) / POSES_3D, Path(source) / POSES_2D, layout):
        if isinstance(item, DataError):
            yield item
        else:
            subject, _, clip = item
            yield clip, {"official": _PARTS[subject.split("/")[0]]}


DATA_SET = DataSet(
    name="humaneva",
    skeleton=HUMANEVA_15,
    space="image",
    classes=CLASSES,
    protocols=("official",),
    terms="Research data; the files carry no licence text, ask the authors of HumanEva before other use.",
    read=read,
    files=(f"*/{POSES_3D}", f"*/{POSES_2D}"),
    summary="HumanEva-I for lifting: 77 chunks of 3 subjects seen by 3 cameras, 15 joints, 2D with the 3D behind it",
    paired=True,
)
