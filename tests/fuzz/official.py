"""The official files of public data sets, alone and in the archives that they come in."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from fuzz.arrays import read_recording
from fuzz.mutate import Kind, change_bytes, change_one, change_text_of, change_zip, poses

from ups.errors import DataError


def mat(rng: random.Random, variables: dict[str, np.ndarray | str]) -> bytes:
    """A MATLAB file, damaged inside (before a variable is compressed, once or twice) or as a whole."""
    elements = [_variable(name, value) for name, value in variables.items()]
    inside = rng.random() < 0.7
    if inside:
        at = rng.randrange(len(elements))
        elements[at] = change_bytes(rng, elements[at])
    for _ in range(rng.choice([0, 0, 0, 1, 1, 1, 2])):
        packed = [zlib.compress(element) for element in elements]
        elements = [struct.pack("<2I", 15, len(content)) + content for content in packed]
    content = bytes(126) + b"IM" + b"".join(elements)
    return content if inside else content[:126] + change_bytes(rng, content[126:])


def _variable(name: str, value: np.ndarray | str) -> bytes:
    if isinstance(value, str):
        kind, stored, data, shape = 4, 16, value.encode(), (1, len(value))
    else:
        kind, stored, data, shape = 6, 9, value.astype("<f8").tobytes(order="F"), value.shape
    sizes = struct.pack(f"<{len(shape)}i", *shape)
    body = struct.pack("<4I", 6, 8, kind, 0)
    for code, part in ((5, sizes), (1, name.encode()), (stored, data)):
        body += struct.pack("<2I", code, len(part)) + part + bytes(-len(part) % 8)
    return struct.pack("<2I", 14, len(body)) + body


def make_utd(rng: random.Random) -> bytes:
    return mat(rng, {"d_skel": poses(rng, 20, 3, 4)})


def make_penn(rng: random.Random) -> bytes:
    texts: dict[str, np.ndarray | str] = {"action": "bowl", "pose": "front"}
    points = {"x": np.abs(poses(rng, 3, 13)) * 99, "y": np.abs(poses(rng, 3, 13)) * 99, "visibility": np.ones((3, 13))}
    return mat(rng, {**texts, **points, "dimensions": np.array([[270, 480, 3]]), "train": np.array([[1]])})


def make_ntu(rng: random.Random) -> bytes:
    lines = ["3"]
    for frame in range(3):
        bodies = rng.choice([1, 1, 2])
        lines.append(str(bodies))
        for body in range(bodies):
            lines += [f"{72057594037931101 + body} 0 1 1 1 1 0 0.02764709 0.05745083 2", "25"]
            for x, y, z in poses(rng, 25, 3) * 0.3 + (0, 0.1 * frame, 3):
                lines.append(f"{x:.5g} {y:.5g} {z:.5g} 277.4 191.8 1036.2 519.2 0 -0.2 0.9 1E-05 2")
    return change_bytes(rng, "\n".join(lines).encode())


def _kinetics(rng: random.Random) -> dict[str, object]:
    def person() -> dict[str, list[float]]:
        return {"pose": np.clip(poses(rng, 36) / 9 + 0.5, 0, 1).tolist(), "score": [0.5] * 18}

    frames = [{"frame_index": n, "skeleton": [person() for _ in range(rng.randrange(1, 3))]} for n in (1, 2, 4)]
    return {"data": frames, "label": "abseiling", "label_index": 0}


def make_kinetics(rng: random.Random) -> bytes:
    return change_text_of(rng, _kinetics(rng))


def make_nw_ucla(rng: random.Random) -> bytes:
    value = {"file_name": "a01_s01_e01_v01", "label": 1, "skeletons": poses(rng, 3, 20, 3).tolist()}
    return change_text_of(rng, value)


def _rows(values: np.ndarray) -> bytes:
    return "\n".join(" ".join(f"{value:.3f}" for value in row) for row in values).encode()


def make_kard(rng: random.Random) -> bytes:
    return change_bytes(rng, _rows(poses(rng, 45, 3) * 900))


def make_sbu(rng: random.Random) -> bytes:
    rows = [",".join(f"{v:.4f}" for v in (n, *np.abs(poses(rng, 90)) / 4)) for n in range(1, 4)]
    return change_bytes(rng, "\n".join(rows).encode())


def make_msr(rng: random.Random) -> bytes:
    return change_bytes(rng, _rows(poses(rng, 60, 4)))


def make_cmu(rng: random.Random) -> dict[str, bytes]:
    from ups.data.datasets import cmu

    bones = list(dict.fromkeys(bone for bone in cmu._ENDS.values() if bone != "root"))
    described = "".join(
        f"begin\nid {i}\nname {bone}\ndirection 1 0 0\nlength {i}\naxis 0 0 0 XYZ\ndof rx ry rz\nend\n"
        for i, bone in enumerate(bones, 1)
    )
    asf = (
        ":units\nlength 0.45\nangle deg\n:root\norder TX TY TZ RX RY RZ\naxis XYZ\nposition 0 0 0\norientation 0 0 0\n"
        f":bonedata\n{described}:hierarchy\nbegin\nroot {' '.join(bones)}\nend\n"
    )
    frames = "".join(
        f"{n}\nroot {n} 0 0 0 0 0\n" + "".join(f"{bone} {_rows(poses(rng, 1, 3)).decode()}\n" for bone in bones)
        for n in range(1, 6)
    )
    files = {"01.asf": asf.encode(), "01_03.amc": f":FULLY-SPECIFIED\n:DEGREES\n{frames}".encode()}
    return change_one(rng, files, change_bytes)


def make_zip(rng: random.Random) -> bytes:
    recording = mat(random.Random(1), {"d_skel": poses(rng, 20, 3, 4)})
    return change_zip(rng, {f"Skeleton/a1_s{n}_t1_skeleton.mat": recording for n in (1, 2)}, change_bytes)


def make_ntu_zip(rng: random.Random) -> bytes:
    names = [f"nturgb+d_skeletons/S001C001P001R001A00{n}.skeleton" for n in (1, 2)]
    return change_zip(rng, dict.fromkeys(names, make_ntu(random.Random(rng.randrange(9)))), change_bytes)


_PACKERS = (lambda content: content, gzip.compress, lzma.compress, bz2.compress)


def make_tar(rng: random.Random) -> dict[str, bytes]:
    """Plain, gzip or xz, sometimes under another's ending; with links, devices and absolute names now and then."""
    value = {"file_name": "", "label": 1, "skeletons": poses(rng, 2, 20, 3).tolist()}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=rng.choice([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])) as bundle:
        for n in (1, 2):
            content = change_text_of(rng, value) if rng.random() < 0.3 else json.dumps(value).encode()
            info = tarfile.TarInfo(
                rng.choice(["", "", "", "/", "../", "a" * 120 + "/"]) + f"all_sqe/a01_s0{n}_e01_v01.json"
            )
            info.size = len(content)
            if rng.random() < 0.15:
                info.type = rng.choice([tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, b"S"])
                info.linkname = rng.choice(["/etc/hostname", "all_sqe/a01_s01_e01_v01.json", "."])
            bundle.addfile(info, io.BytesIO(content))
    plain, inside = buffer.getvalue(), rng.random() < 0.5
    ending, packer = rng.choice([("tar", 0), ("tar.gz", 1), ("tgz", 1), ("tar.xz", 2)])
    packer = rng.randrange(4) if rng.random() < 0.05 else packer
    content = _PACKERS[packer](change_bytes(rng, plain) if inside else plain)
    return {f"nw_ucla.{ending}": content if inside else change_bytes(rng, content)}


def make_kinetics_folder(rng: random.Random) -> dict[str, bytes]:
    labels = {"a": {"has_skeleton": True, "label": "abseiling", "label_index": 0}}
    files = {
        "kinetics_train/a.json": json.dumps(_kinetics(rng)).encode(),
        "kinetics_train_label.json": json.dumps(labels).encode(),
    }
    return change_one(rng, files, lambda rng, content: change_text_of(rng, json.loads(content)))


def _all(items: Iterator[object]) -> object:
    """Everything that a data set yields; its first problem is raised, as if it were a reader of one file."""
    found = list(items)
    for item in found:
        if isinstance(item, DataError):
            raise item
    return found


def _reader(name: str) -> Callable[[Path], object]:
    def read(path: Path) -> object:
        from ups.data.datasets.registry import DATA_SETS

        return _all(iter(DATA_SETS[name].read(path)))

    return read


def _read_both(name: str, module: str) -> Callable[[Path], object]:
    """As one recording of anybody's, then as one of the data set."""

    def read(path: Path) -> object:
        import importlib

        reader = importlib.import_module(f"ups.data.datasets.{module}")
        try:
            return read_recording(path)
        finally:
            try:
                reader.read_clip(name, path.read_bytes())
            except DataError:
                pass

    return read


def _read_msr(path: Path) -> object:
    from ups.data.datasets import msr_action3d

    return msr_action3d.read_clip(path.name, path.read_bytes())


def _read_ntu_zip(path: Path) -> object:
    from ups.data.datasets import ntu

    return _all(ntu.read(path.parent, 60, processes=1))


KINDS = {
    "utd": Kind("a1_s1_t1_skeleton.mat", make_utd, _read_both("a1_s1_t1_skeleton.mat", "utd_mhad")),
    "penn": Kind("0001.mat", make_penn, _read_both("0001.mat", "penn_action")),
    "ntu": Kind("S001C001P001R001A001.skeleton", make_ntu, _read_both("S001C001P001R001A001", "ntu")),
    "kinetics": Kind("a.json", make_kinetics, _read_both("kinetics_train/a.json", "kinetics")),
    "kinetics folder": Kind("kinetics-skeleton", make_kinetics_folder, _reader("kinetics_skeleton")),
    "nw-ucla": Kind("a01_s01_e01_v01.json", make_nw_ucla, _read_both("a01_s01_e01_v01.json", "nw_ucla")),
    "kard": Kind("a01_s01_e01_realworld.txt", make_kard, read_recording),
    "sbu": Kind("skeleton_pos.txt", make_sbu, _read_both("s01s02/01/001/skeleton_pos.txt", "sbu")),
    "msr-action3d": Kind("a01_s01_e01_skeleton3D.txt", make_msr, _read_msr),
    "cmu": Kind("cmu", make_cmu, _reader("cmu_mocap")),
    "zip": Kind("utd_mhad.zip", make_zip, _reader("utd_mhad")),
    "ntu zip": Kind("nturgbd_skeletons_s001_to_s017.zip", make_ntu_zip, _read_ntu_zip),
    "tar": Kind("source", make_tar, _reader("nw_ucla")),
}
