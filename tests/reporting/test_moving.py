"""Moving figures: what is drawn and when, as GIF, PNG and MP4 from one call, and by the command."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ups.cli import main
from ups.data.formats.native import write_file
from ups.errors import DataError, SettingError
from ups.pose import PoseSequence
from ups.reporting.moving import part_of, pictures, save_gif
from ups.reporting.poses import LEFT, RIGHT
from ups.skeletons import SKELETONS
from ups.video.show import save_poses

SKELETON = SKELETONS["h36m-17"]


def walk(frames: int = 20, fps: float = 10.0, persons: int = 2) -> PoseSequence:
    """People in metres, y up, who walk to the right."""
    rng = np.random.default_rng(0)
    pose = rng.uniform((-0.4, 0, -0.2), (0.4, 1.7, 0.2), (17, 3))
    step = np.linspace(0, 1, frames)[:, None, None] * np.array([1.0, 0, 0])
    joints = np.stack([pose + step + (1.5 * m, 0, 0) for m in range(persons)])
    return PoseSequence(joints, np.ones(joints.shape[:3]), SKELETON, "world", fps)


def share(rgb: np.ndarray, colour: str) -> float:
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return float((np.abs(rgb.astype(int) - wanted).sum(-1) < 30).mean())


def test_pictures_stand_at_their_times_with_sides_in_their_colours():
    found = list(pictures(walk(), 25.0, (320, 240), "who"))
    assert [round(time, 2) for time, _ in found] == [round(i / 25, 2) for i in range(50)]
    rgb = found[0][1]
    assert rgb.shape == (240, 320, 3) and rgb.dtype == np.uint8
    assert share(rgb, LEFT) > 0.002 and share(rgb, RIGHT) > 0.002
    assert (found[0][1] == found[1][1])[:200].all() and (
        found[0][1] != found[40][1]
    ).any()  # 10 frames/s: the same pose
    unseen = walk()
    unseen = PoseSequence(unseen.joints, np.zeros_like(unseen.visibility), SKELETON, "world", 10)
    with pytest.raises(DataError, match="no joint is visible"):
        next(pictures(unseen, 25.0))
    with pytest.raises(SettingError, match="10 x 10"):
        next(pictures(walk(), 25.0, (10, 10)))


@pytest.mark.parametrize("fps", [10.0, 24.0, 29.97, 120.0])
def test_a_gif_takes_as_long_as_the_recording(fps, tmp_path):
    clip = walk(40, fps)
    save_gif(clip, tmp_path / "a.gif", "who", (160, 120))
    with Image.open(tmp_path / "a.gif") as image:
        assert image.size == (160, 120) and image.info["loop"] == 0
        lasts = []
        for i in range(image.n_frames):
            image.seek(i)
            lasts.append(image.info["duration"])
    assert sum(lasts) / 1000 == pytest.approx(clip.frames / fps, abs=0.03) and min(lasts) >= 40


def test_a_part_and_what_is_too_long(tmp_path):
    clip = walk()
    part = part_of(clip, 0.5, 1.0)
    assert part.frames == 10 and np.array_equal(part.joints, clip.joints[:, 5:15])
    with pytest.raises(SettingError, match="the recording has 2.00 s"):
        part_of(clip, 3, None)
    with pytest.raises(SettingError, match="--seconds"):
        save_gif(walk(2000, 20.0, 1), tmp_path / "a.gif")
    far = walk()
    far = PoseSequence(
        far.joints * 1000, far.visibility, SKELETON, "world", 10
    )  # millimetres: no ground of a million lines
    assert len(list(pictures(far, 1.0, (100, 100)))) == 2


def test_one_call_writes_each_kind(tmp_path):
    pytest.importorskip("av")
    from ups.video.source import facts_of, frames_of

    for name in ("a.png", "a.gif", "b/a.mp4"):
        save_poses(walk(), tmp_path / name, "who", (161, 121))
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"
    facts = facts_of(tmp_path / "b" / "a.mp4")
    assert facts.size == (160, 120) and facts.fps == 10 and len(list(frames_of(tmp_path / "b" / "a.mp4"))) == 20
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["a.mp4"]
    with pytest.raises(SettingError, match="known are .png, .gif, .mp4"):
        save_poses(walk(), tmp_path / "a.webp")


def test_the_command(tmp_path, capsys):
    write_file(walk(), tmp_path / "a.npz")
    assert (
        main(["show", str(tmp_path / "a.npz"), str(tmp_path / "a.gif"), "--seconds", "0.5", "--size", "160", "120"])
        == 0
    )
    with Image.open(tmp_path / "a.gif") as image:
        assert image.size == (160, 120) and image.n_frames <= 6
    assert main(["show", str(tmp_path / "a.npz"), str(tmp_path / "a.tif")]) == 2
    assert main(["show", str(tmp_path / "a.npz"), str(tmp_path / "a.gif"), "--lift", "ups-small"]) == 2
    assert "known endings" in capsys.readouterr().err
