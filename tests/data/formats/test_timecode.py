"""SMPTE time codes, in tables and JSON, under any name."""

import json

import numpy as np
import pytest

from ups.data.formats.timecode import seconds_of_codes
from ups.data.open_file import read_file
from ups.errors import DataError

HEAD = "left_hip_x,left_hip_y,right_hip_x,right_hip_y"


def code(frame, rate, sign=":"):
    seconds, frames = divmod(frame, rate)
    return f"01:{seconds // 60:02}:{seconds % 60:02}{sign}{frames:02}"


def table(folder, name, codes):
    rows = [f"{code},{n + 1},5,3,4" for n, code in enumerate(codes)]
    (folder / "a.csv").write_text("\n".join(["# image_size = 9 x 9", f"{name},{HEAD}", *rows]))
    return read_file(folder / "a.csv")


@pytest.mark.parametrize("name", ["timecode", "SMPTE", "Time Code", "TC", "time", "frame", "source tape position"])
@pytest.mark.parametrize("rate", [25, 30])
def test_time_codes_under_any_name(name, rate, tmp_path):
    clip = table(tmp_path, name, [code(n + 40, rate) for n in range(2 * rate)])
    assert clip.fps == rate and clip.joints[0, :, 0, 0].tolist() == list(range(1, 2 * rate + 1))
    unknown = [notice for notice in clip.notices if "is read as clock times" in notice.what]
    assert [notice.severity for notice in unknown] == (["warning"] if name.startswith("source") else [])


def test_time_codes_of_every_fifth_frame_and_with_a_gap(tmp_path):
    clip = table(tmp_path, "tc", [code(n, 25) for n in range(0, 60, 5)])
    assert clip.fps == 5 and clip.frames == 12
    clip = table(tmp_path, "tc", [code(n, 25) for n in [*range(30), *range(40, 60)]])
    assert clip.fps == 25 and clip.frames == 60 and not clip.visibility[0, 30:40].any()


def test_drop_frame_codes_go_with_the_clock():
    codes = ["00:00:59;29", "00:01:00;02", "00:01:00;03", "00:10:00;00"]
    found = seconds_of_codes(codes, "a.csv", "tc")
    np.testing.assert_allclose(found, np.array([1799, 1800, 1801, 17982]) * 1001 / 30000)


def test_a_frame_behind_a_point_and_hundredths(tmp_path):
    assert table(tmp_path, "time", [code(n, 25, ".") for n in range(75)]).fps == 25
    clip = table(tmp_path, "time", [f"00:00:{n / 25:05.2f}" for n in range(75)])
    assert clip.fps == 25 and clip.frames == 75


def test_codes_within_one_second_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"a\.csv: column tc: .* lie within one second.*give --fps"):
        table(tmp_path, "tc", [code(n, 25) for n in range(20)])


def test_time_codes_of_json(tmp_path):
    keypoints = [[n, n + 1, 1] for n in range(3, 20)]
    frames = [{"timecode": code(n, 24), "keypoints": [[x + n, y, v] for x, y, v in keypoints]} for n in range(48)]
    (tmp_path / "a.json").write_text(json.dumps({"width": 90, "height": 90, "frames": frames}))
    clip = read_file(tmp_path / "a.json")
    assert clip.fps == 24 and clip.frames == 48
