"""Training: the loss by hand, runs that go on as if never interrupted, and failures that leave the checkpoint alone."""

from __future__ import annotations

import itertools
import json
import math
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import CLASSES, FRAMES, MIXES, MODEL, TRAIN, Words, random_clip, synthetic_stores, trained_model

from ups.batch import Batch, Poses
from ups.checkpoint import create
from ups.checkpoint.create import new_model
from ups.checkpoint.io import Trained, load, load_training
from ups.config import Config, TaskMix, TrainConfig
from ups.data.store.store import Store, StoreWriter
from ups.errors import CheckpointError, SettingError, TrainingError
from ups.files import alone
from ups.model.ups import Choice
from ups.skeletons import H36M_17, KINECT_20
from ups.tasks import TASKS, estimate_pose
from ups.tasks.task import Example, collate
from ups.tokens.layout import CLASS_POSITION, END_POSITION, Layout
from ups.tokens.vocabulary import Vocabulary
from ups.training.batches import open_stores, streams_of
from ups.training.loop import fine_tune, train
from ups.training.loss import _smoothed, drop_mask, sequence_loss
from ups.training.optimizer import Average, learning_rate, parameter_groups
from ups.training.progress import read_log
from ups.training.run import Run

BINS = 8
VOCABULARY = Vocabulary(BINS, -1.0, 1.0, ("end",), CLASSES)
PLAIN = replace(TRAIN, smooth_bins=0.0, smooth_labels=0.0)
LOSSY = replace(MODEL, dropout=0.3, drop_path=0.3)  # so that random numbers matter
STEPS = replace(TRAIN, explore=0.6)


def tiny_batch(positions: tuple[int, ...], allowed: tuple[tuple[int, ...], ...], tokens: list[list[int]]) -> Batch:
    poses = Poses(*(torch.zeros(0),) * 5, clips=1, skeleton=KINECT_20)
    none = (-1,) * len(positions)
    layout = Layout(positions, allowed, none, none, positions[0] < CLASS_POSITION)
    return Batch(poses, layout, torch.tensor(tokens), torch.ones(len(tokens), len(positions)), None)


def tiny_logits(sequences: int, steps: int) -> torch.Tensor:
    return torch.randn(sequences, steps, VOCABULARY.size, generator=torch.Generator().manual_seed(0)) * 3


def choices_of(batch: Batch, logits: torch.Tensor) -> list[Choice]:
    """The logits as a model gives them: a coordinate's among the tokens allowed there, all else's among all."""
    everything = tuple(range(VOCABULARY.size))
    groups: dict[tuple[int, ...], list[int]] = {}
    for k, (position, allowed) in enumerate(zip(batch.layout.positions, batch.layout.allowed, strict=True)):
        groups.setdefault(allowed if position < CLASS_POSITION else everything, []).append(k)
    return [Choice(ks, torch.tensor(ids), logits[:, ks][..., list(ids)]) for ids, ks in groups.items()]


def loss_of(batch: Batch, logits: torch.Tensor, config: TrainConfig = PLAIN) -> tuple[float, float]:
    """The loss, and the negative log-likelihood alone."""
    loss, nll = sequence_loss(choices_of(batch, logits), batch, VOCABULARY, config)
    return float(loss), float(nll)


def pose_tokens(*rows: tuple[int, int, int]) -> Batch:
    """Batch of one joint's x, y, z bins and the end of the task."""
    axes = tuple(tuple(range(axis * BINS, (axis + 1) * BINS)) for axis in range(3))
    tokens = [[*(axis * BINS + b for axis, b in enumerate(row)), 3 * BINS] for row in rows]
    return tiny_batch((0, 1, 2, END_POSITION), (*axes, (3 * BINS,)), tokens)


def log_p_by_hand(batch: Batch, logits: torch.Tensor) -> np.ndarray:
    """(Q, K, vocabulary); -inf outside a coordinate's axis."""
    p = np.exp(logits.double().numpy())
    for k, allowed in enumerate(batch.layout.allowed):
        if batch.layout.positions[k] < CLASS_POSITION:
            p[:, k, [token for token in range(VOCABULARY.size) if token not in allowed]] = 0
    with np.errstate(divide="ignore"):
        return np.log(p / p.sum(-1, keepdims=True))


def test_the_loss_is_the_mean_negative_log_likelihood():
    batch, logits = pose_tokens((0, 3, 7), (4, 4, 1)), tiny_logits(2, 4)
    log_p = log_p_by_hand(batch, logits)
    by_hand = -np.mean([log_p[q, k, token] for q, row in enumerate(batch.tokens) for k, token in enumerate(row)])
    assert loss_of(batch, logits) == pytest.approx((by_hand, by_hand), rel=1e-5)
    batch.weights[1] = 0
    first = -np.mean([log_p[0, k, token] for k, token in enumerate(batch.tokens[0])])
    assert loss_of(batch, logits) == pytest.approx((first, first), rel=1e-5)


@pytest.mark.parametrize("bins", [(0, 3, 7), (7, 0, 4), (1, 6, 0)])
@pytest.mark.parametrize("width", [0.7, 1.5])
def test_coordinate_targets_are_smoothed_within_their_axis(bins, width):
    batch, logits = pose_tokens(bins), tiny_logits(1, 4)
    log_p = log_p_by_hand(batch, logits)[0]
    total = -log_p[3, 3 * BINS]  # the end of the task is not smoothed
    reach = math.ceil(3 * width)
    gauss = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * width**2))
    for axis, b in enumerate(bins):
        target = np.zeros(BINS)
        for offset, weight in zip(range(-reach, reach + 1), gauss / gauss.sum(), strict=True):
            target[min(max(b + offset, 0), BINS - 1)] += weight
        assert target.sum() == pytest.approx(1)
        assert target.argmax() == b or b in (0, 1, BINS - 2, BINS - 1)
        total -= (target * log_p[axis, axis * BINS : (axis + 1) * BINS]).sum()
    config = replace(PLAIN, smooth_bins=width)
    assert loss_of(batch, logits, config) == pytest.approx((total / 4, total / 4), rel=1e-5)


@pytest.mark.parametrize(("width", "reach"), [(0.3, 1), (0.7, 3), (1.0, 3), (1.1, 4)])
def test_smoothing_reaches_three_deviations(width, reach):
    log_p = torch.zeros(1, 21, requires_grad=True)
    _smoothed(log_p, torch.tensor([10]), width).sum().backward()
    assert log_p.grad is not None
    assert log_p.grad[0].nonzero()[:, 0].tolist() == list(range(10 - reach, 10 + reach + 1))


def test_class_targets_are_smoothed_over_the_data_sets_classes():
    classes, eot = (25, 27, 28), 24
    batch = tiny_batch((CLASS_POSITION, END_POSITION), (classes, (eot,)), [[27, eot], [25, eot]])
    logits = tiny_logits(2, 2)
    log_p = log_p_by_hand(batch, logits)
    total = 0.0
    for q, label in enumerate((27, 25)):
        target = {c: 0.1 / 3 + 0.9 * (c == label) for c in classes}
        assert sum(target.values()) == pytest.approx(1)
        total -= sum(weight * log_p[q, 0, c] for c, weight in target.items()) + log_p[q, 1, eot]
    config = replace(PLAIN, smooth_bins=1.5, smooth_labels=0.1)
    assert loss_of(batch, logits, config) == pytest.approx((total / 4, total / 4), rel=1e-5)


def test_the_expectations_distance_is_added_in_decimetres():
    batch, logits = pose_tokens((0, 3, 7), (4, 4, 1)), tiny_logits(2, 4)
    batch.weights[1, 2] = 0
    p = np.exp(log_p_by_hand(batch, logits))
    centres = -1 + (np.arange(BINS) + 0.5) * 0.25
    total = 0.0
    for q, row in enumerate(batch.tokens.tolist()):
        for axis in range(3):
            expectation = (p[q, axis, axis * BINS : (axis + 1) * BINS] * centres).sum()
            total += abs(expectation - centres[row[axis] - axis * BINS]) * float(batch.weights[q, axis])
    plain, nll = loss_of(batch, logits)
    for weight in (0.5, 2.0):
        loss, alone = loss_of(batch, logits, replace(PLAIN, expectation=weight))
        assert alone == pytest.approx(nll) == pytest.approx(plain)
        assert loss - alone == pytest.approx(weight * total * 10 / 7, rel=1e-5)  # 7 of 8 steps count
    actions = tiny_batch((CLASS_POSITION, END_POSITION), ((25, 27), (24,)), [[27, 24]])
    assert loss_of(actions, logits[:1, :2], replace(PLAIN, expectation=2.0)) == loss_of(actions, logits[:1, :2])


def test_the_gradient_is_that_of_the_loss_and_the_likelihood_has_none():
    batch, logits = pose_tokens((0, 3, 7)), tiny_logits(1, 4).requires_grad_()
    loss, nll = sequence_loss(choices_of(batch, logits), batch, VOCABULARY, replace(PLAIN, expectation=1.0))
    assert loss.requires_grad and not nll.requires_grad
    loss.backward()
    assert logits.grad is not None
    moved = logits.detach() - 1e-3 * logits.grad
    assert loss_of(batch, moved, replace(PLAIN, expectation=1.0))[0] < float(loss.detach())
    for axis in range(3):
        outside = [token for token in range(VOCABULARY.size) if token // BINS != axis]
        assert torch.count_nonzero(logits.grad[0, axis, outside]) == 0


def test_tokens_are_dropped_at_a_ratio_of_their_own_in_each_pose():
    layout = pose_tokens((0, 0, 0)).layout
    torch.manual_seed(0)
    drop = drop_mask(layout, torch.zeros(400, 101, dtype=torch.long))
    assert drop is not None and drop.shape == (400, 101)
    share = drop.float().mean(1)
    assert share.min() < 0.1 and share.max() > 0.9 and share.mean() == pytest.approx(0.5, abs=0.05)
    classes = tiny_batch((CLASS_POSITION, END_POSITION), ((25,), (24,)), [[25, 24]])
    assert drop_mask(classes.layout, classes.tokens) is None


def test_the_learning_rate_rises_then_falls_to_zero():
    config = replace(TRAIN, learning_rate=0.2, warmup=0.1)
    assert [learning_rate(config, p) for p in (0.0, 0.05, 0.1, 0.55, 1.0)] == pytest.approx([0, 0.1, 0.2, 0.1, 0])


def test_every_weight_is_trained_once_and_only_matrices_decay():
    model = trained_model().model
    groups = parameter_groups(model, TRAIN)
    grouped = [p for group in groups for p in group["params"]]
    assert len(grouped) == len({id(p) for p in grouped}) == len(list(model.parameters()))
    decayed = {id(p) for group in groups if group["weight_decay"] > 0 for p in group["params"]}
    assert id(model.decoder.blocks[0].up.weight) in decayed and id(model.encoder.layers[0][0].tem.qkv.weight) in decayed
    for p in (model.router.block, model.tokenizer.slot.weight, model.decoder.norm.weight):
        assert id(p) not in decayed
    assert [g["rate"] for g in groups if any(p is model.router.task for p in g["params"])] == [1.0]


def test_the_average_follows_the_weights():
    model = trained_model().model
    average = Average(model, 0.9)
    before = model.output_scale.item()
    with torch.no_grad():
        model.output_scale += 1
    average.update(model, 0)
    assert average.values["output_scale"].item() == pytest.approx(before + 0.9)  # early steps: 1 - 1/10
    average.update(model, 1000)
    assert average.values["output_scale"].item() == pytest.approx(before + 0.91)


def fixed_batch(trained: Trained, name: str) -> Batch:
    """Four clips of four classes as they are, without augmentation."""
    task = TASKS[name]
    planar = name in ("estimate_pose", "recognize_2d")
    skeleton = H36M_17 if planar else KINECT_20
    clips = [random_clip(skeleton, space="image" if planar else "kinect", seed=i, label=i) for i in range(4)]

    def example(clip) -> Example:
        return task.example(clip, 0, FRAMES, np.array([2])) if task is estimate_pose else task.example(clip, FRAMES)

    return collate(task, [example(clip) for clip in clips], trained.vocabulary, skeleton.sorted_by_slot(), CLASSES)


@pytest.mark.parametrize(
    ("name", "decoding", "stride"),
    [
        *((name, "token", 1) for name in TASKS),
        ("estimate_pose", "joint", 1),
        ("estimate_pose", "level", 2),
        ("estimate_pose", "body", 2),
    ],
)
def test_one_batch_can_be_learned_by_heart(tmp_path, name, decoding, stride):
    config = replace(TRAIN, cycles=20, drop_inputs=False, smooth_bins=0.0, smooth_labels=0.0, explore=0.2)
    model = replace(MODEL, joint_width=16, decoder_width=32, decoding=decoding, temporal_stride=stride)
    trained = trained_model(config, model, classes=CLASSES, shaken=0.0)
    trained.model.train()
    run = Run(trained, tmp_path)
    batch = fixed_batch(trained, name)
    losses = [run.take_step(name, [batch]) for _ in range(60)]
    assert losses[0] > 2
    assert losses[-1] < (1.0 if name == "estimate_pose" else 0.02)


def test_routes_are_explored_and_then_stay_as_they_are(tmp_path):
    trained = trained_model(replace(TRAIN, cycles=5, explore=0.4, learning_rate=0.05), classes=CLASSES)
    trained.model.train()
    run = Run(trained, tmp_path)
    router = trained.model.router
    batches = {name: fixed_batch(trained, name) for name in TASKS}
    for step in range(run.total):
        before = router.task.detach().clone(), router.block.detach().clone(), trained.model.routes()
        name = list(TASKS)[step % len(TASKS)]
        run.take_step(name, [batches[name]])
        exploring = 0 < step < 0.4 * run.total  # at step 0 the learning rate is 0
        assert torch.equal(before[0], router.task) is not exploring or step == 0
        assert torch.equal(before[1], router.block) is not exploring or step == 0
        if not exploring and step > 0:
            assert router.routes_frozen and trained.model.routes() == before[2]


def test_two_micro_batches_give_the_gradient_of_the_whole(tmp_path):
    config = replace(TRAIN, drop_inputs=False, explore=0.0)
    moments = []
    for parts in (1, 2):
        trained = trained_model(config, classes=CLASSES)
        run = Run(trained, tmp_path)
        task = TASKS["recognize_3d"]
        examples = [task.example(random_clip(seed=i, label=i), FRAMES) for i in range(4)]
        size = 4 // parts
        batches = [
            collate(task, examples[i : i + size], trained.vocabulary, KINECT_20.sorted_by_slot(), CLASSES)
            for i in range(0, 4, size)
        ]
        loss = run.take_step("recognize_3d", batches)
        names = {p: name for name, p in trained.model.named_parameters()}
        moments.append((loss, {names[p]: state["exp_avg"] for p, state in run.optimizer.state.items()}))
    assert moments[0][0] == pytest.approx(moments[1][0], rel=1e-5)
    assert moments[0][1].keys() == moments[1][1].keys() and len(moments[0][1]) > 20
    for name, moment in moments[0][1].items():
        torch.testing.assert_close(moment, moments[1][1][name], atol=1e-6, rtol=1e-3)


def checkpoint_state(output: Path) -> dict[str, torch.Tensor]:
    """All that a resumed run starts from: raw weights, average, optimiser."""
    state = load_training(output / "checkpoint")
    assert state is not None
    return state["tensors"] | {"step": torch.tensor(state["facts"]["step"])}


def assert_equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    assert [key for key in a if not torch.equal(a[key], b[key])] == []


@pytest.mark.parametrize(("accumulate", "workers"), [(1, 1), (2, 0)])
def test_an_interrupted_run_ends_as_one_that_was_not(tmp_path, stores, accumulate, workers):
    config = replace(STEPS, accumulate=accumulate, workers=workers)

    def part(name: str, stop: int | None, shaken: float = 0.1) -> dict[str, torch.Tensor]:
        trained = train(trained_model(config, LOSSY, shaken=shaken), stores, tmp_path / name, stop_after=stop)
        return dict(trained.model.state_dict())

    part("whole", 10)
    part("parts", 3)
    part("parts", 7, shaken=0.5)  # whatever the new process starts with is replaced
    part("parts", 10, shaken=0.5)
    states = [checkpoint_state(tmp_path / name) for name in ("whole", "parts")]
    assert_equal(*states)
    kinds = {key.split(".")[0] for key in states[0]}
    assert kinds == {"raw", "average", "optimizer", "step"} and states[0]["step"] == 10
    once, finished = part("once", None), part("parts", None, shaken=0.5)
    assert_equal(once, finished)
    assert_equal(once, dict(load(tmp_path / "once" / "checkpoint").model.state_dict()))
    assert load(tmp_path / "parts" / "checkpoint").steps == 12
    assert load_training(tmp_path / "parts" / "checkpoint") is None
    steps = [entry["step"] for entry in read_log(tmp_path / "parts")]
    assert steps == list(range(1, 13))


def test_other_seeds_give_other_runs(tmp_path, stores):
    for seed in (0, 1):
        train(trained_model(replace(STEPS, seed=seed), LOSSY), stores, tmp_path / str(seed), stop_after=2)
    a, b = (checkpoint_state(tmp_path / str(seed)) for seed in (0, 1))
    assert not torch.equal(a["raw.tokenizer.embed.weight"], b["raw.tokenizer.embed.weight"])


def at_call(number: int, act: Callable[[], None]) -> Callable[..., None]:
    """A forward hook that acts at the model's call of that number."""
    calls = iter(range(1, 10_000))

    def hook(*_: object) -> None:
        if next(calls) == number:
            act()

    return hook


def test_ctrl_c_in_a_step_lets_it_end_and_saves_a_checkpoint_that_goes_on(tmp_path, stores):
    before = signal.getsignal(signal.SIGINT)
    trained = trained_model(STEPS, LOSSY)
    trained.model.register_forward_hook(at_call(6, lambda: signal.raise_signal(signal.SIGINT)))
    with pytest.raises(KeyboardInterrupt):
        train(trained, stores, tmp_path / "stopped")
    assert checkpoint_state(tmp_path / "stopped")["step"] == 6
    assert signal.getsignal(signal.SIGINT) == before
    resumed = train(trained_model(STEPS, LOSSY), stores, tmp_path / "stopped")
    whole = train(trained_model(STEPS, LOSSY), stores, tmp_path / "whole")
    assert_equal(dict(resumed.model.state_dict()), dict(whole.model.state_dict()))


def spoil_loss(trained: Trained) -> None:
    def nan() -> None:
        with torch.no_grad():
            trained.model.output_scale.fill_(float("nan"))

    trained.model.register_forward_pre_hook(at_call(2, nan))


def spoil_gradient(trained: Trained) -> None:
    calls = iter(range(1, 10_000))
    trained.model.output_scale.register_hook(lambda g: g * float("nan") if next(calls) == 2 else g)


@pytest.mark.parametrize("spoil", [spoil_loss, spoil_gradient])
def test_a_loss_or_gradient_that_is_not_finite_ends_the_run_and_spares_the_checkpoint(tmp_path, stores, spoil):
    config = replace(STEPS, checkpoint_minutes=1e9)
    train(trained_model(config), stores, tmp_path, stop_after=4)
    before = checkpoint_state(tmp_path)
    trained = trained_model(config)
    spoil(trained)
    with pytest.raises(
        TrainingError, match=r"task recognize_2d .*nan, at step 5.*checkpoint.*float32.*clips.* and 1 others"
    ):
        train(trained, stores, tmp_path)
    assert_equal(before, checkpoint_state(tmp_path))
    assert train(trained_model(config), stores, tmp_path).steps == 12  # and it can go on


def test_another_configuration_does_not_continue_a_run(tmp_path, stores):
    train(trained_model(STEPS), stores, tmp_path, stop_after=1)
    before = checkpoint_state(tmp_path)
    with pytest.raises(CheckpointError, match="another configuration"):
        train(trained_model(replace(STEPS, learning_rate=1e-3)), stores, tmp_path)
    assert_equal(before, checkpoint_state(tmp_path))


def test_the_clip_that_spoils_a_run_is_named(tmp_path, stores):
    store = stores["synthetic_3d"]
    with StoreWriter(tmp_path / "synthetic_3d", store.name, store.skeleton, store.space, store.classes,
                     store.protocols) as writer:  # fmt: skip
        bad = int(store.indices("xsub", "train")[0])
        for i in range(len(store)):
            clip = store[i]
            clip = replace(clip, joints=clip.joints * 1e5, id="far away") if i == bad else clip
            writer.add(clip, store.splits(i))
    spoiled = {**stores, "synthetic_3d": Store.open(tmp_path / "synthetic_3d")}
    trained = trained_model(replace(STEPS, tasks=STEPS.tasks[3:], cycles=20))
    seen = []

    def look(_, arguments) -> None:
        seen.append(float(arguments[1].poses.joints.abs().max()))
        if seen[-1] > 100:
            with torch.no_grad():
                trained.model.output_scale.fill_(float("nan"))

    trained.model.register_forward_pre_hook(look)
    with pytest.raises(TrainingError, match="largest coordinates first: synthetic_3d far away, synthetic_3d "):
        train(trained, spoiled, tmp_path / "run")


def test_a_second_run_in_a_folder_is_refused(tmp_path, stores):
    with alone(tmp_path / "run"):
        with pytest.raises(SettingError, match="run: another process is writing there"):
            train(trained_model(STEPS), stores, tmp_path / "run", stop_after=1)
    assert list((tmp_path / "run").iterdir()) == []
    train(trained_model(STEPS), stores, tmp_path / "run", stop_after=1)


def test_data_that_changed_since_are_noticed(tmp_path, stores):
    train(trained_model(STEPS), stores, tmp_path / "run", stop_after=2)
    before = checkpoint_state(tmp_path / "run")
    other = synthetic_stores(tmp_path / "other", clips=25)
    with pytest.raises(CheckpointError, match="synthetic_3d have changed since step 2; restore them"):
        train(trained_model(STEPS), {**stores, "synthetic_3d": other["synthetic_3d"]}, tmp_path / "run")
    assert_equal(before, checkpoint_state(tmp_path / "run"))
    same = synthetic_stores(tmp_path / "same")  # made anew, elsewhere, of the same clips
    assert train(trained_model(STEPS), same, tmp_path / "run", stop_after=3).steps == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_and_nohup_is_respected(tmp_path, stores, number):
    trained = trained_model(STEPS, LOSSY)
    trained.model.register_forward_hook(at_call(3, lambda: signal.raise_signal(number)))
    with pytest.raises(KeyboardInterrupt):
        train(trained, stores, tmp_path / "run")
    assert checkpoint_state(tmp_path / "run")["step"] == 3
    before = signal.signal(number, signal.SIG_IGN)
    try:
        trained = trained_model(STEPS, LOSSY)
        trained.model.register_forward_hook(at_call(1, lambda: signal.raise_signal(number)))
        assert train(trained, stores, tmp_path / "run", stop_after=5).steps == 5
    finally:
        signal.signal(number, before)


def test_a_run_of_a_version_without_some_setting_goes_on(tmp_path, stores):
    train(trained_model(STEPS), stores, tmp_path, stop_after=1)
    path = tmp_path / "checkpoint" / "model.json"
    facts = json.loads(path.read_text())
    del facts["config"]["train"]["strategy"], facts["hashes"]  # such versions wrote neither
    path.write_text(json.dumps(facts))
    assert train(trained_model(STEPS), stores, tmp_path, stop_after=2).steps == 2


def test_fine_tuning_moves_one_tasks_route_and_nothing_else(tmp_path, stores):
    trained = trained_model(STEPS)
    routes = trained.model.routes()
    before = {name: value.clone() for name, value in trained.model.state_dict().items()}
    tuned = fine_tune(trained, "recognize_3d", stores, tmp_path, cycles=4, learning_rate=1e-2)
    assert_equal(before, dict(trained.model.state_dict()))  # the caller's model is left alone
    assert tuned.model.routes() == routes and tuned.steps == 4
    assert [mix.task for mix in tuned.config.train.tasks] == ["recognize_3d"]
    after = tuned.model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert not any(name.startswith("router") for name in moved)
    for layer, chosen in enumerate(routes["recognize_3d"]):
        prefixes = [f"encoder.layers.{layer}.{h}." for h in range(2)]
        assert any(name.startswith(prefixes[chosen]) for name in moved)
        assert not any(name.startswith(prefixes[1 - chosen]) for name in moved)
    assert "tokenizer.embed.weight" in moved
    with pytest.raises(ValueError, match="not trained on task 'recognize_2d'"):
        fine_tune(tuned, "recognize_2d", stores, tmp_path, 1, 1e-3)


def test_the_log_names_losses_and_routes(tmp_path, stores):
    train(trained_model(STEPS), stores, tmp_path, stop_after=5)
    entries = list(read_log(tmp_path))
    assert len(entries) == 5 and set(entries[-1]["losses"]) == set(TASKS)
    assert all(math.isfinite(value) for value in entries[-1]["losses"].values())
    assert set(entries[0]["losses"]) == {"estimate_pose"} and set(entries[0]["routes"]) == set(TASKS)
    assert all(np.shape(e["score_gaps"][task]) == (MODEL.layers,) for e in entries for task in TASKS)
    assert min(gap for gaps in entries[-1]["score_gaps"].values() for gap in gaps) >= 0
    for before, entry in itertools.pairwise(entries):
        changes = [a != b for t in TASKS for a, b in zip(before["routes"][t], entry["routes"][t], strict=True)]
        assert entry["flips"] == sum(changes)
    assert any((tmp_path / "tensorboard").iterdir())


def test_data_without_a_protocol_is_refused(stores):
    mix = TaskMix("recognize_3d", ("synthetic_3d",), batch=4, frames=FRAMES)
    with pytest.raises(SettingError, match=r"data 'synthetic_3d': STORE:PROTOCOL is needed"):
        streams_of(trained_model(replace(TRAIN, tasks=(mix,))), stores)


def test_a_new_model_knows_the_classes_of_all_data_sets(tmp_path, stores, monkeypatch):
    monkeypatch.setenv("UPS_CACHE", str(tmp_path))
    monkeypatch.setattr(create, "get_text_encoder", lambda spec: Words())
    config = Config("test", MODEL, replace(TRAIN, tasks=MIXES))
    folder = stores["synthetic_3d"].folder.parent
    assert set(open_stores(config.train, folder)) == {"synthetic_2d", "synthetic_3d"}
    trained = new_model(config, stores)
    assert trained.vocabulary.classes == stores["synthetic_3d"].classes  # both have the same 16, each once
    assert trained.vocabulary.eots == ("estimation", "recognition", "anticipation")
    assert trained.classes_of("synthetic_2d") == stores["synthetic_2d"].classes
    assert trained.model.tasks == tuple(TASKS)
    assert trained.class_mean.shape == (12,)
    again, other = new_model(config, stores), new_model(replace(config, train=replace(TRAIN, seed=1)), stores)
    assert_equal(dict(trained.model.state_dict()), dict(again.model.state_dict()))
    assert not torch.equal(trained.model.router.task, other.model.router.task)
