"""Looks through a user's own recordings for what would spoil training, and says so in plain words.

Every finding names where, what and the remedy. An "error" keeps recordings from being used, a "warning" is most likely
a mistake in the data, a "note" is worth knowing. How often it is right: docs/checks.md.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ups.data.checks.clip import Severity, check_clip, first_names, with_detail
from ups.data.checks.recordings import SAMPLE
from ups.data.checks.store_info import NO_CHECKSUMS, find_problems
from ups.data.custom import TABLE, ClipTable, Row, read_clip, read_table, with_repairs
from ups.data.datasets.pyskl import pyskl_data_set
from ups.data.duplicates import copies
from ups.data.formats.joint_map import JointMap
from ups.data.open_file import read_file
from ups.data.store.store import Store
from ups.errors import DataError
from ups.labels import near_alike
from ups.skeleton import Skeleton
from ups.skeletons import find_skeleton

REPAIRS = ("up", "unit", "coordinates", "rotate", "fixes")
"""What a user says of all files of a folder; a row of clips.csv may say otherwise."""

_NO_LABEL = ("nan", "n/a", "na", "null", "none", "unknown", "?", "undefined", "unlabelled", "unlabeled", "missing")


@dataclass(frozen=True)
class Finding:
    """One thing to know about the data.

    Attributes:
        severity: "error", "warning" or "note".
        where: the recording, recordings or class.
        what: is the matter.
        remedy: what to do about it.
    """

    severity: Severity
    where: str
    what: str
    remedy: str


def check(
    path: Path | str,
    skeleton: str | None = None,
    image_size: tuple[int, int] | None = None,
    joint_map: JointMap | None = None,
    **repairs: Any,
) -> list[Finding]:
    """What is wrong with a recording, with a folder of recordings and its clips.csv, or with a store; nothing, if all seems
    well.

    Args:
        path: a file or folder as for `read_file`, a folder with clips.csv, or a store, whose checksums are compared.
        skeleton: as for `read_file`.
        image_size: (width, height) in pixels of a single 2D recording that doesn't say; in a folder clips.csv does.
        joint_map: as for `read_file`; in a folder its joint_map.toml does without.
        repairs: up, unit, coordinates, rotate and fixes, as for `read_file`.

    Raises:
        DataError: unknown skeleton, or a clips.csv that can't be read.
        OSError: `path` does not exist.
    """
    path = Path(path)
    if (path / "store.json").is_file():
        return _check_store(path)
    found = find_skeleton(skeleton) if skeleton else None
    if (
        path.is_dir()
        and not (path / TABLE).is_file()
        and not any(file.suffix.lower() in (".json", ".txt") for file in path.iterdir())
    ):
        raise DataError(f"{path}: no {TABLE} in it; a table with the columns file, label, split is needed")
    if path.is_dir() and (path / TABLE).is_file():
        return _check_folder(path, found, joint_map, repairs)
    if path.suffix.lower() in (".pkl", ".pickle"):
        return _check_pickle(path, found)
    try:
        clip = read_file(path, found, image_size=image_size, joint_map=joint_map, **repairs)
    except DataError as error:
        return [Finding("error", path.name, str(error), "fix the file; docs/own_data.md describes what is needed")]
    problems = check_clip(clip)
    return [
        Finding(severity, path.name, with_detail(what, detail), remedy) for severity, what, remedy, detail in problems
    ]


def _check_store(path: Path) -> list[Finding]:
    try:
        store = Store.open(path)
        store.verify()
    except DataError as error:
        return [Finding("error", path.name, str(error), "prepare the store again, or copy it again")]
    found = [] if store.checksums else [Finding("warning", path.name, NO_CHECKSUMS, "ups data prepare")]
    groups: dict[tuple[Severity, str, str], list[str]] = defaultdict(list)
    for i in np.unique(np.linspace(0, len(store) - 1, SAMPLE).astype(int)).tolist() if len(store) else ():
        clip = store[i]
        for severity, what, remedy, detail in check_clip(clip, stored=True):
            groups[severity, what, remedy].append(with_detail(clip.id, detail))
    found += [Finding(s, first_names(names), what, remedy) for (s, what, remedy), names in groups.items()]
    return found + [Finding("note", path.name, line, "know it before training") for line in find_problems(store)]


def _check_pickle(path: Path, skeleton: Skeleton | None) -> list[Finding]:
    """Every annotation of a PYSKL pickle."""
    try:
        data_set = pyskl_data_set(path, path.stem, None, skeleton)
    except DataError as error:
        return [Finding("error", path.name, str(error), "write it as the message says; docs/formats.md describes it")]
    groups: dict[tuple[Severity, str, str], list[str]] = defaultdict(list)
    findings: list[Finding] = []
    for item in data_set.read(path):
        if isinstance(item, DataError):
            findings.append(Finding("error", path.name, str(item), "mend the annotation, or leave it out"))
            continue
        for severity, what, remedy, detail in check_clip(item[0]):
            groups[severity, what, remedy].append(with_detail(item[0].id, detail))
    return findings + [Finding(s, first_names(names), what, remedy) for (s, what, remedy), names in groups.items()]


def proposed(findings: Sequence[Finding]) -> list[str]:
    """The options that findings propose, each once: "--up z"."""
    found = (re.search(r"add (--[a-z-]+(?: (?!or |unless )[\w.-]+)+)", finding.remedy) for finding in findings)
    return list(dict.fromkeys(match[1] for match in found if match))


def _check_folder(
    folder: Path, skeleton: Skeleton | None, joint_map: JointMap | None, repairs: dict[str, Any]
) -> list[Finding]:
    table = with_repairs(read_table(folder), {name: repairs.get(name) for name in REPAIRS})
    findings: list[Finding] = []
    groups: dict[tuple[Severity, str, str], list[str]] = defaultdict(list)
    good: list[Row] = []
    kinds: dict[tuple[str, str], list[str]] = defaultdict(list)
    seen: dict[str, bool] = {}
    for row in table.rows:
        try:
            clip = read_clip(folder, row, skeleton, joint_map)
        except FileNotFoundError:
            remedy = f"put it there or take it out of {TABLE}"
            groups["error", f"listed in {TABLE}, but there is no such file", remedy].append(row.file)
            continue
        except (DataError, OSError) as error:
            remedy = "fix the file; docs/own_data.md describes what is needed"
            findings.append(Finding("error", row.file, str(error), remedy))
            continue
        good.append(row)
        kinds[clip.space, ", ".join(clip.skeleton.joints)].append(row.file)
        for joint, visible in zip(clip.skeleton.joints, np.any(clip.visibility, axis=(0, 1)).tolist(), strict=True):
            seen[joint] = seen.get(joint, False) or bool(visible)
        for severity, what, remedy, detail in check_clip(clip):
            groups[severity, what, remedy].append(with_detail(row.file, detail))
    findings += [Finding(s, first_names(names), what, remedy) for (s, what, remedy), names in groups.items()]
    never = [joint for joint, visible in seen.items() if not visible]
    if never:
        remedy = "check the order of the joints, or choose a skeleton without them"
        findings.append(Finding("warning", first_names(never), "joints never seen in any recording", remedy))
    if len(kinds) > 1:
        odd = sorted(kinds.values(), key=len)[0]
        remedy = "name one skeleton that all of them have, and bring all to one space; or make two data sets"
        findings.append(Finding("error", first_names(odd), "another skeleton or space than the rest", remedy))
    findings += [*_check_table(folder, table), *_check_leaks(folder, table, good, skeleton)]
    order: list[Severity] = ["error", "warning", "note"]
    return sorted(findings, key=lambda finding: order.index(finding.severity))


def _check_table(folder: Path, table: ClipTable) -> Iterator[Finding]:
    """Labels, parts and subjects, without reading a recording."""
    endings = {Path(row.file).suffix for row in table.rows} - {""}
    listed = {row.file for row in table.rows}
    files = (p.relative_to(folder).as_posix() for p in sorted(folder.rglob("*")) if p.suffix in endings)
    unlisted = [
        file for file in files if file not in listed | {TABLE} and not any(file.startswith(f"{d}/") for d in listed)
    ]
    if unlisted:
        yield Finding(
            "warning", first_names(unlisted), f"files that {TABLE} does not list", "add a row for each, or move them"
        )
    nameless = [row.file for row in table.rows if not row.label]
    if nameless and table.classes:
        yield Finding("warning", first_names(nameless), "no label", "fill in the column label")
    if not table.classes:
        yield Finding("note", TABLE, "no recording has a label", "recognition needs a column label with words in it")
    codes = [name for name in table.classes if not _has_a_word(name)]
    if codes:
        yield Finding(
            "warning", first_names(codes), "labels are not words", "say it in words; the model reads class names"
        )
    for alike in near_alike(table.classes):
        remedy = "write them alike; nothing, if they are several actions"
        yield Finding("warning", first_names(list(alike)), "labels that may be one action", remedy)
    nothing = [name for name in table.classes if name.lower() in _NO_LABEL]
    if nothing:
        remedy = "leave the cell empty where nobody knows; nothing, if that is an action"
        yield Finding("warning", first_names(nothing), "a label that reads like none", remedy)
    if len(table.classes) == 1:
        yield Finding("warning", table.classes[0], "the only label there is", "recognition needs two or more")
    single = [name for name in table.classes if sum(row.label == name for row in table.rows) == 1]
    if single:
        yield Finding("warning", first_names(single), "classes of one recording", "record more, or leave the class out")
    if not table.protocols:
        remedy = "add a column split with train and test in it"
        yield Finding("note", TABLE, "no column says what is for training and what for testing", remedy)
    for protocol in table.protocols:
        yield from _check_protocol(table, protocol)


def _has_a_word(label: str) -> bool:
    """Whether a label is more than a number or a code such as A001: two letters in a row, or a sign of another script."""
    return re.search(r"[^\W\d_]{2}", label) is not None or any(c.isalpha() and not c.isascii() for c in label)


def _check_protocol(table: ClipTable, protocol: str) -> Iterator[Finding]:
    parts = {split: [row for row in table.rows if row.splits.get(protocol) == split] for split in ("train", "test")}
    for split, rows in parts.items():
        if not rows:
            yield Finding(
                "error", protocol, f"nothing is marked {split}", f"write {split} in some cells of this column"
            )
    unlearnt = sorted({r.label for r in parts["test"]} - {r.label for r in parts["train"]} - {""})
    if unlearnt and parts["train"]:
        remedy = "mark some of their recordings train"
        yield Finding("error", f"{protocol}: {first_names(unlearnt)}", "classes tested but never trained", remedy)
    shared = sorted({r.subject for r in parts["test"]} & {r.subject for r in parts["train"]} - {""})
    if shared:
        what = "subjects in both train and test: results will not show how well new people are recognised"
        remedy = "split by subject, unless another camera or session is what you test"
        yield Finding("note", f"{protocol}: {first_names(shared)}", what, remedy)


def _check_leaks(folder: Path, table: ClipTable, rows: list[Row], skeleton: Skeleton | None) -> Iterator[Finding]:
    def joints(i: int) -> np.ndarray:
        return read_clip(folder, rows[i], skeleton).joints

    for protocol in table.protocols:
        train, test = (
            [i for i, r in enumerate(rows) if r.splits.get(protocol) == split] for split in ("train", "test")
        )
        pairs = [f"{rows[i].file} = {rows[j].file}" for i, j in copies(joints, train, test)]
        if pairs:
            remedy = "keep each recording in one split only; as it is, test results are too good"
            yield Finding("error", f"{protocol}: {first_names(pairs)}", "the same recording in train and test", remedy)
