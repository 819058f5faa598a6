"""Run by the Python of MediaPipe's own environment, not imported: pictures on standard input, landmarks on standard output.

Its input is two 32-bit numbers, width and height, and the RGB bytes, for each picture; its output 33 x 4 32-bit floats for
each: x and y in pixels, visibility, presence; all NaN where nobody is found. Needs MediaPipe and numpy, nothing of ups.
"""

import os
import struct
import sys


def main() -> None:
    """Until the input ends."""
    pictures, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the library's own remarks go to standard error
    import mediapipe  # pyright: ignore[reportMissingImports]
    import numpy as np

    pose = mediapipe.solutions.pose.Pose(model_complexity=1, min_detection_confidence=0.5, min_tracking_confidence=0.5)
    answers.write(b"ready\n")
    answers.flush()
    while len(head := pictures.read(8)) == 8:
        width, height = struct.unpack("<II", head)
        data = pictures.read(3 * width * height)
        if len(data) < 3 * width * height:
            break
        found = pose.process(np.frombuffer(data, np.uint8).reshape(height, width, 3)).pose_landmarks
        marks = np.full((33, 4), np.nan, np.float32)
        if found is not None:
            marks[:] = [(p.x * width, p.y * height, p.visibility, 1) for p in found.landmark]
        answers.write(marks.tobytes())
        answers.flush()


if __name__ == "__main__":
    main()
