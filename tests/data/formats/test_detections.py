"""Persons of single frames become persons over time: by their ids, or followed; frames stand where their numbers say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ups.data.formats.detections import Detection, recording
from ups.data.formats.keypoints import openpose_files
from ups.data.open_file import read_file
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeletons import COCO_17

SIZE = (640, 480)
BODY = np.random.default_rng(5).uniform(-60, 60, (17, 2))


def person(x: float, y: float = 200.0, score: float = 1.0) -> np.ndarray:
    """(17, 3) of somebody around x, y."""
    return np.concatenate([BODY + (x, y), np.full((17, 1), score)], 1)


def x_of(clip: PoseSequence, m: int) -> list[float]:
    """Where person m is in every frame; NaN = not there."""
    seen = clip.visibility[m] > 0
    return [
        float(np.round((clip.joints[m, n, :, 0] - BODY[:, 0])[seen[n]].mean())) if seen[n].any() else np.nan
        for n in range(clip.frames)
    ]


def read(detections: list[Detection], numbers: list[int], **more) -> PoseSequence:
    return recording(
        detections, numbers, COCO_17, fps=more.pop("fps", 30), image_size=SIZE, name="a", where="a.json", **more
    )


def coco(path: Path, frames: list[list[dict]], image=lambda n: n) -> Path:
    record = [{"image_id": image(n), **one} for n, people in enumerate(frames) for one in people]
    path.write_text(json.dumps(record))
    return path


def keypoints(x: float, **more) -> dict:
    return {"keypoints": person(x).ravel().tolist(), **more}


def openpose(folder: Path, frames: dict[str, list]) -> Path:
    folder.mkdir()
    for name, people in frames.items():
        (folder / name).write_text(json.dumps({"people": people}))
    return folder


def openpose_person(x: float, **more) -> dict:
    points = np.concatenate([np.tile([[x, 100.0]], (18, 1)) + np.arange(36).reshape(18, 2), np.ones((18, 1))], 1)
    return {"pose_keypoints_2d": points.ravel().tolist(), **more}


@pytest.mark.parametrize("key", ["idx", "track_id", "person_id", "instance_id", "id"])
def test_ids_of_files_are_believed_where_persons_cross(tmp_path, key):
    steps = range(0, 400, 40)  # further than half a body: nobody could follow this
    frames = [
        [keypoints(100 + x, **{key: 7}), keypoints(500 - x, **{key: 3})][:: (-1) ** n] for n, x in enumerate(steps)
    ]
    clip = read_file(coco(tmp_path / "a.json", frames), fps=30, image_size=SIZE)
    assert clip.persons == 2
    assert sorted([x_of(clip, 0), x_of(clip, 1)]) == [[100 + x for x in steps], [500 - x for x in steps]]


def test_ids_of_coco_annotations_are_no_persons(tmp_path):
    images = [{"id": n, "width": 640, "height": 480} for n in range(4)]
    annotations = [{"image_id": n, **keypoints(100 + 400 * m + n, id=2 * n + m)} for n in range(4) for m in range(2)]
    (tmp_path / "a.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    clip = read_file(tmp_path / "a.json")
    assert clip.persons == 2 and x_of(clip, 0) == [100, 101, 102, 103]


def test_two_persons_of_one_id_in_a_frame_are_refused(tmp_path):
    frames = [[keypoints(100, idx=1)], [keypoints(100, idx=1), keypoints(500, idx=1)]]
    with pytest.raises(DataError, match="two persons with id 1 in frame 1; correct the ids"):
        read_file(coco(tmp_path / "a.json", frames), fps=30, image_size=SIZE)


def test_zero_for_everyone_is_no_id():
    clip = read([Detection(n, person(x + n), 0) for n in range(5) for x in (100, 500)], list(range(5)))
    assert clip.persons == 2 and x_of(clip, 0) == [100, 101, 102, 103, 104]


def test_persons_without_an_id_are_followed_beside_those_with_one():
    detections = [Detection(n, person(100 + n), None if n % 2 else -1) for n in range(6)]
    clip = read([*detections, *(Detection(n, person(500), "anna") for n in (0, 5))], list(range(6)))
    assert clip.persons == 2 and x_of(clip, 0) == [100 + n for n in range(6)]
    assert np.isnan(x_of(clip, 1)).tolist() == [False, True, True, True, True, False]


def test_who_is_found_where_nobody_can_have_got_to_is_somebody_else():
    """An estimator that follows one person loses her and takes another, then finds the first one again."""
    places = [100 + n for n in range(10)] + [400 - n for n in range(25)] + [130 + n for n in range(5)]
    clip = read([Detection(n, person(x)) for n, x in enumerate(places)], list(range(40)))
    assert clip.persons == 2 and x_of(clip, 0)[10:35] == places[10:35]
    first = x_of(clip, 1)
    assert first[:10] + first[35:] == places[:10] + places[35:] and np.isnan(first[10:35]).all()
    later = [Detection(n, person(x)) for n, x in [(0, 100), (1, 101), (40, 400), (41, 401)]]  # who came in meanwhile
    assert read(later, list(range(42))).persons == 1
    slow = [Detection(n, person(100 + 90 * n)) for n in range(5)]  # two frames a second: he runs
    assert read(slow, list(range(5)), fps=2).persons == 1


def test_more_than_eight_ids_keep_those_seen_best():
    detections = [Detection(n, person(60 * m + 50, score=0.1 + 0.05 * m), m) for m in range(11) for n in range(3)]
    clip = read(detections, [0, 1, 2])
    assert [x_of(clip, m)[0] for m in range(clip.persons)] == [60 * m + 50 for m in range(10, 2, -1)]
    assert "8 persons seen best" in clip.notices[-1].what and "9 of 33" in clip.notices[-1].detail


def test_openpose_files_stand_where_their_numbers_say(tmp_path):
    names = {f"v_{n:012d}_keypoints.json": [openpose_person(100 + n, person_id=[-1])] for n in (5, 6, 7, 12, 13)}
    clip = read_file(openpose(tmp_path / "gaps", names), fps=25, image_size=SIZE)
    assert clip.frames == 9 and clip.fps == 25
    assert (clip.visibility[0] > 0).any(1).tolist() == [True] * 3 + [False] * 4 + [True] * 2
    assert clip.joints[0, [0, 8], 0, 0].tolist() == [105, 113]
    assert "left out" in clip.notices[-1].what
    steps = {f"v_{n:012d}_keypoints.json": [openpose_person(100 + n)] for n in range(0, 30, 3)}
    clip = read_file(openpose(tmp_path / "steps", steps), fps=30, image_size=SIZE)
    assert clip.frames == 10 and clip.fps == 10 and "steps of 3" in clip.notices[0].what


def test_openpose_of_before_1_2_and_without_scores(tmp_path):
    people = {f"v_{n}_keypoints.json": [openpose_person(100 + n)] for n in range(6)}
    new = read_file(openpose(tmp_path / "new", people), image_size=SIZE)
    old = {f: [{"pose_keypoints": p["pose_keypoints_2d"]} for p in each] for f, each in people.items()}
    np.testing.assert_array_equal(read_file(openpose(tmp_path / "old", old), image_size=SIZE).joints, new.joints)
    pairs = {file: [{"pose_keypoints_2d": [1.0] * 50}] for file in people}
    with pytest.raises(DataError, match="50 numbers of a person; x, y and score of every keypoint are needed"):
        read_file(openpose(tmp_path / "pairs", pairs), image_size=SIZE)


def test_openpose_frames_in_one_file(tmp_path):
    frames = [{"version": 1.3, "people": [openpose_person(100 + n)] if n != 2 else []} for n in range(6)]
    apart = {f"v_{n}_keypoints.json": frame["people"] for n, frame in enumerate(frames)}
    folder = read_file(openpose(tmp_path / "apart", apart), image_size=SIZE)
    for record in (frames, {"frames": frames}):
        (tmp_path / "all.json").write_text(json.dumps(record))
        clip = read_file(tmp_path / "all.json", image_size=SIZE)
        np.testing.assert_array_equal(clip.joints, folder.joints)


def test_openpose_ids_are_believed(tmp_path):
    people = {
        f"{n}_keypoints.json": [
            openpose_person(500 - 200 * n, person_id=[4]),
            openpose_person(100 + 200 * n, person_id=[9]),
        ]
        for n in range(3)
    }
    clip = read_file(openpose(tmp_path / "ids", people), fps=30, image_size=SIZE)
    assert sorted(clip.joints[:, :, 0, 0].tolist()) == [[100, 300, 500], [500, 300, 100]]


def test_two_cameras_in_a_folder_are_refused(tmp_path):
    both = {f"cam{c}_{n:03d}_keypoints.json": [openpose_person(100)] for c in "AB" for n in range(2)}
    with pytest.raises(DataError, match="both: names of frames differ in more than .*two cameras"):
        read_file(openpose(tmp_path / "both", both), image_size=SIZE)


def test_other_files_beside_openpose_and_upper_case_endings(tmp_path):
    folder = openpose(tmp_path / "clip", {"a_1_keypoints.JSON": [], "a_2_KEYPOINTS.json": []})
    (folder / "camera.json").write_text("{}")
    assert [file.name for file in openpose_files(folder)] == ["a_1_keypoints.JSON", "a_2_KEYPOINTS.json"]


def test_images_in_the_order_of_their_names(tmp_path):
    order = [10, 2, 33, 1]
    frames = [[keypoints(100 + 10 * n)] for n in order]
    clip = read_file(
        coco(tmp_path / "a.json", frames, lambda i: f"f_{order[i]}_jpg.rf.{i}{'0b9a' * 6}.jpg"), fps=30, image_size=SIZE
    )
    assert clip.frames == 33
    assert {n: x for n, x in enumerate(x_of(clip, 0), 1) if x == x} == {n: 100 + 10 * n for n in order}


def test_ids_check_the_names_of_images(tmp_path):
    def read_images(images: list[dict]) -> PoseSequence:
        images = [{"width": 640, "height": 480, **image} for image in images]
        annotations = [{"image_id": image["id"], **keypoints(100 + 10 * n)} for n, image in enumerate(images)]
        (tmp_path / "a.json").write_text(json.dumps({"images": images, "annotations": annotations}))
        return read_file(tmp_path / "a.json", fps=30)

    names = [f"{n}.jpg" for n in range(12)]
    by_text = {name: id for id, name in enumerate(sorted(names), 1)}
    clip = read_images([{"id": by_text[name], "file_name": name} for name in names])
    assert x_of(clip, 0) == [100 + 10 * n for n in range(12)]
    assert "ordered by the numbers in their names" in clip.notices[0].what or "names" in str(clip.notices[-1])
    ids = [*range(12)]
    ids[4], ids[7] = ids[7], ids[4]
    with pytest.raises(DataError, match="ids and names of images disagree .*4.jpg has id 7, 5.jpg has id 5"):
        read_images([{"id": i, "file_name": name} for i, name in zip(ids, names, strict=True)])
    clip = read_images(
        [{"id": i, "file_name": name, "frame_id": n} for n, (i, name) in enumerate(zip(ids, names, strict=True))]
    )
    assert x_of(clip, 0) == [100 + 10 * n for n in range(12)]
    with pytest.raises(DataError, match="two images with id 3 .3.jpg and 4.jpg"):
        read_images([{"id": min(n, 3), "file_name": name} for n, name in enumerate(names[:5])])
    with pytest.raises(DataError, match="a frame occurs twice, as 1.jpg and 01.jpg"):
        read_images([{"id": 1, "file_name": "1.jpg"}, {"id": 2, "file_name": "01.jpg"}])
    with pytest.raises(DataError, match="two cameras"):
        read_images([{"id": 1, "file_name": "left/1.jpg"}, {"id": 2, "file_name": "right/1.jpg"}])
    with pytest.raises(DataError, match="images of 2 videos"):
        read_images([{"id": 1, "video_id": 1, "file_name": "1.jpg"}, {"id": 2, "video_id": 2, "file_name": "2.jpg"}])
    hashes = [f"{n:x}{'9e107d9d372bb682' * 2}.jpg" for n in (9, 3, 14)]
    clip = read_images([{"id": n, "file_name": name} for n, name in enumerate(hashes)])
    assert x_of(clip, 0) == [100, 110, 120]


def test_every_reader_warns_of_an_unknown_rate(tmp_path):
    folder = openpose(tmp_path / "clip", {"1_keypoints.json": [openpose_person(100)]})
    one = coco(tmp_path / "a.json", [[keypoints(100)]])
    np.savez(tmp_path / "a.npz", joints=np.ones((2, 17, 2)), skeleton="coco-17")
    (tmp_path / "a.csv").write_text("left_hip_x,left_hip_y,right_hip_x,right_hip_y\n1,2,3,4\n")
    for path in (folder, one, tmp_path / "a.npz", tmp_path / "a.csv"):
        told = [notice for notice in read_file(path, image_size=SIZE).notices if "30 are assumed" in notice.what]
        assert [notice.severity for notice in told] == ["warning"], path
        assert not read_file(path, fps=24, image_size=SIZE).notices
        with pytest.raises(DataError, match="0 frames per second; a number from 1 to 1000"):
            read_file(path, fps=0, image_size=SIZE)


def test_nobody_in_any_frame_is_refused():
    with pytest.raises(DataError, match="a.json: nobody is seen in any of its 2 frames"):
        read([Detection(0, np.zeros((17, 3)))], [0, 1])
    with pytest.raises(DataError, match="a.json: nobody is seen"):
        read([], [])


def test_wrong_points_are_refused():
    with pytest.raises(DataError, match="a.json: 18 keypoints; the 17 of coco-17"):
        read([Detection(0, np.ones((18, 3)))], [0])
    with pytest.raises(DataError, match="a.json: keypoint .*pixels up to 100000"):
        read([Detection(0, np.full((17, 3), 1e6))], [0])


def test_who_loses_an_id_and_stays_is_the_same_person() -> None:
    """Ann walks; of her frames 4 to 6 and 12 to 14 nobody wrote the id. Somebody else passes far away without one."""
    ann = [Detection(n, person(100 + 3 * n), None if n in (4, 5, 6, 12, 13, 14) else "Ann") for n in range(15)]
    clip = read(ann, list(range(15)))
    assert clip.persons == 1 and x_of(clip, 0) == [100 + 3 * n for n in range(15)]
    assert any("6 detections without an id are taken for persons with one" in str(notice) for notice in clip.notices)
    far = [Detection(n, person(600.0), None) for n in range(3, 9)]
    both = read([*ann, *far], list(range(15)))
    assert both.persons == 2 and x_of(both, 0) == x_of(clip, 0)
    assert x_of(both, 1)[3:9] == [600.0] * 6 and np.isnan(x_of(both, 1)[9:]).all()
    there = [Detection(n, person(110 + 3 * n), None) for n in range(15)]  # beside her all the time
    assert read([*(d for d in ann if d.person), *there], list(range(15))).persons == 2


def test_of_two_persons_with_ids_the_nearer_gets_back_what_has_none() -> None:
    ann = [Detection(n, person(100.0), "Ann" if n < 5 or n > 7 else None) for n in range(12)]
    ben = [Detection(n, person(500.0), "Ben" if n < 3 or n > 9 else None) for n in range(12)]
    clip = read([*ann, *ben], list(range(12)))
    assert clip.persons == 2 and {tuple(x_of(clip, m)) for m in (0, 1)} == {(100.0,) * 12, (500.0,) * 12}
