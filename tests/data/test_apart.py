"""Uploads are read in processes that can be ended: what they give back, and what hostile ones come to."""

import json
import zipfile

import numpy as np
import pytest
from helpers import random_clip
from hostile import hostile

from ups.data.apart import Readers, Source
from ups.data.formats.native import write_file
from ups.data.open_file import read_file
from ups.errors import DataError


@pytest.fixture(scope="module")
def readers():
    processes = Readers(1, 120.0, 4096)
    yield processes
    processes.close()


def test_a_recording_is_read_as_in_this_process(readers, tmp_path):
    write_file(random_clip(), tmp_path / "clip.npz")
    read = readers.read(Source(str(tmp_path), "clip.npz", force=True))
    expected = read_file(tmp_path / "clip.npz")
    assert np.array_equal(read.clip.joints, expected.joints) and read.clip.skeleton == expected.skeleton


def test_a_folder_comes_as_a_zip_without_leaving_its_place(readers, tmp_path):
    person = {"people": [{"pose_keypoints_2d": [x for j in range(25) for x in (100 + 9 * j, 200 + 7 * j, 0.9)]}]}
    with zipfile.ZipFile(tmp_path / "video.zip", "w") as bundle:
        for i in range(6):
            bundle.writestr(f"../../up/clip_{i:012d}_keypoints.json", json.dumps(person))
    read = readers.read(Source(str(tmp_path), "video.zip", {"image_size": (1000, 1000)}, force=True))
    assert read.clip.frames == 6
    assert {p.name for p in tmp_path.iterdir()} == {"video", "video.zip"}
    assert not (tmp_path.parent.parent / "up").exists()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("clip.npz", b"PK\x03\x04 nothing", "clip.npz"),
        ("clip.json", b'{"joints": [[[NaN, 1]]]}', "clip.json"),
        ("clip.zip", b"no zip", "zip"),
        ("clip.exe", b"MZ", "is no kind of recording"),
    ],
)
def test_what_cannot_be_read_is_told_without_a_place_of_this_machine(readers, tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=told) as error:
        readers.read(Source(str(tmp_path), name))
    assert str(tmp_path) not in str(error.value)


@pytest.mark.parametrize(
    ("name", "told"), [("hangs", "over 1 s"), ("dies", "ended the reader"), ("fills", "too much memory")]
)
def test_what_hangs_dies_or_fills_memory_costs_its_own_process(name, told):
    killed: list[int] = []
    readers = Readers(1, 120.0, 4096, lambda: killed.append(1), reader=hostile)
    try:
        readers.read(Source(".", "fine"))  # it has started
        readers.seconds = 1.0 if name == "hangs" else 120.0
        with pytest.raises(DataError, match=told):
            readers.read(Source(".", name))
        assert len(killed) == (name != "fills")
        readers.seconds = 120.0
        assert readers.read(Source(".", "fine")).told
    finally:
        readers.close()


def test_a_joint_map_beside_the_recording_is_found(readers, tmp_path):
    np.save(tmp_path / "clip.npy", np.random.default_rng(0).uniform(100, 900, (8, 3, 2)))
    (tmp_path / "map.toml").write_text("[joints]\nnose = 0\n")
    with pytest.raises(DataError, match="^map.toml: 'nose'"):
        readers.read(Source(str(tmp_path), "clip.npy", {"joint_map": "map.toml", "image_size": (1000, 1000)}))
