"""The service's paths over HTTP, and their description (OpenAPI)."""

from __future__ import annotations

import asyncio
import inspect
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, File, Form, Request, UploadFile, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from ups import __version__
from ups.data.apart import Source
from ups.errors import DataError, SettingError, UpsError
from ups.serving.example import example_recording
from ups.serving.guard import Guard
from ups.serving.job_paths import add_job_paths
from ups.serving.logs import log
from ups.serving.service import Question, Service, as_json
from ups.serving.streams import follow
from ups.serving.uploads import keep, plain_name
from ups.serving.work import video_lacks
from ups.skeletons import SKELETONS, get_skeleton
from ups.video.source import ENDINGS

_DESCRIPTION = (
    "Send recordings of human poses and read what they show: actions, actions to come, 3D poses. Every kind of file that "
    "`ups predict` reads is read here, with the same options; a folder is sent as a .zip. Frames one at a time: WebSocket "
    "/v1/stream. An error is an object with the key `error`."
)

_PAGE = Path(__file__).with_name("page.html")
_POLICY = "default-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""What the page may load: nothing from elsewhere."""


@dataclass(frozen=True)
class Asked:
    """The form beside the uploads: how to read them, and what to answer."""

    options: dict[str, Any]
    force: bool
    question: Question
    beside: tuple[tuple[str, UploadFile], ...]
    """Files that describe the recordings, and the options that they are."""


def asked(
    task: Annotated[str | None, Form(description="recognize_3d, recognize_2d, anticipate or estimate_pose.")] = None,
    classes: Annotated[str | None, Form(description="Candidate actions, separated by commas.")] = None,
    data_set: Annotated[str | None, Form(description="The actions of this data set are the candidates.")] = None,
    top: Annotated[int, Form(ge=1, le=10_000, description="How many actions to tell.")] = 5,
    smooth: Annotated[bool, Form(description="3D poses: constant bones, smoothed over time.")] = False,
    force: Annotated[bool, Form(description="Answer even where the check finds an error.")] = False,
    skeleton: Annotated[str | None, Form(description="Name of the skeleton.")] = None,
    skeleton_file: Annotated[UploadFile | None, File(description="Or a TOML file that describes it.")] = None,
    joint_map: Annotated[UploadFile | None, File(description="TOML file: which joint is which.")] = None,
    fps: Annotated[float | None, Form(description="Frames per second.")] = None,
    image_size: Annotated[list[int] | None, Form(description="Width and height in pixels.")] = None,
    space: Annotated[Literal["camera", "kinect", "world"] | None, Form(description="Frame of 3D joints.")] = None,
    up: Annotated[str | None, Form(description="The axis that points up.")] = None,
    unit: Annotated[str | None, Form(description="Unit of 3D joints: m, cm, mm, in, ft.")] = None,
    coordinates: Annotated[
        Literal["pixels", "fractions", "longer", "signed", "centred"] | None, Form(description="Of 2D joints.")
    ] = None,
    rotate: Annotated[Literal["90", "180", "270"] | None, Form(description="Degrees, clockwise.")] = None,
    fix: Annotated[list[Literal["swap-sides", "swap-xy", "score-z"]] | None, Form(description="Repairs.")] = None,
) -> Asked:
    """The form; its fields are the options of `ups predict`."""
    if image_size is not None and len(image_size) != 2:
        raise SettingError(f"image_size is given {len(image_size)} times; width and height are needed")
    if classes and data_set:
        raise SettingError("give either classes or data_set")
    if skeleton is not None and skeleton_file is not None:
        raise SettingError("give either skeleton or skeleton_file")
    names = tuple(text for text in map(str.strip, classes.split(",")) if text) if classes else None
    if names == ():
        raise SettingError(f"classes {classes!r} names no action")
    if skeleton is not None:
        get_skeleton(skeleton)  # a name, never a file of this machine
    options = {
        "skeleton": skeleton, "fps": fps, "image_size": None if image_size is None else tuple(image_size),
        "space": space, "up": up, "unit": unit, "coordinates": coordinates,
        "rotate": None if rotate is None else int(rotate), "fixes": tuple(fix or ()),
    }  # fmt: skip
    described = (("skeleton", skeleton_file), ("joint_map", joint_map))
    beside = tuple((name, file) for name, file in described if file is not None)
    return Asked(options, force, Question(task, names, data_set, top, smooth), beside)


FIELDS = ("file", "files", *inspect.signature(asked).parameters)
"""Of the form of a prediction."""


async def only_known_fields(request: Request) -> None:
    """A field that nothing reads is misspelt: SettingError."""
    unknown = [name for name in await request.form() if name not in FIELDS]
    if unknown:
        raise SettingError(f"unknown field {unknown[0]!r}; known: {', '.join(FIELDS)}")


def make_app(service: Service) -> FastAPI:
    """The application of a service; it is closed with it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.close)

    app = FastAPI(
        title="UPS", version=__version__, description=_DESCRIPTION, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    app.add_middleware(Guard, service=service)
    _add_errors(app)
    if service.jobs is not None:
        add_job_paths(app, service.jobs)
    else:

        @app.api_route("/v1/jobs/{rest:path}", methods=["GET", "POST", "DELETE"], include_in_schema=False)
        async def no_jobs(rest: str) -> Response:
            raise HTTPException(404, "this service takes no videos and no lessons; start it with --jobs 8")

    @app.post("/v1/predict", tags=["predict"], dependencies=[Depends(only_known_fields)])
    async def predict(file: Annotated[UploadFile, File(description="One recording.")], form: Form_) -> Response:
        """Answer about one recording: what `ups predict` prints."""
        return Response(as_json(await _answer(service, file, form)), media_type="application/json")

    @app.post("/v1/predict/batch", tags=["predict"], dependencies=[Depends(only_known_fields)])
    async def predict_batch(
        files: Annotated[list[UploadFile], File(description="Recordings, all read alike.")], form: Form_
    ) -> Response:
        """Answer about several recordings: a list in their order, with an `error` in the place of one that can't be used."""
        if len(files) > service.limits.recordings:
            raise SettingError(f"{len(files)} recordings; a request has at most {service.limits.recordings}")
        answers = await asyncio.gather(*(_answer_or_error(service, file, form) for file in files))
        return Response(as_json({"answers": answers}), media_type="application/json")

    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        """The page of `ups app`; it loads nothing from elsewhere."""
        return HTMLResponse(_PAGE.read_text(encoding="utf-8"), headers={"Content-Security-Policy": _POLICY})

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon() -> Response:
        """None; browsers ask, and would tell a person who looks that something is missing."""
        return Response(status_code=204)

    @app.get("/v1/example", tags=["predict"])
    async def example() -> Response:
        """A generated recording of 2D joints, in the project's own JSON."""
        return Response(await asyncio.to_thread(example_recording), media_type="application/json")

    @app.get("/v1/model", tags=["model"])
    async def model() -> dict[str, Any]:
        """What the model knows, what recordings may be, and the limits."""
        predictor = service.predictor
        return {
            "model": Path(service.model).name,
            "version": __version__,
            "precision": predictor.precision,
            "tasks": {mix.task: mix.frames for mix in predictor.config.train.tasks},
            "actions": list(predictor.actions()),
            "data_sets": sorted(predictor.data_sets),
            "skeletons": sorted(SKELETONS),
            "limits": vars(service.limits),
            "jobs": service.jobs is not None,
            "videos": sorted(ENDINGS),
            "videos_lack": video_lacks(service.estimator) if service.jobs is not None else "",
        }

    @app.get("/health", tags=["operation"])
    async def health() -> JSONResponse:
        """200 while the process can answer at all; 503 where it is to be started anew."""
        return JSONResponse({"alive": service.batcher.alive}, 200 if service.batcher.alive else 503)

    @app.get("/ready", tags=["operation"])
    async def ready() -> JSONResponse:
        """200 where a request would be accepted now; 503 while the service is full or ending."""
        return JSONResponse({"ready": service.ready}, 200 if service.ready else 503)

    @app.get("/metrics", tags=["operation"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Counters, for Prometheus."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.websocket("/v1/stream")
    async def stream(socket: WebSocket) -> None:
        await follow(socket, service)

    return app


Form_ = Annotated[Asked, Depends(asked)]


async def _answer(service: Service, file: UploadFile, form: Asked) -> dict[str, Any]:
    """The answer about one upload, which lies in a folder of its own meanwhile."""
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="ups-serve-"))
    try:
        name = plain_name(file.filename)
        if Path(name).suffix.lower() in ENDINGS:
            started = "" if service.jobs is not None else " of a service started with --jobs 8"
            raise SettingError(f"{name}: a video; send it to /v1/jobs/video{started}")
        options = dict(form.options)
        for option, described in form.beside:
            options[option] = f"ups-{option}.toml"
            await asyncio.to_thread(keep, described, folder / options[option])
        await asyncio.to_thread(keep, file, folder / name)
        return await service.answer(Source(str(folder), name, options, form.force), form.question)
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))


async def _answer_or_error(service: Service, file: UploadFile, form: Asked) -> dict[str, Any]:
    try:
        return await _answer(service, file, form)
    except (DataError, SettingError) as error:
        return {"file": plain_name(file.filename), "error": str(error)}


def _add_errors(app: FastAPI) -> None:
    """Every error is told as an object with the key `error`; what is no fault of the client stands in the log."""

    @app.exception_handler(UpsError)
    async def wrong(_: Request, error: UpsError) -> JSONResponse:
        if isinstance(error, (DataError, SettingError)):
            return JSONResponse({"error": str(error)}, 422)
        log.error("model", extra={"facts": {"error": str(error)}})
        return JSONResponse({"error": "the model can't answer; see the service's log"}, 500)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:]) or "form"
        return JSONResponse({"error": f"{place}: {first['msg']}"[:500]}, 422)

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": str(error.detail)}, error.status_code, headers=error.headers)

    @app.exception_handler(Exception)
    async def bug(_: Request, error: Exception) -> JSONResponse:
        log.error("bug", exc_info=error)
        return JSONResponse({"error": "a bug in ups; see the service's log"}, 500)
