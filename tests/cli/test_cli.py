"""The command line, run in this process on a few generated clips: what it does, writes, prints, and how it fails."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import helpers
import numpy as np
import pytest
import torch
from matplotlib.image import imread
from safetensors.torch import load_file

from ups.checkpoint.cost import cost
from ups.checkpoint.create import untrained
from ups.checkpoint.describe import components
from ups.checkpoint.io import load, save
from ups.cli import main
from ups.cli.train import Describe
from ups.data.datasets import synthetic
from ups.data.datasets.synthetic import generate_2d
from ups.data.formats.native import write_file
from ups.data.open_file import read_file
from ups.data.store.store import Store
from ups.recipes import RECIPES
from ups.skeletons import H36M_17
from ups.tasks import TASKS
from ups.training import loop as training

SIZES = (
    "--model.joint-width 8 --model.frame-width 16 --model.frame-heads 2 --model.frame-mlp 16 --model.decoder-width 16 "
    "--model.decoder-heads 2 --model.bins 16 --train.precision 32-true --train.workers 0 "
    + " ".join(f"--train.tasks.{i}.batch 4 --train.tasks.{i}.frames 6" for i in range(4))
).split()
CYCLES = 2
STEPS = CYCLES * len(TASKS)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    helpers.synthetic_stores(folder / "stores", 48)
    return folder


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Text features of the tests go to a folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UPS_CACHE", str(tmp_path_factory.mktemp("features")))
        patch.delenv("UPS_TRACEBACK", raising=False)
        yield


def train_arguments(base: Path, output: Path, *more: str) -> list[str]:
    run = ["--output", str(output), "--stores", str(base / "stores"), "--train.cycles", str(CYCLES)]
    return ["train", "tiny", *run, *SIZES, *more]


@pytest.fixture(scope="module")
def run(base) -> Path:
    """A finished run of all four tasks."""
    assert main(train_arguments(base, base / "run")) == 0
    return base / "run"


@pytest.fixture(scope="module")
def recordings(base) -> dict[str, Path]:
    three, two = next(synthetic.generate_3d(1))[0], next(synthetic.generate_2d(1))[0]
    write_file(three, base / "three.npz")
    write_file(two, base / "two.npz")
    return {"3d": base / "three.npz", "2d": base / "two.npz"}


def fails(capsys, arguments: list[str], *expected: str, code: int = 2) -> None:
    """The command ends with `code` and one line on stderr that holds every expected text."""
    capsys.readouterr()
    assert main(arguments) == code
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("ups: ")]
    assert len(lines) == 1 and "Traceback" not in err
    for text in expected:
        assert text in lines[0]
    assert code == 1 or out == ""


def test_help_answers_without_the_heavy_libraries():
    code = (
        "import sys\nfrom ups.cli import main\n"
        "try:\n    main(['train', 'tiny', '--help'])\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'torch', 'matplotlib', 'scipy', 'lightning_fabric'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    for text in (
        "--train.cycles",
        "--model.joint-width",
        "--train.tasks.0.batch",
        "Width d of a joint token",
        "--output",
    ):
        assert text in done.stdout


def test_data_commands(tmp_path, capsys):
    assert main(["data", "list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in ("nw_ucla", "utd_mhad", "penn_action", "humaneva", "synthetic_3d"))
    assert main(["data", "prepare", "synthetic_3d", "--output", str(tmp_path)]) == 0
    assert "960 clips, 0 recordings could not be used" in capsys.readouterr().out
    assert main(["data", "info", str(tmp_path / "synthetic_3d")]) == 0
    told = capsys.readouterr().out
    assert "world" in told and "h36m-17" in told and "672 / 288" in told


def test_data_commands_say_what_is_wrong(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("UPS_DATA", raising=False)
    output = ["--output", str(tmp_path)]
    fails(capsys, ["data", "prepare", "nw_ucla", *output], "where are the files of nw_ucla", "UPS_DATA")
    fails(capsys, ["data", "prepare", "nw_ucla", "--source", str(tmp_path / "none"), *output], str(tmp_path / "none"))
    fails(
        capsys,
        ["data", "prepare", "nonsense", "--source", ".", *output],
        "unknown data set 'nonsense'",
        "ups data table .",
    )
    fails(capsys, ["data", "info", str(tmp_path / "absent")], "is not a store", "prepare")
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_stopped_continues_to_the_same_weights(base, run, capsys):
    output = base / "in_parts"
    assert main(train_arguments(base, output, "--stop-after", "3")) == 0
    assert f"step 3 of {STEPS}; the same command continues" in capsys.readouterr().out
    assert main(train_arguments(base, output)) == 0
    out, err = capsys.readouterr()
    assert f"continuing {output / 'checkpoint'} at step 3 of {STEPS}" in err
    assert f"trained, {STEPS} steps" in out
    whole, parts = (load_file(folder / "checkpoint" / "weights.safetensors") for folder in (run, output))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_settings_are_taken_from_the_command_line(run):
    config = json.loads((run / "checkpoint" / "model.json").read_text())["config"]
    assert config["name"] == "tiny"
    assert config["model"]["bins"] == 16 and config["model"]["joint_width"] == 8
    assert config["train"]["cycles"] == CYCLES and config["train"]["tasks"][2]["frames"] == 6
    assert config["train"]["learning_rate"] == RECIPES["tiny"].train.learning_rate


def test_ctrl_c_saves_and_the_same_command_continues(base, capsys, monkeypatch):
    step = training.Run.take_step

    def interrupted(self, task, batches):
        loss = step(self, task, batches)
        if self.step == 2:
            signal.raise_signal(signal.SIGINT)
        return loss

    output = base / "interrupted"
    with monkeypatch.context() as patch:
        patch.setattr(training.Run, "take_step", interrupted)
        assert main(train_arguments(base, output)) == 130
    assert "interrupted at step 2" in (err := capsys.readouterr().err) and "the same command continues" in err
    assert main(train_arguments(base, output)) == 0
    assert "at step 2 of" in capsys.readouterr().err


def test_training_says_what_is_wrong(base, run, tmp_path, capsys):
    fails(capsys, train_arguments(base, run), "training is finished", "--output")
    missing = ["train", "tiny", "--output", str(tmp_path / "new"), "--stores", str(tmp_path / "none")]
    fails(capsys, missing, "none/synthetic_2d is not a store", "prepare the data set first")
    (tmp_path / "file").write_text("")
    fails(capsys, train_arguments(base, tmp_path / "file" / "run"), str(tmp_path / "file"))
    assert main(train_arguments(base, tmp_path / "other", "--stop-after", "1")) == 0
    fails(capsys, train_arguments(base, tmp_path / "other", "--train.seed", "5"), "another configuration")
    protocol = ("--train.tasks.0.data", "synthetic_2d:by_moon")
    fails(capsys, train_arguments(base, tmp_path / "x", *protocol), "unknown protocol 'by_moon'", "xsub")
    with pytest.raises(SystemExit) as end:
        main(["train", "huge", "--output", str(tmp_path / "x")])
    assert end.value.code == 2
    told = capsys.readouterr()
    assert all(recipe in told.out + told.err for recipe in RECIPES)


def test_a_run_that_fails_exits_with_1(base, tmp_path, capsys):
    steep = ("--train.learning-rate", "1e30", "--train.warmup", "0")
    fails(
        capsys, train_arguments(base, tmp_path / "run", *steep), "the loss of task", "lower the learning rate", code=1
    )


def test_traceback_on_demand(tmp_path, monkeypatch):
    monkeypatch.setenv("UPS_TRACEBACK", "1")
    with pytest.raises(ValueError, match="no checkpoint there"):
        main(["evaluate", str(tmp_path)])


def test_fine_tune_trains_one_task_along_its_route(base, run, capsys):
    arguments = ["fine-tune", str(run / "checkpoint"), "--stores", str(base / "stores"), "--cycles", "3"]
    arguments += ["--learning-rate", "1e-3", "--task", "recognize_3d"]
    assert main([*arguments, "--output", str(base / "tuned")]) == 0
    assert "trained, 3 steps" in capsys.readouterr().out
    before, after = (load_file(folder / "checkpoint" / "weights.safetensors") for folder in (run, base / "tuned"))
    assert torch.equal(before["router.task"], after["router.task"])
    changed = [key for key in before if not torch.equal(before[key], after[key])]
    assert any(key.startswith("decoder.") for key in changed)
    routes = [load(folder / "checkpoint").model.routes() for folder in (run, base / "tuned")]
    assert routes[0] == routes[1]
    fails(capsys, [*arguments[:-1], "dance", "--output", str(base / "x")], "unknown task 'dance'", "recognize_3d")


def test_a_run_can_begin_with_a_models_weights(base, run, tmp_path, capsys):
    start = ("--start", str(run / "checkpoint"), "--train.explore", "0")
    assert main(train_arguments(base, tmp_path / "still", *start, "--train.learning-rate", "0")) == 0
    before, after = (load_file(folder / "checkpoint" / "weights.safetensors") for folder in (run, tmp_path / "still"))
    assert before.keys() == after.keys()
    for key, value in before.items():
        torch.testing.assert_close(after[key], value, msg=key)
    assert load(tmp_path / "still" / "checkpoint").steps == STEPS
    other = train_arguments(base, tmp_path / "other", *start, "--model.bins", "64")
    fails(capsys, other, "the model to start from has a different architecture", "bins is", "the run's 64")


def test_evaluate_writes_all_figures_with_where_they_come_from(base, run, capsys):
    arguments = ["evaluate", str(run / "checkpoint"), "--stores", str(base / "stores")]
    assert main(arguments) == 0
    told = capsys.readouterr().out
    record = json.loads((run / "metrics.json").read_text())
    assert record["checkpoint"] == str(run / "checkpoint") and record["split"] == "test"
    assert (record["recipe"], record["steps"], record["seed"]) == ("tiny", STEPS, 0)
    assert record["torch"] == torch.__version__
    results = record["results"]
    assert set(results) == {
        "estimate_pose/synthetic_2d:xsub",
        "recognize_2d/synthetic_2d:xsub",
        "anticipate/synthetic_3d:xsub",
        "recognize_3d/synthetic_3d:xsub",
    }
    assert f"{results['estimate_pose/synthetic_2d:xsub']['mpjpe_mm']:.1f} mm" in told
    assert f"{results['recognize_3d/synthetic_3d:xsub']['top1']:.1%}" in told
    for action, error in results["estimate_pose/synthetic_2d:xsub"]["mpjpe_mm_per_action"].items():
        assert action in told and f"{error:.1f}" in told
    chosen = base / "chosen.json"
    assert main([*arguments, "--tasks", "anticipate", "--output", str(chosen)]) == 0
    assert json.loads(chosen.read_text())["results"] == {key: results[key] for key in results if "anticipate" in key}


def test_evaluate_says_what_is_wrong(base, run, tmp_path, capsys):
    stores = ["--stores", str(base / "stores")]
    fails(capsys, ["evaluate", str(tmp_path / "none"), *stores], "no checkpoint there")
    checkpoint = str(run / "checkpoint")
    fails(capsys, ["evaluate", checkpoint, "--stores", str(tmp_path)], "is not a store")
    fails(capsys, ["evaluate", checkpoint, *stores, "--tasks", "dance"], "dance", "recognize_2d")
    fails(capsys, ["evaluate", checkpoint, *stores, "--split", "validation"], "hold-out")
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in (run / "checkpoint").iterdir():
        (damaged / file.name).write_bytes(file.read_bytes())
    weights = damaged / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    fails(capsys, ["evaluate", str(damaged), *stores], str(weights), "is the copy complete")
    (tmp_path / "file").write_text("")
    output = ["--tasks", "recognize_3d", "--output", str(tmp_path / "file" / "metrics.json")]
    fails(capsys, ["evaluate", checkpoint, *stores, *output], str(tmp_path / "file"))


@pytest.mark.parametrize(("task", "file"), [("recognize_3d", "3d"), ("recognize_2d", "2d"), ("anticipate", "3d")])
def test_predict_an_action(run, recordings, tmp_path, capsys, task, file):
    arguments = ["predict", str(recordings[file]), "--task", task, "--model", str(run / "checkpoint")]
    assert main([*arguments, "--top", "16", "--plot", str(tmp_path / "answer.png")]) == 0
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert answer["task"] == task and answer["skeleton"] == "h36m-17" and answer["persons"] == 1
    chances = [entry["probability"] for entry in answer["answers"]]
    assert chances == sorted(chances, reverse=True) and abs(sum(chances) - 1) < 1e-5
    assert {entry["class"] for entry in answer["answers"]} == set(synthetic.CLASSES)
    assert answer["best"] == answer["answers"][0]["class"]
    assert "answer.png" in err and imread(tmp_path / "answer.png").shape[0] > 100


def test_predict_among_given_classes(run, recordings, capsys):
    arguments = ["predict", str(recordings["3d"]), "--task", "recognize_3d", "--model", str(run / "checkpoint")]
    assert main([*arguments, "--classes", "walk, Sit_Down"]) == 0
    answers = json.loads(capsys.readouterr().out)["answers"]
    assert {entry["class"] for entry in answers} == {"walk", "Sit_Down"}
    assert abs(sum(entry["probability"] for entry in answers) - 1) < 1e-5
    assert main([*arguments, "--data-set", "synthetic_3d", "--top", "3"]) == 0
    assert len(json.loads(capsys.readouterr().out)["answers"]) == 3


def test_predict_what_is_done_when(run, recordings, capsys):
    arguments = ["predict", str(recordings["3d"]), "--timeline", "--model", str(run / "checkpoint")]
    assert main(arguments) == 0
    said = capsys.readouterr()
    answer = json.loads(said.out)
    segments = answer["timeline"]
    assert segments[0]["start"] == 0 and segments[-1]["end"] == pytest.approx(
        answer["frames"] / answer["fps"], abs=1e-3
    )
    assert all(s["action"] in synthetic.CLASSES or s["why"] in ("unknown", "nobody") for s in segments)
    assert len(said.err.strip().splitlines()) >= len(segments) and f"{segments[-1]['end']:.2f} s" in said.err
    planar = [
        "predict",
        str(recordings["2d"]),
        "--timeline",
        "--task",
        "estimate_pose",
        "--model",
        str(run / "checkpoint"),
    ]
    fails(capsys, planar, "--timeline tells actions")


def test_predict_3d_poses(run, recordings, tmp_path, capsys):
    arguments = ["predict", str(recordings["2d"]), "--task", "estimate_pose", "--model", str(run / "checkpoint")]
    assert main([*arguments, "--plot", str(tmp_path / "lifted.png")]) == 0
    answer = json.loads(capsys.readouterr().out)
    joints = np.array(answer["joints"])
    assert joints.shape == (1, answer["frames"], 17, 3)
    assert np.array(answer["spread"]).shape == joints.shape[:-1]
    assert answer["joint_names"] == list(H36M_17.joints)
    assert (joints[:, :, H36M_17.joints.index("pelvis")] == 0).all() and np.abs(joints).max() <= 1.2
    assert imread(tmp_path / "lifted.png").shape[0] > 100


def test_predict_says_what_is_wrong(run, recordings, tmp_path, capsys):
    model = ["--model", str(run / "checkpoint")]
    three = str(recordings["3d"])
    fails(capsys, ["predict", str(tmp_path / "no.npz"), "--task", "estimate_pose", *model], "no.npz: no such file")
    fails(capsys, ["predict", three, "--task", "estimate_pose", *model], "2D", "world")
    fails(capsys, ["predict", three, "--task", "lift", *model], "unknown task 'lift'; known: estimate_pose")
    ask = ["predict", three, "--task", "recognize_3d"]
    fails(capsys, [*ask, "--model", str(tmp_path)], "no checkpoint there")
    fails(capsys, [*ask, *model, "--classes", "wlak"], "did you mean 'walk'")
    fails(capsys, [*ask, *model, "--classes", "walk", "--data-set", "synthetic_3d"], "either --classes or --data-set")
    fails(capsys, [*ask, *model, "--data-set", "ntu60"], "ntu60", "synthetic_3d")
    fails(capsys, [*ask, *model, "--top", "0"], "at least 1")
    (tmp_path / "damaged.npz").write_bytes(recordings["3d"].read_bytes()[:-50])
    fails(capsys, ["predict", str(tmp_path / "damaged.npz"), "--task", "recognize_3d", *model], "damaged.npz")


def test_describe(run, capsys):
    assert main(["describe", str(run / "checkpoint")]) == 0
    told = capsys.readouterr().out
    assert f"{STEPS} steps of training" in told and "1 MAC = 2 FLOPs" in told
    assert all(task in told for task in TASKS) and "The first horizontal coordinate" in told
    assert main(["describe", "tiny", "--frames", "50", "--skeleton", "coco-17"]) == 0
    told = capsys.readouterr().out
    assert "not trained" in told and told.count("17 (coco-17)") == len(TASKS)
    fails(capsys, ["describe", "huge"], "neither a checkpoint folder nor a recipe", "tiny")
    fails(capsys, ["describe", "tiny", "--frames", "0"], "at least 1")
    fails(capsys, ["describe", "tiny", "--skeleton", "spider"], "spider")


def test_parameters_are_all_counted():
    trained = helpers.trained_model()
    counts = components(trained.model)
    assert sum(counts.values()) == sum(p.numel() for p in trained.model.parameters())
    assert all(counts.values())


def test_cost_agrees_with_a_count_by_hand():
    trained = helpers.trained_model()
    short, long = (cost(trained, "recognize_3d", frames, H36M_17) for frames in (8, 9))
    width, layers = helpers.MODEL.decoder_width, helpers.MODEL.decoder_layers
    steps = 1  # the end of the task is the only token allowed after the action, so it costs nothing
    keys_and_values = 2 * width * (2 * width)
    scores_and_mixture = steps * (2 * width + 2 * width)
    assert long.decoder - short.decoder == layers * (keys_and_values + scores_and_mixture)
    assert short.encoder < long.encoder < 1.2 * short.encoder
    block = sum(p.numel() for p in trained.model.encoder.layers[0][0].parameters())  # type: ignore[index]
    assert short.parameters == sum(components(trained.model).values()) - helpers.MODEL.layers * block


def test_dense_routing_uses_every_block():
    dense = helpers.trained_model(model=replace(helpers.MODEL, routing="dense"))
    chosen = helpers.trained_model()
    costs = [cost(trained, "recognize_3d", 8, H36M_17) for trained in (dense, chosen)]
    assert costs[0].parameters == sum(components(dense.model).values()) > costs[1].parameters
    assert costs[0].encoder > 1.5 * costs[1].encoder


def test_an_untrained_model_knows_the_classes_of_its_data_sets():
    trained = untrained(RECIPES["tiny"])
    assert trained.vocabulary.classes == synthetic.CLASSES
    assert set(trained.data_sets) == {"synthetic_2d", "synthetic_3d"}


def test_a_checkpoint_of_unknown_version_is_refused(tmp_path, capsys):
    trained = helpers.trained_model()
    save(trained, tmp_path / "model", dict(trained.model.state_dict()))
    facts = json.loads((tmp_path / "model" / "model.json").read_text())
    (tmp_path / "model" / "model.json").write_text(json.dumps({**facts, "format": 99}))
    fails(capsys, ["describe", str(tmp_path / "model")], "checkpoint format 99")


def test_check_of_files_that_do_not_tell_the_image_size(tmp_path, capsys):
    keypoints = np.random.default_rng(0).uniform(1, 90, (17, 3)).ravel().tolist()
    results = [{"image_id": i, "keypoints": keypoints, "score": 0.9} for i in range(9)]
    (tmp_path / "results.json").write_text(json.dumps(results))
    picture = tmp_path / "a.png"
    assert main(["data", "check", str(tmp_path / "results.json"), "--plot", str(picture)]) == 2
    assert "how large the images are" in capsys.readouterr().out
    main(["data", "check", str(tmp_path / "results.json"), "--image-size", "100", "100", "--plot", str(picture)])
    assert "images are" not in capsys.readouterr().out and picture.read_bytes().startswith(b"\x89PNG")


def test_own_recordings_from_check_to_export(tmp_path, capsys):
    folder, stores = tmp_path / "mine", tmp_path / "stores"
    folder.mkdir()
    rows = ["file,label,subject,split"]
    for i, (clip, _) in enumerate(generate_2d(4)):
        write_file(clip, folder / f"{i}.npz")
        rows.append(f"{i}.npz,{('wave', 'sit down')[i % 2]},{('anna', 'bert')[i // 2]},{('train', 'test')[i // 2]}")
    (folder / "clips.csv").write_text("\n".join(rows))
    assert main(["data", "check", str(folder), "--plot", str(tmp_path / "first.png")]) == 0
    assert "nothing found that looks wrong" in capsys.readouterr().out
    assert (tmp_path / "first.png").read_bytes().startswith(b"\x89PNG")
    assert main(["data", "prepare", "mine", "--source", str(folder), "--output", str(stores)]) == 0
    assert main(["data", "export", str(stores / "mine"), "--format", "pyskl", "--output", str(tmp_path / "a.pkl")]) == 0
    assert (
        main(["data", "export", str(stores / "mine"), "--format", "videopose3d", "--output", str(tmp_path / "v")]) == 0
    )
    assert len(list((tmp_path / "v").iterdir())) == 2
    names = tmp_path / "names.txt"
    names.write_text("sit down\nwave\n")
    pickled = ["--source", str(tmp_path / "a.pkl"), "--classes", str(names)]
    assert main(["data", "prepare", "back", *pickled, "--output", str(stores)]) == 0
    mine, back = Store.open(stores / "mine"), Store.open(stores / "back")
    assert back.classes == mine.classes == ("sit down", "wave")
    for name in mine.ids:
        a, b = mine[mine.ids.index(name)], back[back.ids.index(name)]
        assert np.array_equal(a.joints, b.joints) and a.label == b.label

    (folder / "0.npz").write_bytes(b"no longer a recording")
    assert main(["data", "check", str(folder), "--plot", str(tmp_path / "second.png")]) == 2
    assert (tmp_path / "second.png").is_file(), "the first recording that can be read is drawn"
    captured = capsys.readouterr()
    assert "0.npz" in captured.out and "1 errors" in captured.err
    assert main(["data", "prepare", "other", "--source", str(tmp_path), "--output", str(stores)]) == 2
    assert "unknown data set 'other'" in capsys.readouterr().err


def test_a_map_of_joints_from_proposal_to_answer(run, tmp_path, capsys):
    """A recording whose joints nobody names: proposed, drawn, checked, prepared and answered with the map."""
    folder, stores = tmp_path / "mine", tmp_path / "stores"
    folder.mkdir()
    rows = ["file,label,split"]
    for i, (clip, _) in enumerate(generate_2d(4)):
        np.savez(
            folder / f"{i}.npz",
            joints=clip.joints,
            image_size=clip.image_size,
            fps=30,
            joint_names=[*"abcdefghijklmnopq"],
        )
        rows.append(f"{i}.npz,{('wave', 'sit down')[i % 2]},{('train', 'test')[i // 2]}")
    (folder / "clips.csv").write_text("\n".join(rows))
    first, model = str(folder / "0.npz"), ["--task", "recognize_2d", "--model", str(run / "checkpoint")]
    fails(capsys, ["predict", first, *model], "'a' is no known joint")
    joint_map = folder / "joint_map.toml"
    proposed = ["data", "joints", first, "--output", str(joint_map)]
    assert main([*proposed]) == 0
    captured = capsys.readouterr()
    assert "17 of 17 joints" in captured.out and "in the order of h36m-17" in captured.err
    assert 'a = "pelvis"' in joint_map.read_text()
    fails(capsys, proposed, "exists; remove it")
    assert main(["predict", first, *model, "--joint-map", str(joint_map)]) == 0
    assert json.loads(capsys.readouterr().out)["skeleton"] == "h36m-17"
    assert main(["data", "check", first, "--joint-map", str(joint_map)]) == 0
    assert main(["data", "check", str(folder)]) == 0
    assert main(["data", "prepare", "mine", "--source", str(folder), "--output", str(stores)]) == 0
    assert Store.open(stores / "mine").skeleton.joints == H36M_17.joints
    joint_map.rename(tmp_path / "other.toml")
    elsewhere = ["--joint-map", str(tmp_path / "other.toml"), "--force"]
    assert main(["data", "prepare", "mine", "--source", str(folder), "--output", str(stores), *elsewhere]) == 0
    capsys.readouterr()
    save = [
        "data",
        "joints",
        str(folder / "named.npz"),
        "--output",
        str(tmp_path / "n.toml"),
        "--plot",
        str(tmp_path / "n.png"),
    ]
    clip = next(generate_2d(1))[0]
    names = [joint.replace("left_", "L").replace("right_", "R") for joint in H36M_17.joints]
    np.savez(folder / "named.npz", joints=clip.joints, image_size=clip.image_size, fps=30, joint_names=names)
    assert main(save) == 0
    assert "17 of 17 joints" in capsys.readouterr().out and (tmp_path / "n.png").read_bytes().startswith(b"\x89PNG")


def test_convert(run, recordings, tmp_path, capsys):
    three, two = str(recordings["3d"]), str(recordings["2d"])
    for name in ("a.csv", "a.JSON", "a.trc", "a.bvh"):
        assert main(["convert", three, str(tmp_path / name)]) == 0
        back = read_file(tmp_path / name)
        assert set(back.skeleton.joints) == set(H36M_17.joints) and back.space == "world"
    assert main(["convert", two, str(tmp_path / "coco.json"), "--to", "coco"]) == 0
    assert read_file(tmp_path / "coco.json").skeleton == H36M_17
    assert main(["convert", two, str(tmp_path / "lifted.trc"), "--lift", str(run / "checkpoint"), "--person", "1"]) == 0
    assert read_file(tmp_path / "lifted.trc").joints.shape[2:] == (17, 3)
    fails(capsys, ["convert", two, str(tmp_path / "b.trc")], "lift the 2D recording with --lift MODEL")
    fails(capsys, ["convert", two, str(tmp_path / "b.fbx")], "no format is called 'fbx'; give --to")
    fails(capsys, ["convert", two, two], "is the recording itself")
    fails(capsys, ["convert", two, str(tmp_path / "b.csv"), "--person", "2"], "has persons 1 to 1")
    fails(capsys, ["convert", three, str(tmp_path / "b.csv"), "--lift", str(run / "checkpoint")], "2D", "world")
    assert not list(tmp_path.glob("b.*"))


def test_stream_answers_line_by_line(run, capsys, monkeypatch):
    clip = helpers.random_clip(H36M_17, 1, 8, "image")
    lines = [json.dumps(frame.tolist()) for frame in clip.joints[0]]
    lines[3] = json.dumps({"joints": [[None, None], *clip.joints[0, 3, 1:].tolist()]})
    size = ["--image-size", "1000", "500"]
    arguments = ["stream", str(run / "checkpoint"), "--skeleton", "h36m-17", *size]
    monkeypatch.setattr(sys, "stdin", [*lines, "\n"])
    assert (
        main([*arguments, "--tasks", "anticipate", "estimate_pose", "--every", "2", "--stride", "1", "--top", "2"]) == 0
    )
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["frame"] for answer in told] == list(range(8))
    assert [len(answer.get("action", ())) for answer in told] == [2, 0] * 4
    assert [answer["pose"]["frame"] for answer in told if "pose" in answer] == list(range(5))
    assert np.shape(told[-1]["pose"]["joints"]) == (1, 17, 3) and np.shape(told[-1]["pose"]["spread"]) == (1, 17)
    for line, expected in (
        ("[[1, 2]]", "17, 2"),
        ("{", "a list of joints is needed"),
        ("[" * 100_000, "a list of joints is needed"),
        ('{"joint": []}', "unknown joint"),
        ("null", "null"),
    ):
        monkeypatch.setattr(sys, "stdin", [lines[0], line, lines[1]])
        assert main(arguments) == 2
        out, err = capsys.readouterr()
        first, wrong, last = (json.loads(answer) for answer in out.splitlines())
        assert wrong["line"] == 2 and expected in wrong["error"] and expected in err and "line 2" in err
        assert (first["frame"], last["frame"]) == (0, 1)  # the next line is answered
    fails(capsys, [*arguments, "--every", "0"], "--every 0")


def test_a_bug_keeps_its_traceback_and_says_where_to_report_it(monkeypatch, capsys):
    def broken(self) -> None:
        raise KeyError("no such thing")

    monkeypatch.setattr(Describe, "run", broken)
    assert main(["describe", "tiny"]) == 70
    err = capsys.readouterr().err
    assert "Traceback" in err and "KeyError: 'no such thing'" in err
    assert "this is a bug in ups" in err and "please open an issue" in err and "CONTRIBUTING.md" in err


def test_stream_says_nothing_while_nobody_is_there(run, capsys, monkeypatch):
    clip = helpers.random_clip(H36M_17, 1, 8, "image")
    people = [
        json.dumps({"people": [{"joints": frame.tolist(), "visibility": [0.9] * 17}]}) for frame in clip.joints[0]
    ]
    nobody = ['{"people": []}', '{"joints": null}', "[]", json.dumps([[None, None]] * 17), json.dumps([[0, 0]] * 17)]
    arguments = ["stream", str(run / "checkpoint"), "--skeleton", "h36m-17", "--image-size", "1000", "500"]
    arguments += ["--tasks", "anticipate", "estimate_pose", "--stride", "1", "--horizon", "3"]
    monkeypatch.setattr(sys, "stdin", [*nobody, *people, *nobody, *nobody])
    assert main(arguments) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["action"] is None for answer in told] == [True] * 5 + [False] * 10 + [True] * 8
    poses = [answer["pose"] for answer in told if "pose" in answer]
    assert poses[0] is None and poses[-1] is None and sum(pose is not None for pose in poses) >= 8
