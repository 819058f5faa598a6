"""The service over HTTP: the same answers as `Predictor`, errors in one form, limits, the end."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from functools import partial

import httpx
import numpy as np
import pytest
import tyro
from helpers import random_clip

from ups import Predictor
from ups.cli.serve import Serve
from ups.data.datasets import synthetic
from ups.data.formats.native import write_file
from ups.data.open_file import read_file
from ups.errors import DataError, SettingError
from ups.serving.client import Client
from ups.serving.limits import Limits
from ups.serving.service import Service
from ups.skeletons import H36M_17

get, post = partial(httpx.get, timeout=300), partial(httpx.post, timeout=300)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    write_file(next(synthetic.generate_3d(1))[0], folder / "three.npz")
    write_file(next(synthetic.generate_2d(1))[0], folder / "two.npz")
    return folder


def test_answers_are_those_of_the_predictor(served, small_model, recordings):
    predictor = Predictor.from_pretrained(small_model)
    three, two = read_file(recordings / "three.npz"), read_file(recordings / "two.npz")
    with Client(served[0]) as client:
        told = client.predict(recordings / "three.npz", top=3, force=True)
        expected = predictor.recognize(three)
        assert [a["class"] for a in told["answers"]] == list(expected.classes[:3]) and told["best"] == expected.best
        found = [a["probability"] for a in told["answers"]]
        np.testing.assert_allclose(found, expected.probabilities[:3], atol=1e-5)
        assert (told["file"], told["task"], told["frames"]) == ("three.npz", "recognize_3d", three.frames)
        lifted = client.predict(recordings / "two.npz", task="estimate_pose", force=True)
        np.testing.assert_allclose(lifted["joints"], predictor.lift(two).joints, atol=1e-4)
        asked = client.predict(recordings / "two.npz", classes=("kick", "bow"), task="recognize_2d", force=True)
        assert sorted(a["class"] for a in asked["answers"]) == ["bow", "kick"]


def test_a_batch_tells_what_is_wrong_in_its_place(served, recordings, tmp_path):
    (tmp_path / "bad.json").write_text("{")
    files = [recordings / "three.npz", tmp_path / "bad.json", recordings / "three.npz"]
    with Client(served[0]) as client:
        first, bad, last = client.predict_many(files, force=True)
    assert "bad.json" in bad["error"] and first == last and first["best"]


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"task": "dance"}, "dance"),
        ({"task": "recognize_2d"}, "three.npz"),
        ({"skeleton": "/etc/passwd.toml"}, "/etc/passwd.toml"),
        ({"top": "none"}, "top"),
        ({"image_size": ["1"]}, "image_size"),
        ({"classes": "no such action"}, "no such action"),
        ({"rotate": "45"}, "rotate"),
    ],
)
def test_what_is_wrong_in_the_form_is_told(served, recordings, form, told):
    content = {"file": ("three.npz", (recordings / "three.npz").read_bytes())}
    response = post(f"{served[0]}/v1/predict", files=content, data={"force": "true"} | form)
    assert response.status_code == 422 and told in response.json()["error"], response.text
    assert "\n" not in response.json()["error"] and "/tmp" not in response.text


def test_the_error_of_a_client_is_the_services(served, tmp_path):
    (tmp_path / "x.csv").write_text("frame\n1\n")
    with Client(served[0]) as client, pytest.raises(DataError, match="x.csv"):
        client.predict(tmp_path / "x.csv")


def test_operation_paths(served):
    url = served[0]
    assert get(f"{url}/health").json() == {"alive": True}
    assert get(f"{url}/ready").json() == {"ready": True}
    described = get(f"{url}/openapi.json").json()
    assert {"/v1/predict", "/v1/predict/batch", "/v1/model", "/health", "/ready", "/metrics"} <= set(described["paths"])
    assert "bow" in get(f"{url}/v1/model").json()["actions"]
    get(f"{url}/nowhere/{'x' * 300}")
    text = get(f"{url}/metrics").text
    assert 'ups_requests_total{path="/ready",status="200"}' in text and "nowhere" not in text
    assert get(f"{url}/health", headers={"x-request-id": "mine"}).headers["x-request-id"] == "mine"


def test_a_request_that_is_too_large_too_slow_or_too_much(start, small_model, recordings):
    content = (recordings / "three.npz").read_bytes()
    with start(small_model, queue=1, megabytes=1, recordings=2, seconds=3.0, frames=100) as (url, service):
        large = post(f"{url}/v1/predict", files={"file": ("a.npz", bytes(2 << 20))})
        assert large.status_code == 413 and large.json()["error"] == "a request has at most 1 MiB"

        def parts():
            for _ in range(3):
                yield bytes(1 << 19)
                time.sleep(0.1)

        hidden = post(f"{url}/v1/predict", content=parts(), headers={"content-type": "multipart/form-data; boundary=b"})
        assert hidden.status_code in (400, 413)
        many = post(f"{url}/v1/predict/batch", files=[("files", ("a.npz", content))] * 3)
        assert many.status_code == 422 and "at most 2" in many.json()["error"]
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as slow:
            slow.sendall(
                b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\n"
                b"content-length: 1000\r\n\r\n--b\r\n"
            )
            time.sleep(0.2)
            full = post(f"{url}/v1/predict", files={"file": ("three.npz", content)})
            assert full.status_code == 503 and 1 <= int(full.headers["retry-after"]) <= 60
            assert not service.ready
            slow.settimeout(60)
            assert slow.recv(1000).startswith(b"HTTP/1.1 408")
        assert post(f"{url}/v1/predict", files={"file": ("three.npz", content)}, data={"force": "true"}).is_success


def test_limits_are_taken_from_the_command_line_and_leave_something():
    command = tyro.cli(Serve, args=["ups-small", "--queue", "3", "--idle-seconds", "1.5"])
    assert command.limits == Limits(queue=3, idle_seconds=1.5)
    with pytest.raises(SettingError, match="^idle-seconds 0; more than 0 is needed"):
        Service("nowhere", Limits(idle_seconds=0))


def test_a_recording_of_too_many_frames_is_refused(start, small_model, tmp_path):
    write_file(random_clip(frames=101), tmp_path / "long.npz")
    with start(small_model, frames=100) as (url, _), Client(url) as client, pytest.raises(DataError, match="by 100 at"):
        client.predict(tmp_path / "long.npz", force=True)


def test_what_was_accepted_is_answered_at_the_end(start, small_model, recordings):
    """The end is asked for while requests wait; each gets its answer, and none is lost."""
    answers: list[dict] = []
    with start(small_model) as (url, service):
        go, begun = threading.Event(), threading.Event()

        def hold(items):
            begun.set()
            assert go.wait(120)
            return items

        service.batcher.submit(None, hold, 0)
        assert begun.wait(120)

        def ask():
            with Client(url) as client:
                answers.append(client.predict(recordings / "three.npz", force=True))

        threads = [threading.Thread(target=ask) for _ in range(5)]
        for thread in threads:
            thread.start()
        limit = time.monotonic() + 20
        while len(service.batcher) < 5 and time.monotonic() < limit:
            time.sleep(0.02)
        assert len(service.batcher) == 5
        assert service.ready
        threading.Timer(0.5, go.set).start()  # after the end was asked for
    for thread in threads:
        thread.join(120)
    assert len(answers) == 5 and all(answer == answers[0] for answer in answers)


ENDING = """
import os, signal, sys
from types import SimpleNamespace
from ups.cli import _ended_by_signals
from ups.serving import server
async def app(scope, receive, send):
    if scope["type"] == "http":
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"answered"})
server.make_app = lambda service: app
limits = SimpleNamespace(drain_seconds=20)
with _ended_by_signals():
    server.serve(SimpleNamespace(limits=limits, model="", ending=False, streams=0), "127.0.0.1", 0)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_signals_end_a_service_in_the_middle_of_a_request(name):
    """Also that of a terminal that closes: the commands' own handler would raise into the request and be swallowed there."""
    with subprocess.Popen([sys.executable, "-c", ENDING, name], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            url = json.loads(process.stderr.readline())["url"]
            assert get(url).text == "answered"
            assert process.wait(120) == 0 and '"ended"' in process.stderr.read()
        finally:
            process.kill()


def test_the_log_is_a_line_of_json_whatever_is_in_it():
    import logging

    from ups.serving.logs import JsonFormatter

    record = logging.LogRecord("ups", logging.INFO, "", 0, "a\x1b[2J\n%s", ("b",), None)
    record.facts = {"path": "/é\u202e"}
    line = JsonFormatter().format(record)
    assert line.isascii() and "\n" not in line and json.loads(line)["path"] == "/é\u202e"


def test_long_recordings_are_answered_as_the_command_answers_them(served, tmp_path):
    url, service = served
    clip = random_clip(H36M_17, 1, 500, "image")
    write_file(clip, tmp_path / "long.npz")
    predictor = Predictor.from_pretrained(service.model)
    assert predictor.is_long("recognize_2d", clip)
    told = httpx.post(
        f"{url}/v1/predict", files={"file": ("long.npz", (tmp_path / "long.npz").read_bytes())}, timeout=300
    )
    answer = predictor.recognize(clip)
    assert told.json()["best"] == answer.best
    assert told.json()["answers"][0]["probability"] == pytest.approx(answer.probabilities[0], abs=1e-4)


def test_what_belongs_elsewhere_is_told_where(served):
    url, _ = served
    video = post(f"{url}/v1/predict", files={"file": ("walk.MP4", b"")})
    assert video.status_code == 422 and "send it to /v1/jobs/video of a service started with --jobs" in video.text
    job = post(f"{url}/v1/jobs/video", files={"file": ("walk.mp4", b"")})
    assert job.status_code == 404 and "--jobs 8" in job.json()["error"]
    for path, name in (("predict", "file"), ("predict/batch", "files")):
        misspelt = post(f"{url}/v1/{path}", files={name: ("a.json", b"{}")}, data={"tpo": "3"})
        assert misspelt.status_code == 422 and "unknown field 'tpo'; known: file, files, task" in misspelt.text
