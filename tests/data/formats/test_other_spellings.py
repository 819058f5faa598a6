"""Files as people write them by themselves: other names of arrays, headings behind #, keypoints by name, persons in a list."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ups.data.open_file import read_file
from ups.errors import DataError
from ups.skeletons import COCO_17

SIZE = (1000, 800)
NAMES = COCO_17.joints


def moving(frames: int = 8) -> np.ndarray:
    """(N, 17, 2) pixels, no two joints alike."""
    place = np.stack([300 + 10.0 * np.arange(17), 100 + 30.0 * np.arange(17)], -1)
    return place + np.arange(frames)[:, None, None] * (3, 1)


def same(path: Path, frames: np.ndarray | None = None, **how) -> None:
    """The file holds the figure, whatever the order of its joints."""
    clip = read_file(path, fps=30, image_size=SIZE, **how)
    expected = moving() if frames is None else frames
    assert clip.joints.shape[:2] == (1, len(expected))
    for j, joint in enumerate(clip.skeleton.joints):
        seen = clip.visibility[0, :, j] > 0
        np.testing.assert_allclose(clip.joints[0, seen, j], expected[seen, NAMES.index(joint)], atol=0.01)
        assert seen.any()


@pytest.mark.parametrize(
    "key", ["kps", "keypoints_2d", "pose_2d", "landmarks", "Keypoints", "positions", "arr_0", "walk"]
)
def test_arrays_of_any_name(tmp_path: Path, key: str) -> None:
    np.savez(tmp_path / "a.npz", allow_pickle=False, **{key: moving()})
    same(tmp_path / "a.npz", skeleton="coco-17")
    told = str(read_file(tmp_path / "a.npz", "coco-17", 30, SIZE).notices)
    assert ("another name is taken for the joints" in told) == (key in ("arr_0", "walk"))


def test_several_arrays_are_not_chosen_from(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", anna=moving(), bob=moving())
    with pytest.raises(DataError, match="anna, bob unknown"):
        read_file(tmp_path / "a.npz", "coco-17", 30, SIZE)


def test_scores_of_another_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", kpts=moving(), conf=np.full((8, 17), 0.25))
    assert read_file(tmp_path / "a.npz", "coco-17", 30, SIZE).visibility.max() == 0.25


@pytest.mark.parametrize(
    ("sign", "first"), [(",", "# frame"), (",", "#"), ("\t", "#frame"), (";", "# Frame No.")], ids=["a", "b", "c", "d"]
)
def test_headings_behind_a_hash(tmp_path: Path, sign: str, first: str) -> None:
    head = sign.join([first, *(f"{name}_{axis}" for name in NAMES for axis in "xy")])
    rows = [sign.join([str(i), *(f"{v:.2f}" for v in frame.ravel())]) for i, frame in enumerate(moving())]
    (tmp_path / "a.csv").write_text("\n".join(["# fps = 30", head, *rows]) + "\n")
    same(tmp_path / "a.csv")


def write(path: Path, record: object) -> Path:
    path.write_text(json.dumps(record))
    return path


def test_keypoints_by_name(tmp_path: Path) -> None:
    points = moving().tolist()
    named = [{name: [*place, 0.9] for name, place in zip(NAMES, frame, strict=True)} for frame in points]
    frames = [{"frame": i, "persons": [{"id": "anna", "keypoints": people}]} for i, people in enumerate(named)]
    same(write(tmp_path / "a.json", {"fps": 30, "frames": frames}))
    del named[3]["left_wrist"]  # not seen in one frame, and in another order there
    frames[3]["persons"][0]["keypoints"] = dict(reversed(named[3].items()))
    same(write(tmp_path / "b.json", {"fps": 30, "frames": frames}))
    clip = read_file(tmp_path / "b.json", image_size=SIZE)
    assert clip.visibility[0, 3, clip.skeleton.joints.index("left_wrist")] == 0
    same(write(tmp_path / "c.json", {"joints": {n: moving()[:, j].tolist() for j, n in enumerate(NAMES)}}))


def test_a_list_of_persons_each_with_its_frame(tmp_path: Path) -> None:
    people = [
        {"frame": i, "person": who, "keypoints": {n: place for n, place in zip(NAMES, frame.tolist(), strict=True)}}
        for i, frame in enumerate(moving())
        for who in (1,)
    ]
    same(write(tmp_path / "a.json", people))
    with pytest.raises(DataError, match="persons of one frame, with nothing that says which"):
        read_file(write(tmp_path / "b.json", [{"keypoints": p["keypoints"]} for p in people]), image_size=SIZE)


def test_annotations_without_images(tmp_path: Path) -> None:
    people = [
        {"image_id": i, "keypoints": [v for p in frame for v in (*p, 2)]} for i, frame in enumerate(moving().tolist())
    ]
    same(write(tmp_path / "a.json", {"annotations": people}))


@pytest.mark.parametrize("gone", ["", "0.0", "-1", "NaN", "None"])
def test_mediapipe_of_nobody_in_the_first_frames(tmp_path: Path, gone: str) -> None:
    head = ["frame", *(f"{axis}{i}" for i in range(33) for axis in "xyzv")]
    rows = [[str(i), *([gone] * 132)] for i in range(3)]
    rows += [[str(i), *(["0.25", "0.5", "-0.1", "0.9"] * 33)] for i in range(3, 9)]
    (tmp_path / "a.csv").write_text("\n".join(",".join(row) for row in [head, *rows]))
    clip = read_file(tmp_path / "a.csv", fps=30, image_size=SIZE)
    assert not clip.visibility[0, :3].any() and (clip.visibility[0, 3:] > 0.8).all()
    np.testing.assert_allclose(clip.joints[0, 3:], np.broadcast_to((250, 400), (6, 33, 2)))


def coco(images: list[dict], **more: object) -> dict:
    """A record of the figure in COCO's form."""
    people = [
        {"image_id": i, "category_id": 1, "keypoints": [v for p in frame for v in (*p, 2)]} | more
        for i, frame in enumerate(moving().tolist())
    ]
    return {"images": images, "annotations": people}


def test_ids_of_images_as_text_and_as_numbers(tmp_path: Path) -> None:
    images = [{"id": str(i), "file_name": f"{i}.jpg", "width": SIZE[0], "height": SIZE[1]} for i in range(8)]
    same(write(tmp_path / "a.json", coco(images)))
    nested = coco(images)
    for person in nested["annotations"]:
        person["keypoints"] = np.reshape(person["keypoints"], (17, 3)).tolist()
    same(write(tmp_path / "b.json", nested))


def test_images_of_different_sizes_are_refused(tmp_path: Path) -> None:
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 640 + i % 2, "height": 480} for i in range(8)]
    with pytest.raises(DataError, match="images of different sizes .640 x 480, 641 x 480."):
        read_file(write(tmp_path / "a.json", coco(images)))


@pytest.mark.parametrize("name", ["{}", "frame_{}", "v/{:04d}.jpg"])
def test_a_dict_of_frames(tmp_path: Path, name: str) -> None:
    record = {name.format(i): [{"keypoints": [[*p, 0.9] for p in frame]}] for i, frame in enumerate(moving().tolist())}
    same(write(tmp_path / "a.json", record))


def test_persons_behind_frames_are_refused(tmp_path: Path) -> None:
    twice = np.stack([moving(20), moving(20)], 1)
    np.savez(tmp_path / "a.npz", joints=twice, skeleton="coco-17")
    np.save(tmp_path / "a.npy", twice)
    for file in ("a.npz", "a.npy"):
        with pytest.raises(DataError, match="20 persons in 2 frames; persons come before frames"):
            read_file(tmp_path / file, "coco-17", 30, SIZE)


def table(first: str, cells: list[str]) -> str:
    """A table of the figure, with a column in front."""
    head = ",".join([first, *(f"{name}_{axis}" for name in NAMES for axis in "xy")])
    rows = [",".join([cell, *(f"{v:.2f}" for v in frame.ravel())]) for cell, frame in zip(cells, moving(), strict=True)]
    return "\n".join([head, *rows]) + "\n"


def test_a_cell_of_excel_that_begins_with_a_hash_is_no_note(tmp_path: Path) -> None:
    text = table("nose_z", ["#N/A"] * 8).replace("nose_z,", "", 1)
    text = "\n".join([text.split("\n")[0], *(",".join(row.split(",")[1:]) for row in text.split("\n")[1:])])
    lines = text.split("\n")
    lines[1] = "#N/A" + lines[1][lines[1].index(",") :]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    clip = read_file(tmp_path / "a.csv", fps=30, image_size=SIZE)
    assert clip.frames == 8 and clip.visibility[0, 0].sum() == 16
    (tmp_path / "b.csv").write_text("\n".join(lines).replace("#N/A", "#DIV/0!"))
    assert (read_file(tmp_path / "b.csv", fps=30, image_size=SIZE).visibility == clip.visibility).all()
    (tmp_path / "c.csv").write_text("\n".join(lines).replace("#N/A", "#NAME?"))
    with pytest.raises(DataError, match="column nose_x: '#NAME\\?' is no number"):
        read_file(tmp_path / "c.csv", fps=30, image_size=SIZE)


def test_times_in_minutes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(table("time_min", [f"{i / 25 / 60:.8f}" for i in range(8)]))
    clip = read_file(tmp_path / "a.csv", image_size=SIZE)
    assert (clip.frames, clip.fps) == (8, 25)


def test_a_frame_number_that_no_number_can_hold_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(table("frame", ["1e300", *map(str, range(7))]))
    with pytest.raises(DataError, match=r"frame has the number or time 1e\+300"):
        read_file(tmp_path / "a.csv", fps=30, image_size=SIZE)


def test_a_unit_by_another_key_and_a_kinects_states_in_words(tmp_path: Path) -> None:
    joints = np.random.default_rng(0).normal(0, 300, (6, 17, 3))
    np.savez(tmp_path / "a.npz", joints=joints, skeleton="h36m-17", units="mm", up="y", fps=30)
    np.testing.assert_allclose(read_file(tmp_path / "a.npz").joints[0], joints / 1000, rtol=1e-5)
    head = ",".join(f"{joint}_{axis}" for joint in ("HipLeft", "HipRight") for axis in ("X", "Y", "Z", "TrackingState"))
    rows = [f"{n},1,2,3,Tracked,2,2,3,{'NotTracked' if n == 2 else 'Inferred'}" for n in range(6)]
    (tmp_path / "a.csv").write_text("\n".join([f"frame,{head}", *rows]))
    clip = read_file(tmp_path / "a.csv", space="kinect")
    assert (clip.visibility[0] > 0).tolist() == [[True, n != 2] for n in range(6)]
