"""`ups predict`, `quickstart`: answers of a trained model."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from ups.cli.recording import Recording
from ups.cli.show import answer, say
from ups.errors import SettingError

if TYPE_CHECKING:
    from ups.inference.predictor import Predictor
    from ups.pose import PoseSequence
    from ups.tasks.task import Task


@dataclass
class Predict:
    """Ask a model about one recording, a video or a camera. The answer goes to standard output as JSON."""

    file: Positional[Path | None] = None
    """The recording: the project's .npz, .json or .csv, what pose estimators and motion capture write (docs/formats.md); or
    a video (docs/video.md); or a folder of recordings: a line of JSON for each, in the order of their names."""
    model: Path = Path("ups-small")
    """Folder of the trained model, or the name of one that comes with the package."""
    task: str | None = None
    """recognize_3d or recognize_2d: which action is this; anticipate: which is about to be completed; estimate_pose: which
    3D poses lie behind the 2D joints. Default: recognition in the recording's own space."""
    how: Annotated[Recording, arg(name="")] = field(default_factory=Recording)
    classes: str | None = None
    """Candidate actions, separated by commas; default: those of the data that the model was last trained on."""
    data_set: str | None = None
    """Take the actions of this data set as candidates."""
    top: int = 5
    """How many actions to list."""
    device: str | None = None
    """Where the model answers: cpu, cuda, cuda:1; default: a GPU if there is one."""
    timeline: bool = False
    """What is done when: tell the action of every part of the recording, and where none is known."""
    force: bool = False
    """Answer even where the check of the recording finds an error."""
    plot: Path | None = None
    """Write a picture of the recording and the answer: a PNG file."""
    output: Path | None = None
    """Of a video: folder for its joints, 3D poses, annotated video, page and result.json."""
    estimator: Literal["mediapipe", "rtmlib"] = "mediapipe"
    """What finds the people of a video, see `ups setup`."""
    people: int | None = None
    """People to look for in a video, 1 to 8; default: one with mediapipe, whose time doubles with more, all with rtmlib."""
    step: int = 1
    """Look at every N-th frame of a video."""
    processes: int | None = None
    """Of a folder: processes that read and answer, a thread each; default: one a processor core where there are more than
    32 recordings, else one."""
    camera: int | None = None
    """Answer about what this camera of the machine sees, a line of JSON a frame, until Ctrl-C."""

    def run(self) -> None:
        """Read, ask, answer."""
        from ups.bulk.recordings import is_recording
        from ups.video.source import is_video

        if self.camera is not None or (self.file is not None and is_video(self.file)):
            self.watch()
            return
        if self.file is None:
            raise SettingError("give a recording, a video, or --camera 0")
        if self.output is not None:
            raise SettingError(f"--output is for videos; {self.file} is none: its answer goes to standard output")
        if self.file.is_dir() and not is_recording(str(self.file)):
            self.ask_all(self.file)
            return
        self.ask(self.file)

    def ask_all(self, folder: Path) -> None:
        """About all recordings of a folder."""
        import os

        from ups.bulk.lines import MANY, Question, lines
        from ups.bulk.recordings import list_recordings
        from ups.tasks import get_task

        if self.plot or self.data_set or (self.device or "cpu") != "cpu":
            raise SettingError("--plot, --data-set and --device are for one recording; leave them out for a folder")
        if self.top < 1 or (self.processes is not None and self.processes < 1):
            raise SettingError(f"--top {self.top} --processes {self.processes}; at least 1 is needed")
        if self.task:
            get_task(self.task)
        paths = list_recordings(str(folder))
        processes = self.processes or ((os.cpu_count() or 1) if len(paths) > MANY else 1)
        model = os.path.abspath(self.model) if self.model.exists() else str(self.model)
        options = self.how.many_files()
        question = Question(
            model, self.task, self.named_classes(), self.top, self.timeline, options, self.force, os.getcwd()
        )
        failed = 0
        for told in lines(question, paths, processes):
            answer(told)
            failed += "error" in told
        if failed:
            say(f"{failed} of {len(paths)} recordings could not be used, see their lines", sys.stderr)

    def named_classes(self) -> tuple[str, ...] | None:
        """The actions of --classes; None without. SettingError: they are none, or given beside --data-set."""
        if self.classes is None:
            return None
        if self.data_set:
            raise SettingError("give either --classes or --data-set")
        classes = tuple(text for text in map(str.strip, self.classes.split(",")) if text)
        if not classes:
            raise SettingError(f"--classes {self.classes!r} names no action; separate several by commas")
        return classes

    def watch(self) -> None:
        """About a video, or a camera."""
        from ups.cli.watch import Watching, show_camera
        from ups.video.answer import Asked, answer_video

        classes = self.named_classes()
        if self.step < 1 or self.top < 1:
            raise SettingError(f"--step {self.step} --top {self.top}; at least 1 is needed")
        if self.people is not None and (self.camera is not None or not 1 <= self.people <= 8):
            raise SettingError(f"--people {self.people}; 1 to 8 can be looked for, in a video")
        if self.camera is not None and self.file is not None:
            raise SettingError(f"give either {self.file} or --camera {self.camera}")
        if self.camera is None and self.output is None:
            raise SettingError(f"--output FOLDER is needed for {self.file}: joints, 3D poses, video and page go there")
        given = {name: getattr(self, name) for name in ("task", "plot", "processes")} | vars(self.how)
        if unfit := [f"--{name.replace('_', '-')}" for name, value in given.items() if value]:
            raise SettingError(
                f"{', '.join(unfit)}: for recordings of joints, not for a video or a camera; leave it out"
            )

        def loaded() -> Predictor:
            from ups.checkpoint.io import load
            from ups.inference.predictor import Predictor
            from ups.runtime.device import choose_device

            return Predictor(load(self.model), device=choose_device(self.device))

        if self.camera is not None:
            predictor = loaded()
            if self.data_set:
                classes = predictor.trained.classes_of(self.data_set)
            show_camera(self.camera, predictor, self.estimator, classes, self.top)
            return
        assert self.file is not None and self.output is not None
        asked = Asked(classes, self.top, self.step, self.estimator, self.force, self.people, self.data_set)
        with Watching() as progress:
            so_far = progress.so_far if progress.shown else None
            told = answer_video(self.file, loaded, self.output, asked, progress, so_far)
        answer(told)
        say(f"page: {self.output}/index.html", sys.stderr)

    def ask(self, file: Path) -> None:
        """About one recording."""
        from ups.checkpoint.io import load
        from ups.data.checks.clip import check_or_refuse
        from ups.inference.as_json import recording_told
        from ups.inference.predictor import Predictor
        from ups.runtime.device import choose_device
        from ups.seen import check_somebody
        from ups.tasks import get_task
        from ups.tasks.action import recognize_2d, recognize_3d
        from ups.tasks.pose import estimate_pose
        from ups.tasks.task import check_space

        self.named_classes()  # wrong ones are told before the model is loaded
        if self.top < 1:
            raise SettingError(f"--top {self.top}; at least 1 is needed")
        clip = self.how.read(file)
        for line in check_or_refuse(clip, str(file), self.force):
            say(line, sys.stderr)
        predictor = Predictor(load(self.model), device=choose_device(self.device))
        task = get_task(self.task) if self.task else recognize_2d if clip.space == "image" else recognize_3d
        check_space(task, clip.space, str(file))
        if self.timeline and task is estimate_pose:
            raise SettingError(
                "--timeline tells actions; leave it out for estimate_pose, which answers for every frame"
            )
        if not self.timeline:
            check_somebody(clip.visibility, str(file))
        facts: dict[str, Any] = {
            "file": str(file),
            "task": task.name,
            **recording_told(clip),
        }
        found = self.lift(predictor, clip) if task is estimate_pose else self.name_action(predictor, task, clip)
        answer(facts | found)
        if self.plot:
            say(f"picture: {self.plot}", sys.stderr)

    def name_action(self, predictor: Predictor, task: Task, clip: PoseSequence) -> dict[str, Any]:
        """The most probable actions."""
        from ups.checkpoint.known_actions import taught_by
        from ups.inference.as_json import actions_told
        from ups.reporting.poses import save_picture

        classes = self.named_classes()
        if self.data_set:
            classes = predictor.trained.classes_of(self.data_set)
        if self.timeline:
            found = predictor.timeline(clip, classes, task.name)
            for segment in found.segments:
                say(f"{segment.start_s:9.2f} {segment.end_s:9.2f} s  {segment.told}", sys.stderr)
            if self.plot:
                save_picture(
                    clip, self.plot, f"{self.file and self.file.name}: {', '.join(s.told for s in found.segments[:3])}"
                )
            return {"timeline": found.to_dicts()}
        answer = predictor.rank_actions(task.name, clip, classes)
        if self.plot:
            pairs = list(zip(answer.classes, answer.probabilities, strict=True))[: self.top]
            save_picture(clip, self.plot, f"{self.file and self.file.name}: {answer.best}", pairs)
        among = "asked about" if self.classes else f"of {self.data_set or ', '.join(taught_by(predictor.config))}"
        return actions_told(answer, self.top) | {"among": f"{len(answer.classes)} actions {among}"}

    def lift(self, predictor: Predictor, clip: PoseSequence) -> dict[str, Any]:
        """3D poses of all persons."""
        from ups.inference.as_json import poses_told
        from ups.reporting.poses import save_lift_picture
        from ups.tasks.pose import estimate_pose

        clip = predictor.drop_untrained_joints(estimate_pose.name, clip)
        lifted = predictor.lift(clip)
        if self.plot:
            best = int(clip.visibility.sum((1, 2)).argmax())
            title = f"{self.file and self.file.name}: person {best + 1}"
            save_lift_picture(clip, lifted.joints[best], self.plot, title, best)
        return poses_told(lifted)


@dataclass
class Quickstart:
    """Try everything in a few minutes, on generated motion: train, fine-tune, evaluate, predict, and show it."""

    output: Path = Path("quickstart")
    """Folder for all that is made; the page is OUTPUT/index.html."""

    def run(self) -> None:
        """Run, and print where the page is."""
        from ups.experiments.quickstart import quickstart
        from ups.runtime.allocator import keep_freed_memory

        keep_freed_memory()
        say(quickstart(self.output))
