"""Models of the Hugging Face hub, against a local server that stands in for it: fetched, pinned, offline, sent."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from helpers import trained_model

pytest.importorskip("huggingface_hub.constants")  # reads the environment when it is imported
from ups import Predictor
from ups.checkpoint.hub import card, fetch, is_repository, push
from ups.checkpoint.io import save
from ups.checkpoint.known_models import PRETRAINED
from ups.errors import CheckpointError, SettingError

COMMITS = ("1" * 40, "2" * 40)


class Hub(BaseHTTPRequestHandler):
    """One repository, me/model, with the files of `commits`; what is pushed becomes `pushed`."""

    commits: dict[str, dict[str, bytes]]
    pushed: dict[str, bytes]
    asked: list[str]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def tell(self, content: bytes, headers: dict[str, str] | None = None, status: int = 200) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def commit(self, revision: str) -> str | None:
        named = {"main": COMMITS[1], "v1": COMMITS[0]}.get(revision, revision)
        return named if named in self.commits else None

    def do_GET(self) -> None:
        self.asked.append(self.path)
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/me/model"):
            rest = path.removeprefix("/api/models/me/model").strip("/").split("/")
            commit = self.commit(rest[1] if len(rest) > 1 else "main")
            if commit:
                if rest[0] == "tree":
                    files = self.commits[commit].items()
                    tree = [{"type": "file", "path": n, "size": len(c), "oid": "0" * 40} for n, c in files]
                    return self.tell(json.dumps(tree).encode())
                names = [{"rfilename": name} for name in self.commits[commit]]
                return self.tell(json.dumps({"id": "me/model", "sha": commit, "siblings": names}).encode())
        if path.startswith("/me/model/resolve/"):
            revision, _, name = path.removeprefix("/me/model/resolve/").partition("/")
            commit = self.commit(revision)
            if commit and name in self.commits[commit]:
                content = self.commits[commit][name]
                tag = hashlib.sha256(content).hexdigest()
                return self.tell(content, {"ETag": f'"{tag}"', "X-Repo-Commit": commit})
        self.tell(b'{"error": "not found"}', {"X-Error-Code": "RepoNotFound"}, 404)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/validate-yaml":
            return self.tell(b'{"errors": [], "warnings": []}')
        if self.path == "/api/repos/create":
            return self.tell(json.dumps({"url": "me/model", "id": "me/model"}).encode())
        if "/preupload/" in self.path:
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in json.loads(body)["files"]
            ]
            return self.tell(json.dumps({"files": files}).encode())
        if "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.pushed[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return self.tell(
                json.dumps(
                    {
                        "commitOid": COMMITS[0],
                        "commitUrl": f"http://{self.headers['Host']}/me/model/commit/{COMMITS[0]}",
                    }
                ).encode()
            )
        self.tell(b"{}", status=404)


@pytest.fixture
def model(tmp_path) -> Path:
    trained = trained_model()
    save(trained, tmp_path / "model", trained.model.state_dict())
    return tmp_path / "model"


@pytest.fixture
def hub(tmp_path, model, monkeypatch):
    files = {path.name: path.read_bytes() for path in model.iterdir()}
    Hub.commits = {COMMITS[0]: files, COMMITS[1]: files | {"evil.pkl": b"cos\nsystem", "pytorch_model.bin": b"x"}}
    Hub.pushed, Hub.asked = {}, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.chdir(tmp_path)
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_repository_is_fetched_without_what_is_no_model_and_pinned(hub, model, caplog):
    caplog.set_level("INFO", "ups")
    folder = fetch("me/model")
    assert folder.name == COMMITS[1] and sorted(p.name for p in folder.iterdir()) == sorted(
        p.name for p in model.iterdir()
    )
    assert f"me/model@{COMMITS[1]}" in caplog.text and not any(
        "evil" in path for path in Hub.asked if "resolve" in path
    )
    assert fetch("me/model@v1").name == COMMITS[0]
    assert fetch(f"me/model@{COMMITS[0]}").name == COMMITS[0]
    assert Predictor.from_pretrained("me/model").actions() == Predictor.from_pretrained(model).actions()


def test_without_a_way_there_the_cache_answers(hub):
    first = fetch("me/model")
    hub.shutdown()
    hub.server_close()
    assert fetch("me/model") == first and fetch(f"me/model@{COMMITS[1]}") == first
    with pytest.raises(CheckpointError, match="me/model@v1: neither a folder"):
        fetch("me/model@v1")


def test_what_is_not_there_is_told(hub, tmp_path):
    with pytest.raises(CheckpointError, match="me/other: neither a folder") as error:
        Predictor.from_pretrained("me/other")
    assert "\n" not in str(error.value)
    Hub.commits[COMMITS[1]] = {"config.json": b"{}"}
    with pytest.raises(CheckpointError, match="no model.json"):
        fetch("me/model")
    (tmp_path / "runs").mkdir()
    assert not is_repository("runs/missing") and not is_repository("a/b/c") and is_repository("me/model@v1")


def test_a_model_is_sent_with_its_card(hub, model):
    assert push(model, "me/model", "apache-2.0") == COMMITS[0]
    assert set(Hub.pushed) == {"model.json", "weights.safetensors", "README.md"}
    assert Hub.pushed["weights.safetensors"] == (model / "weights.safetensors").read_bytes()
    text = Hub.pushed["README.md"].decode()
    assert text.startswith("---\n") and "license: apache-2.0" in text and "- synthetic_2d" in text
    Hub.pushed.clear()
    assert Predictor.from_pretrained(model).push_to_hub("me/model") == COMMITS[0]
    assert "model.json" in Hub.pushed
    with pytest.raises(SettingError, match="owner/name"):
        push(model, "model")


def test_the_card_keeps_its_words_and_gets_metadata():
    folder = PRETRAINED["ups-small"]
    text = card(folder, "me/ups-small")
    front, _, words = text.removeprefix("---\n").partition("\n---\n")
    assert words.strip() == (folder / "README.md").read_text(encoding="utf-8").strip()
    for line in (
        "license: other",
        "license_link: TERMS.md",
        "library_name: ups",
        "- humaneva",
        "model-index:",
        "type: mpjpe_mm",
    ):
        assert line in front
