"""What 2D pose estimators write: COCO with any names, Halpe, COCO-WholeBody, MMPose, AlphaPose, YOLO, TensorFlow.js."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ups.data.formats.joint_map import JointMap
from ups.data.open_file import read_file
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeletons import COCO_17, H36M_17, OPENPOSE_18

SIZE = (640, 480)
FRAMES = 4
NAMES = list(COCO_17.joints)


def body(count: int = 17, seed: int = 0) -> np.ndarray:
    """(FRAMES, count, 3): pixels that move a little, and scores; one joint is not seen in one frame."""
    rng = np.random.default_rng(seed)
    points = np.round(rng.uniform(50, 400, (1, count, 2)) + np.arange(FRAMES)[:, None, None] * (1, 0.5), 2)
    scores = np.round(rng.uniform(0.5, 1, (FRAMES, count)), 2)
    scores[1, 2] = 0
    return np.concatenate([points * (scores[..., None] > 0), scores[..., None]], -1)


def put(path: Path, record: Any) -> Path:
    path.write_text(json.dumps(record))
    return path


def check(clip: PoseSequence, points: np.ndarray, names: list[str]) -> None:
    """The clip holds the joints `names` of `points`, whatever their order."""
    assert set(clip.skeleton.joints) == set(names) and clip.space == "image" and clip.image_size == SIZE
    for i, name in enumerate(names):
        j = clip.skeleton.joints.index(name)
        np.testing.assert_allclose(clip.joints[0, :, j], points[:, i, :2], atol=1e-3, err_msg=name)
        np.testing.assert_allclose(clip.visibility[0, :, j], points[:, i, 2], atol=1e-6, err_msg=name)


def coco(points: np.ndarray, names: list[str] | None, **category: Any) -> dict[str, Any]:
    images = [{"id": n, "width": SIZE[0], "height": SIZE[1], "frame_id": n} for n in range(len(points))]
    people = [{"id": n, "image_id": n, "category_id": 1, "keypoints": p.ravel().tolist()} for n, p in enumerate(points)]
    kind = {"id": 1, "name": "person"} | ({"keypoints": names} if names else {}) | category
    return {"images": images, "annotations": people, "categories": [kind]}


@pytest.mark.parametrize("spelling", [str, str.upper, lambda n: n.replace("left_", "L").replace("right_", "R"),
                                      lambda n: n.replace("_", " ").title()])  # fmt: skip
def test_names_of_the_category_beat_positions(tmp_path: Path, spelling) -> None:
    points, order = body(), np.random.default_rng(1).permutation(17)
    names = [NAMES[i] for i in order]
    clip = read_file(put(tmp_path / "a.json", coco(points, [spelling(name) for name in names])))
    assert clip.skeleton is COCO_17
    check(clip, points, names)


def test_posetrack_and_human36m_in_coco(tmp_path: Path) -> None:
    posetrack = ["nose", "head_bottom", "head_top", *NAMES[3:]]
    points = body()
    clip = read_file(put(tmp_path / "a.json", coco(points, posetrack)))
    check(clip, points, ["nose", "neck", "head_top", *NAMES[3:]])
    h36m = (
        "root right_hip right_knee right_foot left_hip left_knee left_foot spine thorax neck_base head left_shoulder "
        "left_elbow left_wrist right_shoulder right_elbow right_wrist"
    ).split()
    clip = read_file(put(tmp_path / "b.json", coco(points, h36m)))
    assert clip.skeleton is H36M_17
    check(clip, points, list(H36M_17.joints))


def test_names_without_meaning_are_left_out_and_told_or_refused(tmp_path: Path) -> None:
    points = body(18)
    clip = read_file(put(tmp_path / "a.json", coco(points, [*NAMES, "hat"])))
    check(clip, points[:, :17], NAMES)
    assert any("1 of 18: 'hat'" in notice.detail for notice in clip.notices)
    with pytest.raises(DataError, match=r"0 of 18 joints are known.*'p0', 'p1', 'p2' and 15 more.*--joint-map"):
        read_file(put(tmp_path / "b.json", coco(points, [f"p{i}" for i in range(18)])))
    with pytest.raises(DataError, match="names 17"):
        read_file(put(tmp_path / "c.json", coco(points, NAMES)))


def test_the_person_among_several_categories(tmp_path: Path) -> None:
    record = coco(body(), NAMES[::-1], id=2)
    for annotation in record["annotations"]:
        annotation["category_id"] = 2
    record["categories"].insert(0, {"id": 1, "name": "horse", "keypoints": ["nose", "tail"]})
    record["annotations"].append({"id": 99, "image_id": 0, "category_id": 1, "keypoints": [1, 2, 1, 3, 4, 1]})
    check(read_file(put(tmp_path / "a.json", record)), body(), NAMES[::-1])


HALPE = {17: "head_top", 18: "neck", 19: "pelvis", 20: "left_foot", 21: "right_foot", 24: "left_heel", 25: "right_heel"}
WHOLE = {17: "left_foot", 19: "left_heel", 20: "right_foot", 22: "right_heel", 93: "left_thumb", 96: "left_index",
         108: "left_pinky", 114: "right_thumb", 117: "right_index", 129: "right_pinky"}  # fmt: skip


@pytest.mark.parametrize(
    ("count", "names"),
    [
        (17, {}),
        (26, HALPE),
        (136, HALPE | {96: "left_thumb", 117: "right_thumb"}),
        (133, WHOLE),
        (18, dict(enumerate(OPENPOSE_18.joints))),
        (
            25,
            {
                0: "nose",
                1: "neck",
                2: "right_shoulder",
                9: "right_hip",
                14: "left_ankle",
                15: "right_eye",
                18: "left_ear",
            },
        ),
        (33, {0: "nose", 11: "left_shoulder", 25: "left_knee", 32: "right_foot"}),
    ],
)
def test_keypoints_without_names_by_their_number(tmp_path: Path, count: int, names: dict[int, str]) -> None:
    points = body(count)
    results = [{"image_id": f"{n}.jpg", "keypoints": p.ravel().tolist(), "score": 2.1} for n, p in enumerate(points)]
    clip = read_file(put(tmp_path / "a.json", results), image_size=SIZE)
    expected = (dict(enumerate(NAMES)) if count in (17, 26, 133, 136) else {}) | names
    for i, name in expected.items():
        np.testing.assert_allclose(clip.joints[0, :, clip.skeleton.joints.index(name)], points[:, i, :2], atol=1e-3)
    with pytest.raises(DataError, match="give the image size"):
        read_file(tmp_path / "a.json")


def test_other_numbers_need_a_map(tmp_path: Path) -> None:
    points = body(19)
    results = [{"image_id": n, "keypoints": p.ravel().tolist()} for n, p in enumerate(points)]
    path = put(tmp_path / "a.json", results)
    with pytest.raises(DataError, match="19 keypoints without names; known are 17 .*--joint-map"):
        read_file(path, image_size=SIZE)
    joint_map = JointMap("m", {str(18 - i): name for i, name in enumerate(NAMES)})
    check(read_file(path, image_size=SIZE, joint_map=joint_map), points[:, ::-1][:, :17], NAMES)


def instances(points: np.ndarray, nested: bool = False) -> list[dict[str, Any]]:
    """One person of MMPose."""
    xy, scores = points[:, :2].tolist(), points[:, 2].tolist()
    return [
        {"keypoints": [xy] if nested else xy, "keypoint_scores": [scores] if nested else scores, "bbox": [[0, 0, 9, 9]]}
    ]


@pytest.mark.parametrize("nested", [False, True])
def test_mmpose(tmp_path: Path, nested: bool) -> None:
    points, order = body(), list(reversed(NAMES))
    frames = [{"frame_id": n + 1, "instances": instances(p, nested)} for n, p in enumerate(points)]
    meta = {"dataset_name": "mine", "num_keypoints": 17, "keypoint_id2name": {str(i): n for i, n in enumerate(order)}}
    clip = read_file(put(tmp_path / "a.json", {"meta_info": meta, "instance_info": frames}), image_size=SIZE, fps=25)
    check(clip, points, order)
    assert clip.fps == 25
    check(read_file(put(tmp_path / "b.json", frames), image_size=SIZE), points, NAMES)
    del frames[2]
    gap = read_file(put(tmp_path / "c.json", frames), image_size=SIZE)
    assert gap.frames == 4 and gap.visibility[0, 2].max() == 0
    with pytest.raises(DataError, match="one frame of MMPose; give the folder"):
        read_file(put(tmp_path / "d.json", {"meta_info": meta, "instance_info": frames[0]["instances"]}))
    with pytest.raises(DataError, match="persons of one frame"):
        read_file(put(tmp_path / "e.json", frames[0]["instances"]))


def test_mmpose_of_one_image_a_file_and_its_tracks(tmp_path: Path) -> None:
    a, b = body(), body(seed=3)
    for n in range(FRAMES):
        two = [{**instances(p[n])[0], "track_id": i} for i, p in enumerate((a, b))]
        put(tmp_path / f"img_{n:03}.json", two if n % 2 else two[::-1])
    clip = read_file(tmp_path, image_size=SIZE)
    assert clip.persons == 2
    nose = clip.joints[:, :, 0, 0]
    assert {tuple(np.round(row, 2)) for row in nose.tolist()} == {tuple(np.round(p[:, 0, 0], 2)) for p in (a, b)}


def test_alphapose_in_its_three_forms(tmp_path: Path) -> None:
    points, other = body(26), body(18)
    results = [
        {"image_id": f"{n}.jpg", "category_id": 1, "keypoints": p.ravel().tolist(), "score": 2.9, "idx": [1.0]}
        for n, p in enumerate(points)
    ]
    check(read_file(put(tmp_path / "alphapose-results.json", results[::-1]), image_size=SIZE),
          points[:, [*range(21), 21, 24, 25]], [*NAMES, *HALPE.values()])  # fmt: skip
    cmu = {
        f"{n}.jpg": {"version": "AlphaPose v0.3", "bodies": [{"joints": p.ravel().tolist()}]}
        for n, p in enumerate(other)
    }
    check(read_file(put(tmp_path / "cmu.json", cmu), image_size=SIZE), other, list(OPENPOSE_18.joints))
    people = {f"{n}.jpg": {"people": [{"pose_keypoints_2d": p.ravel().tolist()}]} for n, p in enumerate(other)}
    check(read_file(put(tmp_path / "open.json", people), image_size=SIZE), other, list(OPENPOSE_18.joints))


def yolo(points: np.ndarray, scale: np.ndarray | float = 1.0) -> dict[str, Any]:
    x, y = (points[:, :2] / scale).T.tolist()
    keypoints = {"x": x, "y": y, "visible": points[:, 2].tolist()}
    return {"name": "person", "class": 0, "confidence": 0.9, "box": {"x1": 0}, "keypoints": keypoints}


def test_yolo_json(tmp_path: Path) -> None:
    points = body()
    check(read_file(put(tmp_path / "a.json", [[yolo(p)] for p in points]), image_size=SIZE), points, NAMES)
    fractions = [[yolo(p, np.array(SIZE))] for p in points]
    check(read_file(put(tmp_path / "b.json", fractions), image_size=SIZE), points, NAMES)
    with pytest.raises(DataError, match="persons of one frame"):
        read_file(put(tmp_path / "c.json", fractions[0]), image_size=SIZE)
    folder = tmp_path / "frames"
    folder.mkdir()
    for n, people in enumerate(fractions):
        put(folder / f"video_{n}.json", people)
    check(read_file(folder, image_size=SIZE), points, NAMES)


@pytest.mark.parametrize("tail", ["", " 0.9", " 0.9 7", " 7"])
def test_yolo_labels(tmp_path: Path, tail: str) -> None:
    points = body()
    for n, p in enumerate(points):
        numbers = (p / (*SIZE, 1)).ravel()
        text = " ".join(f"{v:.6f}" for v in (0, 0.5, 0.5, 0.3, 0.8, *numbers))
        if n != 2:  # a frame without anybody has no file
            (tmp_path / f"walk_{n + 1}.TXT").write_text(text.replace("0.000000", "0", 1) + tail + "\n")
    clip = read_file(tmp_path, image_size=SIZE)
    points[2] = 0
    check(clip, points, NAMES)
    with pytest.raises(DataError, match="image size"):
        read_file(tmp_path)
    (tmp_path / "walk_1.TXT").write_text("0 0.5 0.5 0.3 0.8 1 2 3" + " 0" * 40)
    with pytest.raises(DataError, match="line 1: 48 numbers"):
        read_file(tmp_path, image_size=SIZE)


def test_tensorflow_js(tmp_path: Path) -> None:
    points = body()
    frames = [
        [{"score": 0.9, "keypoints": [{"x": x, "y": y, "score": s, "name": n} for (x, y, s), n in
                                      zip(p.tolist(), reversed(NAMES), strict=True)]}] for p in points
    ]  # fmt: skip
    check(read_file(put(tmp_path / "a.json", frames), image_size=SIZE), points, NAMES[::-1])
