"""Ask a service (`ups serve`) from Python. Needs the extra `[serve]`, no model and no PyTorch.

with Client("http://127.0.0.1:8000") as client:
    client.predict("clip.npz")["best"]
    client.predict("video_json/", image_size=(1920, 1080), task="estimate_pose")["joints"]
    with client.stream(skeleton="coco-17", image_size=(1920, 1080)) as stream:
        stream.push(joints)["action"]
"""

from __future__ import annotations

import io
import itertools
import json
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ups.errors import DataError, IncompleteError, extras_needed

with extras_needed():
    import httpx
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import ClientConnection, connect


class Client:
    """A connection to a service; for several threads at once.

    Args:
        url: where the service is: "http://127.0.0.1:8000".
        seconds: to wait for an answer.
        tries: how often a request is sent where the service is full; it says when to come again.
    """

    def __init__(self, url: str, seconds: float = 120.0, tries: int = 10) -> None:
        self.url, self.tries = url.rstrip("/"), tries
        self._http = httpx.Client(base_url=self.url, timeout=seconds)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._http.close()

    def predict(self, file: Path | str, **options: Any) -> dict[str, Any]:
        """The answer about a recording, as `ups predict` prints it.

        Args:
            file: what `ups predict` reads: a file, or a folder with a file a frame.
            options: those of `ups predict`, by their names: task, classes, top, fps, image_size, skeleton, joint_map ...

        Raises:
            DataError: the recording or an option can't be used; the message is the service's.
            IncompleteError: the service is full, or fails; try again later.
            OSError: the file can't be read, or there is no service.
        """
        return self._post("/v1/predict", [("file", _upload(Path(file)))], options)

    def predict_many(self, files: Sequence[Path | str], **options: Any) -> list[dict[str, Any]]:
        """The answers about recordings that are read alike, in their order; {"file", "error"} for one that can't be used.

        Raises as `predict`.
        """
        return self._post("/v1/predict/batch", [("files", _upload(Path(file))) for file in files], options)["answers"]

    def model(self) -> dict[str, Any]:
        """What the service's model knows, and the service's limits."""
        return self._checked(self._sent("GET", "/v1/model"))

    @contextmanager
    def stream(self, **settings: Any) -> Iterator[Stream]:
        """A stream of frames; the settings are those of `ups stream`: skeleton, space, fps, image_size, tasks, every ...

        Raises:
            DataError: settings that can't be.
            IncompleteError: the service has no room, or ends.
            OSError: there is no service.
        """
        with connect(f"ws{self.url.removeprefix('http')}/v1/stream", max_size=None) as socket:
            stream = Stream(socket)
            stream.delay = stream.ask(settings)["delay"]
            yield stream

    def _post(self, path: str, files: list[tuple[str, Any]], options: Mapping[str, Any]) -> Any:
        form: dict[str, Any] = {}
        for name, value in options.items():
            described = name in ("skeleton", "joint_map") and str(value).endswith(".toml")
            if described:
                files.append(("skeleton_file" if name == "skeleton" else name, _upload(Path(value))))
            elif value is not None:
                joined = name == "classes" and not isinstance(value, str)
                form[name] = ",".join(value) if joined else list(value) if isinstance(value, tuple) else value
        return self._checked(self._sent("POST", path, files=files, data=form))

    def _sent(self, method: str, path: str, **content: Any) -> httpx.Response:
        for attempt in itertools.count(1):
            try:
                response = self._http.request(method, path, **content)
            except httpx.TransportError as error:
                raise ConnectionError(f"{self.url}: no answer ({error or type(error).__name__})") from error
            if response.status_code != 503 or attempt >= self.tries:
                return response
            time.sleep(float(response.headers.get("retry-after", 1)))
        raise AssertionError("unreachable")

    def _checked(self, response: httpx.Response) -> Any:
        if response.is_success:
            return response.json()
        try:
            text = response.json()["error"]
        except (ValueError, LookupError, TypeError):
            text = f"status {response.status_code}"
        if response.status_code in (400, 413, 422):
            raise DataError(text)
        raise IncompleteError(f"{self.url}: {text}")


class Stream:
    """A stream that is open.

    Attributes:
        delay: frames between a frame and its 3D pose.
    """

    delay = 0

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    def push(self, joints: Any, visibility: Any = None) -> dict[str, Any]:
        """Send a frame, as `OnlinePredictor.push` takes it; the answer about it, as `ups stream` prints it.

        Raises:
            DataError: the frame can't be used; the stream goes on.
            IncompleteError: the service ended the stream.
        """
        frame = {"joints": _plain(joints)}
        if visibility is not None:
            frame["visibility"] = _plain(visibility)
        return self.ask(frame)

    def ask(self, message: Any) -> dict[str, Any]:
        """Send a message, and wait for what is answered."""
        try:
            self._socket.send(json.dumps(message))
            answer = json.loads(self._socket.recv())
        except ConnectionClosed as error:
            why = error.rcvd.reason if error.rcvd else "the connection is gone"
            if error.rcvd and error.rcvd.code == 1008:
                raise DataError(why) from error
            raise IncompleteError(f"the stream ended: {why}") from error
        if "error" in answer:
            raise DataError(answer["error"])
        return answer


def _plain(values: Any) -> Any:
    """Arrays as lists, NaN as None."""
    values = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(values, (list, tuple)):
        return [_plain(value) for value in values]
    return None if values != values else values


def _upload(path: Path) -> tuple[str, bytes]:
    """A name and the content; a folder as a zip of its files."""
    if not path.is_dir():
        return path.name, path.read_bytes()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
        for file in sorted(path.iterdir()):
            if file.is_file():
                bundle.write(file, file.name)
    return f"{path.name}.zip", packed.getvalue()
