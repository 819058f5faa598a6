"""Videos made here: what is read of them, who is found, what is written, and how it goes on after a stop."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import helpers
import numpy as np
import pytest

from ups.checkpoint.io import save
from ups.cli import main
from ups.data.open_file import read_file
from ups.errors import DataError, IncompleteError, SettingError
from ups.inference.predictor import Predictor
from ups.skeletons import COCO_17

pytest.importorskip("av")

from ups.video import estimators  # noqa: E402
from ups.video.answer import Asked, answer_video  # noqa: E402
from ups.video.draw import drawn  # noqa: E402
from ups.video.joints import joints_of  # noqa: E402
from ups.video.source import facts_of, frames_of, is_video, writer_of  # noqa: E402

SIZE = (160, 120)
FPS = 25.0


def picture(number: int) -> np.ndarray:
    """A white square that walks to the right over black."""
    rgb = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    x = 10 + 2 * number
    rgb[40:60, x : x + 20] = 255
    return rgb


def video(path: Path, frames: int = 20) -> Path:
    with writer_of(path, FPS, SIZE) as write:
        for number in range(frames):
            write(picture(number))
    return path


class Square:
    """Finds a person's joints around the middle of what is bright; nobody in a dark picture."""

    name = "mediapipe"
    skeleton = COCO_17
    longest = 0
    looked = 0

    def __init__(self, people: int | None = None) -> None:
        pass

    def find(self, rgb: np.ndarray) -> list[np.ndarray]:
        type(self).looked += 1
        bright = np.argwhere(rgb[..., 0] > 128)
        if not len(bright):
            return []
        y, x = bright.mean(0)
        offsets = np.column_stack([np.tile([-5, 5], 9)[:17], np.linspace(-30, 30, 17)])
        return [np.column_stack([offsets + (x, y), np.full(17, 0.9)])]

    def close(self) -> None:
        pass


@pytest.fixture
def square(monkeypatch):
    monkeypatch.setattr(Square, "looked", 0)
    monkeypatch.setitem(estimators.KINDS, "mediapipe", Square)
    return Square


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("video") / "model"
    trained = helpers.trained_model()
    save(trained, folder, trained.model.state_dict())
    return folder


def test_frames_come_with_their_times(tmp_path):
    path = video(tmp_path / "a.MP4")
    facts = facts_of(path)
    assert is_video(path) and not is_video(tmp_path / "a.json")
    assert facts.size == SIZE and facts.fps == FPS and facts.frames == 20
    frames = list(frames_of(path))
    assert [f.number for f in frames] == list(range(20))
    np.testing.assert_allclose([f.time for f in frames], np.arange(20) / FPS, atol=1e-6)
    assert np.abs(frames[7].rgb.astype(int) - picture(7)).mean() < 8


def test_a_phones_turned_video_is_upright(tmp_path):
    path = video(tmp_path / "a.mp4")
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 40  # the matrix of the track's header
    plain = np.array([65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30], ">i4")
    assert content[place : place + 36] == plain.tobytes()
    content[place : place + 36] = np.array([0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30], ">i4").tobytes()
    path.write_bytes(content)
    assert facts_of(path).size == SIZE[::-1]
    turned = next(frames_of(path)).rgb.astype(int)
    assert np.abs(turned - np.rot90(picture(0), -1)).mean() < 8  # clockwise by 90 degrees


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "not a video|not a frame"), (b"no video at all" * 100, "not a video|not a frame")]
)
def test_what_is_no_video_is_told(tmp_path, content, message):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as raised:
        facts_of(path)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)
    with pytest.raises(FileNotFoundError):
        facts_of(tmp_path / "nothing.mp4")


def test_a_video_that_breaks_off_counts_until_there(tmp_path, square):
    whole = video(tmp_path / "a.mkv", 60)
    cut = tmp_path / "b.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    facts = facts_of(cut)
    clip = joints_of(cut, facts, Square(), tmp_path / "kept.jsonl")
    assert 2 < clip.frames < 50
    (told,) = joints_of(cut, replace(facts, frames=60), Square(), tmp_path / "kept.jsonl").notices
    assert told.what == "the video breaks off" and "of its 60 frames can be read" in told.detail


def test_people_are_found_and_a_stopped_run_goes_on(tmp_path, square):
    path, kept = video(tmp_path / "a.mp4"), tmp_path / "frames.jsonl"
    facts = facts_of(path)
    clip = joints_of(path, facts, Square(), kept)
    assert clip.joints.shape == (1, 20, 17, 2) and clip.fps == FPS and clip.image_size == SIZE and square.looked == 20
    middle = clip.joints[0].mean(1)
    np.testing.assert_allclose(np.diff(middle[:, 0]), 2, atol=0.7)
    lines = kept.read_text().splitlines()
    kept.write_text("\n".join(lines[:9]) + '\n{"frame": 8, "ti')  # killed while it wrote
    again = joints_of(path, facts, Square(), kept)
    assert square.looked == 20 + 12
    np.testing.assert_array_equal(clip.joints, again.joints)
    half = joints_of(path, facts, Square(), kept, every=2)  # another question: begun anew
    assert half.frames == 10 and half.fps == FPS / 2 and square.looked == 32 + 10
    assert half.notices == ()  # frames left out on purpose are nothing to remark


def test_uneven_frames_stand_where_their_times_say(tmp_path, square, monkeypatch):
    path = video(tmp_path / "a.mp4")
    given = list(frames_of(path))
    from ups.video import joints

    late = [replace(f, time=f.time + (0.2 if f.number >= 10 else 0)) for f in given if f.number % 5 != 3]
    monkeypatch.setattr(joints, "frames_of", lambda path: iter(late))
    clip = joints_of(path, facts_of(path), Square(), tmp_path / "kept.jsonl")
    duration = late[-1].time
    assert clip.frames / clip.fps == pytest.approx(duration, abs=0.1)
    seen = clip.visibility[0].any(1)
    place = round(late[-1].time * clip.fps)
    assert seen[min(place, clip.frames - 1)]
    np.testing.assert_allclose(clip.joints[0, -1].mean(0)[0], Square().find(late[-1].rgb)[0][:, 0].mean(), atol=2)


def test_nobody_is_told(tmp_path, square):
    path = tmp_path / "dark.mp4"
    with writer_of(path, FPS, SIZE) as write:
        for _ in range(5):
            write(np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
    with pytest.raises(DataError, match="nobody is seen"):
        joints_of(path, facts_of(path), Square(), tmp_path / "kept.jsonl")


def test_everything_is_written(tmp_path, model, square, capsys):
    path, out = video(tmp_path / "walk.mp4", 30), tmp_path / "out"
    words = ["predict", str(path), "--model", str(model), "--output", str(out), "--force"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((out / "result.json").read_text())
    assert told["frames"] == 30 and told["persons"] == 1 and len(told["answers"]) == 5
    assert told["timeline"][0]["start"] == 0 and told["timeline"][-1]["end"] == pytest.approx(30 / FPS, abs=1e-3)
    assert len(told["anticipated"]["answers"]) == 5
    clip, poses = read_file(out / "joints.npz"), read_file(out / "poses_3d.npz")
    assert clip.frames == poses.frames == 30 and poses.space == "camera"
    annotated = list(frames_of(out / "annotated.mp4"))
    assert len(annotated) == 30 and annotated[0].rgb[60:].max() > 100
    page = (out / "index.html").read_text()
    assert "<video" in page and "What is done when" in page and "https://" not in page
    assert page.count("data-start=") == len(told["timeline"])
    assert main(words) == 0 and square.looked == 30  # nothing is looked at twice


def test_what_is_known_is_told_before_the_end(tmp_path, model, square):
    path, told, when = video(tmp_path / "walk.mp4", 60), [], []
    stages: list[str] = []

    def so_far(found):
        told.append(found)
        when.append(len(stages))

    result = answer_video(
        path, lambda: Predictor.from_pretrained(model), tmp_path / "out", Asked(force=True),
        lambda stage, *_: stages.append(stage), so_far,
    )  # fmt: skip
    early, whole = told
    assert list(early) == ["timeline"] and (early["timeline"][0]["start"], early["timeline"][0]["end"]) == (0, 2)
    assert whole["answers"] == result["answers"] and whole["timeline"] == result["timeline"]
    assert "finding people, frame" in stages[when[0] :] and when[1] <= stages.index("drawing, frame")


def test_of_a_long_video_windows_are_asked_about_once(tmp_path, model, square, monkeypatch):
    path, predictor = video(tmp_path / "walk.mp4", 60), Predictor.from_pretrained(model)
    asked = Asked(force=True)
    monkeypatch.setattr(Predictor, "is_long", lambda self, task, clip: clip.frames > 55)
    result = answer_video(path, lambda: predictor, tmp_path / "out", asked, lambda *_: None)
    clip = read_file(tmp_path / "out" / "joints.npz")
    answer = predictor.rank_actions("recognize_2d", clip, None)
    assert [a["class"] for a in result["answers"]] == list(answer.classes[:5])
    np.testing.assert_allclose([a["probability"] for a in result["answers"]], answer.probabilities[:5], atol=1e-5)


def test_wrong_questions_are_refused(tmp_path, model, square, capsys):
    path = video(tmp_path / "walk.mp4", 6)
    for words, message in (
        ([str(path)], "--output FOLDER"),
        ([str(path), "--output", str(tmp_path / "x"), "--step", "0"], "--step 0"),
        ([], "--camera 0"),
        ([str(path), "--camera", "0"], "give either"),
        ([str(path), "--output", str(tmp_path / "x"), "--classes", " , "], "names no action"),
        (
            [str(path), "--output", str(tmp_path / "x"), "--task", "recognize_2d", "--fps", "9"],
            "--task, --fps: for recordings",
        ),
        ([str(path), "--output", str(tmp_path / "x"), "--data-set", "nothing"], "nothing"),
        ([str(tmp_path / "a.json"), "--output", str(tmp_path / "x")], "--output is for videos"),
    ):
        assert main(["predict", *words, "--model", str(model)]) == 2
        assert message in capsys.readouterr().err
    predictor = Predictor.from_pretrained(model)
    with pytest.raises(SettingError, match="unknown estimator 'x'; known: mediapipe"):
        answer_video(path, lambda: predictor, tmp_path / "x", Asked(estimator="x"), lambda *_: None)


def test_people_are_drawn_in_place(square):
    from ups.pose import pose_sequence

    joints = np.stack([Square().find(picture(0))[0][:, :2]])
    clip = pose_sequence(joints, COCO_17, space="image", fps=25, image_size=SIZE)
    plain = drawn(np.zeros((240, 320, 3), np.uint8), clip, 0, "")
    assert plain.shape == (240, 320, 3)
    for x, y in np.round(joints[0] * 2).astype(int):
        if 20 < y < 235 and 5 < x < 315:
            assert plain[y - 3 : y + 4, x - 3 : x + 4].max() > 100


def test_the_camera_answers_a_line_a_frame(tmp_path, model, square, capsys):
    from ups.cli.watch import show_camera

    path = video(tmp_path / "a.mp4", 8)
    show_camera(0, Predictor.from_pretrained(model), "mediapipe", None, 2, frames_of(path))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["frame"] for line in lines] == list(range(8)) and len(lines[-1]["action"]) == 2
    with pytest.raises(SettingError, match="camera 77 can't be opened"):
        show_camera(77, Predictor.from_pretrained(model), "mediapipe", None, 2)


WORKER = """
import os, struct, sys
import numpy as np
out = sys.stdout.buffer
if sys.argv[0].endswith("mute.py"):
    sys.exit(1)
out.write(b"ready\\n"); out.flush()
count = 0
while len(head := sys.stdin.buffer.read(8)) == 8:
    width, height = struct.unpack("<II", head)
    data = np.frombuffer(sys.stdin.buffer.read(3 * width * height), np.uint8)
    if sys.argv[0].endswith("dies.py") and count == 1:
        os._exit(3)
    count += 1
    marks = np.full((33, 4), np.nan if data.max() == 0 else 0.9, np.float32)
    if data.max():
        marks[:, 0], marks[:, 1], marks[0, 2] = width / 2, height / 4, 0.1
    out.write(marks.tobytes()); out.flush()
"""


def test_mediapipe_runs_in_a_process_of_its_own(tmp_path, monkeypatch):
    for name in ("works.py", "mute.py", "dies.py"):
        (tmp_path / name).write_text(WORKER)
    monkeypatch.setenv("UPS_MEDIAPIPE", sys.executable)
    monkeypatch.setattr(estimators, "WORKER", tmp_path / "works.py")
    with estimators.closing(estimators.MediaPipe()) as found:
        (person,) = found.find(np.full((40, 60, 3), 9, np.uint8))
        assert person.shape == (33, 3) and person[5].tolist() == pytest.approx([30, 10, 0.9])
        assert person[0, 2] == 0  # hardly visible: not seen
        assert found.find(np.zeros((40, 60, 3), np.uint8)) == []
    monkeypatch.setattr(estimators, "WORKER", tmp_path / "mute.py")
    with (
        estimators.closing(estimators.MediaPipe()) as found,
        pytest.raises(SettingError, match="ups setup mediapipe"),
    ):
        found.find(np.zeros((40, 60, 3), np.uint8))
    monkeypatch.setattr(estimators, "WORKER", tmp_path / "dies.py")
    with (
        estimators.closing(estimators.MediaPipe()) as found,
        pytest.raises(IncompleteError, match="goes on where it was"),
    ):
        for _ in range(3):
            found.find(np.full((40, 60, 3), 9, np.uint8))


def test_without_an_estimator_it_is_told_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.delenv("UPS_MEDIAPIPE", raising=False)
    monkeypatch.setenv("UPS_CACHE", str(tmp_path))
    monkeypatch.setattr(estimators, "find_spec", lambda name: None)
    with pytest.raises(SettingError, match="ups setup mediapipe"):
        estimators.mediapipe_python()
    monkeypatch.setattr(
        estimators.subprocess, "run", lambda *a, **k: SimpleNamespace(returncode=1, stderr="no network\n")
    )
    monkeypatch.setattr("venv.create", lambda home, with_pip: Path(home).mkdir())
    with pytest.raises(IncompleteError, match="no network"):
        estimators.set_up_mediapipe()
    assert not estimators.mediapipe_home().exists()


def test_rtmlib_finds_everybody(monkeypatch):
    body = SimpleNamespace(
        Body=lambda **options: lambda bgr: (np.ones((2, 17, 2)) * bgr[0, 0, 0], np.full((2, 17), 1.2)),
    )
    monkeypatch.setitem(sys.modules, "rtmlib", body)
    rgb = np.zeros((4, 4, 3), np.uint8)
    rgb[..., 2] = 7  # blue is first in what rtmlib reads
    people = estimators.RTMLib().find(rgb)
    assert len(people) == 2 and people[1][3].tolist() == [7, 7, 1]

    def fails(**options):
        raise OSError("no network")

    monkeypatch.setitem(sys.modules, "rtmlib", SimpleNamespace(Body=fails))
    with pytest.raises(SettingError, match="can't load its models"):
        estimators.RTMLib()
    monkeypatch.setitem(sys.modules, "rtmlib", None)
    with pytest.raises(SettingError, match="pip install rtmlib"):
        estimators.RTMLib()


def test_reading_never_waits_for_itself(tmp_path):
    """Videos that break off or are left early, again and again, while threads decode: a lock would hold for good."""
    whole, cut = video(tmp_path / "a.mkv", 60), tmp_path / "b.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    code = (
        "import logging, sys\nfrom pathlib import Path\nfrom ups.video.source import facts_of, frames_of\n"
        "logging.disable(logging.CRITICAL)\nwhole, cut = map(Path, sys.argv[1:])\n"
        "for i in range(60):\n    facts_of(whole)\n    next(frames_of(whole))\n    list(frames_of(cut))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(whole), str(cut)], timeout=120, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
