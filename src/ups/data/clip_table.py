"""A first clips.csv for a folder of recordings: labels, people and parts as the names of its files and folders tell them.

Where labels are looked for, in this order: folders named after actions (`wave/anna_1.csv`; of folders inside one another
the outermost), a number behind an A (`a01_s02_e03.csv`), else the words of the file's name (`sit_down_s03_2.csv`).
People: a number behind an S, P, subject, person, user, ... in a folder's or file's name, else a word that occurs with
several actions, as those actions do with several such words (`wave_anna_1.csv`). `train` and `test` folders are parts.
A pattern that the user gives says it instead.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ups.data.custom import TABLE
from ups.data.open_file import ENDINGS
from ups.errors import SettingError
from ups.files import write_whole
from ups.labels import canonical_text, one_spelling
from ups.pose import Space

Split = Literal["auto", "people", "clips"]
FIELDS = ("label", "subject", "view", "split")
SHARE = 3
"""One in so many people, or clips of an action, is kept for the test."""
_PEOPLE = {"s", "p", "u", "sub", "subj", "subject", "person", "pers", "user", "participant", "performer", "actor",
           "patient", "proband", "vp"}  # fmt: skip
_ACTIONS = {"a", "act", "action", "activity", "g", "gest", "gesture", "ex", "exercise", "m", "mov", "movement", "class",
            "label"}  # fmt: skip
_OTHERS = {"e", "ep", "t", "r", "rep", "repetition", "trial", "take", "try", "c", "cam", "camera", "v", "view", "k", "kinect",
           "seq", "clip", "n", "no", "nr", "i", "id"}  # fmt: skip
_PARTS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "",
    "valid": "",
    "validation": "",
}
_CODE = re.compile(r"([^\W\d_]+)(\d+)")
_CODES = re.compile(r"(?:[A-Za-z]{1,4}\d+){2,}")


@dataclass(frozen=True)
class Found:
    """A recording and what its name tells.

    Attributes:
        file: below the folder, with /.
        label, subject, view: "" where nothing tells.
        split: "train", "test" or "" for neither.
    """

    file: str
    label: str = ""
    subject: str = ""
    view: str = ""
    split: str = ""


@dataclass(frozen=True)
class Proposal:
    """Rows of a clips.csv, and in words where they were had from and what is to be looked at."""

    rows: tuple[Found, ...]
    told: tuple[str, ...]


def propose(folder: Path | str, names: str = "", files: str = "", split: Split = "auto") -> Proposal:
    """Rows for every recording below a folder.

    Args:
        folder: of recordings.
        names: what a recording's path below the folder, or the end of it, looks like without the file's ending:
            "{label}/{subject}_{take}"; label, subject, view and split are used, other names in braces are passed over.
        files: pattern of the names of the recordings, such as "*.csv"; the most frequent ending of them all where "".
        split: "people" puts one in three people into the test part, "clips" one in three clips of each action; "auto" the
            first where two or more people are known, else the second.

    Raises:
        SettingError: no folder, no recording, a pattern that no name fits or that can't be understood, one person or none
            where `split` asks for people, fewer than two labels.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise SettingError(f"{folder}: no such folder; give the one that holds your recordings")
    paths, told = _recordings(folder, files)
    rows, sources = _by_pattern(paths, names) if names else _by_habit(paths)
    rows = _one_spelling(rows)
    told += sources
    known = {canonical_text(row.label) for row in rows if row.label}
    unnamed = [row.file for row in rows if not row.label]
    if len(known) < 2:
        which = f"all are {next(iter(known))!r}" if known else "names of files and folders don't tell them"
        raise SettingError(
            f"{folder}: fewer than two actions ({which}); put the files into folders called after their actions, or say what "
            "their names mean, as in --names '{subject}_{label}_{take}'"
        )
    if unnamed:
        told.append(f"without a label, so not used in training: {_some(unnamed)}")
    if any(row.split for row in rows):
        told.append("split: the folders called train and test")
    else:
        rows, line = _split(rows, split, folder)
        told += line
    return Proposal(tuple(rows), tuple(told + _lonely(rows)))


def write_table(
    folder: Path,
    rows: Sequence[Found],
    fps: float | None = None,
    image_size: tuple[int, int] | None = None,
    space: Space | None = None,
) -> None:
    """Writes the rows to the folder's clips.csv; fps, image size and space are those of all recordings."""
    columns = [
        "file",
        *(field for field in FIELDS if field in ("label", "split") or any(getattr(r, field) for r in rows)),
    ]
    extra = {"fps": f"{fps:g}"} if fps else {}
    extra |= {"width": str(image_size[0]), "height": str(image_size[1])} if image_size else {}
    extra |= {"space": space} if space else {}
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*columns, *extra])
    table.writerows([*(getattr(row, column) for column in columns), *extra.values()] for row in rows)
    write_whole(folder / TABLE, text.getvalue().encode())


def _recordings(folder: Path, files: str) -> tuple[list[Path], list[str]]:
    """Paths below the folder, in natural order, and what is left out."""
    found: dict[Path, str] = {}
    for path in sorted(folder.rglob("*")):
        below = path.relative_to(folder)
        if any(part.startswith(".") for part in below.parts) or below == Path(TABLE) or not path.is_file():
            continue
        if path.name.endswith("_keypoints.json"):  # a frame of OpenPose: its folder is the recording
            found[below.parent] = "folder of OpenPose"
        elif path.match(files) if files else path.suffix.lower() in ENDINGS:
            found[below] = path.suffix.lower()
    found.pop(Path(), None)
    kinds = Counter(found.values())
    if not found:
        raise SettingError(
            f"{folder}: no recording below it{f' is called {files}' if files else ''}; known are {', '.join(ENDINGS)}"
        )
    most = max(kinds, key=lambda kind: kinds[kind])
    told = [f"{kinds[most]} recordings ({most})"]
    if not files and len(kinds) > 1:
        others = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if kind != most)
        told.append(f"left out: {others} (--files '*{next(k for k in kinds if k != most)}' would take those)")
    wanted = [path for path, kind in found.items() if files or kind == most]
    return sorted(wanted, key=lambda path: _natural(path.as_posix())), told


def _by_pattern(paths: list[Path], pattern: str) -> tuple[list[Found], list[str]]:
    """What a pattern of the user says; the path's end must fit, as many folders of it as the pattern has."""
    parts = re.split(r"(\{[^{}]*\})", pattern)
    fields = [part[1:-1] for part in parts if part.startswith("{")]
    named = [field for field in fields if field in FIELDS]
    if not named or len(set(named)) < len(named):
        raise SettingError(
            f"--names {pattern!r}: {{label}}, {{subject}}, {{view}} or {{split}}, each once, are needed in it"
        )
    expression = "".join(
        (f"(?P<{part[1:-1]}>[^/]+)" if part[1:-1] in FIELDS else "[^/]+") if part.startswith("{") else re.escape(part)
        for part in parts
    )
    rows, strange = [], []
    for path in paths:
        text = "/".join(_bare(path).split("/")[-pattern.count("/") - 1 :])
        match = re.fullmatch(expression, text)
        if match is None:
            strange.append(path.as_posix())
            continue
        values = match.groupdict()
        part = values.pop("split", None)
        row = Found(
            path.as_posix(), **{key: _words(value) if key == "label" else value for key, value in values.items()}
        )
        if part is not None:
            row = replace(row, split=_PARTS.get(part.lower(), ""))
        rows.append(row)
    if not rows:
        raise SettingError(f"--names {pattern!r} fits no recording; the first is {_bare(paths[0])!r}")
    return rows, [f"not of the form {pattern}, left out: {_some(strange)}"] if strange else []


def _by_habit(paths: list[Path]) -> tuple[list[Found], list[str]]:
    """What people usually mean by such names, and from where each thing was had."""
    levels = [list(path.parts[:-1]) for path in paths]
    depth = min(map(len, levels))
    rows, told = [Found(path.as_posix()) for path in paths], []
    people: list[str] = []
    labels: list[list[str]] = []
    for level in range(depth):
        texts = [folders[level] for folders in levels]
        if all(text.lower() in _PARTS for text in texts):
            if any(_PARTS[text.lower()] == "test" for text in texts):
                rows = [replace(row, split=_PARTS[text.lower()]) for row, text in zip(rows, texts, strict=True)]
        elif all(_coded(text) in _PEOPLE for text in texts) or not people and labels and _crossed(labels[0], texts):
            people = [text.lower() if _coded(text) else text for text in texts]
            told.append(f"people: the folders, such as {texts[0]!r}")
        elif len(set(texts)) > 1:
            labels.append(texts)
    tokens = [_tokens(_bare(path).split("/")[-1]) for path in paths]
    if labels:
        told.append(f"labels: the folders, such as {labels[0][0]!r}")
        names = labels[0]
        names = [_words(text) for text in names]
        if not people:
            people = _people_of(tokens, names)
    else:
        people = people or _people_of(tokens, None)
        names = _labels_of(tokens)
        if people and not any(_code_of(each, _PEOPLE) for each in tokens):  # a word of the name: see _people_of
            names = [_without(name, person) for name, person in zip(names, people, strict=True)]
        if any(names):
            names = [_words(name) for name in names]
            told.append(f"labels: words of the files' names, such as {names[0]!r} of {paths[0].name!r}")
    if people and not any(line.startswith("people") for line in told):
        told.append(f"people: the files' names, such as {people[0]!r} of {paths[0].name!r}")
    people = people or [""] * len(paths)
    return [
        replace(row, label=name, subject=person) for row, name, person in zip(rows, names, people, strict=True)
    ], told


def _people_of(tokens: list[list[str]], labels: list[str] | None) -> list[str]:
    """Of each file's words the person: what a code says, else a word that goes with several actions; [] = none known."""
    coded = [_code_of(each, _PEOPLE) for each in tokens]
    if sum(map(bool, coded)) * 2 > len(coded):
        return coded
    words = [[word for word in each if not word.isdigit() and not _coded(word)] for each in tokens]
    if labels is not None:
        texts = [" ".join(w) for w in words]
        rest = [_without(text, label) for text, label in zip(texts, labels, strict=True)]
        return rest if all(rest) and _crossed(labels, rest) else []
    if min(map(len, words)) < 2:
        return []
    for place in (-1, 0):
        candidates = [each[place] for each in words]
        rest = [" ".join(each[:-1] if place else each[1:]) for each in words]
        if _crossed(rest, candidates):
            return candidates
    return []


def _labels_of(tokens: list[list[str]]) -> list[str]:
    """Of each file's words the action: what a code says, else all words that are no numbers and codes."""
    coded = [_code_of(each, _ACTIONS) for each in tokens]
    if all(coded):
        return coded
    words = [[word for word in each if not word.isdigit() and _coded(word) not in _PEOPLE | _OTHERS] for each in tokens]
    words = [[re.sub(r"(?<=[^\W\d_])\d+$", "", word) for word in each] for each in words]  # wave1, wave2
    same = set.intersection(*(set(each) for each in words)) if words else set()  # "skeleton" in every name
    bare = [" ".join(word for word in each if word not in same) for each in words]
    return bare if any(bare) else [" ".join(each) for each in words]


def _crossed(labels: Sequence[str], people: Sequence[str]) -> bool:
    """Whether most people did several actions, and most actions were done by several people."""
    actions, performers = defaultdict(set), defaultdict(set)
    for label, person in zip(labels, people, strict=True):
        actions[person].add(label)
        performers[label].add(person)
    many = [[len(found) > 1 for found in each.values()] for each in (actions, performers)]
    return all(sum(each) >= 0.7 * len(each) and len(each) > 1 for each in many)


def _split(rows: list[Found], split: Split, folder: Path) -> tuple[list[Found], list[str]]:
    """Rows with their parts, and how they were chosen."""
    people = sorted({row.subject for row in rows} - {""}, key=_natural)
    unknown = sum(not row.subject for row in rows)
    if split == "people" and len(people) < 2:
        raise SettingError(
            f"{folder}: a split by people needs two or more, found {len(people)}; say where their names stand, as in --names "
            "'{label}_{subject}_{take}', or split by clips (--split clips)"
        )
    if split == "people" or (split == "auto" and len(people) > 1 and unknown * 2 < len(rows)):
        test = _test_people(rows, people)
        parts = ["" if not r.subject else "test" if r.subject in test else "train" for r in rows]
        told = [f"split: {len(test)} of {len(people)} people are the test: {_some(sorted(test, key=_natural))}"]
        told += [f"{unknown} recordings of unknown people are in neither part"] if unknown else []
    else:
        parts, nth = [], Counter[str]()
        each = Counter(canonical_text(row.label) for row in rows)
        for row in rows:
            key = canonical_text(row.label)
            nth[key] += 1
            last = nth[key] == each[key] < SHARE and each[key] > 1
            parts.append("" if not key else "test" if nth[key] % SHARE == 0 or last else "train")
        told = [
            "split: one in three clips of each action is the test; the same people may be in both parts, so results will be "
            "better than for new people (say who they are with --names '{label}_{subject}_{take}')"
        ]
    return [replace(row, split=part) for row, part in zip(rows, parts, strict=True)], told


def _test_people(rows: list[Found], people: list[str]) -> set[str]:
    """One in three people, so chosen that the fewest actions are missing in the training or the test part."""
    step = min(SHARE, len(people))
    actions = {person: {canonical_text(r.label) for r in rows if r.subject == person} for person in people}
    everything = set().union(*actions.values())

    def cost(first: int) -> tuple[int, float]:
        test, train = set[str](), set[str]()
        for i, person in enumerate(people):
            (test if i % step == first else train).update(actions[person])
        missing = 2 * len(everything - train) + len(everything - test)
        return missing, abs(len(people[first::step]) - len(people) / SHARE)

    best = min(range(step - 1, -1, -1), key=cost)
    return {person for i, person in enumerate(people) if i % step == best}


def _lonely(rows: Iterable[Found]) -> list[str]:
    """Lines about actions that are in one part only."""
    parts = defaultdict(set)
    for row in rows:
        if row.label:
            parts[row.label].add(row.split)
    untrained = [label for label, found in parts.items() if "test" in found and "train" not in found]
    untested = [label for label, found in parts.items() if "train" in found and "test" not in found]
    lines = [f"look at this: tested, but never trained: {_some(untrained)}"] if untrained else []
    return lines + ([f"never tested: {_some(untested)}"] if untested else [])


def _one_spelling(rows: list[Found]) -> list[Found]:
    """Labels and people, each in one spelling."""
    for field in ("label", "subject"):
        names = [getattr(row, field) for row in rows]
        found = one_spelling(names)
        rows = [replace(row, **{field: found.classes[place]}) for row, place in zip(rows, found.places, strict=True)]
    return rows


def _tokens(stem: str) -> list[str]:
    """Words of a file's name; codes that stand together, as in S001C002A003, are words of their own."""
    words = [word for word in re.split(r"[\W_]+", stem) if word]
    return [
        part for word in words for part in (re.findall(r"[A-Za-z]+\d+", word) if _CODES.fullmatch(word) else [word])
    ]


def _coded(word: str) -> str:
    """The letters of a code such as s01 or subject_3, in small letters; "" if it is none."""
    match = _CODE.fullmatch(re.sub(r"[\W_]+", "", word))
    letters = match[1].lower() if match else ""
    return letters if letters in _PEOPLE | _ACTIONS | _OTHERS else ""


def _code_of(words: list[str], kinds: set[str]) -> str:
    """The first word that is a code of a kind, "subject 3" in two words as well; P before S, as in NTU's names."""
    pairs = [a + b for a, b in zip(words, words[1:], strict=False) if b.isdigit() and len(a) > 1 and a.lower() in kinds]
    codes = [word for word in [*words, *pairs] if _coded(word) in kinds]
    return min(codes, key=lambda word: _coded(word) != "p", default="").lower()


def _without(text: str, words: str) -> str:
    """A text without the words of another one, at its beginning or end."""
    plain, gone = text.strip(), canonical_text(words)
    parts, count = plain.split(), len(gone.split())
    for kept, cut in ((parts[count:], parts[:count]), (parts[:-count], parts[-count:])):
        if count and canonical_text(" ".join(cut)) == gone:
            return " ".join(kept)
    return plain


def _words(text: str) -> str:
    """A name of a folder as words: sit_down and SitDown are "sit down"."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return " ".join(re.sub(r"[_\s]+", " ", spaced).split())


def _bare(path: Path) -> str:
    """A path without its file's ending, with /."""
    return (path.with_suffix("") if path.suffix.lower() in ENDINGS else path).as_posix()


def _natural(text: str) -> list[tuple[int, str]]:
    """A key by which 2 comes before 10."""
    return [(int(part), "") if part.isdigit() else (-1, part.lower()) for part in re.split(r"(\d+)", text)]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
