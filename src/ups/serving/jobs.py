"""What takes longer than a request may: each in a process of its own, one after the other, with how far it has come.

A process that dies, takes too long, or is no longer wanted is ended with all that it started; the service goes on.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ups.errors import UpsError
from ups.serving.limits import Limits
from ups.serving.logs import log

KEPT = 16
"""Ended jobs whose results are kept; of more, the oldest goes."""
SETTINGS, RESULTS = "job.json", "results"
"""In a job's folder: what is asked, and the folder of what can be fetched."""
Kind = Literal["video", "fine-tune"]


class Full(UpsError):
    """No more jobs at the moment."""


@dataclass
class Job:
    """Work on uploads.

    Attributes:
        id: which nobody guesses.
        kind: of work.
        folder: of its uploads and results.
        state: waiting, running, done, failed or cancelled.
        stage, done, total: how far it has come; a total of 0 is one that is not known.
        so_far: what is known of the result of one that runs.
        error: why it failed.
        result: of one that is done.
    """

    kind: Kind
    folder: Path
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: str = "waiting"
    stage: str = ""
    done: int = 0
    total: int = 0
    so_far: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ("done", "failed", "cancelled")

    def files(self) -> list[str]:
        """Names of the results that can be fetched."""
        if self.state != "done":
            return []
        return sorted(path.name for path in (self.folder / RESULTS).iterdir() if path.is_file())

    def told(self) -> dict[str, Any]:
        """As JSON has it."""
        told = {"id": self.id, "kind": self.kind, "state": self.state, "stage": self.stage}
        told |= {"done": self.done, "total": self.total, "files": self.files()}
        some = {"error": self.error, "so_far": {} if self.ended else self.so_far, "result": self.result}
        return told | {name: value for name, value in some.items() if value}


class Jobs:
    """Does jobs in the order in which they came.

    Args:
        model: folder or name of the model.
        limits: how many there may be, and how long each may take.
        estimator: that finds people in videos.
        command: what runs a job; its last word is the job's folder.
    """

    def __init__(self, model: str, limits: Limits, estimator: str, command: tuple[str, ...] = ()) -> None:
        self.limits, self._home = limits, Path(tempfile.mkdtemp(prefix="ups-jobs-"))
        self._model = os.path.abspath(model) if os.path.exists(model) else model
        self._estimator = estimator
        self._command = command or (sys.executable, "-m", "ups.serving.work")
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[Job] = deque()
        self._there = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="ups-jobs", daemon=True)
        self._thread.start()

    @property
    def full(self) -> bool:
        """Whether one more would be refused."""
        return self._closing or sum(not job.ended for job in self._jobs.values()) >= self.limits.jobs

    def folder(self) -> Path:
        """A new folder for the uploads of a job."""
        return Path(tempfile.mkdtemp(dir=self._home))

    def add(self, kind: Kind, folder: Path, settings: dict[str, Any]) -> Job:
        """Have what lies in the folder worked on; raises Full."""
        asked = {"kind": kind, "model": self._model, "estimator": self._estimator, **settings}
        (folder / SETTINGS).write_text(json.dumps(asked), encoding="utf-8")
        (folder / RESULTS).mkdir()
        with self._there:
            if self.full:
                raise Full("too many videos and fine-tunings at the moment; try again later")
            job = Job(kind, folder)
            self._jobs[job.id] = job
            self._waiting.append(job)
            old = [each for each in self._jobs.values() if each.ended]
            for each in old[: max(0, len(old) - KEPT)]:
                del self._jobs[each.id]
                shutil.rmtree(each.folder, ignore_errors=True)
            self._there.notify()
        return job

    def get(self, name: str) -> Job | None:
        """The job of an id."""
        return self._jobs.get(name)

    def cancel(self, job: Job) -> None:
        """End it; what it made is removed."""
        with self._there:
            if not job.ended:
                job.state = "cancelled"
            _end(job.process)
        if job.process is None:
            shutil.rmtree(job.folder, ignore_errors=True)

    def close(self) -> None:
        """End all jobs, and remove their folders."""
        with self._there:
            self._closing = True
            for job in self._jobs.values():
                job.state = job.state if job.ended else "cancelled"
                _end(job.process)
            self._there.notify()
        self._thread.join()
        shutil.rmtree(self._home, ignore_errors=True)

    def _run(self) -> None:
        while True:
            with self._there:
                while not self._waiting and not self._closing:
                    self._there.wait()
                if self._closing:
                    return
                job = self._waiting.popleft()
                if job.ended:
                    continue
                job.state = "running"
            try:
                with self._there:  # one that is cancelled from here on has a process to end
                    if job.ended or self._closing:
                        continue
                    job.process = self._started(job.folder)
                self._follow(job, job.process)
            except Exception as error:
                log.error("bug", exc_info=error)
                job.state, job.error = "failed", "a bug in ups; see the service's log"
            finally:
                if job.state != "done":
                    shutil.rmtree(job.folder, ignore_errors=True)
            log.info("job", extra={"facts": {"kind": job.kind, "state": job.state}})

    def _started(self, folder: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._command, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, encoding="utf-8", errors="replace", start_new_session=True,
        )  # fmt: skip

    def _follow(self, job: Job, process: subprocess.Popen[str]) -> None:
        """Until the process has ended."""
        late = threading.Event()
        timer = threading.Timer(self.limits.job_seconds, lambda: (late.set(), _end(process)))
        remarks: deque[str] = deque(maxlen=20)
        assert process.stdout is not None and process.stderr is not None and process.stdin is not None
        errors = threading.Thread(target=lambda: remarks.extend(process.stderr or ()), daemon=True)
        errors.start()
        timer.start()
        last: dict[str, Any] = {}
        try:
            for line in process.stdout:
                with suppress(ValueError):
                    last = json.loads(line)
                    if "so_far" in last:
                        job.so_far = last["so_far"]
                    elif "stage" in last:
                        job.stage, job.done, job.total = (last.get(key, 0) for key in ("stage", "done", "total"))
        finally:
            timer.cancel()
            _end(process)
            errors.join(5)
            for pipe in (process.stdin, process.stdout, process.stderr):
                pipe.close()
        with self._there:
            if job.state != "running":
                return
            if late.is_set():
                most = self.limits.job_seconds
                job.state, job.error = "failed", f"not done within {most:g} s; give less, or look at fewer frames"
            elif "result" in last:
                job.state, job.result, job.stage = "done", last["result"], "done"
            else:
                job.state, job.error = "failed", last.get("error") or "its process ended; the upload may be too large"
                if "error" not in last:
                    log.error("job", extra={"facts": {"code": process.returncode, "remarks": "".join(remarks)[-2000:]}})


def _end(process: subprocess.Popen[str] | None) -> None:
    """End a process with all that it has started; each leads a session of its own. One that was waited for has ended."""
    if process is None or process.returncode is not None:
        return
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)
