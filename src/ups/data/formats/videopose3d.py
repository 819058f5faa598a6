"""VideoPose3D's custom data: data_2d_custom_NAME.npz with the 2D keypoints of one or several videos, and their sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ups.data.formats.arrangement import check_arrangement
from ups.data.formats.joint_names import quoted
from ups.data.formats.named import Wish, named_clip
from ups.data.formats.safe_pickle import load_object_npz
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeletons import COCO_17, H36M_17, SKELETONS


def read_videopose3d_custom(path: Path, wish: Wish) -> PoseSequence:
    """One video of a custom data set; the order of its keypoints is the layout that metadata names: COCO, or h36m.

    Raises:
        DataError: several videos, other values, no image size in the metadata nor given, another number of keypoints.
        OSError: the file can't be read.
    """
    fields = load_object_npz(path)
    videos, metadata = _plain(fields.get("positions_2d")), _plain(fields.get("metadata"))
    if not isinstance(videos, dict) or not videos or not all(isinstance(v, dict) for v in videos.values()):
        raise DataError(
            f"{path}: positions_2d = {{video: {{action: [(frames, joints, 2)]}}}} is needed, as VideoPose3D has it"
        )
    metadata = metadata if isinstance(metadata, dict) else {}
    found = [(str(video), str(action)) for video, actions in videos.items() for action in actions]
    name, action = found[0]
    views: Any = next(iter(next(iter(videos.values())).values()))
    views = list(views) if isinstance(views, list | tuple) else [views]
    if len(found) > 1 or len(views) > 1:
        many = quoted([f"{v}/{a}" for v, a in found])
        raise DataError(f"{path}: {len(found) * len(views)} recordings in one file ({many}); write one file for each")
    points = np.asarray(views[0], np.float64)
    if points.ndim != 3 or points.shape[2] not in (2, 3):
        raise DataError(f"{path}: {name}/{action} has shape {points.shape}; (frames, joints, 2) is needed")
    size = metadata.get("video_metadata", {}) if isinstance(metadata.get("video_metadata"), dict) else {}
    stated = size.get(name)
    image_size = None
    if isinstance(stated, dict) and {"w", "h"} <= set(stated):
        image_size = int(stated["w"]), int(stated["h"])
    layout = str(metadata.get("layout_name", "")).lower()
    skeleton = {"h36m": H36M_17, "human36m": H36M_17, "coco": COCO_17, **SKELETONS}.get(layout)
    joints: dict[str, int] | None = None
    if wish.joint_map is None and skeleton is not None and len(skeleton) == points.shape[1]:
        joints = {joint: i for i, joint in enumerate(skeleton.joints)}
    scores = points[None, ..., 2] if points.shape[2] == 3 else None
    known = {points.shape[1]: joints} if joints else None
    told = check_arrangement(points, points[None], known, f"{path}: {name}/{action}") if wish.joint_map is None else ()
    flat = points[None, ..., :2]
    return named_clip(flat, scores, joints, space="image", wish=wish, path=path, image_size=image_size, told=told)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
