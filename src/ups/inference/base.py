"""Questions about pose sequences and their answers, whatever computes them. Nothing here needs PyTorch."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ups.batch import PERSONS
from ups.checkpoint.known_actions import taught_actions
from ups.checkpoint.lineage import Lineage, named_parts
from ups.config import Config
from ups.errors import CheckpointError, DataError, SettingError
from ups.inference.many import lifted, pooled_answers, ranked, timelines
from ups.labels import one_spelling
from ups.pose import PoseSequence
from ups.refs import DataSetInfo
from ups.seen import bodies, check_somebody
from ups.skeleton import Skeleton
from ups.skeletons import skeleton_of
from ups.tasks import get_task
from ups.tasks.action import MALFORMED, ActionTask, anticipate, mirrored_classes, recognize_2d, recognize_3d
from ups.tasks.calibration import LONGEST, Calibration
from ups.tasks.pose import PoseTask, estimate_pose
from ups.tasks.predictions import Answer, Lifted, rank
from ups.tasks.rates import decoded_every, filled
from ups.tasks.skeleton_views import LISTED, asking_for
from ups.tasks.smoothing import calmed
from ups.tasks.task import Example, Task
from ups.tasks.timeline import (
    STEP,
    WINDOW,
    Timeline,
    part,
    windows_of,
)
from ups.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    from ups.inference.crew import Crew

log = logging.getLogger("ups")

_NOT_FREELY = "an exported model writes along the grammar alone; measure the model it was made of"


class BasePredictor(ABC):
    """What can be asked of a trained model; how the model is run is a subclass's own matter.

    Args:
        config: what it was built and trained with.
        vocabulary: meaning of its tokens.
        data_sets: class names and skeleton of every data set it was trained on.

    Attributes:
        lineage: all that it and the models it started from have learned from.
        calibration: how far its answers can be believed, by task; empty where nobody measured it (`ups calibrate`).
    """

    clips_at_once = 16
    """Clips that are best answered together: a CPU is no faster with more, which take more memory."""
    windows_at_once = 64
    """Windows that are lifted together."""

    def __init__(self, config: Config, vocabulary: Vocabulary, data_sets: dict[str, DataSetInfo]) -> None:
        self.config, self.vocabulary, self.data_sets = config, vocabulary, data_sets
        self.lineage: Lineage = named_parts(config.train)
        self.calibration: Calibration = {}
        self._crew: Crew | None = None

    @abstractmethod
    def action_scores(
        self, task: ActionTask, examples: list[Example], skeleton: Skeleton, classes: tuple[str, ...]
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Log-probability of each class for each example, whose joints are those of `skeleton`: (B, classes) float32; and
        the decoder's state behind it (B, D) float32, None where that is not known.
        """

    @abstractmethod
    def coordinates(
        self, task: PoseTask, examples: list[Example], skeleton: Skeleton, greedy: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Decoded coordinates and their spread in metres for all target frames of windows of one person: (Q, 3J) each.

        The coordinates are expectations over bins; if `greedy` the best bins are written, and their centres read.
        """

    def check_free(self) -> None:
        """Raises SettingError where the model can't write without the grammar."""
        raise SettingError(_NOT_FREELY)

    def written_freely(
        self, task: Task, examples: list[Example], skeleton: Skeleton, classes: tuple[str, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the model writes without the grammar (see `ups.model.decoding.decode_freely`): tokens (Q, K), K the length
        that the grammar wants, and which of the Q sequences are well formed.

        Raises:
            SettingError: it can't, see `check_free`.
        """
        raise SettingError(_NOT_FREELY)

    def frames_of(self, task: str) -> int:
        """Frames that the model was trained to see for a task."""
        for mix in self.config.train.tasks:
            if mix.task == task:
                return mix.frames
        known = ", ".join(mix.task for mix in self.config.train.tasks)
        raise SettingError(f"the model was not trained on {task!r}; it knows {known}")

    def drop_untrained_joints(self, task: str, clip: PoseSequence) -> PoseSequence:
        """The clip without joints that no training data of the task had: the weights of their slots were never trained.

        Raises:
            DataError: neither a pelvis nor both hips are left.
        """
        names = [name for mix in self.config.train.tasks if mix.task == task for name in mix.stores]
        met = {joint for n in names if n in self.data_sets for joint in self.data_sets[n].skeleton.joints}
        if self.config.train.augment.shift.share > 0:
            met |= {joint for skeleton in LISTED for joint in skeleton.joints}
        joints = [joint for joint in clip.skeleton.joints if joint in met]
        if not met or len(joints) == len(clip.skeleton):
            return clip
        return clip.pick_joints(skeleton_of(joints, clip.id or "clip"))

    def recognize(self, clip: PoseSequence, classes: tuple[str, ...] | None = None) -> Answer:
        """Which action is this? 2D or 3D follows from the clip's space.

        `classes` are the candidates, by text; all actions that clips taught the model (`actions`) where None. Of a
        recording longer than the clips of training the answers about windows are pooled, see `timeline`.

        Raises:
            DataError: nobody is seen: no frame shows enough of a body (`ups.seen.BODY`).
        """
        task = recognize_2d if clip.space == "image" else recognize_3d
        return self.rank_actions(task.name, clip, classes)

    def anticipate(self, clip: PoseSequence, classes: tuple[str, ...] | None = None) -> Answer:
        """Which action is about to happen, from its first frames? See `recognize`.

        Of a recording longer than the clips of training the last window counts.
        """
        return self.rank_actions(anticipate.name, clip, classes)

    def timeline(
        self,
        clip: PoseSequence,
        classes: tuple[str, ...] | None = None,
        task: str | None = None,
        window_s: float = WINDOW,
        step_s: float = STEP,
    ) -> Timeline:
        """What is done when, in a recording of any length: see `ups.tasks.timeline`.

        Args:
            clip: the recording; no more than a few windows of it are copied at a time.
            classes: the candidates, see `recognize`.
            task: of actions; recognition in the clip's space where None.
            window_s: seconds of a window.
            step_s: seconds between the starts of two, and of a step of the timeline.

        Raises:
            SettingError: a task that the model does not know, windows of no length.
        """
        return timelines(self, [clip], self.candidates(classes), task, window_s, step_s)[0]

    def ask(self, task: str, clip: PoseSequence, classes: tuple[str, ...] | None = None) -> object:
        """The answer to any task's question, by the task's name; see the task's own `answer`.

        Raises:
            SettingError: an unknown task, or one that the model was not trained on.
        """
        self.frames_of(task)
        return get_task(task).answer(self, clip, classes)

    def lift(
        self,
        clip: PoseSequence,
        flip: bool = True,
        stride: int | None = None,
        greedy: bool = False,
        delay: int | None = None,
        skeleton: Skeleton | str | None = None,
        smooth: bool = False,
    ) -> Lifted:
        """What is the 3D pose behind these 2D joints, in every frame?

        Args:
            clip: 2D joints in pixels with image_size; any number of persons.
            flip: average with the answer for the mirrored clip.
            stride: frames decoded from each window: 1 = the central one ("center"), the window's length = all of
                them ("all"). Where None 1 if training taught the central frame alone (target_frames "centre"), else
                eight ninths of the window (24 of 27), which costs half a percent of accuracy beside two thirds
                (dev/LOG.md).
            greedy: write each coordinate's most probable bin and read its centre, as the paper does, instead of the
                expectation over the axis's bins.
            delay: frames of a window after the first one that is decoded from it; the decoded ones stand in the
                window's middle where None. Fewer = less of the future is needed (see `ups.inference.streaming`).
            skeleton: the joints to tell, whichever are given: "h36m-17" for a clip of COCO's, say; those of the clip
                that the model knows where None.
            smooth: hold the bones' lengths constant, and smooth over time by the uncertainty (see `steady`).

        A window is a time: of 75 frames a second and more only so many are looked at as make 37.5 to 75. All of these are
        read, but no more of them are decoded than make 12.5 a second or a little more (`ups.tasks.rates`); the poses in
        between are interpolated. 2D joints that jitter are smoothed first, as strongly as their own jitter asks for
        (`ups.tasks.smoothing.calmed`). Where `stride` or `delay` is given, which count frames, they are taken as they are,
        and every frame is decoded.

        Joints of a person are NaN in frames that are decoded from a window in which nothing is seen of that person.

        Raises:
            SettingError: the model was trained to estimate no joints but those that are given.
            DataError: as `windows` does; nobody is seen: no frame shows enough of a body (`ups.seen.BODY`).
        """
        return lifted(self, [clip], flip, stride, greedy, delay, skeleton, smooth)[0]

    def lift_together(
        self,
        clips: list[PoseSequence],
        flip: bool = True,
        stride: int | None = None,
        greedy: bool = False,
        free: bool = False,
    ) -> list[Lifted]:
        """Poses of clips of one skeleton, whose windows are decoded together; fast clips are not thinned, poses not placed.

        If `free` they are decoded without the grammar, and NaN where what was written is no pose.
        """
        if stride is None and not free:
            clips = [calmed(clip) for clip in clips]
        clips = [self.drop_untrained_joints(estimate_pose.name, self.as_read(clip)) for clip in clips]
        for clip in clips:
            check_somebody(clip.visibility, clip.id or "clip")
        steps = [decoded_every(clip.fps) if stride is None and not free else 1 for clip in clips]
        together: dict[int, Lifted] = {}
        for every in sorted(set(steps)):
            chosen = [i for i, step in enumerate(steps) if step == every]
            persons = [clips[i].person(m) for i in chosen for m in range(clips[i].persons)]
            found = iter(self._lift_persons(persons, flip, stride, greedy, None, every, free))
            for i in chosen:
                joints, spread = zip(*(next(found) for _ in range(clips[i].persons)), strict=True)
                together[i] = Lifted(np.stack(joints), np.stack(spread), clips[i].skeleton)
        return [together[i] for i in range(len(clips))]

    def recognize_many(
        self, clips: list[PoseSequence], classes: tuple[str, ...] | None = None, workers: int = 1
    ) -> list[Answer]:
        """`recognize` of each of many clips, of any skeletons, spaces and lengths, in batches across all of them.

        With more than one of `workers`, so many processes share the work, each with a copy of the model and one thread;
        they start in 2 or 3 s and stay for the next question until `close`. A program that asks so is to be guarded by
        `if __name__ == "__main__":`, as every one that starts processes.

        Raises:
            DataError: nobody is seen in one of them, which is named.
            SettingError: workers below 1, or more than one of a model that lies on an accelerator.
            IncompleteError: a process died.
        """
        return self._many("recognize_many", clips, workers, classes=classes) or ranked(
            self, clips, self.candidates(classes)
        )

    def anticipate_many(
        self, clips: list[PoseSequence], classes: tuple[str, ...] | None = None, workers: int = 1
    ) -> list[Answer]:
        """`anticipate` of each of many clips; see `recognize_many`."""
        return self._many("anticipate_many", clips, workers, classes=classes) or ranked(
            self, clips, self.candidates(classes), anticipate.name
        )

    def rank_many(self, task: str, clips: list[PoseSequence], classes: tuple[str, ...] | None = None) -> list[Answer]:
        """`rank_actions` of each of many clips by the same task; see `recognize_many`."""
        return ranked(self, clips, self.candidates(classes), task)

    def timeline_many(
        self,
        clips: list[PoseSequence],
        classes: tuple[str, ...] | None = None,
        task: str | None = None,
        window_s: float = WINDOW,
        step_s: float = STEP,
        workers: int = 1,
    ) -> list[Timeline]:
        """`timeline` of each of many recordings, whose windows share batches; see `recognize_many`."""
        options = {"classes": classes, "task": task, "window_s": window_s, "step_s": step_s}
        return self._many("timeline_many", clips, workers, **options) or timelines(
            self, clips, self.candidates(classes), task, window_s, step_s
        )

    def lift_many(
        self,
        clips: list[PoseSequence],
        flip: bool = True,
        stride: int | None = None,
        greedy: bool = False,
        delay: int | None = None,
        skeleton: Skeleton | str | None = None,
        smooth: bool = False,
        workers: int = 1,
    ) -> list[Lifted]:
        """`lift` of each of many clips, of any skeletons and lengths, whose windows share batches; see `recognize_many`."""
        options = {
            "flip": flip, "stride": stride, "greedy": greedy, "delay": delay, "skeleton": skeleton, "smooth": smooth,
        }  # fmt: skip
        return self._many("lift_many", clips, workers, **options) or lifted(self, clips, **options)

    def copied(self, folder: Path) -> Callable[[], BasePredictor]:
        """How another process makes a predictor that answers as this one, on the processor; what it needs may be written
        to the folder.

        Raises:
            SettingError: it can't be made there.
        """
        raise SettingError(f"{type(self).__name__} answers in one process; leave workers out")

    def close(self) -> None:
        """End the processes that `workers` started, if any."""
        if self._crew is not None:
            self._crew.close()
            self._crew = None

    def _many(self, method: str, clips: list[PoseSequence], workers: int, **options: Any) -> list[Any]:
        """The answers of a crew; none where this process is to answer."""
        if workers < 1:
            raise SettingError(f"{workers} workers; at least 1 is needed")
        if workers == 1 or len(clips) < 2:
            return []
        crew = self._crew
        if crew is None or crew.workers != workers:
            from ups.inference.crew import Crew  # processes, which other answers do without

            self.close()
            crew = self._crew = Crew(self.copied, workers)
        return crew.answers(method, clips, options)

    def as_read(self, clip: PoseSequence) -> PoseSequence:
        """The clip without confidences, where the model was not trained to read them."""
        return clip if self.config.model.confidence or clip.space != "image" else clip.without_confidence()

    def asked_for(self, clip: PoseSequence, wanted: Skeleton) -> PoseSequence:
        """The clip with the joints of `wanted` that it lacks as joints that were not seen.

        Raises:
            SettingError: it lacks some, and the model was trained to tell no others than are given.
        """
        lacking = [joint for joint in wanted.joints if joint not in clip.skeleton.joints]
        if lacking and not self.config.train.augment.shift.share:
            raise SettingError(
                f"{clip.id or 'clip'}: this model tells the joints that are given, not {', '.join(lacking[:3])}; "
                "one trained with train.augment.shift does"
            )
        return asking_for(clip, wanted)

    def class_scores(
        self, task: str, clips: list[PoseSequence], classes: tuple[str, ...], batch: int = 64
    ) -> np.ndarray:
        """Log-probability of each class for each clip: (clips, classes) float32. The clips share one skeleton."""
        return self.judged(task, clips, classes, batch)[0]

    def viewed_scores(
        self, task: str, clips: list[PoseSequence], classes: tuple[str, ...], batch: int, views: int
    ) -> np.ndarray:
        """The same from the mean of the probabilities that several views of each clip get, see `ActionTask.view`: crops,
        and each in a mirror too where training showed the task mirrors.
        """
        augment = self.config.train.augment
        ranges = augment.action_2d if clips[0].space == "image" else augment.action_3d
        mirrored = mirrored_classes(classes)
        total = np.zeros((len(clips), len(classes)))
        for number in range(views):
            crop, mirror = divmod(number, 2) if ranges.mirror > 0 else (number, 0)
            crops = -(-views // 2) if ranges.mirror > 0 else views
            scores = self.judged(task, clips, classes, batch, (crop, crops, bool(mirror)))[0]
            total += np.exp(scores[:, mirrored] if mirror else scores)
        return np.log(np.maximum(total / views, np.finfo(np.float32).tiny)).astype(np.float32)

    def free_classes(
        self, task: str, clips: list[PoseSequence], classes: tuple[str, ...], batch: int = 64
    ) -> np.ndarray:
        """The class that the model names each clip without the grammar: (clips) int, its number in `classes`; -1 = another
        class, `MALFORMED` = the output is not a class and the task's end.
        """
        question = self._action_task(task)
        ids = {token: i for i, token in enumerate(self.vocabulary.class_tokens(list(classes)))}
        found = np.full(len(clips), MALFORMED)
        for start in range(0, len(clips), batch):
            part = self._examples(question, clips[start : start + batch])
            tokens, formed = self.written_freely(question, part, clips[0].skeleton.sorted_by_slot(), classes)
            named = [ids.get(int(token), -1) for token in tokens[:, 0]]
            found[start : start + batch] = np.where(formed, named, MALFORMED)
        return found

    def _action_task(self, task: str) -> ActionTask:
        question = get_task(task)
        if not isinstance(question, ActionTask):
            raise SettingError(f"task {task!r} does not answer with an action")
        return question

    def _examples(
        self, task: ActionTask, clips: list[PoseSequence], view: tuple[int, int, bool] | None = None
    ) -> list[Example]:
        frames = self.frames_of(task.name)
        some = [self.as_read(clip.keep_best(PERSONS)) for clip in clips]
        return [task.example(clip, frames) if view is None else task.view(clip, frames, *view) for clip in some]

    def judged(
        self,
        task: str,
        clips: list[PoseSequence],
        classes: tuple[str, ...],
        batch: int = 64,
        view: tuple[int, int, bool] | None = None,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The same of whole clips, or of one view of each (see `ActionTask.view`), and the probability that none of the classes
        is shown (clips) float32; None where the model was not calibrated.
        """
        question, skeleton = self._action_task(task), clips[0].skeleton.sorted_by_slot()
        found = []
        for start in range(0, len(clips), batch):
            examples = self._examples(question, clips[start : start + batch], view)
            found.append(self.judge(question, *self.action_scores(question, examples, skeleton, classes), classes))
        scores, unknown = zip(*found, strict=True)
        return np.concatenate(scores), None if unknown[0] is None else np.concatenate(unknown)

    def judge(
        self, task: ActionTask, scores: np.ndarray, states: np.ndarray | None, classes: tuple[str, ...]
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """What `action_scores` found, calibrated: log-probabilities (B, classes), and that none of them is shown (B)."""
        known = self.calibration.get(task.name)
        if known is None:
            return finite(scores), None
        none = None if states is None else known.unknown(states, classes).astype(np.float32)
        return finite(known.sharpen(scores).astype(np.float32)), none

    def rank_actions(self, task: str, clip: PoseSequence, classes: tuple[str, ...] | None) -> Answer:
        """The candidates in answer to a task of actions, most probable first; see `recognize`."""
        names = self.candidates(classes)
        clip = self.drop_untrained_joints(task, clip)
        check_somebody(clip.visibility, clip.id or "clip")
        if clip.persons > PERSONS:
            log.warning("%s: %d persons; the %d seen best are looked at", clip.id or "clip", clip.persons, PERSONS)
        return self.answer_about(task, clip, names)

    def is_long(self, task: str, clip: PoseSequence) -> bool:
        """Whether a clip is longer than those of training, so that it is asked about in windows."""
        return clip.frames / clip.fps > (self.calibration[task].longest_s if task in self.calibration else LONGEST)

    def answer_about(self, task: str, clip: PoseSequence, names: tuple[str, ...]) -> Answer:
        """The answer to a clip of joints that the model knows, in windows where it is longer than training's clips."""
        question = get_task(task)
        if self.is_long(task, clip):
            if not (isinstance(question, ActionTask) and question.prefix):
                return pooled_answers(self, [clip], names, task)[0]
            clip = part(clip, windows_of(clip.frames, clip.fps).starts[-1], clip.frames)
            check_somebody(clip.visibility, f"{clip.id or 'clip'}: its last {WINDOW:g} s")
        scores, unknown = self.judged(task, [clip], names)
        return rank(names, scores[0], None if unknown is None else float(unknown[0]))

    def candidates(self, classes: tuple[str, ...] | None) -> tuple[str, ...]:
        """One name for each of the classes asked about, told where some are one; all actions that clips taught the
        model where None.
        """
        found = one_spelling(classes or self.actions())
        if found.merged:
            log.warning("of the classes asked about, %s", found.told)
        return found.classes

    def actions(self) -> tuple[str, ...]:
        """The actions that clips taught the model: see `taught_actions`."""
        return taught_actions(self.config, self.vocabulary, self.data_sets)

    def windows(self, stride: int | None, delay: int | None) -> tuple[int, int, int]:
        """How `lift` cuts windows: their length, the frame of a window decoded first, and how many are decoded.

        Raises:
            DataError: no frame is decoded, or the decoded ones don't fit into a window.
            SettingError: the model does not estimate poses.
        """
        frames = self.frames_of(estimate_pose.name)
        stride = min(self.usual_stride() if stride is None else stride, frames)
        if stride < 1:
            raise DataError(f"stride {stride}: at least 1 frame is decoded from each window")
        first = (frames - stride) // 2 if delay is None else frames - 1 - delay
        if not 0 <= first <= frames - stride:
            raise DataError(
                f"a delay of {delay} frames; windows have {frames} frames of which {stride} are decoded, so that it is "
                f"{stride - 1} to {frames - 1}"
            )
        return frames, first, stride

    def usual_stride(self) -> int:
        """Frames that `lift` decodes from each window where no number is given: 1 where training taught the central one."""
        centre = self.config.train.target_frames == "centre"
        return 1 if centre else default_stride(self.frames_of(estimate_pose.name))

    def _lift_persons(
        self,
        clips: list[PoseSequence],
        flip: bool,
        stride: int | None,
        greedy: bool,
        delay: int | None,
        every: int = 1,
        free: bool = False,
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """(N, J, 3) and (N, J) of each of these clips of one person, of one skeleton; NaN in the frames of windows in
        which he is not seen. Of `every` frames one is decoded, and those between are interpolated.
        """
        task = estimate_pose
        frames, first, stride = self.windows(stride, delay)
        every = min(every, stride)
        if stride % every:
            frames, first, stride = self.windows(stride - stride % every, delay)
        wanted = np.arange(first, first + stride, every)
        counts = [-(-(clip.frames + every - 1) // stride) for clip in clips]  # the last frame lies between two decoded
        windows = [(i, stride * k - first) for i, count in enumerate(counts) for k in range(count)]
        skeleton = clips[0].skeleton.sorted_by_slot()
        result = np.full((len(windows), len(wanted), len(skeleton), 4), np.nan, np.float32)  # x, y, z, spread
        for at in range(0, len(windows), self.windows_at_once):
            part = windows[at : at + self.windows_at_once]
            examples = [
                example
                for i, of_clip in groupby(part, key=itemgetter(0))
                for example in task.examples(clips[i], [start for _, start in of_clip], frames, wanted)
            ]
            there = [k for k, example in enumerate(examples) if bodies(example.visible).any()]
            if not there:
                continue
            seen = [examples[k] for k in there]
            joints, spread = self._decode_poses(task, seen, skeleton, greedy, free)
            if flip:
                mirror = list(skeleton.mirror)
                mirrored = [task.mirrored(e, skeleton) for e in seen]
                other, other_spread = self._decode_poses(task, mirrored, skeleton, greedy, free)
                joints = (joints + other[:, mirror] * np.array([-1, 1, 1], np.float32)) / 2
                spread = (spread + other_spread[:, mirror]) / 2
            told = np.concatenate([joints, spread[..., None]], -1)
            result[at + np.array(there)] = told.reshape(len(seen), *result.shape[1:])
        back = np.argsort(clips[0].skeleton.slot_order)
        ends = np.cumsum([len(wanted) * count for count in counts])[:-1]
        of_clips = np.split(result.reshape(-1, len(skeleton), 4)[:, back], ends)
        return [
            (filled(of[..., :3], every, clip.frames, curved=True), filled(of[..., 3], every, clip.frames))
            for clip, of in zip(clips, of_clips, strict=True)
        ]

    def _decode_poses(
        self, task: PoseTask, examples: list[Example], skeleton: Skeleton, greedy: bool, free: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Joints (windows * T, J, 3) and spread (windows * T, J) in slot order; joints NaN where `free` writes no pose."""
        if free:
            tokens, formed = self.written_freely(task, examples, skeleton, ())
            joints = task.poses(self.vocabulary.token_values[tokens[:, :-1]], skeleton)
            joints[~formed] = np.nan
            return joints, np.zeros(joints.shape[:2], np.float32)
        coordinates, deviation = map(finite, self.coordinates(task, examples, skeleton, greedy))
        return task.poses(coordinates, skeleton), np.linalg.norm(task.poses(deviation, skeleton), axis=-1)


def finite(answer: np.ndarray) -> np.ndarray:
    """A model's answer, as it is; raises CheckpointError where it holds what is no number."""
    if np.isnan(answer).any():
        raise CheckpointError(
            "the model's answer is not a number: its weights are too large, or damaged; use another model"
        )
    return answer


def default_stride(frames: int) -> int:
    """Frames that `lift` decodes from each window of `frames` where no number is given."""
    return max(1, 8 * frames // 9)
