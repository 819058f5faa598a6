"""A recording to try the service with."""

from __future__ import annotations

import json

from ups.data.datasets.synthetic import generate_2d
from ups.skeletons import H36M_17


def example_recording() -> bytes:
    """A generated person, seen by a camera, in the project's own JSON; always the same."""
    clip, _ = next(iter(generate_2d(1, 5)))
    record = {
        "joints": clip.joints[0].round(2).tolist(), "visibility": clip.visibility[0].round(2).tolist(),
        "skeleton": H36M_17.name, "fps": clip.fps, "image_size": clip.image_size, "space": "image",
    }  # fmt: skip
    return json.dumps(record).encode()
