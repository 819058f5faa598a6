"""What a task is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np

from ups.batch import PERSONS, Batch, Poses
from ups.config import Augment
from ups.errors import DataError, SettingError
from ups.pose import PoseSequence
from ups.skeleton import Skeleton
from ups.tasks.predictions import Answer, Lifted
from ups.tokens.layout import Layout
from ups.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    import torch

    from ups.data.loader import StoredClips


@dataclass(frozen=True)
class Example:
    """One clip (or window) as a task presents it to the model; joints in slot order.

    Attributes:
        joints: (M, N, J, 3) float32 normalised coordinates.
        visible: (M, N, J) bool.
        context: (CONTEXT,) float32, see `ups.batch`.
        label: class index within the data set, -1 = none.
        target_frames: (T,) frame numbers whose pose is wanted, or None.
        target: (M, T, J, 3) float32 metres, root-relative, camera frame; or None.
        valid: N booleans, False = a frame that only pads the window; None = all are real.
    """

    joints: np.ndarray
    visible: np.ndarray
    context: np.ndarray
    label: int = -1
    target_frames: np.ndarray | None = None
    target: np.ndarray | None = None
    valid: np.ndarray | None = None


class Clips(Protocol):
    """Clips with their labels, read one by one: what a task is evaluated on; a store is one."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Action names, indexed by a clip's label."""
        ...

    @property
    def labels(self) -> np.ndarray:
        """(clips,) int, -1 where unknown."""
        ...

    def __getitem__(self, index: int) -> PoseSequence: ...


class Model(Protocol):
    """What a task asks of a trained model to answer; `ups.inference.base` has the predictors that are one."""

    @property
    def clips_at_once(self) -> int:
        """Clips that are best answered together."""
        ...

    def drop_untrained_joints(self, task: str, clip: PoseSequence) -> PoseSequence:
        """The clip without joints that no training data of the task had."""
        ...

    def frames_of(self, task: str) -> int:
        """Frames that the model was trained to see for a task."""
        ...

    def rank_actions(self, task: str, clip: PoseSequence, classes: tuple[str, ...] | None) -> Answer:
        """The candidates, most probable first."""
        ...

    def class_scores(
        self, task: str, clips: list[PoseSequence], classes: tuple[str, ...], batch: int = 64
    ) -> np.ndarray:
        """(clips, classes) log-probabilities."""
        ...

    def viewed_scores(
        self, task: str, clips: list[PoseSequence], classes: tuple[str, ...], batch: int, views: int
    ) -> np.ndarray:
        """The same from the mean over several views of each clip."""
        ...

    def free_classes(
        self, task: str, clips: list[PoseSequence], classes: tuple[str, ...], batch: int = 64
    ) -> np.ndarray:
        """(clips,) classes written without the grammar: numbers, -1 = another one, -2 = malformed."""
        ...

    def coordinates(
        self, task: Any, examples: list[Example], skeleton: Skeleton, greedy: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Decoded coordinates and their spread in metres, (Q, 3J) each."""
        ...

    def lift_together(
        self,
        clips: list[PoseSequence],
        flip: bool = True,
        stride: int | None = None,
        greedy: bool = False,
        free: bool = False,
    ) -> list[Lifted]:
        """The same of clips of one skeleton."""
        ...

    def lift(self, clip: PoseSequence, flip: bool = True, *, greedy: bool = False) -> Lifted:
        """The 3D poses behind 2D joints."""
        ...


Share = Callable[[Sequence[int], Callable[[int], Any]], list[Any]]
"""`[work(job) for job in jobs]`, by as many processes as there are; see `ups.runtime.distributed.map_distributed`."""


@dataclass(frozen=True)
class Reading:
    """How answers are read out.

    Attributes:
        flip: average lifted poses with those of the mirrored clip.
        greedy: write and read the most probable bins instead of the expectation over bins.
        keep: is given the (clips, classes) log-probabilities of recognition.
        stride: frames decoded from each window of lifting; the model's own number where None.
        views: crops and mirrored views of each clip whose probabilities recognition averages.
        free: measure also what the model writes without the grammar, "free" of the metrics: the share of well-formed
            outputs ("well_formed"), a figure ("figure") with malformed ones counted wrong ("malformed_wrong"), among the
            others ("among_well_formed"), and with the grammar, read alike ("constrained").
    """

    flip: bool = True
    greedy: bool = False
    keep: Callable[[np.ndarray], None] | None = None
    stride: int | None = None
    views: int = 1
    free: bool = False


class Task(Protocol):
    """A question that can be asked about a pose sequence. All that differs between tasks is said here and nowhere else."""

    @property
    def name(self) -> str:
        """Key in `TASKS` and of the task's embedding."""
        ...

    @property
    def eot(self) -> str:
        """Name of the end-of-task token."""
        ...

    @property
    def title(self) -> str:
        """As the paper calls it; heading of tables and charts."""
        ...

    @property
    def space(self) -> Literal["image", "3D", "any"]:
        """What it reads: joints in the image, in 3D, or either."""
        ...

    @property
    def unit(self) -> Literal["clip", "frame"]:
        """What an answer is given for."""
        ...

    @property
    def teaches_actions(self) -> bool:
        """Whether its training clips teach the model what their actions look like."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The figures (see `measures`) that tables of comparison show."""
        ...

    @property
    def main(self) -> str:
        """The figure that stands for all of them."""
        ...

    @property
    def lower_is_better(self) -> bool:
        """Whether its figures are errors."""
        ...

    def training_view(self, clip: PoseSequence, augment: Augment, rng: np.random.Generator) -> PoseSequence:
        """The clip of a data set as training sees it, before it becomes an example: through a camera, for instance."""
        ...

    def answer(self, model: Model, clip: PoseSequence, classes: tuple[str, ...] | None) -> object:
        """The answer to one clip."""
        ...

    def answer_many(self, model: Model, clips: list[PoseSequence], classes: tuple[str, ...], batch: int) -> object:
        """The answers to clips of one skeleton in batches; where `unit` is "frame", to every frame of the first clip."""
        ...

    def evaluate(
        self, model: Model, clips: Clips, indices: np.ndarray, share: Share, reading: Reading
    ) -> dict[str, Any]:
        """All metrics on the given clips, as JSON values; "clips" is their number."""
        ...

    def measures(self, metrics: dict[str, Any]) -> dict[str, float]:
        """Name -> figure that tables show, of what `evaluate` found: accuracies in percent, errors in millimetres."""
        ...

    def headline(self, metrics: dict[str, Any]) -> list[tuple[str, str]]:
        """The figures that matter most, as (name, text with its unit)."""
        ...

    def training_example(
        self,
        clip: PoseSequence,
        classes: tuple[str, ...],
        frames: int,
        targets: int | Literal["centre", "all"],
        augment: Augment,
        rng: np.random.Generator,
    ) -> Example:
        """An augmented example of `frames` frames; `targets` is the number of target frames, where the task has any."""
        ...

    def layout(self, vocabulary: Vocabulary, skeleton: Skeleton, classes: tuple[str, ...]) -> Layout:
        """The grammar of the task's output for clips of `skeleton` (slot order) whose data set has `classes`."""
        ...

    def tokens(
        self, examples: list[Example], vocabulary: Vocabulary, skeleton: Skeleton, classes: tuple[str, ...]
    ) -> np.ndarray:
        """Target tokens (Q, K) of the examples, in the layout's order."""
        ...


@runtime_checkable
class CutsWindows(Protocol):
    """A task that can make training examples of windows of a store's clips without reading them whole."""

    def training_windows(
        self,
        clips: StoredClips,
        frames: int,
        targets: int | Literal["centre", "all"],
        augment: Augment,
        confidence: bool,
        rng: np.random.Generator,
    ) -> list[Example] | None:
        """What `Task.training_example` makes of each clip; None where the clips must be read whole."""
        ...


def collate(
    task: Task, examples: list[Example], vocabulary: Vocabulary, skeleton: Skeleton, classes: tuple[str, ...]
) -> Batch:
    """Examples of one skeleton (slot order) as a training batch; persons that are never seen are left out."""
    import torch

    layout = task.layout(vocabulary, skeleton, classes)
    poses, target_frames = collate_poses(examples, skeleton)
    tokens = torch.from_numpy(task.tokens(examples, vocabulary, skeleton, classes))
    return Batch(poses, layout, tokens, torch.ones(tokens.shape), target_frames)


def check_space(task: Task, clip_space: str, where: str) -> None:
    """Raises SettingError where a task can't read clips of this space, see `ups.pose.Space`."""
    if task.space != "any" and (task.space == "image") != (clip_space == "image"):
        wanted = "2D joints in the image" if task.space == "image" else "3D joints"
        raise SettingError(f"{where}: its space is {clip_space!r}, and {task.name} reads {wanted}; choose another task")


def persons_of(example: Example) -> list[int]:
    """The persons that are ever seen; the first one where nobody is."""
    return [m for m in range(len(example.visible)) if example.visible[m].any()] or [0]


def collate_poses(examples: list[Example], skeleton: Skeleton) -> tuple[Poses, torch.Tensor | None]:
    """Input side of a batch: clips are padded to the longest; a person that is never seen costs nothing.

    Returns the poses and target frames (P, T), None where the examples have none.
    """
    import torch

    longest = max(e.joints.shape[1] for e in examples)
    joints, visible, valid, clip, targets = [], [], [], [], []
    for i, e in enumerate(examples):
        pad = longest - e.joints.shape[1]
        real = np.ones(e.joints.shape[1], bool) if e.valid is None else e.valid
        persons = persons_of(e)
        if len(persons) > PERSONS:
            raise DataError(f"a clip has {len(persons)} persons; at most {PERSONS} can be read: keep those that matter")
        for m in persons:
            joints.append(_padded(e.joints[m], pad))
            visible.append(_padded(e.visible[m], pad))
            valid.append(_padded(real, pad))
            clip.append(i)
            targets.append(e.target_frames)
    poses = Poses(
        torch.from_numpy(np.stack(joints)).float(),
        torch.from_numpy(np.stack(visible)),
        None if all(v.all() for v in valid) else torch.from_numpy(np.stack(valid)),
        torch.from_numpy(np.stack([examples[i].context for i in clip])).float(),
        torch.tensor(clip),
        len(examples),
        skeleton,
    )
    frames = None if targets[0] is None else torch.from_numpy(np.stack(targets)).long()
    return poses, frames


def _padded(frames: np.ndarray, pad: int) -> np.ndarray:
    """(N, ...) followed by `pad` frames of zeros."""
    return frames if pad == 0 else np.concatenate([frames, np.zeros((pad, *frames.shape[1:]), frames.dtype)])
