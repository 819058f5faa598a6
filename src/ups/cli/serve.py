"""`ups serve`: answers over HTTP and WebSocket."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tyro.conf import OmitArgPrefixes, Positional

from ups.errors import SettingError
from ups.serving.limits import Limits


@dataclass
class Serve:
    """Answer about recordings over HTTP, and about streams over WebSocket, until SIGTERM or Ctrl-C; what was accepted by
    then is answered. The log is a line of JSON an event. There is neither encryption nor a password: put a proxy before
    it where others can reach it (docs/service.md).
    """

    model: Positional[Path]
    """Folder of the trained model, or the name of one that comes with the package: ups-small."""
    host: str = "127.0.0.1"
    """Address to listen at: this machine's own by default; 0.0.0.0 = all."""
    port: int = 8000
    """Port to listen at; 0 = any that is free, told in the log."""
    device: str | None = None
    """Where the model answers: cpu, cuda, cuda:1; default: a GPU if there is one."""
    threads: int | None = None
    """Processor threads of the model; default: the library's choice."""
    readers: int | None = None
    """Processes that read uploads; default: one a processor core, four at most."""
    estimator: Literal["mediapipe", "rtmlib"] = "mediapipe"
    """What finds the people of a video, see `ups setup`."""
    limits: OmitArgPrefixes[Limits] = field(default_factory=Limits)
    """What it takes on, at most."""

    def run(self) -> None:
        """Load, listen, answer."""
        import torch

        from ups.runtime.device import choose_device
        from ups.serving.server import serve
        from ups.serving.service import Service

        readers = min(4, os.cpu_count() or 1) if self.readers is None else self.readers
        if readers < 1 or (self.threads is not None and self.threads < 1):
            raise SettingError(f"--readers {readers} --threads {self.threads}; at least 1 is needed")
        if not 0 <= self.port < 65536:
            raise SettingError(f"--port {self.port}; 0 to 65535 are possible")
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        device = str(choose_device(self.device))
        serve(Service(self.model, self.limits, readers, device, self.estimator), self.host, self.port)
