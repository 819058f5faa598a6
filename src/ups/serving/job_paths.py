"""The paths of jobs: videos, and fine-tuning on labelled clips."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, File, Form, Request, UploadFile
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from ups.errors import SettingError
from ups.serving.jobs import RESULTS, Full, Job, Jobs
from ups.serving.uploads import keep, plain_name
from ups.skeletons import get_skeleton
from ups.video.source import ENDINGS

MOST_STEPS = 5000
_SHOWN = "default-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:"
"""What pages among the results may load, which stand in a frame of our page."""


def add_job_paths(app: FastAPI, jobs: Jobs) -> None:
    """Adds the paths to the application."""

    @app.post("/v1/jobs/video", status_code=202, tags=["jobs"])
    async def video(
        request: Request,
        file: Annotated[UploadFile, File(description="One video.")],
        classes: Annotated[str | None, Form(description="Candidate actions, separated by commas.")] = None,
        top: Annotated[int, Form(ge=1, le=100)] = 5,
        step: Annotated[int, Form(ge=1, le=100, description="Look at every N-th frame.")] = 1,
        people: Annotated[int | None, Form(ge=1, le=8, description="People to look for.")] = None,
        force: Annotated[bool, Form(description="Go on where the check finds an error.")] = False,
    ) -> dict[str, Any]:
        """Look at a video: what `ups predict VIDEO` does."""
        check_origin(request)
        name = plain_name(file.filename)
        if Path(name).suffix.lower() not in ENDINGS:
            raise SettingError(f"{name}: no video by its ending; known are {' '.join(sorted(ENDINGS))}")
        names = [text for text in map(str.strip, (classes or "").split(",")) if text]
        name = f"upload/{name}"
        asked = {"name": name, "classes": names, "top": top, "step": step, "people": people, "force": force}
        return (await _begun(jobs, "video", [(name, file)], asked)).told()

    @app.post("/v1/jobs/fine-tune", status_code=202, tags=["jobs"])
    async def fine_tune(
        request: Request,
        files: Annotated[list[UploadFile], File(description="A .zip of clips, or clips with their paths as names.")],
        steps: Annotated[int, Form(ge=1, le=MOST_STEPS, description="Of learning.")] = 200,
        names: Annotated[str, Form(description="What files are called, as in {label}/{subject}_{take}.")] = "",
        skeleton: Annotated[str | None, Form(description="Name of the skeleton, where files don't say.")] = None,
        fps: Annotated[float | None, Form(gt=0, le=1000, description="Frames per second, likewise.")] = None,
        image_size: Annotated[list[int] | None, Form(description="Width and height in pixels, likewise.")] = None,
        space: Annotated[Literal["camera", "kinect", "world"] | None, Form(description="Of 3D joints.")] = None,
        force: Annotated[bool, Form(description="Learn from clips in which the check finds an error.")] = False,
    ) -> dict[str, Any]:
        """Teach a copy of the model the actions of labelled clips."""
        check_origin(request)
        if image_size is not None and len(image_size) != 2:
            raise SettingError(f"image_size is given {len(image_size)} times; width and height are needed")
        if skeleton is not None:
            get_skeleton(skeleton)  # a name, never a file of this machine
        packed = len(files) == 1 and (files[0].filename or "").lower().endswith(".zip")
        placed = [("clips.zip", files[0])] if packed else [(below(each.filename), each) for each in files]
        asked = {
            "zip": "clips.zip" if packed else "", "cycles": steps, "names": names, "skeleton": skeleton, "fps": fps,
            "image_size": image_size, "space": space, "force": force,
        }  # fmt: skip
        return (await _begun(jobs, "fine-tune", placed, asked)).told()

    @app.get("/v1/jobs/{name}", tags=["jobs"])
    async def state(name: str) -> dict[str, Any]:
        """How far a job has come, its result, and the names of its files."""
        return await asyncio.to_thread(_known(jobs, name).told)

    @app.delete("/v1/jobs/{name}", tags=["jobs"])
    async def cancel(request: Request, name: str) -> dict[str, Any]:
        """End a job."""
        check_origin(request)
        job = _known(jobs, name)
        await asyncio.to_thread(jobs.cancel, job)
        return job.told()

    @app.get("/v1/jobs/{name}/files/{file}", tags=["jobs"])
    async def fetch(name: str, file: str) -> Response:
        """One of a job's files."""
        job = _known(jobs, name)
        if file not in await asyncio.to_thread(job.files):
            return JSONResponse({"error": f"the job has no file {plain_name(file)}"}, 404)
        headers = {"Content-Security-Policy": f"{_SHOWN}; frame-ancestors 'self'", "X-Content-Type-Options": "nosniff"}
        return FileResponse(job.folder / RESULTS / file, headers=headers)


def check_origin(request: Request) -> None:
    """Pages of other places must not give work to a service that a browser of this machine reaches."""
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise HTTPException(403, "asked by a page of another place")


def below(name: str | None) -> str:
    """The place of a clip below the folder of clips: its path's last four parts, made plain."""
    parts = [plain_name(part) for part in (name or "").replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return "/".join(["clips", *(parts or ["recording"])[-4:]])


def _known(jobs: Jobs, name: str) -> Job:
    job = jobs.get(name)
    if job is None:
        raise HTTPException(
            404, "no such job; results are kept for a while only, and never when the service was started anew"
        )
    return job


async def _begun(
    jobs: Jobs, kind: Literal["video", "fine-tune"], files: list[tuple[str, UploadFile]], asked: dict[str, Any]
) -> Job:
    """The job about uploads, which lie in its folder."""

    def begin() -> Job:
        folder = jobs.folder()
        try:
            for place, file in files:
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                keep(file, folder / place)
            return jobs.add(kind, folder, asked)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    try:
        return await asyncio.to_thread(begin)
    except Full as error:
        raise HTTPException(503, str(error), headers={"Retry-After": "30"}) from error
