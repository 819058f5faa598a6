"""JSON of pose estimators in further forms: MMPose's 3D poses, lines, texts, PoseNet's, and frames of people's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ups.data.open_file import read_file
from ups.errors import DataError
from ups.skeletons import COCO_17, H36M_17

FRAMES, SIZE = 5, (640, 480)
POINTS = np.random.default_rng(0).uniform(50, 400, (FRAMES, 17, 2)).round(2)
H36M = ("root", "right_hip", "right_knee", "right_foot", "left_hip", "left_knee", "left_foot", "spine", "thorax",
        "neck_base", "head", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow",
        "right_wrist")  # fmt: skip


def save(path: Path, record: Any) -> Path:
    path.write_text(record if isinstance(record, str) else json.dumps(record))
    return path


def person(n: int, **more: Any) -> dict[str, Any]:
    x, y = POINTS[n].T.tolist()
    return {"name": "person", "keypoints": {"x": x, "y": y, "visible": [0.9] * 17}, **more}


@pytest.mark.parametrize("ending", ["json", "jsonl", "NDJSON"])
def test_yolo_a_line_or_a_text_a_frame(ending: str, tmp_path: Path) -> None:
    lines = "\n".join(json.dumps([person(n)]) for n in range(FRAMES)) + "\n"
    np.testing.assert_allclose(
        read_file(save(tmp_path / f"a.{ending}", lines), image_size=SIZE).joints[0], POINTS, rtol=1e-6
    )
    texts = [json.dumps([person(n)]) for n in range(FRAMES)]
    np.testing.assert_allclose(
        read_file(save(tmp_path / "b.json", texts), image_size=SIZE).joints[0], POINTS, rtol=1e-6
    )
    with pytest.raises(DataError, match="nor one value a line"):
        read_file(save(tmp_path / "c.json", lines + "{oops"), image_size=SIZE)


@pytest.mark.parametrize("wrapped", [False, True])
def test_posenet_by_the_names_of_its_parts(wrapped: bool, tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(17).tolist()

    def pose(n: int) -> dict[str, Any]:
        parts = [{"part": "".join(w.title() for w in COCO_17.joints[j].split("_")), "score": 0.8,
                  "position": dict(zip("xy", POINTS[n, j].tolist(), strict=True))} for j in order]  # fmt: skip
        return {"pose": {"keypoints": parts}} if wrapped else {"keypoints": parts}

    clip = read_file(save(tmp_path / "a.json", [[pose(n)] for n in range(FRAMES)]), image_size=SIZE)
    np.testing.assert_allclose(clip.joints[0], POINTS, rtol=1e-6)
    np.testing.assert_allclose(clip.visibility, 0.8)


def test_frames_of_peoples_own(tmp_path: Path) -> None:
    rows = [
        {"frame": n, "persons": [{"id": 7, "keypoints": [[*p, 0.9] for p in POINTS[n].tolist()]}]} for n in (3, 0, 4)
    ]
    record = {"fps": 25, "width": SIZE[0], "height": SIZE[1], "frames": rows}
    clip = read_file(save(tmp_path / "a.json", record))
    assert (clip.fps, clip.image_size, clip.frames) == (25, SIZE, 5)
    np.testing.assert_allclose(clip.joints[0, [0, 3, 4]], POINTS[[0, 3, 4]], rtol=1e-6)
    assert not clip.visibility[0, 1:3].any()


def solid() -> np.ndarray:
    """(N, 17, 3) metres, y up: somebody stands, in the order of Human3.6M."""
    height = {"pelvis": 0.9, "hip": 0.9, "knee": 0.48, "ankle": 0.06, "spine": 1.1, "chest": 1.35, "neck": 1.42,
              "nose": 1.5, "head": 1.6, "head_top": 1.7, "shoulder": 1.35, "elbow": 1.1, "wrist": 0.9}  # fmt: skip
    joints = np.zeros((FRAMES, 17, 3))
    for j, name in enumerate(H36M_17.joints):
        side, _, part = name.rpartition("_") if name.startswith(("left", "right")) else ("", "", name)
        joints[:, j] = {"left": 0.15, "right": -0.15}.get(side, 0), height[part], 0.02 * j
    return joints + np.arange(FRAMES)[:, None, None] * 0.01


@pytest.mark.parametrize("unit", [1.0, 1000.0])
@pytest.mark.parametrize("named", [False, True])
def test_3d_poses_of_mmpose(unit: float, named: bool, tmp_path: Path) -> None:
    """z up, in the unit in which thighs are a human's; joints by name or in Human3.6M's order; frames by number."""
    joints = solid()
    given = np.stack([joints[..., 0], -joints[..., 2], joints[..., 1]], -1) * unit
    info = [{"frame_id": 2 * n, "instances": [{"keypoints": [given[n].tolist()], "keypoint_scores": [[1.0] * 17]}]}
            for n in range(FRAMES)]  # fmt: skip
    record = {
        "meta_info": {"keypoint_id2name": dict(zip(map(str, range(17)), H36M, strict=True))},
        "instance_info": info,
    }
    clip = read_file(save(tmp_path / "a.json", record if named else info), fps=50)
    assert (clip.space, clip.fps, clip.frames) == ("world", 25, FRAMES)
    order = [H36M_17.joints.index(joint) for joint in clip.skeleton.joints if joint in H36M_17.joints]
    assert len(order) == 17
    np.testing.assert_allclose(clip.joints[0], joints[:, order], atol=1e-5)
    assert not any("taken for" in notice.what for notice in clip.notices)


def test_3d_poses_of_several_people_need_tracks(tmp_path: Path) -> None:
    one = {"keypoints": solid()[0].tolist(), "keypoint_scores": [1.0] * 17}
    with pytest.raises(DataError, match="2 persons in a frame without track_id"):
        read_file(save(tmp_path / "a.json", [{"frame_id": n, "instances": [one, one]} for n in range(3)]))
    both = [one | {"track_id": 4}, one | {"track_id": 2}]
    assert read_file(save(tmp_path / "b.json", [{"frame_id": n, "instances": both} for n in range(3)])).persons == 2
    with pytest.raises(DataError, match="one frame of MMPose's 3D poses; give the JSON of the video"):
        read_file(save(tmp_path / "c.json", {"meta_info": {}, "instance_info": [one]}))


@pytest.mark.parametrize(
    ("name", "hint"),
    [("a.FBX", "Blender"), ("a.xlsx", "save the sheet as CSV"), ("a.zip", "unpack it first"),
     ("a.pt", "numpy.savez"), ("a.mot", ".trc of markers")],
)  # fmt: skip
def test_files_of_other_kinds_are_refused_with_their_converter(name: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"Kaydara FBX Binary")
    with pytest.raises(DataError) as error:
        read_file(tmp_path / name)
    assert hint in str(error.value) and "\n" not in str(error.value) and name in str(error.value)


def test_a_folder_that_holds_the_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "run" / "labels").mkdir(parents=True)
    for n in range(3):
        line = " ".join(f"{v:.4f}" for v in [0, 0.5, 0.5, 0.2, 0.2, *np.insert(POINTS[n] / SIZE, 2, 0.9, 1).ravel()])
        (tmp_path / "run" / "labels" / f"v_{n + 1}.txt").write_text(line + "\n")
        (tmp_path / "run" / "labels" / f"._v_{n + 1}.txt").write_bytes(b"\0\1")  # what macOS leaves on other disks
    with pytest.raises(DataError, match="but labels in it holds such files: give that") as error:
        read_file(tmp_path / "run", image_size=SIZE)
    assert "\n" not in str(error.value)
    np.testing.assert_allclose(read_file(tmp_path / "run" / "labels", image_size=SIZE).joints[0], POINTS[:3], atol=0.1)
