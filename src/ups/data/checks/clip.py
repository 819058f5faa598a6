"""What the joints of one recording tell of its mistakes: unit, axes, sides, order of joints, jumps.

What is found is (severity, what, remedy, detail); how often rightly, docs/checks.md says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from ups.data.checks.picture import check_picture
from ups.data.checks.sequence import check_places, check_sequence, check_tracks
from ups.data.formats.body import ODD, UNITS, better_order, unit_of
from ups.data.formats.repair import OWN_UP
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.seen import bodies
from ups.skeletons import SKELETONS

Severity = Literal["error", "warning", "note"]

SHORT = 5
"""Clips of fewer frames are reported."""
_ADULT = 1.5
"""Metres: a standing or sitting person's largest extent, roughly, by which units are recognised."""
_LONGEST_BONE = 0.9
_UNEVEN, _SMALL = 0.5, 0.25
"""Share by which the bones of both sides differ, and metres up to which one may: hands, feet and collars are noisy."""
_JUMP, _LEAP = 0.5, 1.3
"""Body sizes between two frames. One jump happens, where sensors lose somebody; several, or a leap, are other people."""
_NO_BODY = {2: 0.98, 3: 0.6}
"""Misfit, by coordinates, above which joints are said to make no body: in 3D that of 1,500 public clips is 0.45
at most."""
_CORNER = 100.0
"""Pixels from the corner: joints that are all nearer in a large image may be percent of it."""
_ENOUGH = 15
"""Frames from which sides are judged."""
_AHEAD = 0.015
_LIMBS = (("hip", "ankle", "foot"), ("shoulder", "elbow", "wrist"), ("shoulder", "elbow", "hand"))
"""Girdle, start and end of limbs that mostly point forwards: in over 97 % of the public recordings."""
_MOST_NAMED = 3


Problem = tuple[Severity, str, str, str]
"""severity, what, remedy, and a detail of the one recording."""


def check_or_refuse(clip: PoseSequence, where: str, force: bool = False, filmed: bool = False) -> list[str]:
    """A line for each error and warning that the check has for a clip; `filmed` as in `check_clip`: it was made of a video,
    which options about joints do not fit.

    Raises:
        DataError: it finds an error, and not `force`.
    """
    lines = []
    for severity, what, remedy, detail in check_clip(clip, filmed=filmed):
        if filmed and any(option in remedy for option in ("--rotate", "--fix", "--up")):
            remedy = "turn the video upright, unless they really are as it shows them"
        if severity == "error" and not force:
            raise DataError(f"{where}: {with_detail(what, detail)}; {remedy}, or --force")
        if severity != "note":
            lines.append(f"{severity}: {where}: {with_detail(what, detail)}; {remedy}")
    return lines


def check_clip(clip: PoseSequence, stored: bool = False, filmed: bool = False) -> Iterator[Problem]:
    """What is wrong with one recording: (severity, what, remedy, detail) each. A remedy that is an option of
    `ups predict` and its like begins with "add --".

    Args:
        clip: the recording.
        stored: it comes from a store: whether somebody is there and which way is up was settled when that was made, and a
            doubt is a warning.
        filmed: its joints were just found in a video, so x and y are what they are: bodies on their side are a warning.
    """
    for notice in clip.notices:
        yield notice.severity, notice.what, notice.remedy, notice.detail
    if clip.frames < SHORT:
        yield "warning", f"fewer than {SHORT} frames", "leave it out, or record longer", f"{clip.frames} frames"
    seen = np.asarray(clip.visibility > 0)
    if not bodies(clip.visibility).any():
        what = "nobody is seen: too few joints of a body in every frame"
        most = f"at most {int(seen.sum(-1).max())} of {seen.shape[-1]} joints in any of {clip.frames} frames"
        yield "warning" if stored else "error", what, "cut it to where somebody is", most
        return
    yield from _check_seen(clip, seen)
    flat = clip.space == "image"
    first = _check_score(clip, seen)
    if first is None:
        first = _check_pixels(clip, seen) if flat else _check_metres(clip, seen)
    if first is not None:
        yield first  # the rest would only repeat it
        return
    for what, remedy, detail in (*check_places(clip, seen), *check_tracks(clip, seen)):
        yield "warning", what, remedy, detail
    yield from _check_root(clip, seen)
    order = better_order(clip, seen)
    if order is not None and order[1]:
        what = f"the joints make a body in the order of {order[1]}, but not in that of {clip.skeleton.name}"
        listed = order[1] in SKELETONS
        remedy = (
            f"add --skeleton {order[1]}, or name it in the file" if listed else "say which is which with --joint-map"
        )
        yield "error", what, remedy, f"misfit {order[0]:.1f}, limit {ODD}"
        return
    limit = _NO_BODY[clip.joints.shape[-1]]
    if order is not None and order[0] > limit:
        what = "the joints make no body: they may stand in another order, or the skeleton is another one"
        yield "warning", what, "see `ups data joints`, and draw it with --plot", f"misfit {order[0]:.2f}, limit {limit}"
    turned = None if clip.up_known else _check_up(clip, seen)
    if turned is not None:
        severity, what, remedy, detail = turned
        if severity == "error" and (stored or (filmed and flat)):
            severity = "warning"
        yield severity, what, remedy, detail
        return
    yield from _check_sides(clip, seen)
    if flat:
        for what, remedy, detail in check_picture(clip, seen):
            yield "warning", what, remedy, detail
    else:
        yield from _check_bones(clip, seen)
    for what, remedy, detail in check_sequence(clip):
        yield "warning", what, remedy, detail
    yield from _check_motion(clip, seen)


def _check_score(clip: PoseSequence, seen: np.ndarray) -> Problem | None:
    """Third coordinates that are scores: within 0..1 while x and y are pixels or, all of them positive, fractions."""
    if clip.space == "image":
        return None
    points = clip.joints[seen]
    third, plane = points[:, 2], points[:, :2]
    pixels = third.min() >= 0 and third.max() <= 1.05 and plane.max() > 20
    fractions = third.min() >= 0 and third.max() <= 1.001 and plane.min() >= 0 and plane.max() <= 1.001
    if not pixels and not (fractions and float(np.median(third)) > 0.5):
        return None
    detail = f"z {_short(third.min())} to {_short(third.max())}, x and y up to {_short(plane.max())}"
    return "error", "the third coordinate looks like a score, not like a depth", "add --fix score-z", detail


def _check_root(clip: PoseSequence, seen: np.ndarray) -> Iterator[Problem]:
    """Hips that never leave the origin."""
    pairs = [clip.skeleton.joints.index(n) for n in ("left_hip", "right_hip") if n in clip.skeleton.joints]
    if len(pairs) < 2 or clip.frames < SHORT:
        return
    both = seen[:, :, pairs].all(-1)
    flat = clip.space == "image"
    hidden = flat and not seen[:, :, pairs].any() and float(clip.joints[seen].min()) < 0
    if both.sum() < SHORT and not hidden:
        return
    hips = clip.joints[:, :, pairs].mean(2)[both] if not hidden else np.zeros((1, 2))
    size = _size(clip, seen)
    if float(np.percentile(np.linalg.norm(hips, axis=-1), 95)) > 0.05 * size:
        moves = float(np.ptp(clip.joints[seen.all(-1)], axis=0).max(initial=0)) if seen.all(-1).any() else 0.0
        if len(hips) >= _ENOUGH and float(np.ptp(hips, axis=0).max()) < 1e-4 * size and moves > 0.02 * size:
            what = (
                "the hips stay at exactly one place: the joints are relative to them, and where the body goes is lost"
            )
            remedy = "give the joints before the hips were moved there, if the actions go anywhere"
            yield "warning" if flat else "note", what, remedy, ""
        return
    if flat:
        what = "the hips stay at (0, 0): the joints are relative to them, not pixels of an image"
        yield "error", what, "give the joints as the detector found them, before the hips were subtracted", ""
    else:
        what = "the hips stay at the origin: the joints are relative to them, and where the body goes is lost"
        remedy = "give the joints before the hips were subtracted, if the actions go anywhere"
        yield "note", what, remedy, ""


def _check_seen(clip: PoseSequence, seen: np.ndarray) -> Iterator[Problem]:
    for m in np.flatnonzero(~seen.any((1, 2))):
        remedy = "leave out persons who are not there"
        yield "warning", "a person of whom no joint is ever seen", remedy, f"person {m + 1}"
    never = [clip.skeleton.joints[j] for j in np.flatnonzero(~seen.any((0, 1)))]
    if never:
        remedy = "nothing, if they were hidden; the model is told that they are missing"
        yield "note", "joints never seen throughout a recording", remedy, first_names(never)
    empty = float((~seen.any((0, 2))).mean())
    if empty > 0.5:
        yield "warning", "no joint seen in most frames", "cut the recording to where somebody is", f"{empty:.0%}"


def _check_pixels(clip: PoseSequence, seen: np.ndarray) -> Problem | None:
    points, (width, height) = clip.joints[seen], clip.image_size or (1, 1)
    low, high = points.min(0), points.max(0)
    detail = (
        f"x {_short(low[0])} to {_short(high[0])}, y {_short(low[1])} to {_short(high[1])}, image {width} x {height}"
    )
    if np.abs(points).max() <= 2:
        if low.min() < -0.2:
            return (
                "error",
                "values look like -1 to 1 across the image, not like pixels",
                "add --coordinates signed",
                detail,
            )
        return (
            "error",
            "values look like fractions of the image, not like pixels",
            "add --coordinates fractions",
            detail,
        )
    if 20 < float(high.max()) <= _CORNER and low.min() >= 0 and min(width, height) > 2 * _CORNER:
        what = f"all joints lie within {_CORNER:g} pixels of the corner; are they percent of the image?"
        return "warning", what, "divide them by 100 and add --coordinates fractions, if so; else nothing", detail
    out = np.asarray(((points < 0) | (points >= (width, height))).any(-1))
    if float(out.mean()) <= 0.3:
        return None
    if np.mean(points < 0) > 0.2 and float((np.abs(points) <= (width / 2, height / 2)).all(-1).mean()) > 0.95:
        what = "values look like pixels from the middle of the image, not from its corner"
        return "error", what, "add --coordinates centred", detail
    turned = float(((points < 0) | (points >= (height, width))).any(-1).mean())
    trunk = _trunk(clip, seen)
    if turned < 0.05 and trunk is not None and abs(trunk[1]) < abs(trunk[0]):
        return (
            "error",
            "x and y are exchanged: bodies lie on their side, partly outside the image",
            "add --fix swap-xy",
            detail,
        )
    if turned < 0.05:
        what = "many joints lie outside the image; width and height seem to be exchanged"
        return "warning", what, f"add --image-size {height} {width}, or correct image_size in the file", detail
    return "warning", "many joints lie outside the image", "correct image_size = width, height", detail


def _check_metres(clip: PoseSequence, seen: np.ndarray) -> Problem | None:
    size, unit = _size(clip, seen), unit_of(clip, seen)
    detail = f"a person is {_short(size)} tall or wide"
    if unit not in (None, "m") and size * UNITS[unit] < _ADULT * 2.2:
        what = {"mm": "millimetres", "cm": "centimetres", "in": "inches", "ft": "feet"}[unit]
        return "error", f"values look like {what}, not metres", f"add --unit {unit}", detail
    if not _ADULT / 6 < size < _ADULT * 2.2:
        return "error", "no human size in metres", "bring the values to metres; undo any normalisation", detail
    return None


def _trunk(clip: PoseSequence, seen: np.ndarray) -> np.ndarray | None:
    """(V,) mean over the recording of the direction from hips to head, of length 1 where it never changes."""
    head, head_seen = _middle(clip, seen, ("head", "head_top", "nose", "neck", "left_shoulder", "right_shoulder"))
    hips, hips_seen = _middle(clip, seen, ("pelvis", "left_hip", "right_hip"))
    both = head_seen & hips_seen
    if both.sum() < SHORT:
        return None
    step = (head - hips)[both]
    return (step / np.maximum(np.linalg.norm(step, axis=-1, keepdims=True), 1e-9)).mean(0)


_UPRIGHT = 0.9
"""Cosine, averaged over a recording, from which bodies are said to lie along an axis; standing ones pass it too."""


def _check_up(clip: PoseSequence, seen: np.ndarray) -> Problem | None:
    """Bodies that stand along another axis than the space's own, throughout a recording."""
    trunk = _trunk(clip, seen)
    if trunk is None:
        return None
    axis = int(np.abs(trunk).argmax())
    own = 1 if clip.space in ("kinect", "world") else -1
    if abs(trunk[axis]) < _UPRIGHT or (axis == 1 and trunk[1] * own > 0):
        return None
    name = ("-" if trunk[axis] < 0 else "") + "xyz"[axis]
    detail = f"mean cosine {abs(trunk[axis]):.2f}, limit {_UPRIGHT}"
    if clip.space != "image":
        if axis == 1:
            what = f"the head is below the hips, while y points {'up' if own > 0 else 'down'} in space {clip.space!r}"
            return "warning", what, f"add --up {name}, unless they really are upside down", detail
        what = f"bodies lie along {'xyz'[axis]} in the whole recording: {name} seems to point up"
        severity = "warning" if _on_all_fours(clip, seen) else "error"
        return severity, what, f"add --up {name}, or --up {OWN_UP[clip.space]} if they really lie", detail
    if axis == 1:
        what = "the head is below the hips throughout: y points up, or the video stands on its head"
        return "warning", what, "add --up y, or for a turned video --rotate 180", detail
    degrees = 90 if trunk[0] < 0 else 270
    what = "bodies lie on their side throughout: the video is turned, or x and y are exchanged"
    remedy = f"add --rotate {degrees}, or --fix swap-xy, or --up -y if they really lie"
    return "error" if _stands(clip, seen) else "note", what, remedy, detail


def _stands(clip: PoseSequence, seen: np.ndarray) -> bool:
    """Whether bodies that lie on their side in the picture hold themselves as standing ones do: legs in line with the
    trunk, and arms not across it. Who does push-ups or bench presses has arms or shanks across.
    """
    parts = _limbs(clip, seen)
    if parts is None:
        return False  # too little is seen to tell
    straight, arm, length, _ = parts
    return float(np.median(straight)) > 0.6 and float(np.median(np.linalg.norm(arm, axis=-1) / length)) < 0.33


def _on_all_fours(clip: PoseSequence, seen: np.ndarray) -> bool:
    """Whether 3D bodies that lie hold themselves as only lying ones do: shanks across the trunk, or hands down to where the
    feet are, as in bench presses and push-ups; or too little is seen to tell.
    """
    parts = _limbs(clip, seen)
    if parts is None:
        return True
    straight, arm, length, level = parts
    across = float(np.median(np.linalg.norm(arm, axis=-1) / length))
    return float(np.median(straight)) <= 0.6 or (across > 0.6 and float(np.median(level / length)) < 0.35)


def _limbs(clip: PoseSequence, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """Of every frame in which they are seen: cosine of shanks and trunk, the hands' way (n, V) from the shoulders across the
    trunk, the trunk's length, and how far apart hands and feet are along y. None where they are seen too seldom.
    """
    names = clip.skeleton.joints
    ends = ["ankle" if "left_ankle" in names else "foot", "wrist" if "left_wrist" in names else "hand"]
    found = [_middle(clip, seen, (f"left_{part}", f"right_{part}")) for part in ("shoulder", "hip", "knee", *ends)]
    there = np.all([known for _, known in found], axis=0)
    if there.sum() < SHORT:
        return None
    shoulders, hips, knees, ankles, wrists = (points[there] for points, _ in found)
    trunk = hips - shoulders
    length = np.maximum(np.linalg.norm(trunk, axis=-1), 1e-9)
    down = trunk / length[:, None]
    shank = ankles - knees
    straight = (shank * down).sum(-1) / np.maximum(np.linalg.norm(shank, axis=-1), 1e-9)
    arm = wrists - shoulders
    arm = arm - (arm * down).sum(-1, keepdims=True) * down
    return straight, arm, length, np.abs(wrists[:, 1] - ankles[:, 1])


def _check_sides(clip: PoseSequence, seen: np.ndarray) -> Iterator[Problem]:
    """Left and right: shoulders against hips, and in 3D feet and hands, which point forwards."""
    remedy = "add --fix swap-sides"
    shoulders, a = _across(clip, seen, "shoulder")
    hips, b = _across(clip, seen, "hip")
    if shoulders is not None and hips is not None:
        axes = [0] if clip.space == "image" else [0, 2]
        wide = [np.linalg.norm(pair[:, axes], axis=-1) > 0.05 * _size(clip, seen) for pair in (shoulders, hips)]
        both = a & b & wide[0] & wide[1]  # seen from the side, the order says little
        against = float(((shoulders * hips)[both][:, axes].sum(-1) < 0).mean()) if both.sum() >= _ENOUGH else 0.0
        if against > 0.8:
            yield (
                "warning",
                "left and right are exchanged at the shoulders or at the hips",
                remedy,
                f"{against:.0%} of frames",
            )
            return
    trunk = _trunk(clip, seen)
    lies = clip.up_known and trunk is not None and abs(trunk[1]) < 0.5  # what is ahead of him is up or down
    solid = clip.space != "image" and not lies
    ahead = [v for v in (_ahead(clip, seen, *limb) for limb in _LIMBS) if v is not None] if solid else []
    if ahead and max(ahead) < -_AHEAD:
        what = "feet and hands point backwards: left and right are exchanged, or an axis is mirrored"
        yield "warning", what, remedy + ", or negate z", f"by {-max(ahead):.2f} m"


def _ahead(clip: PoseSequence, seen: np.ndarray, girdle: str, start: str, end: str) -> float | None:
    """Metres by which the limbs' ends lie before their starts, seen from the body; None where too little was seen."""
    across, there = _across(clip, seen, girdle)
    names = [f"{side}_{part}" for part in (start, end) for side in ("left", "right")]
    if across is None or not set(names) <= set(clip.skeleton.joints):
        return None
    ls, rs, le, re = (clip.skeleton.joints.index(name) for name in names)
    there = there & seen[:, :, [ls, rs, le, re]].all(-1).reshape(-1)
    if there.sum() < _ENOUGH:
        return None
    front = np.cross(across, (0, 1 if clip.space in ("kinect", "world") else -1, 0))  # every space is right-handed
    front /= np.maximum(np.linalg.norm(front, axis=-1, keepdims=True), 1e-6)
    steps = (clip.joints[:, :, le] - clip.joints[:, :, ls] + clip.joints[:, :, re] - clip.joints[:, :, rs]) / 2
    return float(np.median((steps.reshape(-1, 3) * front).sum(-1)[there]))


def _check_bones(clip: PoseSequence, seen: np.ndarray) -> Iterator[Problem]:
    lengths = {}
    for child, parent in clip.skeleton.bones:
        both = seen[:, :, child] & seen[:, :, parent]
        if both.any():
            bone = np.linalg.norm(clip.joints[:, :, child] - clip.joints[:, :, parent], axis=-1)[both]
            lengths[clip.skeleton.joints[child]] = float(np.median(bone))
    long = [f"{joint} {length:.2f} m" for joint, length in lengths.items() if length > _LONGEST_BONE]
    remedy = "check that the skeleton is the right one and its joints are in the order of the data"
    if long:
        yield "warning", "bones too long for a human", remedy, ", ".join(long)
    uneven = []
    for joint, length in lengths.items():
        other = lengths.get(joint.replace("left_", "right_")) if joint.startswith("left_") else None
        if other is not None and abs(length - other) > _UNEVEN * max(length, other) and max(length, other) > _SMALL:
            uneven.append(f"{joint} {length:.2f} m, right {other:.2f} m")
    if uneven and not long:
        yield "warning", "bones of very different length on the left and on the right", remedy, "; ".join(uneven)


def _check_motion(clip: PoseSequence, seen: np.ndarray) -> Iterator[Problem]:
    """Jumps of whole bodies between one frame and the next, told apart from two persons exchanging places."""
    centres, _ = _mean(clip.joints, seen)  # (M, N, V)
    there = seen.sum(-1) > 2  # (M, N)
    size = _size(clip, seen)
    steps = np.linalg.norm(np.diff(centres, axis=1), axis=-1) / size  # (M, N - 1) in body sizes
    jump = (steps > _JUMP) & there[:, 1:] & there[:, :-1]
    swaps = []
    if clip.persons > 1 and there.any(1)[:2].all():
        a, b = centres[:2]
        crossed = np.linalg.norm(a[1:] - b[:-1], axis=-1) + np.linalg.norm(b[1:] - a[:-1], axis=-1)
        straight = np.linalg.norm(a[1:] - a[:-1], axis=-1) + np.linalg.norm(b[1:] - b[:-1], axis=-1)
        both = there[0, 1:] & there[1, 1:] & there[0, :-1] & there[1, :-1]
        swap = both & (straight > 0.2 * size) & (crossed < 0.5 * straight)
        swaps = np.flatnonzero(swap).tolist()
        jump[:2, swaps] = False
    if swaps:
        remedy = "follow the persons over time before writing them, so that each keeps their place"
        yield "warning", "two persons exchange places between frames", remedy, _frames(swaps)
    frames = np.flatnonzero(jump.any(0)).tolist()
    if frames:
        remedy = "cut the recording there, or give each person an entry of his own"
        severity = "warning" if len(frames) > 1 or float(steps[jump].max()) > _LEAP else "note"
        yield severity, "a body jumps by more than half its size between frames", remedy, _frames(frames)


def _size(clip: PoseSequence, seen: np.ndarray) -> float:
    """How tall or wide a person usually is: the median over frames of the largest extent, in the clip's unit."""
    low = np.where(seen[..., None], clip.joints, np.inf).min(2)
    high = np.where(seen[..., None], clip.joints, -np.inf).max(2)
    known = seen.sum(-1) > 2
    return max(float(np.median((high - low).max(-1)[known])), 1e-6) if known.any() else _ADULT


def _middle(clip: PoseSequence, seen: np.ndarray, wanted: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(M * N, V) mean of the wanted joints that were seen, and (M * N,) where there was one."""
    used = [clip.skeleton.joints.index(joint) for joint in wanted if joint in clip.skeleton.joints]
    points, there = _mean(clip.joints[:, :, used], seen[:, :, used])
    return points.reshape(-1, clip.joints.shape[-1]), there.reshape(-1)


def _mean(points: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over the seen joints (..., V), and where there is any (...)."""
    weight = seen[..., None].astype(points.dtype)
    return (points * weight).sum(-2) / np.maximum(weight.sum(-2), 1), np.any(seen, axis=-1)


def _across(clip: PoseSequence, seen: np.ndarray, part: str) -> tuple[np.ndarray | None, np.ndarray]:
    """(M * N, V) from the right to the left of a pair, and (M * N,) where both were seen."""
    names, rows = clip.skeleton.joints, clip.persons * clip.frames
    if f"left_{part}" not in names or f"right_{part}" not in names:
        return None, np.zeros(rows, bool)
    left, right = names.index(f"left_{part}"), names.index(f"right_{part}")
    across = clip.joints[:, :, left] - clip.joints[:, :, right]
    return across.reshape(rows, -1), (seen[:, :, left] & seen[:, :, right]).reshape(rows)


def _frames(frames: list[int]) -> str:
    return f"after frame {first_names([str(f) for f in frames])}"


def with_detail(text: str, detail: str) -> str:
    """The text, with the detail of one recording behind it."""
    return f"{text} ({detail})" if detail else text


def first_names(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _short(value: float) -> str:
    """Three digits, never as a power of ten: 0.00512, 1440."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
