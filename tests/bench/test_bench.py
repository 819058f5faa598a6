"""Timing, what `ups bench` writes, and that it counts what `ups describe` counts."""

import json
import math
import time
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import FRAMES, TRAIN, trained_model
from rich.console import Console

from ups.bench.fresh import answer_many
from ups.bench.inputs import at_shape, random_clip, shape_of
from ups.bench.measure import Settings, measure, tables
from ups.bench.timing import (
    WARM_UP,
    Spread,
    Timing,
    growth_exponent,
    interleaved,
    machine,
    matmul,
    number,
    peak_memory,
)
from ups.bench.workload import training_batches, workload
from ups.checkpoint.cost import cost, count_flops
from ups.cli import main
from ups.inference.predictor import Predictor
from ups.runtime.precision import computes_bfloat16
from ups.skeletons import H36M_17, KINECT_20, NTU_25
from ups.tasks import TASKS
from ups.training.run import Run

CPU = torch.device("cpu")
QUICK = Settings(batch=2, rounds=1, seconds=0.0)


@pytest.fixture(scope="module")
def record():
    return measure(trained_model(), replace(QUICK, tasks=("recognize_3d",)))


def leaves(value, path=""):
    """Every figure of a record with its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}/{key}")
    else:
        yield path, value


def test_calls_take_turns_and_every_second_round_goes_backwards():
    order = []
    calls = {name: (lambda name=name: order.append(name)) for name in "abc"}
    times = interleaved(calls, rounds=3, seconds=0.0, device=CPU)
    warm = [name for name in "abc" for _ in range(WARM_UP)]
    assert order == [*warm, *"abc", *"cba", *"abc"]
    assert {name: t.calls for name, t in times.items()} == {"a": 3, "b": 3, "c": 3}


def test_a_turn_lasts_as_long_as_asked():
    times = interleaved({"wait": lambda: time.sleep(0.002)}, rounds=2, seconds=0.02, device=CPU)["wait"]
    assert all(sum(seconds) >= 0.02 and sum(seconds[:-1]) < 0.02 for seconds in times.rounds)
    assert times.percentile(0) >= 0.002
    assert (times.rates(units=4) <= 4 / 0.002).all()


def test_at_least_one_round_is_needed():
    with pytest.raises(ValueError, match="0 rounds"):
        interleaved({"a": lambda: None}, 0, 0.0, CPU)


def test_rates_percentiles_and_spreads():
    t = Timing(((1.0, 3.0), (0.5, 0.5), (2.0, 2.0)))
    assert t.rates(10).tolist() == [5, 20, 5]
    assert t.percentile(0.5) == pytest.approx(1.5) and t.percentile(1) == 3 and t.calls == 6
    figure = Spread.of(t.rates(10))
    assert figure == Spread(5, 5, 20) and figure.scaled(2) == Spread(10, 10, 40)
    assert str(figure) == "5.00 (5.00..20.0)"


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.01234, "0.0123"), (9.999, "10.00"), (1234.5, "1,234"), (math.nan, "–")]
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_the_fit_finds_the_exponent_in_spite_of_fixed_costs(exponent):
    sizes = 2.0 ** np.arange(16)
    assert growth_exponent(sizes, 7 * sizes**exponent) == pytest.approx(exponent, abs=1e-9)
    assert growth_exponent(sizes, 7 * sizes**exponent + 10) == pytest.approx(exponent, abs=0.02)


@pytest.mark.parametrize(("sizes", "costs"), [([1, 2], [1, 0]), ([1, 2], [1]), ([0, 1], [1, 1]), ([3], [3])])
def test_the_fit_refuses_what_it_cannot_fit(sizes, costs):
    with pytest.raises(ValueError, match="sizes"):
        growth_exponent(sizes, costs)


def test_the_machine_is_told():
    facts = machine(CPU)
    assert facts["processor"] and facts["threads"] == torch.get_num_threads() and facts["device"] == "cpu"
    json.dumps(facts)


def test_peak_memory_is_what_was_held():
    before = peak_memory(CPU)
    if math.isnan(before):
        pytest.skip("this system does not tell")
    held = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    room = max(0, int(before * 1e6) - int(held.split()[1]) * 1024)  # what other tests of this process held before
    block = torch.ones(room + 64 * 2**20, dtype=torch.uint8)
    assert peak_memory(CPU) >= 64 and peak_memory(CPU) >= before
    del block
    assert peak_memory(CPU) >= before + 30  # it is the peak, though the block is gone


def test_the_yardstick_counts_its_operations():
    call, flops = matmul(torch.float32, CPU)
    assert count_flops(call)[0] == flops


@pytest.mark.parametrize("task", TASKS)
def test_generated_clips_are_what_the_task_reads(task):
    trained = trained_model()
    mix, skeleton, classes = shape_of(trained, task)
    assert (mix.frames, skeleton, classes) == (FRAMES, H36M_17, trained.vocabulary.classes)
    clips = [random_clip(task, skeleton, FRAMES, 2, 1, np.random.default_rng(seed)) for seed in range(3)]
    assert (clips[0].joints == random_clip(task, skeleton, FRAMES, 2, 1, np.random.default_rng(0)).joints).all()
    assert all(clip.visibility.all() for clip in clips)
    batches = training_batches(trained, replace(mix, batch=3), clips, classes)
    assert len(batches) == 1 and batches[0].poses.clips == 3 and batches[0].poses.joints.shape[0] == 6


def test_micro_batches_share_the_batch_out():
    trained = trained_model(replace(TRAIN, accumulate=2))
    w = workload(trained, "recognize_3d")
    batches = training_batches(trained, w.mix, w.clips, w.classes)
    assert [batch.poses.clips for batch in batches] == [2, 2]


def test_a_model_can_be_measured_at_another_shape():
    trained = trained_model()
    classes = trained.vocabulary.classes[:2]
    shaped = at_shape(trained, "recognize_3d", KINECT_20, 9, classes)
    assert shaped.model is trained.model
    predictor = Predictor(shaped)
    clip = random_clip("recognize_3d", KINECT_20, 5, 1, 0, np.random.default_rng(0))
    assert predictor.frames_of("recognize_3d") == 9 and predictor.drop_untrained_joints("recognize_3d", clip) is clip
    assert predictor.class_scores("recognize_3d", [clip], classes).shape == (1, 2)
    with pytest.raises(ValueError, match="it knows recognize_3d"):
        at_shape(shaped, "estimate_pose", NTU_25, 9)


def test_an_unknown_data_set_is_named():
    trained = replace(trained_model(), data_sets={})
    with pytest.raises(ValueError, match="synthetic_3d"):
        shape_of(trained, "anticipate")


@pytest.mark.parametrize("task", ["recognize_2d", "recognize_3d", "anticipate"])
def test_answering_costs_what_describe_tells(task):
    trained = trained_model()
    predictor, w = Predictor(trained), workload(trained, task)
    told = cost(trained, task, FRAMES, H36M_17).total
    embeddings, _ = count_flops(trained.model.vocabulary)
    one, _ = count_flops(lambda: predictor.ask(task, w.clips[0], w.classes))
    assert told <= one <= told + embeddings
    many, _ = count_flops(lambda: answer_many(predictor, task, w.question, w.classes))
    assert 0.9 * told < many / w.units <= told  # what is computed once a batch is shared out


def test_lifting_costs_what_describe_tells_where_one_frame_is_decoded_from_each_window():
    trained = trained_model()
    predictor, told = Predictor(trained), cost(trained, "estimate_pose", FRAMES, H36M_17).total
    embeddings, _ = count_flops(trained.model.vocabulary)
    clip = random_clip("estimate_pose", H36M_17, 8, 1, -1, np.random.default_rng(0))
    one, _ = count_flops(lambda: predictor.lift(clip.first(1), flip=False, stride=1))
    assert told <= one <= told + embeddings
    many, _ = count_flops(lambda: predictor.lift(clip, flip=False, stride=1))
    assert 0.9 * told < many / 8 <= told


def test_training_costs_about_three_answers(tmp_path):
    """Forward, and backward to inputs and to weights; layers before which nothing learns need only the latter."""
    trained = trained_model()
    w = workload(trained, "recognize_3d")
    told = cost(trained, "recognize_3d", FRAMES, H36M_17).total
    trained.model.requires_grad_(True).train()
    run = Run(trained, tmp_path)
    batches = training_batches(trained, w.mix, w.clips, w.classes)
    counted, _ = count_flops(lambda: run.take_step("recognize_3d", batches))
    logits = (
        2 * 3 * trained.vocabulary.size * trained.config.model.decoder_width * 2
    )  # over all tokens, not one group's
    assert 2 * told < counted / w.mix.batch < 3.2 * told + logits + 3 * count_flops(trained.model.vocabulary)[0]


def check_record(record):
    json.dumps(record)
    native = {"bfloat16"} if computes_bfloat16(torch.device("cpu")) else set()
    assert set(record["matmul"]["flop_per_s"]) == {"float32"} | native
    assert record["model"]["dtype"] == "float32"
    for found in record["tasks"].values():
        figures = dict(leaves(found))
        for name in ("training", "inference"):
            for figure in ("samples_per_s", "flop_per_s", "share_of_matmul"):
                low, middle, high = (figures[f"/{name}/{figure}/{key}"] for key in ("low", "median", "high"))
                assert 0 < low <= middle <= high
        wanted = {
            "/training/flops_per_sample", "/inference/flops_per_sample", "/assembly/samples_per_s/median",
            "/latency/p50_ms", "/latency/p95_ms", "/latency/calls", "/decoding/cached_steps_per_s/median",
            "/decoding/uncached_steps_per_s/median", "/decoding/cached_over_uncached/median", "/decoding/steps",
            "/first_answer/total_s/median", "/first_answer/load_s/median", "/first_answer/answer_s/median",
        }  # fmt: skip
        assert all(figures[path] > 0 for path in wanted)
        first = found["first_answer"]
        assert first["load_s"]["median"] + first["answer_s"]["median"] < first["total_s"]["median"]
        assert all(math.isnan(held) or held > 10 for held in found["peak_memory_mb"].values())
        assert found["training"]["batch"] == 2


def test_the_record_has_every_figure(record):
    check_record(record)
    assert list(record["tasks"]) == ["recognize_3d"]
    assert record["tasks"]["recognize_3d"]["decoding"]["steps"] == 2
    assert record["tasks"]["recognize_3d"]["inference"]["unit"] == "clip"


@pytest.mark.slow
def test_all_tasks_are_measured_where_none_is_named():
    record = measure(trained_model(), QUICK)
    check_record(record)
    assert list(record["tasks"]) == list(TASKS)
    assert record["tasks"]["estimate_pose"]["inference"]["unit"] == "frame"


def test_the_tables_show_the_figures(record):
    output = StringIO()
    Console(file=output, width=200).print(tables(record))
    text = output.getvalue()
    rate = record["tasks"]["recognize_3d"]["training"]["samples_per_s"]["median"]
    assert number(rate) in text and "matmul 2048 x 2048" in text
    assert text.count("recognize_3d") == 12


def test_a_task_that_the_model_does_not_know_is_refused():
    with pytest.raises(ValueError, match="it knows estimate_pose"):
        measure(trained_model(), Settings(tasks=("fly",)))


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    output = tmp_path / "bench.json"
    assert main(["bench", str(tmp_path / "nothing"), "--output", str(output)]) == 2
    assert main(["bench", "tiny", "--threads", "0", "--output", str(output)]) == 2
    assert main(["bench", "tiny", "--batch", "0", "--output", str(output)]) == 2
    assert main(["bench", "tiny", "--repeats", "0", "--output", str(output)]) == 2
    assert "neither a checkpoint folder nor a recipe" in capsys.readouterr().err
    assert not output.exists()
