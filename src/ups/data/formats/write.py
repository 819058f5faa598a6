"""Writers of one recording: our own csv and json, COCO keypoints, and TRC; `read_file` reads the same joints back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ups.data.formats.native import OWN_UP, write_file
from ups.data.formats.write_bvh import write_bvh
from ups.errors import DataError
from ups.files import write_whole
from ups.pose import PoseSequence
from ups.skeletons import SKELETONS, skeleton_of

FORMATS = ("npz", "json", "csv", "coco", "trc", "bvh")
"""What `write` knows."""


def write(clip: PoseSequence, path: Path | str, kind: str) -> None:
    """Writes a recording in one of `FORMATS`; an old file is replaced whole.

    npz and json hold everything; csv all but bones and 3D behind 2D; coco 2D alone; trc and bvh one person in 3D, y up.

    Raises:
        DataError: a format that can't hold the recording; it names what does.
        OSError: it can't be written; nothing half-written is left behind.
    """
    path = Path(path)
    if kind not in FORMATS:
        raise DataError(f"{path}: {kind!r} is no format to write; known are {', '.join(FORMATS)}")
    if kind == "coco" and clip.space != "image":
        raise DataError(f"{path}: COCO's keypoints are 2D, this recording is in space {clip.space!r}; write csv or npz")
    if kind in ("trc", "bvh") and clip.space == "image":
        raise DataError(f"{path}: {kind} holds 3D; lift the 2D recording with --lift MODEL, or write csv or npz")
    if kind in ("trc", "bvh") and clip.persons > 1:
        raise DataError(f"{path}: {kind} holds one person, this recording has {clip.persons}; choose one with --person")
    if kind == "npz":
        write_file(clip, path)
    else:
        writers = {"json": own_json, "csv": own_csv, "coco": coco, "trc": trc, "bvh": write_bvh}
        write_whole(path, writers[kind](clip).encode())


def not_held(clip: PoseSequence, kind: str) -> list[str]:
    """What a clip has that one of `FORMATS` can't hold, in words; what is only written otherwise, such as y up, as well."""
    if kind in ("npz", "json"):
        return []
    lost = ["the 3D poses behind its joints"] if clip.pose_3d is not None else []
    if kind == "csv":
        bones = skeleton_of(clip.skeleton.joints, clip.id) != clip.skeleton
        return [*lost, *(["which joints its bones join"] if bones else [])]
    for name, there in (
        ("confidences", kind != "coco" and not np.isin(clip.visibility, (0, 1)).all()),
        ("which joints were not seen", kind == "bvh" and not (clip.visibility > 0).all()),
        ("the focal length", clip.focal is not None),
        ("the camera's centre", clip.centre is not None),
        ("the label", clip.label >= 0),
        ("the subject", clip.subject >= 0),
        ("the camera's number", clip.view >= 0),
        (f"that its frame is {clip.space}, it is y up", clip.space in ("camera", "kinect")),
    ):
        lost += [name] if there else []
    return lost


def y_up(clip: PoseSequence) -> np.ndarray:
    """3D joints (M, N, J, 3) in metres, y up, whatever the space."""
    return clip.joints * np.array((1, -1, -1), np.float32) if clip.space == "camera" else clip.joints


def own_json(clip: PoseSequence) -> str:
    """Our own JSON: everything that .npz holds, null where a joint was not seen."""
    record: dict[str, Any] = {
        "joints": _with_nulls(_doubles(clip.joints), clip.visibility > 0),
        "visibility": _doubles(clip.visibility).tolist(),
        "fps": clip.fps,
        "space": clip.space,
        "skeleton": clip.skeleton.name,
        "label": clip.label,
        "subject": clip.subject,
        "view": clip.view,
    }
    record |= {"id": clip.id} if clip.id else {}
    if SKELETONS.get(clip.skeleton.name) != clip.skeleton:
        s = clip.skeleton
        record |= {"joint_names": list(s.joints), "parents": list(s.parents), "root": list(s.root)}
    if clip.image_size is not None:
        record["image_size"] = list(clip.image_size)
    record |= {"up": OWN_UP[clip.space]} if clip.up_known else {}
    record |= {} if clip.focal is None else {"focal": clip.focal}
    record |= {} if clip.centre is None else {"centre": list(clip.centre)}
    if clip.pose_3d is not None:
        record["pose_3d"] = _doubles(clip.pose_3d).tolist()
    return json.dumps(record, allow_nan=False)


def own_csv(clip: PoseSequence) -> str:
    """Our own CSV: a row a person and frame; empty cells where a joint was not seen."""
    axes = "xy" if clip.space == "image" else "xyz"
    sure = bool(np.isin(clip.visibility, (0, 1)).all())
    notes = [f"# fps = {clip.fps!r}", f"# space = {clip.space}"]
    notes += [f"# id = {clip.id}"] if clip.id and clip.id.isprintable() else []
    notes += [f"# image_size = {clip.image_size[0]} x {clip.image_size[1]}"] if clip.image_size else []
    notes += [f"# up = {OWN_UP[clip.space]}"] if clip.up_known else []
    notes += [f"# focal = {clip.focal!r}"] if clip.focal is not None else []
    notes += [f"# centre = {clip.centre[0]!r} {clip.centre[1]!r}"] if clip.centre is not None else []
    notes += [f"# {key} = {value}" for key in ("label", "subject", "view") if (value := getattr(clip, key)) >= 0]
    columns = [f"{joint}_{axis}" for joint in clip.skeleton.joints for axis in (axes if sure else axes + "v")]
    lines = [*notes, ",".join(["frame", "person", *columns])]
    values = clip.joints if sure else np.concatenate([clip.joints, clip.visibility[..., None]], -1)
    for m in range(clip.persons):
        for n in range(clip.frames):
            cells = [
                str(value) if seen else ""
                for joint, seen in zip(values[m, n], clip.visibility[m, n] > 0, strict=True)
                for value in joint
            ]
            lines.append(",".join([str(n), str(m), *cells]))
    return "\n".join(lines) + "\n"


def coco(clip: PoseSequence) -> str:
    """Keypoints in COCO's format, joints by name; frames are images, persons have a track_id; fps and up in "info"."""
    assert clip.image_size is not None, "2D clips have one"
    width, height = clip.image_size
    images = [
        {"id": n, "frame_id": n, "file_name": f"{n:06}.jpg", "width": width, "height": height}
        for n in range(clip.frames)
    ]
    sure = bool(np.isin(clip.visibility, (0, 1)).all())
    marks = np.where(clip.visibility > 0, 2.0, 0.0) if sure else _doubles(clip.visibility)
    points = np.concatenate([_doubles(clip.joints), marks[..., None]], -1)
    annotations = []
    for m, n in np.argwhere((clip.visibility > 0).any(-1)).tolist():
        annotation = {"id": len(annotations) + 1, "image_id": n, "category_id": 1, "track_id": m + 1, "iscrowd": 0}
        seen = clip.visibility[m, n] > 0
        low, high = clip.joints[m, n][seen].min(0).astype(float), clip.joints[m, n][seen].max(0).astype(float)
        annotation |= {"keypoints": points[m, n].ravel().tolist(), "num_keypoints": int(seen.sum())}
        annotation |= {"bbox": [*low.tolist(), *(high - low).tolist()], "area": float(np.prod(high - low))}
        annotations.append(annotation)
    bones = [[child + 1, parent + 1] for child, parent in clip.skeleton.bones]
    person = {"id": 1, "name": "person", "keypoints": list(clip.skeleton.joints), "skeleton": bones}
    info = {"fps": clip.fps} | ({"up": OWN_UP[clip.space]} if clip.up_known else {})
    record = {"info": info, "images": images, "annotations": annotations, "categories": [person]}
    return json.dumps(record, allow_nan=False)


def trc(clip: PoseSequence) -> str:
    """One person's joints as markers: metres, y up; an empty cell where a joint was not seen."""
    joints, seen, names = y_up(clip)[0], clip.visibility[0] > 0, clip.skeleton.joints
    name = clip.id if clip.id and clip.id.isprintable() else "clip"
    rate, frames = f"{clip.fps:.6g}", clip.frames
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{name}.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate}\t{rate}\t{frames}\t{len(names)}\tm\t{rate}\t1\t{frames}",
        "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t",
        "\t\t" + "\t".join(f"X{j}\tY{j}\tZ{j}" for j in range(1, len(names) + 1)),
        "",
    ]
    for n in range(frames):
        cells = [str(v) if s else "" for joint, s in zip(joints[n], seen[n], strict=True) for v in joint]
        lines.append("\t".join([str(n + 1), f"{n / clip.fps:.6f}", *cells]))
    return "\n".join(lines) + "\n"


def _with_nulls(joints: np.ndarray, seen: np.ndarray) -> list[Any]:
    """Joints (M, N, J, V) as lists, null for every coordinate of a joint that was not seen."""
    values = joints.astype(object)
    values[~seen] = None
    return values.tolist()


def _doubles(values: np.ndarray) -> np.ndarray:
    """The same numbers as float64 with no more figures than float32 has: 0.1, not 0.10000000149."""
    return np.array([float(str(v)) for v in values.ravel()], np.float64).reshape(values.shape)
