"""`ups setup`: parts that live in an environment of their own."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

from tyro.conf import Positional

from ups.cli.show import say


@dataclass
class Setup:
    """Install a pose estimator for videos into an environment of its own, which needs a network once."""

    what: Positional[Literal["mediapipe"]] = "mediapipe"
    """MediaPipe, whose last release with models in its wheel needs an older numpy."""
    force: bool = False
    """Install it anew."""

    def run(self) -> None:
        """Install, and say where."""
        from ups.video.estimators import PIN, mediapipe_home, set_up_mediapipe

        say(f"{PIN} -> {mediapipe_home()} ...", sys.stderr)
        say(f"ready: {set_up_mediapipe(self.force)}")
