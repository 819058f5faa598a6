"""A service as a process: it listens, and ends on SIGTERM when what it accepted is answered."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from ups.serving.app import make_app
from ups.serving.logs import log, log_as_json
from ups.serving.service import Service


class Server(uvicorn.Server):
    """Refuses new work at the first signal, ends streams after their last answer, then requests after theirs."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self.service, self._until = service, 0.0

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn does, and also the signal of a terminal that closes: an exception of its handler would end in a
        request's answer, and the service would go on.
        """
        with super().capture_signals():
            main = threading.current_thread() is threading.main_thread()
            if not main or not hasattr(signal, "SIGHUP") or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
                yield  # without that signal, or told to outlive the terminal
                return
            before = signal.signal(signal.SIGHUP, self.handle_exit)
            try:
                yield
            finally:
                signal.signal(signal.SIGHUP, before)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; a second signal ends at once."""
        if self.service.ending:
            self.should_exit = self.force_exit = True
            return
        self.service.ending = True
        self._until = time.monotonic() + self.service.limits.drain_seconds

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to stop listening."""
        if self.service.ending and (self.service.streams == 0 or time.monotonic() > self._until):
            self.should_exit = True
        return await super().on_tick(counter)


def serve(service: Service, host: str, port: int) -> None:
    """Answer until a signal asks for the end.

    Raises:
        OSError: nothing can listen there.
    """
    log_as_json()
    config = uvicorn.Config(
        make_app(service), host=host, port=port, log_config=None, access_log=False, server_header=False,
        ws="websockets-sansio", ws_max_size=1_000_000, timeout_keep_alive=10, h11_max_incomplete_event_size=64 << 10,
        timeout_graceful_shutdown=round(service.limits.drain_seconds), backlog=1024,
    )  # fmt: skip
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.create_server((host, port), family=family, backlog=1024)
    host, port = sock.getsockname()[:2]
    facts = {"url": f"http://{host}:{port}", "model": service.model, "pid": os.getpid()}
    log.info("listening", extra={"facts": facts})
    asyncio.run(Server(config, service).serve([sock]))
    log.info("ended")
