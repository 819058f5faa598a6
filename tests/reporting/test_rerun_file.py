"""Files for Rerun's viewer hold every seen joint and bone at its time, the people's names and what is done when."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ups.cli import main
from ups.data.formats.native import write_file
from ups.errors import DataError, SettingError
from ups.pose import PoseSequence
from ups.reporting.poses import upright
from ups.reporting.rerun_file import save_rerun
from ups.skeletons import COCO_17, H36M_17
from ups.video.answer import JOINTS, POSES, RESULT
from ups.video.show import save_poses


def walk(flat: bool = False, frames: int = 4) -> PoseSequence:
    rng = np.random.default_rng(0)
    joints = rng.uniform(0, 2, (2, frames, 17, 3))
    seen = np.ones(joints.shape[:3])
    seen[1, 2] = 0  # the second person is out of sight for a frame
    seen[0, :, 5] = 0
    if flat:
        return PoseSequence(joints[..., :2] * 300, seen, COCO_17, "image", 10.0, image_size=(640, 600))
    return PoseSequence(joints, seen, H36M_17, "camera", 10.0)


def columns(path: Path) -> dict[str, dict[str, list]]:
    """Entity -> column -> a list of values a row."""
    pytest.importorskip("rerun", reason="needs pip install 'unified-pose-sequence[rerun]'")
    from rerun.chunk import RrdReader  # pyright: ignore[reportMissingImports]

    found: dict[str, dict[str, list]] = {}
    for chunk in RrdReader(path).stream().to_chunks():
        for name, values in chunk.to_record_batch().to_pydict().items():
            found.setdefault(chunk.entity_path, {}).setdefault(name.split(":")[-1], []).extend(values)
    return found


def test_every_seen_joint_stands_at_its_time(tmp_path):
    pytest.importorskip("rerun", reason="needs pip install 'unified-pose-sequence[rerun]'")
    flat, solid = walk(True), walk()
    save_rerun([flat, solid], tmp_path / "a" / "walk.rrd", "a walk", {0.0: "stand", 0.2: "walk"})
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["walk.rrd"]
    found = columns(tmp_path / "a" / "walk.rrd")
    for clip, place in ((flat, "picture"), (solid, "world")):
        points = clip.joints if clip is flat else upright(clip.joints, "camera", clip.skeleton)
        for m in range(2):
            rows = found[f"/{place}/person_{m + 1}"]
            told = [np.array(row) for row in rows["positions"] if row is not None]
            names = [row for row in rows["keypoint_ids"] if row is not None]
            assert len(told) == clip.frames
            for n in range(clip.frames):
                seen = clip.visibility[m, n] > 0
                np.testing.assert_allclose(told[n].reshape(-1, points.shape[-1]), points[m, n, seen], rtol=1e-6)
                assert names[n] == np.flatnonzero(seen).tolist()
            bones = [row for row in found[f"/{place}/person_{m + 1}/bones"]["strips"] if row is not None]
            whole = sum(5 not in bone for bone in clip.skeleton.bones) if m == 0 else len(clip.skeleton.bones)
            assert [len(row) for row in bones] == [0 if (m, n) == (1, 2) else whole for n in range(4)]
    assert [row for row in found["/action"]["text"] if row] == [["stand"], ["walk"]]


def test_nothing_to_see_and_no_library_are_told(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rerun", None)
    with pytest.raises(SettingError, match=r"pip install 'unified-pose-sequence\[rerun\]'"):
        save_poses(walk(), tmp_path / "a.rrd")
    monkeypatch.undo()
    pytest.importorskip("rerun", reason="needs pip install 'unified-pose-sequence[rerun]'")
    clip = walk()
    nobody = PoseSequence(clip.joints, np.zeros_like(clip.visibility), H36M_17, "camera", 10.0)
    with pytest.raises(DataError, match="no joint is visible"):
        save_rerun([nobody], tmp_path / "a.rrd")
    assert not list(tmp_path.iterdir())


def test_the_command_takes_what_predict_wrote_of_a_video(tmp_path, capsys):
    pytest.importorskip("rerun", reason="needs pip install 'unified-pose-sequence[rerun]'")
    folder = tmp_path / "walk"
    write_file(walk(True), folder / JOINTS)
    write_file(walk(), folder / POSES)
    walks = {"start": 0.0, "end": 0.2, "action": "walk", "probability": 0.9}
    after = {"start": 0.2, "end": 0.4, "action": None, "why": "unknown", "probability": 0.9}
    (folder / RESULT).write_text(json.dumps({"timeline": [walks, after]}))
    assert main(["show", str(folder), str(tmp_path / "a.rrd"), "--start", "0.1"]) == 0
    found = columns(tmp_path / "a.rrd")
    assert {"/picture/person_1", "/world/person_1", "/world/person_2/bones"} <= set(found)
    assert len([row for row in found["/world/person_1"]["positions"] if row is not None]) == 3
    assert [row for row in found["/action"]["text"] if row] == [["walk"], ["nothing known"]]
    (folder / RESULT).write_text("{}")
    assert main(["show", str(folder), str(tmp_path / "b.rrd")]) == 2
    assert "no result of a video" in capsys.readouterr().err and not (tmp_path / "b.rrd").exists()
