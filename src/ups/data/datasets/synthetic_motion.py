"""A parametric human: joint-angle curves for everyday actions, and the forward kinematics that turn them into joints.

Angles are degrees and grow in the anatomical sense (flexion, abduction, inward twist), the same on both sides, so that
one formula serves left and right. The body stands at the origin, faces +z, y up, its left side at +x.
Every action is written for a right-handed person; `ups.data.datasets.synthetic` mirrors the result for left-handed ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ups.skeletons import H36M_17

LEFT, RIGHT = 0, 1
FLEX, ABDUCT, TWIST, BEND = range(4)
"""Columns of a limb: shoulder or hip flexion, abduction, inward twist, and the bend of elbow or knee."""
PITCH, STOOP, SIDE, SWIVEL, NOD = range(5)
"""Columns of the trunk: pelvis forward, spine forward, spine to the left, chest to the left, head forward."""
_CONTACT_M = 0.02  # a foot this much higher than the other bears e times less weight
_GRAVITY = 9.81  # m/s2


@dataclass(frozen=True)
class Body:
    """Bone lengths of one person, metres; both sides are alike.

    `hips` and `shoulders` are half widths; `ankles` is the height of the ankles above the ground.
    """

    hips: float
    thigh: float
    shank: float
    ankles: float
    loin: float
    back: float
    neck: float
    head: float
    shoulders: float
    upper_arm: float
    forearm: float


@dataclass
class Motion:
    """Joint angles of one person over N frames, degrees unless noted; see `FLEX` and `PITCH` for the columns.

    Attributes:
        seconds: (N,) time of each frame.
        progress: (N,) 0 before the action begins, 1 once it is over.
        gain: how large this performer's movements are, about 1.
        arm: (N, 2, 4) left and right, relative to the chest.
        leg: (N, 2, 4) left and right, relative to the plumb line in the walking direction.
        trunk: (N, 5).
        turn: (N,) heading, positive to the left.
        lift: (N,) metres between the lower foot and the ground.
        drive: (N,) forward speed of the body while no foot holds it, m/s.
    """

    seconds: np.ndarray
    progress: np.ndarray
    gain: float
    arm: np.ndarray
    leg: np.ndarray
    trunk: np.ndarray
    turn: np.ndarray
    lift: np.ndarray
    drive: np.ndarray


def make_body(subject: int) -> Body:
    """The body of person `subject`, always the same: 1.5-1.95 m tall with individual proportions."""
    rng = np.random.default_rng((17, subject))
    stature = rng.uniform(1.52, 1.95)
    shares = (0.072, 0.25, 0.245, 0.045, 0.135, 0.145, 0.07, 0.075, 0.097, 0.165, 0.15)
    return Body(*(float(stature * share * rng.uniform(0.93, 1.07)) for share in shares))


def rotation(axis: int, degrees: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) about coordinate axis `axis` (0 x, 1 y, 2 z), right-handed, for angles (...)."""
    # A clip needs 15 of them: 3.7 us each for 60 frames of two limbs, against 12 us by scipy's Rotation.
    angle = np.radians(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.zeros((*angle.shape, 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[..., axis, axis] = 1
    matrix[..., i, i] = matrix[..., j, j] = cos
    matrix[..., i, j] = -sin
    matrix[..., j, i] = sin
    return matrix


_SIGN = np.array([1.0, -1.0])  # left, right
_SIDED = {
    part: [H36M_17.joints.index(f"{side}_{part}") for side in ("left", "right")]
    for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
}
_PELVIS, _SPINE, _CHEST, _NOSE, _HEAD = (H36M_17.joints.index(j) for j in ("pelvis", "spine", "chest", "nose", "head"))


def forward_kinematics(motion: Motion, body: Body) -> np.ndarray:
    """Joints (N, 17, 3) in metres, H36M order, y up; the feet stay on the ground where `motion.lift` is 0.

    The body starts at the origin heading for +z; each step carries it as far as the foot that bears it is left behind.
    """
    points = np.zeros((len(motion.seconds), len(H36M_17), 3))
    heading = rotation(1, motion.turn)
    pelvis = heading @ rotation(0, motion.trunk[:, PITCH])
    half = motion.trunk / 2
    vertebra = rotation(1, half[:, SWIVEL]) @ rotation(0, half[:, STOOP]) @ rotation(2, -half[:, SIDE])
    loin = pelvis @ vertebra
    chest = loin @ vertebra
    skull = chest @ rotation(0, motion.trunk[:, NOD])

    points[:, _SPINE] = loin[..., 1] * body.loin
    points[:, _CHEST] = points[:, _SPINE] + chest[..., 1] * body.back
    points[:, _NOSE] = points[:, _CHEST] + skull @ (np.array([0, 0.84, 0.543]) * body.neck)
    points[:, _HEAD] = points[:, _NOSE] + skull @ (np.array([0, 0.97, -0.243]) * body.head)

    hip = points[:, [_PELVIS]] + _SIGN[:, None] * pelvis[:, None, :, 0] * body.hips
    thigh = heading[:, None] @ rotation(2, _SIGN * motion.leg[..., ABDUCT]) @ rotation(0, -motion.leg[..., FLEX])
    thigh = thigh @ rotation(1, -_SIGN * motion.leg[..., TWIST])
    shank = thigh @ rotation(0, motion.leg[..., BEND])
    knee = hip - thigh[..., 1] * body.thigh
    ankle = knee - shank[..., 1] * body.shank

    raised = np.hypot(motion.arm[..., FLEX], motion.arm[..., ABDUCT])
    shrug = rotation(2, _SIGN * (0.2 * np.maximum(raised - 40, 0) - 8))
    shoulder = points[:, [_CHEST]] + _SIGN[:, None] * (chest[:, None] @ shrug)[..., 0] * body.shoulders
    upper = chest[:, None] @ rotation(0, -motion.arm[..., FLEX]) @ rotation(2, _SIGN * motion.arm[..., ABDUCT])
    upper = upper @ rotation(1, -_SIGN * motion.arm[..., TWIST])
    fore = upper @ rotation(0, -motion.arm[..., BEND])
    elbow = shoulder - upper[..., 1] * body.upper_arm
    wrist = elbow - fore[..., 1] * body.forearm

    for part, place in zip(_SIDED, (hip, knee, ankle, shoulder, elbow, wrist), strict=True):
        points[:, _SIDED[part]] = place
    return points + _root_path(motion, body, ankle, heading)[:, None]


def _root_path(motion: Motion, body: Body, ankle: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """Pelvis positions (N, 3) that keep the bearing foot still; `ankle` (N, 2, 3) is relative to the pelvis."""
    lowest = ankle[..., 1].min(axis=1, keepdims=True)
    load = np.exp((lowest - ankle[..., 1]) / _CONTACT_M)
    load /= load.sum(axis=1, keepdims=True)
    moved = ((load[1:] + load[:-1])[..., None] / 2 * np.diff(ankle, axis=0)).sum(axis=1)
    path = np.zeros((len(ankle), 3))
    path[1:] = np.cumsum(heading[1:, :, 2] * (motion.drive[1:] * np.diff(motion.seconds))[:, None] - moved, axis=0)
    path[:, 1] = body.ankles - (load * ankle[..., 1]).sum(axis=1) + motion.lift
    return path


def rise(x: np.ndarray, start: float, end: float) -> np.ndarray:
    """0 before `start`, 1 after `end`, between them the minimum-jerk curve of a human movement."""
    s = np.clip((x - start) / (end - start), 0, 1)
    return s**3 * (10 - 15 * s + 6 * s**2)


def bump(x: np.ndarray, start: float, top: float, leave: float, end: float) -> np.ndarray:
    """Rises to 1 from `start` to `top`, stays there, falls to 0 from `leave` to `end`."""
    return rise(x, start, top) - rise(x, leave, end)


def blend(limb: np.ndarray, weight: np.ndarray, flex: float, abduct: float, twist: float, bend: float) -> None:
    """Moves a limb's angles (N, 4) in place towards a posture, all the way where `weight` (N,) is 1."""
    limb += weight[:, None] * (np.array([flex, abduct, twist, bend]) - limb)


def stand(seconds: np.ndarray, progress: np.ndarray, gain: float, rng: np.random.Generator) -> Motion:
    """A person at rest: an individual stance, slow sway, and sometimes an idle arm on the hip or bent."""
    frames = len(seconds)
    frequency, phase = rng.uniform(0.15, 0.7, 21), rng.uniform(0, 2 * np.pi, 21)
    sway = rng.uniform(0.5, 2.5, 21) * np.sin(2 * np.pi * frequency * seconds[:, None] + phase)
    arm = np.array([2.0, 9, 25, 18]) + rng.normal(0, 1, (2, 4)) * (4, 3, 10, 8) + sway[:, :8].reshape(frames, 2, 4)
    width, stagger = rng.uniform(0, 6), rng.normal(0, 3)
    leg = np.array([[2 + stagger, width, -5, 4], [2 - stagger, width, -5, 4]])
    leg = leg + 0.4 * sway[:, 8:16].reshape(frames, 2, 4)
    trunk = np.array([0, 4, 0, 0, 0]) + rng.normal(0, 2.5, 5) + sway[:, 16:]
    zero = np.zeros(frames)
    motion = Motion(seconds, progress, gain, arm, leg, trunk, zero, zero.copy(), zero.copy())
    habit = rng.uniform()
    if habit < 0.12:
        blend(arm[:, LEFT], np.ones(frames), -18, 38, 62, 92)
    elif habit < 0.24:
        blend(arm[:, LEFT], np.ones(frames), 12, 10, 45, 85)
    elif habit < 0.3:
        for side in (LEFT, RIGHT):
            blend(arm[:, side], np.ones(frames), 15, 5, 50, 75)
    return motion


def _stride(m: Motion, rng: np.random.Generator, hertz: float, swing: float, knee: float, reach: float) -> np.ndarray:
    """Legs and arms of a gait; returns its strength over time (N,). `swing`, `knee`, `reach`: amplitudes in degrees."""
    strength = rise(m.progress, -0.15 if rng.uniform() < 0.3 else 0.0, 0.25)
    if rng.uniform() < 0.4:
        strength = strength * (1 - rise(m.progress, 0.8, 1.0))
    phase = 2 * np.pi * hertz * m.seconds + rng.uniform(0, 2 * np.pi)
    for side, p in ((LEFT, phase), (RIGHT, phase + np.pi)):
        m.leg[:, side, FLEX] += strength * (0.2 * swing + swing * np.cos(p))
        m.leg[:, side, BEND] += strength * (0.1 * knee + knee * np.maximum(np.cos(p - 1.4 * np.pi), 0) ** 2)
        m.arm[:, side, FLEX] -= strength * reach * np.cos(p)
        m.arm[:, side, BEND] += strength * np.maximum(-reach * np.cos(p), 0) * 0.5
    m.trunk[:, SWIVEL] += strength * 0.25 * swing * np.cos(phase)
    return strength


def _walk(m: Motion, rng: np.random.Generator) -> None:
    reach = m.gain * rng.uniform(12, 32)
    _stride(m, rng, rng.uniform(0.8, 1.15), m.gain * rng.uniform(16, 25), rng.uniform(35, 52), reach)


def _run(m: Motion, rng: np.random.Generator) -> None:
    hertz, bend = rng.uniform(1.1, 1.45), rng.uniform(65, 105)
    before = m.leg[:, LEFT, FLEX].copy()
    strength = _stride(m, rng, hertz, m.gain * rng.uniform(28, 37), rng.uniform(60, 90), m.gain * rng.uniform(25, 42))
    m.arm[..., BEND] += strength[:, None] * (bend - 18)
    m.trunk[:, PITCH] += strength * rng.uniform(4, 12)
    crossing = (m.leg[:, LEFT, FLEX] - before) / 40  # the body flies while the legs are apart
    flight = strength * np.clip(crossing**2, 0, 1)
    m.lift += rng.uniform(0.03, 0.09) * flight
    m.drive += rng.uniform(0.2, 1.0) * flight


def _crouch(m: Motion, weight: np.ndarray, depth: float, lean: float) -> None:
    """Bends the legs by `depth` (knee, degrees), the feet staying flat, and leans the trunk forward."""
    m.leg[..., FLEX] += weight[:, None] * 0.78 * depth
    m.leg[..., BEND] += weight[:, None] * depth
    m.trunk[:, PITCH] += weight * 0.6 * lean
    m.trunk[:, STOOP] += weight * 0.4 * lean
    m.trunk[:, NOD] -= weight * 0.4 * lean


def _jump(m: Motion, rng: np.random.Generator) -> None:
    x, height = m.progress, m.gain * rng.uniform(0.12, 0.4)
    airborne = 2 * np.sqrt(2 * height / _GRAVITY)
    take_off = np.interp(0.45, x, m.seconds)
    s = np.clip((m.seconds - take_off) / airborne, 0, 1)
    m.lift += 4 * height * s * (1 - s)
    m.drive += rng.choice([0.0, rng.uniform(0.3, 1.2)]) * ((s > 0) & (s < 1))
    landing = np.interp(take_off + airborne, m.seconds, x)
    dip = bump(x, 0.02, 0.26, 0.28, 0.47)
    _crouch(m, dip, m.gain * rng.uniform(45, 80), rng.uniform(15, 35))
    _crouch(m, bump(x, landing - 0.08, landing + 0.08, landing + 0.1, landing + 0.4), rng.uniform(30, 60), 20)
    _crouch(m, 4 * s * (1 - s), rng.uniform(0, 60), 0)
    swing = m.gain * rng.uniform(35, 125)
    for side in (LEFT, RIGHT):
        m.arm[:, side, FLEX] += swing * bump(x, 0.22, 0.52, 0.55, landing + 0.25) - 35 * dip
        m.arm[:, side, BEND] += 25 * dip


def _kick(m: Motion, rng: np.random.Generator) -> None:
    x, height = m.progress, m.gain * rng.uniform(40, 85)
    back, out = bump(x, 0.05, 0.3, 0.32, 0.52), bump(x, 0.3, 0.58, 0.62, 0.95)
    snap = rise(x, 0.38, 0.6)
    leg = m.leg[:, RIGHT]
    leg[:, FLEX] += -22 * back + height * out
    leg[:, BEND] += rng.uniform(55, 90) * back + rng.uniform(50, 80) * out * (1 - snap)
    leg[:, ABDUCT] += rng.uniform(-5, 25) * out
    m.leg[:, LEFT, BEND] += 18 * (back + out)
    m.leg[:, LEFT, FLEX] += 8 * (back + out)
    m.trunk[:, PITCH] += 6 * back - 0.16 * height * out
    m.trunk[:, SWIVEL] += rng.uniform(0, 25) * out - 10 * back
    balance = rng.uniform(10, 50)
    m.arm[..., ABDUCT] += balance * bump(x, 0.05, 0.4, 0.6, 1.0)[:, None]
    m.arm[:, LEFT, FLEX] += 25 * out
    m.arm[:, RIGHT, FLEX] -= 25 * out


def _punch(m: Motion, rng: np.random.Generator) -> None:
    x = m.progress
    guard = bump(x, 0, 0.25, 0.85, 1.0) if rng.uniform() < 0.6 else bump(x, 0.1, 0.35, 0.6, 1.0)
    tuck = rng.uniform(100, 135)
    for side in (LEFT, RIGHT):
        blend(m.arm[:, side], guard, rng.uniform(15, 45), 8, 20, tuck)
    _crouch(m, guard, rng.uniform(5, 25), 8)
    m.leg[:, LEFT, FLEX] += guard * 10
    m.leg[:, RIGHT, FLEX] -= guard * 10
    blows = max(1, min(4, round(m.seconds[-1] * 0.6 / rng.uniform(0.45, 0.9))))
    both = rng.uniform() < 0.4
    for k in range(blows):
        start, span = 0.25 + 0.6 * k / blows, 0.6 / blows
        out = bump(x, start, start + 0.45 * span, start + 0.5 * span, start + span)
        side = LEFT if both and k % 2 else RIGHT
        blend(m.arm[:, side], out, rng.uniform(75, 95), -5, 25, rng.uniform(3, 20))
        m.trunk[:, SWIVEL] += (25 if side == RIGHT else -25) * m.gain * out


def _wave(m: Motion, rng: np.random.Generator) -> None:
    x = m.progress
    up = bump(x, 0, 0.3, 0.8, 1.0) if rng.uniform() < 0.7 else rise(x, 0, 0.3)
    beat = np.sin(2 * np.pi * rng.uniform(1.4, 3.0) * m.seconds + rng.uniform(0, 6)) * up
    if rng.uniform() < 0.65:  # forearm upright beside the shoulder
        blend(m.arm[:, RIGHT], up, rng.uniform(0, 35), rng.uniform(45, 85), -85, rng.uniform(80, 110))
        m.arm[:, RIGHT, BEND] += 28 * m.gain * beat
    else:  # high above the head
        blend(m.arm[:, RIGHT], up, rng.uniform(130, 160), rng.uniform(10, 25), -70, 35)
        m.arm[:, RIGHT, ABDUCT] += 14 * m.gain * beat
        m.arm[:, RIGHT, BEND] += 20 * m.gain * beat
    m.trunk[:, SIDE] += 3 * beat + 4 * up


def _clap(m: Motion, rng: np.random.Generator) -> None:
    x = m.progress
    up = bump(x, 0, 0.25, 0.85, 1.0) if rng.uniform() < 0.6 else rise(x, 0, 0.25)
    apart = 0.5 - 0.5 * np.cos(2 * np.pi * rng.uniform(1.5, 3.2) * m.seconds + rng.uniform(0, 6))
    flex, bend = rng.uniform(22, 55), rng.uniform(70, 95)
    for side in (LEFT, RIGHT):
        blend(m.arm[:, side], up, flex, 8, 42, bend)
        m.arm[:, side, TWIST] -= 38 * m.gain * apart * up
        m.arm[:, side, ABDUCT] += 12 * m.gain * apart * up


def _bend_over(m: Motion, rng: np.random.Generator) -> None:
    x = m.progress
    down = bump(x, 0, 0.45, 0.55, 1.0) if rng.uniform() < 0.7 else rise(x, 0, 0.6)
    lean, depth = m.gain * rng.uniform(75, 110), rng.uniform(5, 70)
    _crouch(m, down, depth, lean)
    m.trunk[:, NOD] += 0.3 * lean * down
    m.leg[..., FLEX] += (10 * down)[:, None]
    hang = rise(x, 0.1, 0.45) * down
    for side in (LEFT, RIGHT):
        if side == RIGHT or rng.uniform() < 0.6:
            blend(m.arm[:, side], hang, 0.95 * lean + rng.uniform(-10, 10), 4, 20, rng.uniform(5, 20))
        else:
            blend(m.arm[:, side], hang, rng.uniform(20, 60), 8, 40, rng.uniform(20, 70))


def _bow(m: Motion, rng: np.random.Generator) -> None:
    x = m.progress
    down = bump(x, 0, 0.4, 0.6, 1.0) if rng.uniform() < 0.8 else rise(x, 0, 0.6)
    lean = m.gain * rng.uniform(30, 62)
    _crouch(m, down, 3, lean)
    m.trunk[:, NOD] += (0.4 * lean + 12) * down
    m.leg[..., FLEX] += (0.18 * lean * down)[:, None]
    slide = rng.choice([0.0, 0.5, 0.9]) * lean
    m.arm[..., FLEX] += (slide * down)[:, None]


def _seated(m: Motion, rng: np.random.Generator, seated: np.ndarray, moving: np.ndarray) -> None:
    """`seated` (N,): 1 on the chair; `moving` (N,): 1 halfway, where the trunk leans forward the most."""
    m.leg[..., FLEX] += (rng.uniform(76, 90) * seated)[:, None]
    m.leg[..., BEND] += (rng.uniform(78, 96) * seated)[:, None]
    lean = m.gain * rng.uniform(25, 45)
    m.trunk[:, PITCH] += 0.7 * lean * moving + rng.uniform(-12, 6) * seated
    m.trunk[:, STOOP] += 0.4 * lean * moving + rng.uniform(0, 15) * seated
    rest = rng.uniform(20, 45)
    for side in (LEFT, RIGHT):
        blend(m.arm[:, side], seated * (1 - moving), rest, 10, 30, rng.uniform(35, 70))
    m.arm[..., FLEX] += (rng.uniform(0, 45) * moving)[:, None]


def _sit_down(m: Motion, rng: np.random.Generator) -> None:
    end = rng.uniform(0.6, 1.0)
    _seated(m, rng, rise(m.progress, 0, end), bump(m.progress, 0, 0.5 * end, 0.5 * end, end))


def _stand_up(m: Motion, rng: np.random.Generator) -> None:
    start = rng.uniform(0, 0.3)
    middle = 0.5 * (1 + start) - 0.1
    _seated(m, rng, 1 - rise(m.progress, start + 0.1, 1), bump(m.progress, start, middle, middle, 1))


def _reach_up(m: Motion, rng: np.random.Generator) -> None:
    x = m.progress
    up = bump(x, 0, 0.45, 0.65, 1.0) if rng.uniform() < 0.7 else rise(x, 0, 0.6)
    blend(m.arm[:, RIGHT], up, m.gain * rng.uniform(140, 168), rng.uniform(-5, 20), 0, rng.uniform(2, 30))
    m.arm[:, RIGHT, BEND] += rng.uniform(0, 50) * 4 * up * (1 - up)
    m.trunk[:, SIDE] += rng.uniform(0, 12) * up
    m.trunk[:, NOD] -= rng.uniform(5, 25) * up
    m.lift += rng.uniform(0, 0.07) * up  # on tiptoe


def _throw(m: Motion, rng: np.random.Generator) -> None:
    x = m.progress
    wind, fling = bump(x, 0, 0.33, 0.38, 0.7), bump(x, 0.38, 0.69, 0.7, 1.0)
    if rng.uniform() < 0.75:  # overarm
        blend(m.arm[:, RIGHT], wind, rng.uniform(-10, 30), rng.uniform(75, 100), -85, rng.uniform(85, 115))
        blend(m.arm[:, RIGHT], fling, rng.uniform(55, 95), 5, 15, rng.uniform(5, 30))
    else:  # underarm
        blend(m.arm[:, RIGHT], wind, -40, 12, 0, 20)
        blend(m.arm[:, RIGHT], fling, rng.uniform(75, 110), 5, 0, 15)
    m.arm[:, LEFT, FLEX] += rng.uniform(10, 60) * wind
    m.trunk[:, SWIVEL] += m.gain * (-32 * wind + 28 * fling)
    m.trunk[:, PITCH] += m.gain * (-6 * wind + 14 * fling)
    step = rise(x, 0.3, 0.55) - rise(x, 0.8, 1.0)
    stride = rng.uniform(0, 22)
    m.leg[:, LEFT, FLEX] += stride * step
    m.leg[:, RIGHT, FLEX] -= 0.7 * stride * step
    m.leg[..., BEND] += (0.6 * stride * step)[:, None]


def _squat(m: Motion, rng: np.random.Generator) -> None:
    x, times = m.progress, 2 if m.seconds[-1] > 1.8 and rng.uniform() < 0.5 else 1
    depth, lean = m.gain * rng.uniform(80, 118), rng.uniform(20, 45)
    down = np.zeros(len(x))
    for k in range(times):
        a, span = k / times, 1 / times
        down += bump(x, a, a + 0.42 * span, a + 0.58 * span, a + span)
    _crouch(m, down, depth, lean)
    style = rng.uniform()
    if style < 0.5:  # arms held out in front
        for side in (LEFT, RIGHT):
            blend(m.arm[:, side], down, rng.uniform(70, 105), 5, 20, 10)
    elif style < 0.75:  # hands before the chest
        for side in (LEFT, RIGHT):
            blend(m.arm[:, side], down, 40, 10, 50, 110)
    else:
        m.arm[..., FLEX] += (0.8 * lean * down)[:, None]


def _turn_around(m: Motion, rng: np.random.Generator) -> None:
    x = m.progress
    m.turn += rng.uniform(140, 200) * rise(x, 0, 1)
    m.trunk[:, SWIVEL] += 18 * bump(x, 0, 0.3, 0.5, 0.9)
    steps = rng.uniform(1.2, 2.0) * max(1.0, m.seconds[-1] * 0.7)
    active = bump(x, 0.05, 0.2, 0.8, 0.95)
    for side, phase in ((LEFT, 0.0), (RIGHT, np.pi)):
        swing = np.maximum(np.sin(2 * np.pi * steps * x + phase), 0) * active
        m.leg[:, side, FLEX] += 16 * m.gain * swing
        m.leg[:, side, BEND] += 34 * m.gain * swing
        m.arm[:, side, ABDUCT] += rng.uniform(0, 14) * active


def _raise_both_hands(m: Motion, rng: np.random.Generator) -> None:
    x = m.progress
    up = bump(x, 0, 0.4, 0.65, 1.0) if rng.uniform() < 0.6 else rise(x, 0, 0.6)
    sideways, bend = rng.uniform() < 0.4, rng.uniform(5, 60)
    for side in (LEFT, RIGHT):
        high = m.gain * rng.uniform(130, 158)
        if sideways:
            blend(m.arm[:, side], up, 0, high, -60, bend)
        else:
            blend(m.arm[:, side], up, high, rng.uniform(0, 22), 0, 0.6 * bend)
    m.trunk[:, STOOP] -= 6 * up
    m.trunk[:, NOD] -= rng.uniform(0, 15) * up


ACTIONS: dict[str, Callable[[Motion, np.random.Generator], None]] = {
    "walk": _walk,
    "run": _run,
    "jump": _jump,
    "kick": _kick,
    "punch": _punch,
    "throw": _throw,
    "wave": _wave,
    "clap": _clap,
    "reach up": _reach_up,
    "raise both hands": _raise_both_hands,
    "bend over": _bend_over,
    "bow": _bow,
    "squat": _squat,
    "sit down": _sit_down,
    "stand up": _stand_up,
    "turn around": _turn_around,
}
"""Class name -> the function that adds the action to a standing person's angles, in place."""
