"""A request that is too large gets its answer, which clients can read that send on meanwhile, over real connections."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
from contextlib import closing

import pytest

pytest.importorskip("fastapi")

TOLD = {"error": "a request has at most 1 MiB"}
SAID = ("413", TOLD)
HEAD = "POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\n"


@pytest.fixture(scope="module")
def place(start, small_model):
    with start(small_model, megabytes=1) as (url, _):
        host, port = url.removeprefix("http://").split(":")
        yield host, int(port)


def answered(connection: socket.socket) -> tuple[str, dict]:
    """The status and the body of an answer, as soon as all of it is there."""
    with connection.makefile("rb") as file:
        status, size = file.readline().split()[1].decode(), 0
        while (line := file.readline().lower().strip()) != b"":
            size = int(line.partition(b":")[2]) if line.startswith(b"content-length:") else size
        return status, json.loads(file.read(size))


@pytest.mark.parametrize("chunked", [False, True])
def test_one_that_reads_when_all_is_sent(place, chunked):
    begun = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.npz"\r\n\r\n'
    parts = [begun, *[bytes(1 << 20)] * 24]
    headers = {"content-type": "multipart/form-data; boundary=b"}
    with closing(http.client.HTTPConnection(*place, timeout=60)) as connection:
        body = iter(parts) if chunked else b"".join(parts)
        connection.request("POST", "/v1/predict", body, headers, encode_chunked=chunked)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())) == (413, TOLD)


@pytest.mark.parametrize("more", ["expect: 100-continue\r\n", ""])
def test_one_that_reads_need_not_send_the_rest(place, more):
    with socket.create_connection(place, 60) as connection:
        sent = b"" if more else bytes(1 << 16)
        connection.sendall(f"{HEAD}content-length: {1 << 30}\r\n{more}\r\n".encode() + sent)
        assert answered(connection) == SAID


def test_one_that_never_ends_is_left(place, monkeypatch):
    from ups.serving import guard

    monkeypatch.setattr(guard, "_DRAIN_SECONDS", 0.3)
    with socket.create_connection(place, 60) as connection:
        connection.sendall(f"{HEAD}content-length: {1 << 40}\r\n\r\n".encode() + bytes(1 << 16))
        assert answered(connection) == SAID and connection.recv(1) == b""


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
@pytest.mark.parametrize("option", [[], ["-H", "Expect:"], ["-H", "Transfer-Encoding: chunked"]])
def test_curl_shows_it(place, tmp_path, option):
    (tmp_path / "a.npz").write_bytes(bytes(24 << 20))
    words = ["curl", "-s", *option, "-F", f"file=@{tmp_path}/a.npz", "http://{}:{}/v1/predict".format(*place)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.stdout and json.loads(done.stdout) == TOLD, done
