"""What people call the joints of a body, and which of our slots each is: one table for every format that has names.

A name is cut into words where its case changes or a sign stands ("mixamorig:LeftUpLeg", "Bip01 L Thigh", "thigh.L",
"LHip", "lfemur"); one word may be the side, the rest is looked up in `_WORDS`. What all names share in front of it
("CC_Base_", "Character1_") doesn't matter. A few words mean different joints to different people: "LeftShoulder" is
where the arm begins, or the collar bone where another joint is called "LeftArm". They are resolved by all names of a
file together.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from ups.errors import DataError
from ups.skeleton import SLOT_INDEX, SLOTS

_WORDS: dict[str, str] = {
    # the middle of the body
    "pelvis": "hips pelvis midhip hip hipcenter hipscenter hipcentre centerhip hipmid pelviscenter spinebase root sacrum",
    "spine": "spine spinemid spinenavel navel abdomen abdomenlower waist lowerback lowback torso belly lowertorso spinelower "
    "lumbar midspine l5 ab",
    "chest": "chest thorax spinechest upperchest chestupper spineshoulder shouldercenter shouldercentre centershoulder t8 "
    "uppertorso upperback sternum midshoulder shouldermid ribcage",
    "neck": "neck headbottom upperneck necklower neckbase lowerneck necktwist headneck",
    "head": "head face headcenter headcentre skull",
    "head_top": "headtop topofhead tophead headtopend headvertex crown vertex",
    "nose": "nose nosetip",
    # the face
    "*eye_inner": "eyeinner innereye",
    "*eye": "eye eyeball eyecenter",
    "*eye_outer": "eyeouter outereye",
    "*ear": "ear",
    "*mouth": "mouth mouthcorner lipcorner",
    # the arm
    "*clavicle": "clavicle collar clav scapula shoulderblade collarbone innershoulder",
    "*shoulder": "shoulder sho shld sjc",
    "*upperarm": "upperarm uparm uarm shldr shoulderbend shldrbend arm humerus upperarmbend bicep shoulderjoint",
    "*elbow": "elbow elb ejc",
    "*forearm": "forearm farm larm lowerarm lowarm radius forearmbend ulna",
    "*wrist": "wrist wri wr wjc",
    "*hand": "hand palm",
    "*hand_tip": "handtip middlefingertip",
    "*thumb": "thumb",
    "*index": "index forefinger indexfinger pointer",
    "*pinky": "pinky pinkyfinger littlefinger",
    # the leg
    "*hip": "hip hjc hipjoint",
    "*thigh": "thigh upleg upperleg femur thighbend hipbone",
    "*knee": "knee kjc kne",
    "*shin": "shin calf lowerleg lowleg leg tibia shank crus",
    "*ankle": "ankle ajc ank",
    "*heel": "heel hee calcaneus calc calcn",
    "*foot": "foot",
    "*toe": "footindex toebase bigtoe toe toes ball foottip toetip hallux forefoot football",
}
"""Joint or part -> the words for it in small letters, best first; * stands for a side."""
_SIDES = {"left": "left", "right": "right", "l": "left", "r": "right", "lft": "left", "rgt": "right", "lt": "left",
          "rt": "right"}  # fmt: skip
_NOISE = {"joint", "jnt", "jt", "bone", "bn", "def", "org", "c", "m", "mid", "kp", "keypoint", "landmark", "marker", "body",
          "person", "pos", "position", "coord", "coords", "coordinate", "loc", "location"}  # fmt: skip
"""Words that say nothing, in front or behind."""
_LONGEST = 200
"""Characters of a name that is looked at for its person."""
_WHOSE = re.compile(
    r"(?i)(?:(?P<who>[^:|]+)[:|]+|(?P<who_>(?:person|player|subject|body|skeleton|human|actor|individual|animal|p|s)[ _.-]?\d+)"
    r"[ _.:|-]+)(?P<joint>.+)"
)
"""What says whose joint it is, in front of it."""
_PART = {word: part for part, words in _WORDS.items() for word in words.split()}
_SIDED = {word: part for part, words in _WORDS.items() for word in words.split() if part.startswith("*")}
_CENTRE = {word: part for part, words in _WORDS.items() for word in words.split() if not part.startswith("*")}
_RANK = {(part, word): rank for part, words in _WORDS.items() for rank, word in enumerate(words.split())}
_ANIMAL = {"paw", "tail", "hoof", "withers", "wing", "snout", "tailbase", "beak", "tailstart", "tailend", "antenna"}
_TRUNK = {"spine", "chest", "neck"}


@dataclass(frozen=True)
class _Read:
    """A name understood: what part it is of which side, "" in the middle; the word; the number behind it."""

    index: int
    part: str
    side: str
    word: str
    number: int


@dataclass(frozen=True)
class Naming:
    """What the names of a file mean.

    Attributes:
        places: slot -> index of the name.
        left_out: names that are no joint of ours, or a second one for the same.
    """

    places: dict[str, int]
    left_out: tuple[str, ...]


def slots_of(names: Sequence[str]) -> Naming:
    """Which slot each name is, all names of a file together; parents come before children where there is an order."""
    if known := _our_own(names):
        return known
    words = [_words(name) for name in names]
    shared = _shared_fronts(words)
    read = [found for i, w in enumerate(words) if (found := _read(i, w, shared)) is not None]
    places: dict[str, int] = {}
    for side in ("left", "right"):
        places |= _side([r for r in read if r.side == side], side)
    places |= _middle([r for r in read if not r.side])
    _halpe(places, names, read)
    places = {slot: places[slot] for slot in SLOTS if slot in places}
    used = set(places.values())
    return Naming(places, tuple(name for i, name in enumerate(names) if i not in used))


def slot_of(name: str) -> str | None:
    """The slot that one name by itself most likely means."""
    return next(iter(slots_of([name]).places), None)


def is_body(slots: Sequence[str] | dict[str, int]) -> bool:
    """Whether enough of a body is there to leave the rest out: shoulders, hips or a pelvis, and elbows or knees."""
    have = set(slots)
    both = {part: {f"left_{part}", f"right_{part}"} <= have for part in ("shoulder", "hip", "elbow", "knee")}
    return (both["hip"] or "pelvis" in have) and (both["shoulder"] or both["knee"]) and (both["elbow"] or both["knee"])


def body_of(names: Sequence[str], where: str) -> Naming:
    """`slots_of` names that have to be a person's.

    Raises:
        DataError: too little of a body is known by these names; it names the nearest ones and the remedy.
    """
    naming = slots_of(names)
    if animal := [n for n in naming.left_out if _ANIMAL & {*_words(n), "".join(_words(n))}]:
        raise DataError(f"{where}: {quoted(animal)} is no part of a person; to read it all the same give --joint-map")
    if not is_body(naming.places):
        wrong = quoted(naming.left_out) if naming.left_out else quoted(names)
        raise DataError(
            f"{where}: {len(naming.places)} of {len(names)} joints are known by their names, but not hips with knees or "
            f"shoulders with elbows; unknown: {wrong}{near(naming.left_out)}; say which is which with --joint-map "
            "(`ups data joints FILE` writes one to edit)"
        )
    return naming


def names_body(names: Sequence[str]) -> bool:
    """Whether these are the names of enough of a body."""
    return is_body(slots_of(names).places)


def split_people(
    names: Sequence[str], enough: Callable[[list[str]], bool] = names_body
) -> tuple[list[str], list[list[int]]] | None:
    """Joints of several persons told apart by what stands in front ("Anna:LKnee", "person2_left_knee"): the names without
    it, and for each person the places of these joints, -1 for those that he lacks. None if fewer than two are `enough`.
    """
    people: dict[str, dict[str, int]] = {}
    for i, name in enumerate(names):
        if len(name) <= _LONGEST and (match := _WHOSE.fullmatch(name.strip())):
            people.setdefault(match["who"] or match["who_"], {}).setdefault(match["joint"], i)
    people = {who: joints for who, joints in people.items() if enough(list(joints))}
    if len(people) < 2:
        return None
    joints = list(dict.fromkeys(joint for own in people.values() for joint in own))
    return joints, [[own.get(joint, -1) for joint in joints] for own in people.values()]


def near(names: Sequence[str]) -> str:
    """The known joint that the first of these names, which are unknown, may be a misspelling of: "; did you mean ...?"."""
    for name in names:
        close = get_close_matches("_".join(_words(name)), SLOTS, n=1, cutoff=0.75)
        if close:
            return f"; did you mean {close[0]}?"
    return ""


def quoted(names: Sequence[str]) -> str:
    """At most three names, each cut at 40 characters, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(repr(str(name)[:40]) for name in names[:3]) + more


def _our_own(names: Sequence[str]) -> Naming | None:
    """Names that are all slots need no reading."""
    if len(names) > 1 and len(set(names)) == len(names) and all(name in SLOT_INDEX for name in names):
        return Naming({name: i for i, name in enumerate(names)}, ())
    return None


def _words(name: str) -> list[str]:
    """Small letters, cut at signs, digits and changes of case; what stands before a colon or an upright bar is dropped."""
    last = re.split(r"[:|]", name.strip())[-1]
    last = re.sub(r"(?i)^mixamorig\d*(?=[A-Za-z])", "", last)
    cut = re.findall(r"[A-Z]{2,}(?=s?(?:[^A-Za-z]|$))|[A-Z]?[a-z]+|[A-Z]|\d+", last)
    return [word.lower() for word in cut]


def _shared_fronts(words: Sequence[list[str]]) -> set[tuple[str, ...]]:
    """Beginnings, without sides and figures, that a third of the names have: a prefix of the tool or the person."""
    fronts: Counter[tuple[str, ...]] = Counter()
    for word in words:
        plain = tuple(w for w in word if w not in _SIDES and not w.isdigit())
        fronts.update(plain[:k] for k in range(1, len(plain)))
    return {front for front, times in fronts.items() if times >= max(3, len(words) / 3)}


def _read(index: int, words: list[str], shared: set[tuple[str, ...]]) -> _Read | None:
    told = [w for w in words if w not in _NOISE]
    number = int(told[-1][:6]) if told and told[-1].isdigit() else -1
    joined = "".join(words)
    if joined in ("l5", "t8"):
        return _Read(index, _CENTRE[joined], "", joined, 0)
    letters = [w for w in words if not w.isdigit()]
    sides = {_SIDES[w] for w in letters if w in _SIDES}
    if len(sides) > 1:
        return None
    side = next(iter(sides), "")
    plain = [w for w in letters if w not in _SIDES]
    for k in range(len(plain) + 1 if plain else 0):
        front = tuple(plain[:k])
        while front and front not in shared and front[-1] in _NOISE:
            front = front[:-1]
        if front and front not in shared:
            break
        rest = plain[k:]
        for last in range(len(rest), 0, -1):
            if last < len(rest) and not set(rest[last:]) <= _NOISE:
                break
            found = _look_up("".join(rest[:last]), side)
            if found:
                return _Read(index, *found, number)
    return None


def _look_up(word: str, side: str) -> tuple[str, str, str] | None:
    """(part, side, word) of letters without signs."""
    if side:
        return (_SIDED[word], side, word) if word in _SIDED else None
    if word in _CENTRE:
        return _CENTRE[word], "", word
    for mark in ("left", "right", "l", "r"):
        for inner in (word.removeprefix(mark), word.removesuffix(mark)):
            if inner != word and inner in _SIDED:
                return _SIDED[inner], _SIDES[mark], inner
    return None


def _best(read: Sequence[_Read], part: str) -> int | None:
    """Index of the name that says `part` best: by word, without a number or with the lowest one, the first."""
    found = [r for r in read if r.part == part]
    return min(found, key=lambda r: (_RANK[part, r.word], r.number, r.index)).index if found else None


def _side(read: Sequence[_Read], side: str) -> dict[str, int]:
    """One side's joints. Limbs are named by joints (shoulder, elbow), or by the bones that begin there (arm, forearm)."""
    by = {part: _best(read, part) for part in _WORDS if part.startswith("*")}
    slots: dict[str, int | None] = {
        part: by[f"*{part}"]
        for part in ("eye_inner", "eye", "eye_outer", "ear", "mouth", "hand_tip", "thumb", "index", "pinky", "heel")
    }
    by_joints = by["*shoulder"] is not None and (by["*elbow"] is not None or by["*upperarm"] is None)
    slots["shoulder"] = by["*shoulder"] if by_joints else by["*upperarm"]
    slots["clavicle"] = _first(by["*clavicle"], None if by_joints else by["*shoulder"])
    slots["elbow"] = _first(by["*elbow"], by["*forearm"])
    slots["wrist"] = _first(by["*wrist"], by["*hand"])
    slots["hand"] = by["*hand"] if by["*wrist"] is not None else None
    by_joints = by["*hip"] is not None and (by["*knee"] is not None or by["*thigh"] is None)
    slots["hip"] = by["*hip"] if by_joints else by["*thigh"]
    slots["knee"] = _first(by["*knee"], by["*shin"])
    slots["ankle"] = _first(by["*ankle"], by["*foot"])
    slots["foot"] = _first(by["*toe"], by["*foot"] if by["*ankle"] is not None else None)
    return {f"{side}_{part}": i for part, i in slots.items() if i is not None}


def _first(*found: int | None) -> int | None:
    return next((i for i in found if i is not None), None)


def _middle(read: Sequence[_Read]) -> dict[str, int]:
    """The joints without a side. Numbered ones of the trunk: the first is lowest, the last highest."""
    by = {part: [r for r in read if r.part == part] for part in ("pelvis", "head", "head_top", "nose", *_TRUNK)}
    slots = {part: best for part in by if (best := _best(read, part)) is not None}
    numbered = [r for r in by["spine"] if r.word == "spine"]
    chests = [r for r in by["chest"] if r.word == "chest"]
    hips = [r for r in by["pelvis"] if r.word != "root"]
    if not hips and not by["neck"] and len(numbered) >= 4:  # Rigify: all the way from the hips to the head
        order = sorted(numbered, key=lambda r: r.number)
        stages = {"pelvis": -1, "spine": 1, "chest": 3, "neck": 4, "head": 6}
        found = {slot: [r.index for r in order if r.number == n] for slot, n in stages.items()}
        slots = {**slots, **{slot: indices[0] for slot, indices in found.items() if indices}}
    elif len(numbered) > 1:
        slots["spine"] = min(numbered, key=_height(numbered)).index
        if not by["chest"]:
            slots["chest"] = max(numbered, key=_height(numbered)).index
    if len(chests) > 1:
        slots["chest"] = max(chests, key=_height(chests)).index
        if not by["spine"]:
            slots["spine"] = min(chests, key=_height(chests)).index
    words = {r.word for r in read}
    if {"thorax", "neckbase"} <= words and not words & {"neck", "nose"}:  # Human3.6M: its neck lies at the face
        slots["nose"] = slots.pop("neck")
    return slots


def _height(read: Sequence[_Read]):
    """Sorting key of numbered joints of the trunk: by number, or by place where the numbers fall (MakeHuman)."""
    numbers = [r.number for r in read]
    falling = numbers == sorted(numbers, reverse=True) and len(set(numbers)) > 2
    return lambda r: -r.number if falling else r.number


def _halpe(places: dict[str, int], names: Sequence[str], read: Sequence[_Read]) -> None:
    """Halpe's "head", which stands beside a nose and small toes, is the top of the head."""
    small = any("".join(_words(name)).endswith("smalltoe") for name in names)
    if small and {"nose", "head"} <= set(places) and "head_top" not in places:
        places["head_top"] = places.pop("head")
