"""`ups data`: prepare data sets, merge shards, check and export recordings."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg, subcommand

from ups.cli.recording import Recording, Repairs
from ups.cli.show import printable, say, show
from ups.cli.table import Table
from ups.errors import IncompleteError, SettingError, did_you_mean

if TYPE_CHECKING:
    from ups.data.datasets.base import DataSet
    from ups.data.formats.joint_map import JointMap
    from ups.data.store.prepare import PrepareReport


@dataclass
class Prepare:
    """Turn the official files of a data set, or your own recordings (a folder with clips.csv, a PYSKL pickle), into a
    store that training and evaluation read. A data set's store that is there already, made without problems from the
    same files, stays. The exit code is 1 if recordings could not be used.
    """

    name: Positional[str]
    """Data set, see `ups data list`; a new name for your own recordings."""
    source: Path | None = None
    """Folder that holds the official files or their archive; the environment variable UPS_DATA where not given. The
    synthetic sets need none."""
    output: Path = Path("data")
    """Folder of stores; the store is written to OUTPUT/NAME, that of a shard to OUTPUT/NAME-I-of-N."""
    shard: str = "1/1"
    """I/N: every N-th recording from the I-th on. The N stores, made side by side, become one by `ups data merge`."""
    force: bool = False
    """Prepare anew, whatever is there; of your own recordings, also those in which the check finds an error."""
    how: Annotated[Repairs, arg(name="")] = field(default_factory=Repairs)
    skeleton: str | None = None
    """Your own recordings: name of their skeleton or a TOML file that describes it, where they don't say."""
    joint_map: Path | None = None
    """Your own recordings: TOML file that says which of their joints is which, see `ups data joints`; by default
    joint_map.toml beside clips.csv."""
    classes: Path | None = None
    """A PYSKL pickle: text file with its class names, one a line."""

    def run(self) -> None:
        """Prepare, and report what could not be used."""
        from ups.data.checks.recordings import checked
        from ups.data.datasets.registry import DATA_SETS
        from ups.data.store.prepare import prepare, write_store

        source = self.source or os.environ.get("UPS_DATA")
        if source is None and not self.name.startswith("synthetic_"):
            raise SettingError(f"where are the files of {self.name}? Give --source FOLDER, or set UPS_DATA")
        number, _, total = self.shard.partition("/")
        if not (number.isdecimal() and total.isdecimal() and 1 <= int(number) <= int(total)):
            raise SettingError(f"--shard {self.shard}: I/N is needed, I one of 1..N, as in 2/4")
        shard = int(number), int(total)
        folder = self.name if shard[1] == 1 else f"{self.name}-{shard[0]}-of-{shard[1]}"
        if self.name in DATA_SETS or source is None:
            _tell(prepare(self.name, source or ".", self.output / folder, shard, self.force))
        else:
            own = checked(self.own(Path(source)), self.force)
            _tell(write_store(own, Path(source), self.output / folder, shard))

    def own(self, source: Path) -> DataSet:
        """The user's recordings: a PYSKL pickle, or a folder with clips.csv."""
        from ups.data.custom import custom_data_set
        from ups.data.datasets.pyskl import pyskl_data_set, read_class_names
        from ups.data.datasets.registry import DATA_SETS, prepared_otherwise
        from ups.skeletons import find_skeleton

        skeleton = find_skeleton(self.skeleton) if self.skeleton else None
        if source.suffix.lower() in (".pkl", ".pickle"):
            known = prepared_otherwise(self.name)
            names = read_class_names(self.classes) if self.classes else known.classes if known else None
            if given := self.how.repairs():
                raise SettingError(f"{source}: {', '.join(given)}: for files of recordings, not for a pickle of many")
            return pyskl_data_set(source, self.name, names, skeleton)
        if (source / "clips.csv").exists():
            return custom_data_set(source, self.name, skeleton, _joint_map(self.joint_map), self.how.repairs())
        near = did_you_mean(self.name, DATA_SETS)
        raise SettingError(
            f"unknown data set {self.name!r}{near} (`ups data list` has them), and {source} has no table clips.csv, which "
            f"your own recordings need; `ups data table {shlex.quote(str(source))}` writes one"
        )


@dataclass
class Merge:
    """Put the stores of all shards of a data set together: the store that `prepare` makes without --shard."""

    shards: Positional[tuple[Path, ...]]
    """Folders of the stores, in any order."""
    output: Path
    """Folder of the new store."""

    def run(self) -> None:
        """Merge, and report what could not be used."""
        from ups.data.store.merge import merge

        _tell(merge(self.shards, self.output))


@dataclass
class Check:
    """Tell in plain words what is wrong with a recording, a folder of them, or a store, and draw the first clip."""

    path: Positional[Path]
    """The recording, a folder with clips.csv, or a store, of which every file is compared with its checksum."""
    how: Annotated[Recording, arg(name="")] = field(default_factory=Recording)
    plot: Path | None = None
    """Draw the first recording that can be read, so that a wrong joint order is seen at once: a PNG file."""

    def run(self) -> None:
        """Check, draw, print; fails where something is an error."""
        from ups.data.checks.check import check, proposed
        from ups.data.custom import first_clip, read_table
        from ups.data.store.store import Store
        from ups.reporting.poses import save_picture
        from ups.skeletons import find_skeleton

        joint_map = _joint_map(self.how.joint_map)
        repairs = self.how.one_file()
        if (self.how.fps or self.how.space) and (self.path / "clips.csv").exists():
            raise SettingError(
                f"{self.path}: --fps and --space are for one recording; a folder's clips.csv has columns for it"
            )
        findings = check(self.path, self.how.skeleton, self.how.image_size, joint_map, **repairs)
        for finding in findings:
            for text, indent in (
                (f"{finding.severity}: {finding.where}: {finding.what}", 2),
                (f"  -> {finding.remedy}", 5),
            ):
                for line in _wrapped(printable(text), indent):
                    say(line)
        if not findings:
            say("nothing found that looks wrong")
        for option in proposed(findings):
            say(f"try: ups data check {self.path} {option}", sys.stderr)
        if self.plot:
            if (self.path / "clips.csv").exists():
                skeleton = find_skeleton(self.how.skeleton) if self.how.skeleton else None
                first = first_clip(self.path, read_table(self.path), skeleton, joint_map)
            elif (self.path / "store.json").exists():
                first = Store.open(self.path)[0]
            else:
                first = self.how.read(self.path)
            save_picture(first, self.plot, first.id)
            say(f"picture: {self.plot}", sys.stderr)
        errors = sum(finding.severity == "error" for finding in findings)
        if errors:
            raise SettingError(f"{self.path}: {errors} errors")


def _wrapped(text: str, indent: int) -> list[str]:
    """A line as wide as the terminal, or as COLUMNS says, goes on below; one in a file or a pipe is left whole."""
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        return [text]
    width = shutil.get_terminal_size().columns
    return textwrap.wrap(text, width, subsequent_indent=" " * indent, break_on_hyphens=False, drop_whitespace=True)


@dataclass
class Joints:
    """Propose which joint of a recording is which of the model's, as a TOML file to correct and to give as --joint-map."""

    file: Positional[Path]
    """The recording."""
    output: Path = Path("joint_map.toml")
    """The TOML file; beside a clips.csv, joint_map.toml is used without being asked for."""
    image_size: tuple[int, int] | None = None
    """Width and height in pixels, where a 2D recording doesn't say."""
    plot: Path | None = None
    """Draw a frame with every joint's name and what it is taken for: a PNG file."""

    def run(self) -> None:
        """Propose, write, draw, print."""
        from ups.data.open_file import read_file
        from ups.data.propose_joints import propose_joints
        from ups.files import write_whole
        from ups.reporting.poses import save_joints_picture

        if self.output.exists():
            raise SettingError(f"{self.output} exists; remove it, or give another --output")
        proposal = propose_joints(self.file, self.image_size)
        write_whole(self.output, proposal.toml.encode())
        print(f"{self.output}: {len(proposal.places)} of {len(proposal.names)} joints")
        for note in proposal.notes:
            print(note, file=sys.stderr)
        if self.plot:
            clip = read_file(self.file, None, None, self.image_size, proposal.joint_map)
            labels = [f"{proposal.names[proposal.places[joint]]}: {joint}" for joint in clip.skeleton.joints]
            save_joints_picture(clip, labels, self.plot, self.file.name)
            print(f"picture: {self.plot}", file=sys.stderr)


@dataclass
class ExportStore:
    """Write a store in the format of other projects, to train their code on it."""

    store: Positional[Path]
    """Folder of the store."""
    format: Literal["pyskl", "videopose3d"]
    """pyskl: one pickle, as PYSKL and MMAction2 read; videopose3d: two npz files of a set that pairs 2D with 3D."""
    output: Path
    """pyskl: the file; videopose3d: the folder."""

    def run(self) -> None:
        """Write, and print what was written."""
        from ups.data.store.export_pyskl import export_pyskl
        from ups.data.store.export_videopose3d import export_videopose3d
        from ups.data.store.store import Store

        store = Store.open(self.store)
        if self.format == "pyskl":
            export_pyskl(store, self.output)
            say(self.output)
        else:
            for path in export_videopose3d(store, self.output):
                say(path)


@dataclass
class Info:
    """Tell what a store holds: clips, classes, splits, and what to know before training."""

    store: Positional[Path]
    """Folder of the store."""

    def run(self) -> None:
        """Print the store's facts."""
        from ups.data.checks.store_info import info
        from ups.data.store.store import Store

        show(info(Store.open(self.store)))


@dataclass
class List:
    """Tell which data sets can be prepared."""

    def run(self) -> None:
        """Print the catalogue."""
        import rich.table

        from ups.data.datasets.registry import DATA_SETS

        table = rich.table.Table("name", "skeleton", "classes", "protocols", "terms", show_lines=True)
        for d in DATA_SETS.values():
            table.add_row(d.name, d.skeleton.name, str(len(d.classes)), ", ".join(d.protocols), d.terms)
        show(table)


@dataclass
class Data:
    """Prepare data sets, and look at them."""

    command: Annotated[
        Annotated[Prepare, subcommand("prepare")]
        | Annotated[Table, subcommand("table")]
        | Annotated[Merge, subcommand("merge")]
        | Annotated[Info, subcommand("info")]
        | Annotated[List, subcommand("list")]
        | Annotated[Check, subcommand("check")]
        | Annotated[Joints, subcommand("joints")]
        | Annotated[ExportStore, subcommand("export")],
        arg(name=""),
    ]

    def run(self) -> None:
        """Run the chosen command."""
        self.command.run()


def _joint_map(path: Path | None) -> JointMap | None:
    """The map of an option."""
    from ups.data.formats.joint_map import read_joint_map

    return read_joint_map(path) if path else None


def _tell(report: PrepareReport) -> None:
    """What became of a data set; IncompleteError if some of it could not be used."""
    for line in report.problems:
        say(line, sys.stderr)
    made = "unchanged, " if report.unchanged else ""
    say(f"{report.folder}: {made}{report.clips} clips, {len(report.problems)} recordings could not be used")
    if report.problems:
        raise IncompleteError(f"{len(report.problems)} recordings could not be used; all others are in {report.folder}")
