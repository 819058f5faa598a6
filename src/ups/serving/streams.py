"""Streams over WebSocket: settings first, then a frame a message, each answered by a message.

The next frame is read when the last one is answered, so a client that is too fast is slowed by its own connection.
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import WebSocket, WebSocketDisconnect
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ups.batch import PERSONS
from ups.errors import SettingError, UpsError
from ups.inference.frames import Asked, answers, frame
from ups.inference.streaming import OnlinePredictor
from ups.serving.logs import log
from ups.serving.service import Service
from ups.tasks.pose import estimate_pose

_LATER, _GOING, _WRONG = 1013, 1012, 1008
"""WebSocket's codes: try again later, the service restarts, the client did something that can't be."""
HORIZON = 3000
"""Frames that a stream may look back."""


class Settings(BaseModel):
    """The first message of a stream: the options of `ups stream`."""

    model_config = ConfigDict(extra="forbid")

    skeleton: str
    space: Literal["image", "camera", "kinect", "world"] = "image"
    fps: float = 30.0
    image_size: tuple[int, int] | None = None
    persons: Annotated[int, Field(ge=1, le=PERSONS)] = 1
    tasks: list[str] = ["anticipate"]
    classes: list[str] | None = None
    top: Annotated[int, Field(ge=1)] = 5
    every: Annotated[int, Field(ge=1)] = 1
    horizon: Annotated[int, Field(ge=1, le=HORIZON)] = 300
    stride: int = 9
    delay: int | None = None


async def follow(socket: WebSocket, service: Service) -> None:
    """Answer a stream until its client ends it, it is silent for too long, or the service ends."""
    await socket.accept()
    if service.streams >= service.limits.streams or service.ending:
        service.metrics.refused.labels("stream").inc()
        await socket.close(_LATER, "too many streams; try again later")
        return
    service.streams += 1
    service.metrics.streams.set(service.streams)
    count = 0
    try:
        online, asked = await _begin(socket, service)
        while True:
            text = await _next(socket, service)
            told = await _run(service, partial(_step, online, asked, text))
            service.metrics.frames.labels("failed" if "error" in told else "answered").inc()
            count += "error" not in told
            await socket.send_text(json.dumps(told, allow_nan=False))
    except WebSocketDisconnect:
        pass
    except _End as end:
        await _close(socket, end.code, end.why)
    except UpsError as error:
        await _close(socket, _WRONG, str(error))
    except Exception:
        log.exception("bug")
        await _close(socket, 1011, "a bug in ups; see the service's log")
    finally:
        service.streams -= 1
        service.metrics.streams.set(service.streams)
        log.info("stream", extra={"facts": {"frames": count}})


class _End(Exception):
    def __init__(self, code: int, why: str) -> None:
        self.code, self.why = code, why


async def _next(socket: WebSocket, service: Service) -> str:
    """The next message; raises `_End` where none comes, or the service ends."""
    if service.ending:  # whoever sends without a pause is told too
        raise _End(_GOING, "the service is ending")
    receiving = asyncio.ensure_future(socket.receive_text())
    waited = 0.0
    try:
        while True:
            done, _ = await asyncio.wait([receiving], timeout=0.2)
            if done:
                return receiving.result()
            waited += 0.2
            if service.ending:
                raise _End(_GOING, "the service is ending")
            if waited >= service.limits.idle_seconds:
                raise _End(_WRONG, f"no frame for {service.limits.idle_seconds:g} s")
    except KeyError as error:
        raise _End(_WRONG, "messages are text") from error
    finally:
        receiving.cancel()


async def _begin(socket: WebSocket, service: Service) -> tuple[OnlinePredictor, Asked]:
    try:
        settings = Settings.model_validate_json(await _next(socket, service))
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingError(f"{'.'.join(map(str, first['loc'])) or 'settings'}: {first['msg']}") from error
    actions = [task for task in settings.tasks if task != estimate_pose.name]
    if len(actions) > 1 or not settings.tasks:
        raise SettingError("tasks: one task of actions, estimate_pose, or both are needed")
    asked = Asked(bool(actions), estimate_pose.name in settings.tasks, settings.top, settings.every)

    alike = (settings.skeleton, settings.space, settings.persons, tuple(settings.classes or ()), tuple(settings.tasks))

    def make() -> OnlinePredictor:
        online = OnlinePredictor(
            service.for_streams(alike), settings.skeleton, space=settings.space, fps=settings.fps,
            image_size=settings.image_size, persons=settings.persons, task=actions[0] if actions else "anticipate",
            classes=tuple(settings.classes) if settings.classes else None, horizon=settings.horizon,
            stride=settings.stride, delay=settings.delay,
        )  # fmt: skip
        if asked.action:
            online.predictor.frames_of(actions[0])
        if asked.pose:
            _ = online.delay  # whether there are poses to tell
        return online

    online = await _run(service, make)
    await socket.send_text(json.dumps({"ready": True, "delay": online.delay if asked.pose else 0}))
    return online, asked


def _step(online: OnlinePredictor, asked: Asked, text: str) -> dict[str, Any]:
    """The answer about a frame, or what is wrong with it; the stream goes on."""
    try:
        online.push(*frame(text))
        return {"frame": online.frames - 1} | answers(online, asked)
    except UpsError as error:
        return {"error": str(error)}


async def _run(service: Service, what: Any) -> Any:
    """Have something done by the thread of the model."""
    future = service.batcher.submit(None, lambda items: [item() for item in items], what)
    return await asyncio.wrap_future(future)


async def _close(socket: WebSocket, code: int, why: str) -> None:
    try:
        await socket.close(code, why.encode()[:120].decode(errors="ignore"))  # WebSocket's limit is 123 bytes
    except RuntimeError:  # it is closed already
        pass
