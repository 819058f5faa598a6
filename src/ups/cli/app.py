"""`ups app`: a page to ask a model on, in the browser."""

from __future__ import annotations

import threading
import webbrowser
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from ups.cli.serve import Serve


@dataclass
class App:
    """Open a page in the browser: drop a file of joints, see which action it is, which is to come, and the poses in 3D.
    Nothing leaves this machine. Ctrl-C ends it.
    """

    model: Positional[Path] = Path("ups-small")
    """Folder of the trained model, or the name of one that comes with the package."""
    port: int = 7860
    """Port of this machine to listen at."""
    browser: bool = True
    """Open the browser."""

    def run(self) -> None:
        """Serve, and open the page."""
        if self.browser:
            threading.Timer(2.0, webbrowser.open, (f"http://127.0.0.1:{self.port}/",)).start()
        Serve(self.model, port=self.port).run()
