"""What large data sets need: reading that leaves no memory behind, reruns that only do what is missing, shards."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import random_clip, trained_model

from ups.cli import main
from ups.data.datasets import ntu
from ups.data.datasets.base import DataSet
from ups.data.datasets.nw_ucla import CLASSES as UCLA_CLASSES
from ups.data.datasets.registry import DATA_SETS
from ups.data.store.merge import merge
from ups.data.store.prepare import PrepareReport, fingerprint, prepare, write_store
from ups.data.store.store import Store, StoreWriter
from ups.errors import DataError
from ups.evaluation.evaluate import evaluate_task
from ups.inference.predictor import Predictor
from ups.pose import PoseSequence
from ups.skeletons import KINECT_20, NTU_25

MIB = 2**20


def resident() -> int:
    """Bytes of memory that this process holds, files it has mapped and touched included."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def write(folder: Path, clips: list[PoseSequence], name: str = "made up") -> Store:
    with StoreWriter(folder, name, clips[0].skeleton, clips[0].space, ("wave", "bow"), ("xsub",)) as out:
        for i, clip in enumerate(clips):
            out.add(replace(clip, id=f"clip {i}"), {"xsub": "train" if i % 2 else "test"})
    return Store.open(folder)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system has no /proc")
def test_reading_a_store_leaves_no_memory_behind(tmp_path):
    clip = random_clip(NTU_25, persons=2, frames=1300)
    store = write(tmp_path / "s", [clip] * 64)
    assert (tmp_path / "s" / "joints.npy").stat().st_size > 47 * MIB
    assert np.array_equal(store[0].joints, clip.joints)
    before = resident()
    assert all(store[i].frames == 1300 for i in range(len(store)))
    assert resident() - before < 16 * MIB


def test_threads_and_copies_read_the_same(tmp_path):
    clips = [random_clip(KINECT_20, 1 + i % 2, 5 + i, seed=i) for i in range(12)]
    store = write(tmp_path / "s", clips)
    copy = pickle.loads(pickle.dumps(store))
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda i: (store if i % 5 else copy)[i % 12], range(240)))
    for i, clip in enumerate(read):
        assert clip.id == f"clip {i % 12}"
        assert np.array_equal(clip.joints, clips[i % 12].joints)
        assert np.array_equal(clip.visibility, clips[i % 12].visibility)


def test_closed_stores_leave_no_open_files(tmp_path):
    write(tmp_path / "s", [random_clip()])
    before = len(os.listdir("/dev/fd"))
    for _ in range(5):
        assert len(Store.open(tmp_path / "s")) == 1
    assert len(os.listdir("/dev/fd")) == before


def test_a_file_cut_short_while_it_is_open_is_an_error(tmp_path):
    store = write(tmp_path / "s", [random_clip()] * 3)
    path = tmp_path / "s" / "joints.npy"
    os.truncate(path, path.stat().st_size - 1)
    assert store[1].frames == 10
    with pytest.raises(DataError, match=r"joints\.npy: shorter than when it was opened"):
        store[2]


def test_a_file_of_other_numbers_is_an_error(tmp_path):
    write(tmp_path / "s", [random_clip()])
    path = tmp_path / "s" / "joints.npy"
    header = path.read_bytes().replace(b"'<f4'", b"'<i4'")
    path.write_bytes(header)
    with pytest.raises(DataError, match="the store is damaged .*joints.npy holds int32"):
        Store.open(tmp_path / "s")


def test_evaluation_holds_few_clips_and_gives_the_same_figures(stores):
    store = stores["synthetic_3d"]
    indices = np.resize(np.arange(len(store)), 150)

    class Counting(Predictor):
        """Notes how many clips are asked about at a time."""

        asked: list[int] = []

        def class_scores(
            self, task: str, clips: list[PoseSequence], classes: tuple[str, ...], batch: int = 64
        ) -> np.ndarray:
            self.asked.append(len(clips))
            return super().class_scores(task, clips, classes, batch)

    predictor = Counting(trained_model())
    metrics = evaluate_task(predictor, "recognize_3d", store, indices)
    assert predictor.asked == [8] * 18 + [6]
    whole = Predictor(predictor.trained).class_scores("recognize_3d", [store[int(i)] for i in indices], store.classes)
    assert metrics["predicted"] == whole.argmax(1).tolist()


# Reruns


def ucla_file(folder: Path, subject: int, seed: int = 0) -> Path:
    """An NW-UCLA recording of action a01."""
    joints = np.random.default_rng(seed + subject).normal(size=(6, 20, 3)).round(4)
    path = folder / "all_sqe" / f"a01_s{subject:02}_e00_v0{1 + subject % 3}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"file_name": path.stem, "label": 1, "skeletons": joints.tolist()}))
    return path


@pytest.fixture
def source(tmp_path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for subject in range(1, 6):
        ucla_file(folder, subject)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_rerun_does_only_what_is_missing(source, tmp_path, monkeypatch):
    output = tmp_path / "source" / "stores" / "nw_ucla"  # stores below the source don't count as its files

    def run(force: bool = False) -> PrepareReport:
        return prepare("nw_ucla", source, output, force=force)

    assert run() == PrepareReport(output, 5, ())
    before = output.stat().st_ino
    assert run() == PrepareReport(output, 5, (), unchanged=True)
    (source / "kard.tar.xz").write_bytes(b"of another data set")
    assert run().unchanged and output.stat().st_ino == before
    assert not run(force=True).unchanged and output.stat().st_ino != before
    ucla_file(source, 6)
    assert run() == PrepareReport(output, 6, ())
    os.utime(ucla_file(source, 6, seed=1), ns=(0, 0))
    assert not run().unchanged
    monkeypatch.setattr("ups.data.store.prepare.__version__", "another")
    assert not run().unchanged and run().unchanged
    os.truncate(output / "joints.npy", 100)
    assert not run().unchanged and len(Store.open(output)) == 6


def test_a_rerun_after_problems_reads_again(source, tmp_path):
    path = source / "all_sqe" / "a01_s03_e00_v01.json"
    good = path.read_bytes()
    path.write_bytes(good[:100])
    for _ in range(2):
        report = prepare("nw_ucla", source, tmp_path / "s")
        assert report.clips == 4 and not report.unchanged
        assert len(report.problems) == 1 and path.name in report.problems[0]
    path.write_bytes(good)
    assert prepare("nw_ucla", source, tmp_path / "s") == PrepareReport(tmp_path / "s", 5, ())
    assert prepare("nw_ucla", source, tmp_path / "s").unchanged


@pytest.fixture
def parsed(monkeypatch) -> list[int]:
    """Actions of the NTU RGB+D recordings that are parsed, in that order."""
    actions: list[int] = []
    parse = ntu.parse

    def noting(name: str, content: bytes) -> ntu.Recording:
        actions.append(ntu.name_parts(name)[-1])
        return parse(name, content)

    monkeypatch.setattr(ntu, "parse", noting)
    return actions


@pytest.mark.parametrize("name", ["ntu60", "ntu120_view_normalized"])
def test_a_rerun_parses_only_what_is_missing(tmp_path, parsed, name):
    """What comes out is always, byte for byte, what a first run makes of the files."""
    source, output = ntu_source(tmp_path / "raw", 9), tmp_path / "store"
    files = {ntu.name_parts(path.stem)[-1]: path for path in source.glob("*A0*")}

    def run() -> tuple[int, int, list[int]]:
        parsed.clear()
        report, done = prepare(name, source, output), sorted(parsed)
        fresh = prepare(name, source, tmp_path / "fresh", force=True)
        assert report.problems == fresh.problems and contents(output) == contents(fresh.folder)
        return report.clips, len(report.problems), done

    assert run() == (7, 3, [1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert run() == (7, 3, [4, 8])  # what was damaged is looked at again, and is still a problem
    files[4].write_bytes(files[1].read_bytes())  # repaired
    assert run() == (8, 2, [4, 8])
    files[8].unlink()
    (source / "S001C001P001R001A121.skeleton").unlink()
    assert run() == (8, 0, [])
    assert prepare(name, source, output).unchanged
    files[1].unlink()
    files[2].write_bytes(files[3].read_bytes())  # changed
    files[3].write_bytes(files[3].read_bytes()[:200])  # damaged
    files[5].rename(source / "S002C001P002R001A050.skeleton")
    assert run() == (6, 1, [2, 3, 50])


def test_an_interrupted_rerun_costs_nothing(tmp_path, parsed, monkeypatch):
    source, output = ntu_source(tmp_path / "raw", 9), tmp_path / "store"
    prepare("ntu60", source, output)
    before = contents(output)
    for path in [*source.glob("*A004*"), *source.glob("*A008*")]:
        path.write_bytes(next(source.glob("*A001*")).read_bytes())
    noting = ntu.parse

    def stopped(name: str, content: bytes) -> ntu.Recording:
        if len(parsed) == 1:
            raise KeyboardInterrupt
        return noting(name, content)

    with monkeypatch.context() as patch:
        parsed.clear()
        patch.setattr(ntu, "parse", stopped)
        with pytest.raises(KeyboardInterrupt):
            prepare("ntu60", source, output)
    assert contents(output) == before and sorted(p.name for p in tmp_path.iterdir()) == ["raw", "store"]
    parsed.clear()
    assert prepare("ntu60", source, output).clips == 9 and sorted(parsed) == [4, 8]
    prepare("ntu60", source, tmp_path / "fresh")
    assert contents(output) == contents(tmp_path / "fresh")


def test_a_rerun_of_shards_and_of_what_was_merged(tmp_path, parsed):
    source = ntu_source(tmp_path / "raw", 9)
    for i in (1, 2):
        prepare("ntu60", source, tmp_path / f"{i}", (i, 2))
    merge([tmp_path / "1", tmp_path / "2"], tmp_path / "merged")
    for path in source.glob("*A004*"):
        path.write_bytes(next(source.glob("*A001*")).read_bytes())
    parsed.clear()
    for i in (1, 2):
        prepare("ntu60", source, tmp_path / f"{i}", (i, 2))
    assert sorted(parsed) == [4, 8]
    parsed.clear()
    prepare("ntu60", source, tmp_path / "merged")
    assert sorted(parsed) == [4, 8]
    prepare("ntu60", source, tmp_path / "whole")
    assert contents(tmp_path / "merged") == contents(tmp_path / "whole")
    merge([tmp_path / "1", tmp_path / "2"], tmp_path / "merged")
    assert contents(tmp_path / "merged") == contents(tmp_path / "whole")


def test_archives_tell_what_changed_in_them(tmp_path, parsed):
    """By the checksum of each recording: other recordings of a replaced archive are not parsed again."""
    folder = ntu_source(tmp_path / "raw", 9)
    (tmp_path / "source").mkdir()

    def pack() -> None:
        with zipfile.ZipFile(tmp_path / "source" / "nturgbd_skeletons_s001_to_s017.zip", "w") as archive:
            for path in folder.iterdir():
                archive.write(path, f"nturgb+d_skeletons/{path.name}")

    pack()
    prepare("ntu60", tmp_path / "source", tmp_path / "store")
    for path in folder.glob("*A004*"):
        path.write_bytes(next(folder.glob("*A001*")).read_bytes())
    pack()
    parsed.clear()
    assert prepare("ntu60", tmp_path / "source", tmp_path / "store").clips == 8 and sorted(parsed) == [4, 8]


def test_what_the_fingerprint_takes_in(source, tmp_path):
    ucla = DATA_SETS["nw_ucla"]
    prints = [fingerprint(ucla, source), fingerprint(ucla, source / "all_sqe")]
    assert len(set(prints)) == 2 and all(prints)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "all_sqe").symlink_to(source / "all_sqe")
    linked = fingerprint(ucla, tmp_path / "elsewhere")
    ucla_file(source, 9)
    assert fingerprint(ucla, tmp_path / "elsewhere") != linked
    assert fingerprint(ucla, tmp_path) and not fingerprint(ucla, tmp_path / "none")
    assert not fingerprint(DATA_SETS["sbu"], source), "no file of the set is there"
    assert not fingerprint(replace(ucla, files=None), source), "a set that does not tell its files is always read"
    assert fingerprint(DATA_SETS["synthetic_3d"], source) == fingerprint(DATA_SETS["synthetic_3d"], tmp_path)
    archive = tmp_path / "nw_ucla.zip"
    archive.write_bytes(b"first")
    one = fingerprint(ucla, archive)
    archive.write_bytes(b"second")
    assert one and fingerprint(ucla, archive) not in ("", one)


def test_every_data_set_tells_its_files():
    assert [d.name for d in DATA_SETS.values() if d.files is None] == []


def test_the_command_tells_of_recordings_left_out(source, tmp_path, capsys):
    command = ["data", "prepare", "nw_ucla", "--source", str(source), "--output", str(tmp_path / "out")]
    (source / "all_sqe" / "a01_s03_e00_v01.json").write_text("{")
    assert main(command) == 1
    out, err = capsys.readouterr()
    assert "4 clips, 1 recordings could not be used" in out
    assert "a01_s03_e00_v01.json: not a readable recording" in err
    assert f"ups: 1 recordings could not be used; all others are in {tmp_path / 'out' / 'nw_ucla'}" in err
    ucla_file(source, 3)
    assert main(command) == 0
    assert "unchanged" not in capsys.readouterr().out
    assert main(command) == 0
    assert "unchanged, 5 clips" in capsys.readouterr().out
    assert main([*command, "--force"]) == 0
    assert "unchanged" not in capsys.readouterr().out


# Shards


def ntu_source(folder: Path, recordings: int) -> Path:
    """Recordings of one performer; every fourth is empty, and one has the name of no action."""
    joint = "0.{}1 0.{}7 {}.5 1 1 1 1 0 0 1 0 2"
    for i in range(recordings):
        body = [
            "1",
            "72057594037931101 0 1 1 1 1 0 0.02 0.05 2",
            "25",
            *(joint.format(j, 3 * j % 7, i) for j in range(25)),
        ]
        lines = ["15", *(body * 15)]
        name = f"S001C00{1 + i % 3}P00{1 + i % 7}R001A{1 + i:03}.skeleton"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text("" if i % 4 == 3 else "\n".join(lines) + "\n")
    (folder / "S001C001P001R001A121.skeleton").write_text("")
    return folder


@pytest.mark.parametrize("shards", [2, 3])
def test_merged_shards_are_the_store_of_the_whole(tmp_path, shards):
    source = ntu_source(tmp_path / "raw", 11)
    whole = prepare("ntu60", source, tmp_path / "whole")
    assert whole.clips == 9 and len(whole.problems) == 3
    parts = [prepare("ntu60", source, tmp_path / f"{i}", (i, shards)) for i in range(1, shards + 1)]
    assert sum(part.clips for part in parts) == 9 and max(part.clips for part in parts) <= 9 // shards + 2
    merged = merge([part.folder for part in reversed(parts)], tmp_path / "merged")
    assert merged == PrepareReport(tmp_path / "merged", 9, whole.problems)
    assert contents(tmp_path / "merged") == contents(tmp_path / "whole")


def test_shards_of_a_set_that_is_read_whole(source, tmp_path):
    """NW-UCLA has to see all its clips to find copies; clips of one name in two shards are a problem of the merge."""
    prepare("nw_ucla", source, tmp_path / "whole")
    parts = [prepare("nw_ucla", source, tmp_path / f"{i}", (i, 2)) for i in (1, 2)]
    assert [part.clips for part in parts] == [3, 2]
    merge([part.folder for part in parts], tmp_path / "merged")
    assert contents(tmp_path / "merged") == contents(tmp_path / "whole")
    assert prepare("nw_ucla", source, tmp_path / "merged").unchanged
    assert prepare("nw_ucla", source, tmp_path / "1", (1, 2)).unchanged
    assert not prepare("nw_ucla", source, tmp_path / "1", (2, 2)).unchanged


def test_a_name_in_two_shards_is_a_problem_as_in_the_whole(tmp_path):
    clips = [random_clip(seed=i) for i in (0, 1, 1, 2)]
    items = [(clips[0], {"xview": "train"}), (clips[1], {}), (clips[2], {}), DataError("bad"), (clips[3], {})]
    data_set = DataSet(
        "twice", KINECT_20, "kinect", UCLA_CLASSES, ("xview",), "none", lambda source: iter(items), "made up"
    )
    report = write_store(data_set, tmp_path, tmp_path / "whole")
    assert report.problems == ("clip 1: a clip of this name is in the store already; names must be unique", "bad")
    parts = [write_store(data_set, tmp_path, tmp_path / f"{i}", (i, 2)).folder for i in (1, 2)]
    merge(parts[::-1], tmp_path / "merged")
    assert contents(tmp_path / "merged") == contents(tmp_path / "whole")


def test_what_can_not_be_merged(source, tmp_path):
    one, two = (prepare("nw_ucla", source, tmp_path / f"{i}", (i, 2)).folder for i in (1, 2))
    for given, message in (
        ([], "nothing to merge"),
        ([one], "shards 1/2 are given; each of 1/2 to 2/2 is needed once"),
        ([one, one, two], "shards 1/2, 1/2, 2/2 are given"),
        ([one, write(tmp_path / "own", [random_clip()]).folder], "own: not a shard's store"),
        ([one, prepare("nw_ucla", source, tmp_path / "whole").folder], "whole: not a shard's store"),
        ([one, source], "is not a store"),
    ):
        with pytest.raises(DataError, match=message):
            merge(given, tmp_path / "merged")
    synthetic = tmp_path / "other"
    other = replace(DATA_SETS["nw_ucla"], terms="other terms")
    write_store(other, source, synthetic, (2, 2))
    with pytest.raises(DataError, match="holds other data than"):
        merge([one, synthetic], tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_shards_on_the_command_line(source, tmp_path, capsys):
    base = ["data", "prepare", "nw_ucla", "--source", str(source), "--output", str(tmp_path / "out")]
    for shard in ("1/2", "2/2"):
        assert main([*base, "--shard", shard]) == 0
    parts = [str(tmp_path / "out" / f"nw_ucla-{i}-of-2") for i in (1, 2)]
    assert main(["data", "merge", *parts, "--output", str(tmp_path / "out" / "nw_ucla")]) == 0
    assert "5 clips, 0 recordings could not be used" in capsys.readouterr().out
    assert main(base) == 0
    assert "unchanged" in capsys.readouterr().out
    for wrong in ("0/2", "3/2", "2", "a/b", "1/0", "-1/2"):
        assert main([*base, f"--shard={wrong}"]) == 2
        assert f"--shard {wrong}: I/N is needed" in capsys.readouterr().err
