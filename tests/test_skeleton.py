"""Joint names, bones and mirror pairs of every skeleton, and the errors of a wrong one."""

from __future__ import annotations

import pytest

from ups.skeleton import SLOTS, Skeleton, mirrored
from ups.skeletons import HUMANEVA_15, KINECT_20, NTU_25, PENN_13, SKELETONS, UTD_20, get_skeleton

COUNTS = {
    "kinect-20": 20, "utd-20": 20, "ntu-25": 25, "kard-15": 15, "sbu-15": 15, "humaneva-15": 15, "bandai-21": 21,
    "penn-13": 13, "openpose-18": 18, "coco-17": 17, "h36m-17": 17, "mediapipe-33": 33,
}  # fmt: skip
ALL = pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)


def test_the_listed_skeletons_exist() -> None:
    assert {name: len(s) for name, s in SKELETONS.items()} == COUNTS
    assert get_skeleton("ntu-25") is NTU_25
    with pytest.raises(ValueError, match="unknown skeleton 'ntu'; known: kinect-20, utd-20, ntu-25"):
        get_skeleton("ntu")


def test_slots_are_paired_and_unique() -> None:
    assert len(set(SLOTS)) == len(SLOTS) == 45
    assert all(mirrored(slot) in SLOTS and mirrored(mirrored(slot)) == slot for slot in SLOTS)


@ALL
def test_bones_form_one_tree(skeleton: Skeleton) -> None:
    tops = [j for j, p in enumerate(skeleton.parents) if p < 0]
    assert len(tops) == 1 and len(skeleton.bones) == len(skeleton) - 1
    reached = set(tops)
    while new := {c for c, p in skeleton.bones if p in reached} - reached:
        reached |= new
    assert len(reached) == len(skeleton)


@ALL
def test_mirroring_swaps_sides_and_keeps_bones(skeleton: Skeleton) -> None:
    mirror = skeleton.mirror
    assert [mirror[mirror[j]] for j in range(len(skeleton))] == list(range(len(skeleton)))
    assert all(skeleton.joints[mirror[j]] == mirrored(name) for j, name in enumerate(skeleton.joints))
    pairs = {frozenset(bone) for bone in skeleton.bones}
    assert {frozenset((mirror[c], mirror[p])) for c, p in skeleton.bones} == pairs
    assert 2 * len(skeleton.mirror_pairs) == sum(name.startswith(("left_", "right_")) for name in skeleton.joints)


@ALL
def test_slot_order_keeps_names_with_their_parents(skeleton: Skeleton) -> None:
    ordered = skeleton.sorted_by_slot()
    assert ordered.slots == tuple(sorted(skeleton.slots))

    def named(s: Skeleton) -> dict[str, str | None]:
        return {j: s.joints[p] if p >= 0 else None for j, p in zip(s.joints, s.parents, strict=True)}

    assert named(ordered) == named(skeleton)


@ALL
def test_json_round_trip(skeleton: Skeleton) -> None:
    assert Skeleton.from_dict(skeleton.to_dict()) == skeleton


def test_published_facts() -> None:
    # VideoPose3D's parents and sides of HumanEva
    assert HUMANEVA_15.parents == (-1, 0, 1, 2, 3, 1, 5, 6, 0, 8, 9, 0, 11, 12, 1)
    assert [left for left, _ in HUMANEVA_15.mirror_pairs] == [2, 3, 4, 8, 9, 10]
    # NTU's bones, 1-based child-parent
    text = (
        "1-2 2-21 3-21 4-3 5-21 6-5 7-6 8-7 9-21 10-9 11-10 12-11 13-1 14-13 15-14 16-15 17-1 18-17 19-18 20-19 "
        "22-23 23-8 24-25 25-12"
    )
    bones = {frozenset(int(n) - 1 for n in pair.split("-")) for pair in text.split()}
    assert {frozenset(bone) for bone in NTU_25.bones} == bones
    assert KINECT_20.sorted_by_slot().joints == UTD_20.sorted_by_slot().joints
    assert PENN_13.root_indices == (7, 8)


@pytest.mark.parametrize(
    ("joints", "parents", "root", "message"),
    [
        (
            ("pelvis", "tail"),
            (-1, 0),
            ("pelvis",),
            r"skeleton 'mine': unknown joints \['tail'\]; known names are pelvis",
        ),
        (("pelvis", "pelvis"), (-1, 0), ("pelvis",), r"joints named twice: \['pelvis'\]"),
        (("pelvis", "spine"), (-1,), ("pelvis",), "1 parents for 2 joints"),
        (("pelvis", "spine"), (-1, 2), ("pelvis",), "parent 2 of joint 1 is not another joint"),
        (("pelvis", "spine", "chest"), (-1, 2, 1), ("pelvis",), "the bones above joint spine form a cycle"),
        (("pelvis", "spine"), (-1, 0), ("left_hip",), "root .*left_hip.* must name joints"),
        (("pelvis", "spine"), (-1, 0), (), "must name joints"),
    ],
)
def test_wrong_skeletons(joints: tuple, parents: tuple, root: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Skeleton("mine", joints, parents, root)
