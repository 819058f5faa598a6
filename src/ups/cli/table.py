"""`ups data table`: a first clips.csv for a folder of recordings."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from ups.cli.show import show
from ups.errors import DataError, SettingError


@dataclass
class Table:
    """Write clips.csv for a folder of your own recordings: actions, people, training and test part, as the names of its
    files and folders tell them. Look it through, in a spreadsheet say, then prepare.
    """

    folder: Positional[Path]
    """Folder of the recordings, one file each."""
    names: str = ""
    """What the files are called, where that isn't recognised: '{subject}_{label}_{take}', or with folders
    '{label}/{subject}_{take}'. label, subject, view and split are used; other names in braces stand for anything."""
    files: str = ""
    """Pattern of the files that are recordings, such as '*.csv'; default: the most frequent kind."""
    split: Literal["auto", "people", "clips"] = "auto"
    """people: one in three of them is the test; clips: one in three clips of each action; auto: people if they are known."""
    fps: float | None = None
    """Frames per second of all recordings, where they don't say."""
    image_size: tuple[int, int] | None = None
    """Width and height in pixels of all recordings, where 2D ones don't say."""
    space: Literal["camera", "kinect", "world"] | None = None
    """Frame of 3D joints in metres, where recordings don't say: kinect (y up, z away from the sensor), camera (y down, z
    forward) or world (y up)."""
    skeleton: str | None = None
    """Name of the recordings' skeleton or a TOML file that describes it, where they don't say; `prepare` needs it again."""
    force: bool = False
    """Replace a clips.csv that is there."""

    def run(self) -> None:
        """Propose, write, show."""
        import rich.table

        from ups.data.clip_table import propose, write_table
        from ups.data.custom import TABLE, first_clip, read_table
        from ups.skeletons import find_skeleton

        path = self.folder / TABLE
        if path.exists() and not self.force:
            raise SettingError(f"{path} is there already; --force replaces it")
        proposal = propose(self.folder, self.names, self.files, self.split)
        write_table(self.folder, proposal.rows, self.fps, self.image_size, self.space)
        for line in proposal.told:
            print(line, file=sys.stderr)
        people: dict[str, set[str]] = {}
        parts: dict[str, list[str]] = {}
        for row in proposal.rows:
            parts.setdefault(row.label, []).append(row.split)
            people.setdefault(row.label, set()).update({row.subject} - {""})
        table = rich.table.Table("action", "people", "training clips", "test clips")
        for label, found in sorted(parts.items()):
            counts = (str(found.count(part)) for part in ("train", "test"))
            table.add_row(label or "(none)", str(len(people[label]) or "unknown"), *counts)
        show(table)
        try:
            first = first_clip(
                self.folder, read_table(self.folder), find_skeleton(self.skeleton) if self.skeleton else None
            )
        except DataError as error:
            path.unlink()
            hint = "what files don't say can be given for all: --space, --image-size, --fps, --skeleton"
            raise DataError(f"{error}; {hint}") from error
        print(
            f"{first.id}: {first.frames} frames, {len(first.skeleton)} joints ({first.skeleton.name}), {first.fps:g} fps"
        )
        print(f"{path}: {len(proposal.rows)} recordings, {len(parts.keys() - {''})} actions; look it through")
