"""The store: one folder layout for every prepared data set, read clip by clip, so that no set has to fit in RAM.

    store.json        facts of the set, size and CRC-32 of every other file, the problems met while reading it, and a
                      CRC-32 of all these facts
    joints.npy        (R, J, V) float32; clips follow one another, persons outermost within a clip: R = sum of M*N
    visibility.npy    (R, J) float32
    pose_3d.npy       (R, J, 3) float32, only where 2D clips come with the 3D pose behind them
    clips.npz         one array a column: offset (first row), persons, frames, label, subject, view, fps, width, height,
                      for each protocol split_NAME: 0 neither, 1 train, 2 test; of a data set with one recording a file
                      also source, uint64, which identifies the file and its state (see `ups.data.store.prepare`);
                      crc32, uint32, of the clip's bytes in joints, visibility and pose_3d, one after the other
    ids.txt           one name a line

A store is written into a hidden folder beside its final place and renamed when complete: it is there whole or not at
all. Facts, columns and names are checked when it is opened, a clip whenever it is read, everything by `Store.verify`.
Stores of versions before checksums lack them, and are read all the same.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import math
import os
import threading
import weakref
import zlib
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np

from ups.data.datasets.base import SPLITS
from ups.data.store.facts import (
    CENTRE,
    COLUMNS,
    CRC,
    FOCAL,
    FORMAT,
    SOURCE,
    check_sums,
    checksum_of,
    column_names,
    npy_header,
    read_columns,
    read_facts,
    wrong_columns,
)  # fmt: skip
from ups.errors import DataError
from ups.files import checksum, new_folder, put_back
from ups.labels import Spellings, one_spelling
from ups.pose import PoseSequence, Space
from ups.skeleton import Skeleton

log = logging.getLogger("ups")


class StoreWriter:
    """Writes a store clip by clip; a context manager.

    Leaving the `with` block puts the finished store in place of an old one at `folder`; leaving it by an exception (a
    full disk, say) removes what was written and leaves the old store as it was.

    Args:
        folder: where the store will be; a folder that holds something other than a store is never replaced.
        name, skeleton, space, classes, protocols, terms, paired: as in `ups.data.datasets.base.DataSet`. Spellings of one
            action become one class, and clips that `add` is given get its number; a warning says so.

    Attributes:
        problems: lines to keep in the store, about recordings that could not be used.
        origin: facts to keep in the store, about how it was made: values that JSON can hold.

    Raises:
        SettingError: `folder` holds something else.
        DataError: on leaving, no clip was added.
        OSError: the disk is full or can't be written.
    """

    def __init__(
        self,
        folder: Path | str,
        name: str,
        skeleton: Skeleton,
        space: Space,
        classes: tuple[str, ...],
        protocols: tuple[str, ...],
        terms: str = "",
        paired: bool = False,
    ) -> None:
        self.folder = Path(folder).resolve()
        self.name, self.skeleton, self.terms, self.paired = name, skeleton, terms, paired
        self.space: Space = space
        self._spellings = _one_spelling(name, classes)
        self.classes, self.protocols = self._spellings.classes, tuple(protocols)
        self.problems: list[str] = []
        self.origin: dict[str, Any] = {}
        self._stack, self._part = ExitStack(), self.folder
        self._rows = 0
        self._ids: dict[str, None] = {}
        self._clips: list[tuple[float, ...]] = []
        self._sources: list[int] = []
        self._intrinsics: list[tuple[float, float, float]] = []
        self._checksums: list[int] = []
        self._files: dict[str, IO[bytes]] = {}

    def __enter__(self) -> StoreWriter:
        self._part = self._stack.enter_context(new_folder(self.folder, "a store", "store.json"))
        try:
            for key, shape in self._shapes().items():
                self._files[key] = (self._part / f"{key}.npy").open("wb")
                self._files[key].write(npy_header(shape))
        except OSError:
            self._close()
            self._stack.close()
            raise
        return self

    def add(self, clip: PoseSequence, splits: dict[str, str], source: int = 0) -> None:
        """Appends one clip. `splits` gives its split, "train" or "test", in each protocol that uses it; `source` stands
        for the file that it was read from, 0 for none that is known.

        Raises:
            DataError: an id twice, empty or of several lines; another skeleton or space than the store's; a label
                that is no class; an unknown protocol or split; 3D poses missing from a paired store.
            OSError: the disk is full.
        """
        self._check(clip, splits)
        rows = clip.persons * clip.frames
        width, height = clip.image_size or (0, 0)
        arrays = {"joints": clip.joints, "visibility": clip.visibility, "pose_3d": clip.pose_3d}
        value = 0
        try:
            for key, file in self._files.items():
                content = memoryview(arrays[key]).cast("B")
                value = zlib.crc32(content, value)
                file.write(content)
        except OSError as error:
            raise self._unwritable(error) from error
        label = self._spellings.places[clip.label] if clip.label >= 0 else -1
        facts = (self._rows, clip.persons, clip.frames, label, clip.subject, clip.view, clip.fps, width, height)
        self._clips.append((*facts, *(SPLITS.get(splits.get(p, ""), 0) for p in self.protocols)))
        self._sources.append(source)
        self._intrinsics.append((clip.focal or np.nan, *(clip.centre or (np.nan, np.nan))))
        self._checksums.append(value)
        self._ids[clip.id] = None
        self._rows += rows

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if error is not None:
            self._close()
            self._stack.__exit__(kind, error, trace)
            return
        try:
            with self._stack:
                self._finish()
        except OSError as problem:
            raise self._unwritable(problem) from problem
        finally:
            self._close()

    def _close(self) -> None:
        for file in self._files.values():
            with suppress(OSError):  # closing flushes, which fails again on a full disk
                file.close()

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        joints = len(self.skeleton)
        shapes = {"joints": (self._rows, joints, _channels(self.space)), "visibility": (self._rows, joints)}
        return {**shapes, "pose_3d": (self._rows, joints, 3)} if self.paired else shapes

    def _check(self, clip: PoseSequence, splits: dict[str, str]) -> None:
        if not clip.id or "\n" in clip.id:
            raise DataError(f"clip id {clip.id!r}: a name on one line is needed")
        if clip.id in self._ids:
            raise DataError(f"{clip.id}: a clip of this name is in the store already; names must be unique")
        if clip.skeleton != self.skeleton:
            raise DataError(f"{clip.id}: skeleton {clip.skeleton.name!r}, but the store's is {self.skeleton.name!r}")
        if clip.space != self.space:
            raise DataError(f"{clip.id}: space {clip.space!r}, but the store's is {self.space!r}")
        if not -1 <= clip.label < len(self._spellings.places):
            raise DataError(
                f"{clip.id}: label {clip.label} is none of the {len(self._spellings.places)} classes (-1: unknown)"
            )
        if (clip.pose_3d is not None) != self.paired:
            raise DataError(f"{clip.id}: pose_3d is {'needed in' if self.paired else 'not for'} this store")
        for protocol, split in splits.items():
            if protocol not in self.protocols:
                raise DataError(f"{clip.id}: unknown protocol {protocol!r}; known: {', '.join(self.protocols)}")
            if split not in SPLITS:
                raise DataError(f"{clip.id}: split {split!r} of {protocol!r} is not one of {', '.join(SPLITS)}")

    def _finish(self) -> None:
        """Completes headers and writes columns, names and facts."""
        if not self._clips:
            raise DataError(f"{self.folder}: no clip was added; an empty store is of no use")
        for key, shape in self._shapes().items():
            self._files[key].seek(0)
            self._files[key].write(npy_header(shape))
            self._files[key].close()
        values = zip(column_names(self.protocols), zip(*self._clips, strict=True), strict=True)
        columns = {key: np.array(column, COLUMNS.get(key, np.int8)) for key, column in values}
        if any(self._sources):
            columns[SOURCE] = np.array(self._sources, np.uint64)
        columns[CRC] = np.array(self._checksums, np.uint32)
        intrinsics = np.array(self._intrinsics, np.float64)
        if not np.isnan(intrinsics).all():
            columns |= dict(zip((FOCAL, *CENTRE), intrinsics.T, strict=True))
        with (self._part / "clips.npz").open("wb") as file:
            np.savez(file, allow_pickle=False, **columns)
        (self._part / "ids.txt").write_bytes("".join(f"{i}\n" for i in self._ids).encode())
        facts = {
            "format": FORMAT,
            "name": self.name,
            "skeleton": self.skeleton.to_dict(),
            "space": self.space,
            "classes": list(self.classes),
            "protocols": list(self.protocols),
            "clips": len(self._clips),
            "rows": self._rows,
            "terms": self.terms,
            "paired": self.paired,
            "files": {p.name: p.stat().st_size for p in sorted(self._part.iterdir())},
            "problems": self.problems,
            "origin": self.origin,
            "checksums": {p.name: checksum(p) for p in sorted(self._part.iterdir())},
        }
        facts["checksum"] = checksum_of(facts)
        (self._part / "store.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8")

    def _unwritable(self, error: OSError) -> OSError:
        text = f"{error.strerror or error} while writing the store {self.folder} ({len(self._clips)} clips so far)"
        remedy = "; free some space or choose a folder on another disk" if error.errno == errno.ENOSPC else ""
        return OSError(error.errno, text + remedy)


class _Rows:
    """The rows of a .npy file of float32, read when they are asked for.

    `pread` has no position that threads or forked processes would share, and unlike the pages of a memory map what was
    read does not count as the process's memory. The file stays readable when it is replaced; where the system replaces no
    open file (Windows), `close` lets go of it.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            self.shape, by_column, kind = np.lib.format.read_array_header_1_0(file)
            self._start = file.tell()
            if by_column or kind != np.dtype("<f4"):
                raise DataError(f"{path.name} holds {kind} where float32 by rows is expected")
            if self._start + 4 * math.prod(self.shape) != os.fstat(file.fileno()).st_size:
                raise DataError(f"{path.name} has another size than its header says")
            self._path, self._handle = path, os.dup(file.fileno())
        self._lock, self.close = threading.Lock(), weakref.finalize(self, os.close, self._handle)

    def read(self, first: int, rows: int) -> np.ndarray:
        """(rows, ...) from row `first` on."""
        array = np.empty((rows, *self.shape[1:]), np.dtype("<f4"))
        self.read_into(first, array)
        return array

    def read_into(self, first: int, array: np.ndarray) -> None:
        """Fill (rows, ...), contiguous, from row `first` on."""
        rows, left = len(array), array.data.cast("B")
        place = self._start + first * (array.nbytes // rows)
        while left:  # a read may be cut short, by a signal say
            count = self._read_at(place, left)
            if count == 0:
                raise DataError(f"{self._path}: shorter than when it was opened; prepare the data set again")
            left, place = left[count:], place + count

    def _read_at(self, place: int, buffer: memoryview) -> int:
        """Fill a buffer, or its beginning, with the bytes at a place of the file; how many were read."""
        if hasattr(os, "preadv"):
            return os.preadv(self._handle, [buffer], place)
        if hasattr(os, "pread"):  # older Macs
            piece = os.pread(self._handle, len(buffer), place)
        else:  # Windows
            with self._lock:
                os.lseek(self._handle, place, os.SEEK_SET)
                piece = os.read(self._handle, min(len(buffer), 2**30))
        buffer[: len(piece)] = piece
        return len(piece)


@dataclass(frozen=True, eq=False)
class Store:
    """A prepared data set, read from disk as it is used; open it with `Store.open`.

    `len(store)` is the number of clips, `store[i]` the i-th as a PoseSequence, its arrays its own. Any number of threads
    and forked processes may share a store; pickling one carries only its folder, and the copy opens the files anew.

    Attributes:
        folder, name, skeleton, space, classes, protocols, terms, paired: as given to `StoreWriter`.
        problems: lines about recordings that could not be used.
        origin: how the store was made, see `ups.data.store.prepare`.
        checksums: CRC-32 of each file in hexadecimal; empty where the store was written before there were any.
        columns: the arrays of clips.npz, (clips,) each.
    """

    folder: Path
    name: str
    skeleton: Skeleton
    space: Space
    classes: tuple[str, ...]
    protocols: tuple[str, ...]
    terms: str
    paired: bool
    problems: tuple[str, ...]
    origin: dict[str, Any]
    checksums: dict[str, str]
    columns: dict[str, np.ndarray]
    _ids: bytes
    _joints: _Rows
    _visibility: _Rows
    _pose_3d: _Rows | None

    @staticmethod
    def open(folder: Path | str) -> Store:
        """Opens the store at `folder`.

        Raises:
            DataError: no store there, another format version, or a file missing, truncated or damaged.
        """
        folder = Path(folder).resolve()
        put_back(folder)
        facts = read_facts(folder)
        try:
            columns = read_columns(folder / "clips.npz", facts)
            skeleton = Skeleton.from_dict(facts["skeleton"])
            rows, joints = facts["rows"], len(skeleton)
            shapes = {"joints": (rows, joints, _channels(facts["space"])), "visibility": (rows, joints)}
            if facts["paired"]:
                shapes["pose_3d"] = (rows, joints, 3)
            tables = {key: _Rows(folder / f"{key}.npy") for key in shapes}
            ids = (folder / "ids.txt").read_bytes()
            wrong = [key for key, shape in shapes.items() if tables[key].shape != shape]
            names = ids.count(b"\n") if ids.endswith(b"\n") else -1
            if wrong := wrong or wrong_columns(columns, facts) or ["ids"] * (names != facts["clips"]):
                raise DataError(f"{', '.join(wrong[:3])} disagree with store.json")
            check_sums(folder, facts)
            spellings = _one_spelling(facts["name"], facts["classes"])
            if spellings.merged:  # a store that was written before they were one
                columns["label"] = np.array([*spellings.places, -1], np.int32)[columns["label"]]
            return Store(
                folder,
                facts["name"],
                skeleton,
                facts["space"],
                spellings.classes,
                tuple(facts["protocols"]),
                facts["terms"],
                facts["paired"],
                tuple(facts["problems"]),
                facts.get("origin", {}),
                facts.get("checksums", {}),
                columns,
                ids,
                tables["joints"],
                tables["visibility"],
                tables.get("pose_3d"),
            )
        except Exception as error:  # whatever damage leads readers of zip files, headers and JSON to
            raise DataError(f"{folder}: the store is damaged ({error}); prepare it again with --force") from error

    def close(self) -> None:
        """Let go of the files, so that they can be replaced on Windows too; no clip can be read after that."""
        for table in (self._joints, self._visibility, self._pose_3d):
            if table is not None:
                table.close()

    def __len__(self) -> int:
        return len(self.labels)

    def verify(self) -> None:
        """Compares every file with its checksum; a store without any is read clip by clip instead.

        Raises:
            DataError: a file, or a clip, that is damaged.
        """
        for name, wanted in self.checksums.items():
            if (found := checksum(self.folder / name)) != wanted:
                raise DataError(
                    f"{self.folder / name}: damaged (CRC-32 {found}, {wanted} was written); prepare it again with --force"
                )
        for i in range(0 if self.checksums else len(self)):
            self[i]

    @cached_property
    def fingerprint(self) -> str:
        """The same for stores of the same clips, names, labels, splits, classes and skeleton, whenever they were made.

        Of a store without checksums the whole is read.
        """
        names = ("joints.npy", "visibility.npy", "ids.txt", *(("pose_3d.npy",) if self.paired else ()))
        files = [self.checksums.get(name) or checksum(self.folder / name) for name in names]
        columns = [zlib.crc32(self.columns[key].tobytes()) for key in column_names(self.protocols)]
        facts = [self.name, self.skeleton.to_dict(), self.space, self.classes, self.protocols, files, columns]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def __getitem__(self, index: int) -> PoseSequence:
        """Clip `index`, 0..len-1.

        Raises:
            IndexError: no such clip.
            DataError: its bytes are damaged, or the files have been cut short since the store was opened.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"clip {index} of {self.name}: the store has {len(self)}")
        c = {key: column[index].item() for key, column in self.columns.items()}

        def cut(table: _Rows) -> np.ndarray:
            rows = table.read(c["offset"], c["persons"] * c["frames"])
            return rows.reshape(c["persons"], c["frames"], *table.shape[1:])

        joints, visibility = cut(self._joints), cut(self._visibility)
        pose_3d = None if self._pose_3d is None else cut(self._pose_3d)
        if CRC in c:
            value = 0
            for array in (joints, visibility) if pose_3d is None else (joints, visibility, pose_3d):
                value = zlib.crc32(array.data, value)
            if value != c[CRC]:
                raise DataError(
                    f"{self.folder}: clip {self.ids[index]} is damaged (its CRC-32 differs); prepare it again with --force"
                )
        return PoseSequence(
            joints=joints,
            visibility=visibility,
            skeleton=self.skeleton,
            space=self.space,
            fps=c["fps"],
            id=self.ids[index],
            label=c["label"],
            subject=c["subject"],
            view=c["view"],
            image_size=(c["width"], c["height"]) if c["width"] else None,
            pose_3d=pose_3d,
            focal=_known(c.get(FOCAL)),
            centre=None if _known(c.get(CENTRE[0])) is None else (c[CENTRE[0]], c[CENTRE[1]]),
        )

    def read_window(self, index: int, first: int, joints: np.ndarray, visibility: np.ndarray) -> None:
        """Fill (n, J, V) and (n, J), contiguous float32, with frames from `first` on of clip `index`, of one person.

        Only these frames are read, but for the first time, when the whole clip is read and checked as `store[index]` is.
        """
        offset = self._offset_of_checked(index) + first
        self._joints.read_into(offset, joints)
        self._visibility.read_into(offset, visibility)

    def read_pose_3d(self, index: int, frame: int) -> np.ndarray:
        """The 3D pose (J, 3) behind a frame of clip `index`, of one person in a paired store."""
        if self._pose_3d is None:
            raise DataError(f"{self.name}: no 3D poses lie behind its joints; a data set that pairs both is needed")
        return self._pose_3d.read(self._offset_of_checked(index) + frame, 1)[0]

    def _offset_of_checked(self, index: int) -> int:
        if index not in self._checked:
            self[index]
            self._checked.add(index)
        return int(self.columns["offset"][index])

    @cached_property
    def _checked(self) -> set[int]:
        """Clips that were read as a whole, and so were found sound."""
        return set()

    @cached_property
    def single(self) -> bool:
        """Whether every clip is of one person."""
        return bool((self.persons == 1).all())

    def __reduce__(self) -> tuple[Any, ...]:
        return Store.open, (str(self.folder),)

    @cached_property
    def ids(self) -> list[str]:
        """Names of the clips; raises DataError where they are no text."""
        try:
            return self._ids.decode().split("\n")[:-1]
        except ValueError as error:
            raise DataError(f"{self.folder / 'ids.txt'}: damaged ({error}); prepare it again with --force") from error

    @property
    def labels(self) -> np.ndarray:
        """(clips,) int32, -1 where unknown."""
        return self.columns["label"]

    @property
    def subjects(self) -> np.ndarray:
        """(clips,) int32, -1 where unknown."""
        return self.columns["subject"]

    @property
    def views(self) -> np.ndarray:
        """(clips,) int32, -1 where unknown."""
        return self.columns["view"]

    @property
    def frames(self) -> np.ndarray:
        """(clips,) int32."""
        return self.columns["frames"]

    @property
    def persons(self) -> np.ndarray:
        """(clips,) int32."""
        return self.columns["persons"]

    @property
    def fps(self) -> np.ndarray:
        """(clips,) float64, frames per second."""
        return self.columns["fps"]

    @property
    def sources(self) -> np.ndarray:
        """(clips,) uint64, what `StoreWriter.add` was given for the files they were read from."""
        return self.columns.get(SOURCE, np.zeros(len(self), np.uint64))

    def indices(self, protocol: str, split: str) -> np.ndarray:
        """Numbers of the clips in `split`, "train" or "test", of `protocol`; raises DataError for unknown names."""
        if protocol not in self.protocols:
            raise DataError(f"{self.name}: unknown protocol {protocol!r}; known: {', '.join(self.protocols)}")
        if split not in SPLITS:
            raise DataError(f"{self.name}: split {split!r} is not one of {', '.join(SPLITS)}")
        return np.flatnonzero(self.columns[f"split_{protocol}"] == SPLITS[split])

    def splits(self, index: int) -> dict[str, str]:
        """Part of clip `index` in each protocol that uses it."""
        parts = {protocol: self.columns[f"split_{protocol}"][index] for protocol in self.protocols}
        return {
            protocol: name for protocol, split in parts.items() for name, number in SPLITS.items() if split == number
        }


def _one_spelling(name: str, classes: Sequence[str]) -> Spellings:
    """Classes of which none is another one's spelling; a warning where some were."""
    spellings = one_spelling(classes)
    if spellings.merged:
        log.warning("%s: %s", name, spellings.told)
    return spellings


def _known(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else value


def _channels(space: Space) -> int:
    return 2 if space == "image" else 3
