"""What exporters of pose tools write, in forms of their own: read rightly, warned of, or refused in one clear line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ups.data.checks.clip import check_clip
from ups.data.formats.mediapipe import NAMES
from ups.data.open_file import read_file
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeletons import COCO_17

FRAMES, SIZE, JOINTS = 12, (640, 480), list(COCO_17.joints)
_RNG = np.random.default_rng(5)
POINTS = np.round(_RNG.uniform(100, 400, (17, 2)) + 2.5 * np.arange(FRAMES)[:, None, None], 3)
SCORES = np.round(_RNG.uniform(0.5, 0.99, (FRAMES, 17)), 3)
LANDMARKS = np.round(_RNG.uniform(100, 400, (33, 2)) + 2.5 * np.arange(FRAMES)[:, None, None], 3)
HEIGHTS = {"shoulder": 1.4, "elbow": 1.12, "wrist": 0.87, "hip": 0.93, "knee": 0.51, "ankle": 0.1}


def put(path: Path, content: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def read(path: Path, **options: Any) -> PoseSequence:
    return read_file(path, **{"fps": 30, "image_size": SIZE, **options})


def check(clip: PoseSequence) -> None:
    assert clip.skeleton.joints == COCO_17.joints
    np.testing.assert_allclose(clip.joints[0], POINTS, rtol=1e-5)


def whats(clip: PoseSequence) -> str:
    return " | ".join(what for _, what, *_ in check_clip(clip))


def standing() -> np.ndarray:
    """(N, 17, 3) metres, y up: a body in COCO's order."""
    points = np.zeros((FRAMES, 17, 3))
    for j, name in enumerate(JOINTS):
        side, _, part = name.partition("_")
        points[:, j] = ({"left": 0.18, "right": -0.18}.get(side, 0.0), HEIGHTS.get(part, 1.6), 0.05)
    return np.round(points + 0.01 * np.arange(FRAMES)[:, None, None] * (1, 0, 2), 4)


def test_ml_kit_on_android_and_ios(tmp_path: Path) -> None:
    frames = [
        [{"type": i, "position": {"x": x, "y": y}, "inFrameLikelihood": 0.75} for i, (x, y) in enumerate(points)]
        for points in LANDMARKS.tolist()
    ]
    clip = read(put(tmp_path / "a.json", [{"frame": n, "landmarks": points[::-1]} for n, points in enumerate(frames)]))
    places = [NAMES.index(name.replace("_foot", "_foot_index")) for name in ("nose", "left_hip", "right_foot")]
    picked = [clip.skeleton.joints.index(name) for name in ("nose", "left_hip", "right_foot")]
    np.testing.assert_allclose(clip.joints[0][:, picked], LANDMARKS[:, places], rtol=1e-5)
    assert (clip.visibility == 0.75).all()


def test_vitpose_of_hugging_face_leaves_out_keypoints_that_are_not_sure(tmp_path: Path) -> None:
    frames = [
        [{"keypoints": POINTS[n][::-1].tolist(), "scores": SCORES[n][::-1].tolist(), "labels": list(range(17))[::-1]}]
        for n in range(FRAMES)
    ]
    check(read(put(tmp_path / "a.json", frames)))
    for key in ("keypoints", "scores", "labels"):
        del frames[3][0][key][5]
    seen = read(put(tmp_path / "b.json", frames)).visibility[0] > 0
    assert not seen[3, 11] and seen.sum() == seen.size - 1


def test_ultralytics_arrays_and_joints_in_the_frame(tmp_path: Path) -> None:
    arrays = [
        {"frame": n, "keypoints": {"xy": [POINTS[n].tolist()], "conf": [SCORES[n].tolist()]}} for n in range(FRAMES)
    ]
    check(read(put(tmp_path / "a.json", arrays)))
    named = [
        {"frame": n, **{joint: {"x": x, "y": y} for joint, (x, y) in zip(JOINTS, POINTS[n].tolist(), strict=True)}}
        for n in range(FRAMES)
    ]
    check(read(put(tmp_path / "b.json", named)))


def test_z_of_keypoints_is_told_and_read_as_3d_where_somebody_says_so(tmp_path: Path) -> None:
    points = standing()
    frames = [
        {"frame": n, "keypoints": [{"name": j, "x": x, "y": y, "z": z} for j, (x, y, z) in zip(JOINTS, p, strict=True)]}
        for n, p in enumerate((points * 1000).tolist())
    ]
    path = put(tmp_path / "a.json", {"frames": frames})
    assert "z of keypoints is left out" in str(read(path).notices)
    with pytest.raises(DataError, match="--unit and --up"):
        read_file(path)
    with pytest.raises(DataError, match="give --unit"):
        read_file(path, up="z")
    for options in ({"up": "y", "unit": "mm"}, {"unit": "mm"}):
        clip = read_file(path, fps=30, **options)
        assert clip.space == "world"
        np.testing.assert_allclose(clip.joints[0], points, atol=1e-5)
    lists = [
        {"frame": n, "joints": dict(zip(JOINTS, p, strict=True))} for n, p in enumerate(points[..., [0, 2, 1]].tolist())
    ]
    clip = read_file(put(tmp_path / "b.json", lists), fps=30, up="z", unit="m")
    np.testing.assert_allclose(clip.joints[0], points * (1, 1, -1), atol=1e-5)
    said = read_file(put(tmp_path / "d.json", {"unit": "m", "up": "Z", "frames": lists}), fps=30)
    np.testing.assert_allclose(said.joints, clip.joints)
    assert said.up_known and not said.notices
    kinect = read_file(put(tmp_path / "c.json", {"frames": frames}), fps=30, space="kinect", unit="mm")
    np.testing.assert_allclose(kinect.joints[0], points, atol=1e-5)


def test_two_people_in_3d_need_ids(tmp_path: Path) -> None:
    people = [[{"id": m, "keypoints": (p + m).tolist()} for m in range(2)] for p in standing()]
    frames = [{"frame": n, "persons": each} for n, each in enumerate(people)]
    clip = read_file(put(tmp_path / "a.json", {"frames": frames}), fps=30, up="y", unit="m")
    np.testing.assert_allclose(clip.joints[1], standing() + 1, atol=1e-5)
    for frame in frames:
        del frame["persons"][1]["id"]
    with pytest.raises(DataError, match="2 persons without ids of their own; give each an id"):
        read_file(put(tmp_path / "b.json", {"frames": frames}), fps=30, up="y", unit="m")


def test_fractions_that_the_user_names_are_scaled_once(tmp_path: Path) -> None:
    for coordinates, points in (
        ("fractions", POINTS / SIZE),
        ("longer", POINTS / 640),
        ("signed", POINTS / SIZE * 2 - 1),
    ):
        frames = [{"frame": n, "keypoints": [[*p, 0.9] for p in points[n].tolist()]} for n in range(FRAMES)]
        check(read(put(tmp_path / "a.json", frames), coordinates=coordinates))
    signed = put(tmp_path / "b.json", frames)
    assert "values look like -1 to 1" in whats(read(signed))


def test_rate_and_image_size_in_columns(tmp_path: Path) -> None:
    head = ["frame", "fps", "width", "height", *(f"{joint}_{axis}" for joint in JOINTS for axis in "xy")]
    rows = [[n, 25, *SIZE, *POINTS[n].ravel()] for n in range(FRAMES)]
    clip = read_file(put(tmp_path / "a.csv", "\n".join(",".join(map(str, row)) for row in [head, *rows])))
    check(clip)
    assert (clip.fps, clip.image_size) == (25, SIZE)


def test_openpose_with_an_empty_text_beside_it_and_in_one_list(tmp_path: Path) -> None:
    order = ["nose", "left_shoulder", *JOINTS[5:], "right_eye", "left_eye", "right_ear", "left_ear"]
    points = [POINTS[n][[JOINTS.index(joint) for joint in order[:18]]] for n in range(FRAMES)]
    people = [{"pose_keypoints_2d": [v for x, y in p.tolist() for v in (x, y, 0.9)]} for p in points]
    put(tmp_path / "op" / "done.txt", "")
    for n in range(FRAMES):
        put(tmp_path / "op" / f"{n}_keypoints.json", {"people": [people[n]]})
    one = [{"frame": n, "version": 1.3, "people": [people[n]]} for n in range(FRAMES)]
    folder, listed = read(tmp_path / "op"), read(put(tmp_path / "a.json", one))
    np.testing.assert_allclose(folder.joints, listed.joints, rtol=1e-5)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ([POINTS[0].tolist()] * 3, "a list of lists, as an array is"),
        ([{f"a{i}": 1.0 for i in range(30)}] * 3, "rows of a table .* read as .csv"),
        (
            [{"pred_keypoints": [], "pred_boxes": []}] * 3,
            "a list of objects with 'pred_keypoints', 'pred_boxes' in them",
        ),
        ([1, 2, 3], "a list of int"),
    ],
)
def test_lists_that_are_no_recording_are_named(tmp_path: Path, record: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as raised:
        read(put(tmp_path / "a.json", record))
    assert "KeyError" not in str(raised.value) and "\n" not in str(raised.value)


def test_tables_of_sign_language_with_hands_and_face(tmp_path: Path) -> None:
    parts = {"face": 6, "left_hand": 21, "pose": 33, "right_hand": 21}
    lines = ["frame,row_id,type,landmark_index,x,y,z"]
    for n in range(FRAMES):
        for part, count in parts.items():
            for i in range(count):
                x, y = LANDMARKS[n, i] / SIZE if part == "pose" else (0.1, 0.1)
                lines.append(f"{n},{n}-{part}-{i},{part},{i},{x},{y},0")
    clip = read(put(tmp_path / "a.csv", "\n".join(lines)))
    np.testing.assert_allclose(clip.joints[0, :, clip.skeleton.joints.index("nose")], LANDMARKS[:, 0], rtol=1e-5)
    head = [f"pose_{name}_{axis}" for name in NAMES for axis in "xyz"]
    head += [f"{hand}_hand_{i}_{axis}" for hand in ("left", "right") for i in range(21) for axis in "xyz"]
    rows = [[v for x, y in (LANDMARKS[n] / SIZE).tolist() for v in (x, y, 0.0)] + [0.1] * 126 for n in range(FRAMES)]
    wide = read(put(tmp_path / "b.csv", "\n".join(",".join(map(str, row)) for row in [head, *rows])))
    np.testing.assert_allclose(wide.joints, clip.joints, rtol=1e-5)


def test_percent_of_a_large_image_is_told(tmp_path: Path) -> None:
    frames = [{"frame": n, "keypoints": [[*p, 0.9] for p in (POINTS[n] / 5).tolist()]} for n in range(FRAMES)]
    path = put(tmp_path / "a.json", frames)
    assert "are they percent of the image?" in whats(read(path, image_size=(1280, 720)))
    assert "percent" not in whats(read(path, image_size=(160, 120)))


def test_labelme_is_refused(tmp_path: Path) -> None:
    shapes = [{"label": joint, "points": [[1, 2]], "shape_type": "point"} for joint in JOINTS]
    for n in range(3):
        put(tmp_path / "labels" / f"{n}.json", {"version": "5.0", "shapes": shapes, "imageHeight": 480})
    with pytest.raises(DataError, match="LabelMe; convert them to COCO's keypoints JSON"):
        read(tmp_path / "labels")
    with pytest.raises(DataError, match="one frame of LabelMe"):
        read(tmp_path / "labels" / "0.json")


def test_headings_in_inches_and_normalised(tmp_path: Path) -> None:
    points = standing()
    head = ["frame", *(f"{joint}_{axis}_in" for joint in JOINTS for axis in "xyz")]
    rows = [[n, *(points[n] / 0.0254).ravel()] for n in range(FRAMES)]
    path = put(tmp_path / "a.csv", "\n".join(",".join(map(str, row)) for row in [head, *rows]))
    np.testing.assert_allclose(read_file(path, fps=30, up="y").joints[0], points, atol=1e-5)
    head = ["frame", *(f"{joint}_{axis}_norm" for joint in JOINTS for axis in "xy")]
    rows = [[n, *(POINTS[n] / SIZE).ravel()] for n in range(FRAMES)]
    path = put(tmp_path / "b.csv", "\n".join(",".join(map(str, row)) for row in [head, *rows]))
    assert "values look like fractions" in whats(read(path))
    check(read(path, coordinates="fractions"))


def test_ids_that_are_no_number_count_as_not_followed(tmp_path: Path) -> None:
    head = ["frame", "track_id", *(f"{joint}_{axis}" for joint in JOINTS for axis in "xy")]
    rows = [[n, "nan" if n % 4 == 3 else 1, *POINTS[n].ravel()] for n in range(FRAMES)]
    path = put(tmp_path / "a.csv", "\n".join(",".join(map(str, row)) for row in [head, *rows]))
    assert "rows of person -1, whom nobody followed" in str(read(path).notices)


def motive(space: str, arm: str = "LUArm") -> str:
    """A take of Motive with the bones of its own skeleton."""
    bones = ["Hip", "Ab", "Chest", "Neck", "Head", arm, "LFArm", "LHand", "RUArm", "RFArm", "RHand"]
    bones += ["LThigh", "LShin", "LFoot", "RThigh", "RShin", "RFoot"]
    facts = f"Format Version,1.23,Export Frame Rate,120,Length Units,Meters,Coordinate Space,{space}"
    lines = [facts, "", ",Type" + ",Bone" * 51, ",Name," + ",".join(f"Anna:{b}" for b in bones for _ in range(3))]
    lines += [",ID" + ",1" * 51, "," + ",Position" * 51, "Frame,Time (Seconds)" + ",X,Y,Z" * 17]
    place = {"Hip": 0.95, "Ab": 1.1, "Chest": 1.3, "Neck": 1.45, "Head": 1.6, "UArm": 1.4, "FArm": 1.12, "Hand": 0.9}
    place |= {"Thigh": 0.9, "Shin": 0.5, "Foot": 0.1}
    for n in range(8):
        row = [v for b in bones for v in ({"L": 0.2, "R": -0.2}.get(b[0], 0), place.get(b, place.get(b[1:], 1.4)), 0.0)]
        lines.append(f"{n},{n / 120:.4f}," + ",".join(map(str, row)))
    return "\n".join(lines)


def test_the_skeleton_of_motive(tmp_path: Path) -> None:
    clip = read_file(put(tmp_path / "a.csv", motive("Global")))
    assert {"left_shoulder", "left_elbow", "right_elbow", "left_hip", "left_knee", "spine"} <= set(clip.skeleton.joints)
    with pytest.raises(DataError, match="Coordinate Space is Local"):
        read_file(put(tmp_path / "b.csv", motive("Local")))


def test_a_name_left_out_in_the_middle_of_a_limb_is_warned_of(tmp_path: Path) -> None:
    (notice,) = read_file(put(tmp_path / "a.csv", motive("Global", "LOberarm"))).notices
    assert notice.severity == "warning" and "left_shoulder is not there" in notice.what and "LOberarm" in notice.detail


@pytest.mark.parametrize(
    ("fact", "option"),
    [
        ({"stride": 3}, "--fps"), ({"scale": 0.5}, "--coordinates"), ({"info": {"rotation": 90}}, "--rotate"),
        ({"mirrored": True}, "--fix swap-sides"), ({"normalized": True}, "--coordinates"), ({"up_axis": "z"}, "--up"),
    ],
)  # fmt: skip
def test_what_a_file_says_of_its_numbers_and_is_not_read_is_told(
    tmp_path: Path, fact: dict[str, Any], option: str
) -> None:
    frames = [{"frame": n, "keypoints": [[*p, 0.9] for p in POINTS[n].tolist()]} for n in range(FRAMES)]
    landmarks = [[{"x": x, "y": y} for x, y in points] for points in LANDMARKS.tolist()]
    for record in ({"frames": frames} | fact, {"frames": landmarks} | fact):
        if "info" in fact and record["frames"] is landmarks:
            continue
        notices = [n for n in read(put(tmp_path / "a.json", record)).notices if "which is not read here" in n.what]
        assert len(notices) == 1 and option in notices[0].remedy
    plain = {"frames": frames, "stride": 1, "rotation": 0, "mirrored": False, "scale": 1.0, "coordinates": "pixels"}
    assert not [n for n in read(put(tmp_path / "b.json", plain)).notices if "not read here" in n.what]


def test_world_landmarks_with_y_up_are_noticed(tmp_path: Path) -> None:
    points = np.zeros((FRAMES, 33, 3))
    for j, name in enumerate(NAMES):
        side, _, part = name.partition("_")
        part = {"heel": "ankle", "foot_index": "ankle"}.get(part, part)
        points[:, j] = ({"left": 0.18, "right": -0.18}.get(side, 0.0), HEIGHTS.get(part, 1.6) - HEIGHTS["hip"], 0.0)
    points += np.random.default_rng(0).normal(0, 0.005, (FRAMES, 1, 3))
    head = ["frame", *(f"{name}_{axis}" for name in NAMES for axis in "xyz")]
    for sign, expected in ((1, True), (-1, False)):
        rows = [[n, *(points[n] * (1, sign, 1)).ravel()] for n in range(FRAMES)]
        path = put(tmp_path / "a.csv", "\n".join(",".join(map(str, row)) for row in [head, *rows]))
        assert ("the head is below the hips" in whats(read(path))) is expected
        if expected:
            assert "the head is below" not in whats(read(path, up="y"))


def test_a_rate_behind_a_colon_by_any_name(tmp_path: Path) -> None:
    head = ["frame", *(f"{joint}_{axis}" for joint in JOINTS for axis in "xy")]
    rows = "\n".join(",".join(map(str, row)) for row in [head, *([n, *POINTS[n].ravel()] for n in range(FRAMES))])
    for note in ("Framerate: 25", "sampling_frequency = 25 Hz", "Sample Rate: 25"):
        clip = read_file(put(tmp_path / "a.csv", f"# {note}\n# resolution: 640x480\n{rows}"))
        assert (clip.fps, clip.image_size) == (25, SIZE)
