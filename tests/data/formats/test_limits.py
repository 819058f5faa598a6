"""Small files that stand for gigabytes end in an error at once, and one bad recording does not end the others."""

from __future__ import annotations

import io
import json
import lzma
import pickle
import struct
import tarfile
import time
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from ups.data.datasets import utd_mhad
from ups.data.datasets.base import attempt, read_each
from ups.data.datasets.pyskl import pyskl_data_set
from ups.data.formats.archive import members
from ups.data.formats.matlab import load_mat
from ups.data.open_file import read_file
from ups.data.store.prepare import write_store
from ups.errors import DataError
from ups.pose import pose_sequence
from ups.skeletons import KINECT_20, find_skeleton

MEGABYTE = bytes(1 << 20)


def mat_of_zeros(megabytes: int, elements: int = 1) -> bytes:
    """A MATLAB file of variables of doubles that are stored in a byte each, compressed."""
    count = megabytes << 20
    head = struct.pack("<8I", 6, 8, 6, 0, 5, 8, count, 1) + struct.pack("<2I", 1, 1) + b"x" + bytes(7)
    packer = zlib.compressobj(9)
    body = packer.compress(struct.pack("<2I", 14, len(head) + 8 + count) + head + struct.pack("<2I", 2, count))
    body += b"".join(packer.compress(MEGABYTE) for _ in range(megabytes)) + packer.flush()
    return bytes(126) + b"IM" + (struct.pack("<2I", 15, len(body)) + body) * elements


def test_a_matlab_file_that_unpacks_to_too_much_is_refused():
    assert load_mat("a.mat", mat_of_zeros(2))["x"].shape == (2 << 20, 1)
    for content in (mat_of_zeros(40), mat_of_zeros(10, elements=4)):
        with pytest.raises(DataError, match="unpacks to more than 33,554,432 bytes; save it uncompressed"):
            load_mat("a.mat", content)


def test_joints_without_numbers_of_their_own_are_few(tmp_path):
    joints = "".join(f"JOINT j{i} {{ OFFSET 0 0 0 }}\n" for i in range(900))
    lines = f"HIERARCHY\nROOT hips\n{{\nOFFSET 0 0 0\nCHANNELS 1 Xposition\n{joints}}}\n"
    (tmp_path / "a.bvh").write_text(lines + "MOTION\nFrames: 4000\nFrame Time: 0.03\n" + "0\n" * 4000)
    with pytest.raises(DataError, match="901 joints in 4000 frames of 1 numbers.*cut it into shorter files"):
        read_file(tmp_path / "a.bvh")


def test_a_table_that_is_mostly_gaps_is_refused(tmp_path):
    columns = [f"{joint}_{axis}" for joint in KINECT_20.joints for axis in "xyz"]
    rows = "".join(f"{n * 90},0,1{',' * (len(columns) - 1)}\n" for n in range(3000))
    (tmp_path / "a.csv").write_text(f"# space = world\nframe,person,{','.join(columns)}\n{rows}")
    with pytest.raises(DataError, match="3000 rows for 1 persons and 269911 frames"):
        read_file(tmp_path / "a.csv")


def test_a_crowd_is_refused(tmp_path):
    one = {"image_id": 1, "category_id": 1, "keypoints": [1, 1, 1] * 17, "score": 1}
    (tmp_path / "a.json").write_text(json.dumps([one] * 201))
    with pytest.raises(DataError, match="201 persons in one frame; at most 200"):
        read_file(tmp_path / "a.json", image_size=(100, 100))


@pytest.mark.parametrize("kind", ["zip", "tar.xz"])
def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path, kind, monkeypatch):
    path = tmp_path / f"utd_mhad.{kind}"
    if kind == "zip":
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("Skeleton/a.mat", "w", force_zip64=True) as member,
        ):
            for _ in range(300):
                member.write(MEGABYTE)
    else:
        with lzma.open(path, "wb", preset=0) as file:
            info = tarfile.TarInfo("Skeleton/a.mat")
            info.size = 300 << 20
            file.write(info.tobuf())
            for _ in range(300):
                file.write(MEGABYTE)
            file.write(bytes(1024))
    with pytest.raises(DataError, match=f"{path.name}: .*would unpack to .* bytes or more.*UPS_MAX_EXPANSION"):
        list(members(tmp_path, "Skeleton", "utd_mhad", ".mat"))
    monkeypatch.setenv("UPS_MAX_EXPANSION", "100000")
    assert [name for name, _ in members(tmp_path, "Skeleton", "utd_mhad", ".mat")] == ["a.mat"]


def test_what_a_zip_says_of_its_packed_size_is_not_believed(tmp_path):
    path = tmp_path / "utd_mhad.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("Skeleton/a.mat", "w") as member:
        for _ in range(300):
            member.write(MEGABYTE)
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\1\2")
    content[entry + 20 : entry + 24] = struct.pack("<I", 2**31)
    path.write_bytes(content)
    with pytest.raises(DataError, match="would unpack to 314,572,800 bytes"):
        list(members(tmp_path, "Skeleton", "utd_mhad", ".mat"))


def test_a_member_without_a_name_is_a_damaged_archive(tmp_path):
    path = tmp_path / "utd_mhad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xSkeleton/a.mat", b"1")
    path.write_bytes(path.read_bytes().replace(b"xSkeleton", b"\0Skeleton"))  # what follows a 0 is left out
    with pytest.raises((DataError, FileNotFoundError), match="utd_mhad.zip"):
        list(members(tmp_path, "Skeleton", "utd_mhad", ".mat"))


def test_a_sparse_member_of_a_tar_is_no_recording(tmp_path):
    info = tarfile.TarInfo("Skeleton/a.mat")
    info.type = tarfile.GNUTYPE_SPARSE
    head = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    head[483:495] = tarfile.itn(1 << 34, 12, tarfile.GNU_FORMAT)  # its size when read  # pyright: ignore
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    (tmp_path / "utd_mhad.tar").write_bytes(bytes(head) + bytes(1024))
    with pytest.raises(FileNotFoundError, match="no .mat file"):
        list(members(tmp_path, "Skeleton", "utd_mhad", ".mat"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"joints": np.broadcast_to(0, (1001, 1, 20, 3))}, "1001 persons and 1 frames; at most 1000"),
        ({"joints": np.broadcast_to(0, (1, 10_000_001, 20, 3))}, "1 persons and 10000001 frames; .* cut it into parts"),
        ({"joints": np.full((1, 2, 20, 3), 1e30)}, "joints holds 1e.30; coordinates are at most 1e.06 metres"),
        ({"id": "a\udc80"}, r"^a\\udc80: an id is text of at most 1000 characters"),
        ({"id": "n" * 1001}, "an id is text"),
        ({"label": 2**31}, "label does not fit in 32 bits"),
        ({"subject": 10**5000}, "subject does not fit in 32 bits"),
    ],
)
def test_absurd_sequences_are_refused(change: dict, message: str):
    clip = pose_sequence(np.zeros((2, 20, 3)), KINECT_20, space="world", fps=30, id="a")
    with pytest.raises(DataError, match=message):
        replace(clip, **change)


def test_annotations_with_impossible_names_end_no_store(tmp_path):
    names = ["good", "half \udc80", "n" * 2000]
    annotations = [
        {"frame_dir": name, "label": 0, "img_shape": (99, 99), "keypoint": np.full((1, 2, 17, 2), 9)} for name in names
    ]
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"split": {"xsub_train": ["good"]}, "annotations": annotations}))
    report = write_store(pyskl_data_set(path, "x"), path, tmp_path / "store")
    assert report.clips == 1 and len(report.problems) == 2
    assert all("an id is text" in problem and problem.isprintable() for problem in report.problems)


def utd_recording() -> bytes:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"d_skel": np.random.default_rng(0).normal(size=(20, 3, 5))})
    return buffer.getvalue()


def test_members_that_cannot_be_read_are_named_and_the_others_are_read(tmp_path):
    path, names = tmp_path / "utd_mhad.zip", [f"a1_s{n}_t1_skeleton.mat" for n in (1, 2, 3)]
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(f"Skeleton/{name}", utd_recording())
    content = bytearray(path.read_bytes())
    entries = [i for i in range(len(content)) if content[i : i + 4] == b"PK\1\2"]
    content[6] |= 1  # the first says that it is encrypted
    content[entries[0] + 8] |= 1
    second = content.index(names[1].encode()) + len(names[1]) + 300
    content[second] ^= 1  # and of the second the checksum is wrong
    path.write_bytes(content)
    first, damaged, good = utd_mhad.read(tmp_path)
    assert isinstance(first, DataError) and str(first).startswith(f"{names[0]}: can't be read (RuntimeError: ")
    assert isinstance(damaged, DataError) and str(damaged).startswith(f"{names[1]}: can't be read (BadZipFile: ")
    assert not isinstance(good, DataError) and good[0].subject == 3


@pytest.mark.parametrize(
    "error", [RecursionError, MemoryError, OverflowError, UnicodeError, KeyError, lzma.LZMAError, AssertionError]
)
def test_whatever_goes_wrong_in_one_recording_is_that_recordings_error(tmp_path: Path, error: type[Exception]):
    (tmp_path / "SBU").mkdir()
    for name in "abc":
        (tmp_path / "SBU" / f"{name}.txt").write_text(name)

    def read(name: str, content: bytes) -> bytes:
        if content == b"b":
            raise error("gone wrong")
        return content

    a, b, c = read_each(tmp_path, "SBU", "sbu_interaction", ".txt", read)
    assert (a, c) == (b"a", b"c")
    assert isinstance(b, DataError) and str(b).startswith(f"b.txt: can't be read ({error.__name__}: ")


def test_an_interruption_is_no_recordings_error():
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt("a", stop)


@pytest.mark.parametrize("word", ["[", "_", "left_", "x_", "a "])
def test_a_column_with_a_name_of_a_megabyte_is_no_joint(tmp_path, word):
    (tmp_path / "a.csv").write_text(f"frame,nose_x,nose_y,{word * 100_000}x\n0,1,2,3\n")
    start = time.process_time()
    with pytest.raises(DataError):
        read_file(tmp_path / "a.csv", image_size=(640, 480))
    assert time.process_time() - start < 2


def test_a_toml_file_with_a_number_of_5000_digits_is_refused(tmp_path):
    (tmp_path / "a.toml").write_text("joints = [" + "9" * 5000 + "]")
    with pytest.raises(DataError, match="a.toml: not a TOML file"):
        find_skeleton(str(tmp_path / "a.toml"))
