"""Which spellings are one name, and how it is told."""

import pytest

from ups.labels import canonical_text, near_alike, one_spelling
from ups.tokens.vocabulary import Vocabulary


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Bowl", "bowl"), ("jump_rope", "jump rope"), ("jump-rope", " Jump  Rope "), ("sit\u2013down", "sit-down"),
        ("caf\u00e9", "cafe\u0301"), ("sit\u00a0down", "sit down"), ("\ufeffwave", "wave"), ("wa\u200bve", "wave"),
        ("\uff37ave", "wave"), ("STRA\u00dfE", "stra\u00dfe"), ("wave\r", "wave"),
    ],
)  # fmt: skip
def test_one_name(one, other):
    assert canonical_text(one) == canonical_text(other)
    assert Vocabulary(classes=(one, other)).classes == (canonical_text(one),)
    assert one_spelling([one, other]).classes == (one,)


def test_different_names_stay():
    names = ["walk", "walks", "jump rope", "jumprope", "a1", "a 1", "None", "nan", "0", "1", "走る", "歩く"]
    found = one_spelling(names)
    assert (
        found.classes == tuple(names) and found.places == tuple(range(12)) and found.merged == () and found.told == ""
    )


def test_the_most_frequent_spelling_is_kept_and_all_are_told():
    found = one_spelling(["Sit", "sit", "stand", "SIT", "sit"], [2, 3, 1, 9, 4])
    assert found.classes == ("SIT", "stand") and found.places == (0, 0, 1, 0, 0)
    assert found.merged == (("SIT", "sit", "Sit"),)
    assert found.told == "spellings of one action are one class: 'sit', 'Sit' as 'SIT'"
    many = one_spelling([spelling for i in range(5) for spelling in (f"a {i}", f"A_{i}")])
    assert many.told.endswith("and so on for 2 more") and many.told.count(" as ") == 3 and "\n" not in many.told


def test_names_that_may_mean_one_action():
    names = [
        "Jump rope",
        "JumpRope",
        "jump-ropes",
        "squat",
        "squats",
        "wave",
        "'wave'",
        "pass",
        "passes",
        "sit",
        "sitting",
    ]
    assert near_alike(names) == [
        ("Jump rope", "JumpRope", "jump-ropes"), ("squat", "squats"), ("wave", "'wave'"), ("pass", "passes"),
    ]  # fmt: skip
    assert near_alike(["throw", "throw away", "arms cross", "bus", "bu", "clean", "clean and jerk"]) == []
