"""Recordings of one file: the project's own, COCO, OpenPose, motion capture, HDF5, and files that describe skeletons."""

from __future__ import annotations

import io
import json
import random
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
from fuzz.arrays import read_recording
from fuzz.mutate import Kind, change_bytes, change_one, change_text_of, poses


def make_csv(rng: random.Random) -> bytes:
    names = ("nose", "left_hip", "right_hip", "left_wrist")
    head = ["frame", "person", *(f"{name}_{axis}" for name in names for axis in "xyz")]
    rows = [[str(n // 2), str(n % 2), *(f"{v:.3f}" for v in poses(rng, 12))] for n in range(8)]
    return change_bytes(
        rng, ("# space = world\n# fps = 25\n" + "\n".join(",".join(row) for row in [head, *rows])).encode()
    )


def make_json(rng: random.Random) -> bytes:
    fields = {"joints": poses(rng, 3, 17, 2).tolist(), "skeleton": "coco-17", "fps": 30.0, "image_size": [320, 240]}
    return change_text_of(rng, fields)


def make_coco(rng: random.Random) -> bytes:
    points = [[*np.abs(point).tolist(), 0.9] for point in poses(rng, 17, 2) * 100]
    results = [{"image_id": n, "category_id": 1, "keypoints": sum(points, []), "score": 0.9} for n in (1, 2, 2)]
    images = [{"id": n, "width": 320, "height": 240} for n in (1, 2)]
    return change_text_of(rng, {"images": images, "annotations": results})


def make_bvh(rng: random.Random) -> bytes:
    turns = "Zrotation Xrotation Yrotation"
    leg = "JOINT {0}UpLeg {{ OFFSET 1 0 0 CHANNELS 3 " + turns + " JOINT {0}Leg {{ OFFSET 0 -42 0 CHANNELS 3 " + turns
    leg += " End Site {{ OFFSET 0 -40 0 }} }} }}"
    head = "HIERARCHY\nROOT Hips\n{\nOFFSET 0 0 0\nCHANNELS 6 Xposition Yposition Zposition " + turns
    rows = "\n".join(" ".join(f"{v:.2f}" for v in row) for row in poses(rng, 4, 18) * 30)
    text = f"{head}\n{leg.format('Left')}\n{leg.format('Right')}\n}}\nMOTION\nFrames: 4\nFrame Time: 0.04\n{rows}\n"
    return change_bytes(rng, text.encode())


def make_trc(rng: random.Random) -> bytes:
    names = ("Neck", "LShoulder", "RShoulder", "LHip", "RHip", "LKnee", "RKnee", "LAnkle", "RAnkle")
    head = ["PathFileType\t4\t(X/Y/Z)\ta.trc", "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits"]
    head += [f"100\t100\t4\t{len(names)}\tmm", "Frame#\tTime\t" + "\t\t\t".join(names)]
    head += ["\t\t" + "\t".join(f"{axis}{n}" for n in range(1, len(names) + 1) for axis in "XYZ")]
    rows = ["\t".join([str(n), f"{n / 100}", *(f"{v:.3f}" for v in poses(rng, 27) * 1000)]) for n in range(4)]
    return change_bytes(rng, "\n".join([*head, *rows]).encode())


_BODY = {
    "Neck": (0, 0, 1.5), "LShoulder": (0.2, 0, 1.45), "RShoulder": (-0.2, 0, 1.45), "LHip": (0.1, 0, 0.95),
    "RHip": (-0.1, 0, 0.95), "LKnee": (0.1, 0.02, 0.5), "RKnee": (-0.1, 0.02, 0.5), "LAnkle": (0.1, 0, 0.08),
    "RAnkle": (-0.1, 0, 0.08),
}  # fmt: skip
"""Somebody who stands, metres, z up."""


def standing(rng: random.Random, frames: int) -> np.ndarray:
    """Markers (N, 27) of somebody who hardly moves."""
    return np.array(list(_BODY.values())).ravel() + 0.01 * poses(rng, frames, 27)


def make_qualisys(rng: random.Random) -> bytes:
    names = tuple(_BODY)
    head = ["NO_OF_FRAMES\t4", f"NO_OF_MARKERS\t{len(names)}", "FREQUENCY\t100", "\t".join(["MARKER_NAMES", *names])]
    head += ["\t".join(["Frame", "Time", *(f"{name} {axis}" for name in names for axis in "XYZ")])]
    rows = [
        "\t".join([str(n), f"{n / 100}", *(f"{v:.3f}" for v in row * 1000)]) for n, row in enumerate(standing(rng, 6))
    ]
    return change_bytes(rng, "\n".join([*head, *rows]).encode())


def make_vicon(rng: random.Random) -> bytes:
    names = tuple(_BODY)
    head = ["Trajectories", "100", ",," + ",,,".join(f"Anna:{name}" for name in names) + ",,"]
    head += ["Frame,Sub Frame" + ",X,Y,Z" * len(names), "," + ",mm" * 3 * len(names)]
    rows = [",".join([str(n), "0", *(f"{v:.3f}" for v in row * 1000)]) for n, row in enumerate(standing(rng, 6))]
    return change_bytes(rng, "\r\n".join([*head, *rows, "", "Model Outputs"]).encode())


def make_motive(rng: random.Random) -> bytes:
    names = tuple(_BODY)
    head = ["Format Version,1.23,Export Frame Rate,100,Length Units,Meters", "", ",Type" + ",Bone" * 27]
    head += [",Name" + "".join(f",{name}" * 3 for name in names), ",," + ",".join(["Position"] * 27)]
    head += ["Frame,Time (Seconds)" + ",X,Y,Z" * len(names)]
    rows = [",".join([str(n), f"{n / 100}", *(f"{v:.3f}" for v in row)]) for n, row in enumerate(standing(rng, 6))]
    return change_bytes(rng, "\n".join([*head, *rows]).encode())


def make_openpose(rng: random.Random) -> dict[str, bytes]:
    """A folder of three frames with two people in each."""
    files = {}
    for n in range(3):
        people = [
            {"person_id": [-1], "pose_keypoints_2d": np.abs(poses(rng, 75)).tolist(), "face_keypoints_2d": []}
            for _ in range(2)
        ]
        files[f"a_{n:012d}_keypoints.json"] = json.dumps({"version": 1.3, "people": people}).encode()
    return change_one(rng, files, lambda rng, content: change_text_of(rng, json.loads(content)))


def _read_openpose(path: Path) -> object:
    from ups.data.open_file import read_file

    return read_file(path, image_size=(640, 480))


@lru_cache
def _c3d() -> bytes:
    import ezc3d

    names = ("Neck", "LShoulder", "RShoulder", "LHip", "RHip", "LKnee", "RKnee", "LAnkle", "RAnkle")
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [50]
    file["parameters"]["POINT"]["LABELS"]["value"] = list(names)
    file.add_parameter("POINT", "UNITS", ["mm"])
    file.add_parameter("POINT", "Y_SCREEN", ["+Z"])
    file["data"]["points"] = np.random.default_rng(0).normal(size=(4, len(names), 3)) * 1000
    with tempfile.TemporaryDirectory() as folder:
        file.write(f"{folder}/a.c3d")
        return Path(folder, "a.c3d").read_bytes()


def make_c3d(rng: random.Random) -> bytes:
    return change_bytes(rng, _c3d())


@lru_cache
def _h5(kind: int) -> bytes:
    import h5py

    parts = ("nose", "left_hip", "right_hip", "left_knee", "right_knee")
    values = np.random.default_rng(0).uniform(0, 99, (2, 4, 5, 3))
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        if kind == 0:
            file["tracks"], file["point_scores"] = values[..., :2].transpose(0, 3, 2, 1), values[..., 2] / 99
            file["node_names"] = np.array(parts, "S")
            return _closed(file, buffer)
        group = file.create_group("df_with_missing")
        columns = [
            ("DLC", f"p{m}", part, axis) for m in range(2) for part in parts for axis in ("x", "y", "likelihood")
        ]
        group.attrs["pandas_type"] = "frame_table" if kind == 1 else "frame"
        flat = values.transpose(1, 0, 2, 3).reshape(4, -1)
        if kind == 1:
            rows = np.zeros(4, [("index", "<i8"), ("values_block_0", "<f8", (len(columns),))])
            rows["values_block_0"] = flat
            made = group.create_dataset("table", data=rows)
            text = "".join("(" + "".join(f"V{word}\n" for word in column) + "ta" for column in columns)
            made.attrs["values_block_0_kind"] = np.bytes_(f"(lp0\n{text}.".encode())
        else:
            group.attrs["block0_items_nlevels"], group["block0_values"] = 4, flat
            for k, level in enumerate(zip(*columns, strict=True)):
                names = list(dict.fromkeys(level))
                group[f"block0_items_level{k}"] = np.array(names, "S")
                group[f"block0_items_label{k}"] = np.array([names.index(word) for word in level], np.int8)
        return _closed(file, buffer)


def _closed(file, buffer: io.BytesIO) -> bytes:
    file.close()
    return buffer.getvalue()


def make_h5(rng: random.Random) -> bytes:
    return change_bytes(rng, _h5(rng.randrange(3)))


def _read_h5(path: Path) -> object:
    from ups.data.open_file import read_file

    return read_file(path, image_size=(640, 480))


def make_toml(rng: random.Random) -> bytes:
    text = 'joints = ["pelvis", "left_hip", "right_hip", "left_knee"]\nroot = ["pelvis"]\n'
    return change_bytes(rng, (text + 'bones = [["left_hip", "pelvis"], ["left_knee", "left_hip"]]\n').encode())


def _read_toml(path: Path) -> object:
    from ups.skeletons import find_skeleton

    return find_skeleton(str(path))


def make_joint_map(rng: random.Random) -> bytes:
    text = '"Nose" = "nose"\n3 = "left_hip"\n"RHip" = "right_hip"\n"Ear" = ""\n'
    return change_bytes(rng, text.encode())


def _read_joint_map(path: Path) -> object:
    from ups.data.formats.joint_map import read_joint_map

    return read_joint_map(path)


KINDS = {
    "csv": Kind("a.csv", make_csv, read_recording),
    "json": Kind("a.json", make_json, read_recording),
    "coco": Kind("a.json", make_coco, read_recording),
    "bvh": Kind("a.bvh", make_bvh, read_recording),
    "trc": Kind("a.trc", make_trc, read_recording),
    "qualisys": Kind("a.tsv", make_qualisys, read_recording),
    "vicon": Kind("a.csv", make_vicon, read_recording),
    "motive": Kind("a.csv", make_motive, read_recording),
    "c3d": Kind("a.c3d", make_c3d, read_recording, slow=True),
    "hdf5": Kind("a.h5", make_h5, _read_h5, slow=True),
    "openpose": Kind("a", make_openpose, _read_openpose),
    "skeleton toml": Kind("a.toml", make_toml, _read_toml),
    "joint map": Kind("a.toml", make_joint_map, _read_joint_map),
}
