"""Batches that show a data set in other skeletons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import CLASSES, TRAIN, random_clip, trained_model

from ups.config import ShiftAugment
from ups.skeleton import Skeleton
from ups.skeletons import KINECT_20, skeleton_of
from ups.tasks import get_task
from ups.training.batches import make_batch

LEGS = skeleton_of(["pelvis", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"], "legs")


@pytest.mark.parametrize(("skeleton", "others"), [(LEGS, False), (KINECT_20, True)])
def test_bodies_of_which_no_other_joint_can_be_derived_are_shown_as_they_are(skeleton: Skeleton, others: bool):
    shift = ShiftAugment(share=1.0, skeleton=1.0)
    trained = trained_model(replace(TRAIN, augment=replace(TRAIN.augment, shift=shift)), classes=CLASSES)
    mix = next(mix for mix in TRAIN.tasks if mix.task == "recognize_3d")
    clips = [random_clip(skeleton, seed=i) for i in range(2)]
    shown = {
        make_batch(
            get_task(mix.task), mix, trained.config, trained.vocabulary, clips, CLASSES, np.random.default_rng(seed)
        ).poses.skeleton.joints
        for seed in range(8)
    }
    assert (len(shown) > 1) == others
    if not others:
        assert shown == {skeleton.sorted_by_slot().joints}
