"""What people call joints: every usual convention, and combinations of them that nobody listed."""

import pytest

from ups.data.formats.joint_names import body_of, is_body, near, quoted, slot_of, slots_of
from ups.errors import DataError
from ups.skeleton import SLOTS
from ups.skeletons import BANDAI_21, COCO_17, NTU_25

CONVENTIONS = {
    "mixamo": "mixamorig:Hips Spine Spine2 Neck Head LeftShoulder LeftArm LeftForeArm LeftHand "
    "RightShoulder RightArm RightForeArm RightHand LeftUpLeg LeftLeg LeftFoot LeftToeBase RightUpLeg RightLeg "
    "RightFoot RightToeBase",
    "perception neuron": "Hips Spine Spine3 Neck Head LeftShoulder LeftArm LeftForeArm LeftHand RightShoulder RightArm "
    "RightForeArm RightHand LeftUpLeg LeftLeg LeftFoot LeftToe RightUpLeg RightLeg RightFoot RightToe",
    "biped": "Bip01_Pelvis Bip01_Spine Bip01_Spine1 Bip01_Neck Bip01_Head Bip01_L_Clavicle Bip01_L_UpperArm "
    "Bip01_L_Forearm Bip01_L_Hand Bip01_R_Clavicle Bip01_R_UpperArm Bip01_R_Forearm Bip01_R_Hand Bip01_L_Thigh "
    "Bip01_L_Calf Bip01_L_Foot Bip01_L_Toe0 Bip01_R_Thigh Bip01_R_Calf Bip01_R_Foot Bip01_R_Toe0",
    "poser": "hip abdomen chest neck head lCollar lShldr lForeArm lHand rCollar rShldr rForeArm rHand lThigh lShin lFoot "
    "lToe rThigh rShin rFoot rToe",
    "daz genesis": "pelvis abdomenLower chestUpper neckLower head lCollar lShldrBend lForearmBend lHand rCollar rShldrBend "
    "rForearmBend rHand lThighBend lShin lFoot lToe rThighBend rShin rFoot rToe",
    "iclone": "CC_Base_Pelvis CC_Base_Spine01 CC_Base_Spine02 CC_Base_NeckTwist01 CC_Base_Head CC_Base_L_Clavicle "
    "CC_Base_L_Upperarm CC_Base_L_Forearm CC_Base_L_Hand CC_Base_R_Clavicle CC_Base_R_Upperarm CC_Base_R_Forearm "
    "CC_Base_R_Hand CC_Base_L_Thigh CC_Base_L_Calf CC_Base_L_Foot CC_Base_L_ToeBase CC_Base_R_Thigh CC_Base_R_Calf "
    "CC_Base_R_Foot CC_Base_R_ToeBase",
    "rigify": "DEF-spine DEF-spine.001 DEF-spine.003 DEF-spine.004 DEF-spine.006 DEF-shoulder.L DEF-upper_arm.L "
    "DEF-forearm.L DEF-hand.L DEF-shoulder.R DEF-upper_arm.R DEF-forearm.R DEF-hand.R DEF-thigh.L DEF-shin.L DEF-foot.L "
    "DEF-toe.L DEF-thigh.R DEF-shin.R DEF-foot.R DEF-toe.R",
    "unreal": "pelvis spine_01 spine_03 neck_01 head clavicle_l upperarm_l lowerarm_l hand_l clavicle_r upperarm_r "
    "lowerarm_r hand_r thigh_l calf_l foot_l ball_l thigh_r calf_r foot_r ball_r",
    "vrm": "J_Bip_C_Hips J_Bip_C_Spine J_Bip_C_Chest J_Bip_C_Neck J_Bip_C_Head J_Bip_L_Shoulder J_Bip_L_UpperArm "
    "J_Bip_L_LowerArm J_Bip_L_Hand J_Bip_R_Shoulder J_Bip_R_UpperArm J_Bip_R_LowerArm J_Bip_R_Hand J_Bip_L_UpperLeg "
    "J_Bip_L_LowerLeg J_Bip_L_Foot J_Bip_L_ToeBase J_Bip_R_UpperLeg J_Bip_R_LowerLeg J_Bip_R_Foot J_Bip_R_ToeBase",
    "xsens": "Pelvis L5 T8 Neck Head LeftShoulder LeftUpperArm LeftForeArm LeftHand RightShoulder RightUpperArm "
    "RightForeArm RightHand LeftUpperLeg LeftLowerLeg LeftFoot LeftToe RightUpperLeg RightLowerLeg RightFoot RightToe",
    "mvn bvh": "Hips Chest Chest4 Neck Head LeftCollar LeftShoulder LeftElbow LeftWrist RightCollar RightShoulder "
    "RightElbow RightWrist LeftHip LeftKnee LeftAnkle LeftToe RightHip RightKnee RightAnkle RightToe",
    "smpl": "m_avg_Pelvis m_avg_Spine1 m_avg_Spine3 m_avg_Neck m_avg_Head m_avg_L_Collar m_avg_L_Shoulder m_avg_L_Elbow "
    "m_avg_L_Wrist m_avg_R_Collar m_avg_R_Shoulder m_avg_R_Elbow m_avg_R_Wrist m_avg_L_Hip m_avg_L_Knee m_avg_L_Ankle "
    "m_avg_L_Foot m_avg_R_Hip m_avg_R_Knee m_avg_R_Ankle m_avg_R_Foot",
    "smpl-x": "pelvis spine1 spine3 neck head left_collar left_shoulder left_elbow left_wrist right_collar right_shoulder "
    "right_elbow right_wrist left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle right_foot",
    "asf": "root lowerback thorax lowerneck head lclavicle lhumerus lradius lwrist rclavicle rhumerus rradius rwrist "
    "lfemur ltibia lfoot ltoes rfemur rtibia rfoot rtoes",
    "advanced skeleton": "Root_M Spine1_M Chest_M Neck_M Head_M Scapula_L Shoulder_L Elbow_L Wrist_L Scapula_R Shoulder_R "
    "Elbow_R Wrist_R Hip_L Knee_L Ankle_L Toes_L Hip_R Knee_R Ankle_R Toes_R",
    "second life": "mPelvis mTorso mChest mNeck mHead mCollarLeft mShoulderLeft mElbowLeft mWristLeft mCollarRight "
    "mShoulderRight mElbowRight mWristRight mHipLeft mKneeLeft mAnkleLeft mFootLeft mHipRight mKneeRight mAnkleRight "
    "mFootRight",
    "makehuman": "root spine1 spine2 neck01 head clavicle.L upperarm01.L lowerarm01.L wrist.L clavicle.R upperarm01.R "
    "lowerarm01.R wrist.R upperleg01.L lowerleg01.L foot.L toe1-1.L upperleg01.R lowerleg01.R foot.R toe1-1.R",
    "a studio's": "anna:hips_JNT spine_JNT chest_JNT neck_JNT head_JNT l_clav_JNT l_upArm_JNT l_lowArm_JNT l_hand_JNT "
    "r_clav_JNT r_upArm_JNT r_lowArm_JNT r_hand_JNT l_upLeg_JNT l_lowLeg_JNT l_foot_JNT l_ball_JNT r_upLeg_JNT "
    "r_lowLeg_JNT r_foot_JNT r_ball_JNT",
}


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_conventions_of_motion_capture(convention: str) -> None:
    names = CONVENTIONS[convention].split()
    naming = slots_of(names)
    assert naming.places == {slot: BANDAI_21.joints.index(slot) for slot in SLOTS if slot in BANDAI_21.joints}


@pytest.mark.parametrize("front", ["", "mixamorig", "mixamorig:", "mixamorig9:", "mixamorig_", "Character1_", "Character1:",
                                   "Bob_", "Armature|", "Skeleton 001:", "QuickRigCharacter_"])  # fmt: skip
def test_whatever_stands_in_front(front: str) -> None:
    names = [front + name.removeprefix("mixamorig:") for name in CONVENTIONS["mixamo"].split()]
    assert slots_of(names).places == slots_of(CONVENTIONS["mixamo"].split()).places


SPELLINGS = [
    ("left_", "right_", "{}"), ("L_", "R_", "{}"), ("l", "r", "{}"), ("left ", "right ", "{}"), ("Left", "Right", "{}"),
    ("L", "R", "{}"), ("l.", "r.", "{}"), ("LEFT_", "RIGHT_", "{}"), ("_L", "_R", "{}-"), (".l", ".r", "{}-"),
    ("Left", "Right", "{}-"), ("-left", "-right", "{}-"), (" (L)", " (R)", "{}-"),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right", "form"), SPELLINGS)
@pytest.mark.parametrize("shape", [str.lower, str.capitalize, str.upper])
def test_any_spelling_of_sides(left: str, right: str, form: str, shape) -> None:
    def spell(slot: str) -> str:
        side, _, part = slot.partition("_")
        if side not in ("left", "right"):
            return shape(slot)
        mark = left if side == "left" else right
        return shape(part) + mark if form.endswith("-") else mark + shape(part)

    if shape is str.upper and left in ("Left", "l", "L") or shape is str.lower and left == "L":
        pytest.skip("nobody writes LeftEYE, lEYE or Leye")
    assert slots_of([spell(j) for j in COCO_17.joints]).places == {
        slot: COCO_17.joints.index(slot) for slot in SLOTS if slot in COCO_17.joints
    }


@pytest.mark.parametrize(
    ("name", "slot"),
    [
        ("head_top", "head_top"), ("top_head", "head_top"), ("HeadTop", "head_top"), ("head_bottom", "neck"),
        ("upper_neck", "neck"), ("thorax", "chest"), ("LBigToe", "left_foot"), ("left_foot_index", "left_foot"),
        ("mouth_left", "left_mouth"), ("MidHip", "pelvis"), ("midHip", "pelvis"), ("Hip_Center", "pelvis"),
        ("left eye (inner)", "left_eye_inner"), ("REye", "right_eye"), ("rear_camera", None), ("lear", "left_ear"),
        ("left_paw", None), ("tail", None), ("", None), ("123", None), ("L_R_Hip", None), ("LeftKneeTwist", None),
        ("Right Heel", "right_heel"), ("r_knee_r", "right_knee"), ("SpineNavel", "spine"),
    ],
)  # fmt: skip
def test_single_names(name: str, slot: str | None) -> None:
    assert slot_of(name) == slot


def test_numbers_of_the_spine_may_fall() -> None:
    names = "root spine05 spine04 spine03 spine02 spine01 neck01 upperleg01.L upperleg01.R".split()
    places = slots_of(names).places
    assert (places["pelvis"], places["spine"], places["chest"], places["neck"]) == (0, 1, 5, 6)


def test_kinect_2_by_its_own_names() -> None:
    names = (
        "SpineBase SpineMid Neck Head ShoulderLeft ElbowLeft WristLeft HandLeft ShoulderRight ElbowRight WristRight "
        "HandRight HipLeft KneeLeft AnkleLeft FootLeft HipRight KneeRight AnkleRight FootRight SpineShoulder HandTipLeft "
        "ThumbLeft HandTipRight ThumbRight"
    ).split()
    assert slots_of(names).places == {slot: NTU_25.joints.index(slot) for slot in SLOTS if slot in NTU_25.joints}


def test_human36m_and_halpe_call_other_joints_neck_and_head() -> None:
    h36m = (
        "root right_hip right_knee right_foot left_hip left_knee left_foot spine thorax neck_base head left_shoulder "
        "left_elbow left_wrist right_shoulder right_elbow right_wrist"
    ).split()
    assert slots_of(h36m).places["nose"] == 9 and slots_of(h36m).places["left_ankle"] == 6
    halpe = (
        "Hip RHip RKnee RAnkle RBigToe RSmallToe RHeel LHip LKnee LAnkle LBigToe LSmallToe LHeel Neck Head Nose".split()
    )
    places = slots_of(halpe).places
    assert (places["head_top"], places["pelvis"], places["right_foot"]) == (14, 0, 4) and "head" not in places
    assert slots_of(halpe).left_out == ("RSmallToe", "LSmallToe")


def test_a_body_is_needed_and_unknown_names_are_told_with_the_near_one() -> None:
    assert body_of([*COCO_17.joints, "hat"], "a").left_out == ("hat",)
    assert not is_body(["left_hip", "right_hip", "nose"])
    with pytest.raises(DataError, match=r"a: 0 of 5 joints .*'p1', 'p2', 'p3' and 2 more.*--joint-map") as error:
        body_of(["p1", "p2", "p3", "p4", "p5"], "a")
    assert len(str(error.value)) < 400 and "\n" not in str(error.value)
    with pytest.raises(DataError, match="did you mean left_hip"):
        body_of(["left_hpi", "right_hip", "left_knee", "right_knee"], "a")
    animal = "nose left_shoulder left_elbow left_front_paw right_shoulder right_elbow left_hip right_hip".split()
    with pytest.raises(DataError, match="'left_front_paw' is no part of a person"):
        body_of(animal, "a")
    assert near(["left_wirst"]) == "; did you mean left_wrist?" and quoted(["x" * 99]) == repr("x" * 40)


def test_numbers_before_a_suffix_and_the_upper_and_lower_arms_of_theia() -> None:
    for form in ("spine_{}_joint", "spine{}_JNT", "spine{}"):
        names = ["hips", form.format(1), form.format(7)]
        assert slots_of(names).places == {"pelvis": 0, "spine": 1, "chest": 2}
    theia = ["pelvis", "l_thigh", "l_shank", "l_foot", "torso", "l_uarm", "l_larm", "l_hand", "head"]
    found = slots_of(theia).places
    assert [found[f"left_{part}"] for part in ("shoulder", "elbow", "wrist")] == [5, 6, 7]
    assert slots_of(["larm", "lforearm", "lhand"]).places["left_shoulder"] == 0
