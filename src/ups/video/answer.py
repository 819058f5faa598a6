"""Everything that a model says of a video, as files: result.json, joints, 3D poses, an annotated video and a page."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ups.data.checks.clip import check_or_refuse
from ups.data.formats.native import write_file
from ups.errors import SettingError
from ups.files import write_whole
from ups.inference.as_json import actions_told
from ups.pose import PoseSequence, pose_sequence
from ups.reporting.html import figure, html_table, render, write_page
from ups.reporting.poses import skeleton_animation
from ups.tasks.action import anticipate, recognize_2d
from ups.tasks.pose import estimate_pose
from ups.tasks.predictions import Lifted
from ups.tasks.timeline import Timeline, pooled_answer
from ups.video.draw import annotate
from ups.video.early import Early
from ups.video.estimators import KINDS, closing
from ups.video.joints import joints_of
from ups.video.source import facts_of

if TYPE_CHECKING:
    from ups.inference.predictor import Predictor

log = logging.getLogger("ups")

RESULT, JOINTS, POSES, VIDEO, PAGE, KEPT = (
    "result.json", "joints.npz", "poses_3d.npz", "annotated.mp4", "index.html", "frames.jsonl",
)  # fmt: skip
SHOWN = 1800
"""Frames of 3D poses on the page, at most; the file has all."""


@dataclass(frozen=True)
class Asked:
    """What is to be found out about a video.

    Attributes:
        classes: candidate actions; None = all that the model knows.
        top: how many actions are told.
        every: look at every N-th frame.
        estimator: of `ups.video.estimators.KINDS`.
        force: go on where the check finds an error.
        people: to look for; None = as many as the estimator does by itself.
        data_set: the actions of this data set are the candidates, if `classes` is None.
    """

    classes: tuple[str, ...] | None = None
    top: int = 5
    every: int = 1
    estimator: str = "mediapipe"
    force: bool = False
    people: int | None = None
    data_set: str | None = None


def answer_video(
    path: Path,
    predictor: Callable[[], Predictor],
    output: Path,
    asked: Asked,
    progress: Callable[[str, int, int], None],
    so_far: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Finds the people of a video, asks all that the model knows about them, and writes it to a folder.

    Args:
        path: the video.
        predictor: gives that of a model that recognises 2D actions; what it can't answer besides is left out. It is loaded
            while the estimator starts.
        output: the folder; frames that an earlier run has looked at are not looked at again.
        asked: what and how.
        progress: is told of each stage, the number of a frame and of how many.
        so_far: takes what is known of the result so far: first `timeline` alone, the last parts of it (see
            `ups.video.early`), then everything, while the video is drawn.

    Returns:
        What result.json holds.

    Raises:
        DataError: not a video, nobody in it, or what the check calls an error.
        SettingError: an estimator that is not known or not installed, a model without recognition in 2D.
        OSError: a file can't be read or written.
    """
    if asked.estimator not in KINDS:
        raise SettingError(f"unknown estimator {asked.estimator!r}; known: {', '.join(KINDS)}")
    facts = facts_of(path)
    with closing(KINDS[asked.estimator](asked.people)) as estimator:
        model = predictor()
        if recognize_2d.name not in model.trained.model.tasks:
            raise SettingError("the model does not recognise actions in 2D; ups-small does")
        classes = model.trained.classes_of(asked.data_set) if asked.data_set else asked.classes
        names = model.candidates(classes)
        output.mkdir(parents=True, exist_ok=True)
        tell = so_far or (lambda result: None)
        early = Early(model, names, facts, estimator.skeleton, asked.every, lambda parts: tell({"timeline": parts}))
        clip = joints_of(
            path,
            facts,
            estimator,
            output / KEPT,
            asked.every,
            lambda n: progress("finding people, frame", n, facts.frames),
            early.add if so_far else lambda line: None,
        )
    lines = check_or_refuse(clip, str(path), asked.force, filmed=True)
    for line in lines:
        log.warning(line)
    lines += [f"note: {path}: {notice}" for notice in clip.notices if notice.severity == "note"]
    write_file(clip, output / JOINTS)
    progress("recognising actions", 0, 0)
    known = model.drop_untrained_joints(recognize_2d.name, clip)
    timeline = model.timeline(known, names)
    long = model.is_long(recognize_2d.name, known)
    whole = pooled_answer(timeline) if long else model.rank_actions(recognize_2d.name, known, names)
    result: dict[str, Any] = {
        "video": path.name, "seconds": round(clip.frames / clip.fps, 3), "fps": clip.fps, "frames": clip.frames,
        "size": list(facts.size), "persons": clip.persons, "estimator": asked.estimator, "remarks": lines,
        **actions_told(whole, asked.top), "timeline": timeline.to_dicts(),
    }  # fmt: skip
    if anticipate.name in model.trained.model.tasks:
        next_one = model.rank_actions(anticipate.name, model.drop_untrained_joints(anticipate.name, clip), names)
        result["anticipated"] = actions_told(next_one, asked.top)
    tell(result)
    lifted = None
    if estimate_pose.name in model.trained.model.tasks:
        progress("3D poses", 0, 0)
        lifted = model.lift(model.drop_untrained_joints(estimate_pose.name, clip), smooth=True)
        _write_poses(lifted, clip, output / POSES)
        missed = np.nanmedian(lifted.reprojection) if lifted.reprojection is not None else np.nan
        result["reprojection"] = round(float(missed), 4) if np.isfinite(missed) else None
    annotate(path, facts, clip, timeline, output / VIDEO, lambda n: progress("drawing, frame", n, facts.frames))
    _write_page(output / PAGE, path.name, clip, timeline, lifted, result)
    write_whole(output / RESULT, json.dumps(result, indent=1, allow_nan=False).encode())
    return result


def _write_poses(lifted: Lifted, clip: PoseSequence, path: Path) -> None:
    """3D poses in the camera's frame, in metres, where the root is added where it is known."""
    joints = lifted.joints if lifted.root is None else lifted.joints + lifted.root[:, :, None]
    write_file(pose_sequence(joints, lifted.skeleton, space="camera", fps=clip.fps, id=clip.id), path)


def _write_page(
    path: Path, name: str, clip: PoseSequence, timeline: Timeline, lifted: Lifted | None, result: dict[str, Any]
) -> None:
    video = render(
        "video.html", id="video", source=VIDEO, parts=_parts(timeline), poses="poses", fps=round(clip.fps, 4)
    )  # fmt: skip
    sections = [
        ("", figure(video, "Left limbs blue, right ones orange. Below, what is done when: a part jumps there."))
    ]
    rows = [
        (f"{s.start_s:.2f}", f"{s.end_s:.2f}", s.action or s.told, f"{s.probability:.0%}") for s in timeline.segments
    ]
    sections.append(("What is done when", html_table(("from, s", "to, s", "action", "probability"), rows)))
    if lifted is not None:
        poses = {f"person {m + 1}": _held(lifted.joints[m, :SHOWN]) for m in range(min(len(lifted.joints), 3))}
        moving = skeleton_animation(poses, lifted.skeleton, clip.fps, False, "poses")
        missed = result["reprojection"]
        how_far = "" if missed is None else f"; they miss their 2D joints by {missed:.1%} of the body's size"
        still = " Somebody who is not seen is drawn in the pose last seen." if np.isnan(lifted.joints).any() else ""
        what = f"3D poses from the 2D joints, drag to turn{how_far}.{still}"
        sections.append(("In 3D", figure(moving, what)))
    remarks = result["remarks"] or ["none"]
    sections.append(("Remarks", html_table(("of the check",), [(line,) for line in remarks])))
    write_page(path, name, sections)


def _parts(timeline: Timeline) -> list[dict[str, Any]]:
    """The segments as parts of a bar, a colour for each action; where nothing is known it is grey."""
    actions = list(dict.fromkeys(s.action for s in timeline.segments if s.action))
    return [
        {
            "start": round(s.start_s, 2), "end": round(s.end_s, 2), "text": s.action or s.told,
            "share": round(max(s.end_s - s.start_s, 1e-3), 3),
            "colour": _COLOURS[actions.index(s.action) % len(_COLOURS)] if s.action else "#d7dbe0", "ink": "#14181c",
        }
        for s in timeline.segments
    ]  # fmt: skip


_COLOURS = ("#8ec1f0", "#f2b48a", "#9fd6ad", "#d9b8ec", "#f0d878", "#8fd8dc")
"""Of actions: apart for the colour-blind too, and dark text is read on all of them."""


def _held(joints: np.ndarray) -> np.ndarray:
    """(N, J, 3) with the last pose held where somebody is not seen, the first one before; zeros if never."""
    there = np.isfinite(joints).all((1, 2))
    if not there.any():
        return np.zeros_like(joints)
    last = np.maximum.accumulate(np.where(there, np.arange(len(joints)), -1))
    return joints[np.where(last < 0, int(there.argmax()), last)]
