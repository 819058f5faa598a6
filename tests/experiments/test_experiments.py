"""Experiments: derived configs, equal samples, the same numbers from the same seed, nothing done twice, exact resume."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import helpers
import pytest
from rich.console import Console

from ups import recipes
from ups.checkpoint.create import new_model
from ups.cli import main
from ups.cli.experiments import List
from ups.config import Config
from ups.evaluation.results import read_record
from ups.experiments.runner import SETS, Experiment, comparison, experiments, listing, run, state
from ups.recipes import RECIPES, get_recipe
from ups.tasks import TASKS
from ups.training.batches import open_stores
from ups.training.loop import train

BASE = Config("test", helpers.MODEL, replace(helpers.TRAIN, cycles=2))


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Text features of the tests go to a folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UPS_CACHE", str(tmp_path_factory.mktemp("features")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Of two stores of 48 generated clips."""
    path = tmp_path_factory.mktemp("stores")
    helpers.synthetic_stores(path, 48)
    return path


@pytest.fixture(scope="module")
def claims() -> list[Experiment]:
    """The unified model, one separate twin, and one without routing; fine-tuned for one step."""
    names = ("unified", "separate_recognize_3d", "without_routing")
    return [e for e in experiments("claims", BASE, fine_tune=0.5) if e.name in names]


@pytest.fixture(scope="module")
def done(folder, claims, tmp_path_factory) -> Path:
    """Where those were run."""
    output = tmp_path_factory.mktemp("experiments")
    run(claims, folder, output)
    return output


def figures(output: Path) -> dict[str, dict]:
    """Results of every record below a folder, by its place."""
    return {str(p.relative_to(output)): read_record(p)["results"] for p in sorted(output.rglob("metrics.json"))}


def printed(content) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(content)
    return console.export_text()


@pytest.mark.parametrize("recipe", RECIPES)
def test_variants_differ_from_the_recipe_in_what_their_name_says(recipe):
    base = get_recipe(recipe)
    assert recipes.blocks(base, 5) == replace(base, model=replace(base.model, blocks=5))
    assert recipes.depth(base, 1) == replace(base, model=replace(base.model, layers=1))
    assert recipes.shorter(base, 0.5).train.cycles == base.train.cycles // 2
    assert recipes.shorter(base, 1e-9).train.cycles == 1
    for task in TASKS:
        alone = recipes.separate(base, task)
        (mix,) = alone.train.tasks
        assert mix in base.train.tasks and mix.task == task
        assert replace(alone, train=replace(alone.train, tasks=base.train.tasks)) == base
    double = recipes.bins(base, 2 * base.model.bins)
    assert double.train.smooth_bins / double.model.bins == base.train.smooth_bins / base.model.bins
    with pytest.raises(ValueError, match="no task 'dance'"):
        recipes.separate(base, "dance")
    with pytest.raises(ValueError, match="above 0"):
        recipes.shorter(base, 0)


def test_sets_name_each_config_once():
    base = get_recipe("small")  # L = 3, H = 2
    names = {name: [e.name for e in experiments(name, base)] for name in SETS}
    assert names["claims"] == ["unified", *(f"separate_{task}" for task in TASKS), "without_routing"]
    assert names["routing"] == ["unified", "routing_hard_all", "frozen_routes", "without_routing"]
    assert names["blocks"] == ["unified", "without_routing", "blocks_5"]
    assert names["depth"] == ["unified", "depth_1", "depth_5"]
    assert names["memory_and_vocabulary"] == [
        "unified", "bins_256", "bins_1024", "one_hot_bins", "full_inputs", "roberta",
    ]  # fmt: skip
    two = experiments("depth", base, (3, 4))
    assert [(e.name, e.config.train.seed) for e in two[:4]] == [
        ("unified", 3),
        ("depth_1", 3),
        ("depth_5", 3),
        ("unified", 4),
    ]
    assert experiments("depth", recipes.without_routing(base))[0].name == "unified"
    with pytest.raises(ValueError, match="unknown set of experiments 'all'; known: claims"):
        experiments("all", base)
    with pytest.raises(ValueError, match="0 seeds"):
        experiments("depth", base, ())


def test_everything_is_trained_and_measured_before_and_after_fine_tuning(done, claims):
    found = figures(done)
    runs = {"unified": list(TASKS), "without_routing": list(TASKS), "separate_recognize_3d": ["recognize_3d"]}
    expected = {f"{name}/seed_0/metrics.json" for name in runs}
    expected |= {f"{name}/seed_0/fine_tuned/{task}/metrics.json" for name, tasks in runs.items() for task in tasks}
    assert set(found) == expected
    assert len(found["unified/seed_0/metrics.json"]) == 4
    assert list(found["unified/seed_0/fine_tuned/anticipate/metrics.json"]) == ["anticipate/synthetic_3d:xsub"]
    assert all(state(e, done).done for e in claims)


def test_a_separate_twin_sees_as_many_samples(done):
    unified, alone = (read_record(done / name / "seed_0/metrics.json") for name in ("unified", "separate_recognize_3d"))
    mixes = [next(m for m in r["config"]["train"]["tasks"] if m["task"] == "recognize_3d") for r in (unified, alone)]
    assert mixes[0] == mixes[1] and unified["config"]["train"]["cycles"] == alone["config"]["train"]["cycles"]
    assert unified["steps"] == 4 * alone["steps"] == 8  # the four tasks take turns


def test_the_same_seed_gives_the_same_numbers(done, claims, folder, tmp_path):
    run(claims[:1], folder, tmp_path)
    again = figures(tmp_path)
    assert again == {key: value for key, value in figures(done).items() if key in again} and len(again) == 5


def test_an_interrupted_experiment_goes_on_to_the_same_numbers(done, claims, folder, tmp_path):
    unified = claims[0]
    stores = open_stores(unified.config.train, folder)
    train(new_model(unified.config, stores), stores, unified.folder(tmp_path), stop_after=3)
    known = state(unified, tmp_path)
    assert (known.step, known.records, known.done) == (3, (), False)
    assert "at step 3 of 8" in printed(listing(claims, tmp_path))
    run([unified], folder, tmp_path)
    again = figures(tmp_path)
    assert again == {key: value for key, value in figures(done).items() if key in again} and len(again) == 5


def test_what_is_done_is_left_alone_and_what_is_missing_is_done(done, claims, folder):
    def times() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in done.rglob("*") if path.is_file()}

    before = times()
    run(claims, folder, done)
    assert times() == before
    lost = done / "unified/seed_0/fine_tuned/recognize_2d/metrics.json"
    figures_before = read_record(lost)["results"]
    lost.unlink()
    assert not state(claims[0], done).done
    assert "trained; 4 of 5 models measured" in printed(listing(claims, done))
    run(claims, folder, done)
    changed = {path for path, time in times().items() if before.get(path) != time}
    assert changed == {lost} and read_record(lost)["results"] == figures_before


def test_runs_of_another_configuration_are_not_mixed_up(done, folder):
    others = experiments("claims", recipes.shorter(BASE, 0.5), fine_tune=1.0)
    with pytest.raises(ValueError, match="unified/seed_0: holds a run of unified, seed 0 with another configuration"):
        run(others, folder, done)
    longer = experiments("claims", BASE, fine_tune=1.0)
    with pytest.raises(ValueError, match="fine_tuned/estimate_pose: holds a run .* another --output"):
        state(longer[0], done)


def test_the_comparison_tells_differences_and_routes(done, claims):
    text = printed(comparison(claims, done))
    unified, alone = (
        100 * figures(done)[f"{name}/seed_0/metrics.json"]["recognize_3d/synthetic_3d:xsub"]["top1"]
        for name in ("unified", "separate_recognize_3d")
    )
    (row,) = [line for line in text.splitlines() if line.startswith("│ UPS_separate ")]
    assert f"{alone:.1f} ({round(alone - unified, 1) + 0.0:+.1f})" in row
    routes = read_record(done / "unified/seed_0/metrics.json")["routes"]
    assert "-".join(str(b + 1) for b in routes["anticipate"]) in text and "UPS without routing" in text


def test_an_experiment_that_fails_does_not_stop_the_others(folder, tmp_path):
    steep = replace(BASE, train=replace(BASE.train, learning_rate=1e30, warmup=0.0))
    wordless = recipes.text(BASE, "roberta:" + str(tmp_path / "none"))
    sound = Experiment("sound", recipes.separate(BASE, "recognize_3d"))
    chosen = [Experiment("steep", steep), Experiment("wordless", wordless), sound]
    with pytest.raises(RuntimeError, match="2 of 3 experiments could not be run: steep, seed 0: .*wordless, seed 0: "):
        run(chosen, folder, tmp_path)
    assert state(sound, tmp_path).done
    assert "nothing was measured yet" in printed(comparison(chosen[:2], tmp_path))


def test_the_command_knows_all_sets():
    assert get_args(get_type_hints(List)["set"]) == tuple(SETS)


def test_commands(tmp_path, capsys):
    where = ["--recipe", "tiny", "--share", "0.01", "--output", str(tmp_path)]
    assert main(["experiments", "list", "claims", "--seeds", "0", "1", *where]) == 0
    told = capsys.readouterr().out
    assert told.count("missing") == 12 and "separate_anticipate" in told
    assert main(["experiments", "report", "depth", *where]) == 0
    assert "nothing was measured yet" in capsys.readouterr().out
    assert main(["experiments", "run", "depth", *where, "--stores", str(tmp_path / "none")]) == 2
    assert "is not a store" in capsys.readouterr().err
    assert main(["experiments", "list", "depth", "--recipe", "huge"]) == 2
    assert "unknown recipe 'huge'" in capsys.readouterr().err
