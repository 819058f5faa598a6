"""Answers of an exported model through ONNX Runtime, without PyTorch; see docs/export.md.

predictor = OnnxPredictor("exported/lift")
predictor.lift(clip).joints  # as ups.Predictor has it
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ups.batch import PERSONS
from ups.checkpoint.hashes import check_facts, check_file
from ups.checkpoint.lineage import parse_lineage
from ups.config import Config, from_dict
from ups.errors import CheckpointError, DataError, SettingError
from ups.files import put_back
from ups.inference.base import BasePredictor
from ups.pose import PoseSequence
from ups.refs import DataSetInfo
from ups.skeleton import Skeleton
from ups.tasks.action import ActionTask
from ups.tasks.pose import PoseTask
from ups.tasks.task import Example, persons_of
from ups.tokens.vocabulary import Vocabulary

FORMAT = 1
"""Version of model.json."""
MOST_STRIDE = 1000
"""Frames whose multiple a clip is padded to, at most; so that no more than that is allocated for a file's word."""


def runtime() -> ModuleType:
    """ONNX Runtime; raises SettingError with the remedy where it is not installed."""
    try:
        import onnxruntime
    except ImportError as error:
        raise SettingError(
            f"ONNX Runtime is needed ({error}): pip install 'unified-pose-sequence[export]', or onnxruntime alone"
        ) from error
    return onnxruntime


def is_export(folder: Path | str) -> bool:
    """Whether a folder holds what `ups export` writes."""
    put_back(Path(folder))
    return all((Path(folder) / name).is_file() for name in ("encoder.onnx", "step.onnx", "model.json"))


@dataclass(frozen=True)
class Step:
    """A step of decoding poses that leaves a choice, as model.json has it.

    Attributes:
        positions: (S,) int64 decoder position of each state.
        anchors: (S,) int64 joint (slot order) whose memory token each state starts from.
        given: the earlier tokens that are passed in, by their place in the sequence.
        mixing: (S, 1 + F) float32, each state's input as a mix of the start and the F tokens given.
    """

    positions: np.ndarray
    anchors: np.ndarray
    given: list[int]
    mixing: np.ndarray

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Step:
        """From plain JSON values."""
        positions, anchors = (np.array(values[name], np.int64) for name in ("positions", "anchors"))
        return Step(positions, anchors, [int(k) for k in values["given"]], np.array(values["mixing"], np.float32))


class OnnxPredictor(BasePredictor):
    """Answers one task's questions about clips of one skeleton, with the files that `ups export` wrote.

    Args:
        folder: of the export.
        threads: that compute; ONNX Runtime's choice where None.

    Raises:
        SettingError: no export there, one of another version, or ONNX Runtime is not installed.
        CheckpointError: a file is damaged, or not the one that was exported.
    """

    def __init__(self, folder: Path | str, threads: int | None = None) -> None:
        ort, folder = runtime(), Path(folder)
        self.folder = folder.absolute()
        facts = _facts(folder)
        check_facts(folder / "model.json", facts)
        try:
            data_sets = {name: DataSetInfo.from_dict(values) for name, values in facts["data_sets"].items()}
            vocabulary = Vocabulary.from_dict(facts["vocabulary"])
            super().__init__(from_dict(Config, facts["config"]), vocabulary, data_sets)
            self.lineage = parse_lineage(facts.get("lineage"), self.config.train)
            self.facts, self.task = facts, str(facts["task"])
            self.skeleton = Skeleton.from_dict(facts["skeleton"])
            self.stride: int = int(facts["frames_multiple"])
            if not 1 <= self.stride <= MOST_STRIDE:
                raise ValueError(f"frames_multiple is {self.stride}; it can be 1 to {MOST_STRIDE}")
            self.steps = [Step.from_dict(step) for step in facts.get("schedule", ())]
        except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
            raise CheckpointError(f"{folder / 'model.json'}: damaged ({error}); export the model again") from error
        options = ort.SessionOptions()
        # More than what the files hold already costs a third of the time of loading, and makes no answer faster.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            for name in ("encoder.onnx", "step.onnx"):
                check_file(folder / name, facts)
            self.encoder, self.step = (
                ort.InferenceSession(folder / f"{name}.onnx", options, providers=["CPUExecutionProvider"])
                for name in ("encoder", "step")
            )
        except Exception as error:  # ONNX Runtime's own classes of error have no common ancestor of theirs
            raise SettingError(f"{folder}: can't be run ({error}); is the copy complete? Export again if so") from error

    def copied(self, folder: Path) -> Callable[[], BasePredictor]:
        """See `BasePredictor`; other processes read the same files."""
        return partial(OnnxPredictor, self.folder, 1)

    def drop_untrained_joints(self, task: str, clip: PoseSequence) -> PoseSequence:
        """The clip with the joints that the model was exported for; DataError names those that it lacks."""
        return clip.pick_joints(self.skeleton)

    def action_scores(
        self, task: ActionTask, examples: list[Example], skeleton: Skeleton, classes: tuple[str, ...]
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """See `BasePredictor`; exports of older versions tell no state."""
        self._check(skeleton)
        persons = [persons_of(e) for e in examples]
        if (most := max(map(len, persons))) > PERSONS:
            raise DataError(f"a clip has {most} persons; at most {PERSONS} can be read: keep those that matter")
        clip = np.array([i for i, seen in enumerate(persons) for _ in seen])
        number = np.array([k for seen in persons for k in range(len(seen))], np.int64)
        tokens, real = self._compute(self.encoder, {**self._inputs(examples, persons), "person": number})
        memory = np.zeros((len(examples), most, *tokens.shape[1:]), np.float32)
        mask = np.zeros(memory.shape[:3], bool)
        memory[clip, number], mask[clip, number] = tokens, real
        flat = {
            "memory": memory.reshape(len(examples), -1, memory.shape[-1]),
            "memory_mask": mask.reshape(len(mask), -1),
        }
        everything, *state = self._compute(self.step, flat)
        if everything.shape[1:] != (len(self.vocabulary.classes),):
            raise self._unfit(f"{everything.shape[1:]} scores for {len(self.vocabulary.classes)} classes")
        first = self.vocabulary.size - len(self.vocabulary.classes)
        columns = [token - first for token in self.vocabulary.class_tokens(list(classes))]
        total = np.logaddexp.reduce(everything[:, sorted(set(columns))], axis=1, keepdims=True)
        return everything[:, columns] - total, state[0] if state else None

    def coordinates(
        self, task: PoseTask, examples: list[Example], skeleton: Skeleton, greedy: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `BasePredictor`."""
        self._check(skeleton)
        targets = np.stack([e.target_frames for e in examples if e.target_frames is not None]).astype(np.int64)
        inputs = {**self._inputs(examples, [[0]] * len(examples)), "target_frames": targets}
        memory, *read = self._compute(self.encoder, inputs)
        heads, width = read[0].shape[1], read[0].shape[3]
        fixed = {"memory": memory, **{f"read_{i}": value for i, value in enumerate(read)}}
        past = [np.zeros((len(memory), heads, 0, width), np.float32) for _ in read]
        tokens = np.zeros((len(memory), 0), np.int64)
        means, spreads = [], []
        if not self.steps:
            raise self._unfit("no schedule of its steps")
        for step in self.steps:
            if not all(0 <= k < tokens.shape[1] for k in step.given):
                raise self._unfit(f"a step is given tokens {step.given[:9]}, of {tokens.shape[1]} that are written")
            written, mean, spread, *past = self._compute(
                self.step,
                {
                    "tokens": tokens[:, step.given],
                    "mixing": step.mixing,
                    "positions": step.positions,
                    "anchors": step.anchors,
                    **fixed,
                    **{f"past_{i}": value for i, value in enumerate(past)},
                },
            )
            if not greedy:  # the bin of the expectation, see `ups.model.decoding`
                written = written - written % self.vocabulary.bins + self.vocabulary.bin_numbers(mean)
            tokens = np.concatenate([tokens, written], axis=1)
            means.append(mean)
            spreads.append(spread)
        coordinates = np.concatenate(means, axis=1)
        if greedy:
            coordinates = self.vocabulary.bin_centres[tokens % self.vocabulary.bins]
        return coordinates, np.concatenate(spreads, axis=1)

    def _compute(self, session: Any, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        """What a network answers; CheckpointError where it can't take what model.json says that it takes."""
        try:
            return session.run(None, inputs)
        except Exception as error:  # see `__init__`
            raise self._unfit(str(error)) from error

    def _unfit(self, why: str) -> CheckpointError:
        return CheckpointError(
            f"{self.folder}: its networks do not fit its model.json, or memory is short ({why}); export the model again"
        )

    def _check(self, skeleton: Skeleton) -> None:
        if skeleton.joints != self.skeleton.sorted_by_slot().joints:
            raise DataError(
                f"clips of skeleton {skeleton.name!r}; the model was exported for the joints of {self.skeleton.name!r}: "
                "export it again with --skeleton"
            )

    def _inputs(self, examples: list[Example], persons: list[list[int]]) -> dict[str, np.ndarray]:
        """Encoder inputs of the persons listed of each example; windows are padded to what the encoder's stride needs."""
        longest = max(e.joints.shape[1] for e in examples)
        length = -(-longest // self.stride) * self.stride
        rows = [(e, m) for e, seen in zip(examples, persons, strict=True) for m in seen]
        shape = (len(rows), length, len(self.skeleton))
        joints, visible = np.zeros((*shape, 3), np.float32), np.zeros(shape, bool)
        frames = np.zeros(shape[:2], bool)
        for row, (e, m) in enumerate(rows):
            n = e.joints.shape[1]
            joints[row, :n], visible[row, :n] = e.joints[m], e.visible[m]
            frames[row, :n] = True if e.valid is None else e.valid
        context = np.stack([e.context for e, _ in rows]).astype(np.float32)
        return {"joints": joints, "visible": visible, "frames": frames, "context": context}


def _facts(folder: Path) -> dict[str, Any]:
    path = folder / "model.json"
    put_back(folder)
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingError(f"{folder}: no exported model there ({error}); `ups export` writes one") from error
    if not isinstance(facts, dict) or "export_format" not in facts:
        raise SettingError(f"{folder}: a checkpoint, not an exported model; `ups export` makes one of it")
    if facts["export_format"] != FORMAT:
        raise SettingError(
            f"{folder}: export format {facts['export_format']}, this version reads {FORMAT}; export again"
        )
    return facts
