"""Files of a data set, read in place from a folder, a tar or a zip; nothing is ever unpacked by name."""

from __future__ import annotations

import errno
import gzip
import lzma
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO

from ups.data.formats.safe_pickle import LARGE, check_expansion, expansion_error, most_expansion
from ups.errors import DataError

_SUFFIXES = (".tar.xz", ".tar.gz", ".tgz", ".tar", ".zip")


def members(source: Path, folder: str, archive: str, suffix: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """(path below `folder`, what reads it) of every file that ends in `suffix`, sorted by path; no hidden ones.

    `source` may be `folder` itself, an archive, or a directory that holds `folder` (preferred) or an archive called
    `archive` and .tar.xz, .tar.gz, .tgz, .tar or .zip. A file that is damaged in a whole archive raises whatever it
    does when it is read, and the next can be read after it. It must be read before the next one is asked for.

    Raises:
        FileNotFoundError: `source` is none of these, or no such file is in it.
        DataError: the archive is damaged, or a small one unpacks to gigabytes.
        OSError: no room to decompress it in the temporary folder.
    """
    source = Path(source)
    place = _find(source, folder, archive)
    if place.is_dir():
        files = _folder_members(place, suffix)
    elif place.suffix.lower() == ".zip":
        files = _zip_members(place, folder, suffix)
    else:
        files = _tar_members(place, folder, suffix)
    empty = True
    for file in files:
        empty = False
        yield file
    if empty:
        raise FileNotFoundError(f"{place}: no {suffix} file in {folder}")


def _find(source: Path, folder: str, archive: str) -> Path:
    if source.is_file() and source.name.lower().endswith(_SUFFIXES):
        return source
    if source.is_dir() and source.name == folder:
        return source
    for place in (source / folder, *(source / f"{archive}{suffix}" for suffix in _SUFFIXES)):
        if place.exists():
            return place
    raise FileNotFoundError(f"{source}: neither a folder {folder!r} nor an archive {archive}{{{','.join(_SUFFIXES)}}}")


def _inside(path: str, folder: str, suffix: str) -> str | None:
    """The part of `path` below `folder`, or None if it isn't a file that is wanted."""
    parts = path.split("/")
    if folder not in parts or not path.endswith(suffix) or parts[-1].startswith("."):
        return None
    return "/".join(parts[parts.index(folder) + 1 :])


def _folder_members(place: Path, suffix: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    names = {p.relative_to(place).as_posix(): p for p in place.rglob(f"*{suffix}") if p.is_file()}
    for name in sorted(names):
        if not names[name].name.startswith("."):
            yield name, names[name].read_bytes


def _zip_members(place: Path, folder: str, suffix: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    try:
        with zipfile.ZipFile(place) as bundle:
            names = {_inside(i.filename, folder, suffix): i for i in bundle.infolist() if not i.is_dir()}
            check_expansion([info for name, info in names.items() if name], place)
            for name in sorted(n for n in names if n):
                yield name, partial(bundle.read, names[name])
    except DataError:
        raise
    except Exception as error:  # a damaged list of members can raise nearly anything
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # EINVAL: an offset that damage made negative
            raise
        raise DataError(f"{place}: the archive is damaged ({error}); fetch it again") from error


def _tar_members(place: Path, folder: str, suffix: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Decompresses into a nameless temporary file first, so that members can be read in sorted order."""
    openers = {".xz": lzma.open, ".gz": gzip.open, ".tgz": gzip.open}
    try:
        with tempfile.TemporaryFile() as plain:
            with openers.get(place.suffix.lower(), open)(place, "rb") as packed:
                _decompress(packed, plain, place)
            plain.seek(0)
            with tarfile.open(fileobj=plain, mode="r:") as bundle:
                names = {_inside(m.name, folder, suffix): m for m in bundle if m.isfile() and not m.issparse()}
                for name in sorted(n for n in names if n):
                    file = bundle.extractfile(names[name])
                    assert file is not None, "regular files have content"
                    yield name, file.read
    except DataError:
        raise
    except Exception as error:
        if not isinstance(error, OSError) or isinstance(error, gzip.BadGzipFile):
            raise DataError(f"{place}: the archive is damaged ({error}); fetch it again") from error
        text = f"{error.strerror or error} while decompressing {place} in {tempfile.gettempdir()}"
        raise OSError(error.errno, f"{text}; TMPDIR can name another folder") from error


def _decompress(packed: IO[bytes], plain: IO[bytes], place: Path) -> None:
    """How large a tar is when decompressed stands nowhere; it is counted."""
    most, size = max(LARGE, most_expansion() * place.stat().st_size), 0
    while piece := packed.read(1 << 20):
        size += len(piece)
        if size > most:
            raise expansion_error(place, "it", size)
        plain.write(piece)
