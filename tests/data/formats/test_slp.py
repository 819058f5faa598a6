"""SLEAP's projects: frames, instances and points as SLEAP's own writer lays them out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ups.data.open_file import read_file
from ups.errors import DataError
from ups.skeletons import COCO_17

h5py = pytest.importorskip("h5py")

NODES = len(COCO_17)
FRAME = [
    ("frame_id", "u8"),
    ("video", "u4"),
    ("frame_idx", "u8"),
    ("instance_id_start", "u8"),
    ("instance_id_end", "u8"),
]
INSTANCE = [
    ("instance_id", "i8"), ("instance_type", "u1"), ("frame_id", "u8"), ("skeleton", "u4"), ("track", "i4"),
    ("from_predicted", "i8"), ("score", "f4"), ("point_id_start", "u8"), ("point_id_end", "u8"),
]  # fmt: skip
POINT = [("x", "f8"), ("y", "f8"), ("visible", "?"), ("complete", "?")]
SIZE = (1000, 800)


def person(offset: float, frame: int) -> np.ndarray:
    """(17, 2) pixels."""
    return np.stack([300 + offset + 10.0 * np.arange(NODES), 100 + 30.0 * np.arange(NODES)], -1) + (3 * frame, frame)


class Project:
    """What is to be written: frames of instances."""

    def __init__(self) -> None:
        self.frames: list[tuple] = []
        self.instances: list[tuple] = []
        self.points: dict[int, list[tuple]] = {0: [], 1: []}

    def add(self, points: np.ndarray, track: int = -1, kind: int = 1, instead: int = -1) -> None:
        own = self.points[kind]
        start = len(own)
        for x, y in points:
            point = (x, y, bool(np.isfinite(x)), False)
            own.append((*point, 0.75) if kind else point)
        number = len(self.instances)
        self.instances.append((number, kind, len(self.frames), 0, track, instead, 0.9, start, len(own)))

    def frame(self, number: int, instances: int, video: int = 0) -> None:
        end = len(self.instances)
        self.frames.append((len(self.frames), video, number, end - instances, end))

    def write(self, path: Path, size: tuple[int, int] | None = SIZE, **change: Any) -> Path:
        # SLEAP keeps all nodes in one list, and each skeleton says which it has, in which order
        order = list(reversed(range(NODES)))
        metadata = {
            "version": "2.0.0",
            "nodes": [{"name": COCO_17.joints[i], "weight": 1.0} for i in order],
            "skeletons": [{"name": "body", "nodes": [{"id": order.index(i)} for i in range(NODES)], "links": []}],
        } | change
        with h5py.File(path, "w") as file:
            group = file.create_group("metadata")
            group.attrs["format_id"] = 1.2
            group.attrs["json"] = np.bytes_(json.dumps(metadata))
            file["frames"] = np.array(self.frames, FRAME)
            file["instances"] = np.array(self.instances, INSTANCE)
            file["points"] = np.array(self.points[0], POINT)
            file["pred_points"] = np.array(self.points[1], [*POINT, ("score", "f8")])
            shape = {} if size is None else {"shape": [100, size[1], size[0], 1]}
            file["videos_json"] = [np.bytes_(json.dumps({"backend": {"filename": "a.mp4", **shape}}))]
            file["tracks_json"] = [np.bytes_(json.dumps([0, "anna"]))]
        return path


def two_people(tracks: bool) -> Project:
    project = Project()
    for n in (0, 1, 2, 4):
        people = [(0.0, 0), (400.0, 1)]
        for offset, track in people if n % 2 else people[::-1]:
            project.add(person(offset, n), track if tracks else -1)
        project.frame(n, 2)
    return project


@pytest.mark.parametrize("tracks", [True, False])
def test_tracks_are_persons_and_who_has_none_is_followed(tmp_path: Path, tracks: bool) -> None:
    clip = read_file(two_people(tracks).write(tmp_path / "a.slp"), fps=30)
    assert clip.joints.shape == (2, 5, 17, 2) and clip.image_size == SIZE
    left, right = sorted(range(2), key=lambda m: clip.joints[m, 0, 0, 0])
    for m, offset in ((left, 0.0), (right, 400.0)):
        for n in (0, 1, 2, 4):
            np.testing.assert_allclose(clip.joints[m, n], person(offset, n), atol=1e-3)
            assert (clip.visibility[m, n] == 0.75).all()
        assert not clip.visibility[m, 3].any()


def test_what_a_user_corrected_counts(tmp_path: Path) -> None:
    project = Project()
    for n in range(5):
        project.add(person(0, n))
        wrong = len(project.instances) - 1
        if n == 2:
            right = person(1, n)
            right[3] = np.nan
            project.add(right, kind=0, instead=wrong)
        project.frame(n, 2 if n == 2 else 1)
    clip = read_file(project.write(tmp_path / "a.slp", size=None), fps=30, image_size=SIZE)
    assert clip.persons == 1 and clip.visibility[0, 2, 3] == 0
    np.testing.assert_allclose(clip.joints[0, 2, 5], person(1, 2)[5])


def test_projects_that_can_not_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not say how large"):
        read_file(two_people(True).write(tmp_path / "a.slp", size=None))
    videos = two_people(True)
    videos.frame(9, 0, video=1)
    with pytest.raises(DataError, match="frames of 2 videos"):
        read_file(videos.write(tmp_path / "b.slp"))
    with pytest.raises(DataError, match="does not name the nodes"):
        read_file(two_people(True).write(tmp_path / "c.slp", nodes=[]))
    with pytest.raises(DataError, match="2 skeletons"):
        read_file(two_people(True).write(tmp_path / "d.slp", skeletons=[{}, {}]))
    short = two_people(True)
    short.points[1] = short.points[1][:-1]
    with pytest.raises(DataError, match="does not have the 17 points"):
        read_file(short.write(tmp_path / "e.slp"))
    shared = two_people(True)
    shared.frames.append((9, 0, 9, 0, 2))  # instances that another frame has
    with pytest.raises(DataError, match="its frames have 10 instances, there are 8"):
        read_file(shared.write(tmp_path / "h.slp"))
    twice = two_people(True)
    twice.add(person(0, 9), 0)
    twice.add(person(9, 9), 0)
    twice.frame(9, 2)
    with pytest.raises(DataError, match="two persons with id 0 in frame 9"):
        read_file(twice.write(tmp_path / "f.slp"))
    (tmp_path / "g.slp").write_bytes(b"no project")
    with pytest.raises(DataError, match="not an HDF5 file"):
        read_file(tmp_path / "g.slp")
