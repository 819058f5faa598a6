"""A reader that hangs, dies or fills memory, as the file's name says. A module of its own, quickly imported by a process."""

import os
import signal
import time

import numpy as np

from ups.data.apart import Read, Source
from ups.pose import pose_sequence


def hostile(upload: Source) -> Read:
    if upload.name == "hangs":
        time.sleep(60)
    if upload.name == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if upload.name == "fills":
        np.ones(10 << 30, np.uint8)
    joints = np.random.default_rng(0).uniform(100, 900, (4, 17, 2))
    return Read(pose_sequence(joints, "coco-17", space="image", fps=30, image_size=(1000, 1000)), ("fine",))
