"""A service over a small model, in a thread of this process."""

from __future__ import annotations

import asyncio
import io
import socket
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from helpers import trained_model

from ups.checkpoint.io import save
from ups.data.datasets import synthetic

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


@pytest.fixture(scope="session")
def working(small_model):
    """(url, service) that takes jobs."""
    with running(small_model, jobs=4, job_megabytes=2) as both:
        yield both


@pytest.fixture(scope="session")
def clips_zip() -> bytes:
    """A .zip of clips in folders after their actions, of two people."""
    people, takes = 2, 3
    content, each = io.BytesIO(), iter(synthetic.generate_3d(40))
    with zipfile.ZipFile(content, "w") as bundle:
        for action in ("wave", "bow"):
            for i in range(people * takes):
                clip, _ = next(each)
                target = io.BytesIO()
                np.savez(target, joints=clip.joints[0], skeleton=clip.skeleton.name, fps=clip.fps, space=clip.space)
                bundle.writestr(f"mine/{action}/s{i % people + 1}_{i}.npz", target.getvalue())
    return content.getvalue()


@pytest.fixture(scope="session")
def walking(tmp_path_factory) -> bytes:
    """A video in which something bright walks to the right."""
    pytest.importorskip("av")
    from ups.video.source import writer_of

    path, frames = tmp_path_factory.mktemp("video") / "a.mp4", 30
    with writer_of(path, 25.0, (160, 120)) as write:
        for i in range(frames):
            rgb = np.zeros((120, 160, 3), np.uint8)
            rgb[50:70, 10 + 2 * i : 30 + 2 * i] = 255
            write(rgb)
    return path.read_bytes()


STAND_IN = """
from types import SimpleNamespace
class Pose:
    def __init__(self, **options): pass
    def process(self, rgb):
        import numpy as np
        bright = np.argwhere(rgb[..., 0] > 128)
        if not len(bright):
            return SimpleNamespace(pose_landmarks=None)
        y, x = bright.mean(0) / rgb.shape[:2]
        marks = [SimpleNamespace(x=x + 0.03 * (i % 2), y=y + 0.02 * (i - 16), visibility=0.9) for i in range(33)]
        return SimpleNamespace(pose_landmarks=SimpleNamespace(landmark=marks))
solutions = SimpleNamespace(pose=SimpleNamespace(Pose=Pose))
"""
"""A package `mediapipe` that finds a person around what is bright."""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """An environment with MediaPipe, or what looks like it."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "mediapipe.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", ":".join([str(tmp_path / "lib"), *filter(None, sys.path)]))
    monkeypatch.setenv("UPS_MEDIAPIPE", sys.executable)
