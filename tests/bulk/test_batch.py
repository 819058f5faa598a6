"""Answers about many recordings: the same as one at a time, resumed, with failures, by processes that die, over Ray."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest
from helpers import trained_model

pytest.importorskip("pyarrow")
import pyarrow.parquet as pq

from ups import Predictor
from ups.bulk import run as bulk
from ups.bulk.part import Asked, write_part
from ups.bulk.recordings import list_recordings
from ups.bulk.run import FAILURES, run
from ups.checkpoint.io import save
from ups.cli import main
from ups.data.datasets import synthetic
from ups.data.formats.native import write_file
from ups.data.open_file import read_file
from ups.errors import SettingError
from ups.files import sha256


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bulk")
    trained = trained_model()
    save(trained, folder / "model", trained.model.state_dict())
    (folder / "clips").mkdir()
    for i, (clip, _) in zip(range(5), synthetic.generate_3d(5), strict=False):
        write_file(clip, folder / "clips" / f"three{i}.npz")
    for i, (clip, _) in zip(range(3), synthetic.generate_2d(3), strict=False):
        write_file(clip, folder / "clips" / f"two{i}.npz")
    (folder / "clips" / "bad.npz").write_bytes(b"PK damaged")
    return folder


@pytest.fixture(scope="module")
def asked(base) -> Asked:
    return Asked(str(base / "model"), poses=True, window_s=1.0, force=True)


@pytest.fixture(scope="module")
def whole(base, asked) -> Path:
    """Answers made by this process alone."""
    paths = list_recordings(str(base / "clips"))
    (base / "whole").mkdir()
    for i in range(3):
        write_part(asked, paths[3 * i : 3 * i + 3], str(base / "whole" / f"part-0000{i}.parquet"))
    return base / "whole"


def same(a: Path, b: Path) -> bool:
    files = [sorted(path.name for path in folder.glob("part-*")) for folder in (a, b)]
    return files[0] == files[1] and all(sha256(a / name) == sha256(b / name) for name in files[0])


def test_rows_are_persons_and_windows_with_the_answers_of_the_predictor(base, asked, whole):
    table = pq.read_table(whole)
    rows = {(Path(row["recording"]).name, row["window"]): row for row in table.to_pylist()}
    assert len(rows) == table.num_rows
    predictor = Predictor.from_pretrained(base / "model")
    clip = read_file(base / "clips" / "two0.npz")
    windows = [w for name, w in rows if name == "two0.npz"]
    assert windows == list(range(-(-clip.frames // 30)))
    row = rows["two0.npz", 0]
    assert (row["first_frame"], row["frames"], row["person"]) == (0, 30, 0)
    answer = predictor.recognize(clip.first(30))
    assert row["action"] == answer.best and row["classes"] == list(answer.classes[:5])
    np.testing.assert_allclose(row["probabilities"], answer.probabilities[:5], atol=1e-5)
    lifted = predictor.lift(clip)
    joints = np.concatenate([np.array(rows["two0.npz", w]["joints"]) for w in windows])
    np.testing.assert_allclose(joints, lifted.joints[0], atol=1e-5)
    assert row["joint_names"] == list(lifted.skeleton.joints)
    assert rows["three0.npz", 0]["joints"] is None and not any(name == "bad.npz" for name, _ in rows)


def test_processes_write_the_same_bytes_and_list_failures(base, asked, whole, tmp_path):
    told: list[tuple[int, int]] = []
    paths = list_recordings(str(base / "clips"))
    done = run(asked, paths, tmp_path / "out", size=3, processes=1, told=lambda *numbers: told.append(numbers))
    assert (done.answered, done.failed, done.kept) == (8, 1, 0) and told[0] == (0, 9) and told[-1] == (9, 9)
    assert same(whole, tmp_path / "out")
    assert (tmp_path / "out" / FAILURES).read_text().splitlines()[1].startswith(str(base / "clips" / "bad.npz"))
    (tmp_path / "out" / "part-00001.parquet").unlink()  # as if it had been ended here
    again = run(asked, paths, tmp_path / "out", size=3, processes=1)
    assert again.kept == 2 and same(whole, tmp_path / "out")


def test_answers_of_another_question_are_not_mixed(base, asked, tmp_path):
    paths = list_recordings(str(base / "clips"))
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(SettingError, match="another run"):
        run(asked, paths, tmp_path)
    (tmp_path / "plan.json").unlink()
    (tmp_path / "part-00000.parquet").write_text("")
    with pytest.raises(SettingError, match="nobody knows"):
        run(asked, paths, tmp_path)


def test_the_command(base, tmp_path, capsys):
    words = ["batch", f"{base}/clips/two*.npz", "--model", str(base / "model"), "--output", str(tmp_path / "out")]
    assert main([*words, "--force", "--processes", "1", "--classes", "kick, bow"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["recordings"], told["answered"], told["failed"]) == (3, 3, 0)
    rows = pq.read_table(tmp_path / "out" / "part-00000.parquet").to_pylist()
    assert {name for row in rows for name in row["classes"]} == {"kick", "bow"}
    assert main([*words, "--task", "estimate_pose"]) == 2 and "--poses" in capsys.readouterr().err


class Death(Exception):
    """Ends the process of `Pool` that it is raised in."""


class Pool:
    """Stands for a pool of processes: work is done at once, and nothing is done any more when a process has died."""

    def __init__(self, width, context) -> None:
        self.broken = False

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        pass

    def submit(self, work, *arguments) -> Future:
        if self.broken:
            raise BrokenProcessPool
        future: Future = Future()
        try:
            future.set_result(work(*arguments))
        except Death:
            self.broken = True
            future.set_exception(BrokenProcessPool())
        except OSError as error:
            future.set_exception(error)
        return future


@pytest.mark.parametrize("processes", [2, 3, 8])
def test_a_part_that_ends_processes_costs_no_other_part_anything(processes, tmp_path, monkeypatch):
    deaths: list[str] = []

    def work(asked, paths, target):
        if paths[0] == "poison" or (paths[0] == "once" and "once" not in deaths):
            deaths.append(paths[0])
            raise Death
        if paths[0] == "full":
            raise OSError("no space left")
        Path(target).write_text("")
        return 1, 0

    monkeypatch.setattr(bulk, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(bulk, "write_part", work)
    names = ["a", "poison", "b", "once", "c", "full", "d"]
    parts = [bulk.Part([name], tmp_path / name) for name in names]
    outcome = [(part.target.name, why) for part, why in bulk._here(None, parts, processes)]  # pyright: ignore
    assert sorted(name for name, _ in outcome) == sorted(names)
    assert {name: why for name, why in outcome if why} == {"poison": "its process died", "full": "no space left"}
    assert deaths.count("poison") == bulk.TRIES and {p.name for p in tmp_path.iterdir()} == set("abcd") | {"once"}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills as POSIX does")
def test_a_real_process_that_is_killed_midway_leaves_complete_results_and_nothing_twice(tmp_path, monkeypatch):
    import bulk_worker

    names = [["a", "b"], ["c", "d"], ["e", "stay", "f"], ["g"], ["h", "i"], ["j"]]
    (tmp_path / "whole").mkdir()
    (tmp_path / "out").mkdir()
    calls = tmp_path / "calls"
    calls.mkdir()
    for i, part in enumerate(names):
        (tmp_path / "whole" / f"part-{i:05}.parquet").write_text("".join(f"{name}\n" for name in part))

    def kill() -> None:
        limit = time.monotonic() + 120
        while not (calls / "stays").exists() and time.monotonic() < limit:
            time.sleep(0.02)
        os.kill(int((calls / "stays").read_text()), signal.SIGKILL)

    monkeypatch.setattr(bulk, "write_part", bulk_worker.write_names)
    thread = threading.Thread(target=kill)
    thread.start()
    parts = [bulk.Part(part, tmp_path / "out" / f"part-{i:05}.parquet") for i, part in enumerate(names)]
    outcome = [(part.target.name, why) for part, why in bulk._here(str(calls), parts, 2)]  # pyright: ignore
    thread.join()
    assert sorted(outcome) == [(part.target.name, "") for part in parts]  # each once
    assert same(tmp_path / "whole", tmp_path / "out")
    begun = [path.name.rpartition("-")[0] for path in calls.glob("part-*")]
    again = [name for name in begun if begun.count(name) > 1]
    assert "part-00002.parquet" in again and len(set(again)) <= 2  # it, and what was on its way beside it


def children() -> list[int]:
    """Processes of the pool of this process."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                words = (entry / "cmdline").read_text()
            except OSError:
                continue
            if parent == os.getpid() and "spawn_main" in words:
                found.append(int(entry.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes through /proc")
def test_a_process_that_is_killed_costs_nothing(base, asked, whole, tmp_path):
    def kill() -> None:
        limit = time.monotonic() + 120
        while time.monotonic() < limit and not list(tmp_path.glob("part-*")):
            time.sleep(0.02)
        for pid in children()[:1]:
            os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    run(asked, list_recordings(str(base / "clips")), tmp_path, size=3, processes=2)
    thread.join()
    assert same(whole, tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Ray's own
def test_over_ray_with_two_workers_one_killed_midway(base, asked, whole, tmp_path, monkeypatch):
    """Complete, identical to one process, nothing twice."""
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    killed: list[int] = []

    def kill() -> None:
        limit = time.monotonic() + 120
        while time.monotonic() < limit and not killed:
            for entry in Path("/proc").iterdir():
                try:
                    busy = entry.name.isdecimal() and "ray::write_part" in (entry / "cmdline").read_text()
                except OSError:
                    continue
                if busy:
                    os.kill(int(entry.name), signal.SIGKILL)
                    killed.append(int(entry.name))
                    return
            time.sleep(0.01)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        done = run(asked, list_recordings(str(base / "clips")), tmp_path, size=3, ray="local")
    finally:
        thread.join()
        ray.shutdown()
    assert killed and (done.answered, done.failed) == (8, 1)
    assert same(whole, tmp_path)
