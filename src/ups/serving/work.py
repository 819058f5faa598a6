"""A job's own process: `python -m ups.serving.work FOLDER`. How far it has come is a line of JSON each on standard output,
the last of which holds the result, or the error.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ups.errors import DataError, SettingError, UpsError
from ups.serving.jobs import RESULTS, SETTINGS

if TYPE_CHECKING:
    from ups.inference.predictor import Predictor


class Told(Protocol):
    """Takes how far a job has come."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """The stage, what is done, and of how much; 0 where that is not known."""
        ...

    def so_far(self, result: dict[str, Any]) -> None:
        """What is known of the result."""
        ...


MEMBERS = 20_000
"""Files of an upload, at most."""
RATE = 5e-4
"""Of learning, at its peak: that of `ups fine-tune`."""


def main() -> None:
    """Work on what lies in the folder, which is the current one meanwhile, so that messages hold no place of this machine."""
    os.chdir(sys.argv[1])
    asked = json.loads(Path(SETTINGS).read_text(encoding="utf-8"))
    out, lock, last = os.fdopen(os.dup(1), "w", encoding="utf-8"), threading.Lock(), [0.0, ""]
    os.dup2(2, 1)  # remarks of libraries are no answers
    threading.Thread(target=_end_with_the_service, daemon=True).start()

    def write(values: dict[str, Any]) -> None:
        with lock:
            print(json.dumps(values), file=out, flush=True)

    class Written:
        def __call__(self, stage: str, done: int, total: int) -> None:
            if stage != last[1] or time.monotonic() > last[0] + 0.2:
                last[:] = time.monotonic(), stage
                write({"stage": stage, "done": done, "total": total})

        def so_far(self, result: dict[str, Any]) -> None:
            write({"so_far": result})

    try:
        write({"result": KINDS[asked["kind"]](asked, Written())})
    except MemoryError:
        write({"error": "it takes too much memory; give less"})
    except (UpsError, OSError) as error:
        write({"error": str(error).split("\n")[0]})


def _end_with_the_service() -> None:
    """Standard input is the service's; it ends where that was ended without a word."""
    sys.stdin.buffer.read()
    os._exit(1)


def watch(asked: dict[str, Any], told: Told) -> dict[str, Any]:
    """What `ups predict VIDEO` does, and its files as one .zip."""
    from ups.video.answer import KEPT, RESULT, Asked, answer_video

    told("reading the video", 0, 0)
    if lacking := video_lacks(asked["estimator"]):
        raise SettingError(lacking)

    def loaded() -> Predictor:
        from ups.inference.predictor import Predictor

        return Predictor.from_pretrained(asked["model"])

    video = Path(asked["name"])
    os.chdir(video.parent)  # messages name the video as the user does
    results = Path("..") / RESULTS
    classes = tuple(asked["classes"]) if asked["classes"] else None
    how = Asked(classes, asked["top"], asked["step"], asked["estimator"], asked["force"], asked["people"])
    answer_video(Path(video.name), loaded, results, how, told, told.so_far)
    (results / KEPT).unlink()
    _pack(sorted(results.iterdir()), results / "everything.zip")
    return json.loads((results / RESULT).read_text(encoding="utf-8"))


def video_lacks(estimator: str) -> str:
    """What has to be installed before videos can be looked at; "" where nothing lacks."""
    from importlib.util import find_spec

    from ups.video.estimators import KINDS, mediapipe_python

    if find_spec("av") is None:
        return "videos need PyAV: pip install 'unified-pose-sequence[video]', then start the service again"
    if estimator not in KINDS:
        return f"unknown estimator {estimator!r}; known: {', '.join(KINDS)}"
    if estimator == "rtmlib" and find_spec("rtmlib") is None:
        return "rtmlib is not installed: pip install rtmlib onnxruntime"
    if estimator == "mediapipe":
        try:
            mediapipe_python()
        except SettingError:
            return (
                "no pose estimator here: run `ups setup mediapipe` once (about 1 GB, into an environment of its own), then "
                "drop the video again; or drop a file of keypoints instead"
            )
    return ""


def teach(asked: dict[str, Any], told: Told) -> dict[str, Any]:
    """What `ups data table`, `ups data prepare`, `ups fine-tune` and `ups evaluate` do, on labelled clips."""
    from ups.checkpoint.io import load, pack
    from ups.data.checks.recordings import check_before_training, checked
    from ups.data.clip_table import propose, write_table
    from ups.data.custom import TABLE, custom_data_set
    from ups.data.store.prepare import write_store
    from ups.data.store.store import Store
    from ups.evaluation.evaluate import evaluate
    from ups.evaluation.page import write_evaluation_page
    from ups.evaluation.results import new_record
    from ups.inference.predictor import Predictor
    from ups.skeletons import find_skeleton
    from ups.tasks.action import recognize_2d, recognize_3d
    from ups.training.loop import fine_tune
    from ups.training.progress import read_log

    told("reading the clips", 0, 0)
    clips, lines = Path("clips"), []
    if asked["zip"]:
        unpack(Path(asked["zip"]), clips)
    clips = _without_lone_folders(clips, TABLE)
    if not (clips / TABLE).exists():
        proposal = propose(clips, asked["names"])
        size = tuple(asked["image_size"]) if asked["image_size"] else None
        write_table(clips, proposal.rows, asked["fps"], size, asked["space"])
        lines += proposal.told
    skeleton = find_skeleton(asked["skeleton"]) if asked["skeleton"] else None
    report = write_store(checked(custom_data_set(clips, "yours", skeleton), asked["force"]), clips, Path("data/yours"))
    store = Store.open(Path("data/yours"))
    trained = load(asked["model"])
    task = recognize_2d.name if store.space == "image" else recognize_3d.name
    protocol = store.protocols[0]
    check_before_training(store, store.indices(protocol, "train"), asked["force"])
    ref, run, ended = f"yours:{protocol}", Path("run"), threading.Event()

    def follow() -> None:
        while not ended.wait(0.3):
            entries = read_log(run)
            told("learning, step", entries[-1]["step"] if entries else 0, asked["cycles"])

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        tuned = fine_tune(trained, task, {"yours": store}, run, asked["cycles"], RATE, (ref,))
    finally:
        ended.set()
        thread.join()
    told("measuring", 0, 0)
    predictor, results = Predictor(tuned), Path(RESULTS)
    measured = evaluate(predictor, Path("data"), "test", (task,))
    write_evaluation_page(results / "metrics.html", new_record(predictor, "your model", measured, "test"))
    told("packing", 0, 0)
    pack([run / "checkpoint"], Path("model"))
    _pack(sorted(Path("model").iterdir()), results / "model.zip", "model/")
    (metrics,) = (values for key, values in measured.items() if key.endswith(ref))
    each = Counter(store.classes[label] for label in store.labels.tolist() if label >= 0)
    for folder in (Path("clips"), Path("data"), run, Path("model")):
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "task": task, "actions": dict(each), "clips": report.clips, "test_clips": int(metrics["clips"]),
        "accuracy": round(float(metrics["top1"]), 4), "steps": tuned.steps, "lines": lines,
        "problems": list(report.problems),
    }  # fmt: skip


def unpack(path: Path, folder: Path) -> None:
    """The files of a .zip with the folders in which they lie there, none outside the folder; raises DataError."""
    from ups.data.formats.safe_pickle import check_expansion

    try:
        with zipfile.ZipFile(path) as bundle:
            infos = [info for info in bundle.infolist() if not info.is_dir()]
            if len(infos) > MEMBERS:
                raise DataError(f"{path}: {len(infos)} files; at most {MEMBERS:,} are taken")
            check_expansion(infos, path)
            for info in infos:
                parts = info.filename.replace("\\", "/").split("/")
                if any(part in ("", "..", "__MACOSX") or part.startswith(".") or ":" in part for part in parts):
                    continue
                target = folder.joinpath(*parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with bundle.open(info) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
    except DataError:
        raise
    except Exception as error:  # a damaged list of members can raise nearly anything
        raise DataError(f"{path}: no readable zip ({str(error)[:200]}); it is to hold a folder of clips") from error
    if not folder.exists():
        raise DataError(f"{path}: no files in it")


def _without_lone_folders(folder: Path, table: str) -> Path:
    """Inside folders that hold one folder and nothing else."""
    while not (folder / table).exists():
        below = list(folder.iterdir())
        if len(below) != 1 or not below[0].is_dir():
            break
        folder = below[0]
    return folder


def _pack(files: list[Path], path: Path, where: str = "") -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for file in files:
            if file.is_file():
                bundle.write(file, where + file.name)


KINDS: dict[str, Callable[[dict[str, Any], Told], dict[str, Any]]] = {"video": watch, "fine-tune": teach}
"""Kind of a job -> what does it."""

if __name__ == "__main__":
    main()
