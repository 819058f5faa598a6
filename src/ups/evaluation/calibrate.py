"""Calibration of a trained model: the temperature of its probabilities, and when none of the candidates is shown.

Nothing here sees a test clip. Known are training clips, as training saw them: whole, in part, with a sensor's errors and
pauses (and cut short, for early prediction). Unknown are recordings of data sets that taught the model no action, synthetic
motion among them, without those whose action has a word in common with a known one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ups.batch import PERSONS
from ups.data.datasets.synthetic import CLASSES as SYNTHETIC
from ups.data.datasets.synthetic import generate_3d
from ups.data.loader import split_of
from ups.data.store.store import Store
from ups.errors import SettingError
from ups.inference.base import BasePredictor
from ups.labels import canonical_text
from ups.pose import PoseSequence
from ups.refs import DataRef
from ups.seen import bodies
from ups.skeleton import Skeleton
from ups.tasks import get_task
from ups.tasks.action import ActionTask
from ups.tasks.calibration import Calibration, TaskCalibration
from ups.tasks.metrics import area_under_roc, expected_calibration_error
from ups.tasks.skeleton_views import draw_view, shown
from ups.tasks.task import Example
from ups.tasks.timeline import part
from ups.tasks.views import fixed_view

UNKNOWN = ("reactidle", "bandai_namco", "cmu_dance", "humaneva")
"""Stores of recordings that teach the public recipes no action."""
_COMMON = set("a and at both down from hand hands left off on one out right the to two up with".split())
"""Words that don't tell an action."""
TEMPERATURES = (0.3, 3.0)


@dataclass(frozen=True)
class Heard:
    """What a model said of clips.

    Attributes:
        scores: (clips, classes) log-probabilities of the data set's own classes.
        states: (clips, D).
        labels: (clips,) index of the class, -1 = none.
        classes: the data set's.
    """

    scores: np.ndarray
    states: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]


def calibrate(
    predictor: BasePredictor, stores: Path, unknown: Sequence[str] = UNKNOWN, clips: int = 300, seed: int = 0
) -> tuple[Calibration, dict[str, dict[str, float]]]:
    """How far the answers of a model to its tasks of actions can be believed, and the figures of that.

    Args:
        predictor: the model; what it knew of its calibration is not used.
        stores: folder of the stores that it was trained on, and of those that are unknown to it.
        unknown: names of stores; those that are not there are left out. Synthetic motion is always among them.
        clips: of each data set, at most.
        seed: of the choice of views.

    Returns:
        The calibration, and of each task figures in percent: "ECE before", "ECE" (test clips, the answers' expected
        calibration error), "AUROC NAME" (test clips against the recordings of an unknown store), "AUROC left out" (test
        clips against the same without their own action among the candidates).

    Raises:
        SettingError: no task of actions.
        DataError: a store of training that is not there.
    """
    plain = predictor.calibration
    predictor.calibration = {}
    found: Calibration = {}
    figures: dict[str, dict[str, float]] = {}
    try:
        for mix in predictor.config.train.tasks:
            task = get_task(mix.task)
            if isinstance(task, ActionTask):
                strange = unknown_clips(predictor, task, Path(stores), unknown, clips)
                known = [(Store.open(Path(stores) / ref.store), ref) for ref in mix.refs]
                found[task.name] = _of_task(predictor, task, known, strange, clips, seed)
                figures[task.name] = _measured(predictor, task, known, strange, clips, found[task.name])
    finally:
        predictor.calibration = plain
    if not found:
        raise SettingError("the model was trained on no task of actions; there is nothing to calibrate")
    return found, figures


def unknown_clips(
    predictor: BasePredictor, task: ActionTask, stores: Path, names: Sequence[str], clips: int
) -> dict[str, list[PoseSequence]]:
    """Windows of recordings that show no action that the model knows, by data set; in 2D worlds are filmed."""
    words = {word for action in predictor.actions() for word in action.split()} - _COMMON
    taught = {name for mix in predictor.config.train.tasks if get_task(mix.task).teaches_actions for name in mix.stores}
    found: dict[str, list[PoseSequence]] = {}
    every = max(1, clips // 2)
    synthetic = (clip for clip, _ in generate_3d(4 * every) if _is_strange(SYNTHETIC[clip.label], words))
    for name in (*names, "synthetic"):
        if name == "synthetic":
            clip_list: Iterator[PoseSequence] = synthetic
        elif name in taught or not (stores / name / "store.json").exists():
            continue
        else:
            clip_list = _stored(Store.open(stores / name), words, every)
        views = (_window(clip, number) for number, clip in enumerate(clip_list))
        fitting = [_in_space(clip, task, number) for number, clip in enumerate(views) if bodies(clip.visibility).any()]
        kept = [clip for clip in fitting if clip is not None][:every]
        if len(kept) >= 10:
            found[name] = kept
    return found


def _stored(store: Store, words: set[str], clips: int) -> Iterator[PoseSequence]:
    strange = [
        i for i in range(len(store)) if store.labels[i] < 0 or _is_strange(store.classes[int(store.labels[i])], words)
    ]
    if not strange:
        return
    repeats = int(np.ceil(clips / len(strange)))  # of a few long recordings several windows
    chosen = np.linspace(0, len(strange) * repeats - 1, min(clips, len(strange) * repeats)).astype(int)
    yield from (store[strange[i // repeats]] for i in chosen)


def _is_strange(action: str, words: set[str]) -> bool:
    """Whether an action's name has no word in common with `words`, whatever their endings."""
    return not any(_alike(own, known) for own in set(canonical_text(action).split()) - _COMMON for known in words)


def _alike(a: str, b: str) -> bool:
    a, b = (word.removesuffix("ing").removesuffix("s").removesuffix("e") for word in (a, b))
    return min(len(a), len(b)) >= 3 and (a.startswith(b) or b.startswith(a))


def _window(clip: PoseSequence, number: int) -> PoseSequence:
    """1.5 to 3 seconds of a recording, others for another number."""
    rng = np.random.default_rng([11, number])
    length = min(clip.frames, max(2, round(rng.uniform(1.5, 3.0) * clip.fps)))
    start = int(rng.integers(0, clip.frames - length + 1))
    return part(clip, start, start + length)


def _in_space(clip: PoseSequence, task: ActionTask, number: int) -> PoseSequence | None:
    if task.space == "image" and clip.space != "image":
        return fixed_view(clip, number)
    return clip if task.space in ("any", "image") or clip.space != "image" else None


def _of_task(
    predictor: BasePredictor,
    task: ActionTask,
    known: list[tuple[Store, DataRef]],
    strange: dict[str, list[PoseSequence]],
    clips: int,
    seed: int,
) -> TaskCalibration:
    if not strange:
        raise SettingError(f"{task.name}: no recordings of other motion to calibrate with; name their stores")
    whole, views, seconds = [], [], 0.0
    for number, (store, ref) in enumerate(known):
        train = predictor.config.train
        indices = _spread(split_of(store, ref.protocol, "train", train.hold_out, train.seed), store, clips)
        seconds = max(seconds, float((store.frames[indices] / store.fps[indices]).max()))
        whole.append(_hear(predictor, task, store, indices, None))
        views.append(_hear(predictor, task, store, indices, np.random.default_rng([seed, number])))
    classes, centres = _centres(whole)
    rough = TaskCalibration(1.0, 0.0, 0.0, seconds, classes, centres)
    seen = [rough.cosine(heard.states, classes) for heard in views]
    unseen = []
    for number, some in enumerate(strange.values()):
        named = [replace(clip, label=0) for clip in some]
        examples = _viewed(predictor, task, named, ("none of them",), np.random.default_rng([seed, number, 1]))
        unseen.append(rough.cosine(_ask(predictor, task, examples, predictor.actions())[1], classes))
    weight, bias = _logistic(seen, unseen)
    return replace(rough, temperature=_temperature(views), weight=weight, bias=bias)


def _spread(indices: np.ndarray, store: Store, clips: int) -> np.ndarray:
    indices = indices[store.labels[indices] >= 0]
    return indices[np.linspace(0, len(indices) - 1, min(clips, len(indices))).astype(int)]


_Examples = list[tuple[list[Example], Skeleton]]
"""Batches of one skeleton each, in slot order."""


def _hear(
    predictor: BasePredictor, task: ActionTask, store: Store, indices: np.ndarray, rng: np.random.Generator | None
) -> Heard:
    """What the model says of a store's clips as they are; or with `rng` of random views of them."""
    clips = [store[int(i)] for i in indices]
    examples = _plain(predictor, task, clips) if rng is None else _viewed(predictor, task, clips, store.classes, rng)
    labels = np.array([example.label for some, _ in examples for example in some])
    return Heard(*_ask(predictor, task, examples, store.classes), labels, store.classes)


def _plain(predictor: BasePredictor, task: ActionTask, clips: list[PoseSequence]) -> _Examples:
    """The clips as they are asked about."""
    frames, found = predictor.frames_of(task.name), []
    for some in _batches(predictor, clips):
        known = [predictor.as_read(predictor.drop_untrained_joints(task.name, clip)) for clip in some]
        found.append(([task.example(clip, frames) for clip in known], known[0].skeleton.sorted_by_slot()))
    return found


def _viewed(
    predictor: BasePredictor,
    task: ActionTask,
    clips: list[PoseSequence],
    classes: tuple[str, ...],
    rng: np.random.Generator,
) -> _Examples:
    """The clips as training sees them: other skeletons, errors, pauses, parts."""
    frames, augment, found = predictor.frames_of(task.name), predictor.config.train.augment, []
    for some in _batches(predictor, clips):
        if rng.random() < augment.shift.skeleton:
            view = draw_view(some[0].skeleton, rng, estimates=False)
            some = [shown(clip, view, rng) for clip in some]
        known = [predictor.as_read(predictor.drop_untrained_joints(task.name, clip)) for clip in some]
        seen = [task.training_view(clip, augment, rng) for clip in known]
        examples = [task.training_example(clip, classes, frames, 0, augment, rng) for clip in seen]
        found.append((examples, known[0].skeleton.sorted_by_slot()))
    return found


def _batches(predictor: BasePredictor, clips: list[PoseSequence]) -> Iterator[list[PoseSequence]]:
    for start in range(0, len(clips), predictor.clips_at_once):
        yield [clip.keep_best(PERSONS) for clip in clips[start : start + predictor.clips_at_once]]


def _ask(
    predictor: BasePredictor, task: ActionTask, examples: _Examples, classes: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities (clips, classes) and states (clips, D)."""
    scores, states = [], []
    for some, skeleton in examples:
        found, state = predictor.action_scores(task, some, skeleton, classes)
        if state is None:
            raise SettingError("an exported model can't be calibrated; calibrate it before it is exported")
        scores.append(found)
        states.append(state)
    return np.concatenate(scores), np.concatenate(states)


def _centres(heard: list[Heard]) -> tuple[tuple[str, ...], np.ndarray]:
    """The action texts that clips taught, and the mean direction of each one's states."""
    rows: dict[str, list[np.ndarray]] = {}
    for some in heard:
        unit = some.states / np.maximum(np.linalg.norm(some.states, axis=1, keepdims=True), 1e-9)
        for state, label in zip(unit, some.labels, strict=True):
            rows.setdefault(canonical_text(some.classes[int(label)]), []).append(state)
    means = np.stack([np.mean(states, axis=0) for states in rows.values()])
    return tuple(rows), (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)


def _temperature(heard: list[Heard]) -> float:
    """That with the greatest likelihood of the labels, data sets counting alike."""
    from scipy.optimize import minimize_scalar

    def loss(logarithm: float) -> float:
        total = 0.0
        for some in heard:
            scaled = some.scores / np.exp(logarithm)
            likelihood = scaled[np.arange(len(scaled)), some.labels] - np.logaddexp.reduce(scaled, axis=1)
            total -= float(likelihood.mean())
        return total

    found = minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURES)), method="bounded")
    return float(np.exp(found.x))  # pyright: ignore


def _logistic(seen: list[np.ndarray], unseen: list[np.ndarray]) -> tuple[float, float]:
    """Weight and bias of the logistic curve over cosines, data sets counting alike, known and unknown too."""
    from scipy.optimize import minimize

    values = np.concatenate([*seen, *unseen])
    share = [np.full(len(some), 1 / len(some) / len(group)) for group in (seen, unseen) for some in group]
    weights, sign = (
        np.concatenate(share),
        np.concatenate([np.ones(sum(map(len, seen))), -np.ones(sum(map(len, unseen)))]),
    )
    middle, width = float(values.mean()), float(values.std()) + 1e-9

    def loss(p: np.ndarray) -> float:
        z = p[0] * (values - middle) / width - p[1]
        return float((weights * np.logaddexp(0, -sign * z)).sum() + 1e-4 * (p**2).sum())

    slope, offset = minimize(loss, np.array([1.0, 0.0])).x
    return float(slope / width), float(slope * middle / width + offset)


def _measured(
    predictor: BasePredictor,
    task: ActionTask,
    known: list[tuple[Store, DataRef]],
    strange: dict[str, list[PoseSequence]],
    clips: int,
    calibration: TaskCalibration,
) -> dict[str, float]:
    """Figures on test clips; nothing is chosen by them."""
    sure, sharp, right, cosines, without = [], [], [], [], []
    for store, ref in known:
        some = _hear(predictor, task, store, _spread(store.indices(ref.protocol, "test"), store, clips), None)
        right.append(some.scores.argmax(1) == some.labels)
        sure.append(np.exp(some.scores.max(1)).clip(0, 1))
        sharp.append(np.exp(calibration.sharpen(some.scores).max(1)).clip(0, 1))
        cosines.append(calibration.cosine(some.states, calibration.classes))
        for state, label in zip(some.states, some.labels, strict=True):
            words = set(canonical_text(store.classes[int(label)]).split()) - _COMMON
            others = tuple(c for c in calibration.classes if _is_strange(c, words))
            without.append(calibration.cosine(state[None], others)[0])
    seen = np.concatenate(cosines)
    figures = {
        name: 100 * expected_calibration_error(np.concatenate(values), np.concatenate(right))
        for name, values in (("ECE before", sure), ("ECE", sharp))
    }
    for name, some in strange.items():
        _, states = _ask(predictor, task, _plain(predictor, task, some), predictor.actions())
        unseen = calibration.cosine(states, calibration.classes)
        figures[f"AUROC {name}"] = 100 * area_under_roc(seen, unseen)
    figures["AUROC left out"] = 100 * area_under_roc(seen, np.array(without))
    return figures
