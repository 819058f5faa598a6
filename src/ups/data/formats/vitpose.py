"""JSON of easy_ViTPose: under each frame the persons by id, their keypoints as y, x, score; names below "skeleton"."""

from __future__ import annotations

from typing import Any

from ups.errors import DataError


def is_vitpose(record: Any) -> bool:
    """Whether parsed JSON has keypoints of frames with persons by id, and the names of its skeleton by number."""
    if not isinstance(record, dict) or not isinstance(record.get("skeleton"), dict):
        return False
    frames = record.get("keypoints")
    frames = list(frames.values()) if isinstance(frames, dict) else frames
    return isinstance(frames, list) and bool(frames) and all(isinstance(frame, dict) for frame in frames)


def vitpose_frames(record: Any, where: str) -> dict[str, Any]:
    """The same as {"frames": [{"frame", "persons": [{"id", "keypoints": [{"name", "x", "y", "score"}]}]}]}, x and y in pixels.

    Raises:
        DataError: persons with other numbers of keypoints than names, or keypoints of other than three numbers.
    """
    names = {int(number): str(name) for number, name in record["skeleton"].items() if str(number).isdecimal()}
    given = record["keypoints"]
    frames = list(given.items()) if isinstance(given, dict) else list(enumerate(given))
    result = []
    for number, people in frames:
        persons = []
        for who, points in people.items():
            if not isinstance(points, list) or len(points) != len(names) or any(len(p) != 3 for p in points):
                raise DataError(
                    f"{where}: frame {number}, person {who:.20}: y, x, score of {len(names)} keypoints are needed"
                )
            keypoints = [{"name": names[i], "x": p[1], "y": p[0], "score": p[2]} for i, p in enumerate(points)]
            persons.append({"id": who, "keypoints": keypoints})
        result.append({"frame": number, "persons": persons})
    return {"frames": result} | {key: record[key] for key in ("fps", "width", "height") if key in record}
