"""Which decoder state writes which tokens, when, and what feeds it: by hand on a small skeleton."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ups.model.decoder import schedule
from ups.skeleton import SLOT_INDEX, Skeleton
from ups.skeletons import SKELETONS
from ups.tasks import estimate_pose
from ups.tokens.layout import CLASS_POSITION, END_POSITION, Layout, class_layout, pose_layout
from ups.tokens.vocabulary import Vocabulary

LEGS = Skeleton("legs", ("pelvis", "left_hip", "right_hip", "left_knee"), (-1, 0, 0, 1), ("pelvis",))
AXES = (range(0, 4), range(4, 8), range(8, 12))
EOT = 12
JOINTS = ((0, 3), (3, 6), (6, 9), (9, 10))


def legs(*joints: str) -> Layout:
    return pose_layout(LEGS, joints, AXES, EOT)


@pytest.fixture
def layout() -> Layout:
    """Both hips, whose parent is not written, the left knee, and the end."""
    return legs("left_hip", "right_hip", "left_knee")


def test_the_layout_of_a_small_skeleton(layout):
    slots = [SLOT_INDEX[name] for name in ("left_hip", "right_hip", "left_knee")]
    assert layout.positions == (*(3 * slot + axis for slot in slots for axis in range(3)), END_POSITION)
    assert layout.allowed == (*(tuple(AXES[axis]) for _ in slots for axis in range(3)), (EOT,))
    assert layout.anchors == (1, 1, 1, 2, 2, 2, 3, 3, 3, -1)
    assert layout.parents == (-1, -1, -1, -1, -1, -1, 0, 1, 2, 8)
    assert layout.choices == {
        (0, 1, 2, 3): [0, 3, 6],
        (4, 5, 6, 7): [1, 4, 7],
        (8, 9, 10, 11): [2, 5, 8],
        (EOT,): [9],
    }


def test_token_by_token(layout):
    plan = schedule(layout, "token")
    assert plan.tokens == tuple((k, k + 1) for k in range(10))
    assert plan.feeds == ((), *((k,) for k in range(9)))
    assert plan.steps == tuple(range(10))
    assert plan.spans == plan.tokens
    assert np.array_equal(plan.mixing, np.eye(10, 11, dtype=np.float32))


def test_joint_by_joint(layout):
    plan = schedule(layout, "joint")
    assert plan.tokens == JOINTS
    assert plan.feeds == ((), (0, 1, 2), (3, 4, 5), (6, 7, 8))
    assert plan.steps == (0, 1, 2, 3)
    assert plan.spans == ((0, 1), (1, 2), (2, 3), (3, 4))


def test_level_by_level(layout):
    plan = schedule(layout, "level")
    assert plan.tokens == JOINTS
    assert plan.feeds == ((), (), (0, 1, 2), (8,))
    assert plan.steps == (0, 0, 1, 2)
    assert plan.spans == ((0, 2), (2, 3), (3, 4))
    part = 3**-0.5
    by_hand = np.zeros((4, 11))
    by_hand[:2, 0] = 1  # the start feeds the hips
    by_hand[2, 1:4] = part
    by_hand[3, 9] = 1
    np.testing.assert_allclose(plan.mixing, by_hand, rtol=1e-6)
    assert plan.mixing.dtype == np.float32


def test_the_whole_body(layout):
    plan = schedule(layout, "body")
    assert plan.tokens == JOINTS
    assert plan.feeds == ((), (), (), (6, 7, 8))
    assert plan.steps == (0, 0, 0, 1)
    assert plan.spans == ((0, 3), (3, 4))


@pytest.mark.parametrize("decoding", ["token", "joint", "level", "body"])
def test_an_action_then_the_end(decoding):
    plan = schedule(class_layout((14, 13), EOT), decoding)
    assert plan.tokens == ((0, 1), (1, 2)) and plan.steps == (0, 1) and plan.spans == plan.tokens
    assert plan.feeds == ((), (0,))


@pytest.mark.parametrize("decoding", ["token", "joint", "level", "body"])
@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_every_skeleton_is_written_in_order_from_what_is_known(skeleton, decoding):
    layout = estimate_pose.layout(Vocabulary(4), skeleton.sorted_by_slot(), ())
    plan = schedule(layout, decoding)
    written = [k for a, b in plan.tokens for k in range(a, b)]
    assert written == list(range(len(layout.positions)))
    step = {k: s for (a, b), s in zip(plan.tokens, plan.steps, strict=True) for k in range(a, b)}
    for feeds, s in zip(plan.feeds, plan.steps, strict=True):
        assert all(step[k] < s for k in feeds)
        assert bool(feeds) == (s > 0)
    assert [list(range(a, b)) for a, b in plan.spans] == [
        [i for i, s in enumerate(plan.steps) if s == number] for number in range(plan.steps[-1] + 1)
    ]
    np.testing.assert_allclose((plan.mixing**2).sum(1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    "joints",
    [
        ("left_knee", "left_hip", "right_hip"),  # a child before its parent
        ("left_hip", "left_knee", "right_hip"),  # a deeper joint before a higher one
    ],
)
def test_unsorted_layouts_are_refused(joints):
    with pytest.raises(ValueError, match="not sorted by depth: put parents before children"):
        schedule(legs(*joints), "level")
    assert len(schedule(legs(*joints), "joint").steps) == 4  # they need no parents


def test_a_token_can_not_continue_one_that_is_written_with_it(layout):
    own = replace(layout, parents=(-1, 0, 1, *layout.parents[3:]))
    with pytest.raises(ValueError, match="not sorted by depth"):
        schedule(own, "level")


@pytest.mark.parametrize("decoding", ["joint", "level", "body"])
def test_what_can_not_be_written_at_once_is_refused(layout, decoding):
    planar = Layout((0, 1, 3, 4), ((0,), (1,)) * 2, (0, 0, 1, 1), (-1, -1, 0, 1), per_frame=True)
    late = Layout(
        (CLASS_POSITION, *layout.positions),
        ((13, 14), *layout.allowed),
        (-1, *layout.anchors),
        (-1, *(-1 if p < 0 else p + 1 for p in layout.parents)),
        per_frame=True,
    )
    for bad, runs in ((planar, r"\[2, 2\]"), (late, r"\[1, 3, 3, 3, 1\]")):
        with pytest.raises(ValueError, match=f"'{decoding}' writes x, y, z of a joint at once.*{runs}.*'token'"):
            schedule(bad, decoding)
        assert len(schedule(bad, "token").steps) == len(bad.positions)
