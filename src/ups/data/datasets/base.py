"""What a data set is: the facts its store needs, and the function that reads its official files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ups.data.formats.archive import members
from ups.errors import DataError
from ups.pose import PoseSequence, Space
from ups.skeleton import Skeleton

T = TypeVar("T")

Clip = tuple[PoseSequence, dict[str, str]]
"""A recording and its split in each protocol, "train" or "test"; a protocol that does not use the clip is left out."""

Shard = tuple[int, int]
"""(i, n), 1 <= i <= n: of what a data set's `read` yields, the i-th and every n-th after it; (1, 1) is everything."""
WHOLE: Shard = (1, 1)


@dataclass(frozen=True)
class Source:
    """A file that holds one recording and nothing else.

    Attributes:
        name: of the recording, as messages call it.
        path: the file, or the archive that it is in.
        member: its name in the archive; "" if it is in none.
        state: other numbers if its content is another: size and time of change, or in an archive size and checksum.
    """

    name: str
    path: str
    member: str
    state: tuple[int, int]


@dataclass(frozen=True)
class DataSet:
    """One public data set.

    Attributes:
        name: the key under which `ups.data.datasets.registry.DATA_SETS` holds it.
        skeleton: of every clip.
        space: frame of reference of every clip's joints.
        classes: action names, indexed by a clip's label; empty where clips have no action.
        protocols: names of the ways to split it; the first is the usual one.
        terms: what is known of its licence, in one sentence.
        read: the folder that holds the official files (or their archive) -> clips sorted by id. A file that can't be
            used comes out as a DataError that names it, in place of its clip, and reading goes on. Raises
            FileNotFoundError, naming what was looked for, where the folder holds nothing of this data set.
        summary: one line for a listing.
        paired: clips have 2D joints and the 3D pose behind them.
        files: patterns (`fnmatch`) of the names of all files that `read` looks at, each name beginning with that of the
            source folder; () if it looks at none, None if they are unknown.
        list_sources: of a data set with one recording a file: the files in the order in which `read` yields them; raises
            as `read` does. None: `read` is all there is.
        read_sources: what `read` yields of the given ones of these files: one item each, which no other file changes.
        collection: data sets that prepare the same recordings under the same ids share it; "" = its recordings are its own.
    """

    name: str
    skeleton: Skeleton
    space: Space
    classes: tuple[str, ...]
    protocols: tuple[str, ...]
    terms: str
    read: Callable[[Path], Iterator[Clip | DataError]]
    summary: str
    paired: bool = False
    files: tuple[str, ...] | None = None
    list_sources: Callable[[Path], list[Source]] | None = None
    read_sources: Callable[[Sequence[Source]], Iterator[Clip | DataError]] | None = None
    collection: str = ""


def attempt(name: str, read: Callable[[], T]) -> T | DataError:
    """What `read` makes of the recording `name`, or the DataError that says what went wrong, whatever it was."""
    try:
        return read()
    except DataError as error:
        return error
    except Exception as error:  # RecursionError and MemoryError too: the next recording may be a good one
        what = f"{type(error).__name__}: {str(error)[:200]}"
        return DataError(f"{name[:200]}: can't be read ({what}); it is damaged: fetch it again")


def read_each(
    source: Path, folder: str, archive: str, suffix: str, read: Callable[[str, bytes], T]
) -> Iterator[T | DataError]:
    """What `read` makes of the name and content of each of the `members`; raises as that does, and for no one file."""
    for name, content in members(source, folder, archive, suffix):
        yield attempt(name, lambda name=name, content=content: read(name, content()))


SPLITS = {"train": 1, "test": 2}
