"""Run by the Python of MediaPipe's own environment, not imported: pictures on standard input, landmarks on standard output.

Its argument is the number of people to look for, N. Its input is two 32-bit numbers, width and height, and the RGB bytes,
for each picture; its output N x 33 x 4 32-bit floats for each: x and y in pixels, visibility, presence; all NaN of those
who are not found. Needs MediaPipe and numpy, nothing of ups.
"""

import io
import os
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main() -> None:
    """Until the input ends."""
    pictures, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the library's own remarks go to standard error
    import numpy as np

    people = int(sys.argv[1])
    found_in = one_person() if people == 1 else several(people)
    answers.write(b"ready\n")
    answers.flush()
    while len(head := pictures.read(8)) == 8:
        width, height = struct.unpack("<II", head)
        data = pictures.read(3 * width * height)
        if len(data) < 3 * width * height:
            break
        marks = np.full((people, 33, 4), np.nan, np.float32)
        for i, landmarks in enumerate(found_in(np.frombuffer(data, np.uint8).reshape(height, width, 3))):
            marks[i] = [(p.x * width, p.y * height, p.visibility, 1) for p in landmarks]
        answers.write(marks.tobytes())
        answers.flush()


def one_person() -> Callable[[Any], list[Any]]:
    """A function that takes a picture and gives the landmarks of nobody or of one, smoothed over time."""
    import mediapipe  # pyright: ignore[reportMissingImports]

    pose = mediapipe.solutions.pose.Pose(model_complexity=1, min_detection_confidence=0.5, min_tracking_confidence=0.5)

    def found_in(rgb: Any) -> list[Any]:
        found = pose.process(rgb).pose_landmarks
        return [] if found is None else [found.landmark]

    return found_in


def several(people: int) -> Callable[[Any], list[Any]]:
    """The same for up to so many people, not smoothed.

    That is MediaPipe's newer interface, whose models are downloads; but they are those of the older one, which the wheel
    holds, in one file, each with a note of how its picture is scaled.
    """
    import mediapipe  # pyright: ignore[reportMissingImports]
    from mediapipe.tasks.python import BaseOptions, vision  # pyright: ignore[reportMissingImports]
    from mediapipe.tasks.python.metadata.metadata_writers.metadata_writer import (  # pyright: ignore[reportMissingImports]
        MetadataWriter,
    )

    modules, bundle = Path(mediapipe.__path__[0]) / "modules", io.BytesIO()
    with zipfile.ZipFile(bundle, "w") as file:
        for name, place, mean, scale in (
            ("pose_detector", "pose_detection/pose_detection", 127.5, 127.5),  # to -1 to 1
            ("pose_landmarks_detector", "pose_landmark/pose_landmark_full", 0.0, 255.0),  # to 0 to 1
        ):
            writer = MetadataWriter.create(bytearray((modules / f"{place}.tflite").read_bytes()))
            model, _ = writer.add_image_input([mean], [scale]).populate()
            file.writestr(f"{name}.tflite", bytes(model))
    base = BaseOptions(model_asset_buffer=bundle.getvalue())
    mode = vision.RunningMode.VIDEO
    options = vision.PoseLandmarkerOptions(base_options=base, running_mode=mode, num_poses=people)
    pose, count = vision.PoseLandmarker.create_from_options(options), 0

    def found_in(rgb: Any) -> list[Any]:
        nonlocal count
        count += 1
        picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb)
        return pose.detect_for_video(picture, 33 * count).pose_landmarks

    return found_in


if __name__ == "__main__":
    main()
