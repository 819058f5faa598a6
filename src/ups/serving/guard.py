"""What stands before every request: how many there may be, how large and slow they may be; its line in the log."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from contextlib import suppress
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ups.serving.logs import log
from ups.serving.service import Service

JOBS = ("/v1/jobs/video", "/v1/jobs/fine-tune")
ASKED = ("/v1/predict", "/v1/predict/batch", *JOBS)
"""Paths whose requests cost something."""
_KNOWN = (*ASKED, "/", "/v1/example", "/v1/model", "/health", "/ready", "/metrics", "/openapi.json")
_DRAINED, _DRAIN_SECONDS = 1 << 30, 10.0
"""Bytes of a refused request that are read and dropped after its answer, at most, and for how long."""


class Guard:
    """ASGI middleware. Every answer has an X-Request-ID: the one given (64 letters at most), or a new one."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service
        self.mean = 0.1
        """Seconds that requests took of late, by which Retry-After is told."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await _Request(self, scope, receive, send).run()


class _Request:
    """One request on its way."""

    def __init__(self, guard: Guard, scope: Scope, receive: Receive, send: Send) -> None:
        self.guard, self.scope, self.receive, self.send = guard, scope, receive, send
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        given = self.headers.get("x-request-id", "")
        self.id = given if given.isascii() and given.isprintable() and 0 < len(given) <= 64 else secrets.token_hex(8)
        self.begun, self.status, self.size, self.read_all = time.perf_counter(), 0, 0, False
        self.too_large = False

    async def run(self) -> None:
        service, path = self.guard.service, self.scope["path"]
        costly = path in ASKED and self.scope["method"] == "POST"
        try:
            jobs = service.jobs
            full = service.busy >= service.limits.queue or (path in JOBS and jobs is not None and jobs.full)
            if costly and (full or service.ending):
                service.metrics.refused.labels("request").inc()
                await self.refuse(503, "too many requests at the moment; try again later", self.retry_after())
            elif costly:
                await self.let_through()
            else:
                await self.guard.app(self.scope, self.receive, self.answer)
        finally:
            self.tell(path if path in _KNOWN else "/v1/jobs" if path.startswith("/v1/jobs/") else "other")

    async def let_through(self) -> None:
        service = self.guard.service
        limits = service.limits
        if _number(self.headers.get("content-length")) > self.most << 20:
            await self.refuse_as_too_large()
            return
        service.busy += 1
        service.metrics.waiting.set(service.busy)
        try:
            await asyncio.wait_for(self.guard.app(self.scope, self.counted, self.answer), limits.seconds)
        except asyncio.TimeoutError:
            if not self.status:
                text = f"no answer within {limits.seconds:g} s; give fewer or shorter recordings"
                await self.refuse(504 if self.read_all else 408, text)
        finally:
            service.busy -= 1
            service.metrics.waiting.set(service.busy)
            self.guard.mean += 0.1 * (time.perf_counter() - self.begun - self.guard.mean)
        if self.too_large and not self.status:
            await self.refuse_as_too_large()

    @property
    def most(self) -> int:
        """Megabytes that the request may have."""
        limits = self.guard.service.limits
        return limits.job_megabytes if self.scope["path"] in JOBS else limits.megabytes

    async def counted(self) -> Message:
        """The next part of the request, as long as it is not too large."""
        message = await self.receive()
        self.size += len(message.get("body", b""))
        self.read_all = not message.get("more_body", False)
        if self.size > self.most << 20:
            self.too_large = True
            raise HTTPException(413)  # ends the application's work; what is said of it is `refuse`'s
        return message

    async def answer(self, message: Message) -> None:
        """Sends on what the application answers, but for its words on a request that it could not read to the end."""
        if not self.too_large:
            await self.say(message)

    async def say(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", []), (b"x-request-id", self.id.encode())]
        await self.send(message)

    async def refuse_as_too_large(self) -> None:
        await self.refuse(413, f"a request has at most {self.most} MiB")

    async def refuse(self, status: int, text: str, retry_after: int | None = None) -> None:
        """Answer without the application; the connection ends.

        A client that is still sending when it ends may never see the answer. So the rest is read and dropped for a while,
        and the answer, whose length is told, goes before: one that reads meanwhile, or asked before it sent, can stop.
        """
        body = json.dumps({"error": text}).encode()
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        headers.append((b"content-length", str(len(body)).encode()))
        if retry_after is not None:
            headers.append((b"retry-after", str(retry_after).encode()))
        await self.say({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": True})
        if not self.read_all and status != 408:
            await self.drain()
        await self.send({"type": "http.response.body", "body": b""})

    async def drain(self) -> None:
        """Read on for a while."""
        left = _DRAINED

        async def read() -> None:
            nonlocal left
            while left > 0:
                message = await self.receive()
                left -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return

        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(read(), _DRAIN_SECONDS)

    def retry_after(self) -> int:
        """Seconds until there is room, by what requests took of late."""
        return min(60, max(1, round(self.guard.mean * self.guard.service.busy / 2)))

    def tell(self, path: str) -> None:
        seconds = time.perf_counter() - self.begun
        metrics = self.guard.service.metrics
        metrics.requests.labels(path, str(self.status)).inc()
        metrics.seconds.labels(path).observe(seconds)
        facts: dict[str, Any] = {"id": self.id, "method": self.scope["method"], "path": _told(self.scope["path"])}
        facts |= {"status": self.status, "ms": round(1000 * seconds, 1), "bytes": self.size}
        log.info("request", extra={"facts": facts})


def _told(path: str) -> str:
    """A path for the log; the name of a job is not for others."""
    return "/v1/jobs/..." if path.startswith("/v1/jobs/") and path not in JOBS else path[:200]


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 20 else 0
