"""`ups app`: a page to ask a model on, in the browser."""

from __future__ import annotations

import threading
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from ups.cli.serve import Serve
from ups.serving.limits import Limits


@dataclass
class App:
    """Open a page in the browser: drop a file of joints or a video, see which action it is, which is to come, and the poses
    in 3D; or give clips of your own actions to learn. Nothing leaves this machine. Ctrl-C ends it.
    """

    model: Positional[Path] = Path("ups-small")
    """Folder of the trained model, or the name of one that comes with the package."""
    port: int = 7860
    """Port of this machine to listen at."""
    browser: bool = True
    """Open the browser."""
    estimator: Literal["mediapipe", "rtmlib"] = "mediapipe"
    """What finds the people of a video, see `ups setup`."""
    megabytes: int = 512
    """Size of a video, or of the clips to learn from, at most."""
    seconds: float = 1800.0
    """What a video or a fine-tuning may take; then it is ended."""

    def run(self) -> None:
        """Serve, and open the page."""
        if self.browser:
            threading.Timer(2.0, webbrowser.open, (f"http://127.0.0.1:{self.port}/",)).start()
        limits = Limits(jobs=8, job_megabytes=self.megabytes, job_seconds=self.seconds)
        Serve(self.model, port=self.port, estimator=self.estimator, limits=limits).run()
