"""A service over a small model, in a thread of this process."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from helpers import trained_model

from ups.checkpoint.io import save

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")


@pytest.fixture(scope="session")
def small_model(tmp_path_factory):
    """Folder of a small model of all tasks."""
    trained = trained_model()
    folder = tmp_path_factory.mktemp("served") / "model"
    save(trained, folder, trained.model.state_dict())
    return folder


@contextmanager
def running(model, **limits) -> Iterator[tuple[str, object]]:
    """(url, service) of a service on a free port."""
    import uvicorn

    from ups.serving.app import make_app
    from ups.serving.limits import Limits
    from ups.serving.server import Server
    from ups.serving.service import Service

    patient = {"read_seconds": 120.0, "seconds": 300.0, "idle_seconds": 300.0}  # the machine may be busy
    service = Service(model, Limits(**patient | limits), readers=1)
    sock = socket.create_server(("127.0.0.1", 0))
    server = Server(uvicorn.Config(make_app(service), log_config=None, ws="websockets-sansio"), service)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([sock])))
    thread.start()
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}", service
    finally:
        if not service.ending:
            server.handle_exit(15, None)
        thread.join(120)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def start():
    """`running`."""
    return running


@pytest.fixture(scope="session")
def served(small_model):
    """(url, service) that the tests of this folder share."""
    with running(small_model) as both:
        yield both
