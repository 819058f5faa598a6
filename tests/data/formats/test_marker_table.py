"""Tables of motion capture programs with several lines of headings, and tables whose ending is .tsv or .txt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ups.data.datasets.synthetic import synthesize
from ups.data.formats.axes import UPRIGHT
from ups.data.open_file import read_file
from ups.errors import DataError
from ups.skeletons import H36M_17

FPS = 120.0
NAMES = H36M_17.joints
Z_UP = np.array(UPRIGHT["z"], float)


def body() -> np.ndarray:
    """(N, 17, 3) metres, y up."""
    return synthesize(1, 0, (30, 30))[0].astype(float)


def numbers(row: np.ndarray) -> list[str]:
    return ["" if np.isnan(v) else f"{v:.5f}" for v in row.ravel()]


def qualisys(points: np.ndarray, columns: bool = True, first: int = 1) -> str:
    lines = [f"NO_OF_FRAMES\t{len(points)}", f"NO_OF_MARKERS\t{len(NAMES)}", f"FREQUENCY\t{FPS:g}", "DATA_INCLUDED\t3D"]
    lines += ["TIME_STAMP\t2020-01-01, 10:00:00", "\t".join(["MARKER_NAMES", *NAMES])]
    lines += ["\t".join(["Frame", "Time", *(f"{n} {a}" for n in NAMES for a in "XYZ")])] if columns else []
    for n, row in enumerate(points):
        lines.append("\t".join([*([str(first + n), f"{n / FPS:.5f}"] if columns else []), *numbers(row)]))
    return "\n".join(lines)


def vicon(points: np.ndarray, unit: str = "mm", first: int = 1) -> str:
    lines = ["Trajectories", f"{FPS:g}", ",," + ",,,".join(f"Anna:{name}" for name in NAMES) + ",,"]
    lines += ["Frame,Sub Frame" + ",X,Y,Z" * len(NAMES), "," + f",{unit}" * 3 * len(NAMES)]
    lines += [",".join([str(first + n), "0", *numbers(row)]) for n, row in enumerate(points)]
    return "\r\n".join([*lines, "", "Model Outputs", "120"])


def motive(points: np.ndarray, first: int = 0) -> str:
    lines = [
        f"Format Version,1.23,Take Name,a,Export Frame Rate,{FPS:.6f},Length Units,Meters",
        "",
        ",Type" + ",Bone" * 119,
    ]
    lines += [",Name" + "".join(f",Anna:{name}" * 7 for name in NAMES), ",ID" + ",1" * 119]
    lines += [
        ",," + ",".join((["Rotation"] * 4 + ["Position"] * 3) * len(NAMES)),
        "Frame,Time (Seconds)" + ",X,Y,Z,W,X,Y,Z" * 17,
    ]
    for n, row in enumerate(points):
        cells = [c for joint in row for c in ["0", "0", "0", "1", *numbers(joint)]]
        lines.append(",".join([str(first + n), f"{n / FPS:.6f}", *cells]))
    return "\n".join(lines)


def check(path: Path, text: str, points: np.ndarray, **options: str) -> None:
    path.write_text(text, newline="")
    clip = read_file(path, **options)  # type: ignore[arg-type]
    order = [NAMES.index(joint) for joint in clip.skeleton.joints]
    assert clip.fps == FPS and clip.space == "world" and set(clip.skeleton.joints) == set(NAMES)
    np.testing.assert_allclose(clip.joints[0], np.nan_to_num(points)[:, order], atol=1e-4)
    assert ((clip.visibility[0] > 0) == np.isfinite(points[:, order, 0])).all()


@pytest.mark.parametrize("kind", ["tsv", "tsv without columns", "vicon", "motive"])
def test_motion_capture_tables(kind: str, tmp_path: Path) -> None:
    points = body()
    points[4:7, 3] = np.nan
    up = points @ Z_UP  # z up
    if kind == "vicon":
        check(tmp_path / "a.csv", vicon(up * 1000), points)
        check(tmp_path / "a.csv", vicon(up * 100, "cm"), points, up="z")
    elif kind == "motive":
        check(tmp_path / "a.csv", motive(points), points)
    else:
        check(tmp_path / "a.tsv", qualisys(up * 1000, kind == "tsv"), points)
        check(tmp_path / "a.tsv", qualisys(np.nan_to_num(up * 1000), kind == "tsv"), points)


def test_other_headings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(vicon(body() * 1000).replace("X,Y,Z", "RX,RY,RZ"))
    with pytest.raises(DataError, match=r"a\.csv: its headings are not those of .*X, Y, Z of one unit"):
        read_file(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text(vicon(body(), "furlong"))
    with pytest.raises(DataError, match="give --unit, one of m"):
        read_file(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text(motive(body())[:-3] + "O.O")
    with pytest.raises(DataError, match="a.csv: below its headings"):
        read_file(tmp_path / "a.csv")


@pytest.mark.parametrize(("ending", "sign"), [("tsv", "\t"), ("txt", "\t"), ("txt", ";"), ("tsv", ",")])
def test_our_own_tables_of_other_endings(ending: str, sign: str, tmp_path: Path) -> None:
    rows = ["frame left_hip_x left_hip_y right_hip_x right_hip_y", *(f"{n} {n + 1} 2 3 4" for n in range(9))]
    (tmp_path / f"a.{ending}").write_text("\n".join(row.replace(" ", sign) for row in rows))
    clip = read_file(tmp_path / f"a.{ending}", image_size=(99, 99))
    assert clip.joints[0, :, 0, 0].tolist() == list(range(1, 10))
