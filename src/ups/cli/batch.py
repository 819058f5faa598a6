"""`ups batch`: answers about any number of recordings."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ups.cli.recording import Recording
from ups.cli.show import answer, progress
from ups.errors import SettingError


@dataclass
class Batch:
    """Ask a model about many recordings; the answers are Parquet files, a row for each person and window. Run again, it
    goes on where it was ended. Recordings that can't be used are listed in OUTPUT/failures.csv; the exit code is 0.
    """

    recordings: Positional[str]
    """A folder, searched with all below it; a pattern in quotes, '**' for any folders; or a table, .csv or .parquet, with
    a column path."""
    model: str
    """Folder or name of the trained model."""
    output: Path
    """Folder of the answers."""
    how: Annotated[Recording, arg(name="")] = field(default_factory=Recording)
    task: str | None = None
    """recognize_3d, recognize_2d or anticipate; default: recognition in each recording's own space."""
    poses: bool = False
    """Also tell the 3D poses behind 2D joints, of whole recordings."""
    classes: str | None = None
    """Candidate actions, separated by commas; default: all classes the model knows."""
    top: int = 5
    """How many actions to tell."""
    window: float | None = None
    """Seconds of a window; default: the whole recording."""
    force: bool = False
    """Answer even where the check of a recording finds an error."""
    read_seconds: float = 60.0
    """Time for reading one recording; one that takes longer is a failure."""
    size: int = 64
    """Recordings in a file of answers, which is computed as a whole and written whole."""
    processes: int | None = None
    """Processes of this machine; default: one a processor core."""
    ray: str | None = None
    """Let a Ray cluster do it: its address, auto for the one this machine belongs to, local for one made here. All its
    machines need the same paths and this package."""

    def run(self) -> None:
        """List, ask, write."""
        if self.ray:
            import ray  # noqa: F401  # pyright: ignore[reportMissingImports]
        from ups.bulk.part import Asked
        from ups.bulk.recordings import list_recordings
        from ups.bulk.run import run
        from ups.tasks import get_task
        from ups.tasks.action import ActionTask

        for name, value in (("--top", self.top), ("--size", self.size), ("--processes", self.processes)):
            if value is not None and value < 1:
                raise SettingError(f"{name} {value}; at least 1 is needed")
        if self.window is not None and not self.window > 0:
            raise SettingError(f"--window {self.window}; more than 0 seconds are needed")
        if self.task and not isinstance(get_task(self.task), ActionTask):
            raise SettingError(f"--task {self.task} does not answer with an action; --poses tells poses")
        classes = tuple(text for text in map(str.strip, self.classes.split(",")) if text) if self.classes else None
        asked = Asked(
            os.path.abspath(self.model) if os.path.exists(self.model) else self.model, self.task, self.poses, classes,
            self.top, self.window, self.how.many_files(), self.force, self.read_seconds, os.getcwd(),
        )  # fmt: skip
        paths = list_recordings(self.recordings)
        with progress("recordings") as told:
            done = run(asked, paths, self.output, size=self.size, processes=self.processes, ray=self.ray, told=told)
        answer({"output": str(self.output), "recordings": len(paths), "answered": done.answered,
                "failed": done.failed, "parts_kept": done.kept})  # fmt: skip
