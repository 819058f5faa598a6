"""Videos and fine-tuning through the service: done, refused, too long, too many, stopped; nothing of it ends the service."""

from __future__ import annotations

import io
import sys
import time
import zipfile

import pytest

pytest.importorskip("fastapi")

from ups.errors import DataError  # noqa: E402
from ups.serving import jobs as jobs_module  # noqa: E402
from ups.serving.job_paths import below  # noqa: E402
from ups.serving.jobs import RESULTS, Full, Jobs  # noqa: E402
from ups.serving.limits import Limits  # noqa: E402
from ups.serving.work import unpack, video_lacks  # noqa: E402

WORK = """
import json, os, sys, time
asked = json.load(open(sys.argv[1] + "/job.json"))
print(json.dumps({"stage": "half", "done": 1, "total": 2}), flush=True)
if asked["what"] == "dies":
    os._exit(3)
if asked["what"] == "error":
    print(json.dumps({"error": "no clip"}))
elif asked["what"] == "long":
    print(json.dumps({"so_far": {"timeline": []}}), flush=True)
    time.sleep(100)
else:
    open(sys.argv[1] + "/results/a.txt", "w").write("kept")
    print(json.dumps({"result": {"model": asked["model"]}}))
"""


@pytest.fixture
def jobs(tmp_path):
    opened = []

    def make(**limits) -> Jobs:
        opened.append(Jobs("ups-small", Limits(jobs=3, **limits), "mediapipe", (sys.executable, "-c", WORK)))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def ended(job, seconds: float = 120):
    limit = time.monotonic() + seconds
    while not job.ended and time.monotonic() < limit:
        time.sleep(0.02)
    return job.told()


def test_jobs_are_done_in_their_order_and_one_that_dies_ends_no_other(jobs):
    here = jobs()
    made = [here.add("video", here.folder(), {"what": what}) for what in ("dies", "error", "fine")]
    with pytest.raises(Full):
        here.add("video", here.folder(), {"what": "fine"})
    told = [ended(job) for job in made]
    assert [each["state"] for each in told] == ["failed", "failed", "done"]
    assert "its process ended" in told[0]["error"] and told[1]["error"] == "no clip"
    assert told[2]["result"] == {"model": "ups-small"} and told[2]["files"] == ["a.txt"]
    assert not made[0].folder.exists() and (made[2].folder / RESULTS / "a.txt").read_text() == "kept"
    assert not here.full and here.get("another") is None
    home = made[2].folder.parent
    here.close()
    assert not home.exists()


def test_jobs_that_take_too_long_or_are_not_wanted_are_ended(jobs):
    here = jobs(job_seconds=0.5)
    told = ended(here.add("video", here.folder(), {"what": "long"}))
    assert told["state"] == "failed" and "not done within 0.5 s" in told["error"]
    here = jobs()
    runs, waits = (here.add("video", here.folder(), {"what": "long"}) for _ in range(2))
    here.cancel(waits)
    while not runs.so_far:
        time.sleep(0.02)
    told = runs.told()
    assert told["so_far"] == {"timeline": []} and (told["stage"], told["done"]) == ("half", 1)
    here.cancel(runs)
    assert "so_far" not in ended(runs)
    assert ended(runs)["state"] == ended(waits)["state"] == "cancelled" and runs.process.poll() is not None
    assert ended(here.add("video", here.folder(), {"what": "fine"}))["state"] == "done"


def test_old_results_go(jobs, monkeypatch):
    monkeypatch.setattr(jobs_module, "KEPT", 1)
    here = jobs()
    made = []
    for _ in range(3):
        made.append(here.add("video", here.folder(), {"what": "fine"}))
        ended(made[-1])
    assert here.get(made[0].id) is None and not made[0].folder.exists() and here.get(made[2].id) is made[2]


def test_names_of_uploads_stay_below_their_folder(tmp_path):
    assert below("my/../../etc/pass wd.npz") == "clips/my/etc/pass wd.npz"
    assert below("C:\\a\\b\\c\\d\\e\\.f.csv") == "clips/c/d/e/f.csv" and below(None) == "clips/recording"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as bundle:
        for name in ("../out.npz", "/abs.npz", "wave/a.npz", "__MACOSX/b.npz", "wave/.hidden", "C:/d.npz"):
            bundle.writestr(name, b"x")
    unpack(tmp_path / "a.zip", tmp_path / "clips")
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.npz")] == ["clips/wave/a.npz"]
    (tmp_path / "b.zip").write_bytes(b"PK nothing")
    with pytest.raises(DataError, match="no readable zip"):
        unpack(tmp_path / "b.zip", tmp_path / "x")


def finished(url: str, got) -> dict:
    import httpx

    assert got.status_code == 202, got.text
    job = got.json()
    limit = time.monotonic() + 300
    while job["state"] in ("waiting", "running") and time.monotonic() < limit:
        time.sleep(0.1)
        job = httpx.get(f"{url}/v1/jobs/{job['id']}", timeout=60).json()
    return job


def test_a_copy_of_the_model_learns_from_a_zip(working, clips_zip, tmp_path):
    import httpx

    from ups import Predictor

    url, _ = working
    how = {"steps": "2", "force": "true"}
    job = finished(url, httpx.post(f"{url}/v1/jobs/fine-tune", files={"files": ("my.zip", clips_zip)}, data=how))
    assert job["state"] == "done", job
    found = job["result"]
    assert found["actions"] == {"wave": 6, "bow": 6} and found["steps"] == 2 and 0 <= found["accuracy"] <= 1
    assert job["files"] == ["metrics.html", "model.zip"]
    content = httpx.get(f"{url}/v1/jobs/{job['id']}/files/model.zip").content
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        bundle.extractall(tmp_path)
    assert {"wave", "bow"} <= set(Predictor.from_pretrained(tmp_path / "model").actions())
    page = httpx.get(f"{url}/v1/jobs/{job['id']}/files/metrics.html")
    assert "Confusion" in page.text and "frame-ancestors 'self'" in page.headers["content-security-policy"]
    for path in (f"{job['id']}/files/job.json", f"{job['id']}/files/..%2Fjob.json", "nobody"):
        assert httpx.get(f"{url}/v1/jobs/{path}").status_code == 404


def test_what_can_not_be_learned_is_told(working):
    import httpx

    url, _ = working
    ask = f"{url}/v1/jobs/fine-tune"
    job = finished(url, httpx.post(ask, files={"files": ("my.zip", b"PK damaged")}))
    assert job["state"] == "failed" and "no readable zip" in job["error"] and "/tmp" not in job["error"]
    job = finished(url, httpx.post(ask, files=[("files", (f"d/wave/{i}.npz", b"x")) for i in range(3)]))
    assert job["state"] == "failed" and "fewer than two actions" in job["error"]
    assert httpx.post(ask, files={"files": ("a.zip", b"0" * (3 << 20))}).status_code == 413
    assert httpx.post(ask, files={"files": ("a.zip", b"0")}, data={"steps": "0"}).status_code == 422
    assert httpx.post(ask, files={"files": ("a.zip", b"0")}, headers={"origin": "http://else"}).status_code == 403
    assert httpx.get(f"{url}/ready").status_code == 200


def test_a_video_is_looked_at(working, walking, stand_in):
    pytest.importorskip("av")
    import httpx

    url, _ = working
    files = {"file": ("my walk.MP4", walking)}
    job = finished(url, httpx.post(f"{url}/v1/jobs/video", files=files, data={"force": "true", "classes": "wave, bow"}))
    assert job["state"] == "done", job
    found = job["result"]
    assert found["video"] == "my walk.MP4" and found["frames"] == 30 and len(found["answers"]) == 2
    assert {"annotated.mp4", "everything.zip", "index.html", "joints.npz", "result.json"} <= set(job["files"])
    part = httpx.get(f"{url}/v1/jobs/{job['id']}/files/annotated.mp4", headers={"range": "bytes=0-9"})
    assert part.status_code == 206 and len(part.content) == 10
    job = finished(url, httpx.post(f"{url}/v1/jobs/video", files={"file": ("b.mp4", b"no video" * 99)}))
    assert job["state"] == "failed" and job["error"].startswith("b.mp4: not a video")
    assert httpx.post(f"{url}/v1/jobs/video", files={"file": ("b.npz", b"x")}).status_code == 422
    assert httpx.post(f"{url}/v1/jobs/video", files=files, data={"people": "9"}).status_code == 422


def test_where_no_estimator_is_the_remedy_is_told(working, walking, tmp_path, monkeypatch):
    pytest.importorskip("av")
    import httpx

    from ups.video import estimators

    monkeypatch.delenv("UPS_MEDIAPIPE", raising=False)
    monkeypatch.setenv("UPS_CACHE", str(tmp_path))
    if estimators.find_spec("mediapipe") is not None:
        pytest.skip("MediaPipe is here")
    url, _ = working
    assert "ups setup mediapipe" in httpx.get(f"{url}/v1/model").json()["videos_lack"]
    job = finished(url, httpx.post(f"{url}/v1/jobs/video", files={"file": ("b.mp4", walking)}))
    assert job["state"] == "failed" and "ups setup mediapipe" in job["error"]
    assert "pip install rtmlib" in video_lacks("rtmlib") and "unknown estimator" in video_lacks("x")


def test_a_service_takes_no_jobs_unless_told_to(served):
    import httpx

    url, service = served
    assert service.jobs is None and httpx.get(f"{url}/v1/model").json()["jobs"] is False
    assert httpx.post(f"{url}/v1/jobs/video", files={"file": ("b.mp4", b"x")}).status_code == 404
