"""What a stage's operators do, and what bounds it; comparing two records."""

import copy
import json
from dataclasses import replace

import pytest
import torch
from helpers import trained_model
from torch import nn

from ups.bench.compare import compare, read_record, relative
from ups.bench.fresh import answer_many
from ups.bench.measure import Settings, measure, sections
from ups.bench.roofline import STAGES, Work, bounded, count, count_stages, stage_times, triad
from ups.bench.workload import workload
from ups.checkpoint.cost import count_flops
from ups.cli import main
from ups.errors import DataError, SettingError
from ups.inference.predictor import Predictor

CPU = torch.device("cpu")
F32 = 4


def counted(call) -> tuple[float, float]:
    with torch.inference_mode():
        work = count(call)
    return work.flops, work.bytes


def test_an_operator_moves_what_it_reads_and_writes():
    a, b = torch.ones(8, 16), torch.ones(16, 4)
    assert counted(lambda: a @ b) == (2 * 8 * 16 * 4, F32 * (8 * 16 + 16 * 4 + 8 * 4))
    assert counted(lambda: a + 1) == (0, F32 * 2 * 128)
    assert counted(lambda: a.view(128).view(8, 16).transpose(0, 1)) == (0, 0)
    assert counted(lambda: torch.empty(100)) == (0, 0)
    assert counted(lambda: a[:1].expand(50, 16) + 0) == (0, F32 * (16 + 50 * 16))  # what is repeated is read once
    assert counted(lambda: a.add_(0)) == (0, F32 * 2 * 128)
    table, ids = torch.ones(1000, 8), torch.tensor([1, 2])
    assert counted(lambda: nn.functional.embedding(ids, table)) == (0, F32 * 2 * 16 + 2 * 8)


def test_products_within_products_are_counted_once():
    layer, x = nn.Linear(16, 4), torch.ones(2, 3, 16)
    flops, moved = counted(lambda: layer(x))
    assert flops == 2 * 6 * 16 * 4 and moved >= F32 * (6 * 16 + 16 * 4 + 4 + 6 * 4)


def test_the_triad_moves_three_arrays():
    call, moved = triad(CPU, 1000)
    assert moved == 12000 and torch.equal(call(), torch.full((1000,), 4.0))
    assert counted(call)[1] in (12000, 16000)  # with what was in the result's place


@pytest.mark.parametrize("task", ["recognize_3d", "estimate_pose"])
def test_stages_add_up_to_the_whole(task):
    trained = trained_model()
    trained.model.requires_grad_(False)
    predictor, w = Predictor(trained, "32-true"), workload(trained, task)

    def ask():
        return answer_many(predictor, task, w.question, w.classes)

    ask()  # the vocabulary's embedding is made once
    stages = count_stages(predictor.answering, ask)
    assert set(stages) == set(STAGES)
    assert sum(work.flops for work in stages.values()) == count_flops(ask)[0]
    assert all(stages[name].flops > 0 for name in ("tokenizer", "encoder", "decoder", "read-out"))
    times = stage_times(predictor.answering, ask, CPU)
    assert all(times[name] > 0 for name in STAGES)
    assert not predictor.answering.encoder._forward_hooks


def test_the_bound_is_the_greater_one():
    work = Work(100.0, 10.0, 3)
    told = bounded(work, 4.0, peak=50.0, bandwidth=10.0)
    assert (told["bound_s"], told["bound_by"], told["share_of_bound"]) == (2.0, "arithmetic", 0.5)
    assert bounded(work, 4.0, peak=1000.0, bandwidth=5.0)["bound_by"] == "memory"


@pytest.fixture(scope="module")
def record():
    return measure(trained_model(), replace(Settings(batch=2, rounds=1, seconds=0.0), tasks=("recognize_3d",)))


def test_the_record_tells_what_bounds_each_stage(record):
    json.dumps(record)
    assert record["memory"]["bytes_per_s"]["median"] > 1e8
    told = record["tasks"]["recognize_3d"]["roofline"]
    assert list(told) == [*STAGES, "inference", "training"]
    assert all(x["seconds"] > 0 and x["bytes"] > 0 for x in told.values())
    assert told["training"]["flops"] == pytest.approx(
        2 * record["tasks"]["recognize_3d"]["training"]["flops_per_sample"]
    )
    ((heading, html),) = sections(record)
    assert heading == "3D action recognition" and "<svg" in html and "read-out" in html


def test_records_are_compared_beside_their_own_matrix_product(record, tmp_path):
    assert all(ratio == 1 for ratio in compare(record, record).values())
    slow_machine = copy.deepcopy(record)
    for rate in slow_machine["matmul"]["flop_per_s"].values():
        rate["median"] /= 2
    for name in ("training", "inference", "assembly"):
        slow_machine["tasks"]["recognize_3d"][name]["samples_per_s"]["median"] /= 2
    slow_machine["tasks"]["recognize_3d"]["latency"]["p50_ms"] *= 2
    slow_machine["tasks"]["recognize_3d"]["decoding"]["cached_steps_per_s"]["median"] /= 2
    assert compare(record, slow_machine) == pytest.approx(dict.fromkeys(relative(record), 1.0))
    slow_machine["tasks"]["recognize_3d"]["training"]["samples_per_s"]["median"] /= 2
    assert compare(record, slow_machine)["recognize_3d, training"] == pytest.approx(0.5)
    other = copy.deepcopy(record)
    other["model"]["dtype"] = "bfloat16"
    with pytest.raises(SettingError, match="precision"):
        compare(record, other)
    other = copy.deepcopy(record)
    other["tasks"]["recognize_3d"]["training"]["batch"] = 3
    with pytest.raises(SettingError, match="batches"):
        compare(record, other)
    with pytest.raises(SettingError, match="in common"):
        compare(record, record | {"tasks": {}})
    (tmp_path / "bad.json").write_text("{}")
    for name in ("bad.json", "missing.json"):
        with pytest.raises(DataError):
            read_record(tmp_path / name)


@pytest.mark.slow
def test_the_command_tells_a_loss_by_its_exit_code(tmp_path):
    options = ["bench", "tiny", "--tasks", "recognize_3d", "--batch", "2", "--repeats", "1", "--seconds", "0"]
    assert main([*options, "--output", str(tmp_path / "a.json")]) == 0
    assert (tmp_path / "a.html").is_file()
    before = json.loads((tmp_path / "a.json").read_text())
    before["tasks"]["recognize_3d"]["inference"]["samples_per_s"]["median"] *= 1000
    (tmp_path / "a.json").write_text(json.dumps(before))
    assert main([*options, "--output", str(tmp_path / "b.json"), "--against", str(tmp_path / "a.json")]) == 1
