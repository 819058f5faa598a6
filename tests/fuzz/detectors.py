"""Files of pose estimators and motion capture in the forms that people save them in."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.mutate import Kind, change_bytes, change_text_of, change_zip, npy, poses

SIZE = (640, 480)
NAMES = ("nose", "left_shoulder", "right_shoulder", "left_hip", "right_hip", "left_knee", "right_knee")


def _read(path: Path) -> object:
    from ups.data.open_file import read_file

    return read_file(path, image_size=SIZE)


def _read_array(path: Path) -> object:
    from ups.data.open_file import read_file

    return read_file(path, "coco-17", image_size=SIZE)


def _points(rng: random.Random, joints: int = 17, axes: int = 2) -> list[list[float]]:
    return (np.abs(poses(rng, joints, axes)) * 100 + 5).round(2).tolist()


def make_mmpose(rng: random.Random) -> bytes:
    axes = rng.choice([2, 2, 3])
    people = [[{"keypoints": _points(rng, 17, axes), "keypoint_scores": [0.9] * 17, "track_id": m} for m in range(2)]
              for _ in range(3)]  # fmt: skip
    frames: list[dict[str, Any]] = [{"frame_id": n, "instances": each} for n, each in enumerate(people)]
    meta = {"keypoint_id2name": {str(i): f"left_hip{i}" for i in range(17)}}
    return change_text_of(rng, rng.choice([frames, {"meta_info": meta, "instance_info": frames}]))


def make_alphapose(rng: random.Random) -> bytes:
    flat = [[v for p in _points(rng) for v in (*p, 0.8)] for _ in range(4)]
    listed: Any = [{"image_id": f"{n}.jpg", "keypoints": k, "score": 2.0, "idx": n % 2} for n, k in enumerate(flat)]
    return change_text_of(
        rng, rng.choice([listed, {f"{n}.jpg": {"bodies": [{"joints": k}]} for n, k in enumerate(flat)}])
    )


def make_yolo(rng: random.Random) -> bytes:
    frames = []
    for _ in range(3):
        x, y = np.array(_points(rng)).T.tolist()
        frames.append([{"name": "person", "keypoints": {"x": x, "y": y, "visible": [0.9] * 17}, "track_id": 1}])
    texts: Any = [json.dumps(frame) for frame in frames]
    return change_text_of(rng, rng.choice([frames, texts]))


def make_yolo_labels(rng: random.Random) -> dict[str, bytes]:
    line = " ".join(f"{v:.3f}" for v in [0, 0.5, 0.5, 0.2, 0.2, *np.ravel(np.abs(poses(rng, 17, 3)) % 1)])
    return {f"v_{n}.txt": change_bytes(rng, f"{line}\n".encode()) for n in range(1, 4)}


def make_whole_body(rng: random.Random) -> bytes:
    count = rng.choice([26, 133, 136])
    return change_text_of(
        rng, [{"image_id": n, "keypoints": [v for p in _points(rng, count) for v in (*p, 1.0)]} for n in range(3)]
    )


def make_mediapipe(rng: random.Random) -> bytes:
    marks = [[{"x": x / 999, "y": y / 999, "z": 0.1, "visibility": 0.9, "id": j} for j, (x, y) in enumerate(_points(rng, 33))]
             for _ in range(3)]  # fmt: skip
    keyed = [{"frame": n, "timestamp_ms": 40 * n, "pose_landmarks": [mark]} for n, mark in enumerate(marks)]
    record: Any = rng.choice([marks, keyed, {"fps": 25, "width": 640, "height": 480, "frames": keyed}])
    return change_text_of(rng, record)


def _table(rng: random.Random, rows: list[list[Any]]) -> bytes:
    return change_bytes(rng, "\n".join(",".join(map(str, row)) for row in rows).encode())


def make_mediapipe_table(rng: random.Random) -> bytes:
    points = [_points(rng, 33) for _ in range(3)]
    if rng.random() < 0.5:
        head = ["frame", *(f"{axis}{j}" for j in range(33) for axis in "xy")]
        return _table(rng, [head, *([n, *np.ravel(points[n])] for n in range(3))])
    return _table(rng, [["time", "person", "landmark", "x", "y"],
                        *([n / 25, 0, j, *points[n][j]] for n in range(3) for j in range(33))])  # fmt: skip


def make_deeplabcut(rng: random.Random) -> bytes:
    axes = rng.choice([("x", "y", "likelihood"), ("x", "y", "z")])
    heads = [["scorer", *["DLC"] * 21], ["bodyparts", *(n for n in NAMES for _ in axes)], ["coords", *axes * 7]]
    form = rng.choice(["{}", "img{}.png"])
    values = np.array(_points(rng, 7, 3)) / (1, 1, 999)
    return _table(rng, [*heads, *([form.format(n), *np.ravel(values)] for n in range(4))])


def make_sleap(rng: random.Random) -> bytes:
    head = ["track", "frame_idx", "instance.score", *(f"{n}.{axis}" for n in NAMES for axis in ("x", "y", "score"))]
    return _table(
        rng,
        [head, *([f"t{n % 2}", n // 2, 0.9, *np.ravel(np.array(_points(rng, 7, 3)) / (1, 1, 999))] for n in range(6))],
    )


def make_own_table(rng: random.Random) -> bytes:
    """Columns that say when and who, of any name, before those of joints."""
    extra = rng.choice([["Frame #"], ["Time (ms)", "PersonID"], ["filename"], ["timestamp", "video"], ["index"]])
    cells = {"filename": "img_{}.png", "video": "a.mp4", "PersonID": "anna"}
    rows = [[*(cells.get(name, "{}").format(40 * n) for name in extra), *np.ravel(_points(rng, 7))] for n in range(5)]
    form = rng.choice(["{}_{}", "{} ({})", "person1_{}_{}", "Anna:{}_{}"])
    return _table(rng, [[*extra, *(form.format(n, axis) for n in NAMES for axis in "xy")], *rows])


def make_npy(rng: random.Random) -> bytes:
    shape = rng.choice([(4, 17, 2), (2, 4, 17, 2), (4, 17, 3), (4, 33, 4), (4, 34)])
    return change_bytes(rng, npy(poses(rng, *shape)))


def make_custom(rng: random.Random) -> bytes:
    """VideoPose3D's custom data."""
    videos = np.array({"a.mp4": {"custom": [np.array(_points(rng, 17 * 3)).reshape(3, 17, 2)]}}, dtype=object)
    facts = np.array({"layout_name": "coco", "video_metadata": {"a.mp4": {"w": 640, "h": 480}}}, dtype=object)
    return change_zip(rng, {"positions_2d.npy": npy(videos), "metadata.npy": npy(facts)}, change_bytes)


KINDS = {
    "mmpose": Kind("a.json", make_mmpose, _read),
    "alphapose": Kind("a.json", make_alphapose, _read),
    "yolo": Kind("a.json", make_yolo, _read),
    "yolo labels": Kind("a", make_yolo_labels, _read),
    "whole body": Kind("a.json", make_whole_body, _read),
    "mediapipe": Kind("a.json", make_mediapipe, _read),
    "mediapipe table": Kind("a.csv", make_mediapipe_table, _read),
    "deeplabcut": Kind("a.csv", make_deeplabcut, _read),
    "sleap": Kind("a.csv", make_sleap, _read),
    "own table": Kind("a.csv", make_own_table, _read),
    "npy": Kind("a.npy", make_npy, _read_array),
    "custom": Kind("data_2d_custom_a.npz", make_custom, _read),
}
