"""Several processes do together what one does alone: losses, weights, figures, and going on after an end."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from distributed_worker import STEPS, micro_experiments, model, paper, take_steps
from helpers import MODEL, synthetic_stores

from ups.checkpoint.io import load, load_training, save
from ups.data.loader import prefetch
from ups.data.store.store import Store
from ups.evaluation.evaluate import evaluate
from ups.evaluation.results import read_record
from ups.experiments.runner import run
from ups.inference.predictor import Predictor
from ups.training.batches import streams_of
from ups.training.loop import train
from ups.training.progress import read_log
from ups.training.run import Run

TESTS = Path(__file__).parents[1]


def torchrun(part: str, folder: Path, seconds: float = 300) -> subprocess.CompletedProcess[str]:
    """Part `part` of distributed_worker.py in two processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [*command, str(TESTS / "distributed_worker.py"), part, str(folder)], env=environment, timeout=seconds, text=True,
        capture_output=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with prepared stores."""
    folder = tmp_path_factory.mktemp("together")
    synthetic_stores(folder / "stores", clips=70)
    return folder


@pytest.fixture(scope="module")
def data(folder: Path) -> dict[str, Store]:
    return {name: Store.open(folder / "stores" / name) for name in ("synthetic_2d", "synthetic_3d")}


@pytest.fixture(scope="module")
def alone(folder: Path, data: dict[str, Store]) -> dict[str, torch.Tensor]:
    """Weights of the run that one process makes, cut and resumed as those of two are."""
    train(model(), data, folder / "alone", stop_after=5)
    return dict(train(model(), data, folder / "alone").model.state_dict())


@pytest.fixture(scope="module")
def together(folder: Path) -> list[dict]:
    """What each of two processes tells of part "train"."""
    done = torchrun("train", folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"train-{rank}.json").read_text()) for rank in range(2)]


def assert_close(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    """Equal up to rounding; but no loss depends on the bias of the decoder's keys, so AdamW steps by rounding alone."""
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        compared = torch.ones(len(value), dtype=torch.bool) if value.dim() else torch.tensor(True)
        if name.startswith("decoder.") and name.endswith(("qkv.bias", "key_value.bias")):
            width = MODEL.decoder_width
            compared[(first := width if "qkv" in name else 0) : first + width] = False
        torch.testing.assert_close(
            value[compared], theirs[name][compared], atol=6e-4, rtol=2e-3, msg=lambda text, n=name: f"{n}: {text}"
        )


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_train_as_one(folder, alone, together, strategy):
    entries, expected = read_log(folder / strategy), read_log(folder / "alone")
    assert [e["step"] for e in entries] == list(range(1, 13)) == [e["step"] for e in expected]
    for entry, other in zip(entries, expected, strict=True):
        assert entry["losses"] == pytest.approx(other["losses"], rel=1e-4) and entry["routes"] == other["routes"]
    assert together[0][strategy] == together[1][strategy]  # bit for bit the same model in both
    assert_close(dict(load(folder / strategy / "checkpoint").model.state_dict()), alone)
    assert load_training(folder / strategy / "checkpoint") is None


@pytest.mark.slow
def test_a_signal_to_one_process_ends_all_after_the_step(folder, data, alone, together):
    assert together[0]["stopped"] and together[1]["stopped"]
    state = load_training(folder / "stopped" / "checkpoint")
    assert state is not None and state["facts"]["step"] == 6
    resumed = train(model(), data, folder / "stopped")  # by one process: their number is no part of the run
    assert_close(dict(resumed.model.state_dict()), alone)


@pytest.mark.slow
def test_no_clip_is_measured_twice_or_left_out(folder, data, together):
    expected = json.loads(json.dumps(evaluate(Predictor(model()), folder / "stores")))
    assert together[0]["results"] == together[1]["results"] == expected
    clips = {metrics["clips"] for metrics in expected.values()}
    assert clips == {21}  # batches of 8, the last one smaller: two for one process, one for the other


@pytest.mark.slow
def test_two_processes_run_experiments_as_one(folder, data):
    done = torchrun("experiments", folder)
    assert done.returncode == 0, done.stderr[-3000:]
    run(micro_experiments(), folder / "stores", folder / "experiments_alone")

    def figures(name: str) -> dict[str, dict]:
        below = folder / name
        return {str(p.relative_to(below)): read_record(p)["results"] for p in sorted(below.rglob("metrics.json"))}

    together, alone = figures("experiments"), figures("experiments_alone")
    assert len(together) == 7 and {k: list(v) for k, v in together.items()} == {k: list(v) for k, v in alone.items()}
    for place, results in together.items():
        for key, metrics in results.items():
            assert metrics["clips"] == alone[place][key]["clips"] == 21
            if "mpjpe_mm" in metrics:  # accuracies of untrained models hang on rounding
                assert metrics["mpjpe_mm"] == pytest.approx(alone[place][key]["mpjpe_mm"], rel=1e-2)


@pytest.mark.slow
def test_a_killed_run_goes_on(folder, alone):
    first = torchrun("killed", folder)
    assert first.returncode != 0 and "SIGKILL" in first.stderr
    state = load_training(folder / "killed" / "checkpoint")
    assert state is not None and 0 < state["facts"]["step"] < 12
    second = torchrun("killed", folder)
    assert second.returncode == 0, second.stderr[-3000:]
    assert_close(dict(load(folder / "killed" / "checkpoint").model.state_dict()), alone)


@pytest.mark.slow
def test_srun_starts_processes_too(folder, data):
    """The command `ups evaluate`, with the variables that srun sets."""
    trained = model()
    save(trained, folder / "model", dict(trained.model.state_dict()))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    known = {
        "SLURM_JOB_ID": "71", "SLURM_JOB_NAME": "test", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_NUM_NODES": "1", "SLURM_NNODES": "1", "SLURM_NODEID": "0", "SLURM_NODELIST": "127.0.0.1",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "",
    }  # fmt: skip
    command = [sys.executable, "-m", "ups.cli", "evaluate", str(folder / "model"), "--stores", str(folder / "stores")]
    children = [
        subprocess.Popen(
            [*command, "--tasks", "recognize_3d", "--output", str(folder / "figures.json")],
            env=os.environ | known | {"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        for rank in range(2)
    ]
    told = [child.communicate(timeout=300) for child in children]
    assert [child.returncode for child in children] == [0, 0], told
    assert "all figures" in told[0][0] and told[1][0] == ""
    results = json.loads((folder / "figures.json").read_text())["results"]
    assert results == json.loads(json.dumps(evaluate(Predictor(trained), folder / "stores", tasks=("recognize_3d",))))


@pytest.mark.slow
def test_the_paper_recipe_takes_steps_alone_and_with_shared_blocks(folder, data):
    trained = paper()
    size = sum(p.numel() for p in trained.model.parameters())
    blocks = sum(p.numel() for p in trained.model.encoder.parameters())
    before = trained.model.tokenizer.embed.weight.clone()
    run, losses = take_steps(trained, data, folder / "alone-paper")
    assert all(np.isfinite(losses)) and not torch.equal(before, run.model.tokenizer.embed.weight)
    del trained, run
    done = torchrun("paper", folder)
    assert done.returncode == 0, done.stderr[-3000:]
    facts = [json.loads((folder / f"paper-{rank}.json").read_text()) for rank in range(2)]
    assert facts[0]["losses"] == facts[1]["losses"] == pytest.approx(losses, rel=2e-2)  # bfloat16
    assert sum(fact["held"] for fact in facts) == blocks + 2 * (size - blocks)
    assert size - blocks < 0.05 * size


def test_processes_share_out_the_micro_batches_of_a_step(data):
    trained = model()
    trained = replace(trained, config=replace(trained.config, train=replace(STEPS, accumulate=4)))
    streams = streams_of(trained, data)
    whole = list(prefetch(streams, 2, 0, 4))
    shares = [list(prefetch(streams, 2, workers, 4, process, 2)) for process, workers in ((0, 1), (1, 0))]
    assert len(whole) == 4 * (12 - 2) and [len(share) for share in shares] == [20, 20]
    merged = [shares[i // 2 % 2][i // 4 * 2 + i % 2] for i in range(len(whole))]
    for batch, other in zip(whole, merged, strict=True):
        assert torch.equal(batch.tokens, other.tokens) and torch.equal(batch.poses.joints, other.poses.joints)


def test_micro_batches_of_a_step_take_one_route_in_training():
    router = model().model.router.train()
    router.noise, router.seed = 1.0, 5
    routes = [router.select(0)[0] for _ in range(5)]
    assert routes == [routes[0]] * 5
    routes = []
    for router.seed in range(30):
        routes.append(tuple(router.select(0)[0]))
    assert len(set(routes)) > 1


def test_a_step_that_cant_be_shared_is_refused(tmp_path, monkeypatch):
    from ups.training import run

    fabric = run.start()
    monkeypatch.setattr(type(fabric), "world_size", property(lambda _: 3))
    with pytest.raises(
        ValueError, match=r"2 micro-batches a step can't be shared by 3 processes; set train.accumulate to 3"
    ):
        Run(model(), tmp_path)
