"""Which recordings a folder, a pattern or a table stands for."""

import json
from pathlib import Path

import pytest

from ups.bulk.recordings import is_recording, list_recordings
from ups.errors import DataError, SettingError


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("b/one.npz", "a/two.BVH", "a/notes.md", ".hidden/x.npz", "a/.x.npz", "v/0_keypoints.json", "v/x.npz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


def names(folder: Path, found: list[str]) -> list[str]:
    return [str(Path(path).relative_to(folder)) for path in found]


def test_a_folder_with_all_below_it(folder):
    assert names(folder, list_recordings(str(folder))) == ["a/two.BVH", "b/one.npz", "v"]


def test_folders_with_a_file_a_frame_are_one_recording(folder):
    person = {"keypoints": [[1.0, 2.0]] * 17, "keypoint_scores": [0.9] * 17}
    frames = {
        "yolo/clip_1.txt": "0 " + " ".join(["0.5"] * 55),
        "mmpose/000.json": json.dumps([person]),
        "openpose/000.json": json.dumps({"people": []}),
        "videos/a.json": json.dumps([{"frame_id": 0, "instances": [person]}]),
        "mine/clips.csv": "file,label",
        "mine/w.csv": "",
    }
    for name, text in frames.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    found = names(folder, list_recordings(str(folder)))
    assert {"yolo", "mmpose", "openpose", "videos/a.json", "mine/w.csv"} <= set(found) and len(found) == 8
    assert is_recording(str(folder / "yolo")) and not is_recording(str(folder / "videos"))


def test_a_pattern(folder):
    assert names(folder, list_recordings(f"{folder}/**/*.npz")) == ["b/one.npz", "v/x.npz"]
    assert names(folder, list_recordings(f"{folder}/[bv]")) == ["v"]


def test_tables(folder):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    (folder / "t.csv").write_text("label,path\nx,b/one.npz\ny,a/two.BVH\nz,b/one.npz\n")
    pq.write_table(pa.table({"path": ["b/one.npz", "a/two.BVH"]}), folder / "t.parquet")
    for table in ("t.csv", "t.parquet"):
        assert names(folder, list_recordings(str(folder / table))) == ["a/two.BVH", "b/one.npz"]


def test_what_is_none(folder):
    pytest.importorskip("pyarrow")
    (folder / "t.csv").write_text("file\nx\n")
    (folder / "t.parquet").write_text("no table")
    for where, error in (
        ("t.csv", DataError),
        ("t.parquet", DataError),
        ("a/notes.md", SettingError),
        ("*.x", DataError),
    ):
        with pytest.raises(error, match="path|recordings"):
            list_recordings(str(folder / where))
