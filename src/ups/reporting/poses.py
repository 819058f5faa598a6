"""Poses as pictures: PNG files, and an animation that any browser plays.

Left limbs are blue, right limbs orange, the centre of the body green, everywhere. The animation takes the colour of its
letters from the page around it, loads nothing, and any number of them can stand in one page.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ups.errors import DataError, SettingError
from ups.files import write_whole
from ups.pose import PoseSequence, Space
from ups.reporting.charts import SERIES
from ups.reporting.html import render
from ups.reporting.names import clean, label
from ups.skeleton import Skeleton

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT, RIGHT, CENTRE, TRUTH = "#2f86d6", "#e2662c", "#5f8f6b", "#b4b9c1"
"""Colours of the left limbs, the right limbs, the centre of the body, and a ground truth drawn behind."""


def save_picture(
    sequence: PoseSequence, path: str | Path, title: str = "", answers: Sequence[tuple[str, float]] | None = None
) -> None:
    """Write a PNG of up to six evenly spaced frames as stick figures, all at one scale and centred sideways.

    3D poses are drawn upright, turned a little from the front; 2D poses as they lie in the image. Joints that were not
    seen are left out.

    Args:
        sequence: any space; all its persons are drawn.
        path: the PNG file; its folder is made, a file of that name is replaced.
        title: a line above.
        answers: (class name, probability in 0..1), best first, for a bar chart at the right.

    Raises:
        DataError: no joint is visible in any frame.
        OSError: the file can't be written.
    """
    from matplotlib.figure import Figure

    frames = _spread(_shown(np.asarray(sequence.visibility.any((0, 2)))), 6)
    points = upright(sequence.joints, sequence.space, sequence.skeleton)[:, frames]
    if sequence.space != "image":
        points = turned(points, 20)
    seen = sequence.visibility[:, frames] > 0
    points = points[..., :2] - _middle(points[..., :2], seen)
    columns = len(frames) + (2 if answers else 0)
    figure = Figure(figsize=(1.9 * columns, 3.6), dpi=100, layout="constrained", facecolor="white")
    grid = figure.add_gridspec(1, columns)
    for i, frame in enumerate(frames):
        axes = figure.add_subplot(grid[i])
        for person, visible in zip(points[:, i], seen[:, i], strict=True):
            _draw(axes, person, visible, sequence.skeleton)
        _frame(axes, points, seen)
        axes.set_xlabel(f"{frame / sequence.fps:.2f} s", color="#5b6472", fontsize=9)
    if answers:
        _bars(figure.add_subplot(grid[-2:]), answers)
    _save(figure, path, title)


def save_joints_picture(sequence: PoseSequence, labels: Sequence[str], path: str | Path, title: str = "") -> None:
    """Write a PNG of the frame in which most joints of a person are seen, with a label at every joint.

    Args:
        sequence: any space; 3D poses are drawn upright, turned a little from the front.
        labels: J texts, in the order of the joints.
        path: the PNG file; its folder is made, a file of that name is replaced.
        title: a line above.

    Raises:
        DataError: no joint is visible in any frame.
        OSError: the file can't be written.
    """
    from matplotlib.figure import Figure

    visible = sequence.visibility > 0
    person, frame = np.unravel_index(int(visible.sum(-1).argmax()), visible.shape[:2])
    points = upright(sequence.joints[[person]], sequence.space, sequence.skeleton)[:, [frame]]
    if sequence.space != "image":
        points = turned(points, 20)
    seen = visible[[person]][:, [frame]]
    figure = Figure(figsize=(10, 10), dpi=100, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    _draw(axes, points[0, 0, :, :2], seen[0, 0], sequence.skeleton)
    _frame(axes, points[..., :2], seen)
    for j in np.flatnonzero(seen[0, 0]).tolist():
        x, y = points[0, 0, j, :2]
        axes.annotate(
            label(str(labels[j])), (x, y), xytext=(4, 3), textcoords="offset points", fontsize=8, parse_math=False
        )
    axes.margins(0.2)
    _save(figure, path, title)


def save_lift_picture(
    sequence: PoseSequence, lifted: ArrayLike, path: str | Path, title: str = "", person: int = 0
) -> None:
    """Write a PNG of three frames: the 2D input, the lifted pose as the camera sees it, and from the person's side.

    Where `sequence.pose_3d` is known it stands behind the lifted pose in grey, both with their roots at one point.

    Args:
        sequence: the 2D input, space "image".
        lifted: (N, J, 3) metres in the camera's frame (x right, y down, z forward), in the order of the input's joints;
            NaN in frames without a pose, which are not drawn.
        path: the PNG file; its folder is made, a file of that name is replaced.
        title: a line above.
        person: which of the sequence's persons was lifted.

    Raises:
        DataError: the person is not visible in any frame.
        SettingError: a sequence that is not 2D, lifted poses of another shape or not finite.
        OSError: the file can't be written.
    """
    from matplotlib.figure import Figure

    skeleton = sequence.skeleton
    if sequence.space != "image":
        raise SettingError(
            f"lifting starts from 2D poses, but {sequence.id or 'the sequence'} is in space {sequence.space!r}"
        )
    lifted = np.array(lifted, np.float64)
    absent = np.isnan(lifted).all((1, 2)) if lifted.ndim == 3 else np.zeros(0, bool)
    lifted[absent] = np.nan if absent.all() else 0
    poses = {"lifted": _checked(lifted, (sequence.frames, len(skeleton), 3), "lifted")}
    if sequence.pose_3d is not None:
        poses["truth"] = sequence.pose_3d[person].astype(np.float64)
    frames = _spread(_shown(sequence.visibility[person].any(-1) & ~absent), 3)
    seen = sequence.visibility[person, frames] > 0
    flat = upright(sequence.joints[person, frames], "image", skeleton)
    flat = flat - _middle(flat, seen)
    solid = {name: upright(_rooted(pose[frames], skeleton), "camera", skeleton) for name, pose in poses.items()}
    rows = [("2D input", {"lifted": flat})]
    for view, turn in (("camera's view", 0), ("from the side", 75)):
        rows.append((view, {name: turned(pose, turn)[..., :2] for name, pose in solid.items()}))

    figure = Figure(figsize=(8, 9), dpi=100, layout="constrained", facecolor="white")
    grid = figure.add_gridspec(3, len(frames))
    for row, (view, views) in enumerate(rows):
        visible = seen if row == 0 else np.ones(seen.shape, bool)
        extent = np.stack(list(views.values()))
        for i, frame in enumerate(frames):
            axes = figure.add_subplot(grid[row, i])
            if "truth" in views:
                _draw(axes, views["truth"][i], visible[i], skeleton, TRUTH)
            _draw(axes, views["lifted"][i], visible[i], skeleton)
            _frame(axes, extent, np.broadcast_to(visible, extent.shape[:-1]))
            if i == 0:
                axes.set_ylabel(view + (", truth in grey" if "truth" in views else ""), color="#5b6472", fontsize=9)
            if row == 2:
                axes.set_xlabel(f"{frame / sequence.fps:.2f} s", color="#5b6472", fontsize=9)
    _save(figure, path, title)


def skeleton_animation(
    poses: Mapping[str, ArrayLike], skeleton: Skeleton, fps: float, y_up: bool, element_id: str
) -> str:
    """Moving stick figures side by side, seen from one viewpoint, as a self-contained HTML fragment.

    It plays by itself (unless the reader's system asks for reduced motion), starts turned 30 degrees from the person's
    front, and has a play button and a frame slider; dragging turns it.

    Args:
        poses: name ("lifted", "ground truth") -> (N, J, 3) metres relative to the root; all of one shape.
        skeleton: names the J joints.
        fps: frames per second, > 0.
        y_up: True for "world" poses (y up), False for "camera" poses (y down, z forward).
        element_id: id of the fragment's element, unique in the page: a letter, then letters, digits, "-" or "_".

    Raises:
        SettingError: no poses, shapes that differ, values that are not finite, a bad fps or id.
    """
    if not re.fullmatch(r"[A-Za-z][\w-]*", element_id, re.ASCII):
        raise SettingError(f'element_id {element_id!r}: a letter, then letters, digits, "-" or "_" are needed')
    if not np.isfinite(fps) or fps <= 0:
        raise SettingError(f"{fps} frames per second; a positive number is needed")
    if not poses:
        raise SettingError("an animation needs at least one sequence of poses")
    shape = (np.shape(next(iter(poses.values())))[0], len(skeleton), 3)
    if not shape[0]:
        raise SettingError("an animation needs at least one frame")
    axes = (1, 1, 1) if y_up else (1, -1, -1)
    standing = {name: _checked(pose, shape, name) * axes for name, pose in poses.items()}
    data = {
        "names": [clean(name) for name in standing],
        "poses": [np.rint(pose * 1000).astype(int).ravel().tolist() for pose in standing.values()],
        "joints": len(skeleton),
        "bones": skeleton.bones,
        "colours": [colour_of(joint) for joint in skeleton.joints],
        "fps": fps,
        "yaw": round(float(np.radians(30)) - _facing(next(iter(standing.values())), skeleton), 3),
    }
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    return render("animation.html", id=element_id, last=shape[0] - 1, data=text, left=LEFT, right=RIGHT)


def colour_of(joint: str) -> str:
    """Of a joint and the bone that ends in it."""
    return LEFT if joint.startswith("left_") else RIGHT if joint.startswith("right_") else CENTRE


def _shown(there: np.ndarray) -> np.ndarray:
    """Numbers of the frames (N,) with something to draw; all where there is none."""
    return np.flatnonzero(there) if there.any() else np.arange(len(there))


def _spread(frames: np.ndarray, count: int) -> list[int]:
    """Up to `count` of the frame numbers, evenly spaced, the first and the last among them."""
    places = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return frames[np.unique(places)].tolist()


def _checked(pose: ArrayLike, shape: tuple[int, ...], name: str) -> np.ndarray:
    """The pose as float64 of this shape, all finite."""
    values = np.asarray(pose, dtype=np.float64)
    if values.shape != shape:
        raise SettingError(f"poses {name!r} have shape {values.shape}; {shape} is needed")
    if not np.isfinite(values).all():
        raise SettingError(f"poses {name!r}: {int((~np.isfinite(values)).sum())} values are not finite")
    return values


def upright(joints: np.ndarray, space: Space, skeleton: Skeleton) -> np.ndarray:
    """Joints (..., J, V) with x right, y up and, in 3D, z towards the viewer, who stands in front of the person.

    A world has no front, so it is turned to where the person faces. Camera and kinect poses are seen as their sensor saw
    them; x points right in some kinect recordings and left in others, which the side of the left limbs shows.
    """
    if space == "image":
        return joints * (1, -1)
    if space == "camera":
        return joints * (1, -1, -1)
    if space == "world":
        return turned(joints, -float(np.degrees(_facing(joints, skeleton))))
    return joints * (1 if _sideways(joints, skeleton)[0] >= 0 else -1, 1, -1)


def _sideways(joints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Mean vector (3,) from the right to the left hip and shoulder, over all persons and frames."""
    pairs = [(a, b) for a, b in skeleton.mirror_pairs if skeleton.joints[a] in ("left_hip", "left_shoulder")]
    if not pairs:
        return np.array([1.0, 0.0, 0.0])
    left, right = (joints[..., [pair[side] for pair in pairs], :] for side in (0, 1))
    return (left - right).reshape(-1, 3).mean(0)


def _facing(joints: np.ndarray, skeleton: Skeleton) -> float:
    """Angle in radians about y from the viewer (+z) to where the person faces; y up, right-handed."""
    x, _, z = _sideways(joints, skeleton)
    return float(np.arctan2(-z, x))


def turned(joints: np.ndarray, degrees: float) -> np.ndarray:
    """Turned about the vertical axis y, counter-clockwise as seen from above."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return joints @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])


def _rooted(pose: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    return pose - pose[:, list(skeleton.root_indices)].mean(1, keepdims=True)


def _middle(points: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Of points (..., N, J, 2): the mean x of all joints seen in each frame, over all persons; y is left alone."""
    axes = tuple(i for i in range(seen.ndim) if i != seen.ndim - 2)
    total = (points[..., 0] * seen).sum(axes, keepdims=True)
    x = total / np.maximum(seen.sum(axes, keepdims=True), 1)
    return np.stack([x, np.zeros_like(x)], -1)


def _draw(axes: Axes, joints: np.ndarray, seen: np.ndarray, skeleton: Skeleton, colour: str = "") -> None:
    """One person's visible bones and joints (J, 2); left, right and centre in their colours, or all in one colour."""
    colours = [colour or colour_of(name) for name in skeleton.joints]
    for child, parent in skeleton.bones:
        if seen[child] and seen[parent]:
            axes.plot(*joints[[child, parent]].T, color=colours[child], linewidth=2.2, solid_capstyle="round")
    shown = [j for j in range(len(skeleton)) if seen[j]]
    axes.scatter(*joints[shown].T, s=9, c=[colours[j] for j in shown], zorder=3)


def _frame(axes: Axes, points: np.ndarray, seen: np.ndarray) -> None:
    """Bare axes, the same for every frame: they hold all points (..., 2) that are seen."""
    shown = points[seen]
    if not len(shown):
        raise DataError("no joint is visible in any of the frames to be drawn; give seen joints a visibility above 0")
    axes.update_datalim([shown.min(0), shown.max(0)])
    axes.margins(0.06)
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    for spine in axes.spines.values():
        spine.set_color("#dfe3e9")


def _bars(axes: Axes, answers: Sequence[tuple[str, float]]) -> None:
    """Probabilities as bars under their class names, best on top."""
    rows = np.arange(len(answers))
    axes.barh(rows, [p for _, p in answers], height=0.38, color=SERIES[0])
    for row, (name, p) in enumerate(answers):
        axes.text(0, row - 0.28, label(name), fontsize=9, parse_math=False)
        axes.text(1, row - 0.28, f"{100 * p:.1f} %", fontsize=9, ha="right", color="#5b6472")
    axes.set(xlim=(0, 1), ylim=(max(len(answers), 5) - 0.4, -0.8))
    axes.axis("off")


def _save(figure: Figure, path: str | Path, title: str) -> None:
    if title:
        figure.suptitle(label(title, 200), x=0.01, ha="left", fontweight="bold", parse_math=False)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    write_whole(path, file.getvalue())
