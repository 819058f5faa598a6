"""SLEAP's projects, .slp: HDF5 of frames, instances and points in structured arrays, with their names in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ups.data.formats.detections import Detection, recording
from ups.data.formats.hdf5 import H5
from ups.data.formats.named import Wish, other_size, places_of, skeleton_for
from ups.data.formats.sleap import image_size_of
from ups.errors import DataError
from ups.pose import PoseSequence

_NEEDED = {
    "frames": {"frame_id", "video", "frame_idx", "instance_id_start", "instance_id_end"},
    "instances": {"instance_id", "instance_type", "track", "from_predicted", "point_id_start", "point_id_end"},
    "points": {"x", "y", "visible"},
    "pred_points": {"x", "y", "visible", "score"},
}
"""Arrays -> what each of their rows says."""
_PREDICTED = 1
"""An instance of this type was predicted, its points are in pred_points; of the others, a person placed them."""


def is_slp(file: H5) -> bool:
    """Whether an HDF5 file has the arrays of a project."""
    return all(file.has(name) for name in _NEEDED) and "json" in file.attrs("metadata")


def read_slp(path: Path, file: H5, wish: Wish) -> PoseSequence:
    """The instances of the one video of a project. Tracks are persons; where there are none, persons are followed.

    What a user corrected counts in the place of what was predicted.

    Raises:
        DataError: several videos, arrays or names that don't fit together, too little of a body in the names of the nodes,
            no image size, or nobody.
    """
    where = str(path)
    rows = {name: file.array(name) for name in _NEEDED}
    for name, needed in _NEEDED.items():
        if not needed <= set(rows[name].dtype.names or ()):
            raise DataError(f"{path}: {name} lacks {', '.join(sorted(needed - set(rows[name].dtype.names or ()))[:3])}")
    videos = np.unique(rows["frames"]["video"])
    if len(videos) > 1:
        raise DataError(f"{path}: frames of {len(videos)} videos; export one project for each video")
    names = _nodes(file, path)
    places, told = places_of(names, len(names), where, wish.joint_map)
    skeleton = skeleton_for(places, where)
    picked = [places[joint] for joint in skeleton.joints]
    stated = _image_size(file, int(videos[0]) if len(videos) else 0)
    told = (*told, *other_size(wish.image_size, stated, "given"))
    size = wish.image_size or stated
    if size is None:
        raise DataError(f"{path}: it does not say how large the images are; give the image size, width and height")
    claimed = rows["frames"]["instance_id_end"].astype(float) - rows["frames"]["instance_id_start"]
    if claimed.sum() > len(rows["instances"]):
        raise DataError(f"{path}: its frames have {claimed.sum():.0f} instances, there are {len(rows['instances'])}")
    numbers, found = [], []
    for frame in rows["frames"]:
        start, end = int(frame["instance_id_start"]), int(frame["instance_id_end"])
        if not 0 <= start <= end <= len(rows["instances"]):
            raise DataError(
                f"{path}: frame {frame['frame_idx']} has instances {start} to {end} of {len(rows['instances'])}"
            )
        numbers.append(int(frame["frame_idx"]))
        for instance in _kept(rows["instances"][start:end]):
            points = _points(instance, rows, len(names), path)[picked]
            track = int(instance["track"])
            found.append(Detection(numbers[-1], points, track if track >= 0 else None))
    clip = recording(found, numbers, skeleton, fps=wish.fps, image_size=size, name=path.stem, where=where)
    return clip.tell(*told)


def _kept(instances: np.ndarray) -> list[Any]:
    """Those of one frame: of a predicted one and the user's of the same, or of the same track, the user's."""
    users = instances[instances["instance_type"] != _PREDICTED]
    corrected = set(users["from_predicted"].tolist())
    tracks = set(users["track"][users["track"] >= 0].tolist())
    predicted = instances[instances["instance_type"] == _PREDICTED]
    return [*users, *(i for i in predicted if i["instance_id"] not in corrected and i["track"] not in tracks)]


def _points(instance: Any, rows: dict[str, np.ndarray], nodes: int, path: Path) -> np.ndarray:
    """(J, 3) of x, y, score; NaN where not seen."""
    predicted = instance["instance_type"] == _PREDICTED
    every, start = rows["pred_points" if predicted else "points"], int(instance["point_id_start"])
    if int(instance["point_id_end"]) - start != nodes or not 0 <= start <= len(every) - nodes:
        raise DataError(f"{path}: instance {instance['instance_id']} does not have the {nodes} points of its skeleton")
    own = every[start : start + nodes]
    score = own["score"] if predicted else np.ones(nodes)
    points = np.stack([own["x"], own["y"], score], -1).astype(np.float64)
    points[~own["visible"].astype(bool)] = np.nan
    return points


def _nodes(file: H5, path: Path) -> list[str]:
    """The names of a skeleton's nodes, in the order of the points."""
    try:
        metadata = json.loads(file.attrs("metadata")["json"])
        names = [str(node["name"]) for node in metadata["nodes"]]
        skeletons = metadata["skeletons"]
        if len(skeletons) != 1:
            raise DataError(f"{path}: {len(skeletons)} skeletons; a project with one is needed")
        return [names[int(node["id"])] for node in skeletons[0]["nodes"]]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: its metadata does not name the nodes of a skeleton ({error!r:.100})") from error


def _image_size(file: H5, video: int) -> tuple[int, int] | None:
    """(width, height) of a video by the shape that the project gives."""
    try:
        texts = file.texts("videos_json") if file.has("videos_json") else []
        return image_size_of(texts[video]) if video < len(texts) else None
    except DataError:
        return None
